/* stream-16B, stream-64B, stream-4KiB: one thread that sends and receives, with gyre_send and
 * gyre_receive ("single") or with batches of 1,024 ("batch"). */
#include "bench_stream.h"

#include <stdlib.h>

#include "base.h"

enum {
    BATCHES = 2, /* under way at most: while one is worked on, the next one is made */
    SINGLE_DEPTH = 1024,
    WINDOW_BYTES = 1 << 20, /* of a lane of the window, so that it stays in a cache */
};

static uint32_t depth_of(const struct bench_case *bench)
{
    const uint32_t depth = bench->batch * BATCHES;
    return depth > SINGLE_DEPTH ? depth : SINGLE_DEPTH;
}

gyre_kernel_params bench_stream_params(const struct bench_case *bench)
{
    const uint32_t fit = WINDOW_BYTES / (bench->words * (uint32_t)sizeof(uint32_t));
    const uint32_t window = fit < BENCH_BATCH ? fit : BENCH_BATCH;
    return (gyre_kernel_params){
        .queue_size = depth_of(bench),
        .window = window,
        .output_window = window,
    };
}

bool bench_stream_open(struct bench_stream *stream, const struct bench_case *bench,
                       gyre_kernel *first, gyre_kernel *last)
{
    *stream = (struct bench_stream){
        .bench = bench,
        .first = first,
        .last = last,
        .depth = depth_of(bench),
        .bytes = bench->words * (uint32_t)sizeof(uint32_t),
    };
    stream->data = calloc(bench->batch, stream->bytes);
    stream->messages = calloc(bench->batch, sizeof *stream->messages);
    stream->replies = calloc(bench->batch, sizeof *stream->replies);
    stream->waiting = calloc(stream->depth, sizeof *stream->waiting);
    stream->stamps = calloc(stream->depth, sizeof *stream->stamps);
    if (!stream->data || !stream->messages || !stream->replies || !stream->waiting ||
        !stream->stamps) {
        command_say("bench: out of memory");
        return false;
    }
    return true;
}

void bench_stream_close(struct bench_stream *stream)
{
    free(stream->data);
    free(stream->messages);
    free(stream->replies);
    free(stream->waiting);
    free(stream->stamps);
}

static bool send(struct bench_stream *stream)
{
    const uint32_t batch = stream->bench->batch;
    for (uint32_t i = 0; i < batch; i++) {
        const uint64_t serial = ++stream->sent;
        unsigned char *data = stream->data + (size_t)i * stream->bytes;
        if (serial % BENCH_SAMPLE == 0) {
            stream->stamps[serial % stream->depth] = base_now_ns();
        }
        bench_fill((uint32_t *)(void *)data, stream->bench->words, serial);
        stream->waiting[serial % stream->depth] = serial;
        stream->messages[i] = (gyre_message){
            .data = data,
            .size = stream->bytes,
            .priority = 128,
            .correlation = serial,
        };
    }
    stream->under_way += batch;
    return !bench_failed(
        stream->bench,
        batch == 1 ? gyre_send(stream->first, stream->messages, BENCH_LOST_NS)
                   : gyre_send_batch(stream->first, stream->messages, batch, BENCH_LOST_NS, NULL),
        "send");
}

static bool check(struct bench_stream *stream, const gyre_reply *reply, struct bench_tally *tally)
{
    const uint64_t serial = reply->correlation;
    uint64_t *waiting = &stream->waiting[serial % stream->depth];
    bench_count(tally, *waiting == serial && reply->result == GYRE_OK &&
                           reply->size == stream->bytes &&
                           bench_is_answer_of(reply->data, stream->bench->words, serial,
                                              stream->bench->hops));
    *waiting = 0;
    stream->under_way -= 1;
    return serial % BENCH_SAMPLE != 0 ||
           bench_time(tally, base_now_ns() - stream->stamps[serial % stream->depth]);
}

/* What is there, or with a timeout at least one answer. */
static bool receive(struct bench_stream *stream, struct bench_tally *tally, uint64_t timeout_ns)
{
    const uint32_t batch = stream->bench->batch;
    uint32_t count = 1;
    for (uint32_t i = 0; i < batch; i++) {
        stream->replies[i].data = stream->data + (size_t)i * stream->bytes;
        stream->replies[i].capacity = stream->bytes;
    }
    const gyre_result result =
        batch == 1 ? gyre_receive(stream->last, stream->replies, timeout_ns)
                   : gyre_receive_batch(stream->last, stream->replies, batch, timeout_ns, &count);
    if (result == GYRE_ERROR_TIMEOUT && timeout_ns == 0) {
        return true;
    }
    if (bench_failed(stream->bench, result, "receive")) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!check(stream, &stream->replies[i], tally)) {
            return false;
        }
    }
    return true;
}

/* With a relay nobody can sleep until an answer comes: what comes before it is the host's work. */
static bool await(struct bench_stream *stream, struct bench_tally *tally)
{
    if (!stream->relay) {
        return receive(stream, tally, BENCH_LOST_NS);
    }
    const uint64_t before = stream->under_way, deadline = base_deadline(BENCH_LOST_NS);
    while (stream->under_way == before) {
        if (!stream->relay(stream->user) || !receive(stream, tally, 0)) {
            return false;
        }
        if (base_remaining_ns(deadline) == 0) {
            command_say("%s: an answer is missing", stream->bench->name);
            return false;
        }
    }
    return true;
}

/* A serial number is not used before the one of its place in the table has its answer; where
 * answers keep the order of the messages that is never waited for. */
static bool has_place(const struct bench_stream *stream)
{
    const uint32_t batch = stream->bench->batch;
    bool free = stream->under_way + batch <= stream->depth;
    for (uint32_t i = 1; free && i <= batch; i++) {
        free = stream->waiting[(stream->sent + i) % stream->depth] == 0;
    }
    return free;
}

bool bench_stream_run(struct bench_stream *stream, struct bench_tally *tally, uint64_t deadline)
{
    bool right = true;
    while (right && base_now_ns() < deadline) {
        while (right && has_place(stream)) {
            right = send(stream);
        }
        /* The device has half of them to work on while these are read. */
        while (right && stream->under_way > stream->depth / 2) {
            right = await(stream, tally);
        }
    }
    while (right && stream->under_way > 0) {
        right = await(stream, tally);
    }
    return right;
}

/* ---- one kernel ---- */

struct one {
    struct bench_kernel kernel;
    struct bench_stream stream;
};

static enum bench_opening open_one(struct bench_setup *setup, const struct bench_case *bench,
                                   void **state)
{
    struct one *one = calloc(1, sizeof *one);
    if (!one) {
        command_say("bench: out of memory");
        return BENCH_FAILED;
    }
    *state = one;
    const enum bench_opening opening = bench_kernel_open(
        &one->kernel, setup, bench, bench_module_of(setup, bench), bench_stream_params(bench), 0);
    if (opening != BENCH_OPENED) {
        return opening;
    }
    return bench_stream_open(&one->stream, bench, one->kernel.handle, one->kernel.handle)
               ? BENCH_OPENED
               : BENCH_FAILED;
}

static bool begin_one(void *state)
{
    struct one *one = state;
    return bench_kernel_begin(&one->kernel);
}

static bool stream_one(void *state, struct bench_tally *tally, uint64_t deadline)
{
    struct one *one = state;
    return bench_stream_run(&one->stream, tally, deadline);
}

static bool end_one(void *state)
{
    struct one *one = state;
    return bench_kernel_end(&one->kernel);
}

static void close_one(void *state)
{
    struct one *one = state;
    bench_kernel_close(&one->kernel);
    bench_stream_close(&one->stream);
    free(one);
}

static const char *visibility_of_one(void *state)
{
    struct one *one = state;
    return bench_kernel_visibility(&one->kernel);
}

const struct bench_ops stream_ops = {
    .open = open_one,
    .begin = begin_one,
    .stream = stream_one,
    .end = end_one,
    .close = close_one,
    .visibility = visibility_of_one,
};

#define STREAM(case_name, bytes, how, at_once, more) \
    { \
        .name = case_name, .variant = how, .ops = &stream_ops, \
        .flags = BENCH_NEEDS_DEVICE | (more), .words = (bytes) / sizeof(uint32_t), \
        .batch = at_once, \
    }
#define STREAMS(case_name, bytes, more) \
    STREAM(case_name, bytes, "single, workgroup", 1, more), \
        STREAM(case_name, bytes, "batch, workgroup", BENCH_BATCH, more), \
        STREAM(case_name, bytes, "single, invocation", 1, BENCH_EACH), \
        STREAM(case_name, bytes, "batch, invocation", BENCH_BATCH, BENCH_EACH)

static const struct bench_case cases[] = {
    STREAMS("stream-16B", 16, 0),
    STREAMS("stream-64B", 64, BENCH_QUICK),
    STREAMS("stream-4KiB", 4096, 0),
};
const struct bench_family bench_streams = {cases, LENGTH(cases)};
