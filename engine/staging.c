#include "staging.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"

/* Entries are made a block at a time: few allocations, and none once the pool has grown to what the
 * load needs. */
#define BLOCK_BYTES (256u * 1024u)

struct staging_block {
    struct staging_block *next;
};

void staging_init(struct staging *staging, uint64_t capacity, uint64_t beyond, size_t payload_size)
{
    *staging = (struct staging){
        .capacity = capacity,
        .pool_bound = capacity + beyond,
        .payload_size = payload_size,
    };
}

void staging_finish(struct staging *staging)
{
    while (staging->blocks) {
        struct staging_block *block = staging->blocks;
        staging->blocks = block->next;
        free(block);
    }
    free(staging->heap);
    *staging = (struct staging){0};
}

static bool grow(struct staging *staging)
{
    size_t stride = base_align(sizeof(struct staging_entry) + staging->payload_size, 16);
    size_t head = base_align(sizeof(struct staging_block), 16);
    uint64_t wanted = stride < BLOCK_BYTES ? BLOCK_BYTES / stride : 1;
    uint64_t left = staging->pool_bound - staging->pooled;
    uint64_t count = wanted < left ? wanted : left;
    if (count == 0) {
        return false;
    }
    struct staging_entry **heap =
        realloc(staging->heap, (size_t)(staging->pooled + count) * sizeof *heap);
    staging->heap = heap ? heap : staging->heap;
    struct staging_block *block = heap ? calloc(1, head + count * stride) : NULL;
    if (!block) {
        return false;
    }
    block->next = staging->blocks;
    staging->blocks = block;
    staging->pooled += count;
    for (uint64_t i = 0; i < count; ++i) {
        struct staging_entry *entry = (void *)((unsigned char *)block + head + i * stride);
        entry->payload = (unsigned char *)(entry + 1);
        entry->next = staging->spare;
        staging->spare = entry;
    }
    return true;
}

/* The one that comes next: much else has been in the cache since it was used. */
static void fetch(struct staging_entry *entry)
{
    if (entry) {
        base_fetch_to_write(entry);
        base_fetch_to_write((char *)entry + 64);
        base_fetch_to_write((char *)entry + 128);
    }
}

struct staging_entry *staging_new(struct staging *staging)
{
    if (!staging->spare && !grow(staging)) {
        return NULL;
    }
    struct staging_entry *entry = staging->spare;
    staging->spare = entry->next;
    fetch(staging->spare);
    *entry = (struct staging_entry){.payload = entry->payload};
    return entry;
}

void staging_recycle(struct staging *staging, struct staging_entry *entry)
{
    entry->next = staging->spare;
    staging->spare = entry;
}

static void mark(struct staging *staging, uint32_t priority)
{
    uint64_t bit = (uint64_t)1 << priority % 64;
    if (staging->first[priority]) {
        staging->holds[priority / 64] |= bit;
    } else {
        staging->holds[priority / 64] &= ~bit;
    }
}

/* ---- the heap of deadlines: a parent is never after its children ---- */

static void heap_put(struct staging *staging, uint64_t at, struct staging_entry *entry)
{
    staging->heap[at] = entry;
    entry->heap_at = (uint32_t)(at + 1);
}

static void heap_rise(struct staging *staging, uint64_t at, struct staging_entry *entry)
{
    while (at > 0 && staging->heap[(at - 1) / 2]->deadline > entry->deadline) {
        heap_put(staging, at, staging->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(staging, at, entry);
}

static void heap_sink(struct staging *staging, uint64_t at, struct staging_entry *entry)
{
    for (;;) {
        uint64_t child = 2 * at + 1;
        if (child + 1 < staging->heap_count &&
            staging->heap[child + 1]->deadline < staging->heap[child]->deadline) {
            child += 1;
        }
        if (child >= staging->heap_count || staging->heap[child]->deadline >= entry->deadline) {
            break;
        }
        heap_put(staging, at, staging->heap[child]);
        at = child;
    }
    heap_put(staging, at, entry);
}

static void heap_add(struct staging *staging, struct staging_entry *entry)
{
    if (entry->deadline) {
        staging->heap_count += 1;
        heap_rise(staging, staging->heap_count - 1, entry);
    }
}

static void heap_remove(struct staging *staging, struct staging_entry *entry)
{
    if (!entry->heap_at) {
        return;
    }
    uint64_t at = entry->heap_at - 1;
    entry->heap_at = 0;
    staging->heap_count -= 1;
    struct staging_entry *last = staging->heap[staging->heap_count];
    if (last == entry) {
        return;
    }
    if (at > 0 && staging->heap[(at - 1) / 2]->deadline > last->deadline) {
        heap_rise(staging, at, last);
    } else {
        heap_sink(staging, at, last);
    }
}

struct staging_entry *staging_take_expired(struct staging *staging, uint64_t now)
{
    struct staging_entry *entry = staging->heap_count ? staging->heap[0] : NULL;
    if (!entry || entry->deadline > now) {
        return NULL;
    }
    staging_remove(staging, entry);
    return entry;
}

uint64_t staging_next_deadline(const struct staging *staging)
{
    return staging->heap_count ? staging->heap[0]->deadline : UINT64_MAX;
}

/* ---- the lists ---- */

void staging_add(struct staging *staging, struct staging_entry *entry)
{
    uint32_t priority = entry->priority;
    entry->next = NULL;
    entry->previous = staging->last[priority];
    *(entry->previous ? &entry->previous->next : &staging->first[priority]) = entry;
    staging->last[priority] = entry;
    staging->count += 1;
    mark(staging, priority);
    heap_add(staging, entry);
}

void staging_put_back(struct staging *staging, struct staging_entry *entry)
{
    uint32_t priority = entry->priority;
    struct staging_entry *after = staging->first[priority];
    while (after && after->id < entry->id) {
        after = after->next;
    }
    entry->next = after;
    entry->previous = after ? after->previous : staging->last[priority];
    *(entry->next ? &entry->next->previous : &staging->last[priority]) = entry;
    *(entry->previous ? &entry->previous->next : &staging->first[priority]) = entry;
    staging->count += 1;
    mark(staging, priority);
    heap_add(staging, entry);
}

void staging_remove(struct staging *staging, struct staging_entry *entry)
{
    uint32_t priority = entry->priority;
    *(entry->previous ? &entry->previous->next : &staging->first[priority]) = entry->next;
    *(entry->next ? &entry->next->previous : &staging->last[priority]) = entry->previous;
    entry->next = NULL;
    entry->previous = NULL;
    staging->count -= 1;
    mark(staging, priority);
    heap_remove(staging, entry);
}

struct staging_entry *staging_peek_aged(const struct staging *staging, uint64_t now, uint64_t age)
{
    struct staging_entry *best = NULL;
    for (uint32_t word = 0; word < LENGTH(staging->holds); ++word) {
        for (uint64_t bits = staging->holds[word]; bits; bits &= bits - 1) {
            /* The first of a list has waited longest, so no other of it counts as more. */
            struct staging_entry *entry =
                staging->first[word * 64 + (uint32_t)__builtin_ctzll(bits)];
            uint64_t waited = now > entry->added ? (now - entry->added) / age : 0;
            uint64_t most = STAGING_PRIORITIES - 1 - entry->priority;
            entry->counted = entry->priority + (uint32_t)(waited < most ? waited : most);
            bool older = best && entry->counted == best->counted && entry->id < best->id;
            best = !best || entry->counted > best->counted || older ? entry : best;
        }
    }
    return best;
}

struct staging_entry *staging_peek_below(const struct staging *staging, uint32_t below)
{
    uint64_t in_last = below % 64 ? ((uint64_t)1 << below % 64) - 1 : UINT64_MAX;
    for (uint32_t word = (below + 63) / 64; word-- > 0; in_last = UINT64_MAX) {
        uint64_t bits = staging->holds[word] & in_last;
        if (bits) {
            return staging->first[word * 64 + 63 - (uint32_t)__builtin_clzll(bits)];
        }
    }
    return NULL;
}

struct staging_entry *staging_peek(const struct staging *staging)
{
    return staging_peek_below(staging, STAGING_PRIORITIES);
}

struct staging_entry *staging_take(struct staging *staging)
{
    struct staging_entry *entry = staging_peek(staging);
    if (entry) {
        staging_remove(staging, entry);
    }
    return entry;
}

struct staging_entry *staging_peek_lowest(const struct staging *staging)
{
    for (size_t word = 0; word < LENGTH(staging->holds); ++word) {
        if (staging->holds[word]) {
            return staging->first[word * 64 + (size_t)__builtin_ctzll(staging->holds[word])];
        }
    }
    return NULL;
}
