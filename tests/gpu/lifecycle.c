/* The states of a kernel and the ways between them (A1 to A9, A12). A10 is in stuck.c. */
#include "counting.h"

#include <stdio.h>

static gyre_kernel *created(struct rig *rig, const char *id)
{
    gyre_kernel *kernel = NULL;
    gyre_kernel_params params = counting_params(id);
    ok(gyre_kernel_create(rig->runtime, &params, &kernel));
    return kernel;
}

static gyre_stats stats_of(gyre_kernel *kernel)
{
    gyre_stats stats;
    ok(gyre_kernel_stats(kernel, &stats));
    return stats;
}

static void is_in(const gyre_kernel *kernel, gyre_state state)
{
    gyre_state is = gyre_kernel_state(kernel);
    cr_assert(is == state, "%s is %s, not %s", gyre_kernel_id(kernel), gyre_state_name(is),
              gyre_state_name(state));
}

static gyre_result deactivate(gyre_kernel *kernel)
{
    return gyre_kernel_deactivate(kernel, PATIENCE);
}

static gyre_result send_one(gyre_kernel *kernel)
{
    return counting_try(kernel, 0, 0);
}

static gyre_result receive_one(gyre_kernel *kernel)
{
    gyre_reply reply = {0};
    return gyre_receive(kernel, &reply, 0);
}

/* All that a state forbids. */
static const struct illegal {
    gyre_state state;
    const char *operation;
    gyre_result (*call)(gyre_kernel *kernel);
} illegals[] = {
    {GYRE_CREATED, "activate", gyre_kernel_activate},
    {GYRE_CREATED, "deactivate", deactivate},
    {GYRE_CREATED, "reactivate", gyre_kernel_reactivate},
    {GYRE_CREATED, "send", send_one},
    {GYRE_CREATED, "receive", receive_one},
    {GYRE_LAUNCHED, "launch", gyre_kernel_launch},
    {GYRE_LAUNCHED, "deactivate", deactivate},
    {GYRE_LAUNCHED, "reactivate", gyre_kernel_reactivate},
    {GYRE_ACTIVE, "launch", gyre_kernel_launch},
    {GYRE_ACTIVE, "activate", gyre_kernel_activate},
    {GYRE_ACTIVE, "reactivate", gyre_kernel_reactivate},
    {GYRE_DEACTIVATED, "launch", gyre_kernel_launch},
    {GYRE_DEACTIVATED, "activate", gyre_kernel_activate},
    {GYRE_DEACTIVATED, "deactivate", deactivate},
    {GYRE_TERMINATING, "launch", gyre_kernel_launch},
    {GYRE_TERMINATING, "activate", gyre_kernel_activate},
    {GYRE_TERMINATING, "deactivate", deactivate},
    {GYRE_TERMINATING, "reactivate", gyre_kernel_reactivate},
    {GYRE_TERMINATING, "send", send_one},
    {GYRE_TERMINATED, "launch", gyre_kernel_launch},
    {GYRE_TERMINATED, "activate", gyre_kernel_activate},
    {GYRE_TERMINATED, "deactivate", deactivate},
    {GYRE_TERMINATED, "reactivate", gyre_kernel_reactivate},
    {GYRE_TERMINATED, "send", send_one},
};

static void refused(struct rig *rig, gyre_kernel *kernel, const struct illegal *illegal)
{
    gyre_stats before = stats_of(kernel);
    gives(GYRE_ERROR_STATE, illegal->call(kernel));
    is_in(kernel, illegal->state);
    gyre_stats after = stats_of(kernel);
    cr_assert(after.accepted == before.accepted && after.rejected == before.rejected &&
                  after.dropped == before.dropped && after.fault == before.fault,
              "%s in %s changed something", illegal->operation, gyre_state_name(illegal->state));
    char said[128];
    snprintf(said, sizeof said, "kernel %s is %s: %s is not allowed\n", gyre_kernel_id(kernel),
             gyre_state_name(illegal->state), illegal->operation);
    cr_assert(rig_said(rig, said), "the log does not say: %s", said);
}

static void refuses_the_rest(struct rig *rig, gyre_kernel *kernel)
{
    gyre_state state = gyre_kernel_state(kernel);
    for (size_t i = 0; i < sizeof illegals / sizeof *illegals; ++i) {
        if (illegals[i].state == state) {
            refused(rig, kernel, &illegals[i]);
        }
    }
}

/* A1 */
Test(lifecycle, every_state_does_what_it_allows_and_refuses_the_rest)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = created(&rig, "subject");
        is_in(kernel, GYRE_CREATED);
        refuses_the_rest(&rig, kernel);

        ok(gyre_kernel_launch(kernel));
        is_in(kernel, GYRE_LAUNCHED);
        counting_send(kernel, 0, 2, 0);
        gives(GYRE_ERROR_TIMEOUT, receive_one(kernel));
        refuses_the_rest(&rig, kernel);

        ok(gyre_kernel_activate(kernel));
        is_in(kernel, GYRE_ACTIVE);
        counting_expect_many(kernel, 0, 2);
        counting_send(kernel, 2, 1, 0);
        refuses_the_rest(&rig, kernel);
        counting_expect_many(kernel, 2, 1);

        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        is_in(kernel, GYRE_DEACTIVATED);
        counting_send(kernel, 3, 2, 0);
        gives(GYRE_ERROR_TIMEOUT, receive_one(kernel));
        refuses_the_rest(&rig, kernel);

        ok(gyre_kernel_reactivate(kernel));
        is_in(kernel, GYRE_ACTIVE);
        refuses_the_rest(&rig, kernel);
        counting_expect_many(kernel, 3, 2);
        rig_close(&rig);
    }
}

/* A1: the drain of a long queue keeps a kernel TERMINATING for a while. */
Test(lifecycle, a_terminating_kernel_answers_and_takes_no_more)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = created(&rig, "draining");
        ok(gyre_kernel_launch(kernel));
        counting_send(kernel, 0, COUNTING_QUEUE, COUNTING_SLOW);
        ok(gyre_kernel_activate(kernel));
        counting_expect(kernel, 0, 1);
        gives(GYRE_ERROR_TIMEOUT, gyre_kernel_terminate(kernel, GYRE_DRAIN, 0, NULL));
        is_in(kernel, GYRE_TERMINATING);
        refuses_the_rest(&rig, kernel);
        counting_expect(kernel, 1, 2);
        is_in(kernel, GYRE_TERMINATING);

        uint64_t dropped = 0;
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, &dropped));
        is_in(kernel, GYRE_TERMINATED);
        refuses_the_rest(&rig, kernel);
        gyre_stats stats = stats_of(kernel);
        cr_assert(stats.processed >= 2 && stats.processed + dropped == COUNTING_QUEUE);
        counting_expect_many(kernel, 2, (uint32_t)stats.processed - 2);
        gives(GYRE_ERROR_TERMINATED, receive_one(kernel));
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, 0, NULL));
        rig_close(&rig);
    }
}

/* A2 */
Test(lifecycle, an_id_exists_once)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *first = rig_active(&rig, counting_params("same"));
        gyre_kernel *second = NULL;
        gyre_kernel_params params = counting_params("same");
        gives(GYRE_ERROR_ALREADY_EXISTS, gyre_kernel_create(rig.runtime, &params, &second));
        cr_assert_null(second);
        cr_assert(rig_said(&rig, "same"));
        counting_send(first, 0, 1, 0);
        counting_expect(first, 0, 1);
        gyre_kernel_destroy(first);
        ok(gyre_kernel_create(rig.runtime, &params, &second));
        rig_close(&rig);
    }
}

/* A3 */
Test(lifecycle, an_unknown_id_is_not_found_and_the_known_ones_are_listed)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *found = NULL;
        gives(GYRE_ERROR_NOT_FOUND, gyre_kernel_find(rig.runtime, "anyone", &found));
        gyre_kernel *left = created(&rig, "left");
        gyre_kernel *right = created(&rig, "right");
        gives(GYRE_ERROR_NOT_FOUND, gyre_kernel_find(rig.runtime, "middle", &found));
        cr_assert_null(found);
        cr_assert(rig_said(&rig, "middle") && rig_said(&rig, "left") && rig_said(&rig, "right"));
        ok(gyre_kernel_find(rig.runtime, "left", &found));
        cr_assert(found == left);
        ok(gyre_kernel_find(rig.runtime, "right", &found));
        cr_assert(found == right);
        gyre_kernel_destroy(left);
        gives(GYRE_ERROR_NOT_FOUND, gyre_kernel_find(rig.runtime, "left", &found));
        rig_close(&rig);
    }
}

static void did_nothing(gyre_kernel *const *kernels, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        gyre_reply reply = {0};
        gives(GYRE_ERROR_EMPTY, gyre_try_receive(kernels[i], &reply));
        gyre_stats stats = stats_of(kernels[i]);
        cr_assert(stats.submissions == 0 && stats.processed == 0 && stats.staged == 1);
        is_in(kernels[i], GYRE_LAUNCHED);
    }
}

/* A5 */
Test(lifecycle, a_group_does_nothing_before_its_activation_and_then_starts_as_one)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *group[3];
        static const char *const ids[] = {"A", "B", "C"};
        for (uint32_t i = 0; i < 3; ++i) {
            group[i] = rig_launch(&rig, counting_params(ids[i]));
            counting_send(group[i], i, 1, 0);
        }
        /* Long enough for a kernel that had been started to show. */
        counting_sleep(50 * MS);
        did_nothing(group, 3);
        ok(gyre_kernels_activate(group, 3));
        for (uint32_t i = 0; i < 3; ++i) {
            is_in(group[i], GYRE_ACTIVE);
            counting_expect(group[i], i, 1);
        }
        rig_close(&rig);
    }
}

/* A5: all or none. */
Test(lifecycle, a_group_that_cannot_start_as_a_whole_does_not_start)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *group[] = {rig_launch(&rig, counting_params("A")),
                                rig_launch(&rig, counting_params("B")), created(&rig, "C")};
        counting_send(group[0], 0, 1, 0);
        counting_send(group[1], 0, 1, 0);
        gives(GYRE_ERROR_STATE, gyre_kernels_activate(group, 3));
        cr_assert(rig_said(&rig, "kernel C is CREATED: activate is not allowed\n"));
        gyre_kernel *twice[] = {group[0], group[1], group[0]};
        gives(GYRE_ERROR_INVALID, gyre_kernels_activate(twice, 3));
        gyre_kernel *hole[] = {group[0], NULL};
        gives(GYRE_ERROR_INVALID, gyre_kernels_activate(hole, 2));
        gives(GYRE_ERROR_INVALID, gyre_kernels_activate(group, 0));
        gives(GYRE_ERROR_INVALID, gyre_kernels_activate(NULL, 1));
        did_nothing(group, 2);
        ok(gyre_kernels_activate(group, 2));
        counting_expect(group[0], 0, 1);
        counting_expect(group[1], 0, 1);
        rig_close(&rig);
    }
}

/* A6 */
Test(lifecycle, nothing_is_processed_while_deactivated_and_all_of_it_in_order_afterwards)
{
    enum { BEFORE = 300, WHILE = 100 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("pausing"));
        counting_send(kernel, 0, BEFORE, COUNTING_SLOW / 4);
        counting_expect_many(kernel, 0, 5);
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        gyre_stats paused = stats_of(kernel);
        counting_send(kernel, BEFORE, WHILE, 0);
        /* Long enough for a kernel that went on to show. */
        counting_sleep(100 * MS);
        gyre_stats later = stats_of(kernel);
        cr_assert(later.processed == paused.processed && later.submissions == paused.submissions,
                  "%llu processed, then %llu", (unsigned long long)paused.processed,
                  (unsigned long long)later.processed);
        cr_assert(later.staged == BEFORE + WHILE - paused.processed && later.window == 0);
        uint32_t done = (uint32_t)paused.processed;
        counting_expect_many(kernel, 5, done - 5);
        gives(GYRE_ERROR_TIMEOUT, receive_one(kernel));
        ok(gyre_kernel_reactivate(kernel));
        counting_expect_many(kernel, done, BEFORE + WHILE - done);
        cr_assert(stats_of(kernel).processed == BEFORE + WHILE);
        rig_close(&rig);
    }
}

/* A6, over and over, with the pause wherever it hits. */
Test(lifecycle, pausing_again_and_again_loses_nothing)
{
    enum { ROUNDS = 30, EACH = 40 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("pausing"));
        for (uint32_t round = 0; round < ROUNDS; ++round) {
            counting_send(kernel, round * EACH, EACH / 2, round * 50);
            ok(gyre_kernel_deactivate(kernel, PATIENCE));
            counting_send(kernel, round * EACH + EACH / 2, EACH / 2, round * 50);
            uint64_t processed = stats_of(kernel).processed;
            cr_assert(processed == stats_of(kernel).processed);
            ok(gyre_kernel_reactivate(kernel));
            counting_expect_many(kernel, round * EACH, EACH);
        }
        cr_assert(stats_of(kernel).processed == ROUNDS * EACH);
        rig_close(&rig);
    }
}

/* A7 */
Test(lifecycle, every_state_can_be_terminated_and_terminated_again)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernels[] = {created(&rig, "made"), rig_launch(&rig, counting_params("ready")),
                                  rig_active(&rig, counting_params("running")),
                                  rig_active(&rig, counting_params("paused"))};
        ok(gyre_kernel_deactivate(kernels[3], PATIENCE));
        counting_send(kernels[1], 0, 3, 0);
        counting_send(kernels[3], 0, 3, 0);
        static const uint64_t waiting[] = {0, 3, 0, 3};
        for (size_t i = 0; i < 4; ++i) {
            uint64_t dropped = 99;
            ok(gyre_kernel_terminate(kernels[i], i % 2 ? GYRE_DRAIN : GYRE_DROP, PATIENCE,
                                     &dropped));
            cr_assert(dropped == waiting[i], "%s dropped %llu", gyre_kernel_id(kernels[i]),
                      (unsigned long long)dropped);
            is_in(kernels[i], GYRE_TERMINATED);
            dropped = 99;
            ok(gyre_kernel_terminate(kernels[i], GYRE_DROP, 0, &dropped));
            cr_assert(dropped == 0);
            gives(GYRE_ERROR_TERMINATED, receive_one(kernels[i]));
        }
        rig_close(&rig);
    }
}

struct terminator {
    pthread_t thread;
    gyre_kernel *kernel;
    gyre_terminate_mode how;
    gyre_result result;
};

static void *terminate(void *argument)
{
    struct terminator *it = argument;
    it->result = gyre_kernel_terminate(it->kernel, it->how, PATIENCE, NULL);
    return NULL;
}

/* A7 */
Test(lifecycle, several_threads_may_terminate_at_once)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("ending"));
        counting_send(kernel, 0, 100, COUNTING_SLOW / 4);
        struct terminator them[4];
        for (size_t i = 0; i < 4; ++i) {
            them[i] = (struct terminator){.kernel = kernel, .how = GYRE_DRAIN};
            pthread_create(&them[i].thread, NULL, terminate, &them[i]);
        }
        for (size_t i = 0; i < 4; ++i) {
            pthread_join(them[i].thread, NULL);
            ok(them[i].result);
        }
        is_in(kernel, GYRE_TERMINATED);
        counting_expect_many(kernel, 0, 100);
        rig_close(&rig);
    }
}

static uint64_t time_to_terminate(struct rig *rig)
{
    gyre_kernel *kernel = rig_active(rig, counting_params("idle"));
    counting_send(kernel, 0, 1, 0);
    counting_expect(kernel, 0, 1);
    /* Beyond the idle time of every driver here. */
    counting_sleep(100 * MS);
    uint64_t began = rig_now_ns();
    ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
    uint64_t took = rig_now_ns() - began;
    gyre_kernel_destroy(kernel);
    return took;
}

/* A8; the best of some, for the machine may be busy. */
Test(lifecycle, an_idle_kernel_terminates_within_50_ms)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        uint64_t best = UINT64_MAX;
        for (int i = 0; i < 10 && best >= 50 * MS; ++i) {
            uint64_t took = time_to_terminate(&rig);
            best = took < best ? took : best;
        }
        cr_assert(best < 50 * MS, "%llu us", (unsigned long long)best / 1000);
        rig_close(&rig);
    }
}

/* A9 */
Test(lifecycle, a_drain_answers_everything_and_the_answers_stay_readable)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = counting_params("draining");
        params.output_window = 8; /* many times over */
        gyre_kernel *kernel = rig_active(&rig, params);
        counting_send(kernel, 0, 700, 10);
        uint64_t dropped = 99;
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, &dropped));
        cr_assert(dropped == 0);
        gyre_stats stats = stats_of(kernel);
        cr_assert(stats.processed == 700 && stats.dropped == 0 && stats.unread == 700);
        counting_expect_many(kernel, 0, 700);
        gives(GYRE_ERROR_TERMINATED, receive_one(kernel));
        rig_close(&rig);
    }
}

/* A9 */
Test(lifecycle, a_drop_says_how_many_and_the_answers_stay_readable)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("dropping"));
        counting_send(kernel, 0, 700, COUNTING_SLOW / 4);
        counting_expect_many(kernel, 0, 3);
        uint64_t dropped = 0;
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, &dropped));
        gyre_stats stats = stats_of(kernel);
        cr_assert(stats.processed + dropped == 700 && stats.dropped == dropped);
        cr_assert(stats.accepted == stats.processed + stats.dropped);
        counting_expect_many(kernel, 3, (uint32_t)stats.processed - 3);
        gives(GYRE_ERROR_TERMINATED, receive_one(kernel));
        rig_close(&rig);
    }
}

/* A12 */
Test(lifecycle, a_runtime_is_destroyed_with_eight_active_kernels)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernels[8];
        for (uint32_t i = 0; i < 8; ++i) {
            char id[] = {(char)('a' + i), '\0'};
            kernels[i] = rig_launch(&rig, counting_params(id));
            counting_send(kernels[i], 0, 50, i * 100);
        }
        ok(gyre_kernels_activate(kernels, 8));
        for (uint32_t i = 0; i < 8; i += 2) {
            counting_expect(kernels[i], 0, 1);
        }
        rig_close(&rig);
        cr_assert(!rig_said(&rig, "given up"), "%s", rig.log);
    }
}

Test(lifecycle, two_runtimes_know_nothing_of_each_other)
{
    for (BOTH_MODES(mode)) {
        struct rig left;
        struct rig right;
        rig_open(&left, mode);
        rig_open(&right, mode);
        gyre_kernel *in_left = rig_active(&left, counting_params("same"));
        gyre_kernel *in_right = rig_active(&right, counting_params("same"));
        counting_send(in_left, 0, 30, 0);
        counting_send(in_right, 0, 20, 0);
        counting_expect_many(in_right, 0, 20);
        ok(gyre_kernel_terminate(in_right, GYRE_DROP, PATIENCE, NULL));
        rig_close(&right);
        counting_expect_many(in_left, 0, 30);
        counting_send(in_left, 30, 10, 0);
        counting_expect_many(in_left, 30, 10);
        rig_close(&left);
    }
}
