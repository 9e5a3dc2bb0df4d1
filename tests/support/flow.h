/* A stream of messages through a kernel: a thread sends them, the caller takes the answers and
 * checks each.
 *
 * Message i carries i as its correlation, so every answer says which message it answers. Each
 * message is to be answered exactly once; with priorities or several workgroups (`unordered`) in
 * any order, else in the order in which they were sent.
 */
#ifndef GYRE_TEST_FLOW_H
#define GYRE_TEST_FLOW_H

#include "rig.h"

#define FLOW_BYTES_MAX 8192u

struct flow {
    gyre_kernel *kernel;
    uint32_t count;
    bool unordered;
    uint32_t (*priority)(uint32_t index); /* NULL: all 0 */
    uint32_t message_size;
    uint32_t answer_size;
    void (*fill)(void *user, uint32_t index, void *message);
    /* False: the answer to message `index` is wrong. `reply` may be one that failed. */
    bool (*check)(void *user, uint32_t index, const gyre_reply *reply);
    void *user;
};

/* Runs it to the end. A wrong, missing or second answer fails the test, as does standing still for
 * two minutes. */
void flow_run(const struct flow *flow);

/* Sends one message and takes one answer into `answer`. */
gyre_reply flow_ask(gyre_kernel *kernel, const void *message, size_t size, void *answer,
                    size_t capacity);

gyre_stats flow_stats(gyre_kernel *kernel);

/* Pauses an ACTIVE kernel, so that all that the device did is accounted. */
gyre_stats flow_rest(gyre_kernel *kernel);

#endif
