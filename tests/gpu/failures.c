/* Messages that fail, what that does to their kernel, and where they go (A40); messages that are
 * refused (A18); messages of several types. */
#include <stdatomic.h>

#include "tasks.h"

static gyre_message task_message(const struct task *task)
{
    return (gyre_message){.data = task, .size = sizeof *task};
}

/* A40 */
Test(failures, are_known_within_a_second_and_the_next_message_is_processed)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("failing"));
        tasks_send(kernel, 0, 1, 0);
        task_expect(kernel, 0, 1);
        uint64_t began = rig_now_ns();
        uint64_t id = task_send(kernel, (struct task){.fail = 31}, 0);
        until(flow_stats(kernel).failed == 1);
        uint64_t took = rig_now_ns() - began;
        gyre_stats stats = flow_stats(kernel);
        cr_assert(took < 1 * S, "%llu ms", (unsigned long long)(took / MS));
        cr_assert(stats.last_error == GYRE_ERROR_HANDLER && stats.last_error_code == 31 &&
                      stats.last_error_id == id && stats.processed == 1 && books_balance(&stats),
                  "%s", books_text(&stats));
        struct done done;
        gyre_reply reply = task_take(kernel, &done);
        gives(GYRE_ERROR_HANDLER, reply.result);
        cr_assert(reply.code == 31 && reply.id == id && reply.flags & GYRE_REPLY_LAST);
        task_send(kernel, (struct task){.value = 8}, 0);
        task_expect(kernel, 8, 3);
        cr_assert(gyre_kernel_state(kernel) == GYRE_ACTIVE);
        rig_close(&rig);
    }
}

Test(failures, deactivate_the_kernel_if_asked_to)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("careful");
        params.on_failure = GYRE_DEACTIVATE;
        gyre_kernel *kernel = rig_active(&rig, params);
        for (uint32_t round = 0; round < 3; ++round) {
            task_send(kernel, (struct task){.fail = 5}, 0);
            until(gyre_kernel_state(kernel) == GYRE_DEACTIVATED);
            tasks_send(kernel, 0, 10, 0);
            /* For messages that were worked on, if they were. */
            counting_sleep(20 * MS);
            gyre_stats stats = flow_stats(kernel);
            cr_assert(stats.failed == round + 1 && stats.processed == 10 * round &&
                          stats.staged == 10 && stats.fault == GYRE_OK,
                      "%s", books_text(&stats));
            struct done done;
            gives(GYRE_ERROR_HANDLER, task_take(kernel, &done).result);
            gives(GYRE_ERROR_STATE, gyre_kernel_deactivate(kernel, PATIENCE));
            ok(gyre_kernel_reactivate(kernel));
            for (uint32_t i = 0; i < 10; ++i) {
                task_expect(kernel, i, 11 * round + 2 + i);
            }
        }
        rig_close(&rig);
    }
}

/* What lies behind the failure waits, but for what was in the device's window already. */
Test(failures, that_deactivate_lose_nothing_of_a_long_queue)
{
    enum { MESSAGES = 600, FAILING = 100, WINDOW = 4 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("careful");
        params.on_failure = GYRE_DEACTIVATE;
        params.dead_letters = 1;
        params.window = WINDOW;
        gyre_kernel *kernel = rig_launch(&rig, params);
        for (uint32_t i = 0; i < MESSAGES; ++i) {
            task_send(kernel,
                      (struct task){
                          .value = i, .turns = COUNTING_SLOW / 10, .fail = i == FAILING ? 9 : 0},
                      0);
        }
        ok(gyre_kernel_activate(kernel));
        until(gyre_kernel_state(kernel) == GYRE_DEACTIVATED);
        until(flow_stats(kernel).window == 0);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.failed == 1 && stats.processed >= FAILING &&
                      stats.processed + 1 + stats.staged == MESSAGES && stats.staged > 0,
                  "%s", books_text(&stats));
        ok(gyre_kernel_reactivate(kernel));
        for (uint32_t i = 0; i < MESSAGES; ++i) {
            if (i != FAILING) {
                task_expect(kernel, i, i + 1);
            }
        }
        cr_assert(flow_stats(kernel).dead_letters == 1);
        rig_close(&rig);
    }
}

struct waiter {
    pthread_t thread;
    gyre_kernel *kernel;
    gyre_result result;
};

static void *receive_until_the_end(void *argument)
{
    struct waiter *waiter = argument;
    waiter->result = GYRE_OK;
    while (waiter->result == GYRE_OK) {
        gyre_reply reply = {0};
        waiter->result = gyre_receive(waiter->kernel, &reply, GYRE_FOREVER);
    }
    return NULL;
}

Test(failures, terminate_the_kernel_if_asked_to)
{
    enum { BEFORE = 5, AFTER = 300 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("drastic");
        params.on_failure = GYRE_TERMINATE;
        params.window = 4;
        gyre_kernel *kernel = rig_launch(&rig, params);
        tasks_send(kernel, 0, BEFORE, 0);
        task_send(kernel, (struct task){.fail = 5}, 0);
        for (uint32_t i = 0; i < AFTER; ++i) {
            task_send(kernel, (struct task){.value = i, .turns = COUNTING_SLOW / 10}, 0);
        }
        ok(gyre_kernel_activate(kernel));
        until(gyre_kernel_state(kernel) == GYRE_TERMINATED);
        struct task task = {0};
        gyre_message message = task_message(&task);
        gives(GYRE_ERROR_STATE, gyre_send(kernel, &message, PATIENCE));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.failed == 1 && stats.processed >= BEFORE && stats.dropped_terminated > 0 &&
                      stats.processed + stats.dropped == BEFORE + AFTER && books_balance(&stats),
                  "%s", books_text(&stats));
        for (uint32_t i = 0; i < BEFORE; ++i) {
            task_expect(kernel, i, i + 1);
        }
        struct done done;
        gives(GYRE_ERROR_HANDLER, task_take(kernel, &done).result);
        for (uint32_t i = BEFORE; i < stats.processed; ++i) {
            task_expect(kernel, i - BEFORE, i + 2);
        }
        gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &(gyre_reply){0}));
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, 0, NULL));
        rig_close(&rig);
    }
}

/* A sender that makes room by collecting may be the one that finds out. */
Test(failures, that_terminate_take_no_message_after_the_end)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        for (uint32_t round = 0; round < 30; ++round) {
            gyre_kernel_params params = tasks_params("brittle");
            params.on_failure = GYRE_TERMINATE;
            params.queue_size = 2;
            params.window = 1;
            params.output_queue_size = 64;
            gyre_kernel *kernel = rig_active(&rig, params);
            gyre_result result = GYRE_OK;
            for (uint32_t i = 0; result == GYRE_OK; ++i) {
                struct task task = {.fail = i == 5 + round % 7 ? 1 : 0};
                gyre_message message = task_message(&task);
                result = gyre_send(kernel, &message, PATIENCE);
            }
            cr_assert(result == GYRE_ERROR_TERMINATED || result == GYRE_ERROR_STATE, "%s",
                      gyre_result_name(result));
            ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
            gyre_stats stats = flow_stats(kernel);
            cr_assert(books_balance(&stats) && stats.staged == 0 && stats.window == 0, "%s",
                      books_text(&stats));
            gyre_kernel_destroy(kernel);
        }
        rig_close(&rig);
    }
}

Test(failures, that_terminate_wake_who_waits)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("drastic");
        params.on_failure = GYRE_TERMINATE;
        gyre_kernel *kernel = rig_active(&rig, params);
        static struct waiter waiter;
        waiter.kernel = kernel;
        cr_assert(pthread_create(&waiter.thread, NULL, receive_until_the_end, &waiter) == 0);
        struct task task = {.fail = 6};
        gyre_message message = task_message(&task);
        gyre_reply reply = {0};
        ok(gyre_request(kernel, &message, &reply, PATIENCE));
        cr_assert(reply.result == GYRE_ERROR_HANDLER && reply.code == 6);
        pthread_join(waiter.thread, NULL);
        gives(GYRE_ERROR_TERMINATED, waiter.result);
        cr_assert(gyre_kernel_state(kernel) == GYRE_TERMINATED);
        rig_close(&rig);
    }
}

static gyre_kernel *with_letters(struct rig *rig, const char *id, uint32_t letters)
{
    gyre_kernel_params params = tasks_params(id);
    params.dead_letters = letters;
    return rig_active(rig, params);
}

/* Takes the oldest letter, which must be of `value`. */
static gyre_dead_letter take_letter(gyre_kernel *kernel, uint32_t value)
{
    struct task task = {0};
    gyre_dead_letter letter = {.data = &task, .capacity = sizeof task};
    ok(gyre_dead_letter_take(kernel, &letter));
    cr_assert(task.value == value && letter.size == sizeof task, "a letter of %zu bytes, value %u",
              letter.size, task.value);
    letter.data = NULL;
    return letter;
}

Test(failures, are_kept_as_dead_letters_with_all_that_was_known_of_them)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = with_letters(&rig, "letters", 4);
        uint64_t ids[3] = {0};
        struct task tasks[] = {{.value = 50, .fail = 7}, {.value = 51}, {.value = 52, .more = 1}};
        for (uint32_t i = 0; i < 3; ++i) {
            gyre_message message = {
                .priority = 100, .key = 20 + i, .correlation = 30 + i, .id = &ids[i]};
            ok(task_try(kernel, tasks[i], message, PATIENCE));
        }
        task_expect(kernel, 51, 2);
        until(flow_stats(kernel).dead_letters == 2);
        tasks_expect_none(kernel);

        char small[sizeof(struct task) - 1];
        gyre_dead_letter letter = {.data = small, .capacity = sizeof small};
        gives(GYRE_ERROR_SIZE, gyre_dead_letter_take(kernel, &letter));
        letter = take_letter(kernel, 50);
        cr_assert(letter.result == GYRE_ERROR_HANDLER && letter.code == 7 && letter.id == ids[0]);
        cr_assert(letter.priority == 100 && letter.type == 0 && letter.key == 20 &&
                  letter.correlation == 30);
        letter = (gyre_dead_letter){0}; /* its data are not wanted */
        ok(gyre_dead_letter_take(kernel, &letter));
        cr_assert(letter.result == GYRE_ERROR_OVERSENT && letter.code == 0 && letter.id == ids[2] &&
                  letter.size == sizeof(struct task));
        gives(GYRE_ERROR_EMPTY, gyre_dead_letter_take(kernel, &letter));
        gives(GYRE_ERROR_INVALID, gyre_dead_letter_take(kernel, NULL));
        gives(GYRE_ERROR_INVALID, gyre_dead_letter_take(NULL, &letter));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.failed == 2 && stats.dead_letters == 0 && stats.dead_dropped == 0, "%s",
                  books_text(&stats));
        rig_close(&rig);
    }
}

Test(failures, beyond_the_room_for_dead_letters_push_the_oldest_out)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = with_letters(&rig, "letters", 2);
        for (uint32_t i = 0; i < 5; ++i) {
            task_send(kernel, (struct task){.value = i, .fail = 1}, 0);
        }
        until(flow_stats(kernel).failed == 5);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.dead_letters == 2 && stats.dead_dropped == 3, "%s", books_text(&stats));
        /* Who awaits an answer gets the failure instead. */
        struct task task = {.fail = 2};
        gyre_message message = task_message(&task);
        gyre_reply reply = {0};
        ok(gyre_request(kernel, &message, &reply, PATIENCE));
        cr_assert(reply.result == GYRE_ERROR_HANDLER && reply.code == 2);
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
        take_letter(kernel, 3);
        take_letter(kernel, 4);
        gives(GYRE_ERROR_EMPTY, gyre_dead_letter_take(kernel, &(gyre_dead_letter){0}));
        gives(GYRE_ERROR_TERMINATED, gyre_try_receive(kernel, &reply));
        rig_close(&rig);
    }
}

/* They take up no room of the queue's. */
Test(failures, kept_as_dead_letters_leave_the_queue_as_large_as_it_was)
{
    enum { LETTERS = 50, QUEUE = 4 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("letters");
        params.dead_letters = LETTERS;
        params.queue_size = QUEUE;
        params.window = 1;
        gyre_kernel *kernel = rig_active(&rig, params);
        for (uint32_t i = 0; i < LETTERS + 10; ++i) {
            task_send(kernel, (struct task){.value = i, .fail = 1}, i % 256);
        }
        until(flow_stats(kernel).failed == LETTERS + 10);
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        tasks_send(kernel, 0, QUEUE, 0);
        struct task task = {0};
        gyre_message message = task_message(&task);
        gives(GYRE_ERROR_FULL, gyre_try_send(kernel, &message));
        ok(gyre_kernel_reactivate(kernel));
        for (uint32_t i = 0; i < QUEUE; ++i) {
            task_expect(kernel, i, LETTERS + 10 + 1 + i);
        }
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.dead_letters == LETTERS && stats.dead_dropped == 10, "%s",
                  books_text(&stats));
        rig_close(&rig);
    }
}

Test(failures, can_be_sent_again_as_new_messages)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = with_letters(&rig, "letters", 8);
        uint64_t ids[4];
        for (uint32_t i = 0; i < 4; ++i) {
            /* The last one fails for ever, the others not again. */
            struct task task = {.value = 60 + i, .fail = 70 + i, .heals = i == 3 ? 0 : 4};
            gyre_message message = {
                .priority = 9, .key = 80 + i, .correlation = 90 + i, .id = &ids[i]};
            ok(task_try(kernel, task, message, PATIENCE));
        }
        until(flow_stats(kernel).dead_letters == 4);
        uint32_t count = 99;
        ok(gyre_dead_letter_resend(kernel, 2, &count));
        cr_assert(count == 2);
        for (uint32_t i = 0; i < 2; ++i) {
            struct done done;
            gyre_reply reply = task_take(kernel, &done);
            ok(reply.result);
            cr_assert(done.value == 60 + i && done.order == 5 + i && done.priority == 9 &&
                      done.key == 80 + i);
            cr_assert(reply.id > ids[3] && reply.correlation == 90 + i);
        }
        cr_assert(flow_stats(kernel).dead_letters == 2);
        ok(gyre_dead_letter_resend(kernel, UINT32_MAX, NULL));
        task_expect(kernel, 62, 7);
        until(flow_stats(kernel).failed == 5);
        gyre_dead_letter letter = take_letter(kernel, 63);
        cr_assert(letter.code == 73 && letter.id > ids[3] && letter.correlation == 93);
        ok(gyre_dead_letter_resend(kernel, 1, &count));
        cr_assert(count == 0);
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.accepted == 8 && stats.processed == 3 && stats.dead_letters == 0 &&
                      books_balance(&stats),
                  "%s", books_text(&stats));
        rig_close(&rig);
    }
}

Test(failures, are_sent_again_as_far_as_there_is_room_and_without_their_deadline)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = tasks_params("letters");
        params.dead_letters = 8;
        params.queue_size = 4;
        gyre_kernel *kernel = rig_active(&rig, params);
        const uint64_t deadline_ns = TASKS_SANITIZED ? 4 * S : 1 * S;
        uint64_t began = rig_now_ns();
        for (uint32_t i = 0; i < 4; ++i) {
            ok(task_try(kernel, (struct task){.value = i, .fail = 1, .heals = 4},
                        (gyre_message){.deadline_ns = deadline_ns}, PATIENCE));
        }
        until(flow_stats(kernel).dead_letters == 4);
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        tasks_send(kernel, 10, 2, 0);
        uint32_t count = 99;
        ok(gyre_dead_letter_resend(kernel, 4, &count));
        cr_assert(count == 2 && flow_stats(kernel).dead_letters == 2);
        ok(gyre_dead_letter_resend(kernel, 4, &count));
        cr_assert(count == 0 && flow_stats(kernel).dead_letters == 2);
        /* The deadlines of before are to pass, by the clock. */
        uint64_t since = rig_now_ns() - began;
        counting_sleep(since < deadline_ns ? deadline_ns - since + MS : 0);
        ok(gyre_kernel_reactivate(kernel));
        task_expect(kernel, 10, 5);
        task_expect(kernel, 11, 6);
        task_expect(kernel, 0, 7);
        task_expect(kernel, 1, 8);
        cr_assert(flow_stats(kernel).expired == 0);
        ok(gyre_kernel_terminate(kernel, GYRE_DROP, PATIENCE, NULL));
        gives(GYRE_ERROR_STATE, gyre_dead_letter_resend(kernel, 1, &count));
        gives(GYRE_ERROR_INVALID, gyre_dead_letter_resend(NULL, 1, &count));
        rig_close(&rig);
    }
}

/* A18 */
Test(failures, of_the_sender_are_told_and_counted_by_every_path)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, tasks_params("strict"));
        struct task task[2] = {{.value = 3}};
        const struct {
            gyre_message message;
            gyre_result expected;
        } wrong[] = {
            {{.data = task, .size = sizeof *task - 1}, GYRE_ERROR_SIZE},
            {{.data = task, .size = sizeof *task + 8}, GYRE_ERROR_SIZE},
            {{.data = task, .size = 0}, GYRE_ERROR_SIZE},
            {{.data = NULL, .size = sizeof *task}, GYRE_ERROR_SIZE},
            {{.data = task, .size = sizeof *task, .type = 1}, GYRE_ERROR_TYPE},
            {{.data = task, .size = sizeof *task, .type = UINT32_MAX}, GYRE_ERROR_TYPE},
        };
        uint32_t tries = 0;
        for (enum task_path path = 0; path < TASK_PATHS; ++path) {
            struct done done = {0};
            gyre_reply reply = {.data = &done, .capacity = sizeof done};
            for (size_t i = 0; i < LENGTH(wrong); ++i) {
                gyre_result result = task_by(path, kernel, &wrong[i].message, &reply);
                cr_assert(result == wrong[i].expected, "%s, message %zu: %s", task_path_name(path),
                          i, gyre_result_name(result));
                tries += 1;
            }
            gyre_stats stats = flow_stats(kernel);
            cr_assert(stats.rejected_invalid == tries && stats.rejected == tries &&
                          stats.accepted == path && books_balance(&stats),
                      "%s: %s", task_path_name(path), books_text(&stats));
            gyre_message right = task_message(task);
            ok(task_by(path, kernel, &right, &reply));
            cr_assert(done.value == 3 && done.order == path + 1u);
        }
        rig_close(&rig);
    }
}

/* Three kinds of messages; the handler reads of each what it has. */
static const char TYPED_STRUCTS[] = "struct Request { uint a; uint b; uint c; uint d; };\n"
                                    "struct Response { uint type; uint sum; };\n"
                                    "#define GYRE_INPUT Request\n"
                                    "#define GYRE_OUTPUT Response\n";

static const char TYPED[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        uint type = gyre_message_type();\n"
    "        uint sum = GYRE_IN.a;\n"
    "        sum += type >= 7u ? GYRE_IN.b : 0u;\n"
    "        sum += type == 65534u ? GYRE_IN.c * 100u + GYRE_IN.d * 1000u : 0u;\n"
    "        GYRE_OUT.type = type;\n"
    "        GYRE_OUT.sum = sum;\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

static const gyre_message_type types[] = {
    {.type = 7, .size = 8}, {.type = 0, .size = 4}, {.type = GYRE_TYPE_MAX, .size = 16}};

static gyre_kernel_params typed(const char *id)
{
    return (gyre_kernel_params){
        .id = id,
        .glsl = rig_glsl(TYPED_STRUCTS, 1, TYPED),
        .types = types,
        .type_count = LENGTH(types),
    };
}

/* A18 */
Test(failures, of_types_do_not_come_up_when_each_has_its_size)
{
    static const uint32_t sums[] = {11, 1, 43211};
    const uint32_t words[] = {1, 10, 32, 40, 0};
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, typed("typed"));
        uint64_t refused = 0;
        for (uint32_t i = 0; i < 12 * TASK_PATHS; ++i) {
            enum task_path path = (enum task_path)(i / 12);
            gyre_message message = {
                .data = words, .size = types[i % 3].size, .type = types[i % 3].type};
            struct {
                uint32_t type;
                uint32_t sum;
            } got = {0};
            gyre_reply reply = {.data = &got, .capacity = sizeof got};
            ok(task_by(path, kernel, &message, &reply));
            cr_assert(got.type == types[i % 3].type && got.sum == sums[i % 3],
                      "%s: type %u, sum %u", task_path_name(path), got.type, got.sum);
            message.size = types[(i + 1) % 3].size;
            gives(GYRE_ERROR_SIZE, task_by(path, kernel, &message, &reply));
            message.type = 1 + i % 6;
            gives(GYRE_ERROR_TYPE, task_by(path, kernel, &message, &reply));
            refused += 2;
        }
        cr_assert(flow_stats(kernel).rejected_invalid == refused);
        rig_close(&rig);
    }
}

Test(failures, of_types_keep_their_type_and_size_as_dead_letters)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = typed("typed");
        params.output_queue_size = 1; /* a way to fail that the handler has no part in */
        params.output_backpressure = GYRE_REJECT;
        params.dead_letters = 3;
        gyre_kernel *kernel = rig_active(&rig, params);
        const uint32_t words[] = {1, 10, 32, 40};
        for (uint32_t i = 0; i < 3; ++i) {
            ok(gyre_send(
                kernel,
                &(gyre_message){.data = words, .size = types[i].size, .type = types[i].type},
                PATIENCE));
        }
        until(flow_stats(kernel).dead_letters == 2);
        for (uint32_t i = 1; i < 3; ++i) {
            uint32_t got[5] = {0};
            gyre_dead_letter letter = {.data = got, .capacity = types[i].size};
            ok(gyre_dead_letter_take(kernel, &letter));
            cr_assert(letter.type == types[i].type && letter.size == types[i].size);
            cr_assert(memcmp(got, words, letter.size) == 0 && got[letter.size / 4] == 0);
        }
        rig_close(&rig);
    }
}

/* What cannot be meant is refused before anything is made of it. */
Test(failures, of_the_parameters_are_refused)
{
    static gyre_message_type many[GYRE_TYPES_MAX + 1];
    static const gyre_message_type over[] = {{.type = GYRE_TYPE_TICK, .size = 4}};
    static const gyre_message_type twice[] = {{.type = 3, .size = 4}, {.type = 3, .size = 8}};
    static const gyre_message_type big[] = {{.type = 3, .size = 20}};
    for (uint32_t i = 0; i < LENGTH(many); ++i) {
        many[i] = (gyre_message_type){.type = i, .size = 4};
    }
    const gyre_kernel_params wrong[] = {
        {.types = over, .type_count = 1},
        {.types = twice, .type_count = 2},
        {.types = many, .type_count = LENGTH(many)},
        {.type_count = 1},
        {.on_failure = (gyre_failure_policy)3},
        {.output_backpressure = (gyre_backpressure)3},
    };
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    gyre_kernel *kernel = NULL;
    for (size_t i = 0; i < LENGTH(wrong); ++i) {
        gyre_kernel_params params = wrong[i];
        params.id = "wrong";
        params.glsl = rig_glsl(TYPED_STRUCTS, 1, TYPED);
        gyre_result result = gyre_kernel_create(rig.runtime, &params, &kernel);
        cr_assert(result == GYRE_ERROR_INVALID, "parameters %zu: %s", i, gyre_result_name(result));
    }
    gyre_kernel_params params = typed("most");
    params.types = many;
    params.type_count = GYRE_TYPES_MAX;
    rig_launch(&rig, params);
    params.id = "big";
    params.types = big;
    params.type_count = 1;
    ok(gyre_kernel_create(rig.runtime, &params, &kernel));
    gives(GYRE_ERROR_INTERFACE, gyre_kernel_launch(kernel));
    rig_close(&rig);
}
