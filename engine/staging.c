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
    struct staging_block *block = calloc(1, head + count * stride);
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

struct staging_entry *staging_new(struct staging *staging)
{
    if (!staging->spare && !grow(staging)) {
        return NULL;
    }
    struct staging_entry *entry = staging->spare;
    staging->spare = entry->next;
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

void staging_add(struct staging *staging, struct staging_entry *entry)
{
    uint32_t priority = entry->priority;
    entry->next = NULL;
    entry->previous = staging->last[priority];
    *(entry->previous ? &entry->previous->next : &staging->first[priority]) = entry;
    staging->last[priority] = entry;
    staging->count += 1;
    mark(staging, priority);
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
}

struct staging_entry *staging_peek(const struct staging *staging)
{
    for (int word = (int)LENGTH(staging->holds) - 1; word >= 0; --word) {
        if (staging->holds[word]) {
            return staging->first[word * 64 + 63 - __builtin_clzll(staging->holds[word])];
        }
    }
    return NULL;
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
