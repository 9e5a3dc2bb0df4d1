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

/* Of the values at `offset` in struct bench_round; `other` may be NULL, else as multiples of its.
 */
static struct bench_spread spread(const struct bench_record *record,
                                  const struct bench_record *other, size_t offset)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < record->round_count; i++) {
        values[i] = *(const double *)(const void *)((const char *)&record->rounds[i] + offset);
        if (other) {
            values[i] /= *(const double *)(const void *)((const char *)&other->rounds[i] + offset);
        }
    }
    return spread_of(values, record->round_count);
}
#define SPREAD(record, other, field) spread(record, other, offsetof(struct bench_round, field))

struct bench_spread bench_p50_ratio(const struct bench_record *record,
                                    const struct bench_record *other)
{
    return record && other ? SPREAD(record, other, p50) : (struct bench_spread){0};
}

struct bench_spread bench_rate_ratio(const struct bench_record *record,
                                     const struct bench_record *other)
{
    return record && other ? SPREAD(record, other, rate) : (struct bench_spread){0};
}

struct bench_result bench_evaluate(const struct bench_record *record)
{
    const struct bench_ops *ops = record->bench->ops;
    return (struct bench_result){
        .p50 = SPREAD(record, NULL, p50),
        .rate = SPREAD(record, NULL, rate),
        .p99 = SPREAD(record, NULL, p99),
        .p999 = SPREAD(record, NULL, p999),
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
    return bench_is_stream(record->bench)
               ? SPREAD(record, NULL, rate).median > SPREAD(than, NULL, rate).median
               : SPREAD(record, NULL, p50).median < SPREAD(than, NULL, p50).median;
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
