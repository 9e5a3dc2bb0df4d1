#include "reorder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

#define NO_PLACE UINT32_MAX

struct place {
    uint64_t id;
    uint64_t line;
    uint64_t sent_ns;
    char *text; /* answers that wait for an earlier message; a newline between two */
    size_t length;
    uint32_t next; /* of those whose ids fall together */
    bool begun;    /* a reply has come */
    bool finished;
};

/* head <= tail <= head + size, free-running; the place of a sequence number is masked. A place that
 * was sent and is not finished can be found by its id. */
struct reorder {
    struct reorder_params params;
    pthread_mutex_t lock;
    pthread_cond_t moved; /* for the sender: a place became free, or all are finished */
    pthread_cond_t known; /* for the receiver: the sender has put an id down */
    bool receiver_waits;
    atomic_bool sending;
    uint32_t size;
    uint32_t shift; /* 64 - log2(size) */
    uint64_t head;
    uint64_t tail;
    uint64_t mark;       /* tail, or one less where the last one begun is not sent */
    uint64_t unfinished; /* sent, and not finished */
    size_t held;
    struct place *places;
    uint32_t *buckets;
};

static struct place *place_at(struct reorder *reorder, uint64_t sequence)
{
    return &reorder->places[sequence & (reorder->size - 1)];
}

static uint32_t *bucket_of(struct reorder *reorder, uint64_t id)
{
    return &reorder->buckets[id * UINT64_C(0x9e3779b97f4a7c15) >> reorder->shift];
}

struct reorder *reorder_create(const struct reorder_params *params)
{
    struct reorder *reorder = calloc(1, sizeof *reorder);
    if (!reorder) {
        return NULL;
    }
    reorder->params = *params;
    reorder->params.held_bytes = params->held_bytes ? params->held_bytes : (size_t)64 << 20;
    reorder->size = base_round_up_power_of_two(params->places ? params->places : 65536);
    reorder->size = reorder->size < 2 ? 2 : reorder->size; /* a shift by 64 means nothing */
    reorder->shift = 64 - (uint32_t)__builtin_ctz(reorder->size);
    reorder->places = calloc(reorder->size, sizeof *reorder->places);
    reorder->buckets = calloc(reorder->size, sizeof *reorder->buckets);
    if (!reorder->places || !reorder->buckets || pthread_mutex_init(&reorder->lock, NULL) != 0 ||
        !base_cond_init(&reorder->moved) || !base_cond_init(&reorder->known)) {
        free(reorder->places);
        free(reorder->buckets);
        free(reorder);
        return NULL;
    }
    memset(reorder->buckets, 0xff, reorder->size * sizeof *reorder->buckets); /* NO_PLACE */
    return reorder;
}

void reorder_destroy(struct reorder *reorder)
{
    if (!reorder) {
        return;
    }
    for (uint64_t i = reorder->head; i != reorder->tail; i++) {
        free(place_at(reorder, i)->text);
    }
    pthread_cond_destroy(&reorder->known);
    pthread_cond_destroy(&reorder->moved);
    pthread_mutex_destroy(&reorder->lock);
    free(reorder->buckets);
    free(reorder->places);
    free(reorder);
}

/* ---- the sender ---- */

static bool has_room(const struct reorder *reorder)
{
    return reorder->tail - reorder->head < reorder->size &&
           reorder->held <= reorder->params.held_bytes;
}

bool reorder_begin(struct reorder *reorder, uint64_t line, uint64_t timeout_ns)
{
    const uint64_t deadline = base_deadline(timeout_ns);
    pthread_mutex_lock(&reorder->lock);
    bool room, in_time = true;
    do {
        room = has_room(reorder);
        if (!room && in_time) {
            in_time = base_cond_wait(&reorder->moved, &reorder->lock, deadline);
        }
    } while (!room && in_time);
    if (room) {
        *place_at(reorder, reorder->tail) = (struct place){.line = line, .next = NO_PLACE};
        reorder->tail += 1;
    }
    pthread_mutex_unlock(&reorder->lock);
    return room;
}

void reorder_sending(struct reorder *reorder, uint64_t now_ns)
{
    /* No lock: the receiver can find the place only after reorder_sent(). */
    place_at(reorder, reorder->tail - 1)->sent_ns = now_ns;
    atomic_store(&reorder->sending, true);
}

static void end_sending(struct reorder *reorder)
{
    atomic_store(&reorder->sending, false);
    if (reorder->receiver_waits) {
        pthread_cond_signal(&reorder->known);
    }
    pthread_mutex_unlock(&reorder->lock);
}

void reorder_sent(struct reorder *reorder, uint64_t id)
{
    pthread_mutex_lock(&reorder->lock);
    struct place *place = place_at(reorder, reorder->tail - 1);
    uint32_t *bucket = bucket_of(reorder, id);
    place->id = id;
    place->next = *bucket;
    *bucket = (uint32_t)(place - reorder->places);
    reorder->unfinished += 1;
    reorder->mark = reorder->tail;
    end_sending(reorder);
}

void reorder_not_sent(struct reorder *reorder)
{
    pthread_mutex_lock(&reorder->lock);
    end_sending(reorder);
}

void reorder_cancel(struct reorder *reorder)
{
    pthread_mutex_lock(&reorder->lock);
    reorder->tail -= 1;
    pthread_mutex_unlock(&reorder->lock);
}

uint64_t reorder_mark(struct reorder *reorder)
{
    pthread_mutex_lock(&reorder->lock);
    const uint64_t mark = reorder->mark;
    pthread_mutex_unlock(&reorder->lock);
    return mark;
}

uint64_t reorder_unfinished(struct reorder *reorder)
{
    pthread_mutex_lock(&reorder->lock);
    const uint64_t count = reorder->unfinished;
    pthread_mutex_unlock(&reorder->lock);
    return count;
}

void reorder_unfinished_lines(struct reorder *reorder,
                              void (*tell)(void *user, uint64_t first, uint64_t last, bool begun),
                              void *user)
{
    uint64_t first = 0, last = 0; /* lines are counted from 1 */
    bool begun = false;
    pthread_mutex_lock(&reorder->lock);
    for (uint64_t i = reorder->head; i != reorder->tail; i++) {
        const struct place *place = place_at(reorder, i);
        if (place->finished) {
            continue;
        }
        if (first && (place->line != last + 1 || place->begun != begun)) {
            tell(user, first, last, begun);
            first = 0;
        }
        first = first ? first : place->line;
        last = place->line;
        begun = place->begun;
    }
    pthread_mutex_unlock(&reorder->lock);
    if (first) {
        tell(user, first, last, begun);
    }
}

bool reorder_wait_finished(struct reorder *reorder, uint64_t timeout_ns)
{
    const uint64_t deadline = base_deadline(timeout_ns);
    pthread_mutex_lock(&reorder->lock);
    bool in_time = true;
    while (reorder->unfinished > 0 && in_time) {
        in_time = base_cond_wait(&reorder->moved, &reorder->lock, deadline);
    }
    const bool finished = reorder->unfinished == 0;
    pthread_mutex_unlock(&reorder->lock);
    return finished;
}

/* ---- the receiver ---- */

static struct place *find(struct reorder *reorder, uint64_t id)
{
    for (;;) {
        uint32_t at = *bucket_of(reorder, id);
        while (at != NO_PLACE && reorder->places[at].id != id) {
            at = reorder->places[at].next;
        }
        if (at != NO_PLACE) {
            return &reorder->places[at];
        }
        if (!atomic_load(&reorder->sending)) {
            return NULL;
        }
        reorder->receiver_waits = true;
        base_cond_wait(&reorder->known, &reorder->lock, BASE_FOREVER);
        reorder->receiver_waits = false;
    }
}

static void finish(struct reorder *reorder, struct place *place)
{
    uint32_t *link = bucket_of(reorder, place->id);
    while (&reorder->places[*link] != place) {
        link = &reorder->places[*link].next;
    }
    *link = place->next;
    place->finished = true;
    reorder->unfinished -= 1;
}

/* Keeps an answer for later. False: out of memory. */
static bool hold(struct reorder *reorder, struct place *place, const char *text, size_t length)
{
    const size_t separator = place->text ? 1 : 0;
    char *grown = realloc(place->text, place->length + separator + length);
    if (!grown) {
        return false;
    }
    if (separator) {
        grown[place->length] = '\n';
    }
    memcpy(grown + place->length + separator, text, length);
    place->text = grown;
    place->length += separator + length;
    reorder->held += separator + length;
    return true;
}

/* Goes on to the first place that is not finished or has something to say; true in the second
 * case. */
static bool advance(struct reorder *reorder)
{
    const uint64_t before = reorder->head;
    const struct place *place = place_at(reorder, reorder->head);
    while (reorder->head != reorder->tail && place->finished && !place->text) {
        reorder->head += 1;
        place = place_at(reorder, reorder->head);
    }
    if (reorder->head != before || reorder->unfinished == 0) {
        pthread_cond_signal(&reorder->moved);
    }
    return reorder->head != reorder->tail && place->text;
}

/* Passes on what is held at the head. The lock is not held while it does: whoever reads may take
 * his time. */
static void drain(struct reorder *reorder)
{
    pthread_mutex_lock(&reorder->lock);
    while (advance(reorder)) {
        struct place *place = place_at(reorder, reorder->head);
        char *text = place->text;
        const size_t length = place->length;
        place->text = NULL;
        place->length = 0;
        reorder->held -= length;
        pthread_cond_signal(&reorder->moved);
        pthread_mutex_unlock(&reorder->lock);
        reorder->params.emit(reorder->params.user, text, length);
        free(text);
        pthread_mutex_lock(&reorder->lock);
    }
    pthread_mutex_unlock(&reorder->lock);
}

static bool is_head(struct reorder *reorder, const struct place *place)
{
    return place == place_at(reorder, reorder->head);
}

bool reorder_reply(struct reorder *reorder, uint64_t id, const char *text, size_t length, bool last,
                   struct reorder_match *match)
{
    pthread_mutex_lock(&reorder->lock);
    struct place *place = find(reorder, id);
    if (!place) {
        pthread_mutex_unlock(&reorder->lock);
        return false;
    }
    *match = (struct reorder_match){place->line, place->sent_ns, !place->begun};
    place->begun = true;

    const bool at_once = reorder->params.unordered || is_head(reorder, place);
    bool kept = true;
    if (text && !at_once) {
        kept = hold(reorder, place, text, length);
    }
    if (last) {
        finish(reorder, place);
    }
    const bool more = advance(reorder);
    pthread_mutex_unlock(&reorder->lock);

    if (text && (at_once || !kept)) {
        reorder->params.emit(reorder->params.user, text, length);
    }
    if (more) {
        drain(reorder);
    }
    return true;
}

uint64_t reorder_finish(struct reorder *reorder, uint64_t mark, uint64_t *silent)
{
    uint64_t count = 0;
    *silent = 0;
    pthread_mutex_lock(&reorder->lock);
    for (uint64_t i = reorder->head; (int64_t)(mark - i) > 0; i++) {
        struct place *place = place_at(reorder, i);
        if (!place->finished) {
            finish(reorder, place);
            count += 1;
            *silent += !place->begun;
        }
    }
    const bool more = advance(reorder);
    pthread_mutex_unlock(&reorder->lock);
    if (more) {
        drain(reorder);
    }
    return count;
}

void reorder_settle(struct reorder *reorder)
{
    pthread_mutex_lock(&reorder->lock);
    for (uint64_t i = reorder->head; i != reorder->tail; i++) {
        struct place *place = place_at(reorder, i);
        char *text = place->text;
        place->text = NULL;
        if (text) {
            const size_t length = place->length;
            pthread_mutex_unlock(&reorder->lock);
            reorder->params.emit(reorder->params.user, text, length);
            free(text);
            pthread_mutex_lock(&reorder->lock);
        }
    }
    pthread_mutex_unlock(&reorder->lock);
}
