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

/* The next answer, or why there is none now. EMPTY: there may be one later. */
static gyre_result take(struct gyre_kernel *kernel, gyre_reply *reply)
{
    if (kernel->answers.count == 0 || kernel->held) {
        kernel_turn(kernel);
    }
    struct staging_entry *entry = staging_peek(&kernel->answers);
    if (entry) {
        return hand_over(kernel, entry, reply);
    }
    if (kernel->state == GYRE_TERMINATED) {
        return GYRE_ERROR_TERMINATED;
    }
    gyre_result result = kernel_broken(kernel);
    return result == GYRE_OK ? GYRE_ERROR_EMPTY : result;
}

/* The first answer, waited for. */
static gyre_result await(struct gyre_kernel *kernel, gyre_reply *reply, struct patience *patience)
{
    gyre_result result = take(kernel, reply);
    while (result == GYRE_ERROR_EMPTY && !patience->never) {
        bool in_time = kernel_wait(kernel, NULL, patience_deadline(patience));
        result = take(kernel, reply);
        if (result == GYRE_ERROR_EMPTY && !in_time) {
            result = GYRE_ERROR_TIMEOUT;
        }
    }
    return result;
}

gyre_result receive_answers(struct gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                            struct patience patience, uint32_t *received)
{
    uint32_t taken = 0;
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_RECEIVE);
    if (result == GYRE_OK && count > 0) {
        result = await(kernel, &replies[0], &patience);
        taken = result == GYRE_OK;
    }
    while (taken > 0 && taken < count && take(kernel, &replies[taken]) == GYRE_OK) {
        taken += 1;
    }
    if (patience.deadline) {
        kernel_pass_watch(kernel);
    }
    pthread_mutex_unlock(&kernel->lock);
    *received = taken;
    return result;
}
