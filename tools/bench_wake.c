/* wake: a kernel that has left the device, because nothing came, gets a message. From gyre_send to
 * the answer: a submission, as in the case dispatch, and what finds out that one is needed. */
#include <time.h>

#include "base.h"
#include "bench_roundtrip.h"

/* Longer than a thread of the engine spins before it sleeps. */
#define ASLEEP_NS 500000

static void sleep_ns(long ns)
{
    const struct timespec time = {.tv_nsec = ns};
    nanosleep(&time, NULL);
}

static bool wait_until_parked(void *state)
{
    struct bench_kernel *kernel = state;
    const uint64_t deadline = base_deadline(BENCH_LOST_NS);
    gyre_stats stats;
    do {
        sleep_ns(ASLEEP_NS);
        if (bench_failed(kernel->bench, gyre_kernel_stats(kernel->handle, &stats), "statistics")) {
            return false;
        }
    } while (stats.in_flight && base_remaining_ns(deadline) > 0);
    if (stats.in_flight) {
        command_say("wake: the kernel does not leave the device");
        return false;
    }
    if (stats.submissions == kernel->submissions) {
        command_say("wake: a message was answered without a submission");
        return false;
    }
    kernel->submissions = stats.submissions;
    return true;
}

static const struct bench_ops wake_ops = {
    .open = roundtrip_open,
    .begin = roundtrip_begin,
    .prepare = wait_until_parked,
    .exchange = roundtrip_exchange,
    .end = roundtrip_end,
    .close = roundtrip_close,
    .visibility = roundtrip_visibility,
};

static const struct bench_case cases[] = {
    {
        .name = "wake",
        .ops = &wake_ops,
        .flags = BENCH_NEEDS_DEVICE | BENCH_QUICK,
        .words = BENCH_WORDS,
    },
};
const struct bench_family bench_wake = {cases, LENGTH(cases)};
