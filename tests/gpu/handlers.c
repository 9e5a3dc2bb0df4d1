/* What a handler may do, and what comes of it: none, some or too many answers, failures, early
 * returns, what it may ask about its message, several workgroups, buffers of its own. */
#include "flow.h"

#include <stdlib.h>

#include "counting.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Each message says what to do with it. */
static const char OPERATIONS_STRUCTS[] =
    "struct Request { uint value; uint sends; uint fails; uint goes; };\n"
    "struct Response { uint value; uint which; };\n"
    "struct State { uint n; };\n"
    "#define GYRE_INPUT Request\n"
    "#define GYRE_OUTPUT Response\n"
    "#define GYRE_STATE State\n"
    "#define GYRE_MAX_SENDS 3\n";

/* `fails`: 1 before, 2 amid its answers; the first code counts. `goes`: return from main after it.
 */
static const char OPERATIONS[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        if (GYRE_IN.fails == 1u) {\n"
    "            gyre_fail(GYRE_IN.value);\n"
    "        }\n"
    "        for (uint i = 0u; i < GYRE_IN.sends; ++i) {\n"
    "            if (gl_LocalInvocationIndex == gl_WorkGroupSize.x - 1u) {\n"
    "                GYRE_OUT.value = GYRE_IN.value;\n"
    "                GYRE_OUT.which = i;\n"
    "            }\n"
    "            gyre_send();\n"
    "            if (GYRE_IN.fails == 2u) {\n"
    "                gyre_fail(GYRE_IN.value + i);\n"
    "            }\n"
    "        }\n"
    "        if (GYRE_IN.goes != 0u) {\n"
    "            return;\n"
    "        }\n"
    "    }\n"
    "}\n";

/* The same, one to each invocation; none returns, which all would have to. */
static const char OPERATIONS_EACH[] =
    "struct Request { uint value; uint sends; uint fails; uint goes; };\n"
    "struct Response { uint value; uint which; };\n"
    "#define GYRE_INPUT Request\n"
    "#define GYRE_OUTPUT Response\n"
    "#define GYRE_PER_INVOCATION\n"
    "#define GYRE_MAX_SENDS 3\n";

static const char OPERATE_EACH[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        if (gyre_has_message() && GYRE_IN.fails == 1u) {\n"
    "            gyre_fail(GYRE_IN.value);\n"
    "        }\n"
    "        for (uint i = 0u; gyre_has_message() && i < GYRE_IN.sends; ++i) {\n"
    "            GYRE_OUT.value = GYRE_IN.value;\n"
    "            GYRE_OUT.which = i;\n"
    "            gyre_send();\n"
    "            if (GYRE_IN.fails == 2u) {\n"
    "                gyre_fail(GYRE_IN.value + i);\n"
    "            }\n"
    "        }\n"
    "    }\n"
    "}\n";

struct request {
    uint32_t value;
    uint32_t sends;
    uint32_t fails;
    uint32_t goes;
};

struct response {
    uint32_t value;
    uint32_t which;
};

static struct request operation(uint32_t index)
{
    uint32_t mixed = (index * 2654435761u) >> 8;
    return (struct request){
        .value = index * 3 + 1,
        .sends = mixed % 16 == 0 ? 4 + index % 3 : mixed % 4,
        .fails = mixed / 16 % 4 == 0 ? 1 + mixed / 64 % 2 : 0,
        .goes = mixed / 128 % 16 == 0,
    };
}

/* What must come of a message: how many replies, and the result of each. */
struct outcome {
    uint32_t replies;
    gyre_result result;
    uint32_t code;
    bool silent;
};

static struct outcome outcome_of(struct request request, bool report_all)
{
    bool failed = request.fails == 1 || (request.fails == 2 && request.sends > 0);
    if (failed) {
        return (struct outcome){.replies = 1, .result = GYRE_ERROR_HANDLER, .code = request.value};
    }
    if (request.sends > 3) {
        return (struct outcome){.replies = 1, .result = GYRE_ERROR_OVERSENT};
    }
    bool silent = request.sends == 0;
    return (struct outcome){.replies = silent ? report_all : request.sends, .silent = silent};
}

#define OPERATIONS_COUNT 3000u

static void *send_operations(void *argument)
{
    for (uint32_t i = 0; i < OPERATIONS_COUNT; ++i) {
        struct request request = operation(i);
        gyre_message message = {.data = &request, .size = sizeof request, .correlation = i};
        if (gyre_send(argument, &message, PATIENCE) != GYRE_OK) {
            return argument;
        }
    }
    return NULL;
}

/* What has come so far. */
struct tally {
    uint32_t replies[OPERATIONS_COUNT];
    uint32_t last; /* message that was answered last; silence is told when it is noticed */
};

static void expect(gyre_kernel *kernel, bool report_all, struct tally *tally)
{
    struct response response = {0};
    gyre_reply reply = {.data = &response, .capacity = sizeof response};
    ok(gyre_receive(kernel, &reply, PATIENCE));
    uint32_t index = (uint32_t)reply.correlation;
    cr_assert(index < OPERATIONS_COUNT);
    struct outcome outcome = outcome_of(operation(index), report_all);
    uint32_t which = tally->replies[index]++;
    cr_assert(which < outcome.replies, "message %u: more than %u replies", index, outcome.replies);
    cr_assert(outcome.silent || index >= tally->last, "message %u after %u", index, tally->last);
    tally->last = outcome.silent ? tally->last : index;
    gives(outcome.result, reply.result);
    cr_assert(((reply.flags & GYRE_REPLY_SILENT) != 0) == outcome.silent &&
                  reply.code == outcome.code,
              "message %u: flags %u, code %u", index, reply.flags, reply.code);
    bool answers = outcome.result == GYRE_OK && !outcome.silent;
    cr_assert(reply.size == (answers ? sizeof response : 0));
    cr_assert(!answers || (response.value == operation(index).value && response.which == which),
              "message %u, answer %u: %u %u", index, which, response.value, response.which);
}

/* All replies, then none. */
static void expect_all(gyre_kernel *kernel, bool report_all)
{
    static struct tally tally;
    tally = (struct tally){0};
    uint32_t replies = 0;
    for (uint32_t i = 0; i < OPERATIONS_COUNT; ++i) {
        replies += outcome_of(operation(i), report_all).replies;
    }
    for (uint32_t i = 0; i < replies; ++i) {
        expect(kernel, report_all, &tally);
    }
    ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
    gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &(gyre_reply){0}));
}

static void check_books(gyre_kernel *kernel, bool each)
{
    uint32_t failed = 0;
    uint32_t returns = 0;
    struct outcome last = {0};
    for (uint32_t i = 0; i < OPERATIONS_COUNT; ++i) {
        struct outcome outcome = outcome_of(operation(i), false);
        failed += outcome.result != GYRE_OK;
        returns += each ? 0 : operation(i).goes;
        last = outcome.result != GYRE_OK ? outcome : last;
    }
    gyre_stats stats = flow_stats(kernel);
    cr_assert(stats.accepted == OPERATIONS_COUNT && stats.failed == failed &&
              stats.processed == OPERATIONS_COUNT - failed);
    cr_assert(stats.last_error == last.result && stats.last_error_code == last.code);
    cr_assert(stats.exits.returned >= returns && stats.dropped == 0 && stats.corrupt == 0);
}

static void operate(struct rig *rig, uint32_t local_size, bool report_all, bool each)
{
    gyre_kernel *kernel =
        rig_active(rig, (gyre_kernel_params){
                            .id = "operations",
                            .glsl = rig_glsl(each ? OPERATIONS_EACH : OPERATIONS_STRUCTS,
                                             local_size, each ? OPERATE_EACH : OPERATIONS),
                            .report_all = report_all,
                        });
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, send_operations, kernel) == 0);
    expect_all(kernel, report_all);
    void *trouble = NULL;
    pthread_join(thread, &trouble);
    cr_assert_null(trouble);
    check_books(kernel, each);
    gyre_kernel_destroy(kernel);
}

Test(handlers, may_send_some_answers_or_none_or_fail_or_return_at_any_message)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        operate(&rig, 1, false, false);
        operate(&rig, 1, true, false);
        operate(&rig, 8, true, false);
        operate(&rig, 12, false, false);
        rig_close(&rig);
    }
}

Test(handlers, each_invocation_may_do_so_with_a_message_of_its_own)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        operate(&rig, 1, true, true);
        operate(&rig, 8, false, true);
        operate(&rig, 12, true, true);
        operate(&rig, 64, false, true);
        rig_close(&rig);
    }
}

/* A40 */
Test(handlers, a_failure_is_counted_with_its_code_and_its_message)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(
            &rig, (gyre_kernel_params){.id = "operations",
                                       .glsl = rig_glsl(OPERATIONS_STRUCTS, 1, OPERATIONS)});
        uint64_t id = 0;
        struct request request = {.value = 77, .fails = 1, .sends = 2};
        ok(gyre_send(kernel, &(gyre_message){.data = &request, .size = sizeof request, .id = &id},
                     PATIENCE));
        struct response response;
        gyre_reply reply = {.data = &response, .capacity = sizeof response};
        ok(gyre_receive(kernel, &reply, PATIENCE));
        cr_assert(reply.result == GYRE_ERROR_HANDLER && reply.code == 77 && reply.id == id &&
                  reply.size == 0);
        request = (struct request){.value = 5, .sends = 1};
        reply = flow_ask(kernel, &request, sizeof request, &response, sizeof response);
        cr_assert(reply.result == GYRE_OK && response.value == 5);
        gyre_stats stats = flow_rest(kernel);
        cr_assert(stats.failed == 1 && stats.processed == 1);
        cr_assert(stats.last_error == GYRE_ERROR_HANDLER && stats.last_error_code == 77 &&
                  stats.last_error_id == id);
        rig_close(&rig);
    }
}

static const char CONTEXT_STRUCTS[] =
    "struct Request { uint value; };\n"
    "struct Response { uint key; uint priority; uvec2 correlation; uint type; uvec2 id; uint runs; uint ends;\n"
    "    uint first; uint firsts; uint group; };\n"
    "struct State { uint firsts; };\n"
    "#define GYRE_INPUT Request\n"
    "#define GYRE_OUTPUT Response\n"
    "#define GYRE_STATE State\n";

static const char CONTEXT[] = "void main() {\n"
                              "    if (gyre_first_run() && gl_LocalInvocationIndex == 0u) {\n"
                              "        GYRE_SELF.firsts += 1u;\n"
                              "    }\n"
                              "    while (gyre_receive()) {\n"
                              "        bool runs = gyre_is_active();\n"
                              "        bool ends = gyre_should_terminate();\n"
                              "        if (gl_LocalInvocationIndex == 0u) {\n"
                              "            GYRE_OUT.key = gyre_message_key();\n"
                              "            GYRE_OUT.priority = gyre_message_priority();\n"
                              "            GYRE_OUT.correlation = gyre_message_correlation();\n"
                              "            GYRE_OUT.type = gyre_message_type();\n"
                              "            GYRE_OUT.id = gyre_kernel_id();\n"
                              "            GYRE_OUT.runs = runs ? 1u : 0u;\n"
                              "            GYRE_OUT.ends = ends ? 1u : 0u;\n"
                              "            GYRE_OUT.first = gyre_first_run() ? 1u : 0u;\n"
                              "            GYRE_OUT.firsts = GYRE_SELF.firsts;\n"
                              "            GYRE_OUT.group = gl_WorkGroupID.x;\n"
                              "        }\n"
                              "        gyre_send();\n"
                              "    }\n"
                              "}\n";

struct context {
    uint32_t key;
    uint32_t priority;
    uint32_t correlation[2];
    uint32_t type;
    uint32_t padding;
    uint32_t id[2];
    uint32_t runs;
    uint32_t ends;
    uint32_t first;
    uint32_t firsts;
    uint32_t group;
};

static void ask_context(gyre_kernel *kernel, uint32_t index, struct context *context)
{
    uint32_t value = index;
    ok(gyre_send(kernel,
                 &(gyre_message){
                     .data = &value,
                     .size = sizeof value,
                     .key = ~index,
                     .priority = index * 85 % 256,
                     .correlation = (uint64_t)index << 40 | 17,
                 },
                 PATIENCE));
    gyre_reply reply = {.data = context, .capacity = sizeof *context};
    ok(gyre_receive(kernel, &reply, PATIENCE));
    cr_assert(reply.priority == index * 85 % 256 &&
              reply.correlation == ((uint64_t)index << 40 | 17));
}

/* gyre_first_run() is true once in the life of a kernel, however often its residencies end. */
Test(handlers, know_their_message_and_their_kernel)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(
            &rig, (gyre_kernel_params){
                      .id = "context", .glsl = rig_glsl(CONTEXT_STRUCTS, 8, CONTEXT), .fuel = 3});
        uint32_t id[2] = {0};
        for (uint32_t i = 0; i < 100; ++i) {
            struct context got = {0};
            ask_context(kernel, i, &got);
            cr_assert(got.key == ~i && got.priority == i * 85 % 256, "key %x priority %u", got.key,
                      got.priority);
            cr_assert(got.correlation[0] == 17 && got.correlation[1] == i << 8 && got.type == 0);
            cr_assert(i == 0 || (got.id[0] == id[0] && got.id[1] == id[1]));
            memcpy(id, got.id, sizeof id);
            cr_assert(got.runs == 1 && got.ends == 0);
            cr_assert(got.first == 0 && got.firsts == 1, "%u first runs", got.firsts);
            if (i % 40 == 39) {
                ok(gyre_kernel_deactivate(kernel, PATIENCE));
                ok(gyre_kernel_reactivate(kernel));
            }
        }
        rig_close(&rig);
    }
}

/* The state of a workgroup is its own; each message goes to one of them. */
static const char GROUPS_STRUCTS[] = "struct Request { uint value; };\n"
                                     "struct Response { uint value; uint group; uint n; };\n"
                                     "struct State { uint n; uint ballast[100]; };\n"
                                     "#define GYRE_INPUT Request\n"
                                     "#define GYRE_OUTPUT Response\n"
                                     "#define GYRE_STATE State\n";

static const char GROUPS[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        if (gl_LocalInvocationIndex == 0u) {\n"
    "            GYRE_SELF.n += 1u;\n"
    "            GYRE_SELF.ballast[GYRE_SELF.n % 100u] = GYRE_IN.value;\n"
    "            GYRE_OUT.value = GYRE_SELF.ballast[GYRE_SELF.n % 100u] * 5u;\n"
    "            GYRE_OUT.group = gl_WorkGroupID.x;\n"
    "            GYRE_OUT.n = GYRE_SELF.n;\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

#define GROUPS_MAX 16u

struct groups {
    uint32_t count;
    uint32_t n[GROUPS_MAX];
};

static void fill_value(void *user, uint32_t index, void *message)
{
    (void)user;
    *(uint32_t *)message = index;
}

/* All messages are of one priority, so each workgroup answers in its order. */
static bool check_groups(void *user, uint32_t index, const gyre_reply *reply)
{
    struct groups *groups = user;
    const struct {
        uint32_t value;
        uint32_t group;
        uint32_t n;
    } *response = reply->data;
    if (reply->result != GYRE_OK || response->group >= groups->count) {
        return false;
    }
    groups->n[response->group] += 1;
    return response->value == index * 5 && response->n == groups->n[response->group];
}

static void share_out(struct rig *rig, gyre_kernel_params params, uint32_t messages)
{
    params.id = "groups";
    params.glsl = rig_glsl(GROUPS_STRUCTS, 8, GROUPS);
    gyre_kernel *kernel = rig_active(rig, params);
    struct groups groups = {.count = params.workgroups};
    flow_run(&(struct flow){
        .kernel = kernel,
        .count = messages,
        .unordered = true,
        .message_size = sizeof(uint32_t),
        .answer_size = 3 * sizeof(uint32_t),
        .fill = fill_value,
        .check = check_groups,
        .user = &groups,
    });
    gyre_stats stats = flow_rest(kernel);
    cr_assert(stats.processed == messages && stats.window == 0, "processed %llu, window %llu",
              (unsigned long long)stats.processed, (unsigned long long)stats.window);
    cr_assert(stats.redelivered == 0 || rig->profile.loop_limit);
    for (uint32_t i = 0; i < groups.count; ++i) {
        cr_assert(groups.n[i] > 0, "workgroup %u of %u did nothing", i, groups.count);
    }
    gyre_kernel_destroy(kernel);
}

Test(handlers, run_in_several_workgroups_with_each_message_in_one)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        share_out(&rig, (gyre_kernel_params){.workgroups = 2}, 5000);
        share_out(&rig, (gyre_kernel_params){.workgroups = 3, .fuel = 2}, 3000);
        share_out(&rig, (gyre_kernel_params){.workgroups = 16, .message_budget = 5}, 5000);
        share_out(&rig, (gyre_kernel_params){.workgroups = 16}, 20000);
        rig_close(&rig);
    }
}

/* A table to read, words to keep, in a set each; what was given is there, the rest is zero. */
static const char BOUND_STRUCTS[] =
    "struct Request { uint value; };\n"
    "struct Response { uint weight; uint scale; uint count; uint zero; };\n"
    "#define GYRE_INPUT Request\n"
    "#define GYRE_OUTPUT Response\n"
    "layout(std430, set = 1, binding = 3) readonly buffer Weights { uint weights[]; };\n"
    "layout(std430, set = 2, binding = 0) buffer Counts { uint counts[16]; };\n"
    "layout(std140, set = 2, binding = 7) uniform Scale { uvec4 scales[4]; };\n";

static const char BOUND[] = "void main() {\n"
                            "    while (gyre_receive()) {\n"
                            "        uint i = GYRE_IN.value;\n"
                            "        counts[i % 8u] += 1u;\n"
                            "        GYRE_OUT.weight = weights[i % uint(weights.length())];\n"
                            "        GYRE_OUT.scale = scales[i % 4u].z;\n"
                            "        GYRE_OUT.count = counts[i % 8u];\n"
                            "        GYRE_OUT.zero = counts[8u + i % 8u];\n"
                            "        gyre_send();\n"
                            "    }\n"
                            "}\n";

Test(handlers, read_and_write_what_is_bound)
{
    uint32_t weights[1003];
    uint32_t scales[4][4];
    for (uint32_t i = 0; i < LENGTH(weights); ++i) {
        weights[i] = i * i + 7;
        scales[i % 4][2] = 100 + i % 4;
    }
    const gyre_binding bindings[] = {
        {.set = 2, .binding = 7, .data = scales, .size = sizeof scales},
        {.set = 1, .binding = 3, .data = weights, .size = sizeof weights},
        {.set = 2, .binding = 0, .size = 16 * sizeof(uint32_t)},
    };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){
                                                   .id = "bound",
                                                   .glsl = rig_glsl(BOUND_STRUCTS, 1, BOUND),
                                                   .bindings = bindings,
                                                   .binding_count = LENGTH(bindings),
                                               });
        for (uint32_t i = 0; i < 2500; ++i) {
            struct {
                uint32_t weight;
                uint32_t scale;
                uint32_t count;
                uint32_t zero;
            } got = {0};
            gyre_reply reply = flow_ask(kernel, &i, sizeof i, &got, sizeof got);
            cr_assert(reply.result == GYRE_OK && got.weight == weights[i % LENGTH(weights)]);
            cr_assert(got.scale == 100 + i % 4 && got.count == i / 8 + 1 && got.zero == 0);
        }
        rig_close(&rig);
    }
}
