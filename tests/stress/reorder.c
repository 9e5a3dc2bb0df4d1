/* tools/reorder between two threads: a sender, and a receiver to whom replies come out of order,
 * those of one message between those of others, and sometimes before the sender knows their ids.
 * Every answer must leave once, in order. */
#include "reorder.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 100000, WINDOW = 64 };

#define CHECK(condition) \
    ((condition) ? (void)0 \
                 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

/* Stands in for the engine: ids on their way. */
static atomic_uint_fast64_t taken;

/* To each message 1 to 3. */
static uint64_t answers_to(uint64_t id)
{
    return 1 + id % 3;
}

static uint64_t next = 1;
static uint64_t seen; /* answers to it */

/* What was held comes as several lines at once. */
static void expect_next(void *user, const char *text, size_t length)
{
    (void)user;
    for (const char *end = text + length; text < end;) {
        char expected[24];
        const int size = snprintf(expected, sizeof expected, "%llu", (unsigned long long)next);
        CHECK(size <= end - text && memcmp(text, expected, (size_t)size) == 0);
        text += size;
        CHECK(text == end || *text++ == '\n');
        seen += 1;
        if (seen == answers_to(next)) {
            next += 1;
            seen = 0;
        }
    }
}

static void reply(struct reorder *reorder, uint64_t id, uint64_t number)
{
    char text[24];
    struct reorder_match match;
    const int length = snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    const bool last = number + 1 == answers_to(id);
    CHECK(reorder_reply(reorder, id, text, (size_t)length, last, &match));
    CHECK(match.line == id && match.first == (number == 0));
}

/* Replies in blocks, each backwards: all first answers, then all second ones, ... */
static void *receive(void *argument)
{
    for (uint64_t done = 0; done < MESSAGES;) {
        const uint64_t there = atomic_load(&taken);
        const uint64_t end = there - done > WINDOW ? done + WINDOW : there;
        for (uint64_t number = 0; number < answers_to(2); number++) {
            for (uint64_t id = end; id > done; id--) {
                if (number < answers_to(id)) {
                    reply(argument, id, number);
                }
            }
        }
        if (end == done) {
            sched_yield();
        }
        done = end;
    }
    return NULL;
}

int main(void)
{
    pthread_t receiver;
    struct reorder *reorder = reorder_create(&(struct reorder_params){
        .places = 256,
        .emit = expect_next,
    });
    CHECK(reorder && pthread_create(&receiver, NULL, receive, reorder) == 0);
    for (uint64_t line = 1; line <= MESSAGES; line++) {
        CHECK(reorder_begin(reorder, line, UINT64_C(10000000000)));
        reorder_sending(reorder, line);
        if (line % 7 == 0) {
            reorder_not_sent(reorder);
            reorder_sending(reorder, line);
        }
        atomic_store(&taken, line); /* the receiver may have the reply from here on */
        if (line % 5 == 0) {
            sched_yield();
        }
        reorder_sent(reorder, line);
    }
    CHECK(reorder_wait_finished(reorder, UINT64_C(10000000000)));
    pthread_join(receiver, NULL);
    CHECK(next == MESSAGES + 1 && seen == 0);
    reorder_destroy(reorder);
    return 0;
}
