/* What has nothing to do costs nothing (A35). GYRE_TEST_LONG=1 in the environment watches for a
 * minute, not seconds. */
#include <stdlib.h>
#include <sys/resource.h>

#include "counting.h"

/* After the last message a submission ends within some milliseconds, on a busy machine within some
 * more: so long nothing may have happened before the watch begins. */
#define QUIET_NS (300 * MS)
#define SETTLE_NS (2 * S)

static uint64_t watch_ns(void)
{
    return getenv("GYRE_TEST_LONG") ? 60 * S : 3 * S;
}

static uint64_t of_timeval(struct timeval time)
{
    return (uint64_t)time.tv_sec * S + (uint64_t)time.tv_usec * 1000;
}

/* Of all threads of the process, the driver's among them. */
static uint64_t cpu_ns(void)
{
    struct rusage usage;
    cr_assert(getrusage(RUSAGE_SELF, &usage) == 0);
    return of_timeval(usage.ru_utime) + of_timeval(usage.ru_stime);
}

static gyre_stats stats_of(gyre_kernel *kernel)
{
    gyre_stats stats;
    ok(gyre_kernel_stats(kernel, &stats));
    return stats;
}

static uint64_t submissions_of(gyre_kernel *const *kernels, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; ++i) {
        sum += stats_of(kernels[i]).submissions;
    }
    return sum;
}

/* What a kernel on its way to rest may still do is not what is watched. One that does not come to
 * rest is watched all the same, and found out. */
static void settle(gyre_kernel *const *kernels, size_t count)
{
    uint64_t deadline = rig_now_ns() + SETTLE_NS;
    bool quiet = false;
    while (!quiet && rig_now_ns() < deadline) {
        uint64_t before = submissions_of(kernels, count);
        uint64_t spent = cpu_ns();
        counting_sleep(QUIET_NS);
        spent = cpu_ns() - spent;
        quiet = spent < QUIET_NS / 50 && submissions_of(kernels, count) == before;
    }
}

/* Nothing is submitted, nothing is on the device (a CPU driver would be busy with it), and less
 * than 1 % of a core goes. */
static void costs_nothing(gyre_kernel *const *kernels, size_t count)
{
    settle(kernels, count);
    uint64_t submissions = submissions_of(kernels, count);
    uint64_t spent = cpu_ns();
    uint64_t began = rig_now_ns();
    counting_sleep(watch_ns());
    spent = cpu_ns() - spent;
    uint64_t watched = rig_now_ns() - began;
    cr_assert(spent < watched / 100, "%llu us of the processor in %llu ms",
              (unsigned long long)spent / 1000, (unsigned long long)(watched / MS));
    uint64_t now = submissions_of(kernels, count);
    cr_assert(now == submissions, "%llu submissions while idle",
              (unsigned long long)(now - submissions));
}

static void answers(gyre_kernel *kernel, uint32_t value)
{
    counting_send(kernel, value, 1, 0);
    counting_expect(kernel, value, value + 1);
}

Test(idle, an_active_kernel_costs_nothing_and_answers_the_next_message)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("idle"));
        costs_nothing(&kernel, 1);
        answers(kernel, 0);
        costs_nothing(&kernel, 1);
        answers(kernel, 1);
        rig_close(&rig);
    }
}

struct receiver {
    pthread_t thread;
    gyre_kernel *kernel;
    struct counting_response response;
    gyre_result result;
};

static void *receive(void *argument)
{
    struct receiver *receiver = argument;
    gyre_reply reply = {.data = &receiver->response, .capacity = sizeof receiver->response};
    receiver->result = gyre_receive(receiver->kernel, &reply, GYRE_FOREVER);
    return NULL;
}

Test(idle, who_waits_for_an_answer_costs_nothing_either)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct receiver receiver = {.kernel = rig_active(&rig, counting_params("awaited"))};
        answers(receiver.kernel, 0);
        pthread_create(&receiver.thread, NULL, receive, &receiver);
        costs_nothing(&receiver.kernel, 1);
        counting_send(receiver.kernel, 1, 1, 0);
        pthread_join(receiver.thread, NULL);
        ok(receiver.result);
        cr_assert(receiver.response.value == 1 && receiver.response.order == 2);
        rig_close(&rig);
    }
}

/* Nor do many, in every state that waits, some with messages that must wait with them. */
Test(idle, many_kernels_cost_nothing)
{
    enum { COUNT = 8 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernels[COUNT];
        for (uint32_t i = 0; i < COUNT; ++i) {
            char id[] = {(char)('a' + i), '\0'};
            kernels[i] = rig_launch(&rig, counting_params(id));
            counting_send(kernels[i], 0, 1, 0);
        }
        ok(gyre_kernels_activate(kernels, COUNT - 1));
        for (uint32_t i = 0; i < COUNT - 1; ++i) {
            counting_expect(kernels[i], 0, 1);
        }
        ok(gyre_kernel_deactivate(kernels[0], PATIENCE));
        counting_send(kernels[0], 1, 1, 0);
        costs_nothing(kernels, COUNT);
        ok(gyre_kernel_reactivate(kernels[0]));
        counting_expect(kernels[0], 1, 2);
        ok(gyre_kernel_activate(kernels[COUNT - 1]));
        counting_expect(kernels[COUNT - 1], 0, 1);
        answers(kernels[1], 1);
        rig_close(&rig);
    }
}

/* Answers that nobody reads hold the device's output back; that is no reason to try again and
 * again. */
Test(idle, a_kernel_whose_answers_are_not_read_costs_nothing)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = counting_params("unread");
        params.queue_size = 4;
        params.window = 4;
        params.output_window = 4;
        gyre_kernel *kernel = rig_active(&rig, params);
        uint32_t sent = 0;
        while (counting_try(kernel, sent, 100 * MS) == GYRE_OK) {
            sent += 1;
        }
        cr_assert(sent >= 4 && sent < 100, "%u taken", sent);
        costs_nothing(&kernel, 1);
        counting_expect_many(kernel, 0, sent);
        rig_close(&rig);
    }
}
