/* What the rounds of a run say: medians and spreads, ratios; the table and the JSON. */
#ifndef GYRE_TOOLS_BENCH_RESULT_H
#define GYRE_TOOLS_BENCH_RESULT_H

#include "bench_measure.h"

struct bench_run {
    struct bench_setup setup;
    struct bench_record *records;
    size_t count;
};

/* Of one value per round: its median, and the middle half of the rounds. */
struct bench_spread {
    double low;
    double median;
    double high;
};

struct bench_result {
    struct bench_spread p50; /* in nanoseconds */
    struct bench_spread rate;
    struct bench_spread p99;
    struct bench_spread p999;
    const char *visibility; /* NULL: does not apply */
};

/* Of a record with one round at least. */
struct bench_result bench_evaluate(const struct bench_record *record);

/* Of the cases with that name and, unless it is NULL, that variant the one whose way to wait is the
 * fastest; NULL if it was not run. */
const struct bench_record *bench_find(const struct bench_run *run, const char *name,
                                      const char *variant);

/* Whether it is its case's fastest way to wait, and was run. */
bool bench_counts(const struct bench_run *run, const struct bench_record *record);

/* What a case is compared with, NULL if it cannot be or that was not run. For one message at a
 * time: a submission for each; for streams: one for each batch of 1,024 messages of that size. */
const struct bench_record *bench_dispatched(const struct bench_run *run,
                                            const struct bench_record *record);

/* Of a chain on the device: the same chain through the host; else NULL. */
const struct bench_record *bench_hosted(const struct bench_run *run,
                                        const struct bench_record *record);

/* A value of one case as a multiple of that of another, taken round by round, because the cores of
 * a virtual machine may be close to each other in one second and far apart in the next: seen on a
 * 2-core one, 0.14 and 0.5 us. All 0 if there is nothing to compare with. */
struct bench_spread bench_p50_ratio(const struct bench_record *record,
                                    const struct bench_record *other);
struct bench_spread bench_rate_ratio(const struct bench_record *record,
                                     const struct bench_record *other);

/* False: it could not be written. */
bool bench_print_json(const struct bench_run *run);
void bench_print_text(const struct bench_run *run);

#endif
