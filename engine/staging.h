/* Messages between the caller and a ring: strict priority 0-255, first in first out among equals,
 * bounded, with deadlines.
 *
 * One list per priority and a bitmap of those that hold something: O(1), whatever is staged. A heap
 * holds those with a deadline: O(log n) for these. Entries come from a pool that grows in blocks up
 * to its bound and is never given back before staging_finish; an entry stays the pool's between
 * staging_take and staging_recycle, which is how a message in the device's window keeps its copy.
 *
 * Thread-safety: the caller's lock.
 */
#ifndef GYRE_STAGING_H
#define GYRE_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAGING_PRIORITIES 256

struct staging_entry {
    struct staging_entry *next;
    struct staging_entry *previous;
    uint64_t id;
    uint64_t correlation;
    uint64_t deadline; /* a moment of base_now_ns(); 0: none */
    uint64_t added;    /* when it was accepted, and when it was handed to the device: in ticks */
    uint64_t placed;
    uint64_t failure; /* which of the kernel's failures it was */
    uint32_t priority;
    uint32_t counted; /* the priority as which it was handed over: see staging_peek_aged() */
    uint32_t type;
    uint32_t extra;
    uint32_t flags;
    uint32_t size;    /* of payload */
    uint32_t answers; /* that have come for it */
    uint32_t result;
    uint32_t code;    /* of gyre_fail() */
    uint32_t heap_at; /* place in staging.heap + 1; 0: not in it */
    bool awaited;     /* somebody has asked for its answer, and may have given up */
    bool in_slot;     /* its payload is not here, but in its slot of the window */
    struct awaiter *awaiter;
    unsigned char *payload; /* payload_size bytes */
};

struct staging {
    struct staging_entry *first[STAGING_PRIORITIES];
    struct staging_entry *last[STAGING_PRIORITIES];
    uint64_t holds[STAGING_PRIORITIES / 64]; /* bit p: priority p is not empty */
    uint64_t count;                          /* staged now */
    uint64_t capacity;                       /* staged at most */
    uint64_t kept;       /* of these, places for messages that are still being written */
    uint64_t pool_bound; /* entries at most: staged, and taken but not recycled */
    uint64_t pooled;     /* entries made so far */
    size_t payload_size;
    struct staging_entry *spare;
    struct staging_block *blocks;
    struct staging_entry **heap; /* of those staged with a deadline, the next one first; room for
                                    all entries made */
    uint64_t heap_count;
};

/* `beyond`: how many entries may be out of it (taken, not recycled) while `capacity` are staged. */
void staging_init(struct staging *staging, uint64_t capacity, uint64_t beyond, size_t payload_size);
void staging_finish(struct staging *staging);

static inline bool staging_is_full(const struct staging *staging)
{
    return staging->count + staging->kept >= staging->capacity;
}

/* A blank entry, or NULL: out of memory, or pool_bound is reached. */
struct staging_entry *staging_new(struct staging *staging);

/* Behind its equals. The caller has seen to the capacity. */
void staging_add(struct staging *staging, struct staging_entry *entry);

/* Undoes staging_take: goes among its equals by id. O(1) if the newest is given back first; else it
 * is looked for from the front. May exceed the capacity. */
void staging_put_back(struct staging *staging, struct staging_entry *entry);

/* The most urgent, oldest first; NULL if nothing is staged. `peek` leaves it. */
struct staging_entry *staging_peek(const struct staging *staging);
struct staging_entry *staging_take(struct staging *staging);

/* As staging_peek, of the priorities less than `below`. */
struct staging_entry *staging_peek_below(const struct staging *staging, uint32_t below);

/* As staging_peek, but an entry counts as one priority higher for every `age` ticks since it was
 * added, up to 255; sets its `counted`. O(priorities in use). */
struct staging_entry *staging_peek_aged(const struct staging *staging, uint64_t now, uint64_t age);

/* Removes one whose deadline is not after `now`; NULL if there is none. */
struct staging_entry *staging_take_expired(struct staging *staging, uint64_t now);

/* The deadline that comes next; UINT64_MAX if there is none. */
uint64_t staging_next_deadline(const struct staging *staging);

/* The least urgent, oldest first: what DROP_OLDEST gives up. NULL if nothing is staged. */
struct staging_entry *staging_peek_lowest(const struct staging *staging);
void staging_remove(struct staging *staging, struct staging_entry *entry);

/* An entry that was taken or removed is blank again. */
void staging_recycle(struct staging *staging, struct staging_entry *entry);

#endif
