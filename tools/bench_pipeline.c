/* pipeline: a message through four kernels in a row, over links on the device ("linked") or with
 * the host receiving from each and sending to the next ("host"); one message at a time, and in
 * batches. */
#include <stdlib.h>

#include "base.h"
#include "bench_stream.h"

enum { STAGES = 4 };

struct chain {
    const struct bench_case *bench;
    struct bench_kernel stages[STAGES];
    struct bench_stream stream; /* of the cases that are one */
    unsigned char *data;        /* on their way from a stage to the next one */
    gyre_reply *replies;
    gyre_message *messages;
};

static bool is_linked(const struct chain *chain)
{
    return chain->bench->flags & BENCH_LINKED;
}

/* ---- through the host ---- */

/* From stage `from` to the next one: what is there. The engine's queues hold whatever is under way,
 * so nothing is waited for. */
static bool carry(struct chain *chain, uint32_t from)
{
    const struct bench_case *bench = chain->bench;
    const size_t bytes = bench->words * sizeof(uint32_t);
    uint32_t count = 0;
    for (uint32_t i = 0; i < bench->batch; i++) {
        chain->replies[i].data = chain->data + i * bytes;
        chain->replies[i].capacity = bytes;
    }
    const gyre_result result =
        gyre_receive_batch(chain->stages[from].handle, chain->replies, bench->batch, 0, &count);
    if (result == GYRE_ERROR_TIMEOUT) {
        return true;
    }
    if (bench_failed(bench, result, "receive")) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (bench_failed(bench, chain->replies[i].result, "the message")) {
            return false;
        }
        chain->messages[i] = (gyre_message){
            .data = chain->replies[i].data,
            .size = chain->replies[i].size,
            .priority = 128,
            .correlation = chain->replies[i].correlation,
        };
    }
    return !bench_failed(bench,
                         gyre_send_batch(chain->stages[from + 1].handle, chain->messages, count,
                                         BENCH_LOST_NS, NULL),
                         "send");
}

static bool relay(void *user)
{
    struct chain *chain = user;
    for (uint32_t i = 0; i + 1 < STAGES; i++) {
        if (!carry(chain, i)) {
            return false;
        }
    }
    return true;
}

/* ---- cases ---- */

static bool link_stages(struct chain *chain)
{
    for (uint32_t i = 0; i + 1 < STAGES; i++) {
        const gyre_link_params params = {.slots = bench_is_stream(chain->bench) ? BENCH_BATCH : 0};
        if (bench_failed(
                chain->bench,
                gyre_link(chain->stages[i].handle, 0, chain->stages[i + 1].handle, &params),
                "link")) {
            return false;
        }
    }
    return true;
}

static bool open_stream(struct chain *chain)
{
    const struct bench_case *bench = chain->bench;
    if (!bench_stream_open(&chain->stream, bench, chain->stages[0].handle,
                           chain->stages[STAGES - 1].handle)) {
        return false;
    }
    if (is_linked(chain)) {
        return true;
    }
    chain->stream.relay = relay;
    chain->stream.user = chain;
    chain->data = calloc(bench->batch, bench->words * sizeof(uint32_t));
    chain->replies = calloc(bench->batch, sizeof *chain->replies);
    chain->messages = calloc(bench->batch, sizeof *chain->messages);
    if (!chain->data || !chain->replies || !chain->messages) {
        command_say("bench: out of memory");
        return false;
    }
    return true;
}

static enum bench_opening open(struct bench_setup *setup, const struct bench_case *bench,
                               void **state)
{
    struct chain *chain = calloc(1, sizeof *chain);
    if (!chain) {
        command_say("bench: out of memory");
        return BENCH_FAILED;
    }
    *state = chain;
    chain->bench = bench;
    const gyre_kernel_params params = bench_is_stream(bench) ? bench_stream_params(bench)
                                                             : (gyre_kernel_params){0};
    for (uint32_t i = 0; i < STAGES; i++) {
        const enum bench_opening opening = bench_kernel_open(
            &chain->stages[i], setup, bench, bench_module_of(setup, bench), params, i);
        if (opening != BENCH_OPENED) {
            return opening;
        }
    }
    return (is_linked(chain) && !link_stages(chain)) ||
                   (bench_is_stream(bench) && !open_stream(chain))
               ? BENCH_FAILED
               : BENCH_OPENED;
}

static bool begin(void *state)
{
    struct chain *chain = state;
    bool begun = true;
    for (uint32_t i = 0; begun && i < STAGES; i++) {
        begun = bench_kernel_begin(&chain->stages[i]);
    }
    return begun;
}

static bool end(void *state)
{
    struct chain *chain = state;
    bool ended = true;
    for (uint32_t i = 0; i < STAGES; i++) {
        ended = bench_kernel_end(&chain->stages[i]) && ended;
    }
    return ended;
}

static bool exchange(void *state, const uint32_t *in, uint32_t *out)
{
    struct chain *chain = state;
    uint64_t id;
    if (is_linked(chain)) {
        return bench_kernel_send(&chain->stages[0], in, &id) &&
               bench_kernel_receive(&chain->stages[STAGES - 1], out, id);
    }
    for (uint32_t i = 0; i < STAGES; i++) {
        if (!bench_kernel_send(&chain->stages[i], i == 0 ? in : out, &id) ||
            !bench_kernel_receive(&chain->stages[i], out, id)) {
            return false;
        }
    }
    return true;
}

static bool stream(void *state, struct bench_tally *tally, uint64_t deadline)
{
    struct chain *chain = state;
    return bench_stream_run(&chain->stream, tally, deadline);
}

static void close(void *state)
{
    struct chain *chain = state;
    for (uint32_t i = 0; i < STAGES; i++) {
        bench_kernel_close(&chain->stages[i]);
    }
    bench_stream_close(&chain->stream);
    free(chain->data);
    free(chain->replies);
    free(chain->messages);
    free(chain);
}

static const char *visibility(void *state)
{
    struct chain *chain = state;
    return bench_kernel_visibility(&chain->stages[0]);
}

static const struct bench_ops one_at_a_time = {
    .open = open,
    .begin = begin,
    .exchange = exchange,
    .end = end,
    .close = close,
    .visibility = visibility,
};
static const struct bench_ops in_batches = {
    .open = open,
    .begin = begin,
    .stream = stream,
    .end = end,
    .close = close,
    .visibility = visibility,
};

#define PIPELINE(way, how, at_once, more) \
    { \
        .name = "pipeline", .variant = way, .ops = how, \
        .flags = BENCH_NEEDS_DEVICE | BENCH_OWN_WORK | (more), .words = BENCH_WORDS, \
        .batch = at_once, .hops = STAGES, \
    }

static const struct bench_case cases[] = {
    PIPELINE("linked", &one_at_a_time, 0, BENCH_LINKED),
    PIPELINE("host", &one_at_a_time, 0, 0),
    PIPELINE("linked, batch", &in_batches, BENCH_BATCH, BENCH_LINKED),
    PIPELINE("host, batch", &in_batches, BENCH_BATCH, 0),
};
const struct bench_family bench_pipeline = {cases, LENGTH(cases)};
