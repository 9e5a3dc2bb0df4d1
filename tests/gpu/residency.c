/* Nothing is lost, doubled or half-done where residencies end, and state is exact (A37). */
#include "flow.h"

#include <stdio.h>
#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static uint32_t scramble(uint32_t value)
{
    value = (value ^ value >> 16) * 0x45d9f3bu;
    value = (value ^ value >> 16) * 0x45d9f3bu;
    return value ^ value >> 16;
}

/* A counter in the state, and a hash that depends on the order and the number of the messages. */
static const char COUNTER_STRUCTS[] = "struct Request { uint value; };\n"
                                      "struct Response { uint n; uint hash; uint redelivered; };\n"
                                      "struct State { uint n; uint hash; };\n"
                                      "#define GYRE_INPUT Request\n"
                                      "#define GYRE_OUTPUT Response\n"
                                      "#define GYRE_STATE State\n";

static const char COUNTER[] = "void main() {\n"
                              "    while (gyre_receive()) {\n"
                              "        if (gl_LocalInvocationIndex == 0u) {\n"
                              "            GYRE_SELF.n += 1u;\n"
                              "            GYRE_SELF.hash = GYRE_SELF.hash * 31u + GYRE_IN.value;\n"
                              "            GYRE_OUT.n = GYRE_SELF.n;\n"
                              "            GYRE_OUT.hash = GYRE_SELF.hash;\n"
                              "            GYRE_OUT.redelivered = gyre_redelivered() ? 1u : 0u;\n"
                              "        }\n"
                              "        gyre_send();\n"
                              "    }\n"
                              "}\n";

struct response {
    uint32_t n;
    uint32_t hash;
    uint32_t redelivered;
};

/* The host's own count. */
struct counter {
    uint32_t n;
    uint32_t hash;
    uint32_t redelivered;
};

static void fill_value(void *user, uint32_t index, void *message)
{
    (void)user;
    *(uint32_t *)message = scramble(index);
}

static bool check_count(void *user, uint32_t index, const gyre_reply *reply)
{
    struct counter *counter = user;
    const struct response *response = reply->data;
    counter->n += 1;
    counter->hash = counter->hash * 31 + scramble(index);
    counter->redelivered += response->redelivered;
    return reply->result == GYRE_OK && response->n == counter->n &&
           response->hash == counter->hash &&
           response->redelivered == (reply->flags & GYRE_REPLY_REDELIVERED);
}

static gyre_stats count_through(gyre_kernel *kernel, uint32_t messages)
{
    struct counter counter = {0};
    flow_run(&(struct flow){
        .kernel = kernel,
        .count = messages,
        .message_size = sizeof(uint32_t),
        .answer_size = sizeof(struct response),
        .fill = fill_value,
        .check = check_count,
        .user = &counter,
    });
    gyre_stats stats = flow_rest(kernel);
    cr_assert(stats.accepted == messages && stats.processed == messages &&
              stats.received == messages);
    cr_assert(stats.failed == 0 && stats.corrupt == 0 && stats.staged == 0 && stats.window == 0);
    cr_assert(stats.redelivered == counter.redelivered, "%llu given again, %u say so",
              (unsigned long long)stats.redelivered, counter.redelivered);
    return stats;
}

static void count_at_every_fuel(enum rig_mode mode)
{
    static const uint32_t fuels[] = {1, 2, 3, 7, 100, 4096, 65535, 0};
    const uint32_t messages = 100000;
    uint64_t live_seen = 0;
    struct rig rig;
    rig_open(&rig, mode);
    for (size_t i = 0; i < LENGTH(fuels); ++i) {
        gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){
                                                   .id = "counter",
                                                   .glsl = rig_glsl(COUNTER_STRUCTS, 1, COUNTER),
                                                   .fuel = fuels[i],
                                                   .chain = 16,
                                               });
        gyre_stats stats = count_through(kernel, messages);
        uint32_t least = fuels[i] ? (messages + fuels[i] - 1) / fuels[i] : 1;
        cr_assert(stats.residencies >= least, "%llu residencies at fuel %u",
                  (unsigned long long)stats.residencies, fuels[i]);
        cr_assert(stats.live == (mode == RIG_LIVE));
        live_seen += stats.live_seen;
        gyre_kernel_destroy(kernel);
    }
    /* At small fuel a submission may end before it has taken what it began with. */
    cr_assert((live_seen > 0) == (mode == RIG_LIVE), "%llu seen live",
              (unsigned long long)live_seen);
    rig_close(&rig);
}

Test(residency, no_gap_and_no_double_at_any_fuel_strict)
{
    count_at_every_fuel(RIG_STRICT);
}

Test(residency, no_gap_and_no_double_at_any_fuel_live)
{
    count_at_every_fuel(RIG_LIVE);
}

/* Besides fuel: small budgets, windows of one slot, short chains, many invocations. */
static void count_with_odd_params(enum rig_mode mode)
{
    static const struct {
        uint32_t local_size;
        gyre_kernel_params params;
    } variants[] = {
        {1, {.message_budget = 1, .chain = 1}},
        {1, {.message_budget = 3, .fuel = 2}},
        {1, {.window = 1, .output_window = 1, .queue_size = 1}},
        {8, {.window = 2, .output_window = 1, .fuel = 5}},
        {32, {.fuel = 9, .chain = 3}},
        {64, {.message_budget = 7, .idle_ns = 1}},
    };
    struct rig rig;
    rig_open(&rig, mode);
    for (size_t i = 0; i < LENGTH(variants); ++i) {
        gyre_kernel_params params = variants[i].params;
        params.id = "counter";
        params.glsl = rig_glsl(COUNTER_STRUCTS, variants[i].local_size, COUNTER);
        gyre_kernel *kernel = rig_active(&rig, params);
        count_through(kernel, 2000);
        gyre_kernel_destroy(kernel);
    }
    rig_close(&rig);
}

Test(residency, no_gap_and_no_double_with_odd_parameters)
{
    count_with_odd_params(RIG_STRICT);
    count_with_odd_params(RIG_LIVE);
}

/* What the device has answered waits for a reader; meanwhile the kernel is idle, and goes on when
 * it is read. */
static void leave_answers_unread(enum rig_mode mode)
{
    struct rig rig;
    rig_open(&rig, mode);
    gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){
                                               .id = "counter",
                                               .glsl = rig_glsl(COUNTER_STRUCTS, 1, COUNTER),
                                               .queue_size = 16,
                                               .window = 4,
                                               .output_window = 64,
                                           });
    uint32_t sent = 0;
    uint64_t submissions = UINT64_MAX;
    for (uint32_t quiet = 0; quiet < 10;) {
        uint32_t value = scramble(sent);
        gyre_result result = gyre_try_send(
            kernel, &(gyre_message){.data = &value, .size = sizeof value, .correlation = sent});
        if (result == GYRE_OK) {
            sent += 1;
            quiet = 0;
            continue;
        }
        cr_assert(result == GYRE_ERROR_FULL, "%s", gyre_result_name(result));
        nanosleep(&(struct timespec){.tv_nsec = 20 * (long)MS}, NULL);
        quiet = flow_stats(kernel).submissions == submissions ? quiet + 1 : 0;
        submissions = flow_stats(kernel).submissions;
    }
    cr_assert(flow_stats(kernel).fault == GYRE_OK, "%s", rig.log);
    struct counter counter = {0};
    for (uint32_t i = 0; i < sent; ++i) {
        struct response response;
        gyre_reply reply = {.data = &response, .capacity = sizeof response};
        ok(gyre_receive(kernel, &reply, 60 * S));
        cr_assert(reply.correlation == i && check_count(&counter, i, &reply));
    }
    cr_assert(flow_rest(kernel).processed == sent);
    rig_close(&rig);
}

Test(residency, unread_answers_hold_the_kernel_back_and_cost_nothing)
{
    leave_answers_unread(RIG_STRICT);
    leave_answers_unread(RIG_LIVE);
}
