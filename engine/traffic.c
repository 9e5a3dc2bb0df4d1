/* Messages in, answers out. */
#include <sched.h>
#include <string.h>

#include "kernel.h"
#include "shared.h"

/* How a call waits for the device while a submission is in flight (LIVE): it spins, then lets
 * others have the processor, then sleeps in slices. With nothing in flight it sleeps until somebody
 * wakes it. */
#define SPIN_NS 20000u
#define YIELD_NS 200000u
#define SLICE_NS 100000u
#define LOOKS_TO_A_CLOCK 32u /* reading it takes longer than looking */

static uint32_t in_lane(const struct group *group, uint32_t lane)
{
    return group->input[lane].tail - group->acknowledged[lane];
}

static uint64_t in_group(const struct group *group)
{
    uint64_t sum = 0;
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        sum += in_lane(group, lane);
    }
    return sum;
}

uint64_t traffic_in_window(const struct gyre_kernel *kernel)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; kernel->build.groups && i < kernel->params.workgroups; ++i) {
        sum += in_group(&kernel->build.groups[i]);
    }
    return sum;
}

/* Messages for the device to take. What it has taken may not be acknowledged yet: its answers wait
 * for a reader. */
static uint64_t to_take(const struct group *group)
{
    uint64_t sum = 0;
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        sum += group->input[lane].tail - group->input[lane].head;
    }
    return sum;
}

bool traffic_can_run(const struct gyre_kernel *kernel)
{
    uint32_t sends = kernel->build.program.info.max_sends;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        const struct group *group = &kernel->build.groups[i];
        /* The output tail, not as last peeked: what lies unread there holds the device back. */
        uint32_t unread = shared_load_relaxed(group->output.tail_word) - group->output.head;
        if (to_take(group) > 0 && (uint64_t)unread + sends <= group->output.size) {
            return true;
        }
    }
    return false;
}

/* The workgroup with the least to do of those that have room in the lane. */
static struct group *choose_group(struct gyre_kernel *kernel, uint32_t lane)
{
    struct group *best = NULL;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        if (in_lane(group, lane) < group->input[lane].size &&
            (!best || in_group(group) < in_group(best))) {
            best = group;
        }
    }
    return best;
}

static void place(struct group *group, uint32_t lane, struct staging_entry *entry)
{
    struct ring_input *ring = &group->input[lane];
    group->window[lane][ring->tail & (ring->size - 1)] = entry;
    ring_input_write(ring,
                     &(struct ring_message){
                         .id = entry->id,
                         .correlation = entry->correlation,
                         .type = entry->type,
                         .priority = entry->priority,
                         .flags = entry->flags,
                         .extra = entry->extra,
                     },
                     entry->payload, entry->size);
    ring_input_publish(ring);
}

void traffic_fill(struct gyre_kernel *kernel)
{
    bool runs = kernel->state == GYRE_ACTIVE ||
                (kernel->state == GYRE_TERMINATING && kernel->draining);
    if (!runs || kernel->fault != GYRE_OK) {
        return;
    }
    bool moved = false;
    for (;;) {
        struct staging_entry *entry = staging_peek(&kernel->staging);
        uint32_t lane = entry ? ring_lane(entry->priority) : 0;
        struct group *group = entry ? choose_group(kernel, lane) : NULL;
        if (!group) {
            break;
        }
        staging_remove(&kernel->staging, entry);
        place(group, lane, entry);
        moved = true;
    }
    if (moved) {
        kernel_wake(kernel);
    }
}

static gyre_result failure_of(uint32_t flags)
{
    if (!(flags & GYRE_FLAG_FAILED)) {
        return GYRE_OK;
    }
    if (flags & GYRE_FLAG_CUT) {
        return GYRE_ERROR_LOOP_LIMIT;
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
    const struct ring_input *ring = &group->input[message->lane];
    if (message->position - group->acknowledged[message->lane] >= in_lane(group, message->lane)) {
        return NULL;
    }
    struct staging_entry *entry =
        group->window[message->lane][message->position & (ring->size - 1)];
    return (uint32_t)entry->id == (uint32_t)message->id ? entry : NULL;
}

static void add_answer(struct gyre_kernel *kernel, const struct staging_entry *entry,
                       gyre_result result, const struct ring_message *message, const void *payload)
{
    struct staging_entry *answer = staging_new(&kernel->answers);
    if (!answer) {
        kernel_fail(kernel, log_fail(kernel->services.log, GYRE_ERROR_NO_MEMORY,
                                     "kernel %s: no memory for an answer", kernel->id));
        return;
    }
    answer->id = entry->id;
    answer->correlation = entry->correlation;
    answer->priority = entry->priority;
    answer->result = (uint32_t)result;
    answer->extra = message ? code_of(message) : 0;
    answer->flags = entry->flags & GYRE_FLAG_REDELIVERED ? GYRE_REPLY_REDELIVERED : 0;
    answer->flags |= message && message->flags & GYRE_FLAG_REDELIVERED ? GYRE_REPLY_REDELIVERED : 0;
    answer->flags |= message ? 0 : GYRE_REPLY_SILENT;
    if (message && result == GYRE_OK) {
        answer->size = kernel->build.program.info.output.data_size;
        memcpy(answer->payload, payload, answer->size);
    }
    staging_add(&kernel->answers, answer);
}

/* The first, the second, the fourth, ...: a handler that scribbles does it often. */
static void say_corrupt(const struct gyre_kernel *kernel)
{
    uint64_t count = kernel->stats.corrupt;
    if ((count & (count - 1)) == 0) {
        log_say(kernel->services.log, GYRE_LOG_WARNING,
                "kernel %s: an answer whose header cannot be was thrown away, %llu so far (does the "
                "handler write outside of GYRE_OUT?)",
                kernel->id, (unsigned long long)count);
    }
}

/* False: it was thrown away. */
static bool take_answer(struct gyre_kernel *kernel, struct group *group, enum ring_peek peeked,
                        const struct ring_message *message, const void *payload)
{
    struct staging_entry *entry = peeked == RING_MESSAGE ? match(group, message) : NULL;
    if (!entry) {
        kernel->stats.corrupt += 1;
        say_corrupt(kernel);
        return false;
    }
    gyre_result result = failure_of(message->flags);
    if (result != GYRE_OK) {
        entry->result = (uint32_t)result;
        kernel->stats.last_error = result;
        kernel->stats.last_error_code = code_of(message);
        kernel->stats.last_error_id = entry->id;
    }
    entry->answers += 1;
    add_answer(kernel, entry, result, message, payload);
    return true;
}

static bool answers_are_full(const struct gyre_kernel *kernel)
{
    bool spills = kernel->state == GYRE_TERMINATING || kernel->state == GYRE_TERMINATED;
    return staging_is_full(&kernel->answers) && !spills;
}

/* False when something is left: the answers are full, or a slot has not come after its tail. */
static bool collect_answers(struct gyre_kernel *kernel, struct group *group)
{
    while (kernel->fault == GYRE_OK) {
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
        if (answers_are_full(kernel)) {
            kernel->held = true;
            return false;
        }
        take_answer(kernel, group, peeked, &message, payload);
        ring_output_release(&group->output);
    }
    return true;
}

/* One message is done. */
static void acknowledge(struct gyre_kernel *kernel, struct staging_entry *entry)
{
    if (entry->result == GYRE_OK) {
        kernel->stats.processed += 1;
    } else {
        kernel->stats.failed += 1;
    }
    if (!entry->answers && kernel->params.report_all) {
        add_answer(kernel, entry, GYRE_OK, NULL, NULL);
    }
    staging_recycle(&kernel->staging, entry);
}

static void collect_acknowledgements(struct gyre_kernel *kernel, struct group *group)
{
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        struct ring_input *ring = &group->input[lane];
        while (group->acknowledged[lane] != ring->head) {
            struct staging_entry **slot =
                &group->window[lane][group->acknowledged[lane] & (ring->size - 1)];
            acknowledge(kernel, *slot);
            *slot = NULL;
            group->acknowledged[lane] += 1;
        }
    }
}

/* What the slots tell by themselves, without the device's heads and tail. An answer is the end of
 * its message and, for a workgroup takes a lane's messages in turn, of those before it in the lane.
 * False: nothing was there, or there is no room. */
static bool collect_early(struct gyre_kernel *kernel, struct group *group)
{
    struct ring_message message;
    const void *payload = NULL;
    bool found = false;
    while (!answers_are_full(kernel)) {
        enum ring_peek peeked = ring_output_peek_early(&group->output, &message, &payload);
        if (peeked == RING_EMPTY) {
            break;
        }
        if (take_answer(kernel, group, peeked, &message, payload)) {
            group->input[message.lane].head = message.position + 1;
            collect_acknowledgements(kernel, group);
        }
        ring_output_release(&group->output);
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
    if (collect_answers(kernel, group) && kernel->fault == GYRE_OK) {
        collect_acknowledgements(kernel, group);
    }
}

void traffic_collect(struct gyre_kernel *kernel)
{
    if ((kernel->in_flight && !kernel->live) || kernel->fault != GYRE_OK) {
        return; /* STRICT: nothing is read while a submission may write */
    }
    uint64_t before = kernel->answers.count;
    kernel->held = false;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        collect_group(kernel, &kernel->build.groups[i]);
    }
    if (kernel->answers.count != before) {
        kernel_wake(kernel);
    }
}

/* Two lists, each newest first by `next`, as one. */
static struct staging_entry *merge(struct staging_entry *a, struct staging_entry *b)
{
    struct staging_entry *first = NULL;
    struct staging_entry **last = &first;
    while (a && b) {
        struct staging_entry **newer = a->id > b->id ? &a : &b;
        *last = *newer;
        last = &(*newer)->next;
        *newer = *last;
    }
    *last = a ? a : b;
    return first;
}

/* A merge sort whose lists wait in bins by their size. */
#define BINS 40

static void sort_in(struct staging_entry *bins[BINS], struct staging_entry *entry)
{
    entry->next = NULL;
    uint32_t bin = 0;
    for (; bins[bin]; ++bin) {
        entry = merge(bins[bin], entry);
        bins[bin] = NULL;
    }
    bins[bin] = entry;
}

/* What the device has not consumed, newest first. Within a lane messages lie in the order of their
 * priorities as well, so each is sorted by itself. */
static struct staging_entry *withdraw_all(struct gyre_kernel *kernel)
{
    struct staging_entry *bins[BINS] = {0};
    for (uint32_t i = 0; i < kernel->params.workgroups * GYRE_LANES; ++i) {
        struct group *group = &kernel->build.groups[i / GYRE_LANES];
        uint32_t lane = i % GYRE_LANES;
        struct ring_input *ring = &group->input[lane];
        while (ring->tail != ring->head) {
            ring_input_withdraw(ring);
            struct staging_entry **slot = &group->window[lane][ring->tail & (ring->size - 1)];
            sort_in(bins, *slot);
            *slot = NULL;
        }
    }
    struct staging_entry *all = NULL;
    for (size_t bin = 0; bin < BINS; ++bin) {
        all = merge(bins[bin], all);
    }
    return all;
}

/* Takes back what the device has not consumed, newest first, so that each goes before its equals.
 */
static uint64_t empty_windows(struct gyre_kernel *kernel,
                              void (*dispose)(struct staging *, struct staging_entry *))
{
    uint64_t count = 0;
    struct staging_entry *all = withdraw_all(kernel);
    while (all) {
        struct staging_entry *entry = all;
        all = entry->next;
        dispose(&kernel->staging, entry);
        count += 1;
    }
    return count;
}

/* A message that was in hand when the driver cut a loop has been begun: its next handler must know.
 */
static void mark_begun(struct gyre_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            struct ring_input *ring = &group->input[lane];
            if (group->begun & GYRE_CLAIMED_BEGUN << lane && ring->tail != ring->head) {
                group->window[lane][ring->head & (ring->size - 1)]->flags |= GYRE_FLAG_REDELIVERED;
                kernel->stats.redelivered += 1;
            }
        }
        group->begun = 0;
    }
}

void traffic_take_back(struct gyre_kernel *kernel)
{
    mark_begun(kernel);
    kernel->refilled = empty_windows(kernel, staging_put_back) > 0 || kernel->refilled;
}

uint64_t traffic_drop(struct gyre_kernel *kernel)
{
    uint64_t dropped = kernel->build.groups ? empty_windows(kernel, staging_recycle) : 0;
    for (struct staging_entry *entry = staging_take(&kernel->staging); entry;
         entry = staging_take(&kernel->staging)) {
        staging_recycle(&kernel->staging, entry);
        dropped += 1;
    }
    return dropped;
}

static gyre_result check_message(const struct gyre_kernel *kernel, const gyre_message *message)
{
    const struct log *log = kernel->services.log;
    const struct spirv_slots *input = &kernel->build.program.info.input;
    if (message->priority > 255) {
        return log_fail(log, GYRE_ERROR_INVALID, "kernel %s: priority %u, it must be 0 to 255",
                        kernel->id, message->priority);
    }
    if (message->type != 0) {
        return log_fail(log, GYRE_ERROR_TYPE, "kernel %s has no message type %u", kernel->id,
                        message->type);
    }
    if (!message->data || message->size < input->data_size || message->size > input->padded_size) {
        return log_fail(log, GYRE_ERROR_SIZE,
                        "kernel %s: a message of %zu bytes, GYRE_INPUT has %u", kernel->id,
                        message->data ? message->size : 0, input->data_size);
    }
    return GYRE_OK;
}

/* Why nothing can be sent or received any more. */
static gyre_result broken(const struct gyre_kernel *kernel)
{
    return kernel->fault == GYRE_OK && device_is_lost(kernel->services.device)
               ? GYRE_ERROR_DEVICE_LOST
               : kernel->fault;
}

/* DROP_OLDEST: OK when there is room now, DROPPED when the newcomer is the one to go. */
static gyre_result drop_oldest(struct gyre_kernel *kernel, uint32_t priority)
{
    struct staging_entry *oldest = staging_peek_lowest(&kernel->staging);
    kernel->stats.dropped += 1;
    if (!oldest || oldest->priority > priority) {
        kernel->stats.accepted += 1;
        return GYRE_ERROR_DROPPED;
    }
    staging_remove(&kernel->staging, oldest);
    staging_recycle(&kernel->staging, oldest);
    return GYRE_OK;
}

/* Lock held: until there is room to stage. */
static gyre_result make_room(struct gyre_kernel *kernel, const gyre_message *message,
                             uint64_t timeout_ns, bool try)
{
    uint64_t deadline = 0;
    for (;;) {
        gyre_result result = broken(kernel);
        if (result == GYRE_OK && lifecycle_check(kernel->state, LIFECYCLE_SEND) != GYRE_OK) {
            result = GYRE_ERROR_TERMINATED; /* while it waited here */
        }
        if (result != GYRE_OK) {
            return result;
        }
        if (staging_is_full(&kernel->staging)) {
            traffic_collect(kernel);
            traffic_fill(kernel);
            residency_kick(kernel);
        }
        if (!staging_is_full(&kernel->staging)) {
            return GYRE_OK;
        }
        if (kernel->params.backpressure == GYRE_DROP_OLDEST) {
            return drop_oldest(kernel, message->priority);
        }
        if (kernel->params.backpressure == GYRE_REJECT || try) {
            return GYRE_ERROR_FULL;
        }
        deadline = deadline ? deadline : base_deadline(timeout_ns);
        if (!kernel_wait(kernel, deadline)) {
            return GYRE_ERROR_TIMEOUT;
        }
    }
}

static gyre_result stage(struct gyre_kernel *kernel, const gyre_message *message)
{
    struct staging_entry *entry = staging_new(&kernel->staging);
    if (!entry) {
        return log_fail(kernel->services.log, GYRE_ERROR_NO_MEMORY,
                        "kernel %s: no memory to stage a message", kernel->id);
    }
    entry->id = atomic_fetch_add(kernel->services.next_id, 1);
    entry->correlation = message->correlation;
    entry->priority = message->priority;
    entry->type = message->type;
    entry->extra = message->key;
    entry->size = kernel->build.program.info.input.data_size;
    memcpy(entry->payload, message->data, entry->size);
    if (message->id) {
        *message->id = entry->id;
    }
    staging_add(&kernel->staging, entry);
    kernel->stats.accepted += 1;
    return GYRE_OK;
}

gyre_result traffic_send(struct gyre_kernel *kernel, const gyre_message *message,
                         uint64_t timeout_ns, bool try)
{
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_SEND);
    if (result == GYRE_OK) {
        result = check_message(kernel, message);
    }
    if (result == GYRE_OK) {
        result = make_room(kernel, message, timeout_ns, try);
    }
    if (result == GYRE_OK) {
        result = stage(kernel, message);
    }
    if (result == GYRE_OK) {
        traffic_fill(kernel);
        if (kernel->staging.count > 0) {
            traffic_collect(kernel);
            traffic_fill(kernel);
        }
        residency_kick(kernel);
    } else if (result != GYRE_ERROR_DROPPED && result != GYRE_ERROR_STATE) {
        kernel->stats.rejected += 1;
    }
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

static gyre_result hand_over(struct gyre_kernel *kernel, struct staging_entry *entry,
                             gyre_reply *reply)
{
    if (reply->data && entry->size > reply->capacity) {
        return log_fail(kernel->services.log, GYRE_ERROR_SIZE,
                        "kernel %s: an answer has %u bytes, there is room for %zu", kernel->id,
                        entry->size, reply->capacity);
    }
    if (reply->data) {
        memcpy(reply->data, entry->payload, entry->size);
    }
    reply->size = entry->size;
    reply->result = (gyre_result)entry->result;
    reply->code = entry->extra;
    reply->id = entry->id;
    reply->correlation = entry->correlation;
    reply->priority = entry->priority;
    reply->flags = entry->flags;
    staging_remove(&kernel->answers, entry);
    staging_recycle(&kernel->answers, entry);
    kernel->stats.received += 1;
    return GYRE_OK;
}

/* Lock held: what the device has done so far, and more for it to do. */
static void turn(struct gyre_kernel *kernel)
{
    traffic_collect(kernel);
    traffic_fill(kernel);
    residency_kick(kernel);
}

/* Lock held: the next answer, or why there is none now. EMPTY: there may be one later. */
static gyre_result take(struct gyre_kernel *kernel, gyre_reply *reply)
{
    if (kernel->build.groups && (kernel->answers.count == 0 || kernel->held)) {
        turn(kernel);
    }
    struct staging_entry *entry = staging_peek(&kernel->answers);
    if (entry) {
        return hand_over(kernel, entry, reply);
    }
    if (kernel->state == GYRE_TERMINATED) {
        return GYRE_ERROR_TERMINATED;
    }
    gyre_result result = broken(kernel);
    return result == GYRE_OK ? GYRE_ERROR_EMPTY : result;
}

gyre_result traffic_receive(struct gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns,
                            bool try)
{
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_RECEIVE);
    if (result == GYRE_OK) {
        result = take(kernel, reply);
    }
    uint64_t deadline = 0;
    while (result == GYRE_ERROR_EMPTY && !try) {
        deadline = deadline ? deadline : base_deadline(timeout_ns);
        bool in_time = kernel_wait(kernel, deadline);
        result = take(kernel, reply);
        if (result == GYRE_ERROR_EMPTY && !in_time) {
            result = GYRE_ERROR_TIMEOUT;
        }
    }
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

/* What changes when the device moves. */
static uint64_t progress(const struct gyre_kernel *kernel)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        const struct gyre_StatusLine *line = &kernel->build.groups[i].status->line;
        sum += shared_load_relaxed(&line->output_tail);
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            sum += shared_load_relaxed(&line->input_head[lane]);
        }
    }
    return sum;
}

/* What a thread looks at while it waits without the lock. */
struct watch {
    const uint32_t *sequence; /* of the next answer's slot, where that tells all; else NULL */
    uint32_t whole;           /* its value once the answer is there */
    uint64_t progress;
    uint32_t ends;
};

/* Lock held. */
static struct watch watch_begin(const struct gyre_kernel *kernel)
{
    struct watch watch = {.ends = (uint32_t)atomic_load(&kernel->ends)};
    const struct ring_output *output = &kernel->build.groups[0].output;
    bool only_answers = kernel->build.answers_early && kernel->params.workgroups == 1 &&
                        kernel->staging.count == 0 && !kernel->params.report_all;
    if (only_answers) {
        watch.sequence = ring_output_sequence(output);
        watch.whole = output->head + 1;
    } else {
        watch.progress = progress(kernel);
    }
    return watch;
}

static bool watch_moved(const struct gyre_kernel *kernel, const struct watch *watch)
{
    /* Relaxed: who saw it looks again properly. */
    bool moved = watch->sequence ? shared_load_relaxed(watch->sequence) == watch->whole
                                 : progress(kernel) != watch->progress;
    return moved || atomic_load(&kernel->ends) != watch->ends;
}

/* Without the lock, for a while. */
static void spin(struct gyre_kernel *kernel, const struct watch *watch, uint64_t deadline)
{
    uint64_t begun = 0;
    for (uint32_t looks = 1; !watch_moved(kernel, watch); ++looks) {
        base_pause();
        if (looks % LOOKS_TO_A_CLOCK != 0) {
            continue;
        }
        uint64_t now = base_now_ns();
        begun = begun ? begun : now;
        if (now >= deadline || now - begun >= YIELD_NS) {
            break;
        }
        if (now - begun >= SPIN_NS) {
            sched_yield();
        }
    }
}

bool kernel_wait(struct gyre_kernel *kernel, uint64_t deadline)
{
    if (base_remaining_ns(deadline) == 0) {
        return false;
    }
    bool watches = kernel->in_flight && kernel->live;
    if (watches) {
        struct watch watch = watch_begin(kernel);
        pthread_mutex_unlock(&kernel->lock);
        spin(kernel, &watch, deadline);
        pthread_mutex_lock(&kernel->lock);
        if (watch_moved(kernel, &watch)) {
            return true;
        }
    }
    uint64_t slice = watches && kernel->in_flight ? base_now_ns() + SLICE_NS : BASE_FOREVER;
    kernel->waiters += 1;
    base_cond_wait(&kernel->changed, &kernel->lock, slice < deadline ? slice : deadline);
    kernel->waiters -= 1;
    return base_remaining_ns(deadline) > 0;
}
