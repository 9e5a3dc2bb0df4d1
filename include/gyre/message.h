/* Messages in, answers out; requests that await their own answer; what became of failures. */
#ifndef GYRE_MESSAGE_H
#define GYRE_MESSAGE_H

#include <gyre/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_message {
    const void *data;     /* copied */
    size_t size;          /* bytes: the type's, without types gyre_kernel_input_size() */
    uint32_t priority;    /* 0 (lowest) to 255 */
    uint32_t type;        /* gyre_message_type(): one of gyre_kernel_params.types; without, 0 */
    uint32_t key;         /* gyre_message_key() */
    uint64_t correlation; /* carried over to the answers */
    uint64_t deadline_ns; /* from now: not handed to the device after that, but expired; 0: never */
    uint64_t *id; /* out, optional: the engine's own id of the message, unique in the runtime;
                     written once it has been accepted, whatever becomes of it then */
} gyre_message;

/* gyre_reply.flags */
#define GYRE_REPLY_REDELIVERED 1u /* the message was begun more than once */
#define GYRE_REPLY_SILENT 2u      /* processed without an answer (gyre_request, report_all) */
#define GYRE_REPLY_LAST 4u        /* nothing more comes for this message */
#define GYRE_REPLY_TICK 8u        /* the message was one of gyre_kernel_params.tick_ns */

typedef struct gyre_reply {
    void *data;         /* in: room for an answer; may be NULL if the answer itself is not wanted */
    size_t capacity;    /* in: its bytes */
    size_t size;        /* out: bytes of the answer; 0 if there is none */
    gyre_result result; /* out: OK, or what became of the message: HANDLER, LOOP_LIMIT, OVERSENT,
                           and where it is asked for DROPPED, EXPIRED */
    uint32_t code;      /* out: of gyre_fail() */
    uint64_t id;        /* out: of the message that this answers */
    uint64_t correlation;
    uint32_t priority;
    uint32_t flags;
} gyre_reply;

/* Hands a message over. In LAUNCHED and DEACTIVATED it waits for the kernel to run. When queue_size
 * messages are staged, the kernel's back-pressure decides. Results: OK; INVALID, SIZE, TYPE; STATE;
 * TERMINATED; TIMEOUT (BLOCK), FULL (REJECT); DROPPED (DROP_OLDEST: the newcomer was the lowest);
 * EXPIRED (BLOCK: its deadline came first); DEVICE_LOST; LOOP_LIMIT and others if the kernel has
 * failed as a whole. Blocks up to timeout_ns when the queue is full. Thread-safety: safe. */
GYRE_API gyre_result gyre_send(gyre_kernel *kernel, const gyre_message *message,
                               uint64_t timeout_ns);

/* Never waits: FULL instead. */
GYRE_API gyre_result gyre_try_send(gyre_kernel *kernel, const gyre_message *message);

/* Hands over `count` messages in their order, each as gyre_send() would, for less: the lock is
 * taken once, and the device hears of all that fit into the window at once. `sent` (may be NULL)
 * gets how many were accepted: all with OK; else those before the one whose result is returned.
 * Blocks up to timeout_ns, for all together. Thread-safety: safe. */
GYRE_API gyre_result gyre_send_batch(gyre_kernel *kernel, const gyre_message *messages,
                                     uint32_t count, uint64_t timeout_ns, uint32_t *sent);

/* Places for messages that are written where the device reads them. */
typedef struct gyre_reservation {
    void *data;     /* of the first one. Write only: reading may be slow beyond measure */
    size_t stride;  /* bytes from one place to the next; each has gyre_message.size */
    uint32_t count; /* of places */
    uint32_t reserved;
    uint64_t number; /* the engine's */
} gyre_reservation;

/* Gives out places for up to `count` messages, at least one: as many as are free in a row. `like`
 * says what they all are: priority, type, key, size, correlation, deadline; its data and id are not
 * looked at. They are messages with gyre_commit(). Among their equals they come behind what was
 * accepted before this call, and before what is accepted after gyre_commit(); what is sent in
 * between waits if it needs their part of the device's window, and a queue may fill up: be quick.
 * Where messages are staged before it, in LAUNCHED and DEACTIVATED, and with a deadline, there is
 * one place, in host memory.
 *
 * The places stay valid until gyre_commit() or gyre_kernel_destroy(), whatever becomes of the
 * kernel. A thread that writes for another one that commits hands over by a lock. A kernel has one
 * reservation at a time: STATE while it is open. Results: else as gyre_send. Blocks as gyre_send.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_reserve(gyre_kernel *kernel, const gyre_message *like, uint32_t count,
                                  uint64_t timeout_ns, gyre_reservation *reservation);

/* Hands over the first `used` messages of a reservation, all at once, and gives up the other
 * places; 0: all of them. `correlations` (may be NULL: all have that of `like`) and `ids` (may be
 * NULL; out) have `used` elements. Results: OK; with the reservation still open STATE (it is not
 * the open one) and INVALID (`used` is more than it has); with the messages lost TERMINATED,
 * DEVICE_LOST, and others if the kernel has failed as a whole: none of them was accepted then. Does
 * not block. Thread-safety: safe. */
GYRE_API gyre_result gyre_commit(gyre_kernel *kernel, const gyre_reservation *reservation,
                                 uint32_t used, const uint64_t *correlations, uint64_t *ids);

/* Takes the next answer: of those that have arrived the most urgent, the oldest among equals.
 * Results: OK (see reply->result for the message's own); SIZE (the answer needs more than
 * `capacity`; it stays); TIMEOUT; STATE (CREATED); TERMINATED (nothing left, and nothing will
 * come); DEVICE_LOST; as gyre_send if the kernel has failed. Blocks up to timeout_ns.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_receive(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns);

/* Never waits: EMPTY instead. */
GYRE_API gyre_result gyre_try_receive(gyre_kernel *kernel, gyre_reply *reply);

/* Takes up to `count` answers in the order of gyre_receive(), waiting for the first one only.
 * `received` (may be NULL) gets how many. Results: OK with one at least; else as gyre_receive; SIZE
 * if the first one does not fit (one that does not fit ends the batch). Blocks up to timeout_ns.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_receive_batch(gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                                        uint64_t timeout_ns, uint32_t *received);

/* Takes answers as gyre_receive_batch() does, without a copy where it can: `data` and `capacity` of
 * each reply are set, to where the answer lies (NULL and 0 if it has none). Read only, until
 * gyre_release() or gyre_kernel_destroy(). Meanwhile others receive what follows, but the device
 * gets none of the slots back from the first one on: after output_window further answers it waits,
 * also for the end of GYRE_DRAIN. A kernel is peeked at by one at a time: STATE until it is
 * released. `peeked` (may be NULL) gets how many. Results: else as gyre_receive_batch, but SIZE;
 * there is nothing to release unless OK. Blocks up to timeout_ns. Thread-safety: safe. */
GYRE_API gyre_result gyre_peek(gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                               uint64_t timeout_ns, uint32_t *peeked);

/* Gives back all that gyre_peek() has shown. Results: OK; STATE (there is nothing). Does not block.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_release(gyre_kernel *kernel);

/* Sends a message and awaits its own answer, whatever else is sent and received meanwhile. The
 * first answer counts; further ones to the same message are orphans. A message processed without an
 * answer gives OK with GYRE_REPLY_SILENT. Its answer does not pass through the queue of
 * gyre_receive and needs no room there: while somebody awaits one, answers ahead of it are taken in
 * beyond output_queue_size. Results: OK (see reply->result for a message that failed); of
 * gyre_send; SIZE (`capacity` is less than gyre_kernel_output_size(); nothing was sent); TIMEOUT
 * (an answer that comes later is counted as orphaned and handed to nobody); EXPIRED, DROPPED;
 * TERMINATED. Blocks up to timeout_ns, for room and answer together. Thread-safety: safe. */
GYRE_API gyre_result gyre_request(gyre_kernel *kernel, const gyre_message *message,
                                  gyre_reply *reply, uint64_t timeout_ns);

/* `result` is that of gyre_request; `reply` (NULL unless that is OK) lives until the callback
 * returns. */
typedef void (*gyre_request_callback)(void *user, gyre_result result, const gyre_reply *reply);

/* Sends a message and comes back; gyre_pump() calls `callback`, exactly once. If it does not give
 * OK there is no call. Room is not waited for: a full queue gives FULL, also with BLOCK. Results:
 * as gyre_try_send; NO_MEMORY. Does not block. Thread-safety: safe. */
GYRE_API gyre_result gyre_request_begin(gyre_kernel *kernel, const gyre_message *message,
                                        uint64_t timeout_ns, gyre_request_callback callback,
                                        void *user);

/* Calls the callbacks of the requests that have ended, on the caller's thread and with no lock
 * held: they may call anything but gyre_kernel_destroy(). Waits up to timeout_ns for the first one,
 * unless there is nothing to wait for. `called` (may be NULL) gets how many. Requests outlive
 * terminate, with TERMINATED; gyre_kernel_destroy() discards those not yet called. Results: OK
 * (also with none called). Thread-safety: safe. */
GYRE_API gyre_result gyre_pump(gyre_kernel *kernel, uint64_t timeout_ns, uint32_t *called);

/* A message that failed, with gyre_kernel_params.dead_letters. */
typedef struct gyre_dead_letter {
    void *data;         /* in: room for the message; may be NULL */
    size_t capacity;    /* in: its bytes */
    size_t size;        /* out, as the rest */
    gyre_result result; /* HANDLER, LOOP_LIMIT, OVERSENT, OUTPUT_FULL */
    uint32_t code;      /* of gyre_fail() */
    uint32_t priority;
    uint32_t type;
    uint32_t key;
    uint64_t id;
    uint64_t correlation;
} gyre_dead_letter;

/* Takes the oldest one. Results: OK, EMPTY, SIZE (it stays), INVALID. Does not block.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_dead_letter_take(gyre_kernel *kernel, gyre_dead_letter *letter);

/* Sends up to `most` of them again, oldest first, as new messages with new ids and no deadline, as
 * far as the queue has room. `count` (may be NULL) gets how many. Results: OK (also with none), of
 * gyre_try_send but FULL. Does not block. Thread-safety: safe. */
GYRE_API gyre_result gyre_dead_letter_resend(gyre_kernel *kernel, uint32_t most, uint32_t *count);

#ifdef __cplusplus
}
#endif

#endif
