/* Answers that nobody reads: hold the kernel back, fail their messages or give way, as chosen
 * (A29); and what becomes of them at the end (A9). */
#include "tasks.h"

#define OUTPUTS 4u /* on the host, and as many on the device */
#define QUEUE 8u
#define WINDOW 4u

static gyre_kernel_params narrow(const char *id, gyre_backpressure outputs)
{
    gyre_kernel_params params = tasks_params(id);
    params.queue_size = QUEUE;
    params.window = WINDOW;
    params.output_window = OUTPUTS;
    params.output_queue_size = OUTPUTS;
    params.output_backpressure = outputs;
    return params;
}

/* Sends the values from 0 until no more are taken; how many were. */
static uint32_t send_until_held(gyre_kernel *kernel)
{
    uint32_t sent = 0;
    gyre_result result = GYRE_OK;
    while (result == GYRE_OK) {
        result = task_try(kernel, (struct task){.value = sent}, (gyre_message){0}, 300 * MS);
        sent += result == GYRE_OK;
        cr_assert(sent <= 2 * OUTPUTS + WINDOW + QUEUE + 1, "%u messages taken", sent);
    }
    gives(GYRE_ERROR_TIMEOUT, result);
    return sent;
}

/* A29: BLOCK. The senders feel it, and nothing is lost. */
Test(outputs, that_block_hold_the_kernel_back_and_lose_nothing)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, narrow("blocking", GYRE_BLOCK));
        uint32_t sent = send_until_held(kernel);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.unread <= 2 * OUTPUTS && stats.processed <= 2 * OUTPUTS &&
                      stats.failed == 0 && stats.output_dropped == 0 && books_balance(&stats),
                  "%s", books_text(&stats));
        gives(GYRE_ERROR_FULL, gyre_try_send(kernel, &(gyre_message){.data = &(struct task){0},
                                                                     .size = sizeof(struct task)}));
        for (uint32_t i = 0; i < sent; ++i) {
            task_expect(kernel, i, i + 1);
        }
        tasks_expect_none(kernel);
        stats = flow_rest(kernel);
        cr_assert(stats.processed == sent && stats.received == sent && stats.unread == 0, "%s",
                  books_text(&stats));
        rig_close(&rig);
    }
}

struct sender {
    pthread_t thread;
    gyre_kernel *kernel;
    uint32_t value;
    gyre_result result;
};

static void *send_forever(void *argument)
{
    struct sender *sender = argument;
    sender->result = task_try(sender->kernel, (struct task){.value = sender->value},
                              (gyre_message){0}, GYRE_FOREVER);
    return NULL;
}

static void start(struct sender *sender, gyre_kernel *kernel, uint32_t value)
{
    *sender = (struct sender){.kernel = kernel, .value = value};
    cr_assert(pthread_create(&sender->thread, NULL, send_forever, sender) == 0);
    /* It has still to come to its wait; if this is too short it finds things done, which is as
     * right. */
    counting_sleep(50 * MS);
}

/* A29: BLOCK. */
Test(outputs, that_block_let_a_blocked_send_go_on_when_they_are_read)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, narrow("blocking", GYRE_BLOCK));
        uint32_t sent = send_until_held(kernel);
        static struct sender sender;
        start(&sender, kernel, sent);
        cr_assert(flow_stats(kernel).accepted == sent);
        for (uint32_t i = 0; i <= sent; ++i) {
            task_expect(kernel, i, i + 1);
        }
        pthread_join(sender.thread, NULL);
        ok(sender.result);
        rig_close(&rig);
    }
}

/* A29, A9: what was answered stays readable, wherever it lay. */
Test(outputs, that_block_end_with_the_kernel)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, narrow("blocking", GYRE_BLOCK));
        uint32_t sent = send_until_held(kernel);
        static struct sender sender;
        start(&sender, kernel, sent);
        uint64_t dropped = 0;
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, &dropped));
        pthread_join(sender.thread, NULL);
        gives(GYRE_ERROR_TERMINATED, sender.result);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.processed >= OUTPUTS && stats.processed + dropped == sent &&
                      stats.dropped_terminated == dropped && stats.unread == stats.processed &&
                      books_balance(&stats),
                  "%llu dropped; %s", (unsigned long long)dropped, books_text(&stats));
        for (uint32_t i = 0; i < stats.processed; ++i) {
            task_expect(kernel, i, i + 1);
        }
        gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &(gyre_reply){0}));
        rig_close(&rig);
    }
}

/* A29, A6: a pause does not wait for readers, and what it takes back is not what was answered. */
Test(outputs, that_block_do_not_hold_a_pause)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, narrow("blocking", GYRE_BLOCK));
        uint32_t sent = send_until_held(kernel);
        for (uint32_t round = 0; round < 5; ++round) {
            ok(gyre_kernel_deactivate(kernel, PATIENCE));
            gyre_stats stats = flow_stats(kernel);
            cr_assert(books_balance(&stats) && stats.accepted == sent && stats.staged > 0, "%s",
                      books_text(&stats));
            task_expect(kernel, round, round + 1);
            ok(gyre_kernel_reactivate(kernel));
        }
        for (uint32_t i = 5; i < sent; ++i) {
            task_expect(kernel, i, i + 1);
        }
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}

/* A29, A9: a drain does not wait for readers. */
Test(outputs, that_block_do_not_hold_a_drain)
{
    enum { MESSAGES = 700 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = narrow("draining", GYRE_BLOCK);
        params.queue_size = MESSAGES;
        gyre_kernel *kernel = rig_active(&rig, params);
        tasks_send(kernel, 0, MESSAGES, 7);
        uint64_t dropped = 99;
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, &dropped));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(dropped == 0 && stats.processed == MESSAGES && stats.unread == MESSAGES &&
                      stats.dropped == 0,
                  "%s", books_text(&stats));
        for (uint32_t i = 0; i < MESSAGES; ++i) {
            task_expect(kernel, i, i + 1);
        }
        gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &(gyre_reply){0}));
        rig_close(&rig);
    }
}

#define MESSAGES 20u

/* A29: REJECT. What has no room fails, and is kept where failures are. */
Test(outputs, that_reject_fail_the_message_and_keep_it_as_a_dead_letter)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = narrow("rejecting", GYRE_REJECT);
        params.dead_letters = MESSAGES;
        gyre_kernel *kernel = rig_active(&rig, params);
        tasks_send(kernel, 0, MESSAGES, 0);
        until(flow_stats(kernel).processed + flow_stats(kernel).failed == MESSAGES);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.processed == OUTPUTS && stats.failed == MESSAGES - OUTPUTS &&
                      stats.unread == OUTPUTS && stats.dead_letters == MESSAGES - OUTPUTS,
                  "%s", books_text(&stats));
        gives(GYRE_ERROR_OUTPUT_FULL, stats.last_error);
        for (uint32_t i = 0; i < OUTPUTS; ++i) {
            task_expect(kernel, i, i + 1);
        }
        tasks_expect_none(kernel);
        for (uint32_t i = OUTPUTS; i < MESSAGES; ++i) {
            struct task task = {0};
            gyre_dead_letter letter = {.data = &task, .capacity = sizeof task};
            ok(gyre_dead_letter_take(kernel, &letter));
            gives(GYRE_ERROR_OUTPUT_FULL, letter.result);
            cr_assert(task.value == i);
        }
        /* There is room again, and all of them have been through the handler. */
        task_send(kernel, (struct task){.value = 5}, 0);
        task_expect(kernel, 5, MESSAGES + 1);
        rig_close(&rig);
    }
}

/* A29: REJECT, without dead letters: what had no room is counted, and no reply tells of it. */
Test(outputs, that_reject_never_hold_the_kernel_back)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, narrow("rejecting", GYRE_REJECT));
        tasks_send(kernel, 0, 10 * MESSAGES, 0);
        until(flow_stats(kernel).processed + flow_stats(kernel).failed == 10 * MESSAGES);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.processed == OUTPUTS && stats.dead_letters == 0, "%s", books_text(&stats));
        gives(GYRE_ERROR_OUTPUT_FULL, stats.last_error);
        for (uint32_t i = 0; i < OUTPUTS; ++i) {
            task_expect(kernel, i, i + 1);
        }
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}

/* A29: DROP_OLDEST. */
Test(outputs, that_drop_the_oldest_keep_the_newest)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, narrow("dropping", GYRE_DROP_OLDEST));
        tasks_send(kernel, 0, MESSAGES, 0);
        until(flow_stats(kernel).processed == MESSAGES);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.output_dropped == MESSAGES - OUTPUTS && stats.unread == OUTPUTS &&
                      stats.failed == 0 && stats.dropped == 0,
                  "%s", books_text(&stats));
        for (uint32_t i = MESSAGES - OUTPUTS; i < MESSAGES; ++i) {
            task_expect(kernel, i, i + 1);
        }
        tasks_expect_none(kernel);
        cr_assert(flow_stats(kernel).received == OUTPUTS);
        rig_close(&rig);
    }
}

/* A29: DROP_OLDEST, of the lowest priority, never one above the newcomer. */
Test(outputs, that_drop_the_oldest_drop_the_lowest_first)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, narrow("dropping", GYRE_DROP_OLDEST));
        static const uint32_t priorities[] = {9, 5, 5, 9, 4, 5, 9};
        for (uint32_t i = 0; i < LENGTH(priorities); ++i) {
            task_send(kernel, (struct task){.value = i}, priorities[i]);
            until(flow_stats(kernel).processed == i + 1);
        }
        cr_assert(flow_stats(kernel).output_dropped == 3);
        task_expect(kernel, 0, 1);
        task_expect(kernel, 3, 4);
        task_expect(kernel, 6, 7); /* 2 went for it */
        task_expect(kernel, 5, 6); /* 1 went for it; 4 was the lowest itself */
        tasks_expect_none(kernel);
        rig_close(&rig);
    }
}

#define SLOWLY 5000u

struct reader {
    pthread_t thread;
    gyre_kernel *kernel;
    uint32_t answers;
    uint32_t errors;
    uint32_t seen[SLOWLY];
};

static void *read_slowly(void *argument)
{
    struct reader *reader = argument;
    gyre_result result = GYRE_OK;
    while (result == GYRE_OK) {
        struct done done;
        gyre_reply reply = {.data = &done, .capacity = sizeof done};
        result = gyre_receive(reader->kernel, &reply, GYRE_FOREVER);
        if (result == GYRE_OK) {
            reader->errors += reply.result != GYRE_OK || done.value >= SLOWLY ||
                              reply.correlation != done.value ||
                              reader->seen[done.value % SLOWLY]++ != 0;
            reader->answers += 1;
            if (reader->answers % 16 == 0) {
                counting_sleep(MS / 4); /* it is to be slower than the kernel */
            }
        }
    }
    reader->errors += result != GYRE_ERROR_TERMINATED;
    return NULL;
}

/* A29: BLOCK, with a reader that is slower than the kernel, over many rounds and in all lanes. An
 * answer that waited on the device had its message acknowledged by that of another lane, and was
 * thrown away as corrupt. */
Test(outputs, that_block_lose_nothing_to_a_slow_reader)
{
    const uint32_t messages = TASKS_SANITIZED ? SLOWLY / 5 : SLOWLY;
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static struct reader reader;
        gyre_kernel_params params = narrow("blocking", GYRE_BLOCK);
        params.output_window = 16;
        reader = (struct reader){.kernel = rig_active(&rig, params)};
        cr_assert(pthread_create(&reader.thread, NULL, read_slowly, &reader) == 0);
        for (uint32_t i = 0; i < messages; ++i) {
            ok(task_try(reader.kernel, (struct task){.value = i},
                        (gyre_message){.priority = tasks_mix(i) & 255, .correlation = i},
                        PATIENCE));
        }
        ok(gyre_kernel_terminate(reader.kernel, GYRE_DRAIN, PATIENCE, NULL));
        pthread_join(reader.thread, NULL);
        gyre_stats stats = flow_stats(reader.kernel);
        cr_assert(reader.answers == messages && reader.errors == 0, "%u of %u answers; %s",
                  reader.answers, messages, books_text(&stats));
        cr_assert(stats.processed == messages && stats.received == messages && stats.corrupt == 0,
                  "%s", books_text(&stats));
        rig_close(&rig);
    }
}
