#include "bench_measure.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base.h"

/* A round ends with whichever of the two is reached first. */
#define ROUND_NS UINT64_C(40000000)
enum { ROUND_MESSAGES = 20000 };

/* What begins a round is not counted: threads wake up, caches fill. It ends with so many messages
 * and no earlier than after the first time, but after the second one at any rate. */
enum { WARM_UP = 200 };
#define WARM_UP_NS UINT64_C(1000000)
#define WARM_UP_MOST_NS UINT64_C(10000000)

/* ---- the tally ---- */

bool bench_time(struct bench_tally *tally, uint64_t ns)
{
    if (tally->count == tally->capacity) {
        const size_t capacity = tally->capacity ? tally->capacity * 2 : 4096;
        uint64_t *grown = realloc(tally->times, capacity * sizeof *grown);
        if (!grown) {
            command_say("bench: out of memory");
            return false;
        }
        tally->times = grown;
        tally->capacity = capacity;
    }
    tally->times[tally->count++] = ns ? ns : 1;
    return true;
}

void bench_count(struct bench_tally *tally, bool right)
{
    if (!right && tally->verified == tally->messages) {
        command_say("%s: wrong answer, after %" PRIu64 " right ones", tally->name, tally->verified);
    }
    tally->messages += 1;
    tally->verified += right ? 1 : 0;
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* ---- a round ---- */

/* One message there and its answer back. */
static bool exchange(struct bench_record *record)
{
    static uint32_t in[BENCH_WORDS_MAX], out[BENCH_WORDS_MAX]; /* one thread makes the rounds */
    const struct bench_case *bench = record->bench;
    const uint64_t serial = ++record->serial;
    bench_fill(in, bench->words, serial);
    if (bench->ops->prepare && !bench->ops->prepare(record->state)) {
        return false;
    }
    const uint64_t start = base_now_ns();
    const bool done = bench->ops->exchange(record->state, in, out);
    const uint64_t end = base_now_ns();
    if (!done) {
        return false;
    }
    bench_count(&record->tally, bench_is_answer_of(out, bench->words, serial, bench->hops));
    return bench_time(&record->tally, end - start);
}

/* Exchanges until the deadline, but `least` and not more than `most`. */
static bool exchange_many(struct bench_record *record, uint64_t deadline, uint32_t least,
                          uint32_t most)
{
    bool done = true;
    /* A look at the clock at each would be in the rate. */
    const uint32_t rarely = record->bench->ops->prepare ? 1 : 16;
    for (uint32_t i = 0; done && i < most; i++) {
        if (i >= least && i % rarely == 0 && base_now_ns() > deadline) {
            break;
        }
        done = exchange(record);
    }
    return done;
}

/* Messages of a stream until the deadline and at least until one of them has been timed. */
static bool stream(struct bench_record *record, uint64_t deadline)
{
    bool done = true;
    do {
        done = record->bench->ops->stream(record->state, &record->tally, deadline);
        deadline = base_now_ns() + WARM_UP_NS;
    } while (done && record->tally.count == 0);
    return done;
}

/* Wrong answers count, right ones do not. */
static bool warm_up(struct bench_record *record)
{
    const struct bench_tally before = record->tally;
    const uint64_t began = base_now_ns();
    bool done = true;
    if (bench_is_stream(record->bench)) {
        done = stream(record, began + WARM_UP_NS);
    } else {
        done = exchange_many(record, began + WARM_UP_MOST_NS, 1, WARM_UP) &&
               exchange_many(record, began + WARM_UP_NS, 0, UINT32_MAX);
    }
    const uint64_t wrong = (record->tally.messages - before.messages) -
                           (record->tally.verified - before.verified);
    record->tally.count = 0;
    record->tally.messages = before.messages + wrong;
    record->tally.verified = before.verified;
    return done;
}

static bool run(struct bench_record *record)
{
    struct bench_tally *tally = &record->tally;
    const uint64_t messages = tally->messages;
    const uint64_t began = base_now_ns();
    if (!(bench_is_stream(record->bench)
              ? stream(record, began + ROUND_NS)
              : exchange_many(record, began + ROUND_NS, 1, ROUND_MESSAGES))) {
        return false;
    }
    uint64_t took = base_now_ns() - began;
    if (record->bench->ops->prepare) { /* that is not part of it */
        took = 0;
        for (size_t i = 0; i < tally->count; i++) {
            took += tally->times[i];
        }
    }
    qsort(tally->times, tally->count, sizeof *tally->times, compare_times);
    record->rounds[record->round_count++] = (struct bench_round){
        .p50 = (double)tally->times[tally->count / 2],
        .p99 = (double)tally->times[tally->count * 99 / 100],
        .p999 = (double)tally->times[tally->count * 999 / 1000],
        .rate = (double)(tally->messages - messages) * 1e9 / (double)took,
    };
    return true;
}

bool bench_record_round(struct bench_record *record)
{
    const struct bench_ops *ops = record->bench->ops;
    record->tally.count = 0;
    if (ops->begin && !ops->begin(record->state)) {
        return false;
    }
    const bool done = warm_up(record) && run(record);
    return (!ops->end || ops->end(record->state)) && done;
}

/* ---- the record ---- */

bool bench_record_open(struct bench_record *record, struct bench_setup *setup,
                       const struct bench_case *bench)
{
    record->bench = bench;
    record->tally.name = bench->name;
    const enum bench_opening opening = bench->ops->open(setup, bench, &record->state);
    record->skipped = opening == BENCH_SKIPPED;
    return opening != BENCH_FAILED;
}

void bench_record_close(struct bench_record *record)
{
    if (record->state) {
        record->bench->ops->close(record->state);
        record->state = NULL;
    }
    free(record->tally.times);
    record->tally.times = NULL;
}
