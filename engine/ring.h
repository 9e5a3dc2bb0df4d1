/* The host's side of the rings, on plain memory. Device side: shaders/gyre/ring.glsl and
 * kernel.glsl; format: wire.h.
 *
 * Input: the host is the producer. It writes a slot (payload, header, sequence last), then the
 * tail. Output: the host is the consumer. It reads the tail, then slots, then gives them back
 * through output_head. What the device wrote is checked before use; a tail or head that cannot be
 * is refused.
 *
 * Where a message has one answer at most, a slot's sequence is the last word written before the
 * tail, and says as much: ring_output_peek_early() looks at it alone, which spares the trip for the
 * tail. The words of the device may then lag behind what the host knows already, while a submission
 * is in flight.
 *
 * Thread-safety: one thread at a time per ring; the other side may be the device, or a thread
 * standing in for it.
 */
#ifndef GYRE_RING_H
#define GYRE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GYRE_WIRE_C
#include "../shaders/gyre/wire.h"

struct ring_message {
    uint64_t id;
    uint64_t correlation; /* in; the device gives it back of messages that came by links only */
    uint32_t type;
    uint32_t priority;
    uint32_t flags;
    uint32_t extra;    /* the key in, the code out */
    uint32_t position; /* out: index of the input that it answers */
    uint32_t lane;     /* out: of that input, by its priority, or GYRE_LANE_LINK */
    bool last;         /* out: of the answers to that input */
};

/* One lane. Invariant: head <= tail <= head + size in free-running indices. */
struct ring_input {
    unsigned char *slots;
    size_t stride;
    uint32_t size;      /* slots, a power of two */
    uint32_t tail;      /* next to write; ours, published by ring_input_publish */
    uint32_t head;      /* the device's, as last seen */
    uint32_t published; /* the tail that the device knows */
    bool write_combined;
    uint32_t *tail_word;       /* gyre_HostLine.input_tail[lane] */
    const uint32_t *head_word; /* gyre_StatusLine.input_head[lane] */
};

struct ring_output {
    const unsigned char *slots;
    size_t stride;
    uint32_t size;
    uint32_t head;             /* next to read; ours */
    uint32_t tail;             /* the device's, as last seen */
    uint32_t given;            /* <= head: the slots before it are the device's again */
    bool kept;                 /* none is given back: see ring_output_keep() */
    uint32_t *head_word;       /* gyre_HostLine.output_head */
    const uint32_t *tail_word; /* gyre_StatusLine.output_tail */
};

/* The lane of a priority: four bands of 64. */
static inline uint32_t ring_lane(uint32_t priority)
{
    return priority / (256 / GYRE_LANES);
}

/* The lowest priority of a lane. */
static inline uint32_t ring_lane_begin(uint32_t lane)
{
    return lane * (256 / GYRE_LANES);
}

/* Looks where the device is; false if that cannot be (head is then unchanged). `settled`: no
 * submission is in flight, so the device cannot be behind. */
bool ring_input_refresh(struct ring_input *ring, bool settled);

/* Slots free, as last seen. */
static inline uint32_t ring_input_room(const struct ring_input *ring)
{
    return ring->size - (ring->tail - ring->head);
}

/* Where a slot's payload lies: to be written before ring_input_write(), or read again as long as
 * the slot was not given back. */
void *ring_input_payload(const struct ring_input *ring, uint32_t index);

/* Fills the next slot. There must be room. `size` bytes of payload; the rest of the slot keeps what
 * it had. NULL: the payload is there already. */
void ring_input_write(struct ring_input *ring, const struct ring_message *message,
                      const void *payload, size_t size);

/* What has been written is the device's from now on. */
void ring_input_publish(struct ring_input *ring);

static inline bool ring_input_is_published(const struct ring_input *ring)
{
    return ring->published == ring->tail;
}

/* Takes back the last slot that the device has not consumed: allowed only while no submission is in
 * flight, and when there is one (tail != head). */
void ring_input_withdraw(struct ring_input *ring);

enum ring_peek {
    RING_EMPTY,
    RING_MESSAGE,
    RING_CORRUPT, /* a header that cannot be, or a tail that cannot be (then *payload is NULL) */
};

/* The oldest answer, left in place. All answers to a message are published together, so the next
 * slot tells whether this is the last one. `settled`: no submission is in flight, so a slot that is
 * not whole by now never will be. RING_CORRUPT with a payload: drop it with ring_output_release. */
enum ring_peek ring_output_peek(struct ring_output *ring, bool settled,
                                struct ring_message *message, const void **payload);

/* RING_MESSAGE or RING_CORRUPT if the next slot is whole, whatever the tail; else RING_EMPTY. */
enum ring_peek ring_output_peek_early(struct ring_output *ring, struct ring_message *message,
                                      const void **payload);

/* The word that ring_output_peek_early() looks at: head + 1 once the answer is there. */
const uint32_t *ring_output_sequence(const struct ring_output *ring);

/* The oldest slot has been read. It is the device's again with ring_output_give_back(), as are all
 * read before: one store for many. */
static inline void ring_output_skip(struct ring_output *ring)
{
    ring->head += 1;
}

void ring_output_give_back(struct ring_output *ring);

/* The slots from the oldest one on are not given back until ring_output_let_go(), though they are
 * skipped: somebody reads them where they lie. */
void ring_output_keep(struct ring_output *ring);
void ring_output_let_go(struct ring_output *ring);

/* Both. */
void ring_output_release(struct ring_output *ring);

#endif
