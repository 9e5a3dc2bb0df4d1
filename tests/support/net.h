/* Kernels that are linked to one another: what the tests of links share.
 *
 * All of them take and send a struct hop, so that any can be linked to any. A handler is the text
 * of main's loop body; PASS copies the message to GYRE_OUT, counts it in the state and says what
 * the kernel has worked out.
 */
#ifndef GYRE_TEST_NET_H
#define GYRE_TEST_NET_H

#include "counting.h"
#include "flow.h"

struct hop {
    uint32_t tag;
    uint32_t mode;  /* what the handler is to do: its own business */
    uint32_t limit; /* likewise */
    uint32_t turns; /* of work, as in counting.h */
    uint32_t n;     /* out: which message of the workgroup's life this was, from 1 */
    uint32_t hops;  /* out, as the rest */
    uint32_t key;
    uint32_t
        path; /* of the kernels it came through, PATH_BITS each: gyre_kernel_params.id's digit */
};

#define NET_RELAY "PASS gyre_send();"

/* To the kernel at port 0 until it has made that many hops, then to the host. */
#define NET_ROUND \
    "PASS if (gyre_message_hops() < GYRE_IN.limit) { gyre_send(); }" \
    " else { gyre_send_to(GYRE_HOST); }"

#define NET_PATH_BITS 4u

/* How a kernel is made, beside its params. Zero: GYRE_MAX_SENDS 1, one invocation, NET_RELAY. */
struct net_text {
    uint32_t sends;
    uint32_t lanes;
    const char *body;
};

/* Launched, not activated. `number` (1 to 15) becomes its id and what it adds to hop.path. */
gyre_kernel *net_launch(struct rig *rig, uint32_t number, struct net_text text,
                        gyre_kernel_params params);

void net_activate(gyre_kernel *const *kernels, uint32_t count);
void net_send(gyre_kernel *kernel, struct hop hop);
void net_send_keyed(gyre_kernel *kernel, struct hop hop, uint32_t key, uint32_t priority);

/* The next answer, which must come and be that of a message that did not fail. */
struct hop net_take(gyre_kernel *kernel);

/* The next one, which must be that of a message that failed so. */
gyre_reply net_take_failure(gyre_kernel *kernel, gyre_result result);

/* There is no answer to take, now that the kernel is known to have nothing to do. */
void net_is_empty(gyre_kernel *kernel);

/* accepted = processed + failed + dropped + expired + staged + window. */
gyre_stats net_books(gyre_kernel *kernel);

gyre_link_stats net_link(gyre_kernel *from, uint32_t port, gyre_kernel *to);

/* Runs `body` in STRICT and in LIVE. */
void net_in_both_modes(void (*body)(struct rig *rig));

/* The condition comes true. */
#define await(condition) \
    do { \
        uint64_t until_ = rig_now_ns() + PATIENCE; \
        while (!(condition)) { \
            cr_assert(rig_now_ns() < until_, "never came true: %s", #condition); \
            counting_sleep(200000); \
        } \
    } while (0)

#define LENGTH(array) (sizeof(array) / sizeof *(array))

#endif
