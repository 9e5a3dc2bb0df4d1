/* Handlers with loops of their own. Where the driver cuts loops (profile.loop_limit), a message
 * that was cut is done again with the state rolled back, and one that can never be whole fails by
 * name: no wrong value, no gap, no double (A37, A37b).
 */
#include "flow.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "counting.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define WORDS 1000u
#define LANES_MAX 64u
#define MESSAGES_MAX 512u

/* `starts` counts how often a handler began a message without being told that it had been begun
 * before. */
static const char STRUCTS[] =
    "struct Request { uint index; uint value; uint turns; };\n"
    "struct Response { uint n; uint hash; uint redelivered; uint starts; };\n"
    "struct State { uint n; uint words[1000]; };\n"
    "layout(std430, set = 1, binding = 0) buffer Starts { uint starts[512]; };\n"
    "#define GYRE_INPUT Request\n"
    "#define GYRE_OUTPUT Response\n"
    "#define GYRE_STATE State\n";

/* What the handlers have in common. */
static const char HELPERS[] = "uint turn(uint x, uint turns) {\n"
                              "    for (uint i = 0u; i < turns; ++i) {\n"
                              "        x = x * 1664525u + 1013904223u;\n"
                              "    }\n"
                              "    return x;\n"
                              "}\n"
                              "void begin() {\n"
                              "    starts[GYRE_IN.index] += gyre_redelivered() ? 0u : 1u;\n"
                              "}\n"
                              "void answer(uint hash) {\n"
                              "    GYRE_SELF.n += 1u;\n"
                              "    GYRE_OUT.n = GYRE_SELF.n;\n"
                              "    GYRE_OUT.hash = hash;\n"
                              "    GYRE_OUT.redelivered = gyre_redelivered() ? 1u : 0u;\n"
                              "    GYRE_OUT.starts = starts[GYRE_IN.index];\n"
                              "}\n";

struct request {
    uint32_t index;
    uint32_t value;
    uint32_t turns;
};

struct response {
    uint32_t n;
    uint32_t hash;
    uint32_t redelivered;
    uint32_t starts;
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

static bool driver_cuts(const struct rig *rig)
{
    const char *driver = getenv("GYRE_TEST_DRIVER");
    cr_assert(!driver || strcmp(driver, "lavapipe-22") != 0 || rig->profile.loop_limit,
              "lavapipe 22 cuts loops, the profile does not say so");
    return rig->profile.loop_limit != 0;
}

/* The loops beside the message's own: two over the state in the handler, two in the engine, and
 * what little it needs. */
#define OTHER_TURNS (4 * WORDS + 64)

/* A message that failed did so by name and for a reason, one that did not was begun once, or the
 * handler was told. */
static bool check_common(struct model *model, uint32_t index, const gyre_reply *reply)
{
    const struct response *response = reply->data;
    uint32_t turns = model->turns(index);
    model->redelivered += (reply->flags & GYRE_REPLY_REDELIVERED) != 0;
    if (reply->result != GYRE_OK) {
        model->refused += 1;
        return reply->result == GYRE_ERROR_LOOP_LIMIT && reply->size == 0 && model->limit &&
               turns + OTHER_TURNS > model->limit;
    }
    return (!model->limit || turns < model->limit) && response->starts == 1 &&
           response->redelivered == (reply->flags & GYRE_REPLY_REDELIVERED);
}

static void fill(void *user, uint32_t index, void *message)
{
    const struct model *model = user;
    *(struct request *)message = (struct request){index, scramble(index), model->turns(index)};
}

static gyre_kernel *begin(struct rig *rig, struct model *model, const char *handler)
{
    model->limit = rig->profile.loop_limit;
    char text[4096];
    cr_assert((size_t)snprintf(text, sizeof text, "%s%s", HELPERS, handler) < sizeof text);
    static const gyre_binding starts = {
        .set = 1, .binding = 0, .size = MESSAGES_MAX * sizeof(uint32_t)};
    return rig_active(rig, (gyre_kernel_params){
                               .id = "worker",
                               .glsl = rig_glsl(STRUCTS, model->lanes, text),
                               .bindings = &starts,
                               .binding_count = 1,
                           });
}

static void stream(gyre_kernel *kernel, struct model *model, struct flow flow)
{
    flow.kernel = kernel;
    flow.message_size = sizeof(struct request);
    flow.answer_size = sizeof(struct response);
    flow.fill = fill;
    flow.user = model;
    flow_run(&flow);
}

static gyre_stats finish(struct rig *rig, gyre_kernel *kernel, const struct model *model,
                         uint32_t messages)
{
    gyre_stats stats = flow_rest(kernel);
    cr_assert(stats.accepted == messages && stats.received == messages && stats.corrupt == 0);
    cr_assert(stats.processed == model->n && stats.failed == model->refused);
    cr_assert((stats.exits.cut > 0) == driver_cuts(rig), "%llu cuts",
              (unsigned long long)stats.exits.cut);
    /* On a slow machine each message may be the first of its residency: then none is given again.
     */
    cr_assert(
        (model->redelivered == 0 || driver_cuts(rig)) && stats.redelivered >= model->redelivered,
        "%llu given again, %u say so", (unsigned long long)stats.redelivered, model->redelivered);
    gyre_kernel_destroy(kernel);
    return stats;
}

static gyre_stats run(struct rig *rig, struct model *model, const char *handler, struct flow flow)
{
    gyre_kernel *kernel = begin(rig, model, handler);
    stream(kernel, model, flow);
    return finish(rig, kernel, model, flow.count);
}

/* Each message reads all of the state, runs as many turns as it says, and changes all of the state.
 */
static const char WORKER[] =
    "void main() {\n"
    "    uint lane = gl_LocalInvocationIndex;\n"
    "    while (gyre_receive()) {\n"
    "        if (lane == 0u) {\n"
    "            begin();\n"
    "            uint hash = 0u;\n"
    "            for (uint i = 0u; i < 1000u; ++i) {\n"
    "                hash = hash * 31u + GYRE_SELF.words[i];\n"
    "            }\n"
    "            answer(hash);\n"
    "        }\n"
    "        uint x = turn(GYRE_IN.value + lane, GYRE_IN.turns - min(GYRE_IN.turns, lane * 16u));\n"
    "        barrier();\n"
    "        for (uint i = lane; i < 1000u; i += gl_WorkGroupSize.x) {\n"
    "            GYRE_SELF.words[i] += x + i;\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

static void advance(struct model *model, uint32_t value, uint32_t turns)
{
    uint32_t x[LANES_MAX];
    for (uint32_t lane = 0; lane < model->lanes; ++lane) {
        x[lane] = turn(value + lane, lane * 16 < turns ? turns - lane * 16 : 0);
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

/* A message that failed has left no trace in the state. */
static bool check_worker(void *user, uint32_t index, const gyre_reply *reply)
{
    struct model *model = user;
    const struct response *response = reply->data;
    bool right = check_common(model, index, reply);
    if (reply->result == GYRE_OK) {
        right = right && response->hash == hash_of(model) && response->n == model->n + 1;
        advance(model, scramble(index), model->turns(index));
    }
    return right;
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
            struct flow flow = {.count = sizes[s] == 1 ? 400 : 100, .check = check_worker};
            gyre_stats stats = run(&rig, &model, WORKER, flow);
            cr_assert(stats.failed == 0 && stats.redelivered == model.redelivered);
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
            gyre_stats stats =
                run(&rig, &model, WORKER, (struct flow){.count = 128, .check = check_worker});
            cr_assert(model.n > 0 && (model.refused > 0) == driver_cuts(&rig), "%u refused",
                      model.refused);
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

/* One subgroup of four runs into the limit between two barriers, and comes to the end before the
 * others. lavapipe before 23.0.1 drops those then, and with them the word on why the residency
 * ended. */
static const char UNEVEN[] =
    "shared uint total;\n"
    "void main() {\n"
    "    uint lane = gl_LocalInvocationIndex;\n"
    "    while (gyre_receive()) {\n"
    "        uint chosen = GYRE_IN.index % 4u;\n"
    "        if (lane == 0u) {\n"
    "            begin();\n"
    "            total = 0u;\n"
    "        }\n"
    "        barrier();\n"
    "        for (uint round = 0u; round < 100u; ++round) {\n"
    "            uint x = turn(round, lane / 8u == chosen ? GYRE_IN.turns / 100u : 1u);\n"
    "            if (lane == chosen * 8u) {\n"
    "                total += x;\n"
    "            }\n"
    "            barrier();\n"
    "        }\n"
    "        if (lane == 0u) {\n"
    "            answer(total);\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

static bool check_uneven(void *user, uint32_t index, const gyre_reply *reply)
{
    struct model *model = user;
    const struct response *response = reply->data;
    bool right = check_common(model, index, reply);
    if (reply->result == GYRE_OK) {
        uint32_t total = 0;
        for (uint32_t round = 0; round < 100; ++round) {
            total += turn(round, model->turns(index) / 100);
        }
        model->n += 1;
        right = right && response->n == model->n && response->hash == total;
    }
    return right;
}

static uint32_t long_now_and_then(uint32_t index)
{
    return index % 17 == 15 ? 80000 : 25000;
}

static void be_cut_between_barriers(enum rig_mode mode)
{
    struct rig rig;
    rig_open(&rig, mode);
    struct model model = {.lanes = 32, .turns = long_now_and_then};
    run(&rig, &model, UNEVEN, (struct flow){.count = 170, .check = check_uneven});
    cr_assert(model.refused == (driver_cuts(&rig) ? 10 : 0), "%u refused", model.refused);
    rig_close(&rig);
}

Test(loops, a_subgroup_that_is_cut_between_barriers_costs_its_message_only)
{
    be_cut_between_barriers(RIG_STRICT);
    be_cut_between_barriers(RIG_LIVE);
}

/* A message that was cut waits while more urgent ones go first; when its turn comes the handler is
 * told all the same. */
static bool check_any_order(void *user, uint32_t index, const gyre_reply *reply)
{
    struct model *model = user;
    model->n += reply->result == GYRE_OK;
    return check_common(model, index, reply);
}

static uint32_t four_bands(uint32_t index)
{
    return scramble(index) % 4 * 64;
}

Test(loops, a_message_that_is_cut_is_not_forgotten_for_an_urgent_one)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct model model = {.lanes = 1, .turns = anything_that_fits};
        run(&rig, &model, WORKER,
            (struct flow){
                .count = 500, .check = check_any_order, .unordered = true, .priority = four_bands});
        rig_close(&rig);
    }
}

/* Nor over a pause, in which the device's rings are emptied and filled anew. */
static atomic_bool pausing;

static void *pause_often(void *kernel)
{
    bool right = true;
    while (atomic_load(&pausing)) {
        counting_sleep(1 * MS);
        right = right && gyre_kernel_deactivate(kernel, PATIENCE) == GYRE_OK &&
                gyre_kernel_reactivate(kernel) == GYRE_OK;
    }
    return right ? NULL : kernel;
}

static void be_cut_and_paused(struct rig *rig, struct model *model, const char *handler,
                              struct flow flow)
{
    gyre_kernel *kernel = begin(rig, model, handler);
    pthread_t thread;
    atomic_store(&pausing, true);
    cr_assert(pthread_create(&thread, NULL, pause_often, kernel) == 0);
    stream(kernel, model, flow);
    atomic_store(&pausing, false);
    void *trouble = NULL;
    pthread_join(thread, &trouble);
    cr_assert_null(trouble);
    finish(rig, kernel, model, flow.count);
}

Test(loops, a_message_that_is_cut_is_not_forgotten_over_a_pause)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct model narrow = {.lanes = 1, .turns = anything_that_fits};
        be_cut_and_paused(&rig, &narrow, WORKER,
                          (struct flow){.count = 500, .check = check_worker});
        struct model wide = {.lanes = 32, .turns = long_now_and_then};
        be_cut_and_paused(&rig, &wide, UNEVEN, (struct flow){.count = 170, .check = check_uneven});
        rig_close(&rig);
    }
}

/* What main does before the first gyre_receive() counts like a message: once done, it is done. */
static const char PROLOGUE[] =
    "void main() {\n"
    "    uint lane = gl_LocalInvocationIndex;\n"
    "    uint x = turn(1u, 5000u);\n"
    "    if (gyre_first_run()) {\n"
    "        for (uint i = lane; i < 30000u * gl_WorkGroupSize.x; i += gl_WorkGroupSize.x) {\n"
    "            GYRE_SELF.words[i % 1000u] += 1u;\n"
    "        }\n"
    "    }\n"
    "    while (gyre_receive()) {\n"
    "        uint y = turn(GYRE_IN.value, GYRE_IN.turns);\n"
    "        if (lane == 0u) {\n"
    "            begin();\n"
    "            answer(x + y + GYRE_SELF.words[GYRE_IN.index]);\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

static bool check_prologue(void *user, uint32_t index, const gyre_reply *reply)
{
    struct model *model = user;
    const struct response *response = reply->data;
    model->n += 1;
    uint32_t expected = turn(1, 5000) + turn(scramble(index), model->turns(index)) +
                        30 * model->lanes;
    return check_common(model, index, reply) && response->n == model->n &&
           response->hash == expected;
}

static void start_with_loops(enum rig_mode mode)
{
    static const uint32_t sizes[] = {1, 8};
    struct rig rig;
    rig_open(&rig, mode);
    for (size_t s = 0; s < LENGTH(sizes); ++s) {
        struct model model = {.lanes = sizes[s], .turns = a_third};
        run(&rig, &model, PROLOGUE, (struct flow){.count = 100, .check = check_prologue});
    }
    rig_close(&rig);
}

Test(loops, what_main_does_first_is_done_once)
{
    start_with_loops(RIG_STRICT);
    start_with_loops(RIG_LIVE);
}

static const char ENDLESS_PROLOGUE[] = "void main() {\n"
                                       "    uint x = turn(1u, 100000u);\n"
                                       "    while (gyre_receive()) {\n"
                                       "        begin();\n"
                                       "        answer(x);\n"
                                       "        gyre_send();\n"
                                       "    }\n"
                                       "}\n";

/* It never comes to a message: the kernel as a whole fails, and says why. */
Test(loops, a_start_that_can_never_be_whole_fails_the_kernel_by_name)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct model model = {.lanes = 1};
        gyre_kernel *kernel = begin(&rig, &model, ENDLESS_PROLOGUE);
        struct request request = {0};
        struct response response;
        ok(gyre_send(kernel, &(gyre_message){.data = &request, .size = sizeof request}, 60 * S));
        gyre_reply reply = {.data = &response, .capacity = sizeof response};
        if (driver_cuts(&rig)) {
            gives(GYRE_ERROR_LOOP_LIMIT, gyre_receive(kernel, &reply, 60 * S));
            cr_assert(flow_stats(kernel).fault == GYRE_ERROR_LOOP_LIMIT);
            cr_assert(rig_said(&rig, "the driver ends its loops"), "%s", rig.log);
        } else {
            ok(gyre_receive(kernel, &reply, 60 * S));
            cr_assert(response.n == 1 && response.hash == turn(1, 100000));
        }
        rig_close(&rig);
    }
}
