/* What a message that failed does: dead letters, and the kernel's policy. */
#include <string.h>

#include "kernel.h"

/* The oldest one. */
static struct staging_entry *unbury(struct gyre_kernel *kernel)
{
    struct staging_entry *letter = kernel->dead_first;
    kernel->dead_first = letter->next;
    *(letter->next ? &letter->next->previous : &kernel->dead_last) = NULL;
    kernel->stats.dead_letters -= 1;
    letter->next = NULL;
    return letter;
}

/* In the order in which they failed: acknowledgements come lane by lane. */
static void insert(struct gyre_kernel *kernel, struct staging_entry *entry)
{
    struct staging_entry *before = kernel->dead_last;
    while (before && before->failure > entry->failure) {
        before = before->previous;
    }
    entry->previous = before;
    entry->next = before ? before->next : kernel->dead_first;
    *(entry->next ? &entry->next->previous : &kernel->dead_last) = entry;
    *(before ? &before->next : &kernel->dead_first) = entry;
    kernel->stats.dead_letters += 1;
}

bool failure_bury(struct gyre_kernel *kernel, struct staging_entry *entry)
{
    if (!kernel->params.dead_letters) {
        return false;
    }
    insert(kernel, entry);
    if (kernel->stats.dead_letters > kernel->params.dead_letters) {
        staging_recycle(&kernel->staging, unbury(kernel));
        kernel->stats.dead_dropped += 1;
    }
    return true;
}

void failure_act(struct gyre_kernel *kernel)
{
    if (!kernel->failed) {
        return;
    }
    kernel->failed = false;
    if (kernel->state != GYRE_ACTIVE || kernel->params.on_failure == GYRE_CONTINUE) {
        return;
    }
    bool ends = kernel->params.on_failure == GYRE_TERMINATE;
    log_say(kernel->services.log, GYRE_LOG_WARNING,
            "kernel %s: message %llu failed (%s, code %u): the kernel %s, as on_failure says",
            kernel->id, (unsigned long long)kernel->stats.last_error_id,
            gyre_result_text(kernel->stats.last_error), kernel->stats.last_error_code,
            ends ? "terminates" : "is deactivated");
    if (ends) {
        kernel_begin_termination(kernel, GYRE_DROP);
    } else {
        kernel_begin_deactivation(kernel);
    }
}

static gyre_result take(struct gyre_kernel *kernel, gyre_dead_letter *letter)
{
    struct staging_entry *entry = kernel->dead_first;
    if (!entry) {
        return GYRE_ERROR_EMPTY;
    }
    if (letter->data && entry->size > letter->capacity) {
        return log_fail(kernel->services.log, GYRE_ERROR_SIZE,
                        "kernel %s: a dead letter has %u bytes, there is room for %zu", kernel->id,
                        entry->size, letter->capacity);
    }
    if (letter->data) {
        memcpy(letter->data, entry->payload, entry->size);
    }
    *letter = (gyre_dead_letter){
        .data = letter->data,
        .capacity = letter->capacity,
        .size = entry->size,
        .result = (gyre_result)entry->result,
        .code = entry->code,
        .priority = entry->priority,
        .type = entry->type,
        .key = entry->extra,
        .id = entry->id,
        .correlation = entry->correlation,
    };
    staging_recycle(&kernel->staging, unbury(kernel));
    return GYRE_OK;
}

gyre_result failure_take(struct gyre_kernel *kernel, gyre_dead_letter *letter)
{
    pthread_mutex_lock(&kernel->lock);
    kernel_turn(kernel);
    gyre_result result = take(kernel, letter);
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

/* As a message just sent. */
static void send_again(struct gyre_kernel *kernel)
{
    struct staging_entry *entry = unbury(kernel);
    entry->deadline = 0;
    entry->flags = 0;
    entry->answers = 0;
    entry->result = GYRE_OK;
    entry->code = 0;
    send_accept(kernel, entry, NULL);
}

gyre_result failure_resend(struct gyre_kernel *kernel, uint32_t most, uint32_t *count)
{
    uint32_t sent = 0;
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_SEND);
    result = result == GYRE_OK ? kernel_broken(kernel) : result;
    if (result == GYRE_OK) {
        kernel_turn(kernel);
        while (sent < most && kernel->dead_first && !staging_is_full(&kernel->staging)) {
            send_again(kernel);
            sent += 1;
        }
        send_on(kernel);
    }
    pthread_mutex_unlock(&kernel->lock);
    if (result == GYRE_OK && count) {
        *count = sent;
    }
    return result;
}
