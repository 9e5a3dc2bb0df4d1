/* tools/reorder: which answer belongs to which line, and in which order answers leave. */
#include "reorder.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS UINT64_C(1000000)

static char seen[4096];

static void note(void *user, const char *text, size_t length)
{
    (void)user;
    const size_t at = strlen(seen);
    snprintf(seen + at, sizeof seen - at, "%.*s|", (int)length, text);
}

static struct reorder *make(uint32_t places, bool unordered)
{
    seen[0] = 0;
    struct reorder *reorder = reorder_create(&(struct reorder_params){
        .places = places,
        .unordered = unordered,
        .emit = note,
    });
    cr_assert_not_null(reorder);
    return reorder;
}

/* A message of that line; its id is line + 1000. */
static void sent(struct reorder *reorder, uint64_t line)
{
    cr_assert(reorder_begin(reorder, line, 0));
    reorder_sending(reorder, line * 10);
    reorder_sent(reorder, line + 1000);
}

static struct reorder_match take(struct reorder *reorder, uint64_t line, const char *text,
                                 bool last)
{
    struct reorder_match match = {0};
    cr_assert(reorder_reply(reorder, line + 1000, text, text ? strlen(text) : 0, last, &match));
    cr_assert_eq(match.line, line);
    cr_assert_eq(match.sent_ns, line * 10);
    return match;
}

/* The last reply to the message of that line; and one that is not. */
static struct reorder_match replied(struct reorder *reorder, uint64_t line, const char *text)
{
    return take(reorder, line, text, true);
}

static struct reorder_match partly(struct reorder *reorder, uint64_t line, const char *text)
{
    return take(reorder, line, text, false);
}

Test(reorder, answers_leave_in_the_order_of_the_lines)
{
    struct reorder *reorder = make(8, false);
    for (uint64_t line = 1; line <= 4; line++) {
        sent(reorder, line);
    }
    replied(reorder, 3, "c");
    replied(reorder, 2, "b");
    cr_assert_str_eq(seen, "");
    replied(reorder, 1, "a");
    cr_assert_str_eq(seen, "a|b|c|");
    replied(reorder, 4, "d");
    cr_assert_str_eq(seen, "a|b|c|d|");
    cr_assert_eq(reorder_unfinished(reorder), 0);
    reorder_destroy(reorder);
}

Test(reorder, unordered_answers_leave_at_once)
{
    struct reorder *reorder = make(8, true);
    sent(reorder, 1);
    sent(reorder, 2);
    replied(reorder, 2, "b");
    cr_assert_str_eq(seen, "b|");
    replied(reorder, 1, "a");
    cr_assert_str_eq(seen, "b|a|");
    reorder_destroy(reorder);
}

Test(reorder, a_message_without_an_answer_holds_nothing_up)
{
    struct reorder *reorder = make(8, false);
    sent(reorder, 1);
    sent(reorder, 2);
    replied(reorder, 2, "b");
    replied(reorder, 1, NULL);
    cr_assert_str_eq(seen, "b|");
    reorder_destroy(reorder);
}

Test(reorder, a_full_ring_takes_no_more_until_its_head_is_finished)
{
    struct reorder *reorder = make(4, false);
    for (uint64_t line = 1; line <= 4; line++) {
        sent(reorder, line);
    }
    replied(reorder, 2, "b");
    cr_assert_not(reorder_begin(reorder, 5, 0));
    cr_assert_not(reorder_begin(reorder, 5, 2 * MS));
    replied(reorder, 1, "a");
    sent(reorder, 5);
    sent(reorder, 6);
    cr_assert_not(reorder_begin(reorder, 7, 0));
    reorder_destroy(reorder);
}

Test(reorder, many_times_round_the_ring)
{
    struct reorder *reorder = make(4, false);
    for (uint64_t line = 1; line <= 1000; line += 2) {
        seen[0] = 0;
        sent(reorder, line);
        sent(reorder, line + 1);
        replied(reorder, line + 1, "b");
        replied(reorder, line, "a");
        cr_assert_str_eq(seen, "a|b|");
    }
    reorder_destroy(reorder);
}

Test(reorder, a_cancelled_message_leaves_no_gap)
{
    struct reorder *reorder = make(4, false);
    sent(reorder, 1);
    cr_assert(reorder_begin(reorder, 2, 0));
    reorder_sending(reorder, 1);
    reorder_not_sent(reorder);
    reorder_cancel(reorder);
    sent(reorder, 3);
    replied(reorder, 3, "c");
    replied(reorder, 1, "a");
    cr_assert_str_eq(seen, "a|c|");
    reorder_destroy(reorder);
}

Test(reorder, a_reply_to_nobody_is_refused)
{
    struct reorder *reorder = make(4, false);
    struct reorder_match match;
    cr_assert_not(reorder_reply(reorder, 7, "x", 1, true, &match));
    sent(reorder, 1);
    replied(reorder, 1, "a");
    cr_assert_not(reorder_reply(reorder, 1001, "again", 5, true, &match));
    cr_assert_str_eq(seen, "a|");
    reorder_destroy(reorder);
}

Test(reorder, several_answers_of_a_message_stay_together)
{
    struct reorder *reorder = make(8, false);
    for (uint64_t line = 1; line <= 3; line++) {
        sent(reorder, line);
    }
    cr_assert(partly(reorder, 2, "b1").first);
    cr_assert_not(replied(reorder, 2, "b2").first);
    cr_assert_str_eq(seen, "");
    partly(reorder, 1, "a1");
    cr_assert_str_eq(seen, "a1|", "the head passes its answers on as they come");
    replied(reorder, 1, "a2");
    replied(reorder, 3, "c1");
    cr_assert_str_eq(seen, "a1|a2|b1\nb2|c1|");
    reorder_destroy(reorder);
}

Test(reorder, urgent_answers_may_come_between_two_of_another_message)
{
    struct reorder *reorder = make(8, false);
    for (uint64_t line = 1; line <= 4; line++) {
        sent(reorder, line);
    }
    partly(reorder, 2, "b1");
    partly(reorder, 1, "a1");
    partly(reorder, 4, "d1");
    replied(reorder, 3, NULL);
    partly(reorder, 2, "b2");
    partly(reorder, 1, "a2");
    replied(reorder, 4, "d2");
    replied(reorder, 2, "b3");
    cr_assert_str_eq(seen, "a1|a2|");
    cr_assert_eq(reorder_unfinished(reorder), 1);
    replied(reorder, 1, "a3");
    cr_assert_str_eq(seen, "a1|a2|a3|b1\nb2\nb3|d1\nd2|");
    cr_assert_eq(reorder_unfinished(reorder), 0);
    reorder_destroy(reorder);
}

Test(reorder, only_the_last_reply_finishes_a_message)
{
    struct reorder *reorder = make(8, false);
    struct reorder_match match;
    sent(reorder, 1);
    sent(reorder, 2);
    partly(reorder, 1, "a1");
    partly(reorder, 1, NULL);
    replied(reorder, 2, "b");
    partly(reorder, 1, "a2");
    cr_assert_not(reorder_wait_finished(reorder, MS));
    cr_assert_str_eq(seen, "a1|a2|");
    replied(reorder, 1, NULL);
    cr_assert(reorder_wait_finished(reorder, 0));
    cr_assert_str_eq(seen, "a1|a2|b|");
    cr_assert_not(reorder_reply(reorder, 1001, "a3", 2, true, &match));
    reorder_destroy(reorder);
}

Test(reorder, held_bytes_are_bounded)
{
    struct reorder *reorder = reorder_create(&(struct reorder_params){
        .places = 64,
        .held_bytes = 8,
        .emit = note,
    });
    seen[0] = 0;
    sent(reorder, 1);
    sent(reorder, 2);
    sent(reorder, 3);
    replied(reorder, 2, "0123456789");
    cr_assert_not(reorder_begin(reorder, 4, 0));
    replied(reorder, 1, "a");
    cr_assert_str_eq(seen, "a|0123456789|");
    sent(reorder, 4);
    reorder_destroy(reorder);
}

Test(reorder, what_is_before_a_mark_can_be_over_without_a_reply)
{
    struct reorder *reorder = make(16, false);
    uint64_t silent;
    sent(reorder, 1);
    sent(reorder, 2);
    sent(reorder, 3);
    const uint64_t mark = reorder_mark(reorder);
    cr_assert(reorder_begin(reorder, 4, 0));
    cr_assert_eq(reorder_mark(reorder), mark, "it is not sent");
    reorder_sending(reorder, 40);
    reorder_sent(reorder, 1004);
    partly(reorder, 2, "b");
    replied(reorder, 3, "c");
    partly(reorder, 4, "d");
    cr_assert_str_eq(seen, "");
    cr_assert_eq(reorder_finish(reorder, mark, &silent), 2);
    cr_assert_eq(silent, 1);
    cr_assert_str_eq(seen, "b|c|d|");
    cr_assert_eq(reorder_unfinished(reorder), 1);
    cr_assert_eq(reorder_finish(reorder, mark, &silent), 0);
    partly(reorder, 4, "e");
    cr_assert_eq(reorder_finish(reorder, reorder_mark(reorder), &silent), 1);
    cr_assert_eq(silent, 0);
    cr_assert_str_eq(seen, "b|c|d|e|");
    cr_assert_eq(reorder_unfinished(reorder), 0);
    reorder_destroy(reorder);
}

Test(reorder, a_place_is_free_again_once_its_message_is_over)
{
    struct reorder *reorder = make(4, true);
    uint64_t silent;
    for (uint64_t round = 0; round < 10; round++) {
        for (uint64_t i = 1; i <= 4; i++) {
            sent(reorder, round * 4 + i);
        }
        cr_assert_not(reorder_begin(reorder, 100, 0));
        cr_assert_eq(reorder_finish(reorder, reorder_mark(reorder), &silent), 4);
        cr_assert_eq(silent, 4);
    }
    reorder_destroy(reorder);
}

static void add_range(void *user, uint64_t first, uint64_t last, bool begun)
{
    char *text = user;
    const size_t at = strlen(text);
    snprintf(text + at, 64 - at, "%u-%u%s ", (unsigned)first, (unsigned)last, begun ? "+" : "");
}

Test(reorder, unfinished_lines_are_named_as_ranges)
{
    struct reorder *reorder = make(16, false);
    const uint64_t lines[] = {1, 2, 3, 5, 6, 7, 9};
    for (size_t i = 0; i < 7; i++) {
        sent(reorder, lines[i]);
    }
    replied(reorder, 2, "b");
    partly(reorder, 7, "g");
    char text[64] = "";
    reorder_unfinished_lines(reorder, add_range, text);
    cr_assert_str_eq(text, "1-1 3-3 5-6 7-7+ 9-9 ");
    cr_assert_eq(reorder_unfinished(reorder), 6);
    cr_assert_not(reorder_wait_finished(reorder, MS));
    reorder_settle(reorder);
    cr_assert_str_eq(seen, "b|g|");
    reorder_destroy(reorder);
}

static void *tell_the_id_late(void *argument)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    reorder_sent(argument, 1001);
    return NULL;
}

Test(reorder, a_reply_before_its_id_is_known_waits_for_it)
{
    struct reorder *reorder = make(4, false);
    pthread_t sender;
    cr_assert(reorder_begin(reorder, 1, 0));
    reorder_sending(reorder, 10);
    pthread_create(&sender, NULL, tell_the_id_late, reorder);
    replied(reorder, 1, "a");
    pthread_join(sender, NULL);
    cr_assert_str_eq(seen, "a|");
    reorder_destroy(reorder);
}

static void *give_up_late(void *argument)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    reorder_not_sent(argument);
    return NULL;
}

Test(reorder, a_reply_to_nobody_does_not_wait_for_a_send_that_fails)
{
    struct reorder *reorder = make(4, false);
    pthread_t sender;
    struct reorder_match match;
    cr_assert(reorder_begin(reorder, 1, 0));
    reorder_sending(reorder, 10);
    pthread_create(&sender, NULL, give_up_late, reorder);
    cr_assert_not(reorder_reply(reorder, 99, "x", 1, true, &match));
    pthread_join(sender, NULL);
    reorder_destroy(reorder);
}
