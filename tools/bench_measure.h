/* The rounds of a case: warming up, taking the times, checking what came back. */
#ifndef GYRE_TOOLS_BENCH_MEASURE_H
#define GYRE_TOOLS_BENCH_MEASURE_H

#include "bench.h"

enum { BENCH_ROUNDS_MAX = 1000 };

struct bench_round {
    double p50; /* in nanoseconds, of the messages that were timed */
    double p99;
    double p999;
    double rate;
};

struct bench_record {
    const struct bench_case *bench;
    void *state;
    bool skipped;
    struct bench_tally tally; /* its times are those of the last round */
    uint64_t serial;          /* of the last message of an exchange */
    struct bench_round rounds[BENCH_ROUNDS_MAX];
    uint32_t round_count;
};

/* Of a zeroed record. False: said on stderr. */
bool bench_record_open(struct bench_record *record, struct bench_setup *setup,
                       const struct bench_case *bench);

/* One turn. False: it could not be brought to its end, an answer is missing for instance; said on
 * stderr. A wrong answer is only counted. */
bool bench_record_round(struct bench_record *record);

void bench_record_close(struct bench_record *record);

#endif
