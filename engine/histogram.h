/* Times of any range in little memory, for percentiles: counted in the classes of an HdrHistogram
 * (hdrhistogram.org) with a lowest value of 1 ns and two significant digits.
 *
 * Bucket b holds the times below 256 << b in sub-buckets of 1 << b ns. Of every bucket but the
 * first only the upper half is needed, so time t is counted in class 128 * b + (t >> b), with the
 * least b that leaves t >> b below 256. A class is no wider than 1/128 of what it holds: a
 * percentile is right within 1 %. The last class also takes all that is longer; min and max are
 * exact in any case.
 *
 * A zeroed struct is an empty histogram. Thread-safety: the caller's lock.
 */
#ifndef GYRE_HISTOGRAM_H
#define GYRE_HISTOGRAM_H

#include <stdint.h>

#include <gyre/telemetry.h>

#define HISTOGRAM_SUB_BUCKETS 256 /* the power of two above 2 * 10^digits */
#define HISTOGRAM_BUCKETS 36      /* the last one ends before 2^43 ns, 2.4 hours */
#define HISTOGRAM_CLASSES ((HISTOGRAM_BUCKETS + 1) * HISTOGRAM_SUB_BUCKETS / 2)

struct histogram {
    uint64_t count;
    uint64_t min; /* 0 while count is */
    uint64_t max;
    uint64_t counts[HISTOGRAM_CLASSES];
};

/* O(1), no jumps. */
void histogram_add(struct histogram *histogram, uint64_t ns);

/* That time `count` times, 1 or more. */
void histogram_add_many(struct histogram *histogram, uint64_t ns, uint32_t count);

/* The longest time of the class in which that part (0 to 1) of all times is reached, within
 * [min, max]; 0 if there is none. */
uint64_t histogram_at(const struct histogram *histogram, double quantile);

/* min <= p50 <= p99 <= p999 <= max. Costs one pass over the classes from min to max. */
gyre_latency histogram_summary(const struct histogram *histogram);

#endif
