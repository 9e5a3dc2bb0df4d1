/* Shares one piece of memory out: which bytes of it are taken. The memory itself is somebody
 * else's.
 *
 * First fit over a list in the order of addresses: links are made and undone seldom.
 * Thread-safety: the caller's lock.
 */
#ifndef GYRE_ARENA_H
#define GYRE_ARENA_H

#include <stdbool.h>
#include <stdint.h>

struct arena {
    uint64_t size;
    struct arena_piece *first; /* those taken */
};

#define ARENA_NONE UINT64_MAX

void arena_init(struct arena *arena, uint64_t size);
void arena_finish(struct arena *arena);

/* Where `size` bytes begin, at a multiple of `alignment` (any number but 0), or ARENA_NONE: there
 * is no room, or no memory to note it. */
uint64_t arena_take(struct arena *arena, uint64_t size, uint64_t alignment);

/* Gives back what was taken at `at`; ARENA_NONE is fine. */
void arena_give(struct arena *arena, uint64_t at);

#endif
