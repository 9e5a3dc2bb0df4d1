/* The device's output rings -> answers, requests, dead letters; and what is acknowledged. */
#include <string.h>

#include "kernel.h"

static gyre_result failure_of(uint32_t flags)
{
    if (!(flags & GYRE_FLAG_FAILED)) {
        return GYRE_OK;
    }
    if (flags & GYRE_FLAG_CUT) {
        return GYRE_ERROR_LOOP_LIMIT;
    }
    if (flags & GYRE_FLAG_NO_ROUTE) {
        return GYRE_ERROR_NO_ROUTE;
    }
    if (flags & GYRE_FLAG_HOPS) {
        return GYRE_ERROR_HOPS;
    }
    return flags & GYRE_FLAG_OVERSENT ? GYRE_ERROR_OVERSENT : GYRE_ERROR_HANDLER;
}

/* What gyre_fail() was given. The device writes it then only. */
static uint32_t code_of(const struct ring_message *message)
{
    return failure_of(message->flags) == GYRE_ERROR_HANDLER ? message->extra : 0;
}

/* The message that an answer claims to be of, if that can be. */
static struct staging_entry *match(const struct group *group, const struct ring_message *message)
{
    if (message->lane >= GYRE_LANES) {
        return NULL;
    }
    const struct ring_input *ring = &group->input[message->lane];
    if (message->position - group->acknowledged[message->lane] >=
        window_in_lane(group, message->lane)) {
        return NULL;
    }
    struct staging_entry *entry =
        group->window[message->lane][message->position & (ring->size - 1)];
    return (uint32_t)entry->id == (uint32_t)message->id ? entry : NULL;
}

/* ---- answers that wait for gyre_receive ---- */

/* A blank answer to `entry` in the queue; NULL: out of memory, and the kernel has failed. */
static struct staging_entry *add(struct gyre_kernel *kernel, const struct staging_entry *entry,
                                 gyre_result result, uint32_t flags)
{
    struct staging_entry *answer = staging_new(&kernel->answers);
    if (!answer) {
        kernel_fail(kernel, log_fail(kernel->services.log, GYRE_ERROR_NO_MEMORY,
                                     "kernel %s: no memory for an answer", kernel->id));
        return NULL;
    }
    answer->id = entry->id;
    answer->correlation = entry->correlation;
    answer->priority = entry->priority;
    answer->result = (uint32_t)result;
    answer->flags = flags;
    staging_add(&kernel->answers, answer);
    return answer;
}

void answers_add_empty(struct gyre_kernel *kernel, const struct staging_entry *entry,
                       gyre_result result, uint32_t flags)
{
    add(kernel, entry, result, flags | GYRE_REPLY_LAST);
    kernel_wake(kernel);
}

/* Nobody is held back while a kernel ends, or while a request may wait behind what is unread. */
static bool are_held(const struct gyre_kernel *kernel)
{
    bool spills = kernel->state == GYRE_TERMINATING || kernel->state == GYRE_TERMINATED ||
                  kernel->awaited > 0;
    return kernel->params.output_backpressure == GYRE_BLOCK && !spills &&
           staging_is_full(&kernel->answers);
}

/* Where a full queue does not hold the kernel back: OK if there is room for an answer to `entry`,
 * or what the answer comes to. */
static gyre_result make_room(struct gyre_kernel *kernel, const struct staging_entry *entry)
{
    if (kernel->params.output_backpressure == GYRE_BLOCK || !staging_is_full(&kernel->answers)) {
        return GYRE_OK;
    }
    if (kernel->params.output_backpressure == GYRE_REJECT) {
        return GYRE_ERROR_OUTPUT_FULL;
    }
    struct staging_entry *oldest = staging_peek_lowest(&kernel->answers);
    kernel->stats.output_dropped += 1;
    if (!oldest || oldest->priority > entry->priority) {
        return GYRE_ERROR_DROPPED;
    }
    staging_remove(&kernel->answers, oldest);
    staging_recycle(&kernel->answers, oldest);
    return GYRE_OK;
}

/* ---- answers that somebody waits for ---- */

static uint32_t flags_of(const struct staging_entry *entry, const struct ring_message *message)
{
    uint32_t seen = entry->flags | (message ? message->flags : 0);
    uint32_t flags = seen & GYRE_FLAG_REDELIVERED ? GYRE_REPLY_REDELIVERED : 0;
    return flags | (entry->type == GYRE_TYPE_TICK ? GYRE_REPLY_TICK : 0);
}

/* Whether an answer to `entry` may go to the reader past the queue: it is empty, and as all in the
 * window have one priority nothing more urgent can have arrived. By links anything can. */
static gyre_reply *next_reply(struct gyre_kernel *kernel, uint32_t size)
{
    struct reader *reader = kernel->reader;
    if (!reader || reader->taken == reader->count || kernel->answers.count > 0 ||
        kernel->priorities > 1 || kernel->links & GYRE_LINKS_IN) {
        return NULL;
    }
    gyre_reply *reply = &reader->replies[reader->taken];
    return reader->in_place || !reply->data || size <= reply->capacity ? reply : NULL;
}

/* To a reader that wants no copy, and has the slot until gyre_release(). */
static void hand_over_slot(struct group *group, gyre_reply *reply, const void *payload,
                           uint32_t size)
{
    reply->data = size ? (void *)(uintptr_t)payload : NULL;
    reply->capacity = size;
    if (size) {
        ring_output_keep(&group->output);
    }
}

/* False: it is to be queued. */
static bool hand_over(struct gyre_kernel *kernel, struct group *group,
                      const struct staging_entry *entry, gyre_result result,
                      const struct ring_message *message, const void *payload)
{
    uint32_t size = result == GYRE_OK ? kernel->build.program.info.output.data_size : 0;
    gyre_reply *reply = next_reply(kernel, size);
    if (!reply) {
        return false;
    }
    if (kernel->reader->in_place) {
        hand_over_slot(group, reply, payload, size);
    } else if (reply->data) {
        memcpy(reply->data, payload, size);
    }
    reply->size = size;
    reply->result = result;
    reply->code = result == GYRE_OK ? 0 : code_of(message);
    reply->id = entry->id;
    reply->correlation = entry->correlation;
    reply->priority = entry->priority;
    reply->flags = flags_of(entry, message) | (message->last ? GYRE_REPLY_LAST : 0);
    kernel->reader->taken += 1;
    kernel->stats.received += 1;
    return true;
}

/* Its reader has enough: the rest may stay where it is until the next call, or the end of the
 * submission, unless somebody waits for what comes of collecting it. */
static bool is_enough(const struct gyre_kernel *kernel)
{
    const struct reader *reader = kernel->reader;
    bool leaves = reader && (reader->count > 1 || reader->in_place);
    return leaves && kernel->in_flight && reader->taken == reader->count && !kernel->waiters &&
           !kernel->awaited;
}

/* ---- one answer ---- */

static void answer_request(struct gyre_kernel *kernel, struct staging_entry *entry,
                           gyre_result result, const struct ring_message *message,
                           const void *payload)
{
    if (!entry->awaiter) {
        kernel->stats.orphaned += 1;
        return;
    }
    uint32_t silent = message ? 0 : GYRE_REPLY_SILENT;
    gyre_reply reply = {
        .size = payload ? kernel->build.program.info.output.data_size : 0,
        .result = result,
        .code = message ? code_of(message) : 0,
        .id = entry->id,
        .correlation = entry->correlation,
        .priority = entry->priority,
        .flags = flags_of(entry, message) | silent | GYRE_REPLY_LAST,
    };
    request_end(kernel, entry, GYRE_OK, &reply, payload);
}

static void queue_answer(struct gyre_kernel *kernel, const struct staging_entry *entry,
                         gyre_result result, const struct ring_message *message,
                         const void *payload)
{
    uint32_t last = message->last ? GYRE_REPLY_LAST : 0;
    struct staging_entry *answer = add(kernel, entry, result, flags_of(entry, message) | last);
    if (answer && result == GYRE_OK) {
        answer->size = kernel->build.program.info.output.data_size;
        memcpy(answer->payload, payload, answer->size);
    } else if (answer) {
        answer->code = code_of(message);
    }
}

static void say_failure(struct gyre_kernel *kernel, uint64_t id, gyre_result result, uint32_t code)
{
    kernel->stats.last_error = result;
    kernel->stats.last_error_code = code;
    kernel->stats.last_error_id = id;
    kernel->failed = true;
}

static void note_failure(struct gyre_kernel *kernel, struct staging_entry *entry,
                         gyre_result result, uint32_t code)
{
    entry->result = (uint32_t)result;
    entry->code = code;
    entry->failure = ++kernel->failures;
    say_failure(kernel, entry->id, result, code);
}

/* A failure that is kept as a dead letter is so when its message is acknowledged. */
static void deliver(struct gyre_kernel *kernel, struct group *group, struct staging_entry *entry,
                    const struct ring_message *message, const void *payload)
{
    gyre_result result = failure_of(message->flags);
    entry->answers += 1;
    if (entry->awaited) {
        answer_request(kernel, entry, result, message, result == GYRE_OK ? payload : NULL);
    } else if ((result == GYRE_OK || !kernel->params.dead_letters) &&
               !hand_over(kernel, group, entry, result, message, payload)) {
        gyre_result room = make_room(kernel, entry);
        if (room == GYRE_OK) {
            queue_answer(kernel, entry, result, message, payload);
        } else if (room == GYRE_ERROR_OUTPUT_FULL && result == GYRE_OK) {
            result = GYRE_ERROR_OUTPUT_FULL;
        }
    }
    if (result != GYRE_OK && entry->result == GYRE_OK) {
        note_failure(kernel, entry, result, code_of(message));
    }
}

/* An answer to a message that came by a link: the host has no copy of it, so it brings along what
 * a reply needs. Its message is counted at the end of the submission. */
static void deliver_linked(struct gyre_kernel *kernel, const struct ring_message *message,
                           const void *payload)
{
    struct staging_entry sender = {
        .id = message->id,
        .correlation = message->correlation,
        .priority = message->priority,
    };
    gyre_result result = failure_of(message->flags);
    if (make_room(kernel, &sender) == GYRE_OK) {
        queue_answer(kernel, &sender, result, message, payload);
    } else if (kernel->params.output_backpressure == GYRE_REJECT) {
        kernel->stats.output_dropped += 1;
    }
    if (result != GYRE_OK) {
        say_failure(kernel, message->id, result, code_of(message));
    }
}

/* The first, the second, the fourth, ...: a handler that scribbles does it often. */
static void say_corrupt(const struct gyre_kernel *kernel)
{
    uint64_t count = kernel->stats.corrupt;
    if ((count & (count - 1)) == 0) {
        log_say(
            kernel->services.log, GYRE_LOG_WARNING,
            "kernel %s: an answer whose header cannot be was thrown away, %llu so far (does the "
            "handler write outside of GYRE_OUT?)",
            kernel->id, (unsigned long long)count);
    }
}

/* True: it tells that a message of the host's is done. */
static bool take(struct gyre_kernel *kernel, struct group *group, enum ring_peek peeked,
                 const struct ring_message *message, const void *payload)
{
    bool linked = peeked == RING_MESSAGE && message->lane == GYRE_LANE_LINK &&
                  kernel->links & GYRE_LINKS_IN;
    bool is_void = peeked == RING_MESSAGE && message->flags & GYRE_FLAG_VOID;
    if (linked) {
        if (!is_void) {
            deliver_linked(kernel, message, payload);
        }
        return false; /* of the host's messages it says nothing */
    }
    struct staging_entry *entry = peeked == RING_MESSAGE ? match(group, message) : NULL;
    if (entry) {
        if (!is_void) {
            deliver(kernel, group, entry, message, payload);
        }
    } else {
        kernel->stats.corrupt += 1;
        say_corrupt(kernel);
    }
    return entry != NULL;
}

/* The slots that have been read go back to the device many at a time: a store to a line that it
 * looks at costs both sides. */
#define SLOTS_AT_ONCE 64u

static void skip(struct ring_output *ring)
{
    ring_output_skip(ring);
    if (ring->head % SLOTS_AT_ONCE == 0) {
        ring_output_give_back(ring);
    }
}

/* False when something is left: the reader has enough, the answers are full, or a slot has not come
 * after its tail. */
static bool collect_answers(struct gyre_kernel *kernel, struct group *group)
{
    while (kernel->fault == GYRE_OK) {
        if (is_enough(kernel)) {
            return false;
        }
        struct ring_message message;
        const void *payload = NULL;
        enum ring_peek peeked =
            ring_output_peek(&group->output, !kernel->in_flight, &message, &payload);
        if (peeked == RING_EMPTY) {
            return group->output.tail == group->output.head;
        }
        if (!payload) {
            kernel_fail(kernel,
                        log_fail(kernel->services.log, GYRE_ERROR_CORRUPT,
                                 "kernel %s: the device's output index cannot be", kernel->id));
            break;
        }
        if (are_held(kernel)) {
            kernel->held = true;
            return false;
        }
        take(kernel, group, peeked, &message, payload);
        skip(&group->output);
    }
    return true;
}

/* ---- acknowledgements ---- */

/* Ticks of two threads may be out of order by nanoseconds. */
static uint64_t between(const struct gyre_kernel *kernel, uint64_t from, uint64_t to)
{
    return to > from ? ticks_to_ns(kernel->services.ticks, to - from) : 0;
}

/* So many acknowledgements have one time, if they come in one go. */
#define ACKNOWLEDGED_AT_ONCE 16u

static void count_times(struct gyre_kernel *kernel)
{
    struct tally *tally = &kernel->tally;
    if (tally->count) {
        histogram_add_many(&kernel->queueing, between(kernel, tally->added, tally->placed),
                           tally->count);
        histogram_add_many(&kernel->processing, between(kernel, tally->placed, tally->now),
                           tally->count);
    }
    tally->count = 0;
}

static void note_times(struct gyre_kernel *kernel, const struct staging_entry *entry)
{
    struct tally *tally = &kernel->tally;
    bool late = tally->until_clock == 0;
    if (late || entry->added != tally->added || entry->placed != tally->placed) {
        count_times(kernel);
        tally->added = entry->added;
        tally->placed = entry->placed;
    }
    if (late) {
        tally->now = ticks_now(kernel->services.ticks);
        tally->until_clock = ACKNOWLEDGED_AT_ONCE;
    }
    tally->until_clock -= 1;
    tally->count += 1;
}

/* One message is done: its answers, if any, have been delivered. */
static void acknowledge(struct gyre_kernel *kernel, struct staging_entry *entry)
{
    note_times(kernel, entry);
    bool failed = entry->result != GYRE_OK;
    kernel->stats.processed += !failed;
    kernel->stats.failed += failed;
    if (entry->awaited) {
        if (!entry->answers) {
            answer_request(kernel, entry, GYRE_OK, NULL, NULL);
        }
    } else if (failed && failure_bury(kernel, entry)) {
        return;
    } else if (!entry->answers && kernel->params.report_all) {
        add(kernel, entry, GYRE_OK, flags_of(entry, NULL) | GYRE_REPLY_SILENT | GYRE_REPLY_LAST);
    }
    staging_recycle(&kernel->staging, entry);
}

/* All messages of the lane before `end` are done, and their answers delivered. */
static void acknowledge_until(struct gyre_kernel *kernel, struct group *group, uint32_t lane,
                              uint32_t end)
{
    struct ring_input *ring = &group->input[lane];
    while (group->acknowledged[lane] != end) {
        struct staging_entry **slot =
            &group->window[lane][group->acknowledged[lane] & (ring->size - 1)];
        struct staging_entry *entry = *slot;
        if (entry->result != GYRE_OK && kernel->params.dead_letters) {
            window_keep_payload(group, lane, group->acknowledged[lane]);
        }
        *slot = NULL;
        group->acknowledged[lane] += 1;
        window_count_out(kernel, entry);
        acknowledge(kernel, entry);
    }
    if ((int32_t)(end - ring->head) > 0) {
        ring->head = end;
    }
}

/* What the slots tell by themselves, without the device's heads and tail. An answer is the end of
 * its message and, for a workgroup takes a lane's messages in turn, of those before it in the lane;
 * of other lanes it says nothing. False: nothing was there, or there is no room. */
static bool collect_early(struct gyre_kernel *kernel, struct group *group)
{
    struct ring_message message;
    const void *payload = NULL;
    bool found = false;
    while (!are_held(kernel) && !is_enough(kernel) && kernel->fault == GYRE_OK) {
        enum ring_peek peeked = ring_output_peek_early(&group->output, &message, &payload);
        if (peeked == RING_EMPTY) {
            break;
        }
        if (take(kernel, group, peeked, &message, payload)) {
            acknowledge_until(kernel, group, message.lane, message.position + 1);
        }
        skip(&group->output);
        found = true;
    }
    return found;
}

static void collect_group(struct gyre_kernel *kernel, struct group *group)
{
    if (kernel->in_flight && kernel->build.answers_early && collect_early(kernel, group)) {
        return;
    }
    /* Heads before answers: the device stores them in the other order, so every acknowledged
     * message's answers are seen, and one without any is silent. */
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        if (!ring_input_refresh(&group->input[lane], !kernel->in_flight)) {
            kernel_fail(kernel,
                        log_fail(kernel->services.log, GYRE_ERROR_CORRUPT,
                                 "kernel %s: the device's input index cannot be", kernel->id));
            return;
        }
    }
    if (!collect_answers(kernel, group) || kernel->fault != GYRE_OK) {
        return;
    }
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        acknowledge_until(kernel, group, lane, group->input[lane].head);
    }
}

void answers_collect(struct gyre_kernel *kernel)
{
    if ((kernel->in_flight && !kernel->live) || kernel->fault != GYRE_OK) {
        return; /* STRICT: nothing is read while a submission may write */
    }
    uint64_t before = kernel->answers.count;
    uint32_t taken = kernel->reader ? kernel->reader->taken : 0;
    kernel->held = false;
    kernel->tally.until_clock = 0;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        uint32_t head = group->output.head;
        collect_group(kernel, group);
        if (group->output.head != head) {
            ring_output_give_back(&group->output);
        }
    }
    count_times(kernel);
    if (kernel->answers.count != before || (kernel->reader && kernel->reader->taken != taken)) {
        kernel_wake(kernel);
    }
}
