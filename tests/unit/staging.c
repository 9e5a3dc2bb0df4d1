/* engine/staging: strict priority, first in first out among equals, bounded. The cases that have a
 * name; whatever has none is left to staging_property.c. */
#include "staging.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

static struct staging_entry *add(struct staging *staging, uint32_t priority, uint64_t id)
{
    struct staging_entry *entry = staging_new(staging);
    cr_assert_not_null(entry);
    entry->priority = priority;
    entry->id = id;
    staging_add(staging, entry);
    return entry;
}

static void expect_take(struct staging *staging, uint64_t id)
{
    struct staging_entry *peeked = staging_peek(staging);
    struct staging_entry *entry = staging_take(staging);
    cr_assert_not_null(entry);
    cr_assert_eq(entry, peeked);
    cr_assert_eq(entry->id, id, "%llu came instead of %llu", (unsigned long long)entry->id,
                 (unsigned long long)id);
    staging_recycle(staging, entry);
}

static void expect_empty(struct staging *staging)
{
    cr_assert_eq(staging->count, 0);
    cr_assert_null(staging_peek(staging));
    cr_assert_null(staging_take(staging));
    cr_assert_null(staging_peek_lowest(staging));
    for (size_t i = 0; i < LENGTH(staging->holds); ++i) {
        cr_assert_eq(staging->holds[i], 0);
    }
}

/* DROP_OLDEST as the engine does it. Gives the id of what was dropped. */
static uint64_t add_dropping(struct staging *staging, uint32_t priority, uint64_t id)
{
    cr_assert(staging_is_full(staging));
    struct staging_entry *lowest = staging_peek_lowest(staging);
    if (lowest->priority > priority) {
        return id;
    }
    uint64_t dropped = lowest->id;
    staging_remove(staging, lowest);
    staging_recycle(staging, lowest);
    add(staging, priority, id);
    return dropped;
}

Test(staging, nothing_staged_gives_nothing)
{
    struct staging staging;
    staging_init(&staging, 4, 4, 16);
    expect_empty(&staging);
    cr_assert_not(staging_is_full(&staging));
    staging_finish(&staging);
}

Test(staging, A13_each_of_256_priorities_has_its_own_place)
{
    struct staging staging;
    staging_init(&staging, 256, 0, 0);
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t priority = i * 101 % 256; /* a permutation */
        add(&staging, priority, priority);
    }
    cr_assert_eq(staging_peek_lowest(&staging)->id, 0);
    for (uint64_t id = 256; id-- > 0;) {
        expect_take(&staging, id);
    }
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, A13_any_two_priorities_are_told_apart)
{
    struct staging staging;
    staging_init(&staging, 2, 0, 0);
    for (uint32_t high = 1; high < 256; ++high) {
        for (uint32_t low = 0; low < high; ++low) {
            add(&staging, low, low);
            add(&staging, high, high);
            cr_assert_eq(staging_peek_lowest(&staging)->id, low);
            expect_take(&staging, high);
            expect_take(&staging, low);
        }
    }
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, A14_urgent_ones_go_first_whatever_the_order_of_sending)
{
    static const uint32_t sent[] = {64, 255, 128, 224, 0, 223};
    static const uint32_t processed[] = {255, 224, 223, 128, 64, 0};
    struct staging staging;
    staging_init(&staging, 8, 0, 0);
    for (size_t i = 0; i < LENGTH(sent); ++i) {
        add(&staging, sent[i], sent[i]);
    }
    for (size_t i = 0; i < LENGTH(processed); ++i) {
        expect_take(&staging, processed[i]);
    }
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, A14_a_newcomer_overtakes_what_is_less_urgent)
{
    struct staging staging;
    staging_init(&staging, 8, 0, 0);
    add(&staging, 10, 1);
    add(&staging, 20, 2);
    expect_take(&staging, 2);
    add(&staging, 30, 3);
    add(&staging, 10, 4);
    expect_take(&staging, 3);
    expect_take(&staging, 1);
    expect_take(&staging, 4);
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, A15_a_thousand_equals_keep_their_order)
{
    struct staging staging;
    staging_init(&staging, 1000, 0, 8);
    for (uint32_t priority = 0; priority < 256; priority += 85) {
        for (uint64_t id = 0; id < 1000; ++id) {
            add(&staging, priority, id);
        }
        for (uint64_t id = 0; id < 1000; ++id) {
            expect_take(&staging, id);
        }
        expect_empty(&staging);
    }
    staging_finish(&staging);
}

Test(staging, A15_equals_keep_their_order_between_others)
{
    struct staging staging;
    staging_init(&staging, 3000, 0, 8);
    for (uint64_t id = 0; id < 3000; ++id) {
        add(&staging, 127 + (uint32_t)(id % 3), id);
    }
    for (uint64_t band = 3; band-- > 0;) {
        for (uint64_t id = band; id < 3000; id += 3) {
            expect_take(&staging, id);
        }
    }
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, A23_a_capacity_of_C_holds_exactly_C)
{
    static const uint64_t capacities[] = {1, 2, 3, 64, 1000};
    for (size_t i = 0; i < LENGTH(capacities); ++i) {
        struct staging staging;
        staging_init(&staging, capacities[i], 2, 16);
        for (uint64_t id = 0; id < capacities[i]; ++id) {
            cr_assert_not(staging_is_full(&staging));
            add(&staging, (uint32_t)(id % 256), id);
            cr_assert_eq(staging.count, id + 1);
        }
        cr_assert(staging_is_full(&staging));
        staging_recycle(&staging, staging_take(&staging));
        cr_assert_not(staging_is_full(&staging), "one taken makes room for one");
        add(&staging, 0, 0);
        cr_assert(staging_is_full(&staging));
        staging_finish(&staging);
    }
}

Test(staging, A26_a_full_queue_drops_its_oldest)
{
    struct staging staging;
    staging_init(&staging, 3, 0, 0);
    add(&staging, 9, 1);
    add(&staging, 9, 2);
    add(&staging, 9, 3);
    cr_assert_eq(add_dropping(&staging, 9, 4), 1);
    cr_assert_eq(add_dropping(&staging, 9, 5), 2);
    cr_assert_eq(staging.count, 3);
    expect_take(&staging, 3);
    expect_take(&staging, 4);
    expect_take(&staging, 5);
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, A27_the_oldest_of_the_lowest_priority_goes_and_never_one_above_the_newcomer)
{
    struct staging staging;
    staging_init(&staging, 4, 0, 0);
    add(&staging, 200, 1);
    add(&staging, 5, 2);
    add(&staging, 5, 3);
    add(&staging, 64, 4);
    cr_assert_eq(add_dropping(&staging, 255, 5), 2);
    cr_assert_eq(add_dropping(&staging, 5, 6), 3);
    cr_assert_eq(add_dropping(&staging, 4, 7), 7, "the newcomer is the lowest");
    cr_assert_eq(add_dropping(&staging, 64, 8), 6);
    cr_assert_eq(add_dropping(&staging, 63, 9), 9);
    expect_take(&staging, 5);
    expect_take(&staging, 1);
    expect_take(&staging, 4);
    expect_take(&staging, 8);
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, put_back_undoes_take)
{
    struct staging staging;
    staging_init(&staging, 16, 0, 0);
    for (uint64_t id = 0; id < 16; ++id) {
        add(&staging, id < 8 ? 70 : 3, id);
    }
    struct staging_entry *taken[12];
    for (size_t i = 0; i < LENGTH(taken); ++i) {
        taken[i] = staging_take(&staging);
    }
    for (size_t i = LENGTH(taken); i-- > 0;) {
        staging_put_back(&staging, taken[i]);
    }
    cr_assert_eq(staging.count, 16);
    for (uint64_t id = 0; id < 16; ++id) {
        expect_take(&staging, id);
    }
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, what_is_put_back_goes_before_equals_that_came_meanwhile)
{
    struct staging staging;
    staging_init(&staging, 8, 8, 0);
    add(&staging, 1, 1);
    add(&staging, 1, 2);
    struct staging_entry *first = staging_take(&staging);
    struct staging_entry *second = staging_take(&staging);
    expect_empty(&staging);
    add(&staging, 1, 3);
    add(&staging, 2, 4);
    staging_put_back(&staging, second);
    staging_put_back(&staging, first);
    cr_assert_eq(staging_peek_lowest(&staging)->id, 1);
    expect_take(&staging, 4);
    expect_take(&staging, 1);
    expect_take(&staging, 2);
    expect_take(&staging, 3);
    expect_empty(&staging);
    staging_finish(&staging);
}

/* As several workgroups give them back: one window after the other. Every order of four, of two
 * priorities. */
Test(staging, A6_what_is_put_back_in_any_order_keeps_the_order_of_sending)
{
    for (uint32_t code = 0; code < 4 * 4 * 4 * 4; ++code) {
        uint32_t order[] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3};
        if ((1u << order[0] | 1u << order[1] | 1u << order[2] | 1u << order[3]) != 15) {
            continue; /* not a permutation */
        }
        struct staging staging;
        staging_init(&staging, 16, 0, 0);
        struct staging_entry *taken[8];
        for (uint64_t id = 0; id < 4; ++id) {
            add(&staging, 9, id);
            add(&staging, 5, id + 10);
        }
        for (size_t i = 0; i < LENGTH(taken); ++i) {
            taken[i] = staging_take(&staging);
        }
        add(&staging, 9, 4);
        add(&staging, 5, 14);
        for (size_t i = 0; i < LENGTH(order); ++i) {
            staging_put_back(&staging, taken[order[i]]);
            staging_put_back(&staging, taken[4 + order[3 - i]]);
        }
        cr_assert_eq(staging_peek_lowest(&staging)->id, 10);
        for (uint64_t id = 0; id < 5; ++id) {
            expect_take(&staging, id);
        }
        for (uint64_t id = 10; id < 15; ++id) {
            expect_take(&staging, id);
        }
        expect_empty(&staging);
        staging_finish(&staging);
    }
}

Test(staging, put_back_may_exceed_the_capacity)
{
    struct staging staging;
    staging_init(&staging, 2, 2, 0);
    add(&staging, 1, 1);
    add(&staging, 1, 2);
    struct staging_entry *first = staging_take(&staging);
    struct staging_entry *second = staging_take(&staging);
    add(&staging, 1, 3);
    add(&staging, 1, 4);
    staging_put_back(&staging, second);
    staging_put_back(&staging, first);
    cr_assert_eq(staging.count, 4);
    cr_assert(staging_is_full(&staging));
    for (uint64_t id = 1; id <= 3; ++id) {
        expect_take(&staging, id);
        cr_assert_eq(staging_is_full(&staging), staging.count >= 2);
    }
    expect_take(&staging, 4);
    expect_empty(&staging);
    staging_finish(&staging);
}

/* Which of n equals is removed: first, middle, last, only one. */
Test(staging, any_entry_can_be_removed)
{
    for (uint64_t count = 1; count <= 4; ++count) {
        for (uint64_t removed = 0; removed < count; ++removed) {
            struct staging staging;
            staging_init(&staging, 8, 0, 0);
            struct staging_entry *entries[4] = {0};
            for (uint64_t id = 0; id < count; ++id) {
                entries[id] = add(&staging, 63, id);
            }
            staging_remove(&staging, entries[removed]);
            cr_assert_null(entries[removed]->next);
            cr_assert_null(entries[removed]->previous);
            staging_recycle(&staging, entries[removed]);
            cr_assert_eq(staging.count, count - 1);
            add(&staging, 63, 99);
            for (uint64_t id = 0; id < count; ++id) {
                if (id != removed) {
                    expect_take(&staging, id);
                }
            }
            expect_take(&staging, 99);
            expect_empty(&staging);
            staging_finish(&staging);
        }
    }
}

Test(staging, a_removed_entry_can_be_added_with_another_priority)
{
    struct staging staging;
    staging_init(&staging, 8, 0, 0);
    struct staging_entry *entry = add(&staging, 10, 1);
    add(&staging, 20, 2);
    staging_remove(&staging, entry);
    entry->priority = 30;
    staging_add(&staging, entry);
    expect_take(&staging, 1);
    expect_take(&staging, 2);
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, a_new_entry_is_blank_whatever_it_was_before)
{
    struct staging staging;
    staging_init(&staging, 1, 0, 16);
    struct staging_entry *entry = staging_new(&staging);
    unsigned char *payload = entry->payload;
    memset(entry, 0xff, sizeof *entry);
    entry->payload = payload;
    staging_recycle(&staging, entry);
    entry = staging_new(&staging);
    cr_assert_not_null(entry);
    const struct staging_entry blank = {0};
    cr_assert_arr_eq((unsigned char *)entry, (const unsigned char *)&blank,
                     offsetof(struct staging_entry, payload));
    cr_assert_eq(entry->payload, payload);
    staging_finish(&staging);
}

/* Full of distinct bytes, no payload has a byte of another one: sizes around the alignment and
 * around a block. */
Test(staging, every_entry_has_a_payload_of_its_own)
{
    static const size_t payload_sizes[] = {0,    1,      4,      15,     16,    17,
                                           1000, 200000, 262080, 262144, 300001};
    for (size_t i = 0; i < LENGTH(payload_sizes); ++i) {
        struct staging staging;
        staging_init(&staging, 10, 3, payload_sizes[i]);
        struct staging_entry *entries[13];
        for (size_t n = 0; n < LENGTH(entries); ++n) {
            entries[n] = staging_new(&staging);
            cr_assert_not_null(entries[n]);
            cr_assert_eq((uintptr_t)entries[n]->payload % 8, 0);
            memset(entries[n]->payload, (int)n + 1, payload_sizes[i]);
        }
        for (size_t n = 0; n < LENGTH(entries); ++n) {
            for (size_t byte = 0; byte < payload_sizes[i]; ++byte) {
                cr_assert_eq(entries[n]->payload[byte], n + 1);
            }
            cr_assert_eq(entries[n]->size, 0);
        }
        staging_finish(&staging);
    }
}

Test(staging, a_payload_survives_staging_taking_and_putting_back)
{
    struct staging staging;
    staging_init(&staging, 100, 0, 32);
    for (uint64_t id = 0; id < 100; ++id) {
        struct staging_entry *entry = add(&staging, (uint32_t)(id * 7 % 256), id);
        memset(entry->payload, (int)id, 32);
        entry->size = 32;
    }
    for (uint64_t n = 0; n < 100; ++n) {
        staging_put_back(&staging, staging_take(&staging));
        struct staging_entry *entry = staging_take(&staging);
        cr_assert_eq(entry->size, 32);
        for (size_t byte = 0; byte < 32; ++byte) {
            cr_assert_eq(entry->payload[byte], entry->id);
        }
    }
    staging_finish(&staging);
}

Test(staging, the_pool_ends_at_its_bound_and_goes_on_when_entries_come_back)
{
    static const uint64_t capacities[] = {1, 3, 5000,
                                          20000}; /* the last two take more than one block */
    for (size_t i = 0; i < LENGTH(capacities); ++i) {
        struct staging staging;
        uint64_t bound = capacities[i] + 7;
        staging_init(&staging, capacities[i], 7, 40);
        for (uint64_t id = 0; id < bound; ++id) {
            add(&staging, (uint32_t)id % 256, id);
        }
        cr_assert_null(staging_new(&staging));
        cr_assert_null(staging_new(&staging));
        struct staging_entry *taken = staging_take(&staging);
        cr_assert_null(staging_new(&staging), "a taken entry is not the pool's yet");
        staging_recycle(&staging, taken);
        cr_assert_eq(staging_new(&staging), taken);
        cr_assert_null(staging_new(&staging));
        cr_assert_eq(staging.pooled, bound);
        staging_finish(&staging);
    }
}

Test(staging, a_pool_bound_to_nothing_gives_nothing)
{
    struct staging staging;
    staging_init(&staging, 0, 0, 40);
    cr_assert(staging_is_full(&staging));
    cr_assert_null(staging_new(&staging));
    staging_finish(&staging);
}

Test(staging, the_pool_grows_with_the_load_and_no_further)
{
    struct staging staging;
    staging_init(&staging, 1000000, 0, 64);
    for (uint64_t round = 0; round < 100000; ++round) {
        add(&staging, (uint32_t)(round % 256), round);
        staging_recycle(&staging, staging_take(&staging));
    }
    cr_assert_lt(staging.pooled, 10000, "one message at a time needs one block");
    staging_finish(&staging);
}

Test(staging, finish_frees_what_is_staged_and_taken_and_may_come_twice)
{
    struct staging staging;
    staging_init(&staging, 20000, 0, 64);
    for (uint64_t id = 0; id < 20000; ++id) {
        add(&staging, (uint32_t)(id % 256), id);
    }
    cr_assert_not_null(staging_take(&staging));
    staging_finish(&staging);
    cr_assert_eq(staging.count, 0);
    cr_assert_null(staging.blocks);
    staging_finish(&staging);
}

/* Nanoseconds per operation with `staged` messages in it, the best of some rounds: every operation,
 * on a queue that keeps its length. */
static double cost(uint64_t staged)
{
    enum { ROUNDS = 7, STEPS = 20000 };
    struct staging staging;
    staging_init(&staging, staged, 8, 16);
    for (uint64_t id = 0; id < staged; ++id) {
        add(&staging, (uint32_t)(id % 256), id);
    }
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; ++round) {
        uint64_t start = base_now_ns();
        for (uint32_t step = 0; step < STEPS; ++step) {
            struct staging_entry *taken = staging_take(&staging);
            struct staging_entry *again = staging_take(&staging);
            staging_put_back(&staging, again);
            struct staging_entry *lowest = staging_peek_lowest(&staging);
            staging_remove(&staging, lowest);
            staging_recycle(&staging, lowest);
            staging_recycle(&staging, taken);
            struct staging_entry *newcomer = staging_new(&staging);
            newcomer->priority = step % 256;
            staging_add(&staging, newcomer);
            newcomer = staging_new(&staging);
            newcomer->priority = 255 - step % 256;
            staging_add(&staging, newcomer);
        }
        uint64_t took = base_now_ns() - start;
        best = took < best ? took : best;
    }
    cr_assert_eq(staging.count, staged);
    staging_finish(&staging);
    return (double)best / (STEPS * 10.0);
}

/* What grew with the number staged would be 1000 times as slow, where a larger cache footprint
 * costs a few times. */
Test(staging, a_million_staged_cost_per_operation_what_a_thousand_cost)
{
    double thousand = cost(1000);
    double million = cost(1000000);
    cr_log_info("%.1f ns per operation with 1,000 staged, %.1f ns with 1,000,000", thousand,
                million);
    cr_assert_lt(million, 30 * thousand + 200, "%.1f ns with 1,000 staged, %.1f ns with 1,000,000",
                 thousand, million);
}

Test(staging, a_million_staged_come_out_in_order)
{
    enum { COUNT = 1000000 };
    struct staging staging;
    staging_init(&staging, COUNT, 0, 0);
    for (uint64_t id = 0; id < COUNT; ++id) {
        add(&staging, (uint32_t)(id * 2654435761u >> 16 & 255), id);
    }
    cr_assert(staging_is_full(&staging));
    uint32_t priority = 255;
    uint64_t id = 0;
    for (uint64_t n = 0; n < COUNT; ++n) {
        struct staging_entry *entry = staging_take(&staging);
        bool next = entry->priority < priority ||
                    (entry->priority == priority && (n == 0 || entry->id > id));
        cr_assert(next, "%llu of %u after %llu of %u", (unsigned long long)entry->id,
                  entry->priority, (unsigned long long)id, priority);
        priority = entry->priority;
        id = entry->id;
    }
    expect_empty(&staging);
    staging_finish(&staging);
}

Test(staging, peek_below_sees_the_lower_priorities_only)
{
    static const uint32_t priorities[] = {0, 63, 64, 130, 255};
    struct staging staging;
    staging_init(&staging, 16, 0, 8);
    for (uint32_t i = 0; i < LENGTH(priorities); ++i) {
        add(&staging, priorities[i], 10 + i);
    }
    for (uint32_t below = 0; below <= STAGING_PRIORITIES; ++below) {
        uint64_t expected = 0;
        for (uint32_t i = 0; i < LENGTH(priorities) && priorities[i] < below; ++i) {
            expected = 10 + i;
        }
        const struct staging_entry *entry = staging_peek_below(&staging, below);
        cr_assert_eq(entry ? entry->id : 0, expected, "below %u", below);
    }
    staging_finish(&staging);
}

Test(staging, a_place_that_is_kept_is_taken)
{
    struct staging staging;
    staging_init(&staging, 2, 0, 8);
    staging.kept = 1;
    cr_assert(!staging_is_full(&staging));
    add(&staging, 0, 1);
    cr_assert(staging_is_full(&staging));
    staging.kept = 0;
    cr_assert(!staging_is_full(&staging));
    staging_finish(&staging);
}
