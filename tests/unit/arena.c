/* Sharing one piece of memory out (engine/arena.h), against a model that marks each unit. */
#include <criterion/criterion.h>

#include "arena.h"

enum { UNITS = 4096, PIECES = 64, STEPS = 200000 };

Test(arena, takes_the_first_place_that_fits)
{
    struct arena arena;
    arena_init(&arena, 100);
    cr_assert(arena_take(&arena, 30, 1) == 0);
    cr_assert(arena_take(&arena, 30, 32) == 32);
    cr_assert(arena_take(&arena, 2, 1) == 30);
    cr_assert(arena_take(&arena, 39, 1) == ARENA_NONE);
    cr_assert(arena_take(&arena, 38, 1) == 62);
    cr_assert(arena_take(&arena, 1, 1) == ARENA_NONE);
    arena_give(&arena, 30);
    cr_assert(arena_take(&arena, 3, 1) == ARENA_NONE);
    cr_assert(arena_take(&arena, 1, 1) == 30);
    arena_finish(&arena);
}

Test(arena, refuses_what_can_never_fit)
{
    struct arena arena;
    arena_init(&arena, 100);
    cr_assert(arena_take(&arena, 0, 1) == ARENA_NONE);
    cr_assert(arena_take(&arena, 101, 1) == ARENA_NONE);
    cr_assert(arena_take(&arena, UINT64_MAX, 1) == ARENA_NONE);
    cr_assert(arena_take(&arena, 99, 1) == 0);
    cr_assert(arena_take(&arena, 1, 100) == ARENA_NONE);
    cr_assert(arena_take(&arena, UINT64_MAX - 10, 1) == ARENA_NONE);
    cr_assert(arena_take(&arena, 1, 33) == 99);
    arena_finish(&arena);
    arena_init(&arena, 0);
    cr_assert(arena_take(&arena, 1, 1) == ARENA_NONE);
    arena_finish(&arena);
}

Test(arena, gives_back_what_is_there_and_ignores_what_is_not)
{
    struct arena arena;
    arena_init(&arena, 10);
    arena_give(&arena, ARENA_NONE);
    arena_give(&arena, 0);
    cr_assert(arena_take(&arena, 10, 1) == 0);
    arena_give(&arena, 5);
    cr_assert(arena_take(&arena, 1, 1) == ARENA_NONE);
    arena_give(&arena, 0);
    cr_assert(arena_take(&arena, 10, 7) == 0);
    arena_finish(&arena);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static bool taken[UNITS];

/* The lowest multiple of the alignment where `size` units are free. */
static uint64_t model_take(uint64_t size, uint64_t alignment)
{
    for (uint64_t at = 0; at + size <= UNITS; at += alignment) {
        bool free = true;
        for (uint64_t i = 0; i < size && free; ++i) {
            free = !taken[at + i];
        }
        if (free) {
            return at;
        }
    }
    return ARENA_NONE;
}

static void mark(uint64_t at, uint64_t size, bool as)
{
    for (uint64_t i = 0; i < size; ++i) {
        cr_assert(taken[at + i] != as, "two pieces overlap at %llu", (unsigned long long)(at + i));
        taken[at + i] = as;
    }
}

Test(arena, does_what_a_model_of_it_does)
{
    struct arena arena;
    arena_init(&arena, UNITS);
    struct {
        uint64_t at;
        uint64_t size;
    } pieces[PIECES] = {{0, 0}};
    uint32_t seed = 5;
    uint32_t refused = 0;
    for (uint32_t step = 0; step < STEPS; ++step) {
        uint32_t which = next_random(&seed) % PIECES;
        if (pieces[which].size) {
            arena_give(&arena, pieces[which].at);
            mark(pieces[which].at, pieces[which].size, false);
            pieces[which].size = 0;
            continue;
        }
        uint64_t size = 1 + next_random(&seed) % (step % 7 ? 60 : 900);
        uint64_t alignment = 1 + next_random(&seed) % 48; /* strides are no powers of two */
        uint64_t at = arena_take(&arena, size, alignment);
        cr_assert(at == model_take(size, alignment), "step %u", step);
        if (at == ARENA_NONE) {
            refused += 1;
            continue;
        }
        mark(at, size, true);
        pieces[which].at = at;
        pieces[which].size = size;
    }
    cr_assert(refused > 100 && refused < STEPS / 2);
    arena_finish(&arena);
    cr_assert(arena_take(&arena, UNITS, 1) == 0);
    arena_finish(&arena);
}
