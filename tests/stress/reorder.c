/* tools/reorder between two threads: a sender, and a receiver to whom replies come out of order and
 * sometimes before the sender knows their ids. Every answer must leave once, in order. */
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

static uint64_t next = 1;

static void expect_next(void *user, const char *text, size_t length)
{
    char expected[24];
    (void)user;
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)next);
    CHECK(strlen(expected) == length && memcmp(text, expected, length) == 0);
    next += 1;
}

static void reply(struct reorder *reorder, uint64_t id)
{
    char text[24];
    struct reorder_match match;
    const int length = snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    CHECK(reorder_reply(reorder, id, text, (size_t)length, &match));
    CHECK(match.line == id && match.first);
}

/* Replies in blocks, each backwards. */
static void *receive(void *argument)
{
    for (uint64_t done = 0; done < MESSAGES;) {
        const uint64_t there = atomic_load(&taken);
        const uint64_t end = there - done > WINDOW ? done + WINDOW : there;
        for (uint64_t id = end; id > done; id--) {
            reply(argument, id);
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
        .max_answers = 1,
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
    CHECK(reorder_wait_answered(reorder, UINT64_C(10000000000)));
    pthread_join(receiver, NULL);
    CHECK(next == MESSAGES + 1);
    reorder_destroy(reorder);
    return 0;
}
