#include "ring.h"

#include <string.h>

#include "base.h"
#include "shared.h"

static struct gyre_Header *header_at(unsigned char *slots, size_t stride, uint32_t size,
                                     uint32_t index)
{
    return (struct gyre_Header *)(void *)(slots + (size_t)(index & (size - 1)) * stride);
}

#define AHEAD 16u /* slots */

bool ring_input_refresh(struct ring_input *ring, bool settled)
{
    /* A3: the slots before it are ours again; pairs with R3 in shaders/gyre/kernel.glsl. */
    uint32_t head = shared_load_acquire(ring->head_word);
    if (!settled && (int32_t)(head - ring->head) < 0) {
        return true; /* an answer came before it */
    }
    if (head - ring->head > ring->tail - ring->head) {
        return false;
    }
    ring->head = head;
    return true;
}

void *ring_input_payload(const struct ring_input *ring, uint32_t index)
{
    return header_at(ring->slots, ring->stride, ring->size, index) + 1;
}

void ring_input_write(struct ring_input *ring, const struct ring_message *message,
                      const void *payload, size_t size)
{
    struct gyre_Header *header = header_at(ring->slots, ring->stride, ring->size, ring->tail);
    ASSERT(ring_input_room(ring) > 0);
    /* The device had it last. Where it is written soon, it is on its way by then. */
    base_fetch_to_write(header_at(ring->slots, ring->stride, ring->size, ring->tail + AHEAD));
    if (payload) {
        memcpy(header + 1, payload, size);
    }
    header->info = message->type | message->priority << GYRE_INFO_PRIORITY_SHIFT |
                   message->flags << GYRE_INFO_FLAGS_SHIFT;
    header->id_low = (uint32_t)message->id;
    header->id_high = (uint32_t)(message->id >> 32);
    header->correlation_low = (uint32_t)message->correlation;
    header->correlation_high = (uint32_t)(message->correlation >> 32);
    header->extra = message->extra;
    header->position = ring->tail;
    if (ring->write_combined) {
        shared_drain_write_combining();
    }
    /* R1: the slot is whole; pairs with A1 in shaders/gyre/kernel.glsl. */
    shared_store_release(&header->sequence, ring->tail + 1);
    ring->tail += 1;
}

void ring_input_publish(struct ring_input *ring)
{
    if (ring->write_combined) {
        shared_drain_write_combining();
    }
    /* R1 as well: the device looks at slots below the tail only. */
    shared_store_release(ring->tail_word, ring->tail);
    ring->published = ring->tail;
}

void ring_input_withdraw(struct ring_input *ring)
{
    ASSERT(ring->tail != ring->head);
    ring->tail -= 1;
    struct gyre_Header *header = header_at(ring->slots, ring->stride, ring->size, ring->tail);
    /* A stale sequence would make the slot look whole while it is filled again. Relaxed: nobody is
     * looking. */
    shared_store_relaxed(&header->sequence, ring->tail);
    shared_store_relaxed(ring->tail_word, ring->tail);
    ring->published = ring->tail;
}

static uint32_t lane_of(uint32_t info)
{
    bool linked = info >> GYRE_INFO_FLAGS_SHIFT & GYRE_FLAG_LINKED;
    return linked ? GYRE_LANE_LINK : ring_lane(info >> GYRE_INFO_PRIORITY_SHIFT & 0xff);
}

static enum ring_peek check(const struct gyre_Header *header, struct ring_message *message)
{
    *message = (struct ring_message){
        .id = (uint64_t)header->id_high << 32 | header->id_low,
        .correlation = (uint64_t)header->correlation_high << 32 | header->correlation_low,
        .type = header->info & 0xffff,
        .priority = header->info >> GYRE_INFO_PRIORITY_SHIFT & 0xff,
        .flags = header->info >> GYRE_INFO_FLAGS_SHIFT,
        .extra = header->extra,
        .position = header->position,
    };
    message->lane = lane_of(header->info);
    /* A slot without an answer says nothing of its message. */
    const uint32_t impossible = GYRE_FLAG_VOID | GYRE_FLAG_FAILED;
    return (message->flags & impossible) != impossible ? RING_MESSAGE : RING_CORRUPT;
}

static const unsigned char *slot_at(const struct ring_output *ring, uint32_t index)
{
    return ring->slots + (size_t)(index & (ring->size - 1)) * ring->stride;
}

/* Reads the tail if all that was known of has been taken. RING_MESSAGE: there is something. */
static enum ring_peek look_at_tail(struct ring_output *ring, bool settled)
{
    if (ring->tail != ring->head) {
        return RING_MESSAGE;
    }
    /* A2: the answers before it are whole; pairs with R2 in shaders/gyre/kernel.glsl. */
    uint32_t tail = shared_load_acquire(ring->tail_word);
    if (!settled && (int32_t)(tail - ring->head) < 0) {
        return RING_EMPTY; /* a slot came before it */
    }
    if (tail - ring->head > ring->size) {
        return RING_CORRUPT;
    }
    ring->tail = tail;
    return tail == ring->head ? RING_EMPTY : RING_MESSAGE;
}

/* Is the answer at the head the last one to its message? The tail moves by whole messages only. */
static enum ring_peek look_behind(const struct ring_output *ring, bool settled,
                                  struct ring_message *message)
{
    message->last = true;
    if (ring->tail - ring->head == 1) {
        return RING_MESSAGE;
    }
    const struct gyre_Header *next = (const void *)slot_at(ring, ring->head + 1);
    if (shared_load_acquire(&next->sequence) != ring->head + 2) {
        return settled ? RING_MESSAGE : RING_EMPTY;
    }
    uint32_t lane = lane_of(next->info);
    bool is_void = (next->info >> GYRE_INFO_FLAGS_SHIFT & GYRE_FLAG_VOID) != 0;
    message->last = lane != message->lane || next->position != message->position || is_void;
    return RING_MESSAGE;
}

enum ring_peek ring_output_peek(struct ring_output *ring, bool settled,
                                struct ring_message *message, const void **payload)
{
    *payload = NULL;
    enum ring_peek there = look_at_tail(ring, settled);
    if (there != RING_MESSAGE) {
        return there;
    }
    const struct gyre_Header *header = (const void *)slot_at(ring, ring->head);
    /* A tail that overtook its slot (LIVE on a weakly ordered bus): not there yet. */
    if (shared_load_acquire(&header->sequence) != ring->head + 1) {
        *payload = settled ? header + 1 : NULL;
        return settled ? RING_CORRUPT : RING_EMPTY;
    }
    enum ring_peek checked = check(header, message);
    if (checked == RING_MESSAGE && look_behind(ring, settled, message) == RING_EMPTY) {
        return RING_EMPTY;
    }
    *payload = header + 1;
    return checked;
}

const uint32_t *ring_output_sequence(const struct ring_output *ring)
{
    return &((const struct gyre_Header *)(const void *)slot_at(ring, ring->head))->sequence;
}

enum ring_peek ring_output_peek_early(struct ring_output *ring, struct ring_message *message,
                                      const void **payload)
{
    const struct gyre_Header *header = (const void *)slot_at(ring, ring->head);
    /* A2: the answer is whole; pairs with R2 in shaders/gyre/kernel.glsl. */
    if (shared_load_acquire(&header->sequence) != ring->head + 1) {
        *payload = NULL;
        return RING_EMPTY;
    }
    ring->tail = ring->tail == ring->head ? ring->head + 1 : ring->tail;
    *payload = header + 1;
    enum ring_peek checked = check(header, message);
    message->last = true;
    return checked;
}

void ring_output_give_back(struct ring_output *ring)
{
    if (ring->kept) {
        return;
    }
    ring->given = ring->head;
    /* R4: the slots may be overwritten; pairs with A4, gyre_has_room() in shaders/gyre/kernel.glsl.
     */
    shared_store_release(ring->head_word, ring->head);
}

void ring_output_keep(struct ring_output *ring)
{
    if (!ring->kept) {
        ring_output_give_back(ring);
        ring->kept = true;
    }
}

void ring_output_let_go(struct ring_output *ring)
{
    if (ring->kept) {
        ring->kept = false;
        ring_output_give_back(ring);
    }
}

void ring_output_release(struct ring_output *ring)
{
    ring_output_skip(ring);
    ring_output_give_back(ring);
}
