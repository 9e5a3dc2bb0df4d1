/* Which message comes before which: by every way in (A13), exactly while staged (A14, A15), with a
 * documented bound once in the device's window, starving or ageing as asked for (A16). What came
 * before what is read from the counter in the kernel's state, not from the order of the answers. */
#include <stdatomic.h>

#include "tasks.h"

/* A13 */
Test(priority, is_0_to_255_by_every_path)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("graded"));
        for (enum task_path path = 0; path < TASK_PATHS; ++path) {
            for (uint32_t priority = 0; priority < 256; ++priority) {
                struct task task = {.value = priority};
                struct done done = {0};
                gyre_reply reply = {.data = &done, .capacity = sizeof done};
                ok(task_by(
                    path, kernel,
                    &(gyre_message){.data = &task, .size = sizeof task, .priority = priority},
                    &reply));
                ok(reply.result);
                cr_assert(done.priority == priority && reply.priority == priority,
                          "%s: priority %u came as %u and went as %u", task_path_name(path),
                          priority, done.priority, reply.priority);
            }
        }
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.rejected == 0 && stats.accepted == 256ull * TASK_PATHS);
        rig_close(&rig);
    }
}

/* A13 */
Test(priority, above_255_is_refused_by_every_path)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("graded"));
        for (enum task_path path = 0; path < TASK_PATHS; ++path) {
            struct task task = {0};
            gyre_message message = {.data = &task, .size = sizeof task, .priority = 256};
            gives(GYRE_ERROR_INVALID, task_by(path, kernel, &message, &(gyre_reply){0}));
            gyre_stats stats = flow_stats(kernel);
            cr_assert(stats.rejected_invalid == path + 1u && stats.accepted == 0, "%s: %s",
                      task_path_name(path), books_text(&stats));
        }
        rig_close(&rig);
    }
}

/* Each answer must be of the message that was sent as `sequence[order - 1]`. */
static void expect_sequence(gyre_kernel *kernel, const uint32_t *sequence, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        struct done done;
        gyre_reply reply = task_take(kernel, &done);
        ok(reply.result);
        cr_assert(done.order >= 1 && done.order <= count && sequence[done.order - 1] == done.value,
                  "number %u of %u was message %u (priority %u), not %u", done.order, count,
                  done.value, done.priority, sequence[(done.order - 1) % count]);
    }
}

/* A14 */
Test(priority, what_is_sent_while_paused_is_processed_from_the_most_urgent_down)
{
    static const uint32_t priorities[] = {64, 255, 128, 224, 0, 223};
    static const uint32_t sequence[] = {255, 224, 223, 128, 64, 0};
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernels[] = {rig_launch(&rig, tasks_params("launched")),
                                  rig_active(&rig, tasks_params("paused"))};
        ok(gyre_kernel_deactivate(kernels[1], PATIENCE));
        for (size_t k = 0; k < LENGTH(kernels); ++k) {
            for (size_t i = 0; i < LENGTH(priorities); ++i) {
                task_send(kernels[k], (struct task){.value = priorities[i]}, priorities[i]);
            }
        }
        ok(gyre_kernel_activate(kernels[0]));
        ok(gyre_kernel_reactivate(kernels[1]));
        expect_sequence(kernels[0], sequence, LENGTH(sequence));
        expect_sequence(kernels[1], sequence, LENGTH(sequence));
        rig_close(&rig);
    }
}

#define STAGED COUNTING_QUEUE

static uint32_t priority_of(uint32_t value)
{
    return tasks_mix(value) & 255;
}

/* The values 0 to STAGED - 1 by falling priority, equals as they were sent. */
static void sort(uint32_t sequence[STAGED])
{
    uint32_t at = 0;
    for (uint32_t priority = 256; priority-- > 0;) {
        for (uint32_t value = 0; value < STAGED; ++value) {
            if (priority_of(value) == priority) {
                sequence[at++] = value;
            }
        }
    }
}

/* A14, of many times what the device's window holds. */
static void process_staged(struct rig *rig, const char *id, uint32_t window)
{
    gyre_kernel_params params = tasks_params(id);
    params.window = window;
    gyre_kernel *kernel = rig_launch(rig, params);
    for (uint32_t value = 0; value < STAGED; ++value) {
        task_send(kernel, (struct task){.value = value}, priority_of(value));
    }
    ok(gyre_kernel_activate(kernel));
    uint32_t sequence[STAGED];
    sort(sequence);
    expect_sequence(kernel, sequence, STAGED);
}

Test(priority, is_exact_among_all_that_is_staged)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        process_staged(&rig, "narrow", 2);
        process_staged(&rig, "usual", 0);
        process_staged(&rig, "wide", 1024);
        rig_close(&rig);
    }
}

/* A15, across a pause that takes back what the window holds. */
Test(priority, of_equals_goes_to_the_first)
{
    enum { EQUALS = 1000 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("fair"));
        for (uint32_t i = 0; i < EQUALS; ++i) {
            task_send(kernel, (struct task){.value = i, .turns = COUNTING_SLOW / 50}, 100);
            if (i % 300 == 299) {
                ok(gyre_kernel_deactivate(kernel, PATIENCE));
                ok(gyre_kernel_reactivate(kernel));
            }
        }
        for (uint32_t i = 0; i < EQUALS; ++i) {
            task_expect(kernel, i, i + 1);
        }
        rig_close(&rig);
    }
}

#define LOWLY 77777u /* the value of the one message of priority 0 */

/* A16: without age_ns it waits as long as more urgent ones come. */
Test(priority, starves_the_lowest_as_long_as_more_urgent_ones_come)
{
    enum { STREAM = 3000 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("starving");
        params.queue_size = STREAM + 1;
        gyre_kernel *kernel = rig_launch(&rig, params);
        task_send(kernel, (struct task){.value = LOWLY}, 0);
        tasks_send(kernel, 0, STREAM, 255);
        ok(gyre_kernel_activate(kernel));
        for (uint32_t i = 0; i < STREAM; ++i) {
            task_expect(kernel, i, i + 1);
        }
        task_expect(kernel, LOWLY, STREAM + 1);
        rig_close(&rig);
    }
}

/* A16: what has waited long enough counts as more. */
Test(priority, ages_by_the_time_that_a_message_waits)
{
    const uint64_t age = 20 * MS;
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("ageing");
        params.age_ns = age;
        gyre_kernel *kernel = rig_launch(&rig, params);
        task_send(kernel, (struct task){.value = LOWLY}, 0);
        /* Ageing goes by the clock: ten times the age. */
        counting_sleep(10 * age);
        task_send(kernel, (struct task){.value = 5}, 5);
        task_send(kernel, (struct task){.value = 200}, 200);
        ok(gyre_kernel_activate(kernel));
        struct done done[3];
        for (size_t i = 0; i < 3; ++i) {
            ok(task_take(kernel, &done[i]).result);
        }
        /* The answers come by the priorities that the messages were given. */
        for (size_t i = 0; i < 3; ++i) {
            uint32_t order = done[i].value == 200 ? 1 : done[i].value == LOWLY ? 2 : 3;
            cr_assert(done[i].order == order, "%u was number %u", done[i].value, done[i].order);
            cr_assert(done[i].value != LOWLY || done[i].priority >= 10, "aged to %u",
                      done[i].priority);
        }
        rig_close(&rig);
    }
}

/* A16: in the end it counts as 255, and is the first of these. */
Test(priority, ages_up_to_255_and_no_further)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("ageing");
        params.age_ns = 20000;
        gyre_kernel *kernel = rig_launch(&rig, params);
        task_send(kernel, (struct task){.value = LOWLY}, 0);
        counting_sleep(300 * params.age_ns); /* ageing goes by the clock */
        tasks_send(kernel, 0, 100, 255);
        ok(gyre_kernel_activate(kernel));
        bool seen = false;
        for (uint32_t i = 0; i < 101; ++i) {
            struct done done;
            ok(task_take(kernel, &done).result);
            bool lowly = done.value == LOWLY;
            cr_assert(done.order == (lowly ? 1 : done.value + 2) && done.priority == 255,
                      "%u was number %u with priority %u", done.value, done.order, done.priority);
            seen = seen || lowly;
        }
        cr_assert(seen);
        rig_close(&rig);
    }
}

struct stream {
    gyre_kernel *kernel;
    atomic_bool stop;
    atomic_bool failed;
};

static void *send_urgent(void *argument)
{
    struct stream *stream = argument;
    while (!atomic_load(&stream->stop)) {
        gyre_result result = task_try(stream->kernel, (struct task){.turns = COUNTING_SLOW / 4},
                                      (gyre_message){.priority = 255}, PATIENCE);
        bool over = result == GYRE_ERROR_TERMINATED || result == GYRE_ERROR_STATE;
        if (result != GYRE_OK) {
            atomic_store(&stream->failed, !over);
            break;
        }
    }
    return NULL;
}

/* Takes answers until that to the lowly one comes. */
static struct done await_lowly(gyre_kernel *kernel, uint64_t bound_ns)
{
    struct done done = {0};
    uint64_t began = rig_now_ns();
    while (done.value != LOWLY) {
        ok(task_take(kernel, &done).result);
        cr_assert(rig_now_ns() - began < bound_ns, "not served after %llu ms",
                  (unsigned long long)(bound_ns / MS));
    }
    return done;
}

/* A16: the stream lasts until the lowly one is answered. */
Test(priority, with_ageing_serves_the_lowest_in_bounded_time)
{
    enum { QUEUE = 512 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("ageing");
        params.age_ns = 1 * MS;
        params.window = 4;
        params.queue_size = QUEUE;
        static struct stream stream;
        stream.kernel = rig_launch(&rig, params);
        atomic_store(&stream.stop, false);
        task_send(stream.kernel, (struct task){.value = LOWLY}, 0);
        for (uint32_t i = 1; i < QUEUE; ++i) {
            task_send(stream.kernel, (struct task){.turns = COUNTING_SLOW / 4}, 255);
        }
        pthread_t thread;
        cr_assert(pthread_create(&thread, NULL, send_urgent, &stream) == 0);
        ok(gyre_kernel_activate(stream.kernel));
        /* 255 ages are a quarter of a second. Then there is a queue before it; the rest is for a
         * busy machine. */
        struct done done = await_lowly(stream.kernel, 20 * S);
        atomic_store(&stream.stop, true);
        ok(gyre_kernel_terminate(stream.kernel, GYRE_DROP, PATIENCE, NULL));
        pthread_join(thread, NULL);
        cr_assert(!atomic_load(&stream.failed));
        cr_assert(done.order >= QUEUE && done.priority > 0, "number %u, priority %u: no stream",
                  done.order, done.priority);
        rig_close(&rig);
    }
}

/* Messages of many priorities as fast as they are taken, one in 32 of them urgent. How many were
 * done when one had been sent its sender asks right after; by then there may be more, so what is
 * counted as going before it is never too much. */
#define WINDOW 4u
#define LOAD 3000u
#define URGENT 255u
#define EVERY 32u

struct load {
    gyre_kernel *kernel;
    uint32_t priorities;        /* those of the others lie below */
    uint64_t done_before[LOAD]; /* messages that were done when this one was there */
    uint32_t order[LOAD];
    atomic_bool failed;
};

static uint32_t load_priority(const struct load *load, uint32_t value)
{
    return value % EVERY == EVERY - 1 ? URGENT : tasks_mix(value) % load->priorities;
}

static void *send_load(void *argument)
{
    struct load *load = argument;
    for (uint32_t value = 0; value < LOAD; ++value) {
        struct task task = {.value = value, .turns = COUNTING_SLOW / 20};
        gyre_message message = {.priority = load_priority(load, value)};
        gyre_stats stats = {0};
        if (task_try(load->kernel, task, message, PATIENCE) != GYRE_OK ||
            gyre_kernel_stats(load->kernel, &stats) != GYRE_OK) {
            atomic_store(&load->failed, true);
            break;
        }
        load->done_before[value] = stats.processed;
    }
    return NULL;
}

static void run_load(struct load *load)
{
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, send_load, load) == 0);
    for (uint32_t i = 0; i < LOAD; ++i) {
        struct done done;
        ok(task_take(load->kernel, &done).result);
        cr_assert(done.value < LOAD);
        load->order[done.value] = done.order;
    }
    pthread_join(thread, NULL);
    cr_assert(!atomic_load(&load->failed));
}

struct waits {
    uint64_t urgent; /* the most messages that one had to let go first */
    uint64_t low;    /* likewise, of those with priorities below 64 */
    uint32_t judged; /* urgent ones that found nothing staged before them */
};

static struct waits measure(const struct load *load)
{
    struct waits waits = {0};
    for (uint32_t value = EVERY; value < LOAD; ++value) {
        uint64_t ahead = load->order[value] - 1;
        ahead -= load->done_before[value] < ahead ? load->done_before[value] : ahead;
        /* The one before it was done, so none like it was staged. */
        bool alone = load->order[value - EVERY] <= load->done_before[value];
        if (load_priority(load, value) == URGENT && alone) {
            waits.judged += 1;
            waits.urgent = ahead > waits.urgent ? ahead : waits.urgent;
        } else if (load_priority(load, value) < 64) {
            waits.low = ahead > waits.low ? ahead : waits.low;
        }
    }
    return waits;
}

/* Urgent messages among others below `priorities` wait for `bound` of them at most. */
static void check_waits(enum rig_mode mode, uint32_t priorities, uint64_t bound)
{
    struct rig rig;
    rig_open(&rig, mode);
    gyre_kernel_params params = tasks_params("loaded");
    params.window = WINDOW;
    params.queue_size = 256;
    params.output_queue_size = LOAD; /* full ones would hold the kernel back */
    static struct load load;
    load = (struct load){.kernel = rig_active(&rig, params), .priorities = priorities};
    run_load(&load);
    struct waits waits = measure(&load);
    cr_assert(waits.urgent <= bound, "%llu messages went before an urgent one",
              (unsigned long long)waits.urgent);
    /* Else there was no load, or nothing to be judged, and nothing was measured. */
    cr_assert(waits.low > 8 * WINDOW && waits.judged >= 10, "%llu before a low one, %u judged",
              (unsigned long long)waits.low, waits.judged);
    rig_close(&rig);
}

/* As gyre_kernel_params.window documents it: its own lane may be full. */
Test(priority, under_load_lets_no_more_than_the_window_go_first)
{
    check_waits(RIG_STRICT, 250, 4 * WINDOW);
    check_waits(RIG_LIVE, 250, 4 * WINDOW);
}

/* Likewise: a lane of its own, and LIVE the one message in hand. */
Test(priority, under_load_passes_the_less_urgent_lanes)
{
    check_waits(RIG_STRICT, 192, 3 * WINDOW);
    check_waits(RIG_LIVE, 192, 1);
}

/* With nothing but zeroes before it a 255 has its lane to itself: LIVE it waits for the message in
 * hand, STRICT for the submission in flight, which has one lane's window. */
Test(priority, of_255_passes_a_full_queue_of_zeroes_within_the_window)
{
    enum { QUEUE = 256 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("crowded");
        params.window = WINDOW;
        params.queue_size = QUEUE;
        gyre_kernel *kernel = rig_launch(&rig, params);
        for (uint32_t i = 0; i < QUEUE; ++i) {
            task_send(kernel, (struct task){.value = i, .turns = COUNTING_SLOW / 4}, 0);
        }
        ok(gyre_kernel_activate(kernel));
        task_send(kernel, (struct task){.value = 999}, 255);
        uint64_t done_before = flow_stats(kernel).processed;
        struct done done = {0};
        for (uint32_t i = 0; i <= QUEUE && done.value != 999; ++i) {
            ok(task_take(kernel, &done).result);
        }
        cr_assert(done.value == 999 && done.order - 1 <= done_before + WINDOW + 1,
                  "number %u, with %llu done before it came", done.order,
                  (unsigned long long)done_before);
        /* Else the queue had emptied, and nothing was passed. */
        cr_assert(done.order < QUEUE);
        rig_close(&rig);
    }
}
