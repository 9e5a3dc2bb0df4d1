/* priority: an urgent message among low ones, of which 1,024 are under way when it is sent. Timed
 * are the urgent ones ("urgent"), or in a case of its own the low ones of the same load ("load").
 * The handler takes longer than the host, so that it is the device that the queue waits for. */
#include <stdlib.h>

#include "base.h"
#include "bench_kernel.h"

static const uint32_t code[] = {
#include "bench_priority.spv.h"
};

enum {
    UNDER_WAY = 1024, /* low ones */
    CONTENTS = 64,    /* different messages; the answers are known before, being dear */
    STEPS = 128 * 8,
    LOW = 10,
    URGENT = 250,
};
#define URGENT_BIT (UINT64_C(1) << 63) /* of the correlation */

struct crowd {
    const struct bench_case *bench;
    struct bench_kernel kernel;
    uint32_t chained[CONTENTS]; /* the first word of their answers */
    uint64_t sent;
    uint64_t received; /* of the low ones, which keep their order */
    uint64_t urgent;
    uint64_t stamps[UNDER_WAY]; /* of the low ones, by serial number */
};

/* The same in bench_priority.comp. */
static uint32_t bench_chain(uint32_t x)
{
    for (uint32_t i = 0; i < STEPS; i++) {
        x = (x ^ (x >> 15)) * 2654435761u + 12345u;
    }
    return x;
}

static enum bench_opening open(struct bench_setup *setup, const struct bench_case *bench,
                               void **state)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    if (!crowd) {
        command_say("bench: out of memory");
        return BENCH_FAILED;
    }
    *state = crowd;
    crowd->bench = bench;
    for (uint32_t i = 0; i < CONTENTS; i++) {
        uint32_t first;
        bench_fill(&first, 1, i);
        crowd->chained[i] = bench_chain(first);
    }
    return bench_kernel_open(&crowd->kernel, setup, bench, (struct bench_module){code, sizeof code},
                             (gyre_kernel_params){.queue_size = 2 * UNDER_WAY}, 0);
}

static gyre_message make(uint32_t *words, uint64_t serial, uint32_t priority)
{
    bench_fill(words, BENCH_WORDS, serial % CONTENTS);
    return (gyre_message){
        .data = words,
        .size = BENCH_WORDS * sizeof *words,
        .priority = priority,
        .correlation = serial | (priority == URGENT ? URGENT_BIT : 0),
    };
}

/* The queue holds them all, so nothing is waited for. */
static bool fill(struct crowd *crowd)
{
    bool sent = true;
    while (sent && crowd->sent - crowd->received < UNDER_WAY) {
        uint32_t words[BENCH_WORDS];
        const gyre_message message = make(words, crowd->sent, LOW);
        crowd->stamps[crowd->sent % UNDER_WAY] = base_now_ns();
        sent = !bench_failed(crowd->bench, gyre_try_send(crowd->kernel.handle, &message), "send");
        crowd->sent += 1;
    }
    return sent;
}

static bool is_right(const struct crowd *crowd, const gyre_reply *reply, const uint32_t *words,
                     uint64_t serial)
{
    return reply->result == GYRE_OK && reply->size == BENCH_WORDS * sizeof *words &&
           words[0] == crowd->chained[serial % CONTENTS] &&
           bench_is_answer(words, 1, BENCH_WORDS, serial % CONTENTS);
}

/* One answer; `urgent` gets whether it was that to the urgent message. */
static bool receive(struct crowd *crowd, struct bench_tally *tally, bool *urgent)
{
    uint32_t words[BENCH_WORDS];
    gyre_reply reply = {.data = words, .capacity = sizeof words};
    if (bench_failed(crowd->bench, gyre_receive(crowd->kernel.handle, &reply, BENCH_LOST_NS),
                     "receive")) {
        return false;
    }
    const uint64_t serial = reply.correlation & ~URGENT_BIT;
    *urgent = reply.correlation & URGENT_BIT;
    const uint64_t expected = *urgent ? crowd->urgent : crowd->received;
    bench_count(tally, serial == expected && is_right(crowd, &reply, words, serial));
    if (*urgent) {
        return true;
    }
    crowd->received += 1;
    return crowd->bench->flags & BENCH_URGENT || serial % BENCH_SAMPLE != 0 ||
           bench_time(tally, base_now_ns() - crowd->stamps[serial % UNDER_WAY]);
}

static bool send_urgent(struct crowd *crowd, struct bench_tally *tally)
{
    uint32_t words[BENCH_WORDS];
    const gyre_message message = make(words, ++crowd->urgent, URGENT);
    const uint64_t start = base_now_ns();
    if (bench_failed(crowd->bench, gyre_send(crowd->kernel.handle, &message, BENCH_LOST_NS),
                     "send")) {
        return false;
    }
    for (bool there = false; !there;) {
        if (!receive(crowd, tally, &there)) {
            return false;
        }
    }
    return !(crowd->bench->flags & BENCH_URGENT) || bench_time(tally, base_now_ns() - start);
}

static bool stream(void *state, struct bench_tally *tally, uint64_t deadline)
{
    struct crowd *crowd = state;
    bool right = true, urgent;
    while (right && base_now_ns() < deadline) {
        right = fill(crowd) && send_urgent(crowd, tally);
    }
    while (right && crowd->received < crowd->sent) {
        right = receive(crowd, tally, &urgent);
    }
    return right;
}

static bool begin(void *state)
{
    struct crowd *crowd = state;
    return bench_kernel_begin(&crowd->kernel);
}

static bool end(void *state)
{
    struct crowd *crowd = state;
    return bench_kernel_end(&crowd->kernel);
}

static void close(void *state)
{
    struct crowd *crowd = state;
    bench_kernel_close(&crowd->kernel);
    free(crowd);
}

static const char *visibility(void *state)
{
    struct crowd *crowd = state;
    return bench_kernel_visibility(&crowd->kernel);
}

static const struct bench_ops ops = {
    .open = open,
    .begin = begin,
    .stream = stream,
    .end = end,
    .close = close,
    .visibility = visibility,
};

#define PRIORITY(what, more) \
    { \
        .name = "priority", .variant = what, .ops = &ops, \
        .flags = BENCH_NEEDS_DEVICE | BENCH_OWN_WORK | (more), .words = BENCH_WORDS, .batch = 1, \
    }

static const struct bench_case cases[] = {
    PRIORITY("urgent", BENCH_URGENT),
    PRIORITY("load", 0),
};
const struct bench_family bench_priority = {cases, LENGTH(cases)};
