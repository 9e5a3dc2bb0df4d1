/* engine/histogram: HdrHistogram's classes, and percentiles of what is in them. */
#include "histogram.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base.h"

#define END (UINT64_C(1) << 43) /* of the range with classes of their own */

/* Empty; some 40 KB, too much for the stack of every test. */
static struct histogram *make(void)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);
    cr_assert_not_null(histogram);
    return histogram;
}

static uint64_t random_word(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* All lengths are about as likely. */
static uint64_t random_time(uint64_t *state)
{
    const uint64_t word = random_word(state);
    return word >> (random_word(state) % 64);
}

/* Of HdrHistogram's definition (countsArrayIndex and what it calls), with lowestDiscernibleValue 1
 * and numberOfSignificantValueDigits 2, by counting instead of looking at bits. */
static uint32_t reference_class(uint64_t ns)
{
    uint32_t sub_bucket_count = 1;
    while (sub_bucket_count < 2 * 10 * 10) {
        sub_bucket_count *= 2;
    }
    const uint32_t half = sub_bucket_count / 2;
    uint32_t bucket = 0;
    for (uint64_t rest = ns; rest >= sub_bucket_count; rest /= 2) {
        bucket += 1;
    }
    uint64_t width = 1;
    for (uint32_t i = 0; i < bucket; i++) {
        width *= 2;
    }
    return (bucket + 1) * half + (uint32_t)(ns / width) - half;
}

/* Leaves the histogram as it was, but for min and max. */
static void check_class(struct histogram *histogram, uint64_t ns, uint32_t number)
{
    histogram_add(histogram, ns);
    cr_assert_eq(histogram->counts[number], 1, "%llu is not in number %u", (unsigned long long)ns,
                 number);
    histogram->counts[number] = 0;
    histogram->count -= 1;
}

Test(histogram, the_classes_are_those_of_an_hdr_histogram)
{
    struct histogram *histogram = make();
    uint64_t state = 1;
    for (uint64_t ns = 0; ns < 100000; ns++) {
        check_class(histogram, ns, reference_class(ns));
    }
    for (int i = 0; i < 1000000; i++) {
        const uint64_t ns = random_time(&state) % END;
        check_class(histogram, ns, reference_class(ns));
    }
    check_class(histogram, END - 1, HISTOGRAM_CLASSES - 1);
    cr_assert_eq(reference_class(END - 1), HISTOGRAM_CLASSES - 1);
    cr_assert_eq(reference_class(END), HISTOGRAM_CLASSES);
    free(histogram);
}

/* 256 classes of 1 ns, then 128 of 2 ns, 128 of 4 ns and so on, without a gap. */
Test(histogram, every_class_holds_what_is_between_its_ends)
{
    struct histogram *histogram = make();
    uint64_t first = 0;
    uint64_t width = 1;
    for (uint32_t number = 0; number < HISTOGRAM_CLASSES; number++) {
        if (number >= 256 && number % 128 == 0) {
            width *= 2;
        }
        const uint64_t last = first + width - 1;
        check_class(histogram, first, number);
        check_class(histogram, last, number);
        cr_assert_leq((last - first) * 128, first);
        first = last + 1;
    }
    cr_assert_eq(first, END);
    free(histogram);
}

Test(histogram, a_percentile_is_the_longest_time_of_its_class)
{
    static const uint64_t pairs[][2] = {
        {0, 0},        {1, 1},           {255, 255},         {256, 257},
        {257, 257},    {1000, 1003},     {1003, 1003},       {1004, 1007},
        {9999, 10047}, {100000, 100351}, {1000000, 1003519}, {1000000000, 1002438655},
    };
    for (size_t i = 0; i < LENGTH(pairs); i++) {
        struct histogram *histogram = make();
        histogram_add(histogram, pairs[i][0]);
        histogram_add(histogram, UINT64_MAX);
        cr_assert_eq(histogram_at(histogram, 0.5), pairs[i][1], "%llu",
                     (unsigned long long)pairs[i][0]);
        free(histogram);
    }
}

Test(histogram, nothing_gives_nothing)
{
    struct histogram *histogram = make();
    cr_assert_eq(histogram_at(histogram, 0), 0);
    cr_assert_eq(histogram_at(histogram, 0.5), 0);
    cr_assert_eq(histogram_at(histogram, 1), 0);
    const gyre_latency summary = histogram_summary(histogram);
    cr_assert(summary.count == 0 && summary.min == 0 && summary.p50 == 0 && summary.p99 == 0 &&
              summary.p999 == 0 && summary.max == 0);
    free(histogram);
}

Test(histogram, one_time_is_every_percentile)
{
    static const uint64_t times[] = {0, 1, 255, 256, 1000, 123456789, END - 1, END + 1, UINT64_MAX};
    for (size_t i = 0; i < LENGTH(times); i++) {
        struct histogram *histogram = make();
        histogram_add(histogram, times[i]);
        cr_assert_eq(histogram->min, times[i]);
        cr_assert_eq(histogram->max, times[i]);
        cr_assert_eq(histogram_at(histogram, 0), times[i]);
        cr_assert_eq(histogram_at(histogram, 0.5), times[i]);
        cr_assert_eq(histogram_at(histogram, 1), times[i]);
        free(histogram);
    }
}

Test(histogram, a_time_of_zero_stays_the_least)
{
    struct histogram *histogram = make();
    histogram_add(histogram, 0);
    histogram_add(histogram, 7);
    cr_assert_eq(histogram->min, 0);
    histogram_add(histogram, 3);
    cr_assert_eq(histogram->min, 0);
    cr_assert_eq(histogram->max, 7);
    free(histogram);
}

/* The time of rank ceil(quantile * count), also where binary fractions miss it by a hair. */
Test(histogram, a_quantile_is_reached_exactly)
{
    struct histogram *histogram = make();
    for (uint64_t ns = 1; ns <= 100; ns++) {
        histogram_add(histogram, ns);
    }
    for (uint64_t percent = 1; percent <= 100; percent++) {
        cr_assert_eq(histogram_at(histogram, (double)percent / 100), percent);
        cr_assert_eq(histogram_at(histogram, (double)percent * 0.01), percent);
        cr_assert_eq(histogram_at(histogram, (double)percent / 100 - 0.005), percent);
    }
    free(histogram);
}

Test(histogram, a_quantile_out_of_range_is_the_nearest_one)
{
    struct histogram *histogram = make();
    histogram_add(histogram, 10);
    histogram_add(histogram, 20);
    cr_assert_eq(histogram_at(histogram, -1), 10);
    cr_assert_eq(histogram_at(histogram, 0), 10);
    cr_assert_eq(histogram_at(histogram, (double)NAN), 10);
    cr_assert_eq(histogram_at(histogram, 1), 20);
    cr_assert_eq(histogram_at(histogram, 2), 20);
    cr_assert_eq(histogram_at(histogram, (double)INFINITY), 20);
    free(histogram);
}

Test(histogram, percentiles_stay_between_min_and_max)
{
    struct histogram *histogram = make();
    histogram_add(histogram, 1000001);
    histogram_add(histogram, 1000002);
    const gyre_latency summary = histogram_summary(histogram);
    cr_assert_eq(summary.min, 1000001);
    cr_assert_eq(summary.p50, 1000002);
    cr_assert_eq(summary.p999, 1000002);
    cr_assert_eq(summary.max, 1000002);
    free(histogram);
}

Test(histogram, huge_times_share_the_last_class_and_max_is_exact)
{
    struct histogram *histogram = make();
    histogram_add(histogram, 5);
    histogram_add(histogram, END);
    histogram_add(histogram, UINT64_MAX - 1);
    cr_assert_eq(histogram->counts[HISTOGRAM_CLASSES - 1], 2);
    cr_assert_eq(histogram_at(histogram, 0.3), 5);
    cr_assert_eq(histogram_at(histogram, 0.5), UINT64_MAX - 1);
    cr_assert_eq(histogram_summary(histogram).p999, UINT64_MAX - 1);
    cr_assert_eq(histogram_summary(histogram).max, UINT64_MAX - 1);
    free(histogram);
}

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

Test(histogram, percentiles_of_a_million_times_are_right_within_one_per_cent)
{
    enum { COUNT = 1000000 };
    struct histogram *histogram = make();
    uint64_t *times = malloc(COUNT * sizeof *times);
    cr_assert_not_null(times);
    uint64_t state = 2;
    for (size_t i = 0; i < COUNT; i++) {
        times[i] = random_time(&state) % END;
        histogram_add(histogram, times[i]);
    }
    qsort(times, COUNT, sizeof *times, compare);
    for (size_t rank = 1; rank <= COUNT; rank += rank < 100 || rank > COUNT - 100 ? 1 : 997) {
        const uint64_t exact = times[rank - 1];
        const uint64_t given = histogram_at(histogram, (double)rank / COUNT);
        cr_assert(given >= exact && given - exact <= exact / 100, "rank %zu: %llu, not %llu", rank,
                  (unsigned long long)given, (unsigned long long)exact);
    }
    const gyre_latency summary = histogram_summary(histogram);
    cr_assert_eq(summary.count, COUNT);
    cr_assert_eq(summary.min, times[0]);
    cr_assert_eq(summary.p50, histogram_at(histogram, 0.5));
    cr_assert_eq(summary.p99, histogram_at(histogram, 0.99));
    cr_assert_eq(summary.p999, histogram_at(histogram, 0.999));
    cr_assert_eq(summary.max, times[COUNT - 1]);
    free(times);
    free(histogram);
}

Test(histogram, percentiles_never_fall)
{
    uint64_t state = 3;
    for (int round = 0; round < 2000; round++) {
        struct histogram *histogram = make();
        for (uint64_t left = random_word(&state) % 50 + 1; left > 0; left--) {
            histogram_add(histogram, random_time(&state));
        }
        const gyre_latency summary = histogram_summary(histogram);
        cr_assert(summary.min <= summary.p50 && summary.p50 <= summary.p99 &&
                  summary.p99 <= summary.p999 && summary.p999 <= summary.max);
        uint64_t before = summary.min;
        for (int i = 0; i <= 100; i++) {
            const uint64_t time = histogram_at(histogram, i / 100.0);
            cr_assert(before <= time && time <= summary.max);
            before = time;
        }
        cr_assert_eq(before, summary.max);
        free(histogram);
    }
}
