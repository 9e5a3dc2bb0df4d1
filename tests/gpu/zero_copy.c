/* gyre_reserve, gyre_commit, gyre_peek and gyre_release: the same messages and answers as with
 * gyre_send and gyre_receive, whole, in order and once, whatever becomes of the kernel between the
 * two calls of a pair. */
#include <stdatomic.h>
#include <stdio.h>

#include "tasks.h"

#define WORDS_MOST 16384u /* 64 KiB */
#define WORDS 12u

/* What a message says beyond its number. */
#define FAILS 1u
#define SLOW 2u

/* Of `words` words: a number, what to do, and a pattern; the answer has the message's order instead
 * of what to do. */
static gyre_kernel_params echo_params(const char *id, uint32_t words)
{
    static _Thread_local char structs[512];
    snprintf(structs, sizeof structs,
             "#define WORDS %uu\n"
             "struct Words { uint w[WORDS]; };\n"
             "struct Count { uint n; };\n"
             "#define GYRE_INPUT Words\n"
             "#define GYRE_OUTPUT Words\n"
             "#define GYRE_STATE Count\n",
             words);
    return (gyre_kernel_params){
        .id = id,
        .glsl = rig_glsl(structs, 32,
                         "void main() {\n"
                         "    while (gyre_receive()) {\n"
                         "        uint turns = GYRE_IN.w[1] == 2u ? 2000u : 0u;\n"
                         "        uint x = GYRE_IN.w[0];\n"
                         "        for (uint i = 0u; i < turns; ++i) {\n"
                         "            x = x * 1664525u + 1013904223u;\n"
                         "        }\n"
                         "        if (GYRE_IN.w[1] == 1u) { gyre_fail(GYRE_IN.w[0]); continue; }\n"
                         "        if (gl_LocalInvocationIndex == 0u) { GYRE_SELF.n += 1u; }\n"
                         "        for (uint i = gl_LocalInvocationIndex; i < WORDS; i += 32u) {\n"
                         "            GYRE_OUT.w[i] = i == 1u ? x : GYRE_IN.w[i];\n"
                         "        }\n"
                         "        gyre_send();\n"
                         "    }\n"
                         "}\n"),
        .queue_size = 1024,
    };
}

static uint32_t pattern(uint32_t value, uint32_t at)
{
    return tasks_mix(value * 31 + at);
}

static void write_words(void *place, uint32_t words, uint32_t value, uint32_t what)
{
    uint32_t *word = place;
    word[0] = value;
    word[1] = what;
    for (uint32_t at = 2; at < words; ++at) {
        word[at] = pattern(value, at);
    }
}

static bool are_words(const void *place, uint32_t words, uint32_t value)
{
    const uint32_t *word = place;
    bool right = word[0] == value;
    for (uint32_t at = 2; at < words && right; ++at) {
        right = word[at] == pattern(value, at);
    }
    return right;
}

static gyre_message like(uint32_t words, uint32_t priority)
{
    return (gyre_message){.size = words * sizeof(uint32_t), .priority = priority};
}

static void *place(const gyre_reservation *reservation, uint32_t at)
{
    return (char *)reservation->data + at * reservation->stride;
}

/* With the values from `first` up. */
static void fill(const gyre_reservation *reservation, uint32_t words, uint32_t first, uint32_t what)
{
    for (uint32_t at = 0; at < reservation->count; ++at) {
        write_words(place(reservation, at), words, first + at, what);
    }
}

static gyre_reservation reserve(gyre_kernel *kernel, uint32_t words, uint32_t priority,
                                uint32_t count)
{
    gyre_reservation reservation = {0};
    gyre_message message = like(words, priority);
    ok(gyre_reserve(kernel, &message, count, PATIENCE, &reservation));
    cr_assert(reservation.count >= 1 && reservation.count <= count && reservation.data &&
              reservation.stride >= words * sizeof(uint32_t));
    return reservation;
}

/* Reserved, written and committed, by up to `most` at a time; correlations are the values. */
static void put_many(gyre_kernel *kernel, uint32_t words, uint32_t first, uint32_t count,
                     uint32_t most, uint32_t what)
{
    uint64_t correlations[64];
    cr_assert(most <= LENGTH(correlations));
    for (uint32_t done = 0; done < count;) {
        uint32_t wanted = count - done < most ? count - done : most;
        gyre_reservation reservation = reserve(kernel, words, 0, wanted);
        fill(&reservation, words, first + done, what);
        for (uint32_t at = 0; at < reservation.count; ++at) {
            correlations[at] = first + done + at;
        }
        ok(gyre_commit(kernel, &reservation, reservation.count, correlations, NULL));
        done += reservation.count;
    }
}

static void send_one(gyre_kernel *kernel, uint32_t value, uint32_t priority, uint32_t what)
{
    uint32_t message[WORDS];
    write_words(message, WORDS, value, what);
    ok(gyre_send(
        kernel,
        &(gyre_message){
            .data = message, .size = sizeof message, .priority = priority, .correlation = value},
        PATIENCE));
}

static void expect_reply(const gyre_reply *reply, uint32_t words, uint32_t value)
{
    cr_assert(reply->result == GYRE_OK && reply->size == words * sizeof(uint32_t) && reply->data,
              "%s, %zu bytes", gyre_result_name(reply->result), reply->size);
    cr_assert(reply->correlation == value && are_words(reply->data, words, value),
              "an answer to %u (correlation %llu), not to %u", *(const uint32_t *)reply->data,
              (unsigned long long)reply->correlation, value);
    cr_assert(reply->flags & GYRE_REPLY_LAST);
}

/* The next answers, peeked at by up to `most` at a time, have the values from `first` up. */
static void peek_many(gyre_kernel *kernel, uint32_t words, uint32_t first, uint32_t count,
                      uint32_t most)
{
    gyre_reply replies[64];
    cr_assert(most <= LENGTH(replies));
    for (uint32_t done = 0; done < count;) {
        uint32_t wanted = count - done < most ? count - done : most;
        uint32_t peeked = 0;
        ok(gyre_peek(kernel, replies, wanted, PATIENCE, &peeked));
        cr_assert(peeked >= 1 && peeked <= wanted);
        for (uint32_t at = 0; at < peeked; ++at) {
            expect_reply(&replies[at], words, first + done + at);
        }
        ok(gyre_release(kernel));
        done += peeked;
    }
}

/* The next one, by gyre_receive(). */
static void receive_one(gyre_kernel *kernel, uint32_t value)
{
    uint32_t answer[WORDS];
    gyre_reply reply = {.data = answer, .capacity = sizeof answer};
    ok(gyre_receive(kernel, &reply, PATIENCE));
    expect_reply(&reply, WORDS, value);
}

static void expect_none(gyre_kernel *kernel, uint64_t for_ns)
{
    gyre_reply reply = {0};
    gives(GYRE_ERROR_TIMEOUT, gyre_receive(kernel, &reply, for_ns));
}

static void expect_books(gyre_kernel *kernel, uint64_t accepted)
{
    gyre_stats stats = flow_stats(kernel);
    cr_assert(stats.accepted == accepted && stats.corrupt == 0 && books_balance(&stats), "%s",
              books_text(&stats));
    cr_assert(stats.staged == 0 && stats.window == 0, "%s", books_text(&stats));
}

/* ---- there and back ---- */

static void there_and_back(struct rig *rig, uint32_t words, uint32_t window, uint32_t count)
{
    gyre_kernel_params params = echo_params("echo", words);
    params.window = window;
    params.output_window = window;
    params.first_index = UINT32_MAX - window - 3; /* the indices wrap, and the ring does often */
    gyre_kernel *kernel = rig_active(rig, params);
    uint32_t sent = 0;
    for (uint32_t round = 0; sent < count; ++round) {
        uint32_t some = 1 + round % (2 * window);
        put_many(kernel, words, sent, some, 1 + round % 64, 0);
        peek_many(kernel, words, sent, some, 1 + round * 7 % 64);
        sent += some;
    }
    expect_none(kernel, 0);
    expect_books(kernel, sent);
    gyre_kernel_destroy(kernel);
}

Test(zero_copy, messages_and_answers_of_all_sizes_are_whole)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        there_and_back(&rig, 4, 16, 2000);
        there_and_back(&rig, 5, 1, 60);
        there_and_back(&rig, 1024, 8, 200);
        there_and_back(&rig, WORDS_MOST, 4, 40);
        rig_close(&rig);
    }
}

/* An ACTIVE kernel with nothing to do gives places in a row, in its ring. */
Test(zero_copy, a_kernel_at_leisure_gives_many_places)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = echo_params("echo", WORDS);
        params.window = 16;
        gyre_kernel *kernel = rig_active(&rig, params);
        gyre_reservation reservation = reserve(kernel, WORDS, 0, 100);
        cr_assert(reservation.count == 16, "%u", reservation.count);
        fill(&reservation, WORDS, 0, 0);
        uint64_t ids[16] = {0};
        gyre_message message = like(WORDS, 0);
        ok(gyre_commit(kernel, &reservation, 3, NULL, ids));
        cr_assert(ids[0] && ids[1] == ids[0] + 1 && ids[2] == ids[1] + 1 && !ids[3]);
        for (uint32_t i = 0; i < 3; ++i) {
            gyre_reply reply;
            ok(gyre_peek(kernel, &reply, 1, PATIENCE, NULL));
            cr_assert(reply.id == ids[i] && reply.correlation == 0);
            cr_assert(are_words(reply.data, WORDS, i));
            ok(gyre_release(kernel));
        }
        /* Until the end of the ring. */
        message.correlation = 77;
        ok(gyre_reserve(kernel, &message, 100, PATIENCE, &reservation));
        cr_assert(reservation.count == 13, "%u", reservation.count);
        ok(gyre_commit(kernel, &reservation, 0, NULL, NULL));
        ok(gyre_reserve(kernel, &message, 1, PATIENCE, &reservation));
        write_words(reservation.data, WORDS, 77, 0);
        ok(gyre_commit(kernel, &reservation, 1, NULL, NULL));
        receive_one(kernel, 77);
        expect_books(kernel, 4);
        rig_close(&rig);
    }
}

/* In its band a message is behind what the device has already; in each priority all are in order.
 */
Test(zero_copy, priorities_are_kept)
{
    enum { PRIORITIES = 5, EACH = 40 };
    static const uint32_t priorities[PRIORITIES] = {0, 3, 70, 130, 255};
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = echo_params("echo", WORDS);
        params.window = 4;
        gyre_kernel *kernel = rig_active(&rig, params);
        uint32_t sent[PRIORITIES] = {0};
        uint32_t seen[PRIORITIES] = {0};
        for (uint32_t round = 0; round < EACH; ++round) {
            for (uint32_t p = 0; p < PRIORITIES; ++p) {
                if ((round + p) % 3 == 0) {
                    send_one(kernel, p * EACH + sent[p]++, priorities[p], 0);
                    continue;
                }
                uint64_t correlation = p * EACH + sent[p];
                gyre_reservation reservation = reserve(kernel, WORDS, priorities[p], 1);
                fill(&reservation, WORDS, p * EACH + sent[p]++, 0);
                ok(gyre_commit(kernel, &reservation, 1, &correlation, NULL));
            }
        }
        for (uint32_t i = 0; i < PRIORITIES * EACH; ++i) {
            gyre_reply reply;
            ok(gyre_peek(kernel, &reply, 1, PATIENCE, NULL));
            uint32_t p = (uint32_t)reply.correlation / EACH;
            cr_assert(p < PRIORITIES && reply.priority == priorities[p]);
            expect_reply(&reply, WORDS, p * EACH + seen[p]++);
            ok(gyre_release(kernel));
        }
        expect_books(kernel, PRIORITIES * EACH);
        rig_close(&rig);
    }
}

/* ---- beside an open reservation ---- */

Test(zero_copy, other_bands_go_on_and_equals_wait_their_turn)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, echo_params("echo", WORDS));
        uint64_t correlations[2] = {10, 11};
        gyre_reservation reservation = reserve(kernel, WORDS, 70, 2);
        send_one(kernel, 12, 70, 0);
        send_one(kernel, 13, 70, 0);
        send_one(kernel, 1, 200, 0);
        receive_one(kernel, 1);
        send_one(kernel, 2, 5, 0);
        receive_one(kernel, 2);
        expect_none(kernel, 20 * MS);
        cr_assert(flow_stats(kernel).staged == 2);
        fill(&reservation, WORDS, 10, 0);
        ok(gyre_commit(kernel, &reservation, 2, correlations, NULL));
        for (uint32_t value = 10; value < 14; ++value) {
            receive_one(kernel, value);
        }
        /* One that is given up lets them go. */
        reservation = reserve(kernel, WORDS, 70, 2);
        send_one(kernel, 20, 70, 0);
        expect_none(kernel, 5 * MS);
        ok(gyre_commit(kernel, &reservation, 0, NULL, NULL));
        receive_one(kernel, 20);
        expect_books(kernel, 7);
        rig_close(&rig);
    }
}

static void staged_places(struct rig *rig, gyre_backpressure way)
{
    gyre_kernel_params params = echo_params("echo", WORDS);
    params.queue_size = 2;
    params.backpressure = way;
    gyre_kernel *kernel = rig_launch(rig, params);
    gyre_message message = like(WORDS, 0);
    gyre_reservation reservation = reserve(kernel, WORDS, 0, 9);
    cr_assert(reservation.count == 1);
    uint32_t words[WORDS];
    write_words(words, WORDS, 1, 0);
    message.data = words;
    message.correlation = 1;
    ok(gyre_try_send(kernel, &message));
    if (way != GYRE_DROP_OLDEST) { /* its place is taken */
        gives(GYRE_ERROR_FULL, gyre_try_send(kernel, &message));
    }
    uint64_t correlation = 2;
    fill(&reservation, WORDS, 2, 0);
    ok(gyre_commit(kernel, &reservation, 1, &correlation, NULL));
    gyre_result full = way == GYRE_BLOCK ? GYRE_ERROR_TIMEOUT : GYRE_ERROR_FULL;
    uint32_t first = 1;
    if (way == GYRE_DROP_OLDEST) {
        message.correlation = 3; /* instead of message 1 */
        first = 2;
        ok(gyre_reserve(kernel, &message, 1, 0, &reservation));
        fill(&reservation, WORDS, 3, 0);
        ok(gyre_commit(kernel, &reservation, 1, NULL, NULL));
    } else {
        gives(full, gyre_reserve(kernel, &message, 1, 5 * MS, &reservation));
    }
    ok(gyre_kernel_activate(kernel));
    receive_one(kernel, first);
    receive_one(kernel, first + 1);
    expect_none(kernel, 0);
    gyre_stats stats = flow_stats(kernel);
    cr_assert(books_balance(&stats) && stats.dropped == first - 1, "%s", books_text(&stats));
    gyre_kernel_destroy(kernel);
}

Test(zero_copy, a_kernel_that_is_not_active_stages_them)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        staged_places(&rig, GYRE_BLOCK);
        staged_places(&rig, GYRE_REJECT);
        staged_places(&rig, GYRE_DROP_OLDEST);
        rig_close(&rig);
    }
}

Test(zero_copy, a_deadline_is_kept)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, echo_params("echo", WORDS));
        gyre_message message = like(WORDS, 0);
        gyre_reservation reservation;
        for (uint32_t i = 0; i < 2; ++i) {
            message.deadline_ns = i == 0 ? 1 : PATIENCE;
            message.correlation = i;
            ok(gyre_reserve(kernel, &message, 5, PATIENCE, &reservation));
            cr_assert(reservation.count == 1);
            fill(&reservation, WORDS, i, 0);
            ok(gyre_commit(kernel, &reservation, 1, NULL, NULL));
        }
        receive_one(kernel, 1);
        cr_assert(flow_stats(kernel).expired == 1);
        expect_books(kernel, 2);
        rig_close(&rig);
    }
}

/* ---- and what becomes of the kernel ---- */

/* In order, each once: what lay before the reservation, its own, what came after. */
static void pause_with_one_open(struct rig *rig, bool resume_first, uint32_t before)
{
    gyre_kernel_params params = echo_params("echo", WORDS);
    params.window = 16;
    gyre_kernel *kernel = rig_active(rig, params);
    uint64_t correlations[4];
    for (uint32_t i = 0; i < before; ++i) {
        send_one(kernel, i, 0, SLOW);
    }
    gyre_reservation reservation = reserve(kernel, WORDS, 0, 4);
    uint32_t used = reservation.count;
    fill(&reservation, WORDS, before, 0);
    ok(gyre_kernel_deactivate(kernel, PATIENCE));
    for (uint32_t i = 0; i < used; ++i) {
        correlations[i] = before + i;
    }
    if (resume_first) {
        ok(gyre_kernel_reactivate(kernel));
    }
    for (uint32_t i = 0; i < 30; ++i) {
        send_one(kernel, before + used + i, 0, 0);
    }
    fill(&reservation, WORDS, before, 0); /* the places are there still */
    ok(gyre_commit(kernel, &reservation, used, correlations, NULL));
    if (!resume_first) {
        cr_assert(flow_stats(kernel).window == 0);
        ok(gyre_kernel_reactivate(kernel));
    }
    for (uint32_t i = 0; i < before + used + 30; ++i) {
        receive_one(kernel, i);
    }
    expect_books(kernel, before + used + 30);
    gyre_kernel_destroy(kernel);
}

Test(zero_copy, a_pause_in_between_changes_nothing)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        for (uint32_t before = 0; before < 16; before += 5) {
            pause_with_one_open(&rig, false, before);
            pause_with_one_open(&rig, true, before);
        }
        rig_close(&rig);
    }
}

/* More urgent ones take the slots that the pause has freed; the rest is not overtaken. */
Test(zero_copy, what_was_sent_before_stays_before)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = echo_params("echo", WORDS);
        params.window = 8;
        gyre_kernel *kernel = rig_active(&rig, params);
        for (uint32_t i = 0; i < 6; ++i) {
            send_one(kernel, i, 10, SLOW);
        }
        gyre_reservation reservation = reserve(kernel, WORDS, 10, 2);
        uint32_t used = reservation.count;
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        for (uint32_t i = 0; i < 6; ++i) {
            send_one(kernel, 100 + i, 20, SLOW);
        }
        ok(gyre_kernel_reactivate(kernel));
        uint64_t correlations[2] = {6, 7};
        fill(&reservation, WORDS, 6, 0);
        ok(gyre_commit(kernel, &reservation, used, correlations, NULL));
        uint32_t next[2] = {0, 100};
        for (uint32_t i = 0; i < 12 + used; ++i) {
            gyre_reply reply;
            ok(gyre_peek(kernel, &reply, 1, PATIENCE, NULL));
            expect_reply(&reply, WORDS, next[reply.priority == 20]++);
            ok(gyre_release(kernel));
        }
        expect_books(kernel, 12 + used);
        rig_close(&rig);
    }
}

/* What was written into the slots only comes back from there. One that is more urgent moves it to
 * other slots. */
static void take_back(struct rig *rig)
{
    enum { MESSAGES = 48, PAUSES = 3 };
    gyre_kernel_params params = echo_params("echo", WORDS);
    params.window = 64;
    gyre_kernel *kernel = rig_active(rig, params);
    put_many(kernel, WORDS, 0, MESSAGES, MESSAGES, SLOW);
    for (uint32_t pause = 0; pause < PAUSES; ++pause) {
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.window == 0 && stats.staged + stats.processed == MESSAGES + pause);
        cr_assert(pause > 0 || stats.staged > 0, "none was taken back");
        send_one(kernel, 100 + pause, 10, 0);
        ok(gyre_kernel_reactivate(kernel));
    }
    uint32_t next[2] = {0, 100};
    for (uint32_t i = 0; i < MESSAGES + PAUSES; ++i) {
        gyre_reply reply;
        ok(gyre_peek(kernel, &reply, 1, PATIENCE, NULL));
        expect_reply(&reply, WORDS, next[reply.priority == 10]++);
        ok(gyre_release(kernel));
    }
    expect_books(kernel, MESSAGES + PAUSES);
    gyre_kernel_destroy(kernel);
}

Test(zero_copy, messages_taken_back_are_whole)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        for (uint32_t round = 0; round < 4; ++round) {
            take_back(&rig);
        }
        rig_close(&rig);
    }
}

Test(zero_copy, terminate_ends_a_reservation)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        for (uint32_t round = 0; round < 6; ++round) {
            bool active = round % 2;
            gyre_kernel_params params = echo_params("echo", WORDS);
            gyre_kernel *kernel = active ? rig_active(&rig, params) : rig_launch(&rig, params);
            gyre_reservation reservation = reserve(kernel, WORDS, 0, 8);
            ok(gyre_kernel_terminate(kernel, round < 3 ? GYRE_DROP : GYRE_DRAIN, PATIENCE, NULL));
            fill(&reservation, WORDS, 0, 0);
            uint64_t id = 0;
            if (round == 5) {
                ok(gyre_commit(kernel, &reservation, 0, NULL, NULL));
            } else {
                gives(GYRE_ERROR_TERMINATED, gyre_commit(kernel, &reservation, 1, NULL, &id));
            }
            cr_assert(id == 0);
            gives(GYRE_ERROR_STATE, gyre_commit(kernel, &reservation, 1, NULL, NULL));
            gyre_message message = like(WORDS, 0);
            gives(GYRE_ERROR_STATE, gyre_reserve(kernel, &message, 1, 0, &reservation));
            expect_books(kernel, 0);
            gyre_kernel_destroy(kernel);
        }
        rig_close(&rig);
    }
}

Test(zero_copy, destroy_ends_what_is_open)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, echo_params("echo", WORDS));
        put_many(kernel, WORDS, 0, 4, 4, 0);
        gyre_reply reply;
        ok(gyre_peek(kernel, &reply, 1, PATIENCE, NULL));
        reserve(kernel, WORDS, 0, 4);
        gyre_kernel_destroy(kernel);
        kernel = rig_launch(&rig, echo_params("echo", WORDS));
        reserve(kernel, WORDS, 0, 4);
        rig_close(&rig);
    }
}

/* ---- failures ---- */

static void expect_letter(gyre_kernel *kernel, uint32_t value)
{
    uint32_t words[WORDS] = {0};
    gyre_dead_letter letter = {.data = words, .capacity = sizeof words};
    ok(gyre_dead_letter_take(kernel, &letter));
    cr_assert(letter.result == GYRE_ERROR_HANDLER && letter.code == value);
    cr_assert(letter.size == sizeof words && letter.correlation == value && words[1] == FAILS &&
              are_words(words, WORDS, value));
}

Test(zero_copy, dead_letters_are_whole)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = echo_params("echo", WORDS);
        params.window = 8;
        params.dead_letters = 64;
        gyre_kernel *kernel = rig_active(&rig, params);
        for (uint32_t first = 100; first < 140; first += 5) {
            put_many(kernel, WORDS, first, 5, 5, FAILS);
        }
        put_many(kernel, WORDS, 0, 40, 8, 0);
        peek_many(kernel, WORDS, 0, 40, 8);
        for (uint32_t value = 100; value < 120; ++value) {
            expect_letter(kernel, value);
        }
        uint32_t resent = 0;
        ok(gyre_dead_letter_resend(kernel, 20, &resent));
        cr_assert(resent == 20);
        until(flow_stats(kernel).dead_letters == 20);
        for (uint32_t value = 120; value < 140; ++value) {
            expect_letter(kernel, value);
        }
        expect_books(kernel, 100);
        rig_close(&rig);
    }
}

/* ---- answers that are looked at ---- */

/* The device writes beside what is being read, never over it, and goes on when it is released. */
Test(zero_copy, answers_stay_until_they_are_released)
{
    enum { SLOTS = 8, MESSAGES = 40 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = echo_params("echo", WORDS);
        params.output_window = SLOTS;
        params.window = SLOTS;
        gyre_kernel *kernel = rig_active(&rig, params);
        gyre_reply replies[3];
        uint32_t peeked = 0;
        put_many(kernel, WORDS, 0, 1, 1, 0);
        ok(gyre_peek(kernel, replies, 3, PATIENCE, &peeked)); /* nobody has collected it before */
        cr_assert(peeked == 1);
        put_many(kernel, WORDS, 1, MESSAGES, 1, 0);
        uint32_t received = 1;
        while (received < SLOTS) {
            receive_one(kernel, received++);
        }
        expect_none(kernel, 20 * MS); /* the slots are all in use */
        cr_assert(flow_stats(kernel).processed == SLOTS);
        expect_reply(&replies[0], WORDS, 0);
        ok(gyre_release(kernel));
        peek_many(kernel, WORDS, received, MESSAGES + 1 - received, 3);
        expect_books(kernel, MESSAGES + 1);
        rig_close(&rig);
    }
}

Test(zero_copy, answers_that_were_collected_before_are_seen_as_well)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, echo_params("echo", WORDS));
        put_many(kernel, WORDS, 0, 20, 20, 0);
        until(flow_stats(kernel).unread == 20);
        gyre_reply replies[20];
        uint32_t peeked = 0;
        ok(gyre_peek(kernel, replies, 10, PATIENCE, &peeked));
        cr_assert(peeked == 10);
        put_many(kernel, WORDS, 20, 30, 30, 0);
        for (uint32_t i = 10; i < 50; ++i) {
            receive_one(kernel, i);
        }
        for (uint32_t i = 0; i < 10; ++i) {
            expect_reply(&replies[i], WORDS, i);
        }
        ok(gyre_release(kernel));
        gyre_stats stats = flow_stats(kernel);
        cr_assert(stats.received == 50 && stats.unread == 0);
        expect_books(kernel, 50);
        rig_close(&rig);
    }
}

Test(zero_copy, answers_outlive_termination)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, echo_params("echo", WORDS));
        put_many(kernel, WORDS, 0, 30, 30, 0);
        gyre_reply replies[30];
        uint32_t peeked = 0;
        ok(gyre_peek(kernel, replies, 2, PATIENCE, &peeked));
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
        for (uint32_t i = 0; i < peeked; ++i) {
            expect_reply(&replies[i], WORDS, i);
        }
        ok(gyre_release(kernel));
        peek_many(kernel, WORDS, peeked, 30 - peeked, 30);
        gives(GYRE_ERROR_TERMINATED, gyre_peek(kernel, replies, 1, PATIENCE, &peeked));
        gives(GYRE_ERROR_STATE, gyre_release(kernel));
        rig_close(&rig);
    }
}

/* A failure has no answer to look at. */
Test(zero_copy, a_failed_message_has_a_reply_without_data)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, echo_params("echo", WORDS));
        put_many(kernel, WORDS, 9, 1, 1, FAILS);
        gyre_reply reply = {.data = &rig, .capacity = 5};
        ok(gyre_peek(kernel, &reply, 1, PATIENCE, NULL));
        cr_assert(reply.result == GYRE_ERROR_HANDLER && reply.code == 9 && reply.correlation == 9);
        cr_assert(!reply.data && reply.capacity == 0 && reply.size == 0);
        ok(gyre_release(kernel));
        rig_close(&rig);
    }
}

/* ---- several workgroups ---- */

static void spread(struct rig *rig, gyre_kernel_params params, uint32_t keys)
{
    enum { EACH = 40 };
    params.window = 8;
    params.output_window = 8;
    gyre_kernel *kernel = rig_active(rig, params);
    static uint32_t sent[8];
    static uint32_t seen[8];
    memset(sent, 0, sizeof sent);
    memset(seen, 0, sizeof seen);
    for (uint32_t round = 0; round < EACH / 4; ++round) {
        for (uint32_t key = 0; key < keys; ++key) {
            gyre_message message = like(WORDS, 0);
            message.key = key;
            for (uint32_t left = 4; left > 0;) {
                gyre_reservation reservation;
                uint64_t correlations[4];
                ok(gyre_reserve(kernel, &message, left, PATIENCE, &reservation));
                for (uint32_t at = 0; at < reservation.count; ++at) {
                    correlations[at] = key * EACH + sent[key]++;
                    write_words(place(&reservation, at), WORDS, (uint32_t)correlations[at], 0);
                }
                ok(gyre_commit(kernel, &reservation, reservation.count, correlations, NULL));
                left -= reservation.count;
            }
        }
    }
    for (uint32_t done = 0; done < keys * EACH;) {
        gyre_reply replies[5];
        uint32_t peeked = 0;
        ok(gyre_peek(kernel, replies, LENGTH(replies), PATIENCE, &peeked));
        for (uint32_t i = 0; i < peeked; ++i) {
            uint32_t key = (uint32_t)replies[i].correlation / EACH;
            cr_assert(key < keys);
            uint32_t expected = params.shards ? key * EACH + seen[key]
                                              : (uint32_t)replies[i].correlation;
            expect_reply(&replies[i], WORDS, expected);
            seen[key] += 1;
        }
        ok(gyre_release(kernel));
        done += peeked;
    }
    for (uint32_t key = 0; key < keys; ++key) {
        cr_assert(seen[key] == EACH);
    }
    expect_none(kernel, 0);
    expect_books(kernel, keys * EACH);
    gyre_kernel_destroy(kernel);
}

Test(zero_copy, workgroups_and_shards_share_them)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = echo_params("spread", WORDS);
        params.workgroups = 3;
        spread(&rig, params, 8);
        params.workgroups = 0;
        params.shards = 3;
        spread(&rig, params, 8);
        rig_close(&rig);
    }
}

/* ---- threads ---- */

enum { SENDERS = 2, EACH = 1500, RESERVED = 3000, ALL = SENDERS * EACH + RESERVED };

static struct crowd {
    gyre_kernel *kernel;
    atomic_uint taken;
    atomic_uint wrong;
    atomic_uint seen[ALL];
} crowd;

static void see(const gyre_reply *reply)
{
    uint32_t value = *(const uint32_t *)reply->data;
    bool right = reply->result == GYRE_OK && value < ALL && value == reply->correlation &&
                 are_words(reply->data, WORDS, value);
    atomic_fetch_add(right ? &crowd.seen[value] : &crowd.wrong, 1);
    atomic_fetch_add(&crowd.taken, 1);
}

static void *send_many(void *argument)
{
    uint32_t first = (uint32_t)(uintptr_t)argument * EACH;
    for (uint32_t i = 0; i < EACH && !atomic_load(&crowd.wrong); ++i) {
        uint32_t words[WORDS];
        write_words(words, WORDS, first + i, 0);
        gyre_message message = {
            .data = words, .size = sizeof words, .priority = i % 3 * 60, .correlation = first + i};
        atomic_fetch_add(&crowd.wrong,
                         gyre_send(crowd.kernel, &message, PATIENCE) != GYRE_OK ? 1u : 0u);
    }
    return NULL;
}

static void *reserve_many(void *argument)
{
    (void)argument;
    uint32_t done = 0;
    for (uint32_t round = 0; done < RESERVED && !atomic_load(&crowd.wrong); ++round) {
        uint64_t correlations[16];
        uint32_t most = RESERVED - done < 16 ? RESERVED - done : 16;
        gyre_message message = like(WORDS, done % 5 * 40);
        gyre_reservation reservation;
        gyre_result result = gyre_reserve(crowd.kernel, &message, most, PATIENCE, &reservation);
        uint32_t used = result == GYRE_OK ? round * 7 % (reservation.count + 1) : 0;
        for (uint32_t at = 0; at < used; ++at) {
            correlations[at] = SENDERS * EACH + done + at;
            write_words(place(&reservation, at), WORDS, (uint32_t)correlations[at], 0);
        }
        result = result == GYRE_OK
                     ? gyre_commit(crowd.kernel, &reservation, used, correlations, NULL)
                     : result;
        if (result != GYRE_OK) {
            atomic_fetch_add(&crowd.wrong, 1);
            break;
        }
        done += used;
    }
    return NULL;
}

static void *peek_on(void *argument)
{
    (void)argument;
    while (atomic_load(&crowd.taken) < ALL && !atomic_load(&crowd.wrong)) {
        gyre_reply replies[20];
        uint32_t peeked = 0;
        if (gyre_peek(crowd.kernel, replies, LENGTH(replies), 5 * MS, &peeked) == GYRE_OK) {
            for (uint32_t i = 0; i < peeked; ++i) {
                see(&replies[i]);
            }
            gyre_release(crowd.kernel);
        }
    }
    return NULL;
}

static void *receive_on(void *argument)
{
    (void)argument;
    while (atomic_load(&crowd.taken) < ALL && !atomic_load(&crowd.wrong)) {
        uint32_t words[WORDS];
        gyre_reply reply = {.data = words, .capacity = sizeof words};
        if (gyre_receive(crowd.kernel, &reply, 5 * MS) == GYRE_OK) {
            see(&reply);
        }
    }
    return NULL;
}

static void *pause_and_resume(void *argument)
{
    (void)argument;
    while (atomic_load(&crowd.taken) < ALL && !atomic_load(&crowd.wrong)) {
        gyre_result result = gyre_kernel_deactivate(crowd.kernel, PATIENCE);
        result = result == GYRE_OK ? gyre_kernel_reactivate(crowd.kernel) : result;
        atomic_fetch_add(&crowd.wrong, result != GYRE_OK ? 1u : 0u);
        counting_sleep(2 * MS);
    }
    return NULL;
}

Test(zero_copy, threads_of_all_kinds_get_along)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = echo_params("crowd", WORDS);
        params.window = 32;
        params.output_window = 32;
        params.queue_size = 64;
        crowd.kernel = rig_active(&rig, params);
        atomic_store(&crowd.taken, 0);
        memset(crowd.seen, 0, sizeof crowd.seen);
        void *(*const runs[])(void *) = {send_many, send_many,  reserve_many,
                                         peek_on,   receive_on, pause_and_resume};
        pthread_t threads[LENGTH(runs)];
        for (size_t i = 0; i < LENGTH(runs); ++i) {
            cr_assert(pthread_create(&threads[i], NULL, runs[i], (void *)i) == 0);
        }
        for (size_t i = 0; i < LENGTH(runs); ++i) {
            pthread_join(threads[i], NULL);
        }
        cr_assert(atomic_load(&crowd.wrong) == 0);
        for (uint32_t i = 0; i < ALL; ++i) {
            cr_assert(atomic_load(&crowd.seen[i]) == 1, "message %u: %u times", i,
                      atomic_load(&crowd.seen[i]));
        }
        expect_none(crowd.kernel, 0);
        expect_books(crowd.kernel, ALL);
        rig_close(&rig);
    }
}

/* ---- misuse ---- */

Test(zero_copy, what_is_wrong_is_refused_by_name)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    gyre_kernel *created = NULL;
    gyre_kernel_params params = echo_params("created", WORDS);
    gyre_message message = like(WORDS, 0);
    gyre_reservation reservation = {0};
    gyre_reply reply;
    ok(gyre_kernel_create(rig.runtime, &params, &created));
    gives(GYRE_ERROR_STATE, gyre_reserve(created, &message, 1, 0, &reservation));
    gives(GYRE_ERROR_STATE, gyre_commit(created, &reservation, 0, NULL, NULL));
    gives(GYRE_ERROR_STATE, gyre_peek(created, &reply, 1, 0, NULL));
    gives(GYRE_ERROR_STATE, gyre_release(created));

    gyre_kernel *kernel = rig_active(&rig, echo_params("echo", WORDS));
    gives(GYRE_ERROR_INVALID, gyre_reserve(NULL, &message, 1, 0, &reservation));
    gives(GYRE_ERROR_INVALID, gyre_reserve(kernel, NULL, 1, 0, &reservation));
    gives(GYRE_ERROR_INVALID, gyre_reserve(kernel, &message, 0, 0, &reservation));
    gives(GYRE_ERROR_INVALID, gyre_reserve(kernel, &message, 1, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_commit(kernel, NULL, 0, NULL, NULL));
    gives(GYRE_ERROR_INVALID, gyre_peek(kernel, NULL, 1, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_peek(kernel, &reply, 0, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_release(NULL));
    message.size -= 1;
    gives(GYRE_ERROR_SIZE, gyre_reserve(kernel, &message, 1, 0, &reservation));
    message.size += 1;
    message.type = 1;
    gives(GYRE_ERROR_TYPE, gyre_reserve(kernel, &message, 1, 0, &reservation));
    message.type = 0;
    message.priority = 256;
    gives(GYRE_ERROR_INVALID, gyre_reserve(kernel, &message, 1, 0, &reservation));
    message.priority = 0;
    cr_assert(flow_stats(kernel).rejected_invalid == 3 && !reservation.data);

    gives(GYRE_ERROR_STATE, gyre_commit(kernel, &reservation, 0, NULL, NULL));
    cr_assert(rig_said(&rig, "this reservation is not open"));
    gyre_reservation other = {0};
    reservation = reserve(kernel, WORDS, 0, 4);
    gives(GYRE_ERROR_STATE, gyre_reserve(kernel, &message, 1, 0, &other));
    cr_assert(rig_said(&rig, "a reservation is open") && !other.data);
    gives(GYRE_ERROR_STATE, gyre_commit(kernel, &other, 1, NULL, NULL));
    gives(GYRE_ERROR_INVALID, gyre_commit(kernel, &reservation, reservation.count + 1, NULL, NULL));
    fill(&reservation, WORDS, 0, 0);
    ok(gyre_commit(kernel, &reservation, 1, NULL, NULL));
    gives(GYRE_ERROR_STATE, gyre_commit(kernel, &reservation, 1, NULL, NULL));

    gives(GYRE_ERROR_STATE, gyre_release(kernel));
    cr_assert(rig_said(&rig, "no answers are being peeked at"));
    ok(gyre_peek(kernel, &reply, 1, PATIENCE, NULL));
    gives(GYRE_ERROR_STATE, gyre_peek(kernel, &reply, 1, 0, NULL));
    cr_assert(rig_said(&rig, "gyre_release() them first"));
    ok(gyre_release(kernel));
    gives(GYRE_ERROR_TIMEOUT, gyre_peek(kernel, &reply, 1, 1 * MS, NULL));
    gives(GYRE_ERROR_STATE, gyre_release(kernel));
    expect_books(kernel, 1);
    rig_close(&rig);
}
