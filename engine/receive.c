/* gyre_receive; gyre_peek and gyre_release. */
#include <string.h>

#include "kernel.h"

static gyre_result copy(struct gyre_kernel *kernel, const struct staging_entry *entry,
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
    return GYRE_OK;
}

/* The next of those queued. */
static gyre_result hand_over(struct gyre_kernel *kernel, struct staging_entry *entry,
                             struct reader *reader)
{
    gyre_reply *reply = &reader->replies[reader->taken];
    gyre_result result = reader->in_place ? GYRE_OK : copy(kernel, entry, reply);
    if (result != GYRE_OK) {
        return result;
    }
    reply->size = entry->size;
    reply->result = (gyre_result)entry->result;
    reply->code = entry->code;
    reply->id = entry->id;
    reply->correlation = entry->correlation;
    reply->priority = entry->priority;
    reply->flags = entry->flags;
    staging_remove(&kernel->answers, entry);
    if (reader->in_place) {
        reply->data = entry->size ? entry->payload : NULL;
        reply->capacity = entry->size;
        entry->next = kernel->peeked;
        kernel->peeked = entry;
    } else {
        staging_recycle(&kernel->answers, entry);
    }
    reader->taken += 1;
    kernel->stats.received += 1;
    return GYRE_OK;
}

/* The next answer, or several, or why there is none now. EMPTY: there may be one later. */
static gyre_result take(struct gyre_kernel *kernel, struct reader *reader)
{
    uint32_t before = reader->taken;
    if (kernel->answers.count == 0 || kernel->held) {
        kernel_turn(kernel);
    }
    if (reader->taken > before) {
        return GYRE_OK;
    }
    struct staging_entry *entry = staging_peek(&kernel->answers);
    if (entry) {
        return hand_over(kernel, entry, reader);
    }
    if (kernel->state == GYRE_TERMINATED) {
        return GYRE_ERROR_TERMINATED;
    }
    gyre_result result = kernel_broken(kernel);
    return result == GYRE_OK ? GYRE_ERROR_EMPTY : result;
}

/* The first answer, waited for. */
static gyre_result await(struct gyre_kernel *kernel, struct reader *reader,
                         struct patience *patience)
{
    gyre_result result = take(kernel, reader);
    while (result == GYRE_ERROR_EMPTY && !patience->never) {
        bool in_time = kernel_wait(kernel, NULL, patience_deadline(patience));
        result = reader->taken > 0 ? GYRE_OK : take(kernel, reader);
        if (result == GYRE_ERROR_EMPTY && !in_time) {
            result = GYRE_ERROR_TIMEOUT;
        }
    }
    return result;
}

/* Lock held: those that are there, and the first one in any case. */
static gyre_result read_on(struct gyre_kernel *kernel, struct reader *reader,
                           struct patience *patience)
{
    gyre_result result = kernel_allows(kernel, LIFECYCLE_RECEIVE);
    bool alone = !kernel->reader;
    kernel->reader = alone ? reader : kernel->reader;
    if (result == GYRE_OK && reader->count > 0) {
        result = await(kernel, reader, patience);
    }
    while (reader->taken > 0 && reader->taken < reader->count && take(kernel, reader) == GYRE_OK) {}
    kernel->reader = alone ? NULL : kernel->reader;
    if (patience->deadline) {
        kernel_pass_watch(kernel);
    }
    return result;
}

gyre_result receive_answers(struct gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                            struct patience patience, uint32_t *received)
{
    struct reader reader = {.replies = replies, .count = count};
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = read_on(kernel, &reader, &patience);
    pthread_mutex_unlock(&kernel->lock);
    *received = reader.taken;
    return result;
}

/* ---- without a copy ---- */

gyre_result receive_peek(struct gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                         struct patience patience, uint32_t *peeked)
{
    struct reader reader = {.replies = replies, .count = count, .in_place = true};
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = GYRE_OK;
    if (kernel->peek != PEEK_NONE) {
        result = log_fail(kernel->services.log, GYRE_ERROR_STATE,
                          "kernel %s: answers are being peeked at: gyre_release() them first",
                          kernel->id);
    } else {
        kernel->peek = PEEK_WAITS;
        result = read_on(kernel, &reader, &patience);
        kernel->peek = reader.taken > 0 ? PEEK_OPEN : PEEK_NONE;
    }
    pthread_mutex_unlock(&kernel->lock);
    *peeked = reader.taken;
    return result;
}

gyre_result receive_release(struct gyre_kernel *kernel)
{
    pthread_mutex_lock(&kernel->lock);
    if (kernel->peek != PEEK_OPEN) {
        gyre_result result = log_fail(kernel->services.log, GYRE_ERROR_STATE,
                                      "kernel %s: no answers are being peeked at", kernel->id);
        pthread_mutex_unlock(&kernel->lock);
        return result;
    }
    kernel->peek = PEEK_NONE;
    while (kernel->peeked) {
        struct staging_entry *entry = kernel->peeked;
        kernel->peeked = entry->next;
        staging_recycle(&kernel->answers, entry);
    }
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        ring_output_let_go(&kernel->build.groups[i].output);
    }
    kernel_turn(kernel); /* the device may have waited for the slots */
    kernel_pass_watch(kernel);
    pthread_mutex_unlock(&kernel->lock);
    return GYRE_OK;
}
