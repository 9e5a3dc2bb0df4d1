/* Messages that are too late (A34), and those that come by themselves: timers. */
#include <stdatomic.h>
#include <time.h>

#include "tasks.h"

#define SOON (10 * MS) /* a deadline that is to pass */

/* A deadline passes by the clock, and by nothing else. */
static void let_pass(uint64_t ns)
{
    counting_sleep(ns + 1 * MS);
}

static uint64_t send_by(gyre_kernel *kernel, uint32_t value, uint64_t deadline_ns)
{
    uint64_t id = 0;
    ok(task_try(kernel, (struct task){.value = value},
                (gyre_message){.deadline_ns = deadline_ns, .id = &id}, PATIENCE));
    return id;
}

/* What was said of lost messages. */
struct losses {
    atomic_uint expired;
    atomic_uint dropped;
    atomic_uint other;
    atomic_ullong last_id;
};

static void lose(void *user, uint64_t id, gyre_result why)
{
    struct losses *losses = user;
    atomic_fetch_add(&losses->expired, why == GYRE_ERROR_EXPIRED);
    atomic_fetch_add(&losses->dropped, why == GYRE_ERROR_DROPPED);
    atomic_fetch_add(&losses->other, why != GYRE_ERROR_EXPIRED && why != GYRE_ERROR_DROPPED);
    atomic_store(&losses->last_id, id);
}

static gyre_kernel_params watched(const char *id, struct losses *losses)
{
    memset(losses, 0, sizeof *losses);
    gyre_kernel_params params = tasks_params(id);
    params.on_drop = lose;
    params.drop_user = losses;
    return params;
}

/* A34 */
Test(deadlines, that_have_passed_keep_a_message_from_the_device)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static struct losses losses;
        gyre_kernel *kernel = rig_launch(&rig, watched("late", &losses));
        uint64_t last = 0;
        for (uint32_t i = 0; i < 30; ++i) {
            /* Every third is to be late; of the others one has time, one has no deadline. */
            uint64_t id = send_by(kernel, i, i % 3 == 0 ? SOON : i % 3 == 1 ? PATIENCE : 0);
            last = i % 3 == 0 ? id : last;
        }
        let_pass(SOON);
        ok(gyre_kernel_activate(kernel));
        uint32_t order = 0;
        for (uint32_t i = 0; i < 30; ++i) {
            if (i % 3 != 0) {
                task_expect(kernel, i, ++order);
            }
        }
        tasks_expect_none(kernel);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.expired == 10 && stats.processed == 20 && stats.dropped == 0 &&
                      books_balance(&stats),
                  "%s", books_text(&stats));
        cr_assert(atomic_load(&losses.expired) == 10 && atomic_load(&losses.dropped) == 0 &&
                  atomic_load(&losses.other) == 0 && atomic_load(&losses.last_id) == last);
        /* The handler has seen 20 messages, not 30. */
        task_send(kernel, (struct task){.value = 77}, 0);
        task_expect(kernel, 77, 21);
        rig_close(&rig);
    }
}

/* A34, while an ACTIVE kernel works on what came before. */
Test(deadlines, pass_in_the_queue_of_a_busy_kernel)
{
    enum { SLOW = 200, LATE = 20 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("busy");
        params.window = 4;
        gyre_kernel *kernel = rig_launch(&rig, params);
        for (uint32_t i = 0; i < SLOW; ++i) {
            task_send(kernel, (struct task){.value = i, .turns = COUNTING_SLOW}, 0);
        }
        for (uint32_t i = 0; i < LATE; ++i) {
            send_by(kernel, SLOW + i, SOON / 2); /* what is before it takes longer */
        }
        ok(gyre_kernel_activate(kernel));
        for (uint32_t i = 0; i < SLOW; ++i) {
            task_expect(kernel, i, i + 1);
        }
        until(flow_stats(kernel).expired == LATE);
        task_send(kernel, (struct task){.value = 99}, 0);
        task_expect(kernel, 99, SLOW + 1);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.processed == SLOW + 1 && stats.received == SLOW + 1 &&
                      books_balance(&stats),
                  "%s", books_text(&stats));
        rig_close(&rig);
    }
}

/* A34, with nothing before it: one nanosecond is over before the device can have the message. */
Test(deadlines, that_cannot_be_met_keep_a_message_from_an_idle_device)
{
    enum { LATE = 100 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("idle"));
        for (uint32_t i = 0; i < LATE; ++i) {
            send_by(kernel, i, 1);
        }
        until(flow_stats(kernel).expired + flow_stats(kernel).processed == LATE);
        gyre_stats stats = flow_stats(kernel);
        /* The engine's clock may stand still between two readings. */
        cr_assert(stats.expired > LATE / 2, "%s", books_text(&stats));
        rig_close(&rig);
    }
}

/* Nobody else touches the kernel meanwhile: the one that waits finds out. */
static void request_late(gyre_kernel *kernel)
{
    struct task task = {0};
    uint64_t began = rig_now_ns();
    gives(GYRE_ERROR_EXPIRED,
          gyre_request(kernel,
                       &(gyre_message){.data = &task, .size = sizeof task, .deadline_ns = 20 * MS},
                       &(gyre_reply){0}, PATIENCE));
    uint64_t took = rig_now_ns() - began;
    cr_assert(took >= 20 * MS && took < 2 * S, "%llu ms", (unsigned long long)(took / MS));
}

/* A34 */
Test(deadlines, end_a_request_to_a_paused_kernel)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static struct losses losses;
        gyre_kernel *kernel = rig_launch(&rig, watched("paused", &losses));
        request_late(kernel);
        ok(gyre_kernel_activate(kernel));
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        request_late(kernel);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.expired == 2 && stats.staged == 0 && stats.awaited == 0 &&
                      stats.requests == 2,
                  "%s", books_text(&stats));
        cr_assert(atomic_load(&losses.expired) == 2);
        ok(gyre_kernel_reactivate(kernel));
        task_send(kernel, (struct task){.value = 1}, 0);
        task_expect(kernel, 1, 1);
        rig_close(&rig);
    }
}

/* A34: what has expired takes up no room. */
Test(deadlines, that_have_passed_make_room_in_a_full_queue)
{
    enum { QUEUE = 4 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("full");
        params.queue_size = QUEUE;
        gyre_kernel *kernel = rig_launch(&rig, params);
        for (uint32_t i = 0; i < QUEUE; ++i) {
            send_by(kernel, i, SOON);
        }
        let_pass(SOON);
        for (uint32_t i = 0; i < QUEUE; ++i) {
            struct task task = {.value = 10 + i};
            ok(gyre_try_send(
                kernel,
                &(gyre_message){.data = &task, .size = sizeof task, .deadline_ns = 200 * MS}));
        }
        /* Nothing happens to a paused kernel but that these expire, too. */
        ok(task_try(kernel, (struct task){.value = 20}, (gyre_message){0}, GYRE_FOREVER));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.expired >= QUEUE + 1 && books_balance(&stats), "%s", books_text(&stats));
        until(flow_stats(kernel).expired == 2 * QUEUE);
        ok(gyre_kernel_activate(kernel));
        task_expect(kernel, 20, 1);
        rig_close(&rig);
    }
}

/* A34: a send that waits for room has its deadline, too. */
Test(deadlines, end_the_wait_for_room)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("full");
        params.queue_size = 1;
        gyre_kernel *kernel = rig_launch(&rig, params);
        task_send(kernel, (struct task){.value = 1}, 0);
        gives(GYRE_ERROR_EXPIRED, task_try(kernel, (struct task){0},
                                           (gyre_message){.deadline_ns = SOON}, GYRE_FOREVER));
        gives(GYRE_ERROR_TIMEOUT,
              task_try(kernel, (struct task){0}, (gyre_message){.deadline_ns = PATIENCE}, SOON));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.accepted == 1 && stats.expired == 0 && stats.rejected_full == 2, "%s",
                  books_text(&stats));
        ok(gyre_kernel_activate(kernel));
        task_expect(kernel, 1, 1);
        rig_close(&rig);
    }
}

/* The reply to a message that was lost. */
static void expect_lost(gyre_kernel *kernel, uint64_t id, uint64_t correlation, gyre_result why)
{
    struct done done;
    gyre_reply reply = task_take(kernel, &done);
    gives(why, reply.result);
    cr_assert(reply.id == id && reply.correlation == correlation && reply.size == 0);
    cr_assert(reply.flags & GYRE_REPLY_LAST && !(reply.flags & GYRE_REPLY_SILENT));
}

Test(deadlines, and_drops_are_told_to_who_wants_all_reported)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static struct losses losses;
        gyre_kernel_params params = watched("reporting", &losses);
        params.report_all = true;
        params.queue_size = 3;
        params.backpressure = GYRE_DROP_OLDEST;
        gyre_kernel *kernel = rig_launch(&rig, params);
        uint64_t ids[5];
        for (uint32_t i = 0; i < LENGTH(ids); ++i) {
            ok(task_try(kernel, (struct task){.value = i, .silent = i == 4},
                        (gyre_message){.id = &ids[i],
                                       .correlation = 100 + i,
                                       .deadline_ns = i == 2 ? 300 * MS : 0},
                        PATIENCE));
        }
        expect_lost(kernel, ids[0], 100, GYRE_ERROR_DROPPED);
        expect_lost(kernel, ids[1], 101, GYRE_ERROR_DROPPED);
        expect_lost(kernel, ids[2], 102, GYRE_ERROR_EXPIRED); /* waits for it */
        ok(gyre_kernel_activate(kernel));
        task_expect(kernel, 3, 1);
        struct done done;
        gyre_reply reply = task_take(kernel, &done);
        cr_assert(reply.result == GYRE_OK && reply.flags & GYRE_REPLY_SILENT && reply.id == ids[4]);
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        uint64_t id = task_send(kernel, (struct task){0}, 0);
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
        expect_lost(kernel, id, 0, GYRE_ERROR_DROPPED);
        gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &(gyre_reply){0}));
        cr_assert(atomic_load(&losses.dropped) == 3 && atomic_load(&losses.expired) == 1 &&
                  atomic_load(&losses.other) == 0 && atomic_load(&losses.last_id) == id);
        rig_close(&rig);
    }
}

struct receiver {
    pthread_t thread;
    gyre_kernel *kernel;
    gyre_result result;
    gyre_reply reply;
};

static void *receive_forever(void *argument)
{
    struct receiver *receiver = argument;
    receiver->result = gyre_receive(receiver->kernel, &receiver->reply, GYRE_FOREVER);
    return NULL;
}

/* Who waits already hears of a message that is sent later, and lost. */
Test(deadlines, that_pass_wake_who_waits_for_a_report)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("reporting");
        params.report_all = true;
        static struct receiver receiver;
        receiver = (struct receiver){.kernel = rig_launch(&rig, params)};
        cr_assert(pthread_create(&receiver.thread, NULL, receive_forever, &receiver) == 0);
        /* It has still to come to its wait; if this is too short it knows more than it has to,
         * which is as right. */
        counting_sleep(50 * MS);
        uint64_t id = send_by(receiver.kernel, 1, SOON);
        struct timespec give_up;
        clock_gettime(CLOCK_REALTIME, &give_up);
        give_up.tv_sec += 20;
        cr_assert(pthread_timedjoin_np(receiver.thread, NULL, &give_up) == 0,
                  "the message never expired");
        ok(receiver.result);
        gives(GYRE_ERROR_EXPIRED, receiver.reply.result);
        cr_assert(receiver.reply.id == id);
        rig_close(&rig);
    }
}

/* Without, they are only counted. */
Test(deadlines, and_drops_are_not_told_to_who_does_not_ask)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("quiet");
        params.queue_size = 1;
        params.backpressure = GYRE_DROP_OLDEST;
        gyre_kernel *kernel = rig_launch(&rig, params);
        tasks_send(kernel, 0, 2, 0);
        send_by(kernel, 2, SOON);
        let_pass(SOON);
        ok(gyre_kernel_activate(kernel));
        until(flow_stats(kernel).expired == 1);
        tasks_expect_none(kernel);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.dropped_oldest == 2 && stats.processed == 0, "%s", books_text(&stats));
        rig_close(&rig);
    }
}

#define TICK (20 * MS)

static gyre_kernel_params ticking(const char *id, uint64_t tick_ns)
{
    gyre_kernel_params params = tasks_params(id);
    params.tick_ns = tick_ns;
    return params;
}

static void expect_tick(gyre_kernel *kernel, uint32_t order)
{
    struct done done;
    gyre_reply reply = task_take(kernel, &done);
    ok(reply.result);
    cr_assert(reply.flags & GYRE_REPLY_TICK && done.tick == 1 && done.type == GYRE_TYPE_TICK,
              "flags %u, tick %u, type %u", reply.flags, done.tick, done.type);
    cr_assert(done.value == 0 && done.key == 0 && reply.correlation == 0 && done.order == order);
}

Test(deadlines, of_a_timer_bring_ticks_when_nothing_is_sent)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_launch(&rig, ticking("ticking", TICK));
        counting_sleep(3 * TICK); /* for ticks that should not be: it is not ACTIVE */
        cr_assert(flow_stats(kernel).ticks == 0 && flow_stats(kernel).accepted == 0);
        uint64_t began = rig_now_ns();
        ok(gyre_kernel_activate(kernel));
        for (uint32_t i = 0; i < 5; ++i) {
            expect_tick(kernel, i + 1);
        }
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        gyre_stats stats = flow_stats(kernel);
        uint64_t most = (rig_now_ns() - began) / TICK + 1;
        cr_assert(stats.ticks >= 5 && stats.ticks <= most && stats.accepted == stats.ticks &&
                      books_balance(&stats),
                  "%llu ticks where %llu fit; %s", (unsigned long long)stats.ticks,
                  (unsigned long long)most, books_text(&stats));
        counting_sleep(3 * TICK); /* for ticks that should not be: it is paused */
        cr_assert(flow_stats(kernel).ticks == stats.ticks);
        ok(gyre_kernel_reactivate(kernel));
        until(flow_stats(kernel).ticks > stats.ticks);
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
        stats = flow_stats(kernel);
        counting_sleep(3 * TICK); /* for ticks that should not be: it is no more */
        cr_assert(flow_stats(kernel).ticks == stats.ticks && books_balance(&stats));
        rig_close(&rig);
    }
}

Test(deadlines, of_a_timer_leave_messages_as_they_are)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, ticking("ticking", TICK));
        expect_tick(kernel, 1);
        struct task task = {.value = 5};
        struct done done = {0};
        gyre_reply reply = {.data = &done, .capacity = sizeof done};
        ok(gyre_request(kernel, &(gyre_message){.data = &task, .size = sizeof task}, &reply,
                        PATIENCE));
        cr_assert(done.value == 5 && done.tick == 0 && done.type == 0 &&
                  !(reply.flags & GYRE_REPLY_TICK));
        for (enum task_path path = 0; path < TASK_PATHS; ++path) {
            /* Nobody but the engine sends these. */
            gyre_message message = {.data = &task, .size = sizeof task, .type = GYRE_TYPE_TICK};
            gyre_result result = path == TASK_SEND ? gyre_send(kernel, &message, PATIENCE)
                                 : path == TASK_TRY_SEND
                                     ? gyre_try_send(kernel, &message)
                                     : gyre_request(kernel, &message, &reply, PATIENCE);
            gives(GYRE_ERROR_TYPE, result);
        }
        rig_close(&rig);
    }
}

/* Sends for some ticks' time; the longest that nothing was sent. */
static uint64_t keep_busy(gyre_kernel *kernel, uint64_t time_ns)
{
    uint64_t longest = 0;
    uint64_t last = rig_now_ns();
    uint64_t end = last + time_ns;
    for (uint32_t i = 0; last < end; ++i) {
        task_send(kernel, (struct task){.value = i}, 0);
        struct done done;
        gyre_reply reply = task_take(kernel, &done);
        cr_assert(reply.result == GYRE_OK);
        uint64_t now = rig_now_ns();
        longest = now - last > longest ? now - last : longest;
        last = now;
    }
    return longest;
}

Test(deadlines, of_a_timer_bring_none_while_messages_come)
{
    const uint64_t tick = 300 * MS;
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        bool tried = false;
        for (uint32_t i = 0; i < 10 && !tried; ++i) {
            gyre_kernel *kernel = rig_active(&rig, ticking("busy", tick));
            /* A machine that was away for a tick itself proves nothing: another try. */
            tried = keep_busy(kernel, 4 * tick) < tick;
            cr_assert(!tried || flow_stats(kernel).ticks == 0, "%llu ticks",
                      (unsigned long long)flow_stats(kernel).ticks);
            gyre_kernel_destroy(kernel);
        }
        cr_assert(tried, "the machine is too busy for this test");
        rig_close(&rig);
    }
}
