#include "arena.h"

#include <stdlib.h>

#include "base.h"

struct arena_piece {
    struct arena_piece *next;
    uint64_t at;
    uint64_t size;
};

void arena_init(struct arena *arena, uint64_t size)
{
    *arena = (struct arena){.size = size};
}

void arena_finish(struct arena *arena)
{
    while (arena->first) {
        arena_give(arena, arena->first->at);
    }
}

uint64_t arena_take(struct arena *arena, uint64_t size, uint64_t alignment)
{
    struct arena_piece **place = &arena->first;
    uint64_t at = 0;
    while (*place && ((*place)->at < at || (*place)->at - at < size)) {
        at = base_align((*place)->at + (*place)->size, alignment);
        place = &(*place)->next;
    }
    if (at > arena->size || arena->size - at < size || size == 0) {
        return ARENA_NONE;
    }
    struct arena_piece *piece = malloc(sizeof *piece);
    if (!piece) {
        return ARENA_NONE;
    }
    *piece = (struct arena_piece){.next = *place, .at = at, .size = size};
    *place = piece;
    return at;
}

void arena_give(struct arena *arena, uint64_t at)
{
    struct arena_piece **place = &arena->first;
    while (*place && (*place)->at != at) {
        place = &(*place)->next;
    }
    struct arena_piece *piece = *place;
    if (piece) {
        *place = piece->next;
        free(piece);
    }
}
