/* A message to each invocation (GYRE_PER_INVOCATION): every one exactly once and in order, whatever
 * the size of the workgroup, whatever its neighbours do, and wherever residencies end. */
#include "flow.h"
#include "tasks.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "counting.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define MESSAGES_MAX 100000u

/* `starts` counts for each message how often it was begun without its handler being told that it
 * had been before. */
static const char STRUCTS[] =
    "struct Request { uint index; uint value; uint turns; };\n"
    "struct Response { uint index; uint hash; uint redelivered; uint starts; uint lane; };\n"
    "layout(std430, set = 1, binding = 0) buffer Starts { uint starts[]; };\n"
    "#define GYRE_INPUT Request\n"
    "#define GYRE_OUTPUT Response\n"
    "#define GYRE_PER_INVOCATION\n";

static const char WORKER[] = "void main() {\n"
                             "    while (gyre_receive()) {\n"
                             "        if (gyre_has_message()) {\n"
                             "            starts[GYRE_IN.index] += gyre_redelivered() ? 0u : 1u;\n"
                             "            uint x = GYRE_IN.value;\n"
                             "            for (uint i = 0u; i < GYRE_IN.turns; ++i) {\n"
                             "                x = x * 1664525u + 1013904223u;\n"
                             "            }\n"
                             "            GYRE_OUT.index = GYRE_IN.index;\n"
                             "            GYRE_OUT.hash = x;\n"
                             "            GYRE_OUT.redelivered = gyre_redelivered() ? 1u : 0u;\n"
                             "            GYRE_OUT.starts = starts[GYRE_IN.index];\n"
                             "            GYRE_OUT.lane = gl_LocalInvocationIndex;\n"
                             "            gyre_send();\n"
                             "        }\n"
                             "    }\n"
                             "}\n";

struct request {
    uint32_t index;
    uint32_t value;
    uint32_t turns;
};

struct response {
    uint32_t index;
    uint32_t hash;
    uint32_t redelivered;
    uint32_t starts;
    uint32_t lane;
};

struct model {
    uint32_t (*turns)(uint32_t index);
    uint32_t limit; /* profile.loop_limit */
    uint32_t refused;
    uint32_t redelivered;
    uint32_t highest_lane;
    uint32_t starts[MESSAGES_MAX];
};

static uint32_t scramble(uint32_t value)
{
    value = (value ^ value >> 16) * 0x45d9f3bu;
    value = (value ^ value >> 16) * 0x45d9f3bu;
    return value ^ value >> 16;
}

static uint32_t turn(uint32_t x, uint32_t turns)
{
    for (uint32_t i = 0; i < turns; ++i) {
        x = x * 1664525u + 1013904223u;
    }
    return x;
}

static uint32_t no_turns(uint32_t index)
{
    (void)index;
    return 0;
}

static void fill(void *user, uint32_t index, void *message)
{
    const struct model *model = user;
    *(struct request *)message = (struct request){index, scramble(index), model->turns(index)};
}

/* The loops of engine and handler beside the message's own, in the residency that it is alone in.
 */
#define OTHER_TURNS 64u

static bool check(void *user, uint32_t index, const gyre_reply *reply)
{
    struct model *model = user;
    const struct response *response = reply->data;
    uint32_t turns = model->turns(index);
    model->redelivered += (reply->flags & GYRE_REPLY_REDELIVERED) != 0;
    model->starts[index] += 1; /* the device's count of it, but for those refused */
    if (reply->result != GYRE_OK) {
        model->refused += 1;
        return reply->result == GYRE_ERROR_LOOP_LIMIT && reply->size == 0 && model->limit &&
               turns + OTHER_TURNS > model->limit;
    }
    model->highest_lane = response->lane > model->highest_lane ? response->lane
                                                               : model->highest_lane;
    return (!model->limit || turns < model->limit) && response->index == index &&
           response->hash == turn(scramble(index), turns) &&
           response->starts == model->starts[index] &&
           response->redelivered == (reply->flags & GYRE_REPLY_REDELIVERED);
}

static gyre_stats run(struct rig *rig, struct model *model, uint32_t local_size, uint32_t count,
                      gyre_kernel_params params)
{
    static const gyre_binding starts = {
        .set = 1, .binding = 0, .size = MESSAGES_MAX * sizeof(uint32_t)};
    params.id = "worker";
    params.glsl = rig_glsl(STRUCTS, local_size, WORKER);
    params.bindings = &starts;
    params.binding_count = 1;
    model->limit = rig->profile.loop_limit;
    gyre_kernel *kernel = rig_active(rig, params);
    flow_run(&(struct flow){
        .kernel = kernel,
        .count = count,
        .unordered = params.workgroups > 1,
        .message_size = sizeof(struct request),
        .answer_size = sizeof(struct response),
        .fill = fill,
        .check = check,
        .user = model,
    });
    gyre_stats stats = flow_rest(kernel);
    cr_assert(stats.accepted == count && stats.received == count && stats.corrupt == 0);
    cr_assert(stats.processed == count - model->refused && stats.failed == model->refused);
    cr_assert(stats.redelivered >= model->redelivered, "%llu given again, %u say so",
              (unsigned long long)stats.redelivered, model->redelivered);
    gyre_kernel_destroy(kernel);
    return stats;
}

/* A37, A37b */
static void sweep(enum rig_mode mode)
{
    static const struct {
        uint32_t local_size;
        uint32_t count;
        gyre_kernel_params params;
    } variants[] = {
        {1, 20000, {.fuel = 1, .chain = 16}},
        {7, 20000, {.fuel = 2}},
        {8, 100000, {.fuel = 3}},
        {8, 20000, {.message_budget = 3, .fuel = 7}},
        {12, 20000, {.window = 4, .output_window = 4}},
        {32, 20000, {.window = 16, .output_window = 1, .queue_size = 3}},
        {64, 100000, {.window = 1024, .first_index = UINT32_MAX - 1000}},
        {64, 20000, {.message_budget = 100, .idle_ns = 1}},
        {128, 100000, {.workgroups = 3, .window = 256, .fuel = 100}},
    };
    struct rig rig;
    rig_open(&rig, mode);
    for (size_t i = 0; i < LENGTH(variants); ++i) {
        struct model model = {.turns = no_turns};
        uint32_t count = variants[i].count / (TASKS_SANITIZED ? 10 : 1);
        gyre_stats stats = run(&rig, &model, variants[i].local_size, count, variants[i].params);
        uint32_t fuel = variants[i].params.fuel;
        cr_assert(stats.failed == 0 && stats.live == (mode == RIG_LIVE));
        cr_assert(model.highest_lane < variants[i].local_size);
        cr_assert(!fuel || stats.residencies * fuel * variants[i].local_size >= stats.processed);
    }
    rig_close(&rig);
}

Test(invocations, no_gap_and_no_double_wherever_residencies_end_strict)
{
    sweep(RIG_STRICT);
}

Test(invocations, no_gap_and_no_double_wherever_residencies_end_live)
{
    sweep(RIG_LIVE);
}

/* What lies there when a residency looks is taken together: each invocation one. */
Test(invocations, as_many_as_there_are_get_a_message)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    static struct request requests[100];
    gyre_message messages[LENGTH(requests)];
    for (uint32_t i = 0; i < LENGTH(requests); ++i) {
        requests[i] = (struct request){.index = i, .value = i};
        messages[i] = (gyre_message){.data = &requests[i], .size = sizeof requests[i]};
    }
    static const gyre_binding starts = {
        .set = 1, .binding = 0, .size = MESSAGES_MAX * sizeof(uint32_t)};
    gyre_kernel *kernel =
        rig_launch(&rig, (gyre_kernel_params){.id = "worker",
                                              .glsl = rig_glsl(STRUCTS, 64, WORKER),
                                              .bindings = &starts,
                                              .binding_count = 1,
                                              .message_budget = 1000,
                                              .window = 256});
    uint32_t sent = 0;
    ok(gyre_send_batch(kernel, messages, LENGTH(requests), PATIENCE, &sent));
    cr_assert(sent == LENGTH(requests));
    ok(gyre_kernel_activate(kernel));
    for (uint32_t i = 0; i < LENGTH(requests); ++i) {
        struct response response;
        gyre_reply reply = {.data = &response, .capacity = sizeof response};
        ok(gyre_receive(kernel, &reply, PATIENCE));
        cr_assert(reply.result == GYRE_OK && response.index == i && response.lane == i % 64,
                  "message %u: %u by invocation %u", i, response.index, response.lane);
    }
    rig_close(&rig);
}

/* ---- where the driver cuts loops ---- */

static uint32_t a_third(uint32_t index)
{
    return index % 5 == 0 ? 20000 : 3;
}

static uint32_t a_half(uint32_t index)
{
    return 30000 + index % 7;
}

static uint32_t too_long_now_and_then(uint32_t index)
{
    static const uint32_t turns[] = {5, 70000, 60000, 3, 200000, 1000, 0, 65536, 1, 2, 3};
    return turns[index % LENGTH(turns)];
}

/* From lengths that fit to lengths that do not: each is right or refused. */
static uint32_t around_the_limit(uint32_t index)
{
    return 64000 + index * 41 % 3000;
}

static void be_cut(enum rig_mode mode)
{
    static uint32_t (*const turns[])(uint32_t) = {a_third, a_half, too_long_now_and_then,
                                                  around_the_limit};
    static const uint32_t sizes[] = {1, 8, 12, 64};
    struct rig rig;
    rig_open(&rig, mode);
    for (size_t s = 0; s < LENGTH(sizes); ++s) {
        for (size_t i = 0; i < LENGTH(turns); ++i) {
            struct model model = {.turns = turns[i]};
            gyre_stats stats =
                run(&rig, &model, sizes[s], TASKS_SANITIZED ? 66 : 300, (gyre_kernel_params){0});
            bool cuts = rig.profile.loop_limit != 0;
            cr_assert(cuts || (!stats.exits.cut && !model.redelivered));
            cr_assert((model.refused > 0) == (cuts && i >= 2), "%u refused", model.refused);
        }
    }
    rig_close(&rig);
}

Test(invocations, one_that_is_cut_takes_no_other_with_it_strict)
{
    be_cut(RIG_STRICT);
}

Test(invocations, one_that_is_cut_takes_no_other_with_it_live)
{
    be_cut(RIG_LIVE);
}

/* ---- chains of kernels ---- */

enum { STAGES = 3, CHAIN_MESSAGES = 3000, ACTIONS_BITS = 4 };
enum { ON = 9, NOTHING, FAIL, TO_HOST, NO_PORT, WORK, TWICE }; /* up to ON: sent on as it is */

/* What every stage is to do with a message stands in it. Those that are not sent on leave gaps
 * among those that are. */
static const char CHAIN_STRUCTS[] = "struct Step { uint tag; uint actions; uint path; };\n"
                                    "#define GYRE_INPUT Step\n"
                                    "#define GYRE_OUTPUT Step\n"
                                    "#define GYRE_PER_INVOCATION\n";

static const char CHAIN[] =
    "layout(std430, set = 1, binding = 0) readonly buffer Me { uint number; };\n"
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        if (gyre_has_message()) {\n"
    "            uint action = GYRE_IN.actions >> number * 4u & 15u;\n"
    "            uint path = GYRE_IN.path;\n"
    "            for (uint i = 0u; i < (action == 14u ? 2000u : 0u); ++i) {\n"
    "                path = path * 5u + i;\n"
    "            }\n"
    "            GYRE_OUT.tag = GYRE_IN.tag;\n"
    "            GYRE_OUT.actions = GYRE_IN.actions;\n"
    "            GYRE_OUT.path = path * 4u + number + gyre_message_hops();\n"
    "            if (action < 10u || action >= 14u) {\n"
    "                gyre_send();\n"
    "            }\n"
    "            if (action == 11u) {\n"
    "                gyre_fail(GYRE_IN.tag);\n"
    "            }\n"
    "            if (action == 12u) {\n"
    "                gyre_send_to(GYRE_HOST);\n"
    "            }\n"
    "            if (action == 13u) {\n"
    "                gyre_send_to(3u);\n"
    "            }\n"
    "            if (action == 15u) {\n"
    "                gyre_send();\n"
    "            }\n"
    "        }\n"
    "    }\n"
    "}\n";

struct step {
    uint32_t tag;
    uint32_t actions;
    uint32_t path;
};

/* Where a message ends, and how. */
struct end {
    uint32_t stage;
    gyre_result result;
    bool silent;
    uint32_t path;
};

static uint32_t actions_of(uint32_t tag)
{
    uint32_t actions = 0;
    for (uint32_t stage = 0; stage < STAGES; ++stage) {
        uint32_t drawn = scramble(tag * STAGES + stage);
        uint32_t action = drawn % 8 == 0 ? drawn / 8 % 16 : drawn / 8 % (ON + 1);
        actions |= action << stage * ACTIONS_BITS;
    }
    return actions;
}

static struct end end_of(uint32_t tag)
{
    uint32_t path = 1;
    for (uint32_t stage = 0;; ++stage) {
        uint32_t action = actions_of(tag) >> stage * ACTIONS_BITS & 15;
        for (uint32_t i = 0; action == WORK && i < 2000; ++i) {
            path = path * 5 + i;
        }
        path = path * 4 + stage + stage;
        struct end end = {.stage = stage, .path = path};
        end.silent = action == NOTHING;
        end.result = action == FAIL      ? GYRE_ERROR_HANDLER
                     : action == NO_PORT ? GYRE_ERROR_NO_ROUTE
                     : action == TWICE   ? GYRE_ERROR_OVERSENT
                                         : GYRE_OK;
        bool ends = action == TO_HOST || end.silent || end.result != GYRE_OK;
        if (ends || stage == STAGES - 1) {
            return end;
        }
    }
}

static void *send_steps(void *argument)
{
    for (uint32_t i = 0; i < CHAIN_MESSAGES; ++i) {
        struct step step = {i, actions_of(i), 1};
        gyre_message message = {.data = &step, .size = sizeof step, .correlation = i};
        if (gyre_send(argument, &message, PATIENCE) != GYRE_OK) {
            return argument;
        }
    }
    return NULL;
}

static void take_stage(gyre_kernel *kernel, uint32_t stage)
{
    for (uint32_t tag = 0; tag < CHAIN_MESSAGES; ++tag) {
        struct end end = end_of(tag);
        if (end.stage != stage || end.silent) {
            continue;
        }
        struct step step;
        gyre_reply reply = {.data = &step, .capacity = sizeof step};
        ok(gyre_receive(kernel, &reply, PATIENCE));
        cr_assert(reply.correlation == tag && reply.result == end.result,
                  "stage %u, message %u: %llu, %s instead of %s", stage, tag,
                  (unsigned long long)reply.correlation, gyre_result_name(reply.result),
                  gyre_result_name(end.result));
        cr_assert(end.result != GYRE_OK || (step.tag == tag && step.path == end.path),
                  "stage %u, message %u: path %x, not %x", stage, tag, step.path, end.path);
    }
    gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &(gyre_reply){0}));
}

static void check_stage_books(gyre_kernel *kernel, uint32_t stage)
{
    uint64_t came = 0;
    uint64_t failed = 0;
    uint64_t on = 0;
    for (uint32_t tag = 0; tag < CHAIN_MESSAGES; ++tag) {
        struct end end = end_of(tag);
        came += end.stage >= stage;
        on += end.stage > stage;
        failed += end.stage == stage && end.result != GYRE_OK;
    }
    gyre_stats stats = flow_stats(kernel);
    cr_assert(stats.accepted == came && stats.failed == failed &&
                  stats.processed == came - failed && stats.forwarded == on && stats.corrupt == 0,
              "stage %u: accepted %llu of %llu, failed %llu of %llu, forwarded %llu of %llu", stage,
              (unsigned long long)stats.accepted, (unsigned long long)came,
              (unsigned long long)stats.failed, (unsigned long long)failed,
              (unsigned long long)stats.forwarded, (unsigned long long)on);
}

static void run_chain(struct rig *rig, uint32_t local_size, uint32_t slots,
                      gyre_kernel_params params)
{
    static const char *const ids[STAGES] = {"0", "1", "2"};
    gyre_kernel *stages[STAGES];
    for (uint32_t i = 0; i < STAGES; ++i) {
        gyre_binding me = {.set = 1, .binding = 0, .data = &i, .size = sizeof i};
        params.id = ids[i];
        params.glsl = rig_glsl(CHAIN_STRUCTS, local_size, CHAIN);
        params.bindings = &me;
        params.binding_count = 1;
        params.output_queue_size = CHAIN_MESSAGES;
        stages[i] = rig_launch(rig, params);
        if (i > 0) {
            ok(gyre_link(stages[i - 1], 0, stages[i], &(gyre_link_params){.slots = slots}));
        }
    }
    ok(gyre_kernels_activate(stages, STAGES));
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, send_steps, stages[0]) == 0);
    void *trouble = NULL;
    pthread_join(thread, &trouble);
    cr_assert_null(trouble);
    for (uint32_t i = 0; i < STAGES; ++i) {
        ok(gyre_kernel_terminate(stages[i], GYRE_DRAIN, PATIENCE, NULL));
    }
    for (uint32_t i = 0; i < STAGES; ++i) {
        check_stage_books(stages[i], i);
    }
    for (uint32_t i = 0; i < STAGES; ++i) {
        take_stage(stages[i], i);
    }
}

Test(invocations, chains_pass_on_what_was_sent_and_nothing_else)
{
    for (BOTH_MODES(mode)) {
        static const struct {
            uint32_t local_size;
            uint32_t slots;
            gyre_kernel_params params;
        } variants[] = {
            {1, 16, {.fuel = 7}},
            {8, 4, {.first_index = UINT32_MAX - 100}},
            {64, 256, {.window = 256}},
            {12, 32, {.message_budget = 5, .chain = 1}},
        };
        for (size_t i = 0; i < LENGTH(variants); ++i) {
            struct rig rig;
            rig_open(&rig, mode);
            run_chain(&rig, variants[i].local_size, variants[i].slots, variants[i].params);
            rig_close(&rig);
        }
    }
}
