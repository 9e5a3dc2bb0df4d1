/* gyre_request: who awaits which answer. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* ---- lists of awaiters ---- */

static void append(struct awaiters *list, struct awaiter *awaiter)
{
    awaiter->next = NULL;
    awaiter->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = awaiter;
    list->last = awaiter;
}

static void take_out(struct awaiters *list, struct awaiter *awaiter)
{
    *(awaiter->previous ? &awaiter->previous->next : &list->first) = awaiter->next;
    *(awaiter->next ? &awaiter->next->previous : &list->last) = awaiter->previous;
}

/* ---- the end of a request ---- */

/* Its message goes on without it. */
static void end(struct gyre_kernel *kernel, struct awaiter *awaiter, gyre_result result)
{
    awaiter->entry->awaiter = NULL;
    awaiter->entry = NULL;
    awaiter->result = result;
    take_out(&kernel->waiting, awaiter);
    kernel->awaited -= 1;
    if (awaiter->callback) {
        append(&kernel->ended, awaiter);
        kernel_wake(kernel);
    } else if (awaiter->sleeps) {
        pthread_cond_signal(&awaiter->woken);
    }
}

void request_end(struct gyre_kernel *kernel, struct staging_entry *entry, gyre_result result,
                 const gyre_reply *reply, const void *payload)
{
    struct awaiter *awaiter = entry->awaiter;
    if (!awaiter) {
        return;
    }
    if (reply) {
        void *data = awaiter->reply->data;
        size_t capacity = awaiter->reply->capacity;
        *awaiter->reply = *reply;
        awaiter->reply->data = data;
        awaiter->reply->capacity = capacity;
        if (data && payload) {
            memcpy(data, payload, reply->size);
        }
    }
    end(kernel, awaiter, result);
}

void request_end_all(struct gyre_kernel *kernel, gyre_result result)
{
    while (kernel->waiting.first) {
        end(kernel, kernel->waiting.first, result);
    }
}

/* ---- gyre_request ---- */

static gyre_result check_room(struct gyre_kernel *kernel, const gyre_reply *reply)
{
    uint32_t size = kernel->build.program.info.output.data_size;
    if (reply->data && reply->capacity < size) {
        return log_fail(kernel->services.log, GYRE_ERROR_SIZE,
                        "kernel %s: an answer has %u bytes, there is room for %zu", kernel->id,
                        size, reply->capacity);
    }
    return GYRE_OK;
}

/* Sends for `awaiter`, which waits from then on. */
static gyre_result begin(struct gyre_kernel *kernel, const gyre_message *message,
                         struct awaiter *awaiter, struct patience *patience)
{
    gyre_result result = send_stage(kernel, message, awaiter, patience);
    if (result == GYRE_OK) {
        append(&kernel->waiting, awaiter);
        kernel->awaited += 1;
        kernel->stats.requests += 1;
        send_on(kernel);
    }
    return result;
}

static gyre_result await(struct gyre_kernel *kernel, struct awaiter *awaiter, uint64_t deadline)
{
    bool in_time = true;
    while (awaiter->entry && in_time) {
        in_time = kernel_wait(kernel, awaiter, deadline);
    }
    if (awaiter->entry) {
        end(kernel, awaiter, GYRE_ERROR_TIMEOUT);
    }
    return awaiter->result;
}

gyre_result request_await(struct gyre_kernel *kernel, const gyre_message *message,
                          gyre_reply *reply, uint64_t timeout_ns)
{
    struct patience patience = {.timeout_ns = timeout_ns};
    struct awaiter awaiter = {.reply = reply};
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel->build.groups ? check_room(kernel, reply) : GYRE_OK;
    if (result == GYRE_OK) {
        result = begin(kernel, message, &awaiter, &patience);
    }
    if (result == GYRE_OK) {
        result = await(kernel, &awaiter, patience_deadline(&patience));
    }
    kernel_pass_watch(kernel);
    pthread_mutex_unlock(&kernel->lock);
    if (awaiter.has_woken) {
        pthread_cond_destroy(&awaiter.woken);
    }
    return result;
}

/* ---- gyre_request_begin, gyre_pump ---- */

gyre_result request_begin(struct gyre_kernel *kernel, const gyre_message *message,
                          uint64_t timeout_ns, gyre_request_callback callback, void *user)
{
    struct patience patience = {.never = true};
    pthread_mutex_lock(&kernel->lock);
    uint32_t size = kernel->build.groups ? kernel->build.program.info.output.data_size : 0;
    struct awaiter *awaiter = calloc(1, sizeof *awaiter + size);
    gyre_result result = awaiter ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
    if (awaiter) {
        awaiter->own_reply = (gyre_reply){.data = awaiter + 1, .capacity = size};
        awaiter->reply = &awaiter->own_reply;
        awaiter->callback = callback;
        awaiter->user = user;
        awaiter->deadline = base_deadline(timeout_ns);
        kernel->begun += 1;
        uint64_t deadline = awaiter->deadline;
        result = begin(kernel, message, awaiter, &patience);
        kernel->begun -= result != GYRE_OK;
        if (result == GYRE_OK && deadline < kernel->pump_until) {
            kernel->pump_until = deadline;
            kernel_wake(kernel); /* who pumps is to sleep no longer */
        }
    }
    pthread_mutex_unlock(&kernel->lock);
    if (result != GYRE_OK) {
        free(awaiter);
    }
    return result;
}

/* Ends those whose time is over; when the next one's will be. */
static uint64_t expire(struct gyre_kernel *kernel)
{
    uint64_t now = base_now_ns();
    uint64_t next = BASE_FOREVER;
    struct awaiter *following = NULL;
    for (struct awaiter *awaiter = kernel->waiting.first; awaiter; awaiter = following) {
        following = awaiter->next;
        if (!awaiter->callback) {
            continue; /* its own thread sees to it */
        }
        if (awaiter->deadline <= now) {
            end(kernel, awaiter, GYRE_ERROR_TIMEOUT);
        } else if (awaiter->deadline < next) {
            next = awaiter->deadline;
        }
    }
    return next;
}

static void call(struct awaiter *awaiter)
{
    awaiter->callback(awaiter->user, awaiter->result,
                      awaiter->result == GYRE_OK ? awaiter->reply : NULL);
    free(awaiter);
}

/* Lock held, but not during the calls. How many. */
static uint32_t call_all(struct gyre_kernel *kernel)
{
    uint32_t count = 0;
    while (kernel->ended.first) {
        struct awaiter *awaiter = kernel->ended.first;
        take_out(&kernel->ended, awaiter);
        kernel->begun -= 1;
        pthread_mutex_unlock(&kernel->lock);
        call(awaiter);
        pthread_mutex_lock(&kernel->lock);
        count += 1;
    }
    return count;
}

gyre_result request_pump(struct gyre_kernel *kernel, uint64_t timeout_ns, uint32_t *called)
{
    uint64_t deadline = base_deadline(timeout_ns);
    pthread_mutex_lock(&kernel->lock);
    bool in_time = true;
    uint32_t count = 0;
    for (;;) {
        kernel_turn(kernel);
        uint64_t next = expire(kernel);
        count = call_all(kernel);
        if (count || !in_time || !kernel->begun) {
            break;
        }
        kernel->pump_until = next;
        in_time = kernel_wait(kernel, NULL, next < deadline ? next : deadline) ||
                  base_remaining_ns(deadline) > 0;
    }
    kernel_pass_watch(kernel);
    pthread_mutex_unlock(&kernel->lock);
    if (called) {
        *called = count;
    }
    return GYRE_OK;
}

void request_discard(struct gyre_kernel *kernel)
{
    while (kernel->ended.first) {
        struct awaiter *awaiter = kernel->ended.first;
        take_out(&kernel->ended, awaiter);
        free(awaiter);
    }
}
