/* scale: 64-byte messages from one to four threads, each sending with gyre_send, to one kernel; the
 * main thread takes the answers. Of each thread they keep their order. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base.h"
#include "bench_stream.h"

enum { THREADS_MAX = 4, SERIAL_BITS = 48 };

struct producer {
    struct producers *all;
    pthread_t thread;
    uint64_t number;
    uint64_t sent;     /* the thread's, read when it has ended */
    uint64_t received; /* the main thread's */
    /* By serial number, of those that are timed: written before the message is sent, read when its
     * answer is there. */
    uint64_t stamps[1 << 12];
};

struct producers {
    const struct bench_case *bench;
    struct bench_kernel kernel;
    struct producer threads[THREADS_MAX];
    uint64_t deadline;
    atomic_uint running;
    atomic_bool failed;
};

static enum bench_opening open(struct bench_setup *setup, const struct bench_case *bench,
                               void **state)
{
    struct producers *producers = calloc(1, sizeof *producers);
    if (!producers) {
        command_say("bench: out of memory");
        return BENCH_FAILED;
    }
    *state = producers;
    producers->bench = bench;
    for (uint32_t i = 0; i < THREADS_MAX; i++) {
        producers->threads[i].all = producers;
        producers->threads[i].number = i;
    }
    return bench_kernel_open(&producers->kernel, setup, bench, bench_module_of(setup, bench),
                             bench_stream_params(bench), 0);
}

static void *produce(void *argument)
{
    struct producer *producer = argument;
    struct producers *all = producer->all;
    while (base_now_ns() < all->deadline && !atomic_load(&all->failed)) {
        const uint64_t serial = producer->sent + 1;
        const uint64_t whole = producer->number << SERIAL_BITS | serial;
        uint32_t words[BENCH_WORDS];
        bench_fill(words, BENCH_WORDS, whole);
        const gyre_message message = {
            .data = words, .size = sizeof words, .priority = 128, .correlation = whole};
        if (serial % BENCH_SAMPLE == 0) {
            producer->stamps[serial / BENCH_SAMPLE % LENGTH(producer->stamps)] = base_now_ns();
        }
        if (bench_failed(all->bench, gyre_send(all->kernel.handle, &message, BENCH_LOST_NS),
                         "send")) {
            atomic_store(&all->failed, true);
            break;
        }
        producer->sent = serial;
    }
    atomic_fetch_sub(&all->running, 1);
    return NULL;
}

static bool check(struct producers *producers, const gyre_reply *reply, const uint32_t *words,
                  struct bench_tally *tally)
{
    const uint64_t whole = reply->correlation;
    const uint64_t serial = whole & ((UINT64_C(1) << SERIAL_BITS) - 1);
    if (whole >> SERIAL_BITS >= producers->bench->beside) {
        bench_count(tally, false);
        return true;
    }
    struct producer *producer = &producers->threads[whole >> SERIAL_BITS];
    bench_count(tally, serial == producer->received + 1 && reply->result == GYRE_OK &&
                           reply->size == BENCH_WORDS * sizeof *words &&
                           bench_is_answer(words, 0, BENCH_WORDS, whole));
    producer->received += 1;
    return serial % BENCH_SAMPLE != 0 ||
           bench_time(tally,
                      base_now_ns() -
                          producer->stamps[serial / BENCH_SAMPLE % LENGTH(producer->stamps)]);
}

/* One answer; waits in short steps, because the threads may end without another message. */
static bool receive(struct producers *producers, struct bench_tally *tally)
{
    uint32_t words[BENCH_WORDS];
    gyre_reply reply = {.data = words, .capacity = sizeof words};
    const gyre_result result = gyre_receive(producers->kernel.handle, &reply, 1000000);
    if (result == GYRE_ERROR_TIMEOUT) {
        return true;
    }
    return !bench_failed(producers->bench, result, "receive") &&
           check(producers, &reply, words, tally);
}

static uint64_t missing(const struct producers *producers)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < producers->bench->beside; i++) {
        count += producers->threads[i].sent - producers->threads[i].received;
    }
    return count;
}

/* Ends with all answers there, or after BENCH_LOST_NS without them. */
static bool collect(struct producers *producers, struct bench_tally *tally)
{
    const uint64_t lost = base_deadline(BENCH_LOST_NS);
    bool right = true;
    while (right && (atomic_load(&producers->running) > 0 || missing(producers) > 0)) {
        right = receive(producers, tally) && !atomic_load(&producers->failed);
        if (right && atomic_load(&producers->running) == 0 && base_remaining_ns(lost) == 0) {
            command_say("%s: answers are missing", producers->bench->name);
            right = false;
        }
    }
    return right;
}

static bool stream(void *state, struct bench_tally *tally, uint64_t deadline)
{
    struct producers *producers = state;
    uint32_t started = 0;
    producers->deadline = deadline;
    atomic_store(&producers->running, producers->bench->beside);
    while (started < producers->bench->beside &&
           base_thread_start(&producers->threads[started].thread, produce,
                             &producers->threads[started])) {
        started += 1;
    }
    bool right = started == producers->bench->beside;
    if (!right) {
        command_say("bench: cannot start a thread");
    }
    right = right && collect(producers, tally);
    atomic_store(&producers->failed, !right); /* ends them */
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(producers->threads[i].thread, NULL);
    }
    return right;
}

static bool begin(void *state)
{
    struct producers *producers = state;
    return bench_kernel_begin(&producers->kernel);
}

static bool end(void *state)
{
    struct producers *producers = state;
    return bench_kernel_end(&producers->kernel);
}

static void close(void *state)
{
    struct producers *producers = state;
    bench_kernel_close(&producers->kernel);
    free(producers);
}

static const char *visibility(void *state)
{
    struct producers *producers = state;
    return bench_kernel_visibility(&producers->kernel);
}

static const struct bench_ops ops = {
    .open = open,
    .begin = begin,
    .stream = stream,
    .end = end,
    .close = close,
    .visibility = visibility,
};

#define PRODUCERS(threads, text) \
    { \
        .name = "scale", .variant = text, .ops = &ops, \
        .flags = BENCH_NEEDS_DEVICE | BENCH_ON_DEMAND, .words = BENCH_WORDS, .batch = 1, \
        .beside = threads, \
    }

static const struct bench_case cases[] = {
    PRODUCERS(1, "1 producer"),
    PRODUCERS(2, "2 producers"),
    PRODUCERS(3, "3 producers"),
    PRODUCERS(4, "4 producers"),
};
const struct bench_family bench_producers = {cases, LENGTH(cases)};
