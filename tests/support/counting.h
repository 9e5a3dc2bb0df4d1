/* A kernel that numbers its messages in its state, so that its answers tell in which order it
 * worked on them: what the tests of states, waiting and idling run. */
#ifndef GYRE_TEST_COUNTING_H
#define GYRE_TEST_COUNTING_H

#include "rig.h"

#define PATIENCE (60 * S) /* for what must happen, on a machine that does other things as well */

/* Some 0.3 ms of work for a CPU driver, within what its loops may do. */
#define COUNTING_SLOW 20000u

#define COUNTING_QUEUE 1024u

struct counting_request {
    uint32_t value;
    uint32_t turns; /* of work */
};

struct counting_response {
    uint32_t value;
    uint32_t order; /* which message of the kernel's life this was, from 1 */
    uint32_t worked;
};

/* The loop over both visibilities: `for (BOTH_MODES(mode)) { struct rig rig; rig_open(&rig, mode);
 * ... }` */
#define BOTH_MODES(mode) \
    enum rig_mode mode = RIG_STRICT; \
    mode <= RIG_LIVE; \
    ++mode

/* Lives until the calling thread asks for another kernel's text. */
gyre_kernel_params counting_params(const char *id);

gyre_result counting_try(gyre_kernel *kernel, uint32_t value, uint64_t timeout_ns);

/* `count` messages with the values from `first` up; each must be taken. */
void counting_send(gyre_kernel *kernel, uint32_t first, uint32_t count, uint32_t turns);

/* The next answer must be that of `value`, which was the message number `order`. */
void counting_expect(gyre_kernel *kernel, uint32_t value, uint32_t order);

/* As many of them, with the values from `first` up, each the message number value + 1. */
void counting_expect_many(gyre_kernel *kernel, uint32_t first, uint32_t count);

void counting_sleep(uint64_t ns);

#endif
