/* gyre_send: checks, room, staging; and messages that are lost. */
#include <string.h>

#include "kernel.h"

static const gyre_message_type *find_type(const struct gyre_kernel *kernel, uint32_t type)
{
    for (uint32_t i = 0; i < kernel->params.type_count; ++i) {
        if (kernel->params.types[i].type == type) {
            return &kernel->params.types[i];
        }
    }
    return NULL;
}

/* Without types there is one, and its size may be rounded up as in an array. */
static gyre_result check_size(const struct gyre_kernel *kernel, const gyre_message *message)
{
    const struct spirv_slots *input = &kernel->build.program.info.input;
    const gyre_message_type *type = find_type(kernel, message->type);
    uint32_t least = type ? type->size : input->data_size;
    uint32_t most = type ? type->size : input->padded_size;
    if (kernel->params.type_count ? !type : message->type != 0) {
        return log_fail(kernel->services.log, GYRE_ERROR_TYPE, "kernel %s has no message type %u",
                        kernel->id, message->type);
    }
    size_t size = message->data ? message->size : 0;
    if (size >= least && size <= most) {
        return GYRE_OK;
    }
    if (type) {
        return log_fail(kernel->services.log, GYRE_ERROR_SIZE,
                        "kernel %s: a message of %zu bytes, type %u has %u", kernel->id, size,
                        type->type, least);
    }
    return log_fail(kernel->services.log, GYRE_ERROR_SIZE,
                    "kernel %s: a message of %zu bytes, GYRE_INPUT has %u", kernel->id, size,
                    least);
}

/* Whether check_message() would pass it; says nothing. */
static bool is_right(const struct gyre_kernel *kernel, const gyre_message *message)
{
    const struct spirv_slots *input = &kernel->build.program.info.input;
    const gyre_message_type *type = find_type(kernel, message->type);
    uint32_t least = type ? type->size : input->data_size;
    uint32_t most = type ? type->size : input->padded_size;
    bool known = kernel->params.type_count ? type != NULL : message->type == 0;
    return known && message->data && message->size >= least && message->size <= most &&
           message->priority < STAGING_PRIORITIES;
}

static gyre_result check_message(struct gyre_kernel *kernel, const gyre_message *message)
{
    gyre_result result = GYRE_OK;
    if (message->priority >= STAGING_PRIORITIES) {
        result = log_fail(kernel->services.log, GYRE_ERROR_INVALID,
                          "kernel %s: priority %u, it must be 0 to 255", kernel->id,
                          message->priority);
    }
    result = result == GYRE_OK ? check_size(kernel, message) : result;
    kernel->stats.rejected_invalid += result != GYRE_OK;
    return result;
}

/* ---- losses ---- */

void send_lose(struct gyre_kernel *kernel, struct staging_entry *entry, gyre_result why)
{
    gyre_result said = why == GYRE_ERROR_TERMINATED ? GYRE_ERROR_DROPPED : why;
    kernel->stats.expired += why == GYRE_ERROR_EXPIRED;
    kernel->stats.dropped_terminated += why == GYRE_ERROR_TERMINATED;
    if (kernel->params.on_drop) {
        kernel->params.on_drop(kernel->params.drop_user, entry->id, said);
    }
    if (entry->awaited) {
        request_end(kernel, entry, why, NULL, NULL);
    } else if (kernel->params.report_all) {
        answers_add_empty(kernel, entry, said, 0);
    }
    staging_recycle(&kernel->staging, entry);
}

void send_expire(struct gyre_kernel *kernel)
{
    if (staging_next_deadline(&kernel->staging) == UINT64_MAX) {
        return;
    }
    uint64_t now = base_now_ns();
    struct staging_entry *entry = staging_take_expired(&kernel->staging, now);
    bool any = entry != NULL;
    for (; entry; entry = staging_take_expired(&kernel->staging, now)) {
        send_lose(kernel, entry, GYRE_ERROR_EXPIRED);
    }
    if (any) {
        kernel_wake(kernel); /* there is room */
    }
}

/* ---- room ---- */

/* DROP_OLDEST: OK when there is room now, DROPPED when the newcomer is the one to go. */
static gyre_result drop_oldest(struct gyre_kernel *kernel, const gyre_message *message)
{
    struct staging_entry *oldest = staging_peek_lowest(&kernel->staging);
    if (oldest && oldest->priority <= message->priority) {
        kernel->stats.dropped_oldest += 1;
        staging_remove(&kernel->staging, oldest);
        send_lose(kernel, oldest, GYRE_ERROR_DROPPED);
        return GYRE_OK;
    }
    uint64_t id = atomic_fetch_add(kernel->services.next_id, 1);
    kernel->stats.accepted += 1;
    kernel->stats.dropped_newest += 1;
    if (kernel->params.on_drop) {
        kernel->params.on_drop(kernel->params.drop_user, id, GYRE_ERROR_DROPPED);
    }
    return GYRE_ERROR_DROPPED;
}

gyre_result send_allowed(const struct gyre_kernel *kernel)
{
    gyre_result result = kernel_broken(kernel);
    if (result == GYRE_OK && lifecycle_check(kernel->state, LIFECYCLE_SEND) != GYRE_OK) {
        result = GYRE_ERROR_TERMINATED; /* while it waited for room */
    }
    return result;
}

static bool has_room(struct gyre_kernel *kernel)
{
    if (staging_is_full(&kernel->staging)) {
        send_expire(kernel);
        kernel_turn(kernel);
    }
    return !staging_is_full(&kernel->staging);
}

/* Until there is room to stage. `expires`: the message's own deadline. */
static gyre_result make_room(struct gyre_kernel *kernel, const gyre_message *message,
                             uint64_t expires, struct patience *patience)
{
    for (;;) {
        bool room = has_room(kernel);
        gyre_result result = send_allowed(kernel); /* what made room may have ended the kernel */
        if (result != GYRE_OK || room) {
            return result;
        }
        if (kernel->params.backpressure == GYRE_DROP_OLDEST) {
            return drop_oldest(kernel, message);
        }
        if (kernel->params.backpressure == GYRE_REJECT || patience->never) {
            kernel->stats.rejected_full += 1;
            return GYRE_ERROR_FULL;
        }
        uint64_t deadline = patience_deadline(patience);
        bool expires_first = expires && expires < deadline;
        if (!kernel_wait(kernel, NULL, expires_first ? expires : deadline)) {
            kernel->stats.rejected_full += 1;
            return expires_first ? GYRE_ERROR_EXPIRED : GYRE_ERROR_TIMEOUT;
        }
    }
}

/* ---- staging ---- */

static void stamp(struct gyre_kernel *kernel)
{
    if (kernel->fresh) {
        kernel->fresh->added = ticks_now(kernel->services.ticks);
        kernel->fresh = NULL;
    }
}

void send_accept(struct gyre_kernel *kernel, struct staging_entry *entry, struct awaiter *awaiter)
{
    stamp(kernel);
    kernel->fresh = entry;
    if (kernel->age_ticks) {
        stamp(kernel);
    }
    entry->id = atomic_fetch_add(kernel->services.next_id, 1);
    entry->awaiter = awaiter;
    entry->awaited = awaiter != NULL;
    if (awaiter) {
        awaiter->entry = entry;
    }
    kernel->stats.accepted += 1;
    if (!window_place(kernel, entry)) {
        staging_add(&kernel->staging, entry);
    }
}

void send_describe(const struct gyre_kernel *kernel, struct staging_entry *entry,
                   const gyre_message *message)
{
    uint32_t size = kernel->build.program.info.input.data_size;
    entry->correlation = message->correlation;
    entry->priority = message->priority;
    entry->type = message->type;
    entry->extra = message->key;
    entry->size = message->size < size ? (uint32_t)message->size : size;
}

/* All but its deadline. */
static void fill(const struct gyre_kernel *kernel, struct staging_entry *entry,
                 const gyre_message *message)
{
    send_describe(kernel, entry, message);
    memcpy(entry->payload, message->data, entry->size);
}

static gyre_result stage(struct gyre_kernel *kernel, const gyre_message *message, uint64_t expires,
                         struct awaiter *awaiter)
{
    struct staging_entry *entry = staging_new(&kernel->staging);
    if (!entry) {
        return log_fail(kernel->services.log, GYRE_ERROR_NO_MEMORY,
                        "kernel %s: no memory to stage a message", kernel->id);
    }
    fill(kernel, entry, message);
    entry->deadline = expires;
    send_accept(kernel, entry, awaiter);
    kernel->fresh_deadline = expires;
    if (message->id) {
        *message->id = entry->id;
    }
    return GYRE_OK;
}

gyre_result send_admit(struct gyre_kernel *kernel, const gyre_message *message, uint64_t *expires,
                       struct patience *patience)
{
    gyre_result result = kernel_allows(kernel, LIFECYCLE_SEND);
    if (result == GYRE_OK) {
        result = check_message(kernel, message);
    }
    *expires = message->deadline_ns ? base_deadline(message->deadline_ns) : 0;
    return result == GYRE_OK ? make_room(kernel, message, *expires, patience) : result;
}

gyre_result send_stage(struct gyre_kernel *kernel, const gyre_message *message,
                       struct awaiter *awaiter, struct patience *patience)
{
    uint64_t expires;
    gyre_result result = send_admit(kernel, message, &expires, patience);
    if (result == GYRE_OK) {
        result = stage(kernel, message, expires, awaiter);
    }
    if (result == GYRE_OK && kernel->params.tick_ns) {
        kernel->quiet_since = base_now_ns();
    }
    return result;
}

/* Who sleeps does so until the first deadline that he knows of: not beyond that of the newcomer, if
 * it is still staged. */
static void tell_deadline(struct gyre_kernel *kernel)
{
    uint64_t deadline = kernel->fresh_deadline;
    kernel->fresh_deadline = 0;
    if (deadline && deadline == staging_next_deadline(&kernel->staging)) {
        kernel_wake(kernel);
    }
}

void send_on(struct gyre_kernel *kernel)
{
    window_fill(kernel);
    if (kernel->staging.count > 0) {
        answers_collect(kernel);
        window_fill(kernel);
        stamp(kernel);
    }
    tell_deadline(kernel);
    residency_kick(kernel);
    failure_act(kernel);
    kernel_pass_watch(kernel);
}

/* ---- batches ---- */

static bool is_like(const gyre_message *message, const gyre_message *first)
{
    return message->data && message->size == first->size && message->type == first->type &&
           message->priority < STAGING_PRIORITIES && !message->deadline_ns;
}

/* With an id of its own. False: no memory. */
static bool accept(struct gyre_kernel *kernel, struct window_batch *batch,
                   const gyre_message *message, uint64_t id)
{
    struct staging_entry *entry = staging_new(&kernel->staging);
    if (!entry) {
        return false;
    }
    fill(kernel, entry, message);
    entry->id = id;
    entry->added = batch->now;
    if (!window_put(kernel, batch, entry)) {
        staging_add(&kernel->staging, entry);
    }
    if (message->id) {
        *message->id = id;
    }
    return true;
}

/* Ids are taken by lots, for other kernels take some as well. Those left over are nobody's. */
#define LOT 64u

static uint64_t take_ids(struct gyre_kernel *kernel, uint32_t most)
{
    return atomic_fetch_add(kernel->services.next_id, most < LOT ? most : LOT);
}

/* Those from the first on that need nothing but room, and have it; how many. What is left begins
 * with one for send_stage(). */
static uint32_t accept_run(struct gyre_kernel *kernel, const gyre_message *messages, uint32_t count)
{
    if (send_allowed(kernel) != GYRE_OK || !is_right(kernel, messages) || messages->deadline_ns) {
        return 0;
    }
    stamp(kernel);
    uint64_t id = 0;
    struct window_batch batch = window_open(kernel);
    uint32_t accepted = 0;
    while (accepted < count && is_like(&messages[accepted], messages) &&
           !staging_is_full(&kernel->staging)) {
        id = accepted % LOT ? id + 1 : take_ids(kernel, count - accepted);
        if (!accept(kernel, &batch, &messages[accepted], id)) {
            break;
        }
        accepted += 1;
    }
    window_close(kernel, &batch);
    kernel->stats.accepted += accepted;
    if (accepted && kernel->params.tick_ns) {
        kernel->quiet_since = base_now_ns();
    }
    return accepted;
}

gyre_result send_messages(struct gyre_kernel *kernel, const gyre_message *messages, uint32_t count,
                          struct patience patience, uint32_t *sent)
{
    gyre_result result = GYRE_OK;
    uint32_t staged = 0;
    pthread_mutex_lock(&kernel->lock);
    while (staged < count && result == GYRE_OK) {
        staged += count > 1 ? accept_run(kernel, &messages[staged], count - staged) : 0;
        if (staged < count) {
            result = send_stage(kernel, &messages[staged], NULL, &patience);
            staged += result == GYRE_OK;
        }
    }
    if (staged > 0) {
        send_on(kernel);
    } else if (patience.deadline) {
        kernel_pass_watch(kernel); /* it has waited */
    }
    pthread_mutex_unlock(&kernel->lock);
    *sent = staged;
    return result;
}
