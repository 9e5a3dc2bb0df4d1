#include "flow.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define STANDSTILL_NS (120 * S)

/* Not on the stack: a test that fails leaves it, while its thread still sends. */
static struct sender {
    struct flow flow;
    atomic_int result; /* gyre_result of the send that failed */
} sender;

gyre_stats flow_stats(gyre_kernel *kernel)
{
    gyre_stats stats;
    ok(gyre_kernel_stats(kernel, &stats));
    return stats;
}

gyre_stats flow_rest(gyre_kernel *kernel)
{
    ok(gyre_kernel_deactivate(kernel, STANDSTILL_NS));
    return flow_stats(kernel);
}

static void *send_all(void *argument)
{
    const struct flow *flow = &sender.flow;
    (void)argument;
    uint32_t message[FLOW_BYTES_MAX / 4] = {0};
    for (uint32_t i = 0; i < flow->count; ++i) {
        flow->fill(flow->user, i, message);
        gyre_message sent = {
            .data = message,
            .size = flow->message_size,
            .correlation = i,
            .priority = flow->priority ? flow->priority(i) : 0,
        };
        gyre_result result = gyre_send(flow->kernel, &sent, STANDSTILL_NS);
        if (result != GYRE_OK) {
            atomic_store(&sender.result, (int)result);
            break;
        }
    }
    return NULL;
}

/* What a failure of the flow is to be understood by. */
static const char *describe(gyre_kernel *kernel)
{
    static char text[512];
    gyre_stats s = flow_stats(kernel);
    snprintf(
        text, sizeof text,
        "accepted %llu processed %llu failed %llu redelivered %llu corrupt %llu received %llu staged %llu window %llu "
        "unread %llu submissions %llu residencies %llu cut %llu fault %s",
        (unsigned long long)s.accepted, (unsigned long long)s.processed,
        (unsigned long long)s.failed, (unsigned long long)s.redelivered,
        (unsigned long long)s.corrupt, (unsigned long long)s.received, (unsigned long long)s.staged,
        (unsigned long long)s.window, (unsigned long long)s.unread,
        (unsigned long long)s.submissions, (unsigned long long)s.residencies,
        (unsigned long long)s.exits.cut, gyre_result_name(s.fault));
    return text;
}

static void take(gyre_reply *reply, uint32_t taken)
{
    const struct flow *flow = &sender.flow;
    uint64_t until = rig_now_ns() + STANDSTILL_NS;
    gyre_result result = GYRE_ERROR_TIMEOUT;
    while (result == GYRE_ERROR_TIMEOUT && rig_now_ns() < until) {
        gyre_result sent = (gyre_result)atomic_load(&sender.result);
        cr_assert(sent == GYRE_OK, "gyre_send: %s; %s", gyre_result_name(sent),
                  describe(flow->kernel));
        result = gyre_receive(flow->kernel, reply, 1 * S);
    }
    cr_assert(result == GYRE_OK, "answer %u of %u: %s; %s", taken, flow->count,
              gyre_result_name(result), describe(flow->kernel));
}

static void check(const struct flow *flow, uint32_t taken, const gyre_reply *reply, bool *seen)
{
    uint64_t index = reply->correlation;
    cr_assert(index < flow->count, "answer %u is to a message %llu that was never sent", taken,
              (unsigned long long)index);
    cr_assert(flow->unordered || index == taken, "answer %u is to message %llu; %s", taken,
              (unsigned long long)index, describe(flow->kernel));
    cr_assert(!seen[index], "message %llu was answered twice", (unsigned long long)index);
    seen[index] = true;
    bool answers = reply->result == GYRE_OK && !(reply->flags & GYRE_REPLY_SILENT);
    cr_assert(reply->size == (answers ? flow->answer_size : 0), "an answer of %zu bytes",
              reply->size);
    cr_assert(flow->check(flow->user, (uint32_t)index, reply),
              "the answer to message %llu is wrong (%s); %s", (unsigned long long)index,
              gyre_result_name(reply->result), describe(flow->kernel));
}

void flow_run(const struct flow *flow)
{
    cr_assert(flow->message_size <= FLOW_BYTES_MAX && flow->answer_size <= FLOW_BYTES_MAX);
    sender.flow = *flow;
    atomic_store(&sender.result, GYRE_OK);
    bool *seen = calloc(flow->count, sizeof *seen);
    pthread_t thread;
    cr_assert(seen && pthread_create(&thread, NULL, send_all, NULL) == 0);
    uint32_t answer[FLOW_BYTES_MAX / 4];
    for (uint32_t taken = 0; taken < flow->count; ++taken) {
        gyre_reply reply = {.data = answer, .capacity = sizeof answer};
        take(&reply, taken);
        check(flow, taken, &reply, seen);
    }
    pthread_join(thread, NULL);
    free(seen);
}

gyre_reply flow_ask(gyre_kernel *kernel, const void *message, size_t size, void *answer,
                    size_t capacity)
{
    ok(gyre_send(kernel, &(gyre_message){.data = message, .size = size}, STANDSTILL_NS));
    gyre_reply reply = {.data = answer, .capacity = capacity};
    gyre_result result = gyre_receive(kernel, &reply, STANDSTILL_NS);
    cr_assert(result == GYRE_OK, "gyre_receive: %s; %s", gyre_result_name(result),
              describe(kernel));
    return reply;
}
