/* The books: exact, at every moment, by cause (A41), kept to the end (A43), and cheap to read. */
#include <stdatomic.h>
#include <stdlib.h>

#include "tasks.h"

static void equals(const char *what, uint64_t is, uint64_t expected, const gyre_stats *stats)
{
    cr_assert(is == expected, "%s is %llu, not %llu; %s", what, (unsigned long long)is,
              (unsigned long long)expected, books_text(stats));
}

#define EQUALS(member, expected) equals(#member, stats.member, expected, &stats)

static void check_latency(const gyre_latency *latency, uint64_t count)
{
    const gyre_latency *l = latency;
    cr_assert(l->count == count, "%llu measured, not %llu", (unsigned long long)l->count,
              (unsigned long long)count);
    cr_assert(l->min <= l->p50 && l->p50 <= l->p99 && l->p99 <= l->p999 && l->p999 <= l->max,
              "min %llu p50 %llu p99 %llu p99.9 %llu max %llu", (unsigned long long)l->min,
              (unsigned long long)l->p50, (unsigned long long)l->p99, (unsigned long long)l->p999,
              (unsigned long long)l->max);
    cr_assert(count > 0 || l->max == 0);
}

/* A41 */
Test(telemetry, is_exact_after_many_messages)
{
    enum { MESSAGES = 5000, FAILING = 7 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("counted");
        params.queue_size = MESSAGES;
        params.output_queue_size = MESSAGES;
        gyre_kernel *kernel = rig_active(&rig, params);
        uint64_t began = rig_now_ns();
        for (uint32_t i = 0; i < MESSAGES; ++i) {
            task_send(kernel, (struct task){.value = i, .fail = i % FAILING == 3}, i % 256);
        }
        ok(gyre_kernel_deactivate(kernel, PATIENCE)); /* some are given to the device twice */
        ok(gyre_kernel_reactivate(kernel));
        until(flow_stats(kernel).processed + flow_stats(kernel).failed == MESSAGES);
        uint64_t took = rig_now_ns() - began;
        const uint32_t failed = (MESSAGES + FAILING - 1 - 3) / FAILING;
        gyre_stats stats = flow_stats(kernel);
        EQUALS(accepted, MESSAGES);
        EQUALS(failed, failed);
        EQUALS(processed, MESSAGES - failed);
        EQUALS(staged + stats.window, 0);
        EQUALS(dropped + stats.expired + stats.rejected, 0);
        EQUALS(unread, MESSAGES);
        check_latency(&stats.queueing, MESSAGES);
        check_latency(&stats.processing, MESSAGES);
        cr_assert(stats.queueing.max <= took && stats.processing.max <= took);
        for (uint32_t i = 0; i < MESSAGES; ++i) {
            struct done done;
            task_take(kernel, &done);
        }
        stats = flow_stats(kernel);
        EQUALS(received, MESSAGES);
        EQUALS(unread, 0);
        rig_close(&rig);
    }
}

static void refuse(gyre_kernel *kernel)
{
    struct task task = {0};
    gives(GYRE_ERROR_SIZE, gyre_send(kernel, &(gyre_message){.data = &task, .size = 1}, PATIENCE));
    gives(GYRE_ERROR_TYPE,
          gyre_try_send(kernel, &(gyre_message){.data = &task, .size = sizeof task, .type = 9}));
    gives(GYRE_ERROR_INVALID, task_try(kernel, task, (gyre_message){.priority = 256}, PATIENCE));
}

/* Loses messages of a paused kernel with a queue of 8 in every way that there is before the device
 * has them: of 10 with priority 5 the two oldest give way, two expire; one is too low. */
static void lose_before(gyre_kernel *kernel)
{
    for (uint32_t i = 0; i < 8; ++i) {
        struct task task = {.value = i, .fail = i == 2 || i == 3 ? 40 + i : 0, .silent = i == 4};
        task_send(kernel, task, 5);
    }
    for (uint32_t i = 0; i < 2; ++i) {
        ok(task_try(kernel, (struct task){0}, (gyre_message){.priority = 5, .deadline_ns = 20 * MS},
                    PATIENCE));
    }
    gives(GYRE_ERROR_DROPPED,
          task_try(kernel, (struct task){0}, (gyre_message){.priority = 4}, PATIENCE));
    refuse(kernel);
    counting_sleep(21 * MS); /* the deadlines pass by the clock */
}

/* And then: a request that is too late, and three that never run. */
static void lose_after(gyre_kernel *kernel)
{
    ok(gyre_kernel_deactivate(kernel, PATIENCE));
    struct task task = {0};
    gives(GYRE_ERROR_TIMEOUT,
          gyre_request(kernel, &(gyre_message){.data = &task, .size = sizeof task},
                       &(gyre_reply){0}, 0));
    ok(gyre_kernel_reactivate(kernel));
    until(flow_stats(kernel).orphaned == 1);
    ok(gyre_kernel_deactivate(kernel, PATIENCE));
    tasks_send(kernel, 0, 3, 0);
    struct done done;
    ok(task_take(kernel, &done).result);
    uint64_t dropped = 0;
    ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, &dropped));
    cr_assert(dropped == 3);
}

static void check_losses(gyre_stats stats)
{
    cr_assert(books_balance(&stats), "%s", books_text(&stats));
    EQUALS(accepted, 15);
    EQUALS(processed, 5);
    EQUALS(failed, 2);
    EQUALS(expired, 2);
    EQUALS(dropped_oldest, 2);
    EQUALS(dropped_newest, 1);
    EQUALS(dropped_terminated, 3);
    EQUALS(rejected_invalid, 3);
    EQUALS(rejected_full, 0);
    EQUALS(requests, 1);
    EQUALS(orphaned, 1);
    EQUALS(awaited, 0);
    EQUALS(output_dropped, 1);
    EQUALS(received, 1);
    EQUALS(unread, 1);
    EQUALS(dead_letters, 1);
    EQUALS(dead_dropped, 1);
    EQUALS(corrupt, 0);
    EQUALS(ticks, 0);
    EQUALS(last_error, GYRE_ERROR_HANDLER);
    EQUALS(last_error_code, 43);
    EQUALS(fault, GYRE_OK);
    check_latency(&stats.queueing, 7);
    check_latency(&stats.processing, 7);
}

/* A41 */
Test(telemetry, counts_every_loss_by_its_cause)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("lossy");
        params.queue_size = 8;
        params.backpressure = GYRE_DROP_OLDEST;
        params.output_queue_size = 2;
        params.output_backpressure = GYRE_DROP_OLDEST;
        params.dead_letters = 1;
        gyre_kernel *kernel = rig_launch(&rig, params);
        lose_before(kernel);
        ok(gyre_kernel_activate(kernel));
        until(flow_stats(kernel).processed == 4 && flow_stats(kernel).expired == 2);
        lose_after(kernel);
        check_losses(flow_stats(kernel));
        check_losses(flow_stats(kernel)); /* looking changes nothing */
        rig_close(&rig);
    }
}

/* A41 */
Test(telemetry, counts_what_finds_no_room)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("blocking");
        params.queue_size = 1;
        gyre_kernel *kernel = rig_launch(&rig, params);
        struct task task = {0};
        gyre_message message = {.data = &task, .size = sizeof task};
        ok(gyre_try_send(kernel, &message));
        gives(GYRE_ERROR_FULL, gyre_try_send(kernel, &message));
        gives(GYRE_ERROR_TIMEOUT, gyre_send(kernel, &message, 0));
        gives(GYRE_ERROR_TIMEOUT, gyre_request(kernel, &message, &(gyre_reply){0}, 1 * MS));
        message.deadline_ns = 1 * MS;
        gives(GYRE_ERROR_EXPIRED, gyre_send(kernel, &message, PATIENCE));
        gyre_stats stats = flow_stats(kernel);
        EQUALS(rejected_full, 4);
        EQUALS(rejected, 4);
        EQUALS(accepted, 1);
        EQUALS(requests, 0);
        rig_close(&rig);
    }
}

/* What waits is measured as waiting, what works as working. */
Test(telemetry, tells_queueing_from_processing)
{
    const uint64_t pause = 50 * MS;
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_launch(&rig, tasks_params("timed"));
        gyre_stats stats = flow_stats(kernel);
        check_latency(&stats.queueing, 0);
        uint64_t began = rig_now_ns();
        task_send(kernel, (struct task){.turns = COUNTING_SLOW}, 0);
        counting_sleep(pause); /* the time that is to be measured */
        uint64_t activated = rig_now_ns();
        ok(gyre_kernel_activate(kernel));
        struct done done;
        ok(task_take(kernel, &done).result);
        stats = flow_rest(kernel);
        uint64_t took = rig_now_ns() - activated;
        check_latency(&stats.queueing, 1);
        check_latency(&stats.processing, 1);
        cr_assert(stats.queueing.min >= pause && stats.queueing.max <= activated + took - began,
                  "queued for %llu us", (unsigned long long)stats.queueing.min / 1000);
        cr_assert(stats.processing.max <= took, "processed for %llu us",
                  (unsigned long long)stats.processing.max / 1000);
        cr_assert(stats.queueing.min == stats.queueing.max &&
                  stats.processing.min == stats.processing.max);
        rig_close(&rig);
    }
}

static bool same_latency(const gyre_latency *a, const gyre_latency *b)
{
    return a->count == b->count && a->min == b->min && a->p50 == b->p50 && a->p99 == b->p99 &&
           a->p999 == b->p999 && a->max == b->max;
}

/* A43 */
Test(telemetry, knows_the_uptime_and_keeps_it_after_the_end)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("up");
        gyre_kernel *kernel = NULL;
        ok(gyre_kernel_create(rig.runtime, &params, &kernel));
        cr_assert(flow_stats(kernel).uptime_ns == 0);
        uint64_t began = rig_now_ns();
        ok(gyre_kernel_launch(kernel));
        uint64_t launched = rig_now_ns();
        gyre_kernel *later = rig_launch(&rig, tasks_params("later"));
        counting_sleep(20 * MS); /* the time that is to be measured */
        uint64_t now = rig_now_ns();
        uint64_t uptime = flow_stats(kernel).uptime_ns;
        cr_assert(uptime >= now - launched && uptime <= rig_now_ns() - began);
        cr_assert(flow_stats(later).uptime_ns < flow_stats(kernel).uptime_ns);
        ok(gyre_kernel_activate(kernel));
        tasks_send(kernel, 0, 10, 0);
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
        gyre_stats end = flow_stats(kernel);
        cr_assert(end.uptime_ns >= uptime && end.uptime_ns <= rig_now_ns() - began);
        counting_sleep(5 * MS); /* for a clock that went on to show */
        gyre_stats stats = flow_stats(kernel);
        EQUALS(uptime_ns, end.uptime_ns);
        EQUALS(processed, 10);
        EQUALS(residencies, end.residencies);
        cr_assert(same_latency(&stats.queueing, &end.queueing) &&
                  same_latency(&stats.processing, &end.processing));
        check_latency(&stats.processing, 10);
        rig_close(&rig);
    }
}

/* Traffic of all kinds, for as long as somebody looks at the books. */
struct market {
    gyre_kernel *kernel;
    atomic_bool over;
    atomic_uint errors;
};

static struct market market;

static void *trade(void *argument)
{
    const uint32_t *seed = argument;
    for (uint32_t i = 0; !atomic_load(&market.over); ++i) {
        uint32_t chance = tasks_mix(*seed + i);
        struct task task = {.fail = chance % 5 == 0, .silent = chance % 7 == 0};
        gyre_message message = {
            .data = &task,
            .size = sizeof task,
            .priority = chance >> 8 & 255,
            .deadline_ns = chance % 3 ? 0 : chance % 300000,
        };
        gyre_result result = chance % 2
                                 ? gyre_request(market.kernel, &message, &(gyre_reply){0}, 20 * MS)
                                 : gyre_send(market.kernel, &message, 1 * MS);
        bool fine = result == GYRE_OK || result == GYRE_ERROR_TIMEOUT ||
                    result == GYRE_ERROR_EXPIRED || result == GYRE_ERROR_DROPPED;
        atomic_fetch_add(&market.errors, !fine);
    }
    return NULL;
}

static void *consume(void *argument)
{
    while (!atomic_load(&market.over)) {
        gyre_result result = gyre_receive(market.kernel, &(gyre_reply){0}, 1 * MS);
        atomic_fetch_add(&market.errors, result != GYRE_OK && result != GYRE_ERROR_TIMEOUT);
    }
    return argument;
}

static void *pause_often(void *argument)
{
    while (!atomic_load(&market.over)) {
        gyre_result result = gyre_kernel_deactivate(market.kernel, PATIENCE);
        atomic_fetch_add(&market.errors, result != GYRE_OK);
        result = gyre_kernel_reactivate(market.kernel);
        atomic_fetch_add(&market.errors, result != GYRE_OK);
        counting_sleep(2 * MS); /* so that others get something done */
    }
    return argument;
}

/* Nothing that was counted is ever taken back. */
static bool grew(const gyre_stats *a, const gyre_stats *b)
{
    return a->accepted <= b->accepted && a->processed <= b->processed && a->failed <= b->failed &&
           a->expired <= b->expired && a->dropped <= b->dropped && a->rejected <= b->rejected &&
           a->received <= b->received && a->requests <= b->requests && a->orphaned <= b->orphaned &&
           a->output_dropped <= b->output_dropped && a->dead_dropped <= b->dead_dropped &&
           a->residencies <= b->residencies && a->queueing.count <= b->queueing.count &&
           a->processing.count <= b->processing.count && a->uptime_ns <= b->uptime_ns;
}

static gyre_stats watch(uint64_t time_ns)
{
    uint64_t end = rig_now_ns() + time_ns;
    gyre_stats last = flow_stats(market.kernel);
    while (rig_now_ns() < end) {
        gyre_stats stats = flow_stats(market.kernel);
        cr_assert(books_balance(&stats), "%s", books_text(&stats));
        cr_assert(grew(&last, &stats), "%s", books_text(&stats));
        cr_assert(stats.processing.count == stats.processed + stats.failed, "%s",
                  books_text(&stats));
        check_latency(&stats.queueing, stats.queueing.count);
        check_latency(&stats.processing, stats.processing.count);
        last = stats;
    }
    return last;
}

/* A41 */
Test(telemetry, balances_at_every_moment)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("market");
        params.queue_size = 16;
        params.backpressure = GYRE_DROP_OLDEST;
        params.output_queue_size = 4;
        params.output_backpressure = GYRE_DROP_OLDEST;
        params.dead_letters = 4;
        market.kernel = rig_active(&rig, params);
        atomic_store(&market.over, false);
        atomic_store(&market.errors, 0);
        static uint32_t seeds[3] = {0, 1000000, 2000000};
        pthread_t threads[5];
        for (size_t i = 0; i < 3; ++i) {
            cr_assert(pthread_create(&threads[i], NULL, trade, &seeds[i]) == 0);
        }
        cr_assert(pthread_create(&threads[3], NULL, consume, NULL) == 0);
        cr_assert(pthread_create(&threads[4], NULL, pause_often, NULL) == 0);
        gyre_stats last = watch(2 * S);
        atomic_store(&market.over, true);
        for (size_t i = 0; i < LENGTH(threads); ++i) {
            pthread_join(threads[i], NULL);
        }
        cr_assert(atomic_load(&market.errors) == 0);
        cr_assert(last.processed > 0 && last.failed > 0 && last.expired > 0 && last.received > 0 &&
                      last.requests > 0,
                  "nothing was going on: %s", books_text(&last));
        rig_close(&rig);
    }
}

/* A snapshot each millisecond. Its price on a machine whose cores are all busy is not seen in
 * others' round trips, which the scheduler rules; it is what the snapshot itself takes, for that is
 * the longest that it can hold anybody up. */
#define PERIOD MS
#define SNAPSHOTS 1000u

struct poller {
    pthread_t thread;
    gyre_kernel *kernel;
    atomic_bool polls;
    atomic_bool over;
    atomic_uint count;
    uint64_t took[SNAPSHOTS];
};

static void *poll(void *argument)
{
    struct poller *poller = argument;
    while (!atomic_load(&poller->over)) {
        counting_sleep(PERIOD); /* a thousand a second is the point */
        if (atomic_load(&poller->polls)) {
            gyre_stats stats;
            uint64_t began = rig_now_ns();
            gyre_kernel_stats(poller->kernel, &stats);
            poller->took[atomic_fetch_add(&poller->count, 1) % SNAPSHOTS] = rig_now_ns() - began;
        }
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

#define ROUND_TRIPS 50u
#define BLOCKS 10u

static void take_round_trips(gyre_kernel *kernel, uint64_t took[ROUND_TRIPS])
{
    for (uint32_t i = 0; i < ROUND_TRIPS; ++i) {
        struct task task = {.value = i, .turns = COUNTING_SLOW / 4};
        struct done done = {0};
        gyre_reply reply = {.data = &done, .capacity = sizeof done};
        uint64_t began = rig_now_ns();
        ok(gyre_request(kernel, &(gyre_message){.data = &task, .size = sizeof task}, &reply,
                        PATIENCE));
        took[i] = rig_now_ns() - began;
        cr_assert(done.value == i);
    }
}

Test(telemetry, is_read_a_thousand_times_a_second_without_a_stall)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static struct poller poller;
        poller = (struct poller){.kernel = rig_active(&rig, tasks_params("watched"))};
        cr_assert(pthread_create(&poller.thread, NULL, poll, &poller) == 0);
        static uint64_t without[BLOCKS * ROUND_TRIPS];
        static uint64_t with[BLOCKS * ROUND_TRIPS];
        for (uint32_t block = 0; block < BLOCKS; ++block) {
            atomic_store(&poller.polls, false);
            take_round_trips(poller.kernel, without + block * ROUND_TRIPS);
            atomic_store(&poller.polls, true);
            take_round_trips(poller.kernel, with + block * ROUND_TRIPS);
        }
        until(atomic_load(&poller.count) >= 50);
        atomic_store(&poller.over, true);
        pthread_join(poller.thread, NULL);
        uint32_t count = atomic_load(&poller.count);
        uint64_t snapshot = median(poller.took, count < SNAPSHOTS ? count : SNAPSHOTS);
        uint64_t alone = median(without, LENGTH(without));
        uint64_t watched = median(with, LENGTH(with));
        cr_assert(snapshot < PERIOD / (TASKS_SANITIZED ? 2 : 5), "a snapshot takes %llu us",
                  (unsigned long long)snapshot / 1000);
        /* A stall would be of the order of the submission bound, 10 ms. */
        cr_assert(watched < 3 * alone + PERIOD, "a round trip takes %llu us, or watched %llu",
                  (unsigned long long)alone / 1000, (unsigned long long)watched / 1000);
        rig_close(&rig);
    }
}
