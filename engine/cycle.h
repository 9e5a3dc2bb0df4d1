/* Links that form a cycle: which may, and what that means for those in it.
 *
 * Bubble flow control (Carrion et al., HiPC 1997) keeps a ring of rings from filling up for good.
 * It holds for simple cycles, for one message in, one out; all others are refused.
 */
#ifndef GYRE_CYCLE_H
#define GYRE_CYCLE_H

#include "link.h"

/* The links' lock held: whether the cycle that `added` closes, if it does, may be. Results: OK,
 * CYCLE. */
gyre_result cycle_check(struct links *links, const struct link *added);

/* No lock held: its kernels, but for the ends of `added`, which are held already, stay still until
 * cycle_release(), also if this fails. Results: OK, STATE (one of them runs). */
gyre_result cycle_hold(struct links *links, const struct link *added);
void cycle_release(struct links *links);

/* The links' lock held: from now on its links keep a slot free for what goes around. */
void cycle_set(struct links *links, const struct link *added);

/* The links' lock held, some link has gone: those that are in no cycle any more need not. */
void cycle_forget(struct links *links);

#endif
