#include "histogram.h"

#include <float.h>
#include <stddef.h>

#include "base.h"

#define HALF (HISTOGRAM_SUB_BUCKETS / 2)

static uint32_t class_of(uint64_t ns)
{
    /* How far the leading bit is above those that count within a bucket. */
    const uint32_t bucket = 56 - (uint32_t)__builtin_clzll(ns | (HISTOGRAM_SUB_BUCKETS - 1));
    const uint32_t number = HALF * bucket + (uint32_t)(ns >> bucket);
    return number < HISTOGRAM_CLASSES ? number : HISTOGRAM_CLASSES - 1;
}

/* "Highest equivalent value". */
static uint64_t last_of(uint32_t number)
{
    if (number == HISTOGRAM_CLASSES - 1) {
        return UINT64_MAX;
    }
    const uint32_t bucket = number < HISTOGRAM_SUB_BUCKETS ? 0 : number / HALF - 1;
    return ((uint64_t)(number - HALF * bucket + 1) << bucket) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram_add_many(histogram, ns, 1);
}

void histogram_add_many(struct histogram *histogram, uint64_t ns, uint32_t count)
{
    const bool least = (histogram->count == 0) | (ns < histogram->min);
    histogram->min = least ? ns : histogram->min;
    histogram->max = ns > histogram->max ? ns : histogram->max;
    histogram->count += count;
    histogram->counts[class_of(ns)] += count;
}

/* Which time, the shortest being 1, is the quantile. A product that only rounding has put above a
 * whole number (0.07 * 100) is that number. */
static uint64_t rank_of(uint64_t count, double quantile)
{
    if (quantile >= 1) {
        return count;
    }
    const double exact = quantile > 0 ? quantile * (double)count * (1 - 2 * DBL_EPSILON) : 0;
    const uint64_t rank = (uint64_t)exact + 1;
    return rank < count ? rank : count;
}

/* Quantiles in ascending order. */
static void find(const struct histogram *histogram, const double *quantiles, uint64_t *times,
                 size_t length)
{
    const uint32_t last = class_of(histogram->max);
    uint32_t number = class_of(histogram->min);
    uint64_t reached = histogram->counts[number];
    for (size_t i = 0; i < length; i++) {
        const uint64_t rank = rank_of(histogram->count, quantiles[i]);
        while (reached < rank && number < last) {
            number += 1;
            reached += histogram->counts[number];
        }
        const uint64_t time = last_of(number);
        times[i] = time < histogram->max ? time : histogram->max;
    }
}

uint64_t histogram_at(const struct histogram *histogram, double quantile)
{
    uint64_t time;
    find(histogram, &quantile, &time, 1);
    return time;
}

gyre_latency histogram_summary(const struct histogram *histogram)
{
    static const double quantiles[] = {0.5, 0.99, 0.999};
    uint64_t times[LENGTH(quantiles)];
    find(histogram, quantiles, times, LENGTH(quantiles));
    return (gyre_latency){
        .count = histogram->count,
        .min = histogram->min,
        .p50 = times[0],
        .p99 = times[1],
        .p999 = times[2],
        .max = histogram->max,
    };
}
