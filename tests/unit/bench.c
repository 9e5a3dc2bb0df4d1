/* The rounds of gyre bench, with cases that are made up: what is counted, and what is made of it.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "bench_result.h"

/* Answers, but for each `wrong_each`th message. */
struct fake {
    uint32_t wrong_each; /* 0: none */
    uint32_t lost_at;    /* 0: never */
    uint32_t messages;
    uint32_t begun;
    uint32_t ended;
};

static struct fake fake;

static enum bench_opening open_fake(struct bench_setup *setup, const struct bench_case *bench,
                                    void **state)
{
    (void)setup;
    (void)bench;
    *state = &fake;
    return BENCH_OPENED;
}

static bool begin_fake(void *state)
{
    ((struct fake *)state)->begun += 1;
    return true;
}

static bool end_fake(void *state)
{
    ((struct fake *)state)->ended += 1;
    return true;
}

static void close_fake(void *state)
{
    (void)state;
}

static bool is_wrong(struct fake *it)
{
    it->messages += 1;
    return it->wrong_each != 0 && it->messages % it->wrong_each == 0;
}

static bool exchange_fake(void *state, const uint32_t *in, uint32_t *out)
{
    struct fake *it = state;
    const bool wrong = is_wrong(it);
    for (uint32_t i = 0; i < BENCH_WORDS; i++) {
        out[i] = bench_answer(in[i], i);
    }
    out[BENCH_WORDS - 1] ^= wrong ? 1u << 31 : 0; /* one bit of the last word */
    return it->lost_at == 0 || it->messages < it->lost_at;
}

/* Times a message in ten only, and in the first call none at all. */
static bool stream_fake(void *state, struct bench_tally *tally, uint64_t deadline)
{
    struct fake *it = state;
    const bool times = it->messages > 0;
    do {
        for (uint32_t i = 0; i < 10; i++) {
            bench_count(tally, !is_wrong(it));
        }
        if (times && !bench_time(tally, 1000)) {
            return false;
        }
    } while (base_now_ns() < deadline);
    return true;
}

static const struct bench_ops exchanging = {
    .open = open_fake,
    .begin = begin_fake,
    .exchange = exchange_fake,
    .end = end_fake,
    .close = close_fake,
};
static const struct bench_ops streaming = {
    .open = open_fake,
    .stream = stream_fake,
    .close = close_fake,
};
static const struct bench_case exchange_case = {
    .name = "exchange", .ops = &exchanging, .words = BENCH_WORDS};
static const struct bench_case stream_case = {
    .name = "stream", .ops = &streaming, .words = BENCH_WORDS, .batch = 10};

static struct bench_record *run_rounds(const struct bench_case *bench, struct fake how,
                                       uint32_t rounds, bool *done)
{
    struct bench_record *record = calloc(1, sizeof *record);
    struct bench_setup setup = {0};
    cr_assert_not_null(record);
    fake = how;
    cr_assert(bench_record_open(record, &setup, bench));
    *done = true;
    for (uint32_t i = 0; *done && i < rounds; i++) {
        *done = bench_record_round(record);
    }
    return record;
}

static void drop(struct bench_record *record)
{
    bench_record_close(record);
    free(record);
}

Test(bench, every_answer_is_checked_and_every_exchange_timed)
{
    bool done;
    struct bench_record *record = run_rounds(&exchange_case, (struct fake){0}, 1, &done);
    cr_assert(done);
    cr_assert_eq(record->round_count, 1);
    cr_assert_gt(record->tally.messages, 0);
    cr_assert_eq(record->tally.verified, record->tally.messages);
    cr_assert_eq(record->tally.count, record->tally.messages);
    cr_assert_lt(record->tally.messages, fake.messages, "those that warm up are not counted");
    cr_assert_eq(fake.begun, 1);
    cr_assert_eq(fake.ended, 1);
    drop(record);
}

Test(bench, a_wrong_bit_is_seen_wherever_it_comes)
{
    bool done;
    struct bench_record *record =
        run_rounds(&exchange_case, (struct fake){.wrong_each = 7}, 1, &done);
    cr_assert(done);
    cr_assert_eq(record->tally.messages - record->tally.verified, fake.messages / 7,
                 "those among the first, which warm up, as well");
    drop(record);

    record = run_rounds(&stream_case, (struct fake){.wrong_each = 7}, 1, &done);
    cr_assert(done);
    cr_assert_eq(record->tally.messages - record->tally.verified, fake.messages / 7);
    drop(record);
}

Test(bench, a_lost_answer_ends_the_round_which_is_still_put_to_its_end)
{
    bool done;
    struct bench_record *record =
        run_rounds(&exchange_case, (struct fake){.lost_at = 300}, 1, &done);
    cr_assert_not(done);
    cr_assert_eq(record->round_count, 0);
    cr_assert_eq(fake.ended, 1);
    drop(record);
}

Test(bench, a_stream_goes_on_until_something_was_timed)
{
    bool done;
    struct bench_record *record = run_rounds(&stream_case, (struct fake){0}, 3, &done);
    cr_assert(done);
    cr_assert_eq(record->round_count, 3);
    cr_assert_gt(record->tally.count, 0);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_float_eq(record->rounds[i].p50, 1000, 0.5);
        cr_assert_gt(record->rounds[i].rate, 0);
    }
    drop(record);
}

/* ---- what is made of the rounds ---- */

static struct bench_record *make(const struct bench_case *bench, const double *p50s, uint32_t count)
{
    struct bench_record *record = calloc(1, sizeof *record);
    cr_assert_not_null(record);
    record->bench = bench;
    record->round_count = count;
    for (uint32_t i = 0; i < count; i++) {
        record->rounds[i] = (struct bench_round){
            .p50 = p50s[i], .p99 = 2 * p50s[i], .p999 = 3 * p50s[i], .rate = 1e9 / p50s[i]};
    }
    return record;
}

Test(bench, ratios_are_taken_round_by_round)
{
    /* Of the medians it would be 2. */
    struct bench_record *one = make(&exchange_case, (const double[]){30, 20, 600}, 3);
    struct bench_record *other = make(&exchange_case, (const double[]){10, 5, 200}, 3);
    cr_assert_float_eq(bench_p50_ratio(one, other).median, 3, 1e-9);
    cr_assert_float_eq(bench_rate_ratio(one, other).median, 1.0 / 3, 1e-9);
    cr_assert_eq(bench_p50_ratio(one, NULL).median, 0);
    drop(one);
    drop(other);
}

Test(bench, a_spread_is_the_middle_half)
{
    struct bench_record *record =
        make(&exchange_case, (const double[]){80, 10, 30, 20, 40, 70, 60, 50}, 8);
    const struct bench_result result = bench_evaluate(record);
    cr_assert_float_eq(result.p50.low, 30, 1e-9);
    cr_assert_float_eq(result.p50.median, 50, 1e-9);
    cr_assert_float_eq(result.p50.high, 60, 1e-9);
    cr_assert_float_eq(result.p99.median, 100, 1e-9);
    cr_assert_float_eq(result.p999.median, 150, 1e-9);
    cr_assert_float_eq(result.rate.median, 1e9 / 40, 1);
    cr_assert_null(result.visibility);
    drop(record);
}

Test(bench, of_two_ways_to_wait_the_faster_one_counts)
{
    const struct bench_case spin = {.name = "dispatch", .wait = "spin", .ops = &exchanging};
    const struct bench_case block = {.name = "dispatch", .wait = "block", .ops = &exchanging};
    struct bench_record *slow = make(&spin, (const double[]){30}, 1);
    struct bench_record *fast = make(&block, (const double[]){20}, 1);
    struct bench_record records[] = {*slow, *fast};
    const struct bench_run run = {.records = records, .count = 2};
    cr_assert_eq(bench_find(&run, "dispatch", NULL), &records[1]);
    cr_assert_not(bench_counts(&run, &records[0]));
    cr_assert(bench_counts(&run, &records[1]));
    cr_assert_null(bench_find(&run, "floor", NULL));
    drop(slow);
    drop(fast);
}
