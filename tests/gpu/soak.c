/* Many messages in one run, none lost, none doubled, none out of order: GYRE_SOAK_MESSAGES of them
 * for each visibility, or as many as take a second or two. By batches, a message to each
 * invocation, over the wrap of all indices. */
#include <stdlib.h>

#include "flow.h"
#include "tasks.h"

enum { BATCH = 1024, UNDER_WAY = 4 * BATCH, DEFAULT_MESSAGES = TASKS_SANITIZED ? 200000 : 2000000 };

static const char STRUCTS[] = "#define GYRE_PER_INVOCATION\n"
                              "struct Request { uint low; uint high; uint seed; };\n"
                              "struct Response { uint low; uint high; uint mixed; };\n"
                              "#define GYRE_INPUT Request\n"
                              "#define GYRE_OUTPUT Response\n";

static const char HANDLER[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        if (gyre_has_message()) {\n"
    "            GYRE_OUT.low = GYRE_IN.low;\n"
    "            GYRE_OUT.high = GYRE_IN.high;\n"
    "            GYRE_OUT.mixed = (GYRE_IN.seed ^ GYRE_IN.low) * 2654435761u;\n"
    "            gyre_send();\n"
    "        }\n"
    "    }\n"
    "}\n";

struct request {
    uint32_t low;
    uint32_t high;
    uint32_t seed;
};

struct response {
    uint32_t low;
    uint32_t high;
    uint32_t mixed;
};

static uint32_t seed_of(uint64_t serial)
{
    return (uint32_t)(serial * 0x9e3779b97f4a7c15ull >> 32);
}

static void send_batch(gyre_kernel *kernel, uint64_t first, uint32_t count)
{
    static struct request requests[BATCH];
    static gyre_message messages[BATCH];
    for (uint32_t i = 0; i < count; ++i) {
        uint64_t serial = first + i;
        requests[i] = (struct request){(uint32_t)serial, (uint32_t)(serial >> 32), seed_of(serial)};
        messages[i] =
            (gyre_message){.data = &requests[i], .size = sizeof requests[i], .correlation = serial};
    }
    ok(gyre_send_batch(kernel, messages, count, 60 * S, NULL));
}

static uint32_t receive_batch(gyre_kernel *kernel, uint64_t first)
{
    static struct response responses[BATCH];
    static gyre_reply replies[BATCH];
    for (uint32_t i = 0; i < BATCH; ++i) {
        replies[i] = (gyre_reply){.data = &responses[i], .capacity = sizeof responses[i]};
    }
    uint32_t count = 0;
    ok(gyre_receive_batch(kernel, replies, BATCH, 60 * S, &count));
    for (uint32_t i = 0; i < count; ++i) {
        uint64_t serial = first + i;
        const struct response *response = &responses[i];
        bool right = replies[i].result == GYRE_OK && replies[i].correlation == serial &&
                     response->low == (uint32_t)serial && response->high == serial >> 32 &&
                     response->mixed == (seed_of(serial) ^ response->low) * 2654435761u;
        cr_assert(right, "answer %llu: %s, to message %llu", (unsigned long long)serial,
                  gyre_result_name(replies[i].result), (unsigned long long)replies[i].correlation);
    }
    return count;
}

static void soak(enum rig_mode mode, uint64_t messages)
{
    struct rig rig;
    rig_open(&rig, mode);
    gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){
                                               .id = "soak",
                                               .glsl = rig_glsl(STRUCTS, 64, HANDLER),
                                               .queue_size = UNDER_WAY,
                                               .window = 1024,
                                               .output_window = 1024,
                                               .first_index = UINT32_MAX - 999u,
                                           });
    uint64_t sent = 0;
    uint64_t received = 0;
    while (received < messages) {
        while (sent < messages && sent - received + BATCH <= UNDER_WAY) {
            uint64_t left = messages - sent;
            uint32_t count = left < BATCH ? (uint32_t)left : BATCH;
            send_batch(kernel, sent, count);
            sent += count;
        }
        received += receive_batch(kernel, received);
    }
    gyre_stats stats = flow_rest(kernel);
    cr_assert(received == messages && stats.accepted == messages && stats.processed == messages &&
              stats.received == messages);
    cr_assert_eq(stats.failed + stats.dropped + stats.corrupt + stats.rejected, 0);
    cr_assert_eq(stats.staged + stats.window + stats.unread, 0);
    rig_close(&rig);
}

Test(soak, many_messages_give_as_many_answers_in_their_order, .timeout = 3600)
{
    const char *asked = getenv("GYRE_SOAK_MESSAGES");
    for (BOTH_MODES(mode)) {
        soak(mode, asked ? strtoull(asked, NULL, 10) : DEFAULT_MESSAGES);
    }
}
