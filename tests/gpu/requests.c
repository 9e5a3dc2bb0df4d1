/* Requests: each gets its own answer (A19) or is told why there is none, whatever else is on the
 * way, and the books know of it. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "tasks.h"

#define THREADS 100u

struct caller {
    pthread_t thread;
    gyre_kernel *kernel;
    pthread_barrier_t *start;
    uint32_t index;
    uint32_t count; /* requests to make */
    bool hurried;   /* some of them with little time */
    uint32_t results[32];
    uint32_t wrong; /* answers that are not the caller's own */
};

static void request_one(struct caller *caller, uint32_t value)
{
    uint32_t chance = tasks_mix(value);
    struct task task = {.value = value, .turns = chance % 64};
    gyre_message message = {
        .data = &task,
        .size = sizeof task,
        .priority = chance >> 8 & 255,
        .correlation = value,
    };
    uint64_t timeout_ns = PATIENCE;
    if (caller->hurried && chance % 7 == 0) {
        message.deadline_ns = 1 + chance % 400000;
    } else if (caller->hurried && chance % 11 == 0) {
        timeout_ns = chance % 400000;
    }
    struct done done = {0};
    gyre_reply reply = {.data = &done, .capacity = sizeof done};
    gyre_result result = gyre_request(caller->kernel, &message, &reply, timeout_ns);
    caller->results[result] += 1;
    if (result == GYRE_OK) {
        bool right = reply.result == GYRE_OK && reply.correlation == value && done.value == value &&
                     reply.size == sizeof done && reply.priority == message.priority;
        caller->wrong += !right;
    }
}

static void *call(void *argument)
{
    struct caller *caller = argument;
    pthread_barrier_wait(caller->start);
    for (uint32_t i = 0; i < caller->count; ++i) {
        request_one(caller, caller->index * caller->count + i);
    }
    return NULL;
}

/* What all of them were told, as one. */
static struct caller call_at_once(gyre_kernel *kernel, uint32_t count, bool hurried)
{
    static struct caller callers[THREADS];
    static pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, THREADS);
    for (uint32_t i = 0; i < THREADS; ++i) {
        callers[i] = (struct caller){
            .kernel = kernel, .start = &start, .index = i, .count = count, .hurried = hurried};
        cr_assert(pthread_create(&callers[i].thread, NULL, call, &callers[i]) == 0);
    }
    struct caller sum = {0};
    for (uint32_t i = 0; i < THREADS; ++i) {
        pthread_join(callers[i].thread, NULL);
        sum.wrong += callers[i].wrong;
        for (size_t result = 0; result < LENGTH(sum.results); ++result) {
            sum.results[result] += callers[i].results[result];
        }
    }
    pthread_barrier_destroy(&start);
    return sum;
}

/* A19 */
Test(requests, of_100_threads_at_once_each_get_their_own_answer)
{
    enum { EACH = 5 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("asked"));
        struct caller sum = call_at_once(kernel, EACH, false);
        cr_assert(sum.results[GYRE_OK] == THREADS * EACH && sum.wrong == 0,
                  "%u answers, %u of them wrong", sum.results[GYRE_OK], sum.wrong);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.requests == THREADS * EACH && stats.processed == THREADS * EACH &&
                      stats.received == 0 && stats.orphaned == 0 && stats.awaited == 0,
                  "%s", books_text(&stats));
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}

/* Every request was told one thing, and every message became one thing. */
static void check_hurried(gyre_kernel *kernel, const struct caller *sum, uint32_t all)
{
    const uint32_t *results = sum->results;
    ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
    gyre_stats s = flow_stats(kernel);
    uint64_t late = results[GYRE_ERROR_TIMEOUT];
    uint64_t expired = results[GYRE_ERROR_EXPIRED];
    cr_assert(sum->wrong == 0 && results[GYRE_OK] + late + expired == all,
              "%u wrong, %u OK, %llu TIMEOUT, %llu EXPIRED", sum->wrong, results[GYRE_OK],
              (unsigned long long)late, (unsigned long long)expired);
    cr_assert(results[GYRE_OK] > 0 && late > 0 && expired > 0,
              "%u OK, %llu TIMEOUT, %llu EXPIRED: nothing was tried", results[GYRE_OK],
              (unsigned long long)late, (unsigned long long)expired);
    cr_assert(books_balance(&s) && s.staged == 0 && s.window == 0, "%s", books_text(&s));
    cr_assert(s.accepted + s.rejected_full == all && s.requests == s.accepted, "%s",
              books_text(&s));
    cr_assert(s.processed == results[GYRE_OK] + s.orphaned, "%u OK; %s", results[GYRE_OK],
              books_text(&s));
    cr_assert(s.received == 0 && s.unread == 0 && s.awaited == 0 && s.failed == 0 && s.dropped == 0,
              "%s", books_text(&s));
    tasks_expect_none(kernel);
}

/* A19, with a thousand each, and little time for some. */
Test(requests, in_a_hurry_get_their_own_answer_or_their_own_loss, .timeout = 300)
{
    const uint32_t each = TASKS_SANITIZED ? 100 : 1000;
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("hurried");
        params.window = 4; /* most of them are to wait on the host, where deadlines count */
        gyre_kernel *kernel = rig_active(&rig, params);
        struct caller sum = call_at_once(kernel, each, true);
        check_hurried(kernel, &sum, THREADS * each);
        rig_close(&rig);
    }
}

static gyre_result request(gyre_kernel *kernel, struct task task, struct done *done,
                           gyre_reply *reply, uint64_t timeout_ns)
{
    *reply = (gyre_reply){.data = done, .capacity = done ? sizeof *done : 0};
    return gyre_request(kernel, &(gyre_message){.data = &task, .size = sizeof task}, reply,
                        timeout_ns);
}

Test(requests, pass_answers_that_nobody_reads)
{
    enum { UNREAD = 20 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("unread");
        params.output_window = 4;
        params.output_queue_size = 4;
        gyre_kernel *kernel = rig_active(&rig, params);
        tasks_send(kernel, 0, UNREAD, 0);
        for (uint32_t i = 0; i < 50; ++i) {
            struct done done;
            gyre_reply reply;
            ok(request(kernel, (struct task){.value = 1000 + i}, &done, &reply, PATIENCE));
            cr_assert(reply.result == GYRE_OK && done.value == 1000 + i);
        }
        for (uint32_t i = 0; i < UNREAD; ++i) {
            task_expect(kernel, i, i + 1);
        }
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}

/* However many these are. */
Test(requests, pass_many_answers_that_nobody_reads)
{
    enum { EACH = 100, ROUNDS = 30 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("unread");
        params.output_window = 4;
        params.output_queue_size = 4;
        params.queue_size = EACH + 1;
        params.window = 2;
        gyre_kernel *kernel = rig_active(&rig, params);
        for (uint32_t i = 0; i < ROUNDS; ++i) {
            tasks_send(kernel, i * EACH, EACH, 9);
            struct done done;
            gyre_reply reply;
            ok(request(kernel, (struct task){.value = 77}, &done, &reply, PATIENCE));
            cr_assert(reply.result == GYRE_OK && done.value == 77);
        }
        for (uint32_t i = 0; i < ROUNDS * EACH; ++i) {
            struct done done;
            ok(task_take(kernel, &done).result);
            cr_assert(done.value == i);
        }
        tasks_expect_none(kernel);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.processed == ROUNDS * EACH + ROUNDS && stats.unread == 0, "%s",
                  books_text(&stats));
        rig_close(&rig);
    }
}

Test(requests, whose_answer_comes_late_leave_an_orphan_that_nobody_gets)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_launch(&rig, tasks_params("late"));
        struct done done;
        gyre_reply reply;
        uint64_t began = rig_now_ns();
        gives(GYRE_ERROR_TIMEOUT,
              request(kernel, (struct task){.value = 1}, &done, &reply, 50 * MS));
        cr_assert(rig_now_ns() - began >= 50 * MS);
        gives(GYRE_ERROR_TIMEOUT, request(kernel, (struct task){.value = 2}, &done, &reply, 0));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.awaited == 0 && stats.staged == 2 && stats.requests == 2, "%s",
                  books_text(&stats));
        ok(gyre_kernel_activate(kernel));
        ok(request(kernel, (struct task){.value = 3}, &done, &reply, PATIENCE));
        cr_assert(done.value == 3 && done.order == 3);
        until(flow_stats(kernel).orphaned == 2);
        tasks_expect_none(kernel);
        stats = flow_stats(kernel);
        cr_assert(stats.processed == 3 && stats.received == 0 && stats.unread == 0, "%s",
                  books_text(&stats));
        rig_close(&rig);
    }
}

Test(requests, end_with_silence_or_failure_by_name)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("moody"));
        struct done done;
        gyre_reply reply;
        ok(request(kernel, (struct task){.silent = 1}, &done, &reply, PATIENCE));
        cr_assert(reply.result == GYRE_OK && reply.flags & GYRE_REPLY_SILENT && reply.size == 0);
        ok(request(kernel, (struct task){.fail = 4711}, &done, &reply, PATIENCE));
        cr_assert(reply.result == GYRE_ERROR_HANDLER && reply.code == 4711 && reply.size == 0 &&
                  !(reply.flags & GYRE_REPLY_SILENT));
        ok(request(kernel, (struct task){.more = 1}, &done, &reply, PATIENCE));
        gives(GYRE_ERROR_OVERSENT, reply.result);
        ok(request(kernel, (struct task){.value = 9}, NULL, &reply, PATIENCE));
        cr_assert(reply.result == GYRE_OK && reply.code == 0);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.processed == 2 && stats.failed == 2 && stats.orphaned == 0, "%s",
                  books_text(&stats));
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}

Test(requests, take_the_first_answer_and_orphan_the_rest)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params_many("talkative"));
        for (uint32_t i = 0; i < 30; ++i) {
            struct done done;
            gyre_reply reply;
            ok(request(kernel, (struct task){.value = i, .more = i % 3}, &done, &reply, PATIENCE));
            cr_assert(reply.result == GYRE_OK && done.value == i && done.which == 0);
        }
        until(flow_stats(kernel).orphaned == 30);
        tasks_expect_none(kernel);
        /* One that is sent has all of its answers, the last of them marked. */
        task_send(kernel, (struct task){.value = 99, .more = 2}, 0);
        for (uint32_t which = 0; which < 3; ++which) {
            struct done done;
            gyre_reply reply = task_take(kernel, &done);
            cr_assert(done.value == 99 && done.which == which);
            cr_assert(((reply.flags & GYRE_REPLY_LAST) != 0) == (which == 2), "answer %u: flags %u",
                      which, reply.flags);
        }
        rig_close(&rig);
    }
}

Test(requests, without_room_for_the_answer_are_not_sent)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("roomy"));
        struct task task = {.value = 5};
        struct done done = {0};
        gyre_message message = {.data = &task, .size = sizeof task};
        gyre_reply reply = {.data = &done, .capacity = gyre_kernel_output_size(kernel) - 1};
        gives(GYRE_ERROR_SIZE, gyre_request(kernel, &message, &reply, PATIENCE));
        cr_assert(flow_stats(kernel).accepted == 0);
        reply.capacity = gyre_kernel_output_size(kernel);
        ok(gyre_request(kernel, &message, &reply, PATIENCE));
        cr_assert(done.value == 5 && done.order == 1);
        rig_close(&rig);
    }
}

/* A request that waits for an answer, on a thread of its own. */
struct waiter {
    pthread_t thread;
    gyre_kernel *kernel;
    uint32_t value;
    gyre_result result;
    gyre_reply reply;
    struct done done;
};

static void *wait_forever(void *argument)
{
    struct waiter *waiter = argument;
    waiter->result = request(waiter->kernel, (struct task){.value = waiter->value}, &waiter->done,
                             &waiter->reply, GYRE_FOREVER);
    return NULL;
}

/* Each waits once the kernel knows of it. */
static void start(struct waiter *waiters, uint32_t count, gyre_kernel *kernel)
{
    for (uint32_t i = 0; i < count; ++i) {
        waiters[i] = (struct waiter){.kernel = kernel, .value = i};
        cr_assert(pthread_create(&waiters[i].thread, NULL, wait_forever, &waiters[i]) == 0);
    }
    until(flow_stats(kernel).awaited == count);
}

Test(requests, end_with_the_kernel)
{
    enum { WAITERS = 8 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernels[] = {rig_launch(&rig, tasks_params("dropped")),
                                  rig_active(&rig, tasks_params("drained"))};
        ok(gyre_kernel_deactivate(kernels[1], PATIENCE));
        static struct waiter waiters[WAITERS];
        start(waiters, WAITERS, kernels[0]);
        uint64_t dropped = 0;
        ok(gyre_kernel_terminate(kernels[0], GYRE_DROP, PATIENCE, &dropped));
        for (uint32_t i = 0; i < WAITERS; ++i) {
            pthread_join(waiters[i].thread, NULL);
            gives(GYRE_ERROR_TERMINATED, waiters[i].result);
        }
        gyre_stats stats = flow_stats(kernels[0]);
        cr_assert(dropped == WAITERS && stats.dropped_terminated == WAITERS && stats.awaited == 0);

        start(waiters, WAITERS, kernels[1]);
        ok(gyre_kernel_reactivate(kernels[1]));
        ok(gyre_kernel_terminate(kernels[1], GYRE_DRAIN, PATIENCE, &dropped));
        cr_assert(dropped == 0);
        for (uint32_t i = 0; i < WAITERS; ++i) {
            pthread_join(waiters[i].thread, NULL);
            ok(waiters[i].result);
            cr_assert(waiters[i].done.value == i);
        }
        struct done done;
        gyre_reply reply;
        gives(GYRE_ERROR_STATE, request(kernels[1], (struct task){0}, &done, &reply, PATIENCE));
        rig_close(&rig);
    }
}

Test(requests, are_told_that_their_message_gave_way_to_another)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("dropping");
        params.queue_size = 2;
        params.backpressure = GYRE_DROP_OLDEST;
        gyre_kernel *kernel = rig_launch(&rig, params);
        static struct waiter waiter;
        start(&waiter, 1, kernel);
        tasks_send(kernel, 0, 2, 0);
        pthread_join(waiter.thread, NULL);
        gives(GYRE_ERROR_DROPPED, waiter.result);
        tasks_send(kernel, 2, 2, 9);
        struct done done;
        gyre_reply reply;
        gives(GYRE_ERROR_DROPPED, request(kernel, (struct task){0}, &done, &reply, PATIENCE));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.dropped_oldest == 3 && stats.dropped_newest == 1 && stats.awaited == 0,
                  "%s", books_text(&stats));
        rig_close(&rig);
    }
}

/* What a callback was told. */
struct told {
    uint32_t calls;
    gyre_result result;
    gyre_result of_message;
    uint32_t code;
    uint32_t value;
    uint32_t flags;
    pthread_t thread;
};

static void tell(void *user, gyre_result result, const gyre_reply *reply)
{
    struct told *told = user;
    told->calls += 1;
    told->result = result;
    told->thread = pthread_self();
    if ((result == GYRE_OK) != (reply != NULL)) {
        told->calls += 1000;
    } else if (reply) {
        told->of_message = reply->result;
        told->code = reply->code;
        told->flags = reply->flags;
        told->value = reply->size == sizeof(struct done) ? ((struct done *)reply->data)->value : 0;
    }
}

static gyre_result begin(gyre_kernel *kernel, struct task task, gyre_message message,
                         uint64_t timeout_ns, struct told *told)
{
    *told = (struct told){0};
    message.data = &task;
    message.size = sizeof task;
    return gyre_request_begin(kernel, &message, timeout_ns, tell, told);
}

/* Pumps until as many callbacks were called. */
static void pump(gyre_kernel *kernel, uint32_t count)
{
    uint32_t called = 0;
    for (uint32_t sum = 0; sum < count; sum += called) {
        ok(gyre_pump(kernel, PATIENCE, &called));
        cr_assert(called > 0, "%u of %u callbacks", sum, count);
    }
    called = 99;
    ok(gyre_pump(kernel, 0, &called));
    cr_assert(called == 0);
}

Test(requests, that_were_begun_end_on_the_pumping_thread)
{
    enum { BEGUN = 200 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("begun"));
        static struct told told[BEGUN];
        for (uint32_t i = 0; i < BEGUN; ++i) {
            struct task task = {.value = i, .silent = i % 5 == 1, .fail = i % 5 == 2 ? i : 0};
            ok(begin(kernel, task, (gyre_message){.priority = i % 256}, PATIENCE, &told[i]));
        }
        for (uint32_t i = 0; i < BEGUN; ++i) {
            cr_assert(told[i].calls == 0, "called before there was a pump");
        }
        pump(kernel, BEGUN);
        for (uint32_t i = 0; i < BEGUN; ++i) {
            cr_assert(told[i].calls == 1 && pthread_equal(told[i].thread, pthread_self()));
            ok(told[i].result);
            gives(i % 5 == 2 ? GYRE_ERROR_HANDLER : GYRE_OK, told[i].of_message);
            cr_assert(told[i].code == (i % 5 == 2 ? i : 0));
            cr_assert(((told[i].flags & GYRE_REPLY_SILENT) != 0) == (i % 5 == 1));
            cr_assert(i % 5 == 1 || i % 5 == 2 || told[i].value == i);
        }
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.requests == BEGUN && stats.awaited == 0 && stats.received == 0);
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}

Test(requests, pumped_when_there_is_nothing_to_wait_for_come_back_at_once)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("bored"));
        uint32_t called = 99;
        ok(gyre_pump(kernel, GYRE_FOREVER, &called));
        cr_assert(called == 0);
        /* And when there is, they wait no longer than they are told. */
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        static struct told told;
        ok(begin(kernel, (struct task){0}, (gyre_message){0}, PATIENCE, &told));
        uint64_t began = rig_now_ns();
        ok(gyre_pump(kernel, 50 * MS, &called));
        cr_assert(called == 0 && told.calls == 0 && rig_now_ns() - began >= 50 * MS);
        ok(gyre_kernel_reactivate(kernel));
        pump(kernel, 1);
        cr_assert(told.calls == 1 && told.result == GYRE_OK);
        rig_close(&rig);
    }
}

Test(requests, that_were_begun_time_out_expire_and_end_with_the_kernel)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_launch(&rig, tasks_params("paused"));
        static struct told told[4];
        ok(begin(kernel, (struct task){0}, (gyre_message){0}, 20 * MS, &told[0]));
        ok(begin(kernel, (struct task){0}, (gyre_message){.deadline_ns = 20 * MS}, PATIENCE,
                 &told[1]));
        ok(begin(kernel, (struct task){0}, (gyre_message){0}, PATIENCE, &told[2]));
        ok(begin(kernel, (struct task){0}, (gyre_message){0}, GYRE_FOREVER, &told[3]));
        uint32_t called = 0;
        for (uint32_t sum = 0; sum < 2; sum += called) {
            ok(gyre_pump(kernel, PATIENCE, &called));
            cr_assert(called > 0);
        }
        cr_assert(told[0].calls == 1 && told[1].calls == 1 && told[2].calls + told[3].calls == 0);
        gives(GYRE_ERROR_TIMEOUT, told[0].result);
        gives(GYRE_ERROR_EXPIRED, told[1].result);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.awaited == 2 && stats.expired == 1 && stats.staged == 3, "%s",
                  books_text(&stats));
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
        pump(kernel, 2);
        for (size_t i = 0; i < LENGTH(told); ++i) {
            cr_assert(told[i].calls == 1);
        }
        gives(GYRE_ERROR_TERMINATED, told[2].result);
        gives(GYRE_ERROR_TERMINATED, told[3].result);
        rig_close(&rig);
    }
}

/* Pumps without an end until it has called one. */
static void *pump_one(void *argument)
{
    uint32_t called = 0;
    gyre_result result = gyre_pump(argument, GYRE_FOREVER, &called);
    return result == GYRE_OK && called == 1 ? NULL : argument;
}

/* Who pumps already hears of requests that are begun later, and end earlier. */
Test(requests, that_were_begun_wake_who_pumps_when_their_time_is_over)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_launch(&rig, tasks_params("paused"));
        static struct told told[3];
        ok(begin(kernel, (struct task){0}, (gyre_message){0}, GYRE_FOREVER, &told[0]));
        for (uint32_t i = 1; i < 3; ++i) {
            pthread_t thread;
            cr_assert(pthread_create(&thread, NULL, pump_one, kernel) == 0);
            /* It has still to come to its wait; if this is too short it knows more than it has to,
             * which is as right. */
            counting_sleep(50 * MS);
            gyre_message message = {.deadline_ns = i == 2 ? 20 * MS : 0};
            ok(begin(kernel, (struct task){0}, message, i == 1 ? 20 * MS : GYRE_FOREVER, &told[i]));
            struct timespec give_up;
            clock_gettime(CLOCK_REALTIME, &give_up);
            give_up.tv_sec += 20;
            void *trouble = NULL;
            cr_assert(pthread_timedjoin_np(thread, &trouble, &give_up) == 0,
                      "request %u never ended", i);
            cr_assert_null(trouble);
        }
        cr_assert(told[0].calls == 0 && told[1].calls == 1 && told[2].calls == 1);
        gives(GYRE_ERROR_TIMEOUT, told[1].result);
        gives(GYRE_ERROR_EXPIRED, told[2].result);
        rig_close(&rig);
    }
}

static void begin_fails(gyre_kernel *kernel, gyre_result expected, gyre_message message)
{
    static struct told told;
    told = (struct told){0};
    gives(expected, gyre_request_begin(kernel, &message, PATIENCE, tell, &told));
    uint32_t called = 99;
    ok(gyre_pump(kernel, 0, &called));
    cr_assert(called == 0 && told.calls == 0);
}

Test(requests, whose_begin_fails_have_no_callback)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static const gyre_backpressure policies[] = {GYRE_BLOCK, GYRE_REJECT, GYRE_DROP_OLDEST};
        static const char *const ids[] = {"blocking", "rejecting", "dropping"};
        for (size_t i = 0; i < LENGTH(policies); ++i) {
            struct task task = {0};
            gyre_message message = {.data = &task, .size = sizeof task};
            gyre_kernel_params params = tasks_params(ids[i]);
            params.queue_size = 1;
            params.backpressure = policies[i];
            gyre_kernel *kernel = rig_launch(&rig, params);
            task_send(kernel, task, 9);
            begin_fails(kernel, i == 2 ? GYRE_ERROR_DROPPED : GYRE_ERROR_FULL, message);
            message.size -= 4;
            begin_fails(kernel, GYRE_ERROR_SIZE, message);
            message.size += 4;
            message.type = 3;
            begin_fails(kernel, GYRE_ERROR_TYPE, message);
            message.type = 0;
            cr_assert(flow_stats(kernel).requests == 0 && flow_stats(kernel).awaited == 0);
            ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
            begin_fails(kernel, GYRE_ERROR_STATE, message);
        }
        rig_close(&rig);
    }
}

/* What a callback may do: begin the next one, ask, send, receive, pause, terminate. */
struct chain {
    gyre_kernel *kernel;
    uint32_t calls;
    uint32_t errors;
};

static void go_on(void *user, gyre_result result, const gyre_reply *reply)
{
    struct chain *chain = user;
    chain->calls += 1;
    chain->errors += result != GYRE_OK || reply->result != GYRE_OK;
    struct task task = {.value = chain->calls};
    gyre_message message = {.data = &task, .size = sizeof task};
    struct done done = {0};
    gyre_reply own = {.data = &done, .capacity = sizeof done};
    chain->errors += gyre_request(chain->kernel, &message, &own, PATIENCE) != GYRE_OK ||
                     done.value != chain->calls;
    if (chain->calls < 20) {
        chain->errors += gyre_request_begin(chain->kernel, &message, PATIENCE, go_on, chain) !=
                         GYRE_OK;
        return;
    }
    chain->errors += gyre_send(chain->kernel, &message, PATIENCE) != GYRE_OK;
    chain->errors += gyre_receive(chain->kernel, &own, PATIENCE) != GYRE_OK;
    chain->errors += gyre_kernel_deactivate(chain->kernel, PATIENCE) != GYRE_OK;
    chain->errors += gyre_pump(chain->kernel, 0, NULL) != GYRE_OK;
    chain->errors += gyre_kernel_terminate(chain->kernel, GYRE_DROP, PATIENCE, NULL) != GYRE_OK;
}

Test(requests, may_do_anything_in_their_callbacks)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static struct chain chain;
        chain = (struct chain){.kernel = rig_active(&rig, tasks_params("chained"))};
        struct task task = {0};
        ok(gyre_request_begin(chain.kernel, &(gyre_message){.data = &task, .size = sizeof task},
                              PATIENCE, go_on, &chain));
        uint64_t give_up = rig_now_ns() + PATIENCE;
        while (chain.calls < 20 && rig_now_ns() < give_up) {
            ok(gyre_pump(chain.kernel, PATIENCE, NULL));
        }
        cr_assert(chain.calls == 20 && chain.errors == 0, "%u calls, %u errors", chain.calls,
                  chain.errors);
        cr_assert(gyre_kernel_state(chain.kernel) == GYRE_TERMINATED);
        rig_close(&rig);
    }
}

#define CROWD 2000u
#define PUMPERS 4u

struct crowd {
    gyre_kernel *kernel;
    atomic_uint calls[CROWD];
    atomic_uint all;
    atomic_uint errors;
};

static struct crowd crowd;

static void count(void *user, gyre_result result, const gyre_reply *reply)
{
    atomic_uint *calls = user;
    uint32_t index = (uint32_t)(calls - crowd.calls);
    bool right = result == GYRE_OK && reply->correlation == index;
    atomic_fetch_add(&crowd.errors, !right);
    atomic_fetch_add(calls, 1);
    atomic_fetch_add(&crowd.all, 1);
}

static void *pump_all(void *argument)
{
    uint64_t give_up = rig_now_ns() + PATIENCE;
    while (atomic_load(&crowd.all) < CROWD && rig_now_ns() < give_up) {
        atomic_fetch_add(&crowd.errors, gyre_pump(crowd.kernel, 10 * MS, NULL) != GYRE_OK);
    }
    return argument;
}

Test(requests, end_once_whoever_pumps)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        memset(&crowd, 0, sizeof crowd);
        crowd.kernel = rig_active(&rig, tasks_params("crowded"));
        pthread_t pumpers[PUMPERS];
        for (uint32_t i = 0; i < PUMPERS; ++i) {
            cr_assert(pthread_create(&pumpers[i], NULL, pump_all, NULL) == 0);
        }
        for (uint32_t i = 0; i < CROWD; ++i) {
            struct task task = {.value = i};
            gyre_message message = {
                .data = &task, .size = sizeof task, .priority = i % 256, .correlation = i};
            gyre_result result = GYRE_ERROR_FULL;
            while (result == GYRE_ERROR_FULL) {
                result =
                    gyre_request_begin(crowd.kernel, &message, PATIENCE, count, &crowd.calls[i]);
            }
            ok(result);
        }
        for (uint32_t i = 0; i < PUMPERS; ++i) {
            pthread_join(pumpers[i], NULL);
        }
        for (uint32_t i = 0; i < CROWD; ++i) {
            cr_assert(atomic_load(&crowd.calls[i]) == 1, "request %u: %u callbacks", i,
                      atomic_load(&crowd.calls[i]));
        }
        cr_assert(atomic_load(&crowd.errors) == 0);
        rig_close(&rig);
    }
}

/* Requests and other messages at once: neither gets what is the other's. */
#define MIXED 3000u

static void *request_mixed(void *argument)
{
    struct caller *caller = argument;
    for (uint32_t i = 0; i < caller->count; ++i) {
        request_one(caller, MIXED + caller->index * caller->count + i);
    }
    return NULL;
}

static void fill(void *user, uint32_t index, void *message)
{
    (void)user;
    *(struct task *)message = (struct task){.value = index};
}

static bool check(void *user, uint32_t index, const gyre_reply *reply)
{
    (void)user;
    const struct done *done = reply->data;
    return reply->result == GYRE_OK && done->value == index;
}

Test(requests, and_messages_that_are_received_do_not_mix)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("mixed"));
        static struct caller callers[4];
        for (uint32_t i = 0; i < LENGTH(callers); ++i) {
            callers[i] = (struct caller){.kernel = kernel, .index = i, .count = 300};
            cr_assert(pthread_create(&callers[i].thread, NULL, request_mixed, &callers[i]) == 0);
        }
        flow_run(&(struct flow){
            .kernel = kernel,
            .count = MIXED,
            .message_size = sizeof(struct task),
            .answer_size = sizeof(struct done),
            .fill = fill,
            .check = check,
        });
        for (uint32_t i = 0; i < LENGTH(callers); ++i) {
            pthread_join(callers[i].thread, NULL);
            cr_assert(callers[i].results[GYRE_OK] == 300 && callers[i].wrong == 0);
        }
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}
