/* gyre_receive. */
#include <string.h>

#include "kernel.h"

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
    reply->code = entry->code;
    reply->id = entry->id;
    reply->correlation = entry->correlation;
    reply->priority = entry->priority;
    reply->flags = entry->flags;
    staging_remove(&kernel->answers, entry);
    staging_recycle(&kernel->answers, entry);
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
        gyre_result result = hand_over(kernel, entry, &reader->replies[reader->taken]);
        reader->taken += result == GYRE_OK;
        return result;
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

gyre_result receive_answers(struct gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                            struct patience patience, uint32_t *received)
{
    struct reader reader = {.replies = replies, .count = count};
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_RECEIVE);
    bool alone = !kernel->reader;
    kernel->reader = alone ? &reader : kernel->reader;
    if (result == GYRE_OK && count > 0) {
        result = await(kernel, &reader, &patience);
    }
    while (reader.taken > 0 && reader.taken < count && take(kernel, &reader) == GYRE_OK) {}
    kernel->reader = alone ? NULL : kernel->reader;
    if (patience.deadline) {
        kernel_pass_watch(kernel);
    }
    pthread_mutex_unlock(&kernel->lock);
    *received = reader.taken;
    return result;
}
