/* gyre_send_batch and gyre_receive_batch: as many calls of gyre_send and gyre_receive would do, in
 * order, counted exactly, and with every answer where its reader can find it. */
#include "counting.h"

#include <stdatomic.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define MOST 4096u
#define CAPACITY 4u

/* Not on the stack: a test that fails leaves it, while its threads go on. */
static struct batch {
    struct counting_request requests[MOST];
    gyre_message messages[MOST];
    uint64_t ids[MOST];
} batch;

static struct answers {
    struct counting_response responses[MOST];
    gyre_reply replies[MOST];
} answers;

/* Messages with the values from `first` up. */
static void write_batch(uint32_t first, uint32_t count)
{
    cr_assert(count <= MOST);
    memset(batch.ids, 0, sizeof batch.ids);
    for (uint32_t i = 0; i < count; ++i) {
        batch.requests[i] = (struct counting_request){.value = first + i};
        batch.messages[i] = (gyre_message){.data = &batch.requests[i],
                                           .size = sizeof batch.requests[i],
                                           .correlation = first + i,
                                           .id = &batch.ids[i]};
    }
}

static void empty_replies(struct answers *to, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        to->replies[i] =
            (gyre_reply){.data = &to->responses[i], .capacity = sizeof to->responses[i]};
    }
}

/* What the next answers are, in batches of up to `most`, until there are `count`. */
static void take(gyre_kernel *kernel, uint32_t count, uint32_t most)
{
    empty_replies(&answers, count);
    for (uint32_t taken = 0; taken < count;) {
        uint32_t wanted = count - taken < most ? count - taken : most;
        uint32_t received = 0;
        ok(gyre_receive_batch(kernel, &answers.replies[taken], wanted, PATIENCE, &received));
        cr_assert(received >= 1 && received <= wanted, "%u of %u", received, wanted);
        taken += received;
    }
}

static void expect_one(uint32_t at, uint32_t value)
{
    const gyre_reply *reply = &answers.replies[at];
    cr_assert(reply->result == GYRE_OK && reply->size == sizeof(struct counting_response) &&
                  reply->flags == GYRE_REPLY_LAST && reply->code == 0,
              "answer %u: %s, flags %u", at, gyre_result_name(reply->result), reply->flags);
    cr_assert(answers.responses[at].value == value && reply->correlation == value,
              "answer %u is to %u (correlation %llu), not to %u", at, answers.responses[at].value,
              (unsigned long long)reply->correlation, value);
}

static gyre_stats stats_of(gyre_kernel *kernel)
{
    gyre_stats stats;
    ok(gyre_kernel_stats(kernel, &stats));
    return stats;
}

static void expect_nothing_more(gyre_kernel *kernel)
{
    uint32_t received = 7;
    empty_replies(&answers, 2);
    gives(GYRE_ERROR_TIMEOUT, gyre_receive_batch(kernel, answers.replies, 2, 1 * MS, &received));
    cr_assert(received == 0);
}

/* `count` were sent, processed and read, and nothing is anywhere. */
static void expect_counts(gyre_kernel *kernel, uint64_t count)
{
    gyre_stats stats = stats_of(kernel);
    cr_assert(stats.accepted == count && stats.processed == count && stats.received == count,
              "%llu accepted, %llu processed, %llu received, not %llu",
              (unsigned long long)stats.accepted, (unsigned long long)stats.processed,
              (unsigned long long)stats.received, (unsigned long long)count);
    cr_assert(stats.queueing.count == count && stats.processing.count == count);
    cr_assert(stats.failed == 0 && stats.corrupt == 0 && stats.redelivered == 0);
    cr_assert(stats.staged == 0 && stats.window == 0 && stats.unread == 0);
}

static gyre_kernel *small(struct rig *rig, gyre_backpressure backpressure)
{
    gyre_kernel_params params = counting_params("small");
    params.queue_size = CAPACITY;
    params.backpressure = backpressure;
    return rig_launch(rig, params);
}

/* ---- in order ---- */

/* Sent and read in one thread, whatever is smaller than what; the indices wrap. */
static void in_order(struct rig *rig, gyre_kernel_params params, uint32_t sent_at_once,
                     uint32_t read_at_once)
{
    params.output_queue_size = MOST;
    params.first_index = UINT32_MAX - 100;
    gyre_kernel *kernel = rig_active(rig, params);
    uint64_t last_id = 0;
    for (uint32_t round = 0; round < 3; ++round) {
        uint32_t sent = 0;
        write_batch(round * sent_at_once, sent_at_once);
        ok(gyre_send_batch(kernel, batch.messages, sent_at_once, PATIENCE, &sent));
        cr_assert(sent == sent_at_once);
        take(kernel, sent_at_once, read_at_once);
        for (uint32_t i = 0; i < sent_at_once; ++i) {
            expect_one(i, round * sent_at_once + i);
            cr_assert(answers.responses[i].order == round * sent_at_once + i + 1);
            cr_assert(batch.ids[i] > last_id && answers.replies[i].id == batch.ids[i]);
            last_id = batch.ids[i];
        }
    }
    expect_nothing_more(kernel);
    expect_counts(kernel, (uint64_t)3 * sent_at_once);
    gyre_kernel_destroy(kernel);
}

Test(batches, answers_come_in_order_whatever_is_smaller_than_the_batch)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params roomy = counting_params("roomy");
        roomy.window = 1024;
        roomy.output_window = 1024;
        in_order(&rig, roomy, 700, 700);
        in_order(&rig, roomy, 300, 7);
        in_order(&rig, roomy, 300, 1);
        gyre_kernel_params narrow = counting_params("narrow");
        narrow.window = 8;
        narrow.output_window = 2;
        in_order(&rig, narrow, 300, 64);
        narrow.queue_size = 3;
        in_order(&rig, narrow, 300, 64);
        gyre_kernel_params shut = counting_params("shut");
        shut.window = 1;
        shut.output_window = 1;
        shut.queue_size = 1;
        in_order(&rig, shut, 100, 3);
        rig_close(&rig);
    }
}

Test(batches, one_sent_to_a_kernel_at_rest_waits_for_it)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("resting"));
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        uint32_t sent = 0;
        write_batch(0, 500);
        ok(gyre_send_batch(kernel, batch.messages, 500, PATIENCE, &sent));
        gyre_stats stats = stats_of(kernel);
        cr_assert(sent == 500 && stats.staged == 500 && stats.window == 0);
        expect_nothing_more(kernel);
        ok(gyre_kernel_reactivate(kernel));
        take(kernel, 500, 500);
        for (uint32_t i = 0; i < 500; ++i) {
            expect_one(i, i);
        }
        expect_counts(kernel, 500);
        rig_close(&rig);
    }
}

/* ---- not all of it ---- */

static void expect_some(gyre_kernel *kernel, uint32_t first, uint32_t count)
{
    ok(gyre_kernel_activate(kernel));
    take(kernel, count, MOST);
    for (uint32_t i = 0; i < count; ++i) {
        expect_one(i, first + i);
    }
    expect_nothing_more(kernel);
}

Test(batches, a_full_queue_takes_what_it_has_room_for)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        static const gyre_backpressure ways[] = {GYRE_REJECT, GYRE_BLOCK};
        for (size_t i = 0; i < LENGTH(ways); ++i) {
            gyre_kernel *kernel = small(&rig, ways[i]);
            uint32_t sent = 99;
            uint64_t began = rig_now_ns();
            write_batch(0, 10);
            gives(ways[i] == GYRE_BLOCK ? GYRE_ERROR_TIMEOUT : GYRE_ERROR_FULL,
                  gyre_send_batch(kernel, batch.messages, 10, 50 * MS, &sent));
            cr_assert(ways[i] == GYRE_REJECT || rig_now_ns() - began >= 50 * MS);
            cr_assert(sent == CAPACITY && batch.ids[CAPACITY - 1] && !batch.ids[CAPACITY]);
            gyre_stats stats = stats_of(kernel);
            cr_assert(stats.accepted == CAPACITY && stats.staged == CAPACITY);
            cr_assert(stats.rejected == 1 && stats.rejected_full == 1);
            expect_some(kernel, 0, CAPACITY);
            gyre_kernel_destroy(kernel);
        }
        rig_close(&rig);
    }
}

Test(batches, the_oldest_give_way_to_the_rest_of_the_batch)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = small(&rig, GYRE_DROP_OLDEST);
        uint32_t sent = 0;
        write_batch(0, 10);
        ok(gyre_send_batch(kernel, batch.messages, 10, PATIENCE, &sent));
        gyre_stats stats = stats_of(kernel);
        cr_assert(sent == 10 && stats.accepted == 10 && stats.dropped_oldest == 10 - CAPACITY);
        expect_some(kernel, 10 - CAPACITY, CAPACITY);
        gyre_kernel_destroy(kernel);

        kernel = small(&rig, GYRE_DROP_OLDEST);
        write_batch(0, 10);
        for (uint32_t i = 0; i < 10; ++i) {
            batch.messages[i].priority = i == CAPACITY + 1 ? 1 : 5;
        }
        gives(GYRE_ERROR_DROPPED, gyre_send_batch(kernel, batch.messages, 10, PATIENCE, &sent));
        stats = stats_of(kernel);
        cr_assert(sent == CAPACITY + 1 && stats.accepted == CAPACITY + 2);
        cr_assert(stats.dropped_oldest == 1 && stats.dropped_newest == 1);
        expect_some(kernel, 1, CAPACITY);
        rig_close(&rig);
    }
}

Test(batches, a_message_that_is_wrong_ends_it)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    static const struct {
        gyre_result result;
        gyre_message wrong;
    } cases[] = {
        {GYRE_ERROR_INVALID, {.data = batch.requests, .size = 8, .priority = 256}},
        {GYRE_ERROR_SIZE, {.data = batch.requests, .size = 7}},
        {GYRE_ERROR_SIZE, {.data = NULL, .size = 8}},
        {GYRE_ERROR_TYPE, {.data = batch.requests, .size = 8, .type = 1}},
    };
    for (size_t i = 0; i < LENGTH(cases); ++i) {
        for (uint32_t at = 0; at < 3; ++at) {
            gyre_kernel *kernel = rig_launch(&rig, counting_params("picky"));
            uint32_t sent = 99;
            write_batch(0, 5);
            batch.messages[at] = cases[i].wrong;
            gives(cases[i].result, gyre_send_batch(kernel, batch.messages, 5, PATIENCE, &sent));
            gyre_stats stats = stats_of(kernel);
            cr_assert(sent == at && stats.accepted == at && stats.rejected == 1 &&
                      stats.rejected_invalid == 1);
            gyre_kernel_destroy(kernel);
        }
    }
    rig_close(&rig);
}

Test(batches, a_deadline_in_the_middle_is_kept)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_launch(&rig, counting_params("late"));
        uint32_t sent = 0;
        write_batch(0, 100);
        batch.messages[0].deadline_ns = 1;
        batch.messages[60].deadline_ns = 1;
        batch.messages[99].deadline_ns = GYRE_FOREVER;
        ok(gyre_send_batch(kernel, batch.messages, 100, PATIENCE, &sent));
        counting_sleep(1 * MS); /* both deadlines pass */
        ok(gyre_kernel_activate(kernel));
        take(kernel, 98, MOST);
        for (uint32_t i = 0; i < 98; ++i) {
            expect_one(i, i < 59 ? i + 1 : i + 2);
        }
        gyre_stats stats = stats_of(kernel);
        cr_assert(sent == 100 && stats.accepted == 100 && stats.expired == 2);
        cr_assert(stats.processed == 98 && stats.received == 98);
        rig_close(&rig);
    }
}

/* ---- priorities ---- */

/* A residency that is still on the device when the answers are read, where it can be. */
static gyre_kernel *lingering(struct rig *rig)
{
    gyre_kernel_params params = counting_params("lingering");
    params.idle_ns = 200 * MS;
    params.window = 256;
    params.output_window = 256;
    return rig_active(rig, params);
}

/* Waits without looking, so that the answers lie where the device has put them. */
static void let_answers_arrive(void)
{
    counting_sleep(30 * MS); /* some thousand times what the device needs for them */
}

/* Of one band, so the device takes them in the order in which they came. */
Test(batches, what_has_arrived_is_read_by_priority)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = lingering(&rig);
        for (uint32_t round = 0; round < 3; ++round) {
            write_batch(0, 60);
            for (uint32_t i = 0; i < 60; ++i) {
                batch.messages[i].priority = i / 20 * 10 + 5;
            }
            ok(gyre_send_batch(kernel, batch.messages, 60, PATIENCE, NULL));
            let_answers_arrive();
            take(kernel, 60, round == 1 ? 7 : 60);
            for (uint32_t i = 0; i < 60; ++i) {
                expect_one(i, (2 - i / 20) * 20 + i % 20);
                cr_assert(answers.replies[i].priority == (2 - i / 20) * 10 + 5);
            }
        }
        expect_counts(kernel, 180);
        rig_close(&rig);
    }
}

/* The device takes them by their bands. */
Test(batches, mixed_priorities_are_worked_on_by_priority)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = counting_params("mixed");
        params.window = 16;
        gyre_kernel *kernel = rig_launch(&rig, params);
        write_batch(0, 400);
        for (uint32_t i = 0; i < 400; ++i) {
            batch.messages[i].priority = i % 4 * 64 + 3;
        }
        ok(gyre_send_batch(kernel, batch.messages, 400, PATIENCE, NULL));
        ok(gyre_kernel_activate(kernel));
        take(kernel, 400, 50);
        uint32_t next[4] = {0};
        for (uint32_t i = 0; i < 400; ++i) {
            uint32_t band = answers.replies[i].priority / 64;
            expect_one(i, next[band] * 4 + band);
            next[band] += 1;
            cr_assert(mode == RIG_LIVE || band == 3 - i / 100, "answer %u: band %u", i, band);
        }
        expect_counts(kernel, 400);
        rig_close(&rig);
    }
}

/* ---- reading ---- */

Test(batches, an_answer_that_does_not_fit_ends_it_and_stays)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = lingering(&rig);
        for (uint32_t round = 0; round < 2; ++round) {
            uint32_t received = 99;
            write_batch(0, 6);
            ok(gyre_send_batch(kernel, batch.messages, 6, PATIENCE, NULL));
            let_answers_arrive();
            empty_replies(&answers, 6);
            answers.replies[0].data = round == 1 ? NULL : answers.replies[0].data; /* not wanted */
            answers.replies[2].capacity = 11;
            ok(gyre_receive_batch(kernel, answers.replies, 6, PATIENCE, &received));
            cr_assert(received == 2 && answers.replies[0].size == 12, "%u", received);
            cr_assert(answers.replies[0].correlation == 0);
            expect_one(1, 1);
            gives(GYRE_ERROR_SIZE,
                  gyre_receive_batch(kernel, &answers.replies[2], 4, PATIENCE, &received));
            cr_assert(received == 0);
            empty_replies(&answers, 6);
            take(kernel, 4, 4);
            for (uint32_t i = 0; i < 4; ++i) {
                expect_one(i, 2 + i);
            }
        }
        expect_nothing_more(kernel);
        expect_counts(kernel, 12);
        rig_close(&rig);
    }
}

static struct readers {
    gyre_kernel *kernel;
    atomic_uint taken;
    atomic_uint seen[MOST];
} readers;

/* Each takes what it can get until all have been taken. */
static void *read_on(void *argument)
{
    struct answers *own = argument;
    while (atomic_load(&readers.taken) < MOST) {
        uint32_t received = 0;
        empty_replies(own, 100);
        gyre_result result =
            gyre_receive_batch(readers.kernel, own->replies, 100, 5 * MS, &received);
        if (result != GYRE_OK && result != GYRE_ERROR_TIMEOUT) {
            break;
        }
        for (uint32_t i = 0; i < received; ++i) {
            bool right = own->responses[i].value == own->replies[i].correlation;
            atomic_fetch_add(&readers.seen[own->responses[i].value % MOST], right ? 1u : 1000u);
        }
        atomic_fetch_add(&readers.taken, received);
    }
    return NULL;
}

Test(batches, two_readers_share_the_answers)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        readers.kernel = rig_active(&rig, counting_params("shared"));
        atomic_store(&readers.taken, 0);
        memset(readers.seen, 0, sizeof readers.seen);
        static struct answers own[2];
        pthread_t threads[2];
        for (size_t i = 0; i < LENGTH(threads); ++i) {
            cr_assert(pthread_create(&threads[i], NULL, read_on, &own[i]) == 0);
        }
        write_batch(0, MOST);
        for (uint32_t at = 0; at < MOST; at += 64) {
            ok(gyre_send_batch(readers.kernel, &batch.messages[at], 64, PATIENCE, NULL));
        }
        for (size_t i = 0; i < LENGTH(threads); ++i) {
            pthread_join(threads[i], NULL);
        }
        for (uint32_t i = 0; i < MOST; ++i) {
            cr_assert(atomic_load(&readers.seen[i]) == 1, "answer %u", i);
        }
        expect_counts(readers.kernel, MOST);
        rig_close(&rig);
    }
}

/* ---- beside others ---- */

static struct blocked {
    gyre_kernel *kernel;
    gyre_result result;
    uint32_t sent;
} blocked;

static void *send_blocked(void *argument)
{
    (void)argument;
    blocked.result =
        gyre_send_batch(blocked.kernel, batch.messages, 100, GYRE_FOREVER, &blocked.sent);
    return NULL;
}

Test(batches, terminate_ends_one_that_waits_for_room)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        blocked = (struct blocked){.kernel = small(&rig, GYRE_BLOCK)};
        write_batch(0, 100);
        pthread_t thread;
        cr_assert(pthread_create(&thread, NULL, send_blocked, NULL) == 0);
        while (stats_of(blocked.kernel).staged < CAPACITY) {
            counting_sleep(1 * MS); /* until the sender is blocked by a full queue */
        }
        uint64_t dropped = 0;
        ok(gyre_kernel_terminate(blocked.kernel, GYRE_DROP, PATIENCE, &dropped));
        pthread_join(thread, NULL);
        cr_assert(blocked.result == GYRE_ERROR_TERMINATED && blocked.sent == CAPACITY,
                  "%s after %u", gyre_result_name(blocked.result), blocked.sent);
        gyre_stats stats = stats_of(blocked.kernel);
        cr_assert(dropped == CAPACITY && stats.accepted == CAPACITY && stats.processed == 0);
        rig_close(&rig);
    }
}

#define REQUESTS 200u
#define REQUEST_VALUE 1000000u

static void *request_on(void *argument)
{
    gyre_kernel *kernel = argument;
    uintptr_t wrong = 0;
    for (uint32_t i = 0; i < REQUESTS; ++i) {
        struct counting_request request = {.value = REQUEST_VALUE + i};
        struct counting_response response = {0};
        gyre_reply reply = {.data = &response, .capacity = sizeof response};
        gyre_message message = {.data = &request, .size = sizeof request, .priority = i % 256};
        gyre_result result = gyre_request(kernel, &message, &reply, PATIENCE);
        wrong += result != GYRE_OK || response.value != REQUEST_VALUE + i;
    }
    return (void *)wrong;
}

Test(batches, requests_get_their_own_answers_beside_them)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, counting_params("both"));
        pthread_t thread;
        cr_assert(pthread_create(&thread, NULL, request_on, kernel) == 0);
        for (uint32_t round = 0; round < 40; ++round) {
            write_batch(round * 100, 100);
            ok(gyre_send_batch(kernel, batch.messages, 100, PATIENCE, NULL));
            take(kernel, 100, 30);
            for (uint32_t i = 0; i < 100; ++i) {
                expect_one(i, round * 100 + i);
            }
        }
        void *wrong;
        pthread_join(thread, &wrong);
        cr_assert(!wrong, "%zu requests went wrong", (size_t)(uintptr_t)wrong);
        expect_nothing_more(kernel);
        gyre_stats stats = stats_of(kernel);
        cr_assert(stats.accepted == 4000 + REQUESTS && stats.processed == stats.accepted);
        cr_assert(stats.received == 4000 && stats.requests == REQUESTS && stats.orphaned == 0);
        cr_assert(stats.processing.count == stats.processed && stats.awaited == 0);
        rig_close(&rig);
    }
}
