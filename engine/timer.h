/* Timers: one thread that calls functions when their moment has come. It sleeps meanwhile, and is
 * not there before the first timer.
 *
 * Lock order: a caller's own locks, then the unit's. Functions are called with no lock held.
 * Thread-safety: safe.
 */
#ifndef GYRE_TIMER_H
#define GYRE_TIMER_H

#include "base.h"

struct timers;

/* The caller's, zeroed before its first use. */
struct timer {
    /* Gives the next moment (of base_now_ns()); 0: none, until timer_start(). */
    uint64_t (*fire)(struct timer *timer);
    struct timer *next;
    uint64_t due;
    bool listed;
    bool firing;
};

/* `cpus` (may be NULL), which its thread is to run on, lives as long as it does. */
struct timers *timers_create(const struct base_cpus *cpus);

/* Ends the thread; no timer may be left in it. False if it does not end by the deadline: nothing is
 * freed then. */
bool timers_destroy(struct timers *timers, uint64_t deadline);

/* Calls timer->fire at `due`, unless it is due earlier already. False: no thread can be had. */
bool timer_start(struct timers *timers, struct timer *timer, uint64_t due);

/* From now on it is not called. Waits for a call that is under way, so whoever calls this must not
 * hold a lock that timer->fire takes. */
void timer_stop(struct timers *timers, struct timer *timer);

#endif
