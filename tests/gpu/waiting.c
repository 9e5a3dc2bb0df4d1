/* Who waits, for how long, and who is woken: queues of a known size (A23 to A27), timeouts (A30,
 * A31), and two kernels of which one never rests. */
#include "counting.h"

#include <stdatomic.h>
#include <time.h>

#define CAPACITY 4u

static gyre_kernel *small(struct rig *rig, const char *id, gyre_backpressure backpressure)
{
    gyre_kernel_params params = counting_params(id);
    params.queue_size = CAPACITY;
    params.backpressure = backpressure;
    return rig_launch(rig, params);
}

static gyre_stats stats_of(gyre_kernel *kernel)
{
    gyre_stats stats;
    ok(gyre_kernel_stats(kernel, &stats));
    return stats;
}

static gyre_result send_at(gyre_kernel *kernel, uint32_t value, uint32_t priority)
{
    struct counting_request request = {.value = value};
    gyre_message message = {.data = &request, .size = sizeof request, .priority = priority};
    return gyre_send(kernel, &message, GYRE_FOREVER);
}

static void activate_and_expect(gyre_kernel *kernel, const uint32_t *values, uint32_t count)
{
    ok(gyre_kernel_activate(kernel));
    for (uint32_t i = 0; i < count; ++i) {
        counting_expect(kernel, values[i], i + 1);
    }
    gyre_reply reply = {0};
    gives(GYRE_ERROR_EMPTY, gyre_try_receive(kernel, &reply));
}

/* A23, A24 */
Test(waiting, a_blocking_queue_holds_its_capacity_and_times_out_intact)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = small(&rig, "blocking", GYRE_BLOCK);
        counting_send(kernel, 0, CAPACITY, 0);
        gives(GYRE_ERROR_TIMEOUT, counting_try(kernel, 99, 0));
        uint64_t began = rig_now_ns();
        gives(GYRE_ERROR_TIMEOUT, counting_try(kernel, 99, 50 * MS));
        cr_assert(rig_now_ns() - began >= 50 * MS);
        gyre_stats stats = stats_of(kernel);
        cr_assert(stats.staged == CAPACITY && stats.accepted == CAPACITY && stats.rejected == 2);
        activate_and_expect(kernel, (const uint32_t[]){0, 1, 2, 3}, CAPACITY);
        rig_close(&rig);
    }
}

/* What is acknowledged in one lane says nothing of another one, whose answers may still lie in the
 * ring because nobody reads. */
Test(waiting, full_answers_make_no_message_silent)
{
    enum { ALL = 2000 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = counting_params("lanes");
        params.queue_size = ALL;
        params.output_queue_size = 3;
        params.report_all = true;
        gyre_kernel *kernel = rig_active(&rig, params);
        for (uint32_t i = 0; i < ALL; ++i) {
            ok(send_at(kernel, i, i * 37 % 256));
        }
        static bool seen[ALL];
        memset(seen, 0, sizeof seen);
        for (uint32_t i = 0; i < ALL; ++i) {
            struct counting_response response = {0};
            gyre_reply reply = {.data = &response, .capacity = sizeof response};
            ok(gyre_receive(kernel, &reply, PATIENCE));
            cr_assert(!(reply.flags & GYRE_REPLY_SILENT) && reply.flags & GYRE_REPLY_LAST);
            cr_assert(response.value < ALL && !seen[response.value]);
            seen[response.value] = true;
        }
        rig_close(&rig);
    }
}

/* A25 */
Test(waiting, a_rejecting_queue_is_full_at_once_and_stays_intact)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = small(&rig, "rejecting", GYRE_REJECT);
        counting_send(kernel, 0, CAPACITY, 0);
        gives(GYRE_ERROR_FULL, counting_try(kernel, 99, GYRE_FOREVER));
        gyre_stats stats = stats_of(kernel);
        cr_assert(stats.staged == CAPACITY && stats.rejected == 1);
        activate_and_expect(kernel, (const uint32_t[]){0, 1, 2, 3}, CAPACITY);
        rig_close(&rig);
    }
}

/* A26, A27 */
Test(waiting, a_dropping_queue_drops_the_oldest_of_the_lowest_priority)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = small(&rig, "dropping", GYRE_DROP_OLDEST);
        static const uint32_t priorities[] = {9, 5, 5, 9};
        for (uint32_t i = 0; i < CAPACITY; ++i) {
            ok(send_at(kernel, i, priorities[i]));
        }
        gives(GYRE_ERROR_DROPPED, send_at(kernel, 10, 4));
        ok(send_at(kernel, 11, 5)); /* 1 goes */
        ok(send_at(kernel, 12, 9)); /* 2 goes */
        gyre_stats stats = stats_of(kernel);
        cr_assert(stats.staged == CAPACITY && stats.dropped == 3);
        cr_assert(stats.accepted == stats.staged + stats.dropped);
        activate_and_expect(kernel, (const uint32_t[]){0, 3, 12, 11}, CAPACITY);
        rig_close(&rig);
    }
}

/* A30 */
Test(waiting, the_try_variants_do_not_wait)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = small(&rig, "tried", GYRE_BLOCK);
        struct counting_request request = {0};
        gyre_message message = {.data = &request, .size = sizeof request};
        gyre_reply reply = {0};
        gives(GYRE_ERROR_EMPTY, gyre_try_receive(kernel, &reply));
        for (uint32_t i = 0; i < CAPACITY; ++i) {
            ok(gyre_try_send(kernel, &message));
        }
        /* Nobody would ever wake them. */
        gives(GYRE_ERROR_FULL, gyre_try_send(kernel, &message));
        gives(GYRE_ERROR_EMPTY, gyre_try_receive(kernel, &reply));
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
        gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &reply));
        gives(GYRE_ERROR_STATE, gyre_try_send(kernel, &message));
        rig_close(&rig);
    }
}

static void times_out(gyre_kernel *kernel)
{
    gyre_reply reply = {0};
    gives(GYRE_ERROR_TIMEOUT, gyre_receive(kernel, &reply, 0));
    uint64_t began = rig_now_ns();
    gives(GYRE_ERROR_TIMEOUT, gyre_receive(kernel, &reply, 50 * MS));
    cr_assert(rig_now_ns() - began >= 50 * MS);
}

/* A31 */
Test(waiting, a_receive_waits_its_time_in_every_state)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_launch(&rig, counting_params("silent"));
        times_out(kernel);
        ok(gyre_kernel_activate(kernel));
        times_out(kernel);
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        times_out(kernel);
        rig_close(&rig);
    }
}

struct waiter {
    pthread_t thread;
    gyre_kernel *kernel;
    atomic_bool about_to_wait;
    gyre_result result;
};

static void *receive_forever(void *argument)
{
    struct waiter *waiter = argument;
    gyre_reply reply = {0};
    atomic_store(&waiter->about_to_wait, true);
    waiter->result = gyre_receive(waiter->kernel, &reply, GYRE_FOREVER);
    return NULL;
}

static void *send_forever(void *argument)
{
    struct waiter *waiter = argument;
    atomic_store(&waiter->about_to_wait, true);
    waiter->result = counting_try(waiter->kernel, CAPACITY, GYRE_FOREVER);
    return NULL;
}

static void start(struct waiter *waiter, void *(*wait)(void *))
{
    pthread_create(&waiter->thread, NULL, wait, waiter);
    while (!atomic_load(&waiter->about_to_wait)) {
        counting_sleep(1 * MS);
    }
    /* It has still to go from its flag to its wait; if this is too short, it finds things done,
     * which is as right. */
    counting_sleep(50 * MS);
}

/* A31 */
Test(waiting, a_terminate_wakes_all_that_receive_forever)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernels[] = {rig_launch(&rig, counting_params("launched")),
                                  rig_active(&rig, counting_params("active"))};
        for (size_t k = 0; k < 2; ++k) {
            struct waiter waiters[3] = {
                {.kernel = kernels[k]}, {.kernel = kernels[k]}, {.kernel = kernels[k]}};
            for (size_t i = 0; i < 3; ++i) {
                start(&waiters[i], receive_forever);
            }
            ok(gyre_kernel_terminate(kernels[k], GYRE_DROP, PATIENCE, NULL));
            for (size_t i = 0; i < 3; ++i) {
                pthread_join(waiters[i].thread, NULL);
                gives(GYRE_ERROR_TERMINATED, waiters[i].result);
            }
        }
        rig_close(&rig);
    }
}

Test(waiting, a_pause_and_its_end_do_not_disturb_who_receives_forever)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("paused"));
        struct waiter waiter = {.kernel = kernel};
        start(&waiter, receive_forever);
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        counting_send(kernel, 0, 1, 0);
        ok(gyre_kernel_reactivate(kernel));
        pthread_join(waiter.thread, NULL);
        ok(waiter.result);
        rig_close(&rig);
    }
}

/* A24 */
Test(waiting, a_blocked_send_goes_on_when_there_is_room)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = small(&rig, "blocking", GYRE_BLOCK);
        counting_send(kernel, 0, CAPACITY, 0);
        struct waiter waiter = {.kernel = kernel};
        start(&waiter, send_forever);
        cr_assert(stats_of(kernel).accepted == CAPACITY);
        ok(gyre_kernel_activate(kernel));
        pthread_join(waiter.thread, NULL);
        ok(waiter.result);
        counting_expect_many(kernel, 0, CAPACITY + 1);
        rig_close(&rig);
    }
}

/* A24, A31 */
Test(waiting, a_terminate_wakes_a_blocked_send)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = small(&rig, "blocking", GYRE_BLOCK);
        counting_send(kernel, 0, CAPACITY, 0);
        struct waiter waiter = {.kernel = kernel};
        start(&waiter, send_forever);
        uint64_t dropped = 0;
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, &dropped));
        pthread_join(waiter.thread, NULL);
        gives(GYRE_ERROR_TERMINATED, waiter.result);
        cr_assert(dropped == CAPACITY);
        rig_close(&rig);
    }
}

struct flood {
    pthread_t sender;
    pthread_t receiver;
    gyre_kernel *kernel;
    atomic_bool stop;
    atomic_uint answers;
    atomic_uint errors;
};

static void *flood_in(void *argument)
{
    struct flood *flood = argument;
    while (!atomic_load(&flood->stop)) {
        struct counting_request request = {.turns = COUNTING_SLOW / 10};
        gyre_result result = gyre_send(
            flood->kernel, &(gyre_message){.data = &request, .size = sizeof request}, GYRE_FOREVER);
        atomic_fetch_add(&flood->errors, result != GYRE_OK && !atomic_load(&flood->stop));
    }
    return NULL;
}

static void *flood_out(void *argument)
{
    struct flood *flood = argument;
    gyre_result result = GYRE_OK;
    while (result == GYRE_OK) {
        gyre_reply reply = {0};
        result = gyre_receive(flood->kernel, &reply, GYRE_FOREVER);
        atomic_fetch_add(&flood->answers, result == GYRE_OK && reply.result == GYRE_OK);
    }
    atomic_fetch_add(&flood->errors, result != GYRE_ERROR_TERMINATED);
    return NULL;
}

static void await_answers(struct flood *flood, unsigned count)
{
    uint64_t deadline = rig_now_ns() + PATIENCE;
    while (atomic_load(&flood->answers) < count) {
        cr_assert(rig_now_ns() < deadline, "%u answers of the flooded kernel",
                  atomic_load(&flood->answers));
        counting_sleep(1 * MS);
    }
}

/* On these drivers two kernels share one queue, which runs one dispatch at a time. */
Test(waiting, a_flooded_kernel_and_a_quiet_one_both_make_progress)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct flood flood = {.kernel = rig_active(&rig, counting_params("flooded"))};
        gyre_kernel *quiet = rig_active(&rig, counting_params("quiet"));
        pthread_create(&flood.receiver, NULL, flood_out, &flood);
        pthread_create(&flood.sender, NULL, flood_in, &flood);
        await_answers(&flood, 1);
        for (uint32_t i = 0; i < 20; ++i) {
            unsigned answers = atomic_load(&flood.answers);
            counting_send(quiet, i, 1, 0);
            counting_expect(quiet, i, i + 1);
            await_answers(&flood, answers + 1);
        }
        atomic_store(&flood.stop, true);
        ok(gyre_kernel_terminate(flood.kernel, GYRE_DROP, PATIENCE, NULL));
        pthread_join(flood.sender, NULL);
        pthread_join(flood.receiver, NULL);
        cr_assert(atomic_load(&flood.errors) == 0);
        rig_close(&rig);
    }
}

/* ---- gyre_wait ---- */

#define SLOW_MESSAGES 200u

static uint64_t thread_cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * S + (uint64_t)time.tv_nsec;
}

/* The processor's time that a request takes which waits behind many others. */
static uint64_t cost_of_waiting(struct rig *rig, gyre_wait wait)
{
    gyre_kernel_params params = counting_params("worker");
    params.wait = wait;
    params.window = 2 * SLOW_MESSAGES;
    gyre_kernel *kernel = rig_active(rig, params);
    counting_send(kernel, 0, SLOW_MESSAGES, COUNTING_SLOW);
    struct counting_request request = {.value = SLOW_MESSAGES};
    struct counting_response response;
    gyre_reply reply = {.data = &response, .capacity = sizeof response};
    uint64_t before = thread_cpu_ns();
    ok(gyre_request(kernel, &(gyre_message){.data = &request, .size = sizeof request}, &reply,
                    PATIENCE));
    uint64_t took = thread_cpu_ns() - before;
    cr_assert(reply.result == GYRE_OK && response.order == SLOW_MESSAGES + 1);
    counting_expect_many(kernel, 0, SLOW_MESSAGES);
    gyre_kernel_destroy(kernel);
    return took;
}

Test(waiting, a_frugal_call_leaves_the_processor_to_others)
{
    struct rig rig;
    rig_open(&rig, RIG_LIVE);
    uint64_t latency = cost_of_waiting(&rig, GYRE_WAIT_LATENCY);
    uint64_t frugal = cost_of_waiting(&rig, GYRE_WAIT_FRUGAL);
    cr_assert(frugal * 3 < latency, "%llu us, with LATENCY %llu us",
              (unsigned long long)frugal / 1000, (unsigned long long)latency / 1000);
    rig_close(&rig);
}

static void *terminate_soon(void *argument)
{
    counting_sleep(50 * MS);
    return gyre_kernel_terminate(argument, GYRE_DROP, PATIENCE, NULL) == GYRE_OK ? NULL : argument;
}

/* Whatever the way of waiting: a call ends by its timeout, and by terminate. */
Test(waiting, every_way_of_waiting_ends)
{
    for (gyre_wait wait = GYRE_WAIT_DEFAULT; wait <= GYRE_WAIT_FRUGAL; ++wait) {
        for (BOTH_MODES(mode)) {
            struct rig rig;
            rig_open(&rig, mode);
            gyre_kernel_params params = counting_params("worker");
            params.wait = wait;
            params.idle_ns = 5 * MS;
            gyre_kernel *kernel = rig_active(&rig, params);
            counting_send(kernel, 0, 1, 0);
            counting_expect(kernel, 0, 1);
            gyre_reply reply = {0};
            uint64_t began = rig_now_ns();
            gives(GYRE_ERROR_TIMEOUT, gyre_receive(kernel, &reply, 20 * MS));
            cr_assert(rig_now_ns() - began >= 20 * MS);
            counting_send(kernel, 1, 40, COUNTING_SLOW);
            counting_expect(kernel, 1, 2);
            pthread_t thread;
            cr_assert(pthread_create(&thread, NULL, terminate_soon, kernel) == 0);
            gyre_result result;
            do {
                result = gyre_receive(kernel, &reply, GYRE_FOREVER);
            } while (result == GYRE_OK);
            gives(GYRE_ERROR_TERMINATED, result);
            void *trouble = NULL;
            pthread_join(thread, &trouble);
            cr_assert_null(trouble);
            rig_close(&rig);
        }
    }
}
