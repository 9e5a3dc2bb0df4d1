/* engine/ring between three threads: a producer, a consumer, and a device that takes the steps of
 * kernel.glsl, residency after residency. Every message must be answered exactly once, first in
 * first out in its lane, with its payload whole. Indices wrap. Built with ThreadSanitizer, every
 * edge of ring.c (R1/A1 .. R4/A4) that is too weak is a data race here.
 *
 * Usage: ring [messages per variant]; on a slow or busy machine it makes do with fewer. */
#include "ring.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "played_device.h"
#include "shared.h"

#define NEAR_WRAP (UINT32_MAX - 999) /* 2^32 - 1000 */
#define WORDS 6u                     /* of payload: number, k of an answer, the rest */
#define NO_LIMIT UINT32_MAX
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define MESSAGES 100000u /* of a variant */
#else
#define MESSAGES 500000u
#endif
#define LEAST_MESSAGES 8000u /* every lane wraps */
#define ENOUGH_NS 1500000000ull
#define STUCK_NS (120 * 1000000000ull)

struct variant {
    const char *name;
    uint32_t input_size;
    uint32_t output_size;
    uint32_t sends; /* answers to a message: one, or when above 1 none to so many */
    struct played_submission submission;
    bool tail_first;
    bool early;    /* answers are taken by their slots' sequences, and tell that inputs are done */
    bool fails;    /* one message in 16 */
    bool cuts;     /* likewise, the first time */
    uint32_t slow; /* so many times fewer messages; 0: as many */
};

#define SIZES(input, output) .input_size = (input), .output_size = (output)
#define STAY(fuel_, budget_, polls) \
    .submission = {.live = true, .fuel = (fuel_), .budget = (budget_), .idle_polls = (polls)}

static const struct variant variants[] = {
    {.name = "live", SIZES(64, 64), .sends = 1, STAY(NO_LIMIT, NO_LIMIT, NO_LIMIT)},
    {.name = "live, short", SIZES(64, 64), .sends = 1, STAY(NO_LIMIT, NO_LIMIT, 256)},
    {.name = "strict",
     SIZES(64, 64),
     .sends = 1,
     .submission = {.fuel = NO_LIMIT, .budget = NO_LIMIT}},
    {.name = "one slot", SIZES(1, 1), .sends = 1, STAY(NO_LIMIT, NO_LIMIT, 64), .slow = 10},
    {.name = "wide", SIZES(4096, 256), .sends = 1, STAY(NO_LIMIT, NO_LIMIT, 64)},
    {.name = "fuel 1", SIZES(16, 16), .sends = 1, STAY(1, NO_LIMIT, 0)},
    {.name = "fuel 3", SIZES(16, 32), .sends = 2, STAY(3, NO_LIMIT, 1)},
    {.name = "fuel 100", SIZES(8, 64), .sends = 1, STAY(100, NO_LIMIT, 10)},
    {.name = "budget 7", SIZES(64, 16), .sends = 3, STAY(NO_LIMIT, 7, 10)},
    {.name = "tail first",
     SIZES(8, 4),
     .sends = 1,
     STAY(1000, NO_LIMIT, 99),
     .tail_first = true,
     .slow = 3},
    {.name = "early", SIZES(64, 64), .sends = 1, STAY(NO_LIMIT, NO_LIMIT, NO_LIMIT), .early = true},
    {.name = "early, short", SIZES(8, 4), .sends = 1, STAY(100, NO_LIMIT, 10), .early = true},
    {.name = "early, 1 slot",
     SIZES(1, 1),
     .sends = 1,
     STAY(NO_LIMIT, NO_LIMIT, 64),
     .early = true,
     .slow = 10},
    {.name = "early, cut",
     SIZES(32, 16),
     .sends = 1,
     STAY(64, NO_LIMIT, 8),
     .early = true,
     .fails = true,
     .cuts = true},
    {.name = "failing", SIZES(32, 32), .sends = 4, STAY(64, NO_LIMIT, 8), .fails = true},
    {.name = "cut", SIZES(32, 32), .sends = 2, STAY(64, NO_LIMIT, 8), .fails = true, .cuts = true},
};

struct stage {
    const struct variant *variant;
    struct played_device device;
    uint64_t enough; /* the moment from which the producer makes do with what it has sent */
    uint64_t deadline;
    uint64_t messages;                  /* known to the consumer once `sent` is set */
    uint64_t lane_messages[GYRE_LANES]; /* likewise */
    uint32_t sent;
    uint32_t stop;
    uint32_t done[GYRE_LANES]; /* input index behind the last one that an early answer was to */
    uint64_t early_answers;
    uint64_t residencies;
    struct gyre_Exit total;
};

static _Noreturn void fail(const struct stage *stage, const char *what, uint32_t lane,
                           uint64_t number)
{
    fprintf(stderr, "%s: lane %u, message %" PRIu64 ": %s\n", stage->variant->name, lane, number,
            what);
    exit(EXIT_FAILURE);
}

static void wait_a_moment(const struct stage *stage, const char *who)
{
    if (base_now_ns() > stage->deadline) {
        fail(stage, who, 0, 0);
    }
    sched_yield();
}

/* Everything about a message follows from its number. */
static uint64_t mix(uint64_t number)
{
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
    number = (number ^ number >> 27) * 0x94d049bb133111ebu;
    return number ^ number >> 31;
}

static uint32_t priority_of(uint64_t number)
{
    return (uint32_t)mix(number) & 0xff;
}

static uint32_t sends_of(const struct variant *variant, uint64_t number)
{
    return variant->sends == 1 ? 1 : (uint32_t)(mix(number) >> 40) % (variant->sends + 1);
}

static bool fails(const struct variant *variant, uint64_t number)
{
    return variant->fails && (mix(number) >> 16) % 16 == 0;
}

static bool is_cut(const struct variant *variant, uint64_t number)
{
    return variant->cuts && (mix(number) >> 24) % 16 == 0;
}

static uint32_t answers_of(const struct variant *variant, uint64_t number)
{
    return fails(variant, number) ? 1 : sends_of(variant, number);
}

static uint32_t word_of(uint64_t number, uint32_t k, uint32_t at)
{
    return (uint32_t)(mix(number * WORDS + at) >> 7) + k;
}

static void fill(uint32_t *words, uint64_t number, uint32_t k)
{
    words[0] = (uint32_t)number;
    words[1] = k;
    for (uint32_t at = 2; at < WORDS; ++at) {
        words[at] = word_of(number, k, at);
    }
}

/* The handler: looks at every word of the message before it answers. */
static struct played_outcome handle(void *user, const struct played_message *message)
{
    const struct stage *stage = user;
    uint64_t number = (uint64_t)message->header->id_high << 32 | message->header->id_low;
    uint32_t expected[WORDS];
    fill(expected, number, 0);
    if (memcmp(message->in, expected, sizeof expected) != 0) {
        fail(stage, "the device sees another payload", 0, number);
    }
    uint64_t correlation = (uint64_t)message->header->correlation_high << 32 |
                           message->header->correlation_low;
    if (correlation != ~number || message->header->extra != (uint32_t)mix(number)) {
        fail(stage, "the device sees another header", 0, number);
    }
    bool again = (message->flags & GYRE_FLAG_REDELIVERED) != 0;
    struct played_outcome outcome = {
        .sends = sends_of(stage->variant, number),
        .failed = fails(stage->variant, number),
        .code = (uint32_t)number ^ 0x55,
        .cut = is_cut(stage->variant, number) && !again,
    };
    for (uint32_t k = 0; k < outcome.sends; ++k) {
        fill(message->out[k], number, k + (outcome.cut ? 1000 : 0));
    }
    return outcome;
}

static void *device_thread(void *argument)
{
    struct stage *stage = argument;
    while (shared_load_relaxed(&stage->stop) == 0) {
        struct gyre_Exit exit;
        played_run(&stage->device, &stage->variant->submission, &exit);
        stage->residencies += 1;
        stage->total.messages += exit.messages;
        stage->total.failed += exit.failed;
        stage->total.redone += exit.redone;
        if (exit.messages == 0) {
            wait_a_moment(stage, "the device is stuck");
        }
    }
    return NULL;
}

static void write_message(struct stage *stage, uint64_t number)
{
    uint32_t priority = priority_of(number);
    struct ring_input *ring = &stage->device.input[ring_lane(priority)];
    struct ring_message message = {
        .id = number,
        .correlation = ~number,
        .type = (uint32_t)number & 0xffff,
        .priority = priority,
        .extra = (uint32_t)mix(number),
    };
    uint32_t payload[WORDS];
    fill(payload, number, 0);
    ring_input_write(ring, &message, payload, sizeof payload);
}

static void publish(struct stage *stage, bool *dirty)
{
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        if (dirty[lane]) {
            ring_input_publish(&stage->device.input[lane]);
            dirty[lane] = false;
        }
    }
}

/* What the consumer knows of the device's head, which may be more than the device's word says. */
static void learn_from_answers(struct stage *stage, struct ring_input *ring, uint32_t lane)
{
    /* The device is through with the slot: its A1 and R2, the consumer's A2 and then this. */
    uint32_t done = shared_load_acquire(&stage->done[lane]);
    if (stage->variant->early && (int32_t)(done - ring->head) > 0) {
        ring->head = done;
    }
}

static void wait_for_room(struct stage *stage, struct ring_input *ring, uint32_t lane)
{
    while (ring_input_room(ring) == 0) {
        learn_from_answers(stage, ring, lane);
        if (!ring_input_refresh(ring, false)) {
            fail(stage, "the device's head cannot be", 0, ring->tail);
        }
        if (ring_input_room(ring) == 0) {
            wait_a_moment(stage, "the producer is stuck");
        }
    }
}

/* Sends in bursts of 1 to 8, and publishes what it wrote before it waits for room. */
static void *producer_thread(void *argument)
{
    struct stage *stage = argument;
    uint64_t most = stage->messages;
    uint64_t burst = 0;
    uint64_t number = 0;
    bool dirty[GYRE_LANES] = {false};
    while (number < most &&
           (number < LEAST_MESSAGES || number % 64 != 0 || base_now_ns() < stage->enough)) {
        uint32_t lane = ring_lane(priority_of(number));
        struct ring_input *ring = &stage->device.input[lane];
        if (burst-- == 0 || ring_input_room(ring) == 0) {
            publish(stage, dirty);
            burst = mix(number) % 8;
        }
        wait_for_room(stage, ring, lane);
        write_message(stage, number++);
        dirty[lane] = true;
        stage->lane_messages[lane] += 1;
    }
    publish(stage, dirty);
    stage->messages = number;
    /* The consumer has learned by it how many there are. */
    shared_store_release(&stage->sent, 1);
    return NULL;
}

/* What the consumer expects next of a lane. */
struct expected {
    uint64_t number;
    uint64_t index; /* of the input, counted from 0 */
    uint32_t k;     /* which answer to it */
};

/* On to the lane's next message that gets an answer, or to `last`: one that got an answer though it
 * should be silent (it was refused, or it is an error), or the end. */
static void skip_silent(const struct stage *stage, uint32_t lane, uint64_t last,
                        struct expected *expected)
{
    for (; expected->number < last; expected->number += 1) {
        bool ours = ring_lane(priority_of(expected->number)) == lane;
        if (ours && answers_of(stage->variant, expected->number) > 0) {
            return;
        }
        expected->index += ours ? 1 : 0;
    }
}

static void check_fields(const struct stage *stage, uint32_t lane, const struct expected *expected,
                         const struct ring_message *message)
{
    uint64_t number = expected->number;
    if (message->id != number) {
        fail(stage, message->id < number ? "a double, or out of order" : "lost, or out of order",
             lane, number);
    }
    if (message->type != (number & 0xffff) || message->priority != priority_of(number) ||
        message->lane != lane) {
        fail(stage, "the header has changed", lane, number);
    }
    if (message->position != NEAR_WRAP + (uint32_t)expected->index) {
        fail(stage, "it answers another input", lane, number);
    }
}

static void check_answer(const struct stage *stage, uint32_t lane, const struct expected *expected,
                         const struct ring_message *message, const void *payload)
{
    uint64_t number = expected->number;
    bool failed = fails(stage->variant, number);
    uint32_t flags = failed ? GYRE_FLAG_FAILED : 0;
    flags |= is_cut(stage->variant, number) ? GYRE_FLAG_REDELIVERED : 0;
    if (message->flags != flags) {
        fail(stage, "wrong flags", lane, number);
    }
    if (message->extra != (failed ? ((uint32_t)number ^ 0x55) : 0)) {
        fail(stage, "wrong code", lane, number);
    }
    uint32_t words[WORDS];
    fill(words, number, expected->k);
    if (!failed && memcmp(payload, words, sizeof words) != 0) {
        fail(stage, "wrong payload", lane, number);
    }
}

static void check(const struct stage *stage, struct expected *expected,
                  const struct ring_message *message, const void *payload)
{
    uint32_t lane = message->lane;
    skip_silent(stage, lane, message->id, expected);
    check_fields(stage, lane, expected, message);
    bool refused = (message->flags & GYRE_FLAG_CUT) != 0;
    uint32_t answers = answers_of(stage->variant, expected->number);
    if (refused ? expected->k != 0 || !is_cut(stage->variant, expected->number)
                : expected->k >= answers) {
        fail(stage, "an answer without a reason", lane, expected->number);
    }
    if (!refused) {
        check_answer(stage, lane, expected, message, payload);
    }
    expected->k += 1;
    if (refused || expected->k == answers) {
        *expected = (struct expected){.number = expected->number + 1, .index = expected->index + 1};
    }
}

/* Everything is sent, and the device has given every input slot back. */
static bool all_consumed(struct stage *stage)
{
    if (shared_load_acquire(&stage->sent) == 0) {
        return false;
    }
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        uint32_t end = NEAR_WRAP + (uint32_t)stage->lane_messages[lane];
        if (shared_load_acquire(&stage->device.status->input_head[lane]) != end) {
            return false;
        }
    }
    return true;
}

static void check_nothing_is_missing(const struct stage *stage, struct expected *next)
{
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        skip_silent(stage, lane, stage->messages, &next[lane]);
        if (next[lane].number != stage->messages || next[lane].k != 0) {
            fail(stage, "lost", lane, next[lane].number);
        }
    }
}

/* As the engine does while a submission is in flight. */
static enum ring_peek peek(struct stage *stage, struct ring_message *message, const void **payload)
{
    struct ring_output *output = &stage->device.output;
    /* Relaxed, as in the engine's wait: who saw it looks again properly. */
    bool whole = shared_load_relaxed(ring_output_sequence(output)) == output->head + 1;
    if (stage->variant->early && whole) {
        enum ring_peek result = ring_output_peek_early(output, message, payload);
        if (result == RING_EMPTY) {
            fail(stage, "an answer was there, and is not", 0, output->head);
        }
        stage->early_answers += 1;
        return result;
    }
    return ring_output_peek(output, false, message, payload);
}

static void *consumer_thread(void *argument)
{
    struct stage *stage = argument;
    struct expected next[GYRE_LANES] = {0};
    bool last = false;
    for (;;) {
        struct ring_message message = {0};
        const void *payload = NULL;
        enum ring_peek result = peek(stage, &message, &payload);
        if (result == RING_MESSAGE) {
            check(stage, &next[message.lane], &message, payload);
            shared_store_release(&stage->done[message.lane], message.position + 1);
            ring_output_release(&stage->device.output);
        } else if (result == RING_CORRUPT) {
            fail(stage, "corrupt", 0, stage->device.output.head);
        } else if (last) {
            check_nothing_is_missing(stage, next);
            return NULL;
        } else {
            /* Then one more look: the device publishes answers before it gives their input back. */
            last = all_consumed(stage);
            wait_a_moment(stage, "the consumer is stuck");
        }
    }
}

static void check_total(const struct stage *stage)
{
    const struct variant *variant = stage->variant;
    if (stage->total.messages != (uint32_t)stage->messages) {
        fail(stage, "the device counted another number of messages", 0, stage->total.messages);
    }
    if (stage->residencies < stage->messages / variant->submission.fuel) {
        fail(stage, "fuel did not end residencies", 0, stage->residencies);
    }
    if (!variant->submission.live && stage->device.seen_live != 0) {
        fail(stage, "STRICT saw messages live", 0, stage->device.seen_live);
    }
    if (variant->submission.idle_polls == NO_LIMIT &&
        (stage->residencies != 1 || stage->device.seen_live == 0)) {
        fail(stage, "LIVE saw no message live", 0, stage->residencies);
    }
    if (variant->early != (stage->early_answers > 0)) {
        fail(stage, "answers were taken early, or none were", 0, stage->early_answers);
    }
    if (variant->cuts && stage->total.redone == 0) {
        fail(stage, "nothing was ever cut", 0, 0);
    }
}

static void run(const struct variant *variant, uint64_t messages)
{
    struct stage *stage = aligned_alloc(alignof(struct stage), sizeof *stage);
    ASSERT(stage);
    memset(stage, 0, sizeof *stage);
    stage->variant = variant;
    stage->messages = messages;
    stage->enough = base_deadline(ENOUGH_NS);
    stage->deadline = base_deadline(STUCK_NS);
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        stage->done[lane] = NEAR_WRAP;
    }
    ASSERT(played_open(&stage->device, &(struct played_params){
                                           .input_size = variant->input_size,
                                           .output_size = variant->output_size,
                                           .payload_size = WORDS * 4,
                                           .max_sends = variant->sends,
                                           .first_index = NEAR_WRAP,
                                           .handler = handle,
                                           .user = stage,
                                           .tail_first = variant->tail_first,
                                       }));
    uint64_t start = base_now_ns();
    pthread_t device, producer, consumer;
    ASSERT(base_thread_start(&device, device_thread, stage));
    ASSERT(base_thread_start(&consumer, consumer_thread, stage));
    ASSERT(base_thread_start(&producer, producer_thread, stage));
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    shared_store_relaxed(&stage->stop, 1);
    shared_store_relaxed(&stage->device.control->host.command, GYRE_COMMAND_TERMINATE);
    pthread_join(device, NULL);
    check_total(stage);
    printf("%-13s %8" PRIu64 " messages, %8" PRIu64 " residencies, %8" PRIu64
           " live, %6u failed, %5u redone, %6.2f s\n",
           variant->name, stage->messages, stage->residencies, stage->device.seen_live,
           stage->total.failed, stage->total.redone, (double)(base_now_ns() - start) / 1e9);
    played_close(&stage->device);
    free(stage);
}

int main(int argc, char **argv)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 0) : MESSAGES;
    for (size_t i = 0; i < LENGTH(variants); ++i) {
        run(&variants[i], messages / (variants[i].slow > 0 ? variants[i].slow : 1));
    }
    return EXIT_SUCCESS;
}
