/* Which answer belongs to which line, and in which order answers leave.
 *
 * One thread sends (begin, sending, sent), one at a time receives (reply). A message has a place in
 * a ring of fixed size, from begin until it and all before it are finished; the sender waits when
 * there is none. The receiver never waits for a place, so the ring moves on as long as replies
 * come.
 *
 * Matching is by the engine's ids. A reply may be there before gyre_send() has told the sender the
 * id: the receiver then waits for the sender to put it down, which takes no more than the return
 * from gyre_send().
 *
 * A message is finished by its last reply, and by nothing else: between two of its answers there
 * may be more urgent ones to other messages. Until then the message at the head passes its answers
 * on as they come, the others' are held. Where no reply can be known to be the last one, somebody
 * who knows otherwise that nothing more will come says so: reorder_mark(), reorder_finish().
 */
#ifndef GYRE_TOOLS_REORDER_H
#define GYRE_TOOLS_REORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reorder;

struct reorder_params {
    uint32_t places;   /* 0: 65,536; rounded up to a power of two */
    size_t held_bytes; /* of answers that wait for an earlier one: above, begin waits; 0: 64 MiB */
    bool unordered;    /* pass every answer on at once */
    void (*emit)(void *user, const char *text, size_t length); /* by the receiver; not terminated */
    void *user;
};

/* What the receiver learns of the message that a reply belongs to. */
struct reorder_match {
    uint64_t line;
    uint64_t sent_ns;
    bool first; /* its first reply */
};

/* NULL: out of memory. */
struct reorder *reorder_create(const struct reorder_params *params);
void reorder_destroy(struct reorder *reorder);

/* Sender: takes the next place. False if none became free within the time. */
bool reorder_begin(struct reorder *reorder, uint64_t line, uint64_t timeout_ns);

/* Sender: gyre_send() is about to be called for the message begun last; then what came of it. One
 * that was not taken may be tried again, from reorder_sending() on. */
void reorder_sending(struct reorder *reorder, uint64_t now_ns);
void reorder_sent(struct reorder *reorder, uint64_t id);
void reorder_not_sent(struct reorder *reorder);

/* Sender: gives the place of the message begun last back; it was not sent. */
void reorder_cancel(struct reorder *reorder);

/* Receiver: a reply has come; `text` is its answer, NULL if it has none; nothing comes after the
 * `last` one. False: no message of that id is unfinished. */
bool reorder_reply(struct reorder *reorder, uint64_t id, const char *text, size_t length, bool last,
                   struct reorder_match *match);

/* Any thread: a mark behind all messages sent so far. */
uint64_t reorder_mark(struct reorder *reorder);

/* Receiver: no reply comes any more to the messages before the mark. Passes on what was held back
 * for their sake. Gives how many were unfinished, and in `silent` how many of these had no reply.
 */
uint64_t reorder_finish(struct reorder *reorder, uint64_t mark, uint64_t *silent);

/* Receiver: nothing more will come. Passes on what is held, in order. */
void reorder_settle(struct reorder *reorder);

/* Messages sent and not finished. */
uint64_t reorder_unfinished(struct reorder *reorder);

/* The lines of these, as ranges of lines that follow one another; `begun`: some answers came. */
void reorder_unfinished_lines(struct reorder *reorder,
                              void (*tell)(void *user, uint64_t first, uint64_t last, bool begun),
                              void *user);

/* Waits until there is none; false if there still are some after that time. */
bool reorder_wait_finished(struct reorder *reorder, uint64_t timeout_ns);

#endif
