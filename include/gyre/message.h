/* Messages in, answers out. */
#ifndef GYRE_MESSAGE_H
#define GYRE_MESSAGE_H

#include <gyre/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_message {
    const void *data; /* gyre_kernel_input_size() bytes; copied */
    size_t size;
    uint32_t priority;    /* 0 (lowest) to 255 */
    uint32_t type;        /* gyre_message_type() in the handler; must be 0 for now */
    uint32_t key;         /* gyre_message_key() */
    uint64_t correlation; /* carried over to the answers */
    uint64_t *id; /* out, optional: the engine's own id of the message, unique in the runtime */
} gyre_message;

/* gyre_reply.flags */
#define GYRE_REPLY_REDELIVERED 1u /* the message was begun more than once */
#define GYRE_REPLY_SILENT \
    2u /* processed without an answer (only with gyre_kernel_params.report_silent) */

typedef struct gyre_reply {
    void *data;      /* in: room for an answer; may be NULL if the answer itself is not wanted */
    size_t capacity; /* in: its bytes */
    size_t size;     /* out: bytes of the answer; 0 if the message failed */
    gyre_result
        result;    /* out: OK, or why the message failed: HANDLER, LOOP_LIMIT, OVERSENT, CORRUPT */
    uint32_t code; /* out: of gyre_fail() */
    uint64_t id;   /* out: of the message that this answers */
    uint64_t correlation;
    uint32_t priority;
    uint32_t flags;
} gyre_reply;

/* Hands a message over. In LAUNCHED and DEACTIVATED it waits for the kernel to run. When queue_size
 * messages are staged, the kernel's back-pressure decides. Results: OK; INVALID, SIZE, TYPE; STATE;
 * TERMINATED; TIMEOUT (BLOCK), FULL (REJECT); DROPPED (DROP_OLDEST: the newcomer was the lowest);
 * DEVICE_LOST; LOOP_LIMIT and others if the kernel has failed as a whole. Blocks up to timeout_ns
 * when the queue is full. Thread-safety: safe. */
GYRE_API gyre_result gyre_send(gyre_kernel *kernel, const gyre_message *message,
                               uint64_t timeout_ns);

/* Never waits: FULL instead. */
GYRE_API gyre_result gyre_try_send(gyre_kernel *kernel, const gyre_message *message);

/* Takes the next answer.
 * Results: OK (see reply->result for the message's own); SIZE (the answer needs more than
 * `capacity`; it stays); TIMEOUT; STATE (CREATED); TERMINATED (nothing left, and nothing will
 * come); DEVICE_LOST; as gyre_send if the kernel has failed. Blocks up to timeout_ns.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_receive(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns);

/* Never waits: EMPTY instead. */
GYRE_API gyre_result gyre_try_receive(gyre_kernel *kernel, gyre_reply *reply);

#ifdef __cplusplus
}
#endif

#endif
