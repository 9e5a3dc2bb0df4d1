/* Handlers with loops of their own. Where the driver cuts loops (profile.loop_limit), a message that was cut is done again
 * with the state rolled back, and one that can never be whole fails by name: no wrong value, no gap, no double (A37, A37b).
 */
#include "flow.h"

#include <stdio.h>
#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define WORDS 1000u
#define LANES_MAX 64u

static uint32_t scramble(uint32_t value)
{
    value = (value ^ value >> 16) * 0x45d9f3bu;
    value = (value ^ value >> 16) * 0x45d9f3bu;
    return value ^ value >> 16;
}

/* Each message reads all of the state, runs a loop that the message says the length of, and changes all of the state. */
static const char WORKER_STRUCTS[] =
    "struct Request { uint value; uint turns; };\n"
    "struct Response { uint n; uint hash; uint redelivered; };\n"
    "struct State { uint n; uint words[1000]; };\n"
    "#define GYRE_INPUT Request\n"
    "#define GYRE_OUTPUT Response\n"
    "#define GYRE_STATE State\n";

static const char WORKER[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        uint lane = gl_LocalInvocationIndex;\n"
    "        uint lanes = gl_WorkGroupSize.x;\n"
    "        if (lane == 0u) {\n"
    "            uint hash = 0u;\n"
    "            for (uint i = 0u; i < 1000u; ++i) {\n"
    "                hash = hash * 31u + GYRE_SELF.words[i];\n"
    "            }\n"
    "            GYRE_SELF.n += 1u;\n"
    "            GYRE_OUT.n = GYRE_SELF.n;\n"
    "            GYRE_OUT.hash = hash;\n"
    "            GYRE_OUT.redelivered = gyre_redelivered() ? 1u : 0u;\n"
    "        }\n"
    "        uint x = GYRE_IN.value + lane;\n"
    "        uint turns = GYRE_IN.turns - min(GYRE_IN.turns, lane * 16u);\n"
    "        for (uint i = 0u; i < turns; ++i) {\n"
    "            x = x * 1664525u + 1013904223u;\n"
    "        }\n"
    "        barrier();\n"
    "        for (uint i = lane; i < 1000u; i += lanes) {\n"
    "            GYRE_SELF.words[i] += x + i;\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

struct request {
    uint32_t value;
    uint32_t turns;
};

struct response {
    uint32_t n;
    uint32_t hash;
    uint32_t redelivered;
};

/* What the kernel is to do, done by the host. */
struct model {
    uint32_t lanes;
    uint32_t (*turns)(uint32_t index);
    uint32_t limit; /* profile.loop_limit */
    uint32_t n;
    uint32_t words[WORDS];
    uint32_t redelivered;
    uint32_t refused;
};

static void fill_request(void *user, uint32_t index, void *message)
{
    const struct model *model = user;
    *(struct request *)message = (struct request){scramble(index), model->turns(index)};
}

static void advance(struct model *model, uint32_t value, uint32_t turns)
{
    uint32_t x[LANES_MAX];
    for (uint32_t lane = 0; lane < model->lanes; ++lane) {
        uint32_t own = lane * 16 < turns ? turns - lane * 16 : 0;
        x[lane] = value + lane;
        for (uint32_t i = 0; i < own; ++i) {
            x[lane] = x[lane] * 1664525u + 1013904223u;
        }
    }
    for (uint32_t i = 0; i < WORDS; ++i) {
        model->words[i] += x[i % model->lanes] + i;
    }
    model->n += 1;
}

static uint32_t hash_of(const struct model *model)
{
    uint32_t hash = 0;
    for (uint32_t i = 0; i < WORDS; ++i) {
        hash = hash * 31 + model->words[i];
    }
    return hash;
}

/* The loops beside the message's own: two over the state in the handler, two in the engine, and what little it needs. */
#define OTHER_TURNS (4 * WORDS + 64)

/* A message that failed has left no trace. */
static bool check_response(void *user, uint32_t index, const gyre_reply *reply)
{
    struct model *model = user;
    const struct response *response = reply->data;
    uint32_t turns = model->turns(index);
    if (reply->result != GYRE_OK) {
        model->refused += 1;
        return reply->result == GYRE_ERROR_LOOP_LIMIT && reply->size == 0 && model->limit &&
               turns + OTHER_TURNS > model->limit;
    }
    model->redelivered += response->redelivered;
    bool right = turns < model->limit || !model->limit;
    right = right && response->hash == hash_of(model) && response->n == model->n + 1 &&
            response->redelivered == (reply->flags & GYRE_REPLY_REDELIVERED);
    advance(model, scramble(index), turns);
    return right;
}

static gyre_stats work_through(struct rig *rig, struct model *model, uint32_t messages)
{
    gyre_kernel *kernel = rig_active(rig, (gyre_kernel_params){
                                              .id = "worker",
                                              .glsl = rig_glsl(WORKER_STRUCTS, model->lanes, WORKER),
                                          });
    model->limit = rig->profile.loop_limit;
    flow_run(&(struct flow){
        .kernel = kernel,
        .count = messages,
        .message_size = sizeof(struct request),
        .answer_size = sizeof(struct response),
        .fill = fill_request,
        .check = check_response,
        .user = model,
    });
    gyre_stats stats = flow_rest(kernel);
    cr_assert(stats.accepted == messages && stats.received == messages && stats.corrupt == 0);
    cr_assert(stats.processed == model->n && stats.failed == model->refused);
    gyre_kernel_destroy(kernel);
    return stats;
}

static bool driver_cuts(const struct rig *rig)
{
    const char *driver = getenv("GYRE_TEST_DRIVER");
    cr_assert(!driver || strcmp(driver, "lavapipe-22") != 0 || rig->profile.loop_limit,
              "lavapipe 22 cuts loops, the profile does not say so");
    return rig->profile.loop_limit != 0;
}

static uint32_t a_third(uint32_t index)
{
    (void)index;
    return 20000;
}

static uint32_t a_half(uint32_t index)
{
    return 30000 + index % 7;
}

static uint32_t anything_that_fits(uint32_t index)
{
    return scramble(index ^ 0x5a5a5a) % 60000;
}

static void be_cut_often(enum rig_mode mode)
{
    static uint32_t (*const turns[])(uint32_t) = {a_third, a_half, anything_that_fits};
    static const uint32_t sizes[] = {1, 7, 8, 32, 64};
    struct rig rig;
    rig_open(&rig, mode);
    for (size_t s = 0; s < LENGTH(sizes); ++s) {
        for (size_t i = 0; i < LENGTH(turns); ++i) {
            struct model model = {.lanes = sizes[s], .turns = turns[i]};
            gyre_stats stats = work_through(&rig, &model, sizes[s] == 1 ? 400 : 100);
            cr_assert(stats.failed == 0);
            cr_assert((stats.exits.cut > 0) == driver_cuts(&rig), "%llu cuts",
                      (unsigned long long)stats.exits.cut);
            cr_assert(stats.redelivered == model.redelivered && (model.redelivered > 0) == driver_cuts(&rig),
                      "%llu given again, %u say so", (unsigned long long)stats.redelivered, model.redelivered);
        }
    }
    rig_close(&rig);
}

Test(loops, a_message_that_is_cut_is_done_again_exactly_strict)
{
    be_cut_often(RIG_STRICT);
}

Test(loops, a_message_that_is_cut_is_done_again_exactly_live)
{
    be_cut_often(RIG_LIVE);
}

static uint32_t too_long_now_and_then(uint32_t index)
{
    static const uint32_t turns[] = {5, 70000, 60000, 70000, 200000, 1000, 0, 65536};
    return turns[index % LENGTH(turns)];
}

/* From lengths that fit to lengths that do not: each is right or refused. */
static uint32_t around_the_limit(uint32_t index)
{
    return 61000 + index * 41 % 5000;
}

static void exceed(enum rig_mode mode)
{
    static uint32_t (*const turns[])(uint32_t) = {too_long_now_and_then, around_the_limit};
    static const uint32_t sizes[] = {1, 8, 32};
    struct rig rig;
    rig_open(&rig, mode);
    for (size_t s = 0; s < LENGTH(sizes); ++s) {
        for (size_t i = 0; i < LENGTH(turns); ++i) {
            struct model model = {.lanes = sizes[s], .turns = turns[i]};
            gyre_stats stats = work_through(&rig, &model, 128);
            cr_assert(model.n > 0 && (model.refused > 0) == driver_cuts(&rig), "%u refused", model.refused);
            cr_assert(stats.last_error == (driver_cuts(&rig) ? GYRE_ERROR_LOOP_LIMIT : GYRE_OK));
        }
    }
    rig_close(&rig);
}

Test(loops, a_message_that_can_never_be_whole_fails_by_name_strict)
{
    exceed(RIG_STRICT);
}

Test(loops, a_message_that_can_never_be_whole_fails_by_name_live)
{
    exceed(RIG_LIVE);
}

/* One subgroup of four runs into the limit between two barriers, and reaches the others' next one too early. The message
 * fails, or the kernel does; what goes on is right. */
static const char UNEVEN[] =
    "shared uint total;\n"
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        uint lane = gl_LocalInvocationIndex;\n"
    "        if (lane == 0u) {\n"
    "            total = 0u;\n"
    "        }\n"
    "        barrier();\n"
    "        for (uint round = 0u; round < 100u; ++round) {\n"
    "            uint turns = lane / 8u == GYRE_IN.value % 4u ? GYRE_IN.turns / 100u : 1u;\n"
    "            uint x = round;\n"
    "            for (uint i = 0u; i < turns; ++i) {\n"
    "                x = x * 1664525u + 1013904223u;\n"
    "            }\n"
    "            if (lane == GYRE_IN.value % 4u * 8u) {\n"
    "                total += x;\n"
    "            }\n"
    "            barrier();\n"
    "        }\n"
    "        if (lane == 0u) {\n"
    "            GYRE_SELF.n += 1u;\n"
    "            GYRE_OUT.n = GYRE_SELF.n;\n"
    "            GYRE_OUT.hash = total;\n"
    "            GYRE_OUT.redelivered = gyre_redelivered() ? 1u : 0u;\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

static bool check_uneven(void *user, uint32_t index, const gyre_reply *reply)
{
    struct model *model = user;
    const struct response *response = reply->data;
    uint32_t turns = model->turns(index);
    if (reply->result != GYRE_OK) {
        model->refused += 1;
        return reply->result == GYRE_ERROR_LOOP_LIMIT && model->limit && turns + OTHER_TURNS > model->limit;
    }
    uint32_t total = 0;
    for (uint32_t round = 0; round < 100; ++round) {
        uint32_t x = round;
        for (uint32_t i = 0; i < turns / 100; ++i) {
            x = x * 1664525u + 1013904223u;
        }
        total += x;
    }
    model->n += 1;
    model->redelivered += response->redelivered;
    return response->n == model->n && response->hash == total &&
           response->redelivered == (reply->flags & GYRE_REPLY_REDELIVERED);
}

static uint32_t now_and_then_too_long(uint32_t index)
{
    return index % 16 == 15 ? 80000 : 25000;
}

static void be_cut_between_barriers(enum rig_mode mode)
{
    struct rig rig;
    rig_open(&rig, mode);
    gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){
                                               .id = "uneven",
                                               .glsl = rig_glsl(WORKER_STRUCTS, 32, UNEVEN),
                                           });
    struct model model = {.turns = now_and_then_too_long, .limit = rig.profile.loop_limit};
    flow_run(&(struct flow){
        .kernel = kernel,
        .count = 160,
        .message_size = sizeof(struct request),
        .answer_size = sizeof(struct response),
        .fill = fill_request,
        .check = check_uneven,
        .user = &model,
    });
    gyre_stats stats = flow_rest(kernel);
    cr_assert(model.refused == (driver_cuts(&rig) ? 10 : 0), "%u refused", model.refused);
    cr_assert(stats.processed == model.n && stats.failed == model.refused);
    rig_close(&rig);
}

Test(loops, a_subgroup_that_is_cut_between_barriers_costs_its_message_only)
{
    be_cut_between_barriers(RIG_STRICT);
    be_cut_between_barriers(RIG_LIVE);
}
