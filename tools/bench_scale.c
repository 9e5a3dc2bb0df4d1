/* scale: how roundtrip-1 and a stream change with a size.
 *
 * window N         slots of each lane of the window
 * N idle kernels   ACTIVE beside it, with nothing to do and so off the device
 * payload N        bytes of a message
 * batch N          messages at once, 64 bytes each; next to it `dispatched N`, in bench_dispatch.c
 */
#include <stdlib.h>
#include <time.h>

#include "base.h"
#include "bench_roundtrip.h"
#include "bench_stream.h"

/* ---- idle kernels ---- */

struct crowd {
    struct bench_kernel *kernel; /* a roundtrip's state */
    struct bench_kernel *idle;
    uint32_t count;
};

static enum bench_opening open(struct bench_setup *setup, const struct bench_case *bench,
                               void **state)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    struct bench_kernel *idle = calloc(bench->beside + 1, sizeof *idle);
    void *kernel = NULL;
    if (!crowd || !idle) {
        free(crowd);
        free(idle);
        command_say("bench: out of memory");
        return BENCH_FAILED;
    }
    *state = crowd;
    crowd->idle = idle;
    enum bench_opening opening = roundtrip_open(setup, bench, &kernel);
    crowd->kernel = kernel;
    while (opening == BENCH_OPENED && crowd->count < bench->beside) {
        crowd->count += 1;
        opening = bench_kernel_open(&idle[crowd->count - 1], setup, bench,
                                    bench_module_of(setup, bench), (gyre_kernel_params){0},
                                    crowd->count);
    }
    return opening;
}

/* They are idle once they have left the device. */
static bool wait_until_idle(struct crowd *crowd)
{
    const uint64_t deadline = base_deadline(BENCH_LOST_NS);
    for (uint32_t i = 0; i < crowd->count; i++) {
        gyre_stats stats = {.in_flight = true};
        while (gyre_kernel_stats(crowd->idle[i].handle, &stats) == GYRE_OK && stats.in_flight &&
               base_remaining_ns(deadline) > 0) {
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        }
        if (stats.in_flight) {
            command_say("scale: an idle kernel does not leave the device");
            return false;
        }
    }
    return true;
}

static bool begin(void *state)
{
    struct crowd *crowd = state;
    for (uint32_t i = 0; i < crowd->count; i++) {
        if (!bench_kernel_begin(&crowd->idle[i])) {
            return false;
        }
    }
    return wait_until_idle(crowd) && roundtrip_begin(crowd->kernel);
}

static bool exchange(void *state, const uint32_t *in, uint32_t *out)
{
    struct crowd *crowd = state;
    return roundtrip_exchange(crowd->kernel, in, out);
}

static bool end(void *state)
{
    struct crowd *crowd = state;
    bool ended = roundtrip_end(crowd->kernel);
    for (uint32_t i = 0; i < crowd->count; i++) {
        ended = bench_kernel_end(&crowd->idle[i]) && ended;
    }
    return ended;
}

static void close(void *state)
{
    struct crowd *crowd = state;
    for (uint32_t i = 0; i < crowd->count; i++) {
        bench_kernel_close(&crowd->idle[i]);
    }
    if (crowd->kernel) {
        roundtrip_close(crowd->kernel);
    }
    free(crowd->idle);
    free(crowd);
}

static const char *visibility(void *state)
{
    struct crowd *crowd = state;
    return roundtrip_visibility(crowd->kernel);
}

static const struct bench_ops beside_idle = {
    .open = open,
    .begin = begin,
    .exchange = exchange,
    .end = end,
    .close = close,
    .visibility = visibility,
};

#define SCALE(text, how, ...) \
    { \
        .name = "scale", .variant = text, .ops = how, \
        .flags = BENCH_NEEDS_DEVICE | BENCH_ON_DEMAND, __VA_ARGS__ \
    }
#define WINDOW(text, slots) SCALE(text, &roundtrip_ops, .words = BENCH_WORDS, .window = slots)
#define IDLE(text, kernels) SCALE(text, &beside_idle, .words = BENCH_WORDS, .beside = kernels)
#define PAYLOAD(text, bytes) SCALE(text, &roundtrip_ops, .words = (bytes) / sizeof(uint32_t))
#define BATCH(text, messages) SCALE(text, &stream_ops, .words = BENCH_WORDS, .batch = messages)

static const struct bench_case cases[] = {
    WINDOW("window 64", 64),
    WINDOW("window 256", 256),
    WINDOW("window 1024", 1024),
    WINDOW("window 4096", 4096),
    WINDOW("window 16384", 16384),
    WINDOW("window 65536", 65536),
    IDLE("0 idle kernels", 0),
    IDLE("1 idle kernel", 1),
    IDLE("4 idle kernels", 4),
    IDLE("16 idle kernels", 16),
    IDLE("64 idle kernels", 64),
    PAYLOAD("payload 16", 16),
    PAYLOAD("payload 64", 64),
    PAYLOAD("payload 256", 256),
    PAYLOAD("payload 1024", 1024),
    PAYLOAD("payload 4096", 4096),
    PAYLOAD("payload 16384", 16384),
    PAYLOAD("payload 65536", 65536),
    BATCH("batch 1", 1),
    BATCH("batch 4", 4),
    BATCH("batch 16", 16),
    BATCH("batch 64", 64),
    BATCH("batch 256", 256),
    BATCH("batch 1024", 1024),
};
const struct bench_family bench_scale = {cases, LENGTH(cases)};
