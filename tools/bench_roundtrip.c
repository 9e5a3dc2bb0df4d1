/* The case that all others are there for: a resident kernel, one message at a time, through the
 * public API. */
#include <stdlib.h>

#include "bench.h"

static const uint32_t code[] = {
#include "bench_roundtrip.spv.h"
};

struct roundtrip {
    gyre_kernel *kernel;
    bool paused;
};

static bool failed(gyre_result result, const char *what)
{
    if (result != GYRE_OK) {
        command_fail(result, "roundtrip-1: %s", what);
    }
    return result != GYRE_OK;
}

static bool open(const struct bench_setup *setup, void **state)
{
    struct roundtrip *roundtrip = calloc(1, sizeof *roundtrip);
    const gyre_kernel_params params = {
        .id = "roundtrip-1",
        .spirv = code,
        .spirv_size = sizeof code,
        .input_size = BENCH_WORDS * sizeof(uint32_t),
        .output_size = BENCH_WORDS * sizeof(uint32_t),
    };
    if (!roundtrip ||
        failed(gyre_kernel_create(setup->runtime, &params, &roundtrip->kernel), "create") ||
        failed(gyre_kernel_launch(roundtrip->kernel), "launch") ||
        failed(gyre_kernel_activate(roundtrip->kernel), "activate")) {
        free(roundtrip); /* the kernel goes with the runtime */
        return false;
    }
    *state = roundtrip;
    return true;
}

/* Between rounds it is paused: polling costs the other cases a core. */
static bool begin(void *state)
{
    struct roundtrip *roundtrip = state;
    if (!roundtrip->paused) {
        return true;
    }
    roundtrip->paused = false;
    return !failed(gyre_kernel_reactivate(roundtrip->kernel), "reactivate");
}

static bool end(void *state)
{
    struct roundtrip *roundtrip = state;
    roundtrip->paused = true;
    return !failed(gyre_kernel_deactivate(roundtrip->kernel, BENCH_LOST_NS), "deactivate");
}

static bool exchange(void *state, const uint32_t *in, uint32_t *out)
{
    struct roundtrip *roundtrip = state;
    const size_t size = BENCH_WORDS * sizeof(uint32_t);
    uint64_t id;
    const gyre_message message = {.data = in, .size = size, .priority = 128, .id = &id};
    gyre_reply reply = {.data = out, .capacity = size};
    if (failed(gyre_send(roundtrip->kernel, &message, BENCH_LOST_NS), "send") ||
        failed(gyre_receive(roundtrip->kernel, &reply, BENCH_LOST_NS), "receive") ||
        failed(reply.result, "the message")) {
        return false;
    }
    if (reply.id != id || reply.size != size) {
        command_say("roundtrip-1: an answer to something else");
        return false;
    }
    return true;
}

static void close_roundtrip(void *state)
{
    struct roundtrip *roundtrip = state;
    gyre_kernel_destroy(roundtrip->kernel);
    free(roundtrip);
}

static const char *visibility(void *state)
{
    struct roundtrip *roundtrip = state;
    gyre_stats stats;
    return gyre_kernel_stats(roundtrip->kernel, &stats) == GYRE_OK && stats.live ? "live"
                                                                                 : "strict";
}

const struct bench_case bench_roundtrip_1 = {
    .name = "roundtrip-1",
    .what = "a resident kernel of one invocation, through gyre_send and gyre_receive",
    .words = BENCH_WORDS,
    .needs_device = true,
    .open = open,
    .begin = begin,
    .exchange = exchange,
    .end = end,
    .close = close_roundtrip,
    .visibility = visibility,
};
