#include "bench_result.h"

#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct bench_spread spread_of(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return (struct bench_spread){
        .low = values[count / 4],
        .median = values[count / 2],
        .high = values[count - 1 - count / 4],
    };
}

static double value_of(const struct bench_record *record, uint32_t round, bool rate)
{
    return rate ? record->rounds[round].rate : record->rounds[round].p50;
}

/* `other` may be NULL: the values themselves. */
static struct bench_spread spread(const struct bench_record *record,
                                  const struct bench_record *other, bool rate)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < record->round_count; i++) {
        values[i] = value_of(record, i, rate) / (other ? value_of(other, i, rate) : 1);
    }
    return spread_of(values, record->round_count);
}

struct bench_spread bench_p50_ratio(const struct bench_record *record,
                                    const struct bench_record *other)
{
    return record && other ? spread(record, other, false) : (struct bench_spread){0};
}

struct bench_spread bench_rate_ratio(const struct bench_record *record,
                                     const struct bench_record *other)
{
    return record && other ? spread(record, other, true) : (struct bench_spread){0};
}

struct bench_result bench_evaluate(struct bench_record *record)
{
    const struct bench_tally *tally = &record->tally;
    const struct bench_ops *ops = record->bench->ops;
    bench_sort_times(tally->times, tally->count);
    return (struct bench_result){
        .p50 = spread(record, NULL, false),
        .rate = spread(record, NULL, true),
        .p99 = tally->times[tally->count * 99 / 100],
        .p999 = tally->times[tally->count * 999 / 1000],
        .visibility = ops->visibility ? ops->visibility(record->state) : NULL,
    };
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether it is the faster one: by rate where that is what the case is about. */
static bool is_faster(const struct bench_record *record, const struct bench_record *than)
{
    const bool rate = bench_is_stream(record->bench);
    const double a = spread(record, NULL, rate).median, b = spread(than, NULL, rate).median;
    return rate ? a > b : a < b;
}

const struct bench_record *bench_find(const struct bench_run *run, const char *name,
                                      const char *variant)
{
    const struct bench_record *best = NULL;
    for (size_t i = 0; i < run->count; i++) {
        const struct bench_record *record = &run->records[i];
        if (record->round_count > 0 && strcmp(record->bench->name, name) == 0 &&
            (!variant || is_same(record->bench->variant, variant)) &&
            (!best || is_faster(record, best))) {
            best = record;
        }
    }
    return best;
}

bool bench_counts(const struct bench_run *run, const struct bench_record *record)
{
    return record->round_count > 0 &&
           (!record->bench->wait ||
            bench_find(run, record->bench->name, record->bench->variant) == record);
}

static bool is_comparable(const struct bench_case *other, const struct bench_case *bench)
{
    return bench_is_stream(bench)
               ? strcmp(other->name, "dispatch-batched") == 0 && other->words == bench->words
               : strcmp(other->name, "dispatch") == 0;
}

const struct bench_record *bench_dispatched(const struct bench_run *run,
                                            const struct bench_record *record)
{
    const struct bench_record *best = NULL;
    for (size_t i = 0; !(record->bench->flags & BENCH_OWN_WORK) && i < run->count; i++) {
        const struct bench_record *other = &run->records[i];
        if (other->round_count > 0 && is_comparable(other->bench, record->bench) &&
            (!best || is_faster(other, best))) {
            best = other;
        }
    }
    return best;
}

const struct bench_record *bench_hosted(const struct bench_run *run,
                                        const struct bench_record *record)
{
    const struct bench_case *bench = record->bench;
    for (size_t i = 0; bench->flags & BENCH_LINKED && i < run->count; i++) {
        const struct bench_record *other = &run->records[i];
        if (other->round_count > 0 && other->bench->ops == bench->ops &&
            other->bench->batch == bench->batch && !(other->bench->flags & BENCH_LINKED)) {
            return other;
        }
    }
    return NULL;
}
