/* The case that all others are there for: a resident kernel, one message at a time, through the
 * public API.
 *
 * roundtrip-1    a kernel of one invocation
 * roundtrip-32   of 32, all of which work on the message
 */
#include "bench_roundtrip.h"

#include <stdlib.h>

#include "base.h"

enum bench_opening roundtrip_open(struct bench_setup *setup, const struct bench_case *bench,
                                  void **state)
{
    struct bench_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel) {
        command_say("bench: out of memory");
        return BENCH_FAILED;
    }
    *state = kernel;
    return bench_kernel_open(kernel, setup, bench, bench_module_of(setup, bench),
                             (gyre_kernel_params){.window = bench->window}, 0);
}

bool roundtrip_begin(void *state)
{
    return bench_kernel_begin(state);
}

bool roundtrip_exchange(void *state, const uint32_t *in, uint32_t *out)
{
    uint64_t id;
    return bench_kernel_send(state, in, &id) && bench_kernel_receive(state, out, id);
}

bool roundtrip_end(void *state)
{
    return bench_kernel_end(state);
}

void roundtrip_close(void *state)
{
    bench_kernel_close(state);
    free(state);
}

const char *roundtrip_visibility(void *state)
{
    return bench_kernel_visibility(state);
}

const struct bench_ops roundtrip_ops = {
    .open = roundtrip_open,
    .begin = roundtrip_begin,
    .exchange = roundtrip_exchange,
    .end = roundtrip_end,
    .close = roundtrip_close,
    .visibility = roundtrip_visibility,
};

static const struct bench_case cases[] = {
    {
        .name = "roundtrip-1",
        .ops = &roundtrip_ops,
        .flags = BENCH_NEEDS_DEVICE | BENCH_QUICK,
        .words = BENCH_WORDS,
    },
    {
        .name = "roundtrip-32",
        .ops = &roundtrip_ops,
        .flags = BENCH_NEEDS_DEVICE | BENCH_WIDE,
        .words = BENCH_WORDS,
    },
};
const struct bench_family bench_roundtrip = {cases, LENGTH(cases)};
