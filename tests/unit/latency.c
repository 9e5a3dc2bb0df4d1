/* tools/latency: percentiles of many times in little memory. */
#include "latency.h"

#include <criterion/criterion.h>

Test(latency, nothing_gives_nothing)
{
    struct latency latency = {0};
    cr_assert_eq(latency_at(&latency, 0.5), 0);
    cr_assert_eq(latency.max, 0);
}

Test(latency, one_time_is_every_percentile)
{
    static const uint64_t times[] = {0, 1, 31, 32, 33, 1000, 123456789, UINT64_MAX};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct latency latency = {0};
        latency_add(&latency, times[i]);
        cr_assert_eq(latency_at(&latency, 0.0), times[i]);
        cr_assert_eq(latency_at(&latency, 0.5), times[i]);
        cr_assert_eq(latency_at(&latency, 1.0), times[i]);
    }
}

/* Of the times base, 2 * base, ... 1000 * base. */
static void check_percentiles(uint64_t base)
{
    static const double parts[] = {0.01, 0.1, 0.5, 0.9, 0.99, 0.999};
    struct latency latency = {0};
    for (uint64_t i = 1; i <= 1000; i++) {
        latency_add(&latency, i * base);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const double exact = (parts[i] * 1000 + 1) * (double)base;
        const double given = (double)latency_at(&latency, parts[i]);
        cr_assert(given >= exact * 0.999 && given <= exact * 1.035, "%g: %g, not %g", parts[i],
                  given, exact);
    }
    cr_assert_eq(latency_at(&latency, 1.0), 1000 * base);
    cr_assert_eq(latency.max, 1000 * base);
}

Test(latency, percentiles_are_right_within_three_per_cent)
{
    check_percentiles(1);
    check_percentiles(77);
    check_percentiles(1000003);
    check_percentiles(UINT64_C(1) << 40);
}
