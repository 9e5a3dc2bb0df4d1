/* How kernels share a carrier: idle ones cost nothing, busy ones get their shares, who wakes is
 * served at once, and no submission is long (S2, S3, S5). Prints what it measured. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "counting.h"
#include "flow.h"

#define US 1000ull

/* One turn is some microsecond for a CPU driver, so that a long handler stays within what loops may
 * do there. */
static const char structs[] = "struct Request { uint turns; uint answers; };\n"
                              "struct Response { uint value; };\n"
                              "#define GYRE_INPUT Request\n"
                              "#define GYRE_OUTPUT Response\n"
                              "#define W1 x = (x ^ x >> 13) * 1664525u;\n"
                              "#define W8 W1 W1 W1 W1 W1 W1 W1 W1\n"
                              "#define W32 W8 W8 W8 W8\n"
                              "#define W128 W32 W32 W32 W32\n";

static const char body[] = "void main()\n"
                           "{\n"
                           "    while (gyre_receive()) {\n"
                           "        uint x = GYRE_IN.answers;\n"
                           "        for (uint i = 0u; i < GYRE_IN.turns; ++i) {\n"
                           "            W128\n"
                           "        }\n"
                           "        if (GYRE_IN.answers != 0u || x == 0x12345678u) {\n"
                           "            GYRE_OUT.value = x;\n"
                           "            gyre_send();\n"
                           "        }\n"
                           "    }\n"
                           "}\n";

struct request {
    uint32_t turns;
    uint32_t answers;
};

static gyre_kernel_params work_params(const char *id)
{
    return (gyre_kernel_params){
        .id = id,
        .glsl = rig_glsl(structs, 1, body),
        .queue_size =
            16384, /* so that it does not run dry when the test's thread gets no processor */
    };
}

static gyre_kernel *work_active(struct rig *rig, uint32_t number, uint32_t weight)
{
    char id[16];
    snprintf(id, sizeof id, "work-%u", number);
    gyre_kernel_params params = work_params(id);
    params.weight = weight;
    return rig_active(rig, params);
}

static void ask(gyre_kernel *kernel, uint32_t turns, gyre_reply *reply)
{
    struct request request = {.turns = turns, .answers = 1};
    uint32_t answer = 0;
    *reply = (gyre_reply){.data = &answer, .capacity = sizeof answer};
    ok(gyre_request(kernel, &(gyre_message){.data = &request, .size = sizeof request}, reply,
                    PATIENCE));
    ok(reply->result);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t at(uint64_t *times, size_t count, double quantile)
{
    qsort(times, count, sizeof *times, compare);
    return times[(size_t)((double)(count - 1) * quantile)];
}

/* Turns of a handler that takes `ns`: the best of some runs of a known number. */
static uint32_t turns_for(gyre_kernel *kernel, uint64_t ns)
{
    enum { PROBE = 200, RUNS = 9 };
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < RUNS; ++i) {
        gyre_reply reply;
        uint64_t began = rig_now_ns();
        ask(kernel, PROBE, &reply);
        uint64_t took = rig_now_ns() - began;
        best = took < best ? took : best;
    }
    uint64_t turns = ns * PROBE / best;
    return turns > 0 ? (uint32_t)turns : 1;
}

/* ---- load: a thread that keeps the queues of some kernels full ---- */

enum { KERNELS_MAX = 8 };

static struct load {
    gyre_kernel *kernels[KERNELS_MAX];
    uint32_t turns[KERNELS_MAX];
    uint32_t count;
    atomic_bool stop;
    pthread_t thread;
} load;

static bool fill(gyre_kernel *kernel, uint32_t turns)
{
    struct request request = {.turns = turns};
    gyre_message message = {.data = &request, .size = sizeof request};
    bool any = false;
    while (gyre_try_send(kernel, &message) == GYRE_OK) {
        any = true;
    }
    return any;
}

static void *fill_all(void *argument)
{
    (void)argument;
    while (!atomic_load(&load.stop)) {
        for (uint32_t i = 0; i < load.count; ++i) {
            fill(load.kernels[i], load.turns[i]);
        }
        counting_sleep(500 * US); /* the queues hold more than that takes */
    }
    return NULL;
}

static void load_start(void)
{
    for (uint32_t i = 0; i < load.count; ++i) {
        if (gyre_kernel_state(load.kernels[i]) == GYRE_DEACTIVATED) {
            ok(gyre_kernel_reactivate(load.kernels[i]));
        }
    }
    atomic_store(&load.stop, false);
    cr_assert(pthread_create(&load.thread, NULL, fill_all, NULL) == 0);
}

/* The kernels are paused with what they have. */
static void load_stop(void)
{
    atomic_store(&load.stop, true);
    pthread_join(load.thread, NULL);
    ok(gyre_kernels_deactivate(load.kernels, load.count, PATIENCE));
}

static const char *mode_name(enum rig_mode mode)
{
    return mode == RIG_LIVE ? "LIVE" : "STRICT";
}

/* ---- S3 ---- */

/* Each kernel's part of the device's time is its weight's part, within 20 %. */
static void shares_are(const char *what, enum rig_mode mode, const uint32_t *weights, uint64_t ns)
{
    uint64_t before[KERNELS_MAX];
    uint64_t used[KERNELS_MAX];
    counting_sleep(300 * MS); /* until turns and budgets have settled */
    for (uint32_t i = 0; i < load.count; ++i) {
        before[i] = flow_stats(load.kernels[i]).resident_ns;
    }
    counting_sleep(ns); /* the time that is measured */
    uint64_t all = 0;
    uint64_t weight = 0;
    for (uint32_t i = 0; i < load.count; ++i) {
        used[i] = flow_stats(load.kernels[i]).resident_ns - before[i];
        all += used[i];
        weight += weights[i];
    }
    double worst = 0;
    for (uint32_t i = 0; i < load.count; ++i) {
        double share = (double)used[i] * (double)weight / (double)all / weights[i];
        double off = fabs(share - 1);
        worst = off > worst ? off : worst;
        fprintf(stderr, "%s%.3f", i ? " " : "", share);
    }
    fprintf(stderr, " of its share: %s, %s; device busy %.2f\n", what, mode_name(mode),
            (double)all / (double)ns);
    cr_assert(worst < 0.2, "%s, %s: off by %.2f", what, mode_name(mode), worst);
}

static void share(const char *what, const uint32_t *weights, const uint64_t *handler_ns,
                  uint32_t count)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        load.count = count;
        for (uint32_t i = 0; i < count; ++i) {
            load.kernels[i] = work_active(&rig, i, weights[i]);
            load.turns[i] = turns_for(load.kernels[i], handler_ns[i]);
        }
        load_start();
        shares_are(what, mode, weights, 5 * S);
        load_stop();
        rig_close(&rig);
    }
}

Test(carriers, busy_kernels_get_equal_shares)
{
    static const uint32_t weights[] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const uint64_t handler_ns[] = {50 * US, 50 * US, 50 * US, 50 * US,
                                          50 * US, 50 * US, 50 * US, 50 * US};
    share("8 alike", weights, handler_ns, 8);
}

Test(carriers, weights_are_honoured)
{
    static const uint32_t weights[] = {1, 1, 2, 4};
    static const uint64_t handler_ns[] = {50 * US, 50 * US, 50 * US, 50 * US};
    share("weights 1 1 2 4", weights, handler_ns, 4);
}

Test(carriers, long_handlers_get_no_more_than_short_ones)
{
    static const uint32_t weights[] = {1, 1, 1, 2};
    static const uint64_t handler_ns[] = {10 * US, 200 * US, 3 * MS, 1 * MS};
    share("handlers of 10 us, 200 us, 3 ms, and 1 ms of weight 2", weights, handler_ns, 4);
}

enum { ASKED_LIGHT = 200, HEAVY = 7 };

static void ask_light(gyre_kernel *light, uint64_t *times)
{
    for (uint32_t i = 0; i < ASKED_LIGHT; ++i) {
        gyre_reply reply;
        uint64_t began = rig_now_ns();
        ask(light, 1, &reply);
        times[i] = rig_now_ns() - began;
        counting_sleep(2 * MS); /* so that it parks, and wakes with the next one */
    }
}

/* One that has little to do waits for the others' turns at most. What the machine adds is what it
 * adds beside nobody; the best of some rounds counts, for it adds more at times. */
Test(carriers, a_light_kernel_is_not_held_up_by_heavy_ones)
{
    enum { ROUNDS = 8 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        load.count = HEAVY;
        for (uint32_t i = 0; i < HEAVY; ++i) {
            load.kernels[i] = work_active(&rig, i, 1);
            load.turns[i] = turns_for(load.kernels[i], 50 * US);
        }
        gyre_kernel *light = work_active(&rig, HEAVY, 1);
        uint64_t bound = 7 * rig.profile.quantum_ns + rig.profile.relaunch_ns;
        bool met = false;
        for (uint32_t round = 0; round < ROUNDS && !met; ++round) {
            static uint64_t times[ASKED_LIGHT];
            ask_light(light, times);
            uint64_t alone = at(times, ASKED_LIGHT, 0.99);
            load_start();
            counting_sleep(50 * MS); /* until all of them have had a turn */
            ask_light(light, times);
            load_stop();
            uint64_t p99 = at(times, ASKED_LIGHT, 0.99);
            met = p99 <= bound + alone;
            fprintf(stderr,
                    "%s: a light kernel beside 7 heavy ones: p50 %llu us, p99 %llu us, beside "
                    "nobody %llu us; a quantum is %llu us, 7 of them and a relaunch %llu us\n",
                    mode_name(mode), (unsigned long long)(at(times, ASKED_LIGHT, 0.5) / US),
                    (unsigned long long)(p99 / US), (unsigned long long)(alone / US),
                    (unsigned long long)(rig.profile.quantum_ns / US),
                    (unsigned long long)(bound / US));
        }
        cr_assert(met);
        rig_close(&rig);
    }
}

/* ---- S2 ---- */

enum { IDLE = 63 };

/* Messages per second that a thread gets through the kernel. */
static double rate_of(gyre_kernel *kernel, uint64_t ns)
{
    uint64_t before = flow_stats(kernel).processed;
    uint64_t began = rig_now_ns();
    struct request request = {.turns = 1};
    gyre_message message = {.data = &request, .size = sizeof request};
    while (rig_now_ns() - began < ns) {
        for (uint32_t i = 0; i < 64; ++i) {
            ok(gyre_send(kernel, &message, PATIENCE));
        }
    }
    double took = (double)(rig_now_ns() - began);
    return (double)(flow_stats(kernel).processed - before) * (double)S / took;
}

static uint64_t submissions_of(gyre_kernel *const *kernels, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; ++i) {
        sum += flow_stats(kernels[i]).submissions;
    }
    return sum;
}

static gyre_kernel *idlers[IDLE];

static void launch_idlers(struct rig *rig)
{
    for (uint32_t i = 0; i < IDLE; ++i) {
        char id[16];
        snprintf(id, sizeof id, "idle-%u", i);
        idlers[i] = rig_launch(rig, work_params(id));
    }
    ok(gyre_kernels_activate(idlers, IDLE));
    for (uint32_t i = 0; i < IDLE; ++i) {
        gyre_reply reply;
        ask(idlers[i], 1, &reply);
    }
}

static void reactivate_idlers(void)
{
    for (uint32_t i = 0; i < IDLE; ++i) {
        ok(gyre_kernel_reactivate(idlers[i]));
    }
}

Test(carriers, idle_kernels_cost_a_busy_one_nothing)
{
    enum { ROUNDS = 12 };
    struct rig rig;
    rig_open(&rig, RIG_LIVE);
    gyre_kernel *busy = work_active(&rig, 0, 1);
    launch_idlers(&rig);
    double ratios[ROUNDS];
    uint64_t times[ROUNDS];
    double rate = 0;
    for (uint32_t i = 0; i < ROUNDS; ++i) {
        ok(gyre_kernels_deactivate(idlers, IDLE, PATIENCE));
        double alone = rate_of(busy, 100 * MS);
        reactivate_idlers();
        uint64_t before = submissions_of(idlers, IDLE);
        rate = rate_of(busy, 100 * MS);
        cr_assert(submissions_of(idlers, IDLE) == before);
        ratios[i] = rate / alone;
        times[i] = (uint64_t)(ratios[i] * 1e6);
    }
    double ratio = (double)at(times, ROUNDS, 0.5) / 1e6;
    fprintf(stderr, "LIVE: %.0f messages/s with 63 idle kernels, %.3f of those alone\n", rate,
            ratio);
    cr_assert(ratio > 0.8);
    rig_close(&rig);
}

enum { ASKED = 210, ASK_ROUNDS = 6 };

/* How long requests to kernels that slept take. */
static void ask_idlers(uint64_t *times)
{
    static uint32_t next;
    for (uint32_t i = 0; i < ASKED; ++i) {
        gyre_reply reply;
        uint64_t began = rig_now_ns();
        ask(idlers[next++ % IDLE], 1, &reply);
        times[i] = rig_now_ns() - began;
        counting_sleep(1 * MS); /* so that it finds the kernel parked */
    }
}

static uint64_t ask_beside_load(uint64_t *times)
{
    load_start();
    counting_sleep(20 * MS); /* until it is on the device */
    uint64_t before = flow_stats(load.kernels[0]).processed;
    ask_idlers(times);
    uint64_t busy = flow_stats(load.kernels[0]).processed - before;
    load_stop();
    return busy;
}

/* Within three relaunches, or twice of what it takes beside nobody: a relaunch is measured while
 * the driver's threads are awake, and these have slept. The best of some rounds counts. */
Test(carriers, an_idle_kernel_answers_at_once_while_another_is_busy)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        load.count = 1;
        load.kernels[0] = work_active(&rig, 0, 1);
        load.turns[0] = turns_for(load.kernels[0], 5 * US);
        ok(gyre_kernel_deactivate(load.kernels[0], PATIENCE));
        launch_idlers(&rig);
        bool met = false;
        for (uint32_t round = 0; round < ASK_ROUNDS && !met; ++round) {
            static uint64_t alone[ASKED];
            static uint64_t beside[ASKED];
            ask_idlers(alone);
            uint64_t busy = ask_beside_load(beside);
            uint64_t p50 = at(beside, ASKED, 0.5);
            uint64_t p50_alone = at(alone, ASKED, 0.5);
            fprintf(stderr,
                    "%s: an idle kernel beside a busy one (%llu messages): p50 %llu us, p99 %llu "
                    "us; beside nobody %llu and %llu us; a relaunch is %llu us\n",
                    mode_name(mode), (unsigned long long)busy, (unsigned long long)(p50 / US),
                    (unsigned long long)(at(beside, ASKED, 0.99) / US),
                    (unsigned long long)(p50_alone / US),
                    (unsigned long long)(at(alone, ASKED, 0.99) / US),
                    (unsigned long long)(rig.profile.relaunch_ns / US));
            cr_assert(busy > 1000);
            met = mode == RIG_STRICT || p50 <= 3 * rig.profile.relaunch_ns || p50 <= 2 * p50_alone;
        }
        cr_assert(met);
        rig_close(&rig);
    }
}

/* ---- S5 ---- */

#define BOUND (10 * MS)

struct length_case {
    const char *name;
    uint64_t handler_ns;
    uint64_t idle_ns;
    void (*run)(gyre_kernel *kernel, uint32_t turns, uint64_t handler_ns);
};

static void run_busy(gyre_kernel *kernel, uint32_t turns, uint64_t handler_ns)
{
    (void)handler_ns;
    load.count = 1;
    load.kernels[0] = kernel;
    load.turns[0] = turns;
    load_start();
    counting_sleep(1500 * MS); /* the time that is measured */
    load_stop();
}

static void send_every(gyre_kernel *kernel, uint32_t turns, uint64_t period_ns)
{
    uint64_t end = rig_now_ns() + 1500 * MS;
    struct request request = {.turns = turns};
    while (rig_now_ns() < end) {
        ok(gyre_send(kernel, &(gyre_message){.data = &request, .size = sizeof request}, PATIENCE));
        counting_sleep(period_ns); /* what makes the load a light one */
    }
}

/* The next message comes before a LIVE kernel has left, if its handler is short. */
static void run_light(gyre_kernel *kernel, uint32_t turns, uint64_t handler_ns)
{
    send_every(kernel, turns, handler_ns);
}

static void run_idle(gyre_kernel *kernel, uint32_t turns, uint64_t handler_ns)
{
    (void)turns;
    (void)handler_ns;
    send_every(kernel, 1, 20 * MS);
}

/* What the machine adds to a submission, at worst: one of fixed work has no other reason to be
 * longer than most. */
static uint64_t noise_of(struct rig *rig, uint32_t turns_of_a_ms)
{
    gyre_kernel_params params = work_params("fixed");
    params.visibility = GYRE_VISIBILITY_STRICT;
    params.message_budget = 7;
    gyre_kernel *kernel = rig_active(rig, params);
    run_busy(kernel, turns_of_a_ms, 0);
    ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
    gyre_latency time = flow_stats(kernel).submission_time;
    gyre_kernel_destroy(kernel);
    return time.p999 - time.p50;
}

/* What the engine does, it does in every window; what takes the processor away comes and goes. */
static void are_short(enum rig_mode mode, const struct length_case *of)
{
    enum { WINDOWS = 4 };
    struct rig rig;
    rig_open(&rig, mode);
    gyre_kernel *probe = rig_active(&rig, work_params("probe"));
    bool met = false;
    for (uint32_t i = 0; i < WINDOWS && !met; ++i) {
        uint32_t turns = turns_for(probe, of->handler_ns);
        gyre_kernel_params params = work_params("length");
        params.idle_ns = of->idle_ns;
        gyre_kernel *kernel = rig_active(&rig, params);
        of->run(kernel, turns, of->handler_ns);
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
        gyre_latency time = flow_stats(kernel).submission_time;
        uint64_t noise = noise_of(&rig, turns_for(probe, 1 * MS));
        fprintf(stderr,
                "%s, %s, handlers of %llu us: %llu submissions, p50 %llu us, p99.9 %llu us, at "
                "most %llu us; the machine adds %llu us\n",
                mode_name(mode), of->name, (unsigned long long)(of->handler_ns / US),
                (unsigned long long)time.count, (unsigned long long)(time.p50 / US),
                (unsigned long long)(time.p999 / US), (unsigned long long)(time.max / US),
                (unsigned long long)(noise / US));
        cr_assert(time.count > 0);
        met = time.p999 <= BOUND + of->handler_ns + noise;
        gyre_kernel_destroy(kernel);
    }
    cr_assert(met, "%s, %s: submissions are long", mode_name(mode), of->name);
    rig_close(&rig);
}

Test(carriers, submissions_are_short)
{
    static const struct length_case cases[] = {
        {"idle", 10 * US, 1 * S, run_idle}, {"light", 10 * US, 1 * S, run_light},
        {"busy", 10 * US, 0, run_busy},     {"light", 200 * US, 1 * S, run_light},
        {"busy", 200 * US, 0, run_busy},    {"light", 3 * MS, 1 * S, run_light},
        {"busy", 3 * MS, 0, run_busy},
    };
    for (BOTH_MODES(mode)) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
            are_short(mode, &cases[i]);
        }
    }
}

/* ---- a pause is heard, whoever else wants the device ---- */

Test(carriers, a_pause_is_not_lost_among_yields)
{
    enum { KERNELS = 5, PAUSES = 100 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        load.count = KERNELS;
        for (uint32_t i = 0; i < KERNELS; ++i) {
            load.kernels[i] = work_active(&rig, i, 1);
            load.turns[i] = turns_for(load.kernels[i], 20 * US);
        }
        load_start();
        gyre_kernel *paused = load.kernels[0];
        static uint64_t times[PAUSES];
        for (uint32_t i = 0; i < PAUSES; ++i) {
            counting_sleep(5 * MS + i * 37 * US); /* at another point of the turns each time */
            uint64_t began = rig_now_ns();
            ok(gyre_kernel_deactivate(paused, PATIENCE));
            times[i] = rig_now_ns() - began;
            ok(gyre_kernel_reactivate(paused));
        }
        load_stop();
        uint64_t most = at(times, PAUSES, 1);
        fprintf(stderr, "%s: pauses beside 4 busy kernels: p50 %llu us, at most %llu us\n",
                mode_name(mode), (unsigned long long)(at(times, PAUSES, 0.5) / US),
                (unsigned long long)(most / US));
        cr_assert(at(times, PAUSES, 0.9) <= 20 * MS);
        rig_close(&rig);
    }
}

/* ---- groups (A5, A6) ---- */

static void open_group(struct rig *rig, enum rig_mode mode, gyre_kernel *kernels[4])
{
    rig_open(rig, mode);
    for (uint32_t i = 0; i < 4; ++i) {
        char id[] = {(char)('a' + i), '\0'};
        kernels[i] = rig_launch(rig, counting_params(id));
    }
}

Test(carriers, a_group_pauses_within_one_timeout_or_not_at_all)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        gyre_kernel *kernels[4];
        open_group(&rig, mode, kernels);
        ok(gyre_kernels_activate(kernels, 3));
        gives(GYRE_ERROR_STATE, gyre_kernels_deactivate(kernels, 4, PATIENCE));
        for (uint32_t i = 0; i < 3; ++i) {
            cr_assert(gyre_kernel_state(kernels[i]) == GYRE_ACTIVE);
            counting_send(kernels[i], 0, 200, COUNTING_SLOW / 4);
        }
        ok(gyre_kernels_deactivate(kernels, 3, PATIENCE));
        uint64_t processed = 0;
        for (uint32_t i = 0; i < 3; ++i) {
            cr_assert(gyre_kernel_state(kernels[i]) == GYRE_DEACTIVATED);
            gyre_stats stats = flow_stats(kernels[i]);
            cr_assert(stats.processed + stats.staged == 200 && stats.window == 0);
            processed += stats.processed;
        }
        counting_sleep(10 * MS); /* in which nothing may be processed */
        for (uint32_t i = 0; i < 3; ++i) {
            processed -= flow_stats(kernels[i]).processed;
        }
        cr_assert(processed == 0);
        for (uint32_t i = 0; i < 3; ++i) {
            ok(gyre_kernel_reactivate(kernels[i]));
            counting_expect_many(kernels[i], 0, 200);
        }
        rig_close(&rig);
    }
}

/* The longest time is the group's, not that of each. */
Test(carriers, a_group_that_is_busy_has_one_timeout)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        gyre_kernel *kernels[4];
        open_group(&rig, mode, kernels);
        ok(gyre_kernels_activate(kernels, 4));
        for (uint32_t i = 0; i < 4; ++i) {
            counting_send(kernels[i], 0, 20, COUNTING_SLOW);
        }
        gyre_result result = gyre_kernels_deactivate(kernels, 4, 0);
        cr_assert(result == GYRE_OK || result == GYRE_ERROR_TIMEOUT);
        for (uint32_t i = 0; i < 4; ++i) {
            cr_assert(gyre_kernel_state(kernels[i]) == GYRE_DEACTIVATED);
        }
        uint64_t dropped = 0;
        uint64_t expected = 0;
        ok(gyre_kernels_terminate(kernels, 4, GYRE_DROP, PATIENCE, &dropped));
        for (uint32_t i = 0; i < 4; ++i) {
            cr_assert(gyre_kernel_state(kernels[i]) == GYRE_TERMINATED);
            gyre_stats stats = flow_stats(kernels[i]);
            cr_assert(stats.processed + stats.dropped_terminated == 20);
            expected += stats.dropped_terminated;
        }
        cr_assert(dropped == expected);
        dropped = 7;
        ok(gyre_kernels_terminate(kernels, 4, GYRE_DROP, PATIENCE, &dropped)); /* again: no-op */
        cr_assert(dropped == 0);
        rig_close(&rig);
    }
}

Test(carriers, a_group_drains_and_those_that_did_not_run_drop)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        gyre_kernel *kernels[4];
        open_group(&rig, mode, kernels);
        for (uint32_t i = 0; i < 4; ++i) {
            counting_send(kernels[i], 0, 50, 100);
        }
        ok(gyre_kernels_activate(kernels, 3));
        uint64_t dropped = 0;
        ok(gyre_kernels_terminate(kernels, 4, GYRE_DRAIN, PATIENCE, &dropped));
        cr_assert(dropped == 50, "%llu dropped", (unsigned long long)dropped);
        for (uint32_t i = 0; i < 3; ++i) {
            cr_assert(flow_stats(kernels[i]).processed == 50);
        }
        rig_close(&rig);
    }
}

Test(carriers, groups_that_cannot_be_are_refused)
{
    struct rig rig;
    gyre_kernel *kernels[4];
    open_group(&rig, RIG_STRICT, kernels);
    ok(gyre_kernels_activate(kernels, 4));
    gyre_kernel *const twice[] = {kernels[0], kernels[1], kernels[0]};
    gyre_kernel *const hole[] = {kernels[0], NULL};
    gives(GYRE_ERROR_INVALID, gyre_kernels_deactivate(twice, 3, 0));
    gives(GYRE_ERROR_INVALID, gyre_kernels_deactivate(hole, 2, 0));
    gives(GYRE_ERROR_INVALID, gyre_kernels_deactivate(NULL, 1, 0));
    gives(GYRE_ERROR_INVALID, gyre_kernels_deactivate(kernels, 0, 0));
    gives(GYRE_ERROR_INVALID, gyre_kernels_terminate(twice, 3, GYRE_DROP, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_kernels_terminate(hole, 2, GYRE_DROP, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_kernels_terminate(NULL, 1, GYRE_DROP, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_kernels_terminate(kernels, 0, GYRE_DROP, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_kernels_terminate(kernels, 4, (gyre_terminate_mode)2, 0, NULL));
    for (uint32_t i = 0; i < 4; ++i) {
        cr_assert(gyre_kernel_state(kernels[i]) == GYRE_ACTIVE);
    }
    rig_close(&rig);
}

Test(carriers, a_carrier_or_weight_that_cannot_be_is_refused)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    gyre_kernel *kernel = NULL;
    gyre_kernel_params params = work_params("placed");
    params.carrier = 5; /* there are 4 at most */
    gives(GYRE_ERROR_INVALID, gyre_kernel_create(rig.runtime, &params, &kernel));
    cr_assert(rig_said(&rig, "no carrier 5"));
    params.carrier = 1;
    params.weight = GYRE_WEIGHT_MAX + 1;
    gives(GYRE_ERROR_INVALID, gyre_kernel_create(rig.runtime, &params, &kernel));
    cr_assert(rig_said(&rig, "weight"));
    params.weight = GYRE_WEIGHT_MAX;
    kernel = rig_active(&rig, params);
    gyre_reply reply;
    ask(kernel, 1, &reply);
    rig_close(&rig);
}
