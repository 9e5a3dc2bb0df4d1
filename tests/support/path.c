#include "path.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NONE UINT32_MAX
#define MURKY UINT32_MAX /* an epoch: it may have been an earlier one */

const char *path_structs(uint32_t max_sends)
{
    static char text[512];
    snprintf(text, sizeof text,
             "struct Request { uint value; uint sends; uint code; };\n"
             "struct Response { uint value; uint which; uint order; };\n"
             "struct Count { uint n; };\n"
             "#define GYRE_INPUT Request\n"
             "#define GYRE_OUTPUT Response\n"
             "#define GYRE_STATE Count\n"
             "#define GYRE_MAX_SENDS %u\n",
             max_sends);
    return text;
}

const char path_body[] = "void main() {\n"
                         "    while (gyre_receive()) {\n"
                         "        GYRE_SELF.n += 1u;\n"
                         "        for (uint i = 0u; i < GYRE_IN.sends; ++i) {\n"
                         "            GYRE_OUT.value = GYRE_IN.value * 2654435761u;\n"
                         "            GYRE_OUT.which = i;\n"
                         "            GYRE_OUT.order = GYRE_SELF.n;\n"
                         "            gyre_send();\n"
                         "        }\n"
                         "        if (GYRE_IN.code != 0u) {\n"
                         "            gyre_fail(GYRE_SELF.n << 4 | GYRE_IN.code);\n"
                         "        }\n"
                         "    }\n"
                         "}\n";

bool path_must(struct path_model *model, bool holds, const char *format, ...)
{
    if (!holds && !model->differs) {
        model->differs = true;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(model->difference, sizeof model->difference, format, arguments);
        va_end(arguments);
    }
    return holds;
}

void path_begin(struct path_model *model, const struct path_config *config, const gyre_stats *stats,
                uint32_t salt)
{
    memset(model, 0, sizeof *model);
    model->config = *config;
    model->base = *stats;
    model->salt = salt;
    model->live = stats->live;
    model->paused = true;
    model->epoch = 1;
    model->read_last = NONE;
    model->done = (uint32_t)(stats->processed + stats->failed);
    path_must(model, stats->staged + stats->window + stats->unread + stats->dead_letters == 0,
              "the kernel is not empty");
}

void path_note_drop(void *user, uint64_t id, gyre_result why)
{
    struct path_drops *drops = user;
    pthread_mutex_lock(&drops->lock);
    if (drops->count < PATH_DROPS_MAX) {
        drops->all[drops->count++] = (struct path_drop){drops->api->dropped(id), why};
    }
    pthread_mutex_unlock(&drops->lock);
}

/* ---- what a message must come to ---- */

static gyre_result outcome(const struct path_model *model, const struct path_sent *sent)
{
    if (sent->request.sends > model->config.max_sends) {
        return GYRE_ERROR_OVERSENT;
    }
    return sent->request.code ? GYRE_ERROR_HANDLER : GYRE_OK;
}

static bool is_buried(const struct path_model *model, const struct path_sent *sent)
{
    return model->config.dead_letters && sent->way == PATH_PLAIN && sent->fate == PATH_DONE &&
           (sent->output_full || outcome(model, sent) != GYRE_OK);
}

static bool may_overflow(const struct path_model *model)
{
    return model->config.output_backpressure != GYRE_BLOCK;
}

/* Replies for gyre_receive, had the answers room. */
static uint32_t expected_replies(const struct path_model *model, const struct path_sent *sent)
{
    bool reports = model->config.report_all;
    if (sent->way != PATH_PLAIN || sent->fate == PATH_PENDING) {
        return 0;
    }
    if (sent->fate != PATH_DONE) {
        return reports ? 1 : 0;
    }
    if (outcome(model, sent) != GYRE_OK) {
        return model->config.dead_letters ? 0 : 1;
    }
    return sent->request.sends ? sent->request.sends : reports ? 1 : 0;
}

/* ---- what is known of those that are pending ---- */

static bool is_pending(const struct path_sent *sent)
{
    return sent->fate == PATH_PENDING;
}

static uint32_t count_pending(const struct path_model *model, bool staged_only)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        count += is_pending(&model->sent[i]) && (!staged_only || model->sent[i].staged);
    }
    return count;
}

static bool is_clear(const struct path_model *model)
{
    return model->paused && count_pending(model, false) == count_pending(model, true);
}

/* While paused, the number of those staged may tell which they are. */
static void conclude(struct path_model *model)
{
    if (!model->paused) {
        return;
    }
    uint32_t sure = count_pending(model, true);
    uint32_t most = count_pending(model, false);
    path_must(model, model->staged >= sure && model->staged <= most,
              "%u are staged, where %u to %u can be", model->staged, sure, most);
    for (uint32_t i = 0; i < model->count && (model->staged == sure || model->staged == most);
         ++i) {
        struct path_sent *sent = &model->sent[i];
        if (is_pending(sent) && !sent->staged) {
            sent->staged = model->staged != sure;
            sent->fate = sent->staged ? PATH_PENDING : PATH_DONE;
        }
    }
    for (uint32_t i = 0; i < model->count && is_clear(model); ++i) {
        struct path_sent *sent = &model->sent[i];
        if (sent->fate == PATH_DONE && sent->epoch == 0) {
            sent->epoch = model->epoch;
        }
    }
}

/* The device has worked on it, so it has on all its equals before it. */
static void be_done(struct path_model *model, uint32_t index)
{
    const struct path_sent *sent = &model->sent[index];
    path_must(model, sent->fate == PATH_PENDING || sent->fate == PATH_DONE,
              "message %u was lost, and worked on all the same", index);
    for (uint32_t i = 0; i <= index; ++i) {
        struct path_sent *other = &model->sent[i];
        bool before = other->priority == sent->priority && is_pending(other) &&
                      (i == index || !other->lapses);
        if (before) {
            path_must(model, !other->staged, "message %u was worked on, %u of its priority waits",
                      index, i);
            other->fate = PATH_DONE;
        }
    }
}

static uint32_t find_id(const struct path_model *model, uint64_t id)
{
    for (uint32_t i = 0; i < model->count; ++i) {
        if (model->sent[i].id == id) {
            return i;
        }
    }
    return NONE;
}

/* Ids grow with the order of acceptance. */
static bool can_have_id(const struct path_model *model, uint32_t index, uint64_t id)
{
    bool can = model->sent[index].id == 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        uint64_t other = model->sent[i].id;
        can = can && (other == 0 || (i < index) == (other < id));
    }
    return can;
}

/* The oldest of the lowest priority that can be the one without a known id. */
static uint32_t find_nameless(const struct path_model *model, uint64_t id)
{
    uint32_t found = NONE;
    for (uint32_t i = 0; i < model->count; ++i) {
        const struct path_sent *sent = &model->sent[i];
        if (is_pending(sent) && can_have_id(model, i, id) &&
            (found == NONE || sent->priority < model->sent[found].priority)) {
            found = i;
        }
    }
    return found;
}

static uint32_t find_dropped(struct path_model *model, const struct path_drop *drop)
{
    uint32_t index = find_id(model, drop->id);
    if (index == NONE && drop->why == GYRE_ERROR_DROPPED) {
        index = find_nameless(model, drop->id);
    }
    if (path_must(model, index != NONE, "a message that never was is dropped: %llu",
                  (unsigned long long)drop->id)) {
        path_must(model, is_pending(&model->sent[index]), "message %u is dropped, which is gone",
                  index);
        model->sent[index].id = drop->id;
    }
    return index;
}

static void lose(struct path_model *model, uint32_t index, enum path_fate fate)
{
    struct path_sent *sent = &model->sent[index];
    if (model->paused) {
        model->staged -= model->staged > 0;
        model->lost_in_pause = true;
    }
    sent->fate = fate;
    sent->staged = false;
}

static void expire(struct path_model *model, uint32_t index)
{
    path_must(model, model->sent[index].lapses, "message %u expired without a deadline", index);
    model->expired += 1;
    lose(model, index, PATH_EXPIRED);
    conclude(model);
}

/* No less urgent one waits, nor one of `priority` that was sent before number `before`. */
static void none_lower(struct path_model *model, uint32_t priority, uint32_t before)
{
    for (uint32_t i = 0; i < model->count; ++i) {
        struct path_sent *sent = &model->sent[i];
        bool lower = sent->priority < priority || (sent->priority == priority && i < before);
        if (lower && is_pending(sent) && !sent->lapses) {
            path_must(model, !sent->staged, "message %u should have given way", i);
            sent->fate = PATH_DONE;
        }
    }
}

static void evict(struct path_model *model, uint32_t index, uint32_t newcomer)
{
    const struct path_sent *sent = &model->sent[index];
    path_must(model, model->config.backpressure == GYRE_DROP_OLDEST, "message %u gave way", index);
    path_must(model, sent->priority <= newcomer, "priority %u gave way to %u", sent->priority,
              newcomer);
    if (model->paused) {
        path_must(model, model->staged >= model->config.queue_size,
                  "message %u gave way though there was room", index);
        none_lower(model, sent->priority, index);
    } else {
        path_must(model, count_pending(model, false) >= model->config.queue_size,
                  "message %u gave way though there was room", index);
    }
    model->evicted += 1;
    lose(model, index, PATH_EVICTED);
    conclude(model);
}

/* ---- sending ---- */

/* A send, as far as drops go. */
struct newcomer {
    uint64_t id; /* if it was accepted */
    uint32_t priority;
    bool refused; /* it is itself among those dropped, under an id not seen before */
};

static void take_drop(struct path_model *model, const struct path_drop *drop,
                      struct newcomer *newcomer)
{
    bool dropped = drop->why == GYRE_ERROR_DROPPED;
    if (newcomer && newcomer->refused && dropped && find_id(model, drop->id) == NONE) {
        newcomer->refused = false;
        return;
    }
    uint32_t index = find_dropped(model, drop);
    if (index != NONE && drop->why == GYRE_ERROR_EXPIRED) {
        expire(model, index);
    } else if (index != NONE) {
        path_must(model, newcomer && dropped, "message %u is dropped for nothing", index);
        evict(model, index, newcomer ? newcomer->priority : 0);
    }
}

/* What was dropped before a send had its own result. What became of the newcomer since stays. */
static void take_drops(struct path_model *model, struct path_drops *drops,
                       struct newcomer *newcomer)
{
    uint32_t kept = 0;
    pthread_mutex_lock(&drops->lock);
    for (uint32_t i = 0; i < drops->count; ++i) {
        if (newcomer && newcomer->id && drops->all[i].id == newcomer->id) {
            drops->all[kept++] = drops->all[i];
        } else {
            take_drop(model, &drops->all[i], newcomer);
        }
    }
    drops->count = kept;
    pthread_mutex_unlock(&drops->lock);
}

void path_see_drops(struct path_model *model, struct path_drops *drops)
{
    take_drops(model, drops, NULL);
}

static bool any_lapsed(const struct path_model *model)
{
    for (uint32_t i = 0; i < model->count; ++i) {
        if (is_pending(&model->sent[i]) && model->sent[i].lapses && model->sent[i].staged) {
            return true;
        }
    }
    return false;
}

/* No room for a newcomer. */
static void check_full(struct path_model *model, const char *how)
{
    uint32_t size = model->config.queue_size;
    if (model->paused) {
        path_must(model, model->staged >= size, "%s with %u of %u staged", how, model->staged,
                  size);
        path_must(model, !any_lapsed(model), "%s, and one that has expired is in the way", how);
    } else {
        path_must(model, count_pending(model, false) >= size, "%s though at most %u wait", how,
                  count_pending(model, false));
    }
}

static uint32_t accept(struct path_model *model, struct path_sent sent, bool evicted)
{
    if (!path_must(model, model->count < PATH_MESSAGES_MAX, "too long a sequence")) {
        return NONE;
    }
    sent.fate = PATH_PENDING;
    sent.staged = model->paused;
    sent.while_paused = model->paused;
    sent.correlation = sent.correlation ? sent.correlation
                                        : (uint64_t)model->salt << 32 | model->count;
    model->accepted += 1;
    if (model->paused) {
        /* A pause gives back what lay in the window, which may be more than the queue holds. */
        path_must(model, evicted || model->staged < model->config.queue_size,
                  "one more than the queue holds");
        model->staged += 1;
    }
    model->sent[model->count++] = sent;
    return model->count - 1;
}

/* A newcomer that was itself the lowest. */
static void refuse_newest(struct path_model *model, uint32_t priority)
{
    path_must(model, model->config.backpressure == GYRE_DROP_OLDEST, "the newcomer is dropped");
    check_full(model, "the newcomer is dropped");
    if (model->paused) {
        none_lower(model, priority + 1, 0);
        conclude(model);
    }
    model->accepted += 1;
    model->refused_newest += 1;
}

uint32_t path_sent(struct path_model *model, struct path_sent sent, gyre_result result,
                   struct path_drops *drops)
{
    struct newcomer newcomer = {
        .id = sent.id,
        .priority = sent.priority,
        .refused = result == GYRE_ERROR_DROPPED,
    };
    uint64_t evicted = model->evicted;
    take_drops(model, drops, &newcomer);
    path_must(model, !newcomer.refused, "a newcomer was dropped without a word");
    switch (result) {
    case GYRE_OK:
        return accept(model, sent, model->evicted > evicted);
    case GYRE_ERROR_DROPPED:
        refuse_newest(model, sent.priority);
        break;
    case GYRE_ERROR_FULL:
    case GYRE_ERROR_TIMEOUT:
        path_must(model, model->config.backpressure != GYRE_DROP_OLDEST, "refused as full");
        check_full(model, gyre_result_name(result));
        model->rejected_full += 1;
        break;
    default:
        path_must(model, false, "a send gives %s", gyre_result_name(result));
        break;
    }
    return NONE;
}

/* ---- replies ---- */

/* The one that is under way under this correlation. */
static uint32_t find_correlation(struct path_model *model, uint64_t correlation)
{
    for (uint32_t i = model->count; i-- > 0;) {
        if (model->sent[i].correlation == correlation) {
            return i;
        }
    }
    path_must(model, false, "an answer to what was never sent: %llx",
              (unsigned long long)correlation);
    return NONE;
}

static void learn_order(struct path_model *model, uint32_t index, uint32_t order)
{
    struct path_sent *sent = &model->sent[index];
    path_must(model, order > model->base.processed + model->base.failed,
              "message %u was number %u, before this sequence", index, order);
    path_must(model, !sent->order || sent->order == order, "message %u was number %u and %u", index,
              sent->order, order);
    sent->order = order;
    for (uint32_t i = 0; i < model->count; ++i) {
        const struct path_sent *other = &model->sent[i];
        if (i == index || !other->order) {
            continue;
        }
        path_must(model, other->order != order, "messages %u and %u were both number %u", i, index,
                  order);
        path_must(model, other->priority != sent->priority || (i < index) == (other->order < order),
                  "messages %u and %u of priority %u were number %u and %u", i, index,
                  sent->priority, other->order, order);
    }
}

static void check_code(struct path_model *model, uint32_t index, uint32_t code, gyre_result result)
{
    const struct path_request *request = &model->sent[index].request;
    if (result == GYRE_ERROR_HANDLER) {
        path_must(model, (code & 15) == request->code, "message %u failed with code %u", index,
                  code & 15);
        learn_order(model, index, code >> 4);
    } else {
        path_must(model, code == 0, "a code, %u, with %s", code, gyre_result_name(result));
    }
}

static void check_payload(struct path_model *model, uint32_t index, uint32_t which,
                          const gyre_reply *reply)
{
    const struct path_sent *sent = &model->sent[index];
    struct path_response response;
    if (!path_must(model, reply->size == sizeof response, "an answer of %zu bytes", reply->size)) {
        return;
    }
    memcpy(&response, reply->data, sizeof response);
    path_must(model, response.value == sent->request.value * 2654435761u,
              "the answer to message %u is wrong", index);
    bool in_turn = response.which == which || (may_overflow(model) && response.which > which &&
                                               response.which < sent->request.sends);
    path_must(model, in_turn, "answer %u to message %u, not %u", response.which, index, which);
    learn_order(model, index, response.order);
}

static void check_header(struct path_model *model, uint32_t index, const gyre_reply *reply)
{
    struct path_sent *sent = &model->sent[index];
    path_must(model, !sent->id || sent->id == reply->id, "message %u has id %llu, its answer %llu",
              index, (unsigned long long)sent->id, (unsigned long long)reply->id);
    path_must(model, sent->id || find_id(model, reply->id) == NONE, "an id comes twice");
    sent->id = reply->id;
    path_must(model, reply->priority == sent->priority, "message %u has priority %u, its answer %u",
              index, sent->priority, reply->priority);
    path_must(model, !sent->last || may_overflow(model), "message %u was to have no more answers",
              index);
    sent->last = (reply->flags & GYRE_REPLY_LAST) != 0;
    uint32_t known = GYRE_REPLY_LAST | GYRE_REPLY_SILENT |
                     (model->may_redeliver ? GYRE_REPLY_REDELIVERED : 0);
    path_must(model, (reply->flags & ~known) == 0, "flags %x", reply->flags);
}

/* A reply that tells of a loss. */
static void check_loss(struct path_model *model, uint32_t index, const gyre_reply *reply)
{
    const struct path_sent *sent = &model->sent[index];
    enum path_fate evicted = sent->fate == PATH_CUT_OFF ? PATH_CUT_OFF : PATH_EVICTED;
    enum path_fate fate = reply->result == GYRE_ERROR_EXPIRED ? PATH_EXPIRED : evicted;
    path_must(model,
              sent->fate == fate && model->config.report_all && reply->size == 0 &&
                  !(reply->flags & GYRE_REPLY_SILENT) && reply->code == 0 && sent->last,
              "message %u is reported lost: %s", index, gyre_result_name(reply->result));
}

/* What the device made of it; `which` answer to the message. */
static void check_outcome(struct path_model *model, uint32_t index, uint32_t which,
                          const gyre_reply *reply)
{
    const struct path_sent *sent = &model->sent[index];
    gyre_result expected = outcome(model, sent);
    path_must(model, reply->result == expected, "message %u gives %s, not %s", index,
              gyre_result_name(reply->result), gyre_result_name(expected));
    bool silent = expected == GYRE_OK && sent->request.sends == 0;
    path_must(model, silent == ((reply->flags & GYRE_REPLY_SILENT) != 0), "message %u: flags %x",
              index, reply->flags);
    check_code(model, index, reply->code, reply->result);
    if (reply->result == GYRE_OK && !silent) {
        check_payload(model, index, which, reply);
    } else {
        path_must(model, reply->size == 0, "%zu bytes without an answer", reply->size);
    }
}

/* While paused, replies come by their priority; among equals in the order of the messages always.
 */
static void check_turn(struct path_model *model, uint32_t index)
{
    const struct path_sent *sent = &model->sent[index];
    for (uint32_t i = index + 1; i < model->count; ++i) {
        const struct path_sent *later = &model->sent[i];
        bool counts = later->fate == PATH_DONE && later->way == PATH_PLAIN && later->replies > 0;
        path_must(model, !counts || later->priority != sent->priority,
                  "an answer to message %u after one to %u of its priority", index, i);
    }
    bool sorted = model->paused && !model->lost_in_pause && !model->held;
    path_must(model, !sorted || sent->priority <= model->read_last,
              "an answer of priority %u after one of %u", sent->priority, model->read_last);
    model->read_last = sent->priority;
}

void path_reply(struct path_model *model, const gyre_reply *reply)
{
    model->received += 1;
    uint32_t index = find_correlation(model, reply->correlation);
    if (index == NONE) {
        return;
    }
    struct path_sent *sent = &model->sent[index];
    check_header(model, index, reply);
    path_must(model, sent->way == PATH_PLAIN, "the answer to a request, %u, is received", index);
    if (reply->result == GYRE_ERROR_DROPPED || reply->result == GYRE_ERROR_EXPIRED) {
        check_loss(model, index, reply);
    } else {
        be_done(model, index);
        check_outcome(model, index, sent->replies, reply);
        if (!(reply->flags & GYRE_REPLY_SILENT)) {
            check_turn(model, index);
        }
        conclude(model);
    }
    sent->replies += 1;
    uint32_t most = expected_replies(model, sent);
    path_must(model, sent->replies <= most, "message %u: %u replies", index, sent->replies);
    path_must(model, may_overflow(model) || sent->last == (sent->replies == most),
              "message %u: reply %u of %u, flags %x", index, sent->replies, most, reply->flags);
}

/* How many replies are there to be read; sure only if the model is clear and none overflow. */
static uint32_t count_unread(const struct path_model *model)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        count += expected_replies(model, &model->sent[i]) - model->sent[i].replies;
    }
    return count;
}

void path_nothing(struct path_model *model)
{
    bool sure = is_clear(model) && !may_overflow(model);
    path_must(model, !sure || count_unread(model) == 0, "nothing to receive, where %u are",
              count_unread(model));
}

/* ---- requests ---- */

void path_requested(struct path_model *model, uint32_t index, gyre_result result,
                    const gyre_reply *reply)
{
    struct path_sent *sent = &model->sent[index];
    if (result == GYRE_OK) {
        path_must(model, reply->correlation == sent->correlation, "somebody else's answer");
        check_header(model, index, reply);
        path_must(model, sent->last, "an answer to a request that is not the last one");
        be_done(model, index);
        check_outcome(model, index, 0, reply);
        sent->way = PATH_ANSWERED;
        conclude(model);
        return;
    }
    bool lost = (result == GYRE_ERROR_EXPIRED && sent->fate == PATH_EXPIRED) ||
                (result == GYRE_ERROR_DROPPED && sent->fate == PATH_EVICTED) ||
                (result == GYRE_ERROR_TERMINATED && sent->fate == PATH_CUT_OFF);
    path_must(model, lost || result == GYRE_ERROR_TIMEOUT, "request %u ends with %s, fate %d",
              index, gyre_result_name(result), (int)sent->fate);
    sent->way = PATH_ABANDONED;
}

/* ---- dead letters ---- */

static void check_letter(struct path_model *model, const gyre_dead_letter *letter)
{
    uint32_t index = find_correlation(model, letter->correlation);
    if (index == NONE) {
        return;
    }
    struct path_sent *sent = &model->sent[index];
    be_done(model, index);
    gyre_result expected = outcome(model, sent);
    bool refused = letter->result == GYRE_ERROR_OUTPUT_FULL && expected == GYRE_OK &&
                   model->config.output_backpressure == GYRE_REJECT && sent->request.sends > 0;
    sent->output_full = sent->output_full || refused;
    path_must(model, (letter->result == expected && expected != GYRE_OK) || refused,
              "letter %u gives %s", index, gyre_result_name(letter->result));
    path_must(model, is_buried(model, sent) && !sent->buried_known, "letter %u comes twice", index);
    sent->buried_known = true;
    path_must(model,
              letter->size == sizeof sent->request &&
                  memcmp(letter->data, &sent->request, sizeof sent->request) == 0,
              "letter %u has changed", index);
    path_must(model,
              (!sent->id || letter->id == sent->id) && letter->priority == sent->priority &&
                  letter->type == 0 && letter->key == ~(uint32_t)letter->correlation,
              "letter %u has another header", index);
    check_code(model, index, letter->code, letter->result);
    path_must(model, !sent->order || sent->order > model->letter_order,
              "letter %u is older than the last one", index);
    model->letter_order = sent->order ? sent->order : model->letter_order;
    conclude(model);
}

void path_letter(struct path_model *model, gyre_result result, const gyre_dead_letter *letter)
{
    path_must(model, result == GYRE_OK || result == GYRE_ERROR_EMPTY, "a letter: %s",
              gyre_result_name(result));
    if (model->paused && !model->held) {
        path_must(model, (result == GYRE_OK) == (model->letters > 0), "a letter: %s of %u",
                  gyre_result_name(result), model->letters);
        model->letters -= model->letters > 0;
    }
    if (result == GYRE_OK) {
        model->letters_taken += 1;
        check_letter(model, letter);
    }
}

/* 1: a was worked on before b; -1: after it; 0: who knows. */
static int compare_done(const struct path_model *model, uint32_t a, uint32_t b)
{
    const struct path_sent *first = &model->sent[a];
    const struct path_sent *second = &model->sent[b];
    if (first->priority == second->priority) {
        return a < b ? 1 : -1;
    }
    if (!first->epoch || first->epoch == MURKY || !second->epoch || second->epoch == MURKY) {
        return 0;
    }
    if (first->epoch != second->epoch) {
        return first->epoch < second->epoch ? 1 : -1;
    }
    uint32_t horizon = model->segments[model->segment_count - 1].horizon;
    bool together = first->epoch == model->epoch && a < horizon && b < horizon;
    return !together ? 0 : first->priority > second->priority ? 1 : -1;
}

/* All that may be letters, in their order. False: the order is not known. */
static bool sort_letters(const struct path_model *model, uint32_t *indices, uint32_t *count)
{
    *count = 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        if (!is_buried(model, &model->sent[i]) || model->sent[i].buried_known) {
            continue;
        }
        uint32_t at = *count;
        for (; at > 0; --at) {
            int order = compare_done(model, indices[at - 1], i);
            if (order == 0) {
                return false;
            }
            if (order > 0) {
                break;
            }
            indices[at] = indices[at - 1];
        }
        indices[at] = i;
        *count += 1;
    }
    return true;
}

uint32_t path_resendable(const struct path_model *model, uint32_t most, uint32_t *indices)
{
    uint32_t all[PATH_MESSAGES_MAX];
    uint32_t count = 0;
    if (!is_clear(model) || model->held || may_overflow(model) || any_lapsed(model) ||
        !model->segment_count) {
        return NONE;
    }
    if (!sort_letters(model, all, &count) || count < model->letters) {
        return NONE;
    }
    uint32_t size = model->config.queue_size;
    uint32_t room = model->staged < size ? size - model->staged : 0;
    uint32_t sends = most < model->letters ? most : model->letters;
    sends = sends < room ? sends : room;
    /* Their new ids are not told. Of two in a row it would not be known which one gave way. */
    bool told_apart = sends < 2 && (model->count == 0 || model->sent[model->count - 1].id);
    if (sends > 0 && model->config.backpressure == GYRE_DROP_OLDEST && !told_apart) {
        return NONE;
    }
    /* The oldest gave way to those that there are. */
    memcpy(indices, all + (count - model->letters), sends * sizeof *indices);
    return sends;
}

void path_resent(struct path_model *model, const uint32_t *indices, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        struct path_sent *sent = &model->sent[indices[i]];
        sent->buried_known = true;
        accept(model,
               (struct path_sent){
                   .correlation = sent->correlation,
                   .request = sent->request,
                   .priority = sent->priority,
               },
               false);
        model->letters -= 1;
        model->letters_resent += 1;
    }
}

/* ---- the books ---- */

static void balance(struct path_model *model, const gyre_stats *s)
{
    path_must(model,
              s->accepted ==
                  s->processed + s->failed + s->dropped + s->expired + s->staged + s->window,
              "accepted %llu = processed %llu failed %llu dropped %llu expired %llu staged %llu "
              "window %llu",
              (unsigned long long)s->accepted, (unsigned long long)s->processed,
              (unsigned long long)s->failed, (unsigned long long)s->dropped,
              (unsigned long long)s->expired, (unsigned long long)s->staged,
              (unsigned long long)s->window);
    path_must(model, s->dropped == s->dropped_oldest + s->dropped_newest + s->dropped_terminated,
              "dropped %llu is not the sum", (unsigned long long)s->dropped);
    path_must(model, s->rejected == s->rejected_full + s->rejected_invalid,
              "rejected %llu is not the sum", (unsigned long long)s->rejected);
    const gyre_latency *both[] = {&s->queueing, &s->processing};
    for (uint32_t i = 0; i < 2; ++i) {
        const gyre_latency *l = both[i];
        path_must(model,
                  l->min <= l->p50 && l->p50 <= l->p99 && l->p99 <= l->p999 && l->p999 <= l->max &&
                      l->count == s->processed + s->failed,
                  "a latency of %llu: %llu %llu %llu %llu %llu", (unsigned long long)l->count,
                  (unsigned long long)l->min, (unsigned long long)l->p50,
                  (unsigned long long)l->p99, (unsigned long long)l->p999,
                  (unsigned long long)l->max);
    }
}

static void check_counts(struct path_model *model, const gyre_stats *s)
{
    const gyre_stats *base = &model->base;
    const struct {
        const char *name;
        uint64_t counted;
        uint64_t modelled;
    } counts[] = {
        {"accepted", s->accepted - base->accepted, model->accepted},
        {"dropped_oldest", s->dropped_oldest - base->dropped_oldest, model->evicted},
        {"dropped_newest", s->dropped_newest - base->dropped_newest, model->refused_newest},
        {"dropped_terminated", s->dropped_terminated - base->dropped_terminated, model->cut_off},
        {"rejected_full", s->rejected_full - base->rejected_full, model->rejected_full},
        {"rejected_invalid", s->rejected_invalid - base->rejected_invalid, model->rejected_invalid},
        {"received", s->received - base->received, model->received},
        {"requests", s->requests - base->requests, model->requests},
        {"ticks", s->ticks - base->ticks, 0},
        {"corrupt", s->corrupt - base->corrupt, 0},
    };
    for (uint32_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        path_must(model, counts[i].counted == counts[i].modelled, "%s %llu, the model %llu",
                  counts[i].name, (unsigned long long)counts[i].counted,
                  (unsigned long long)counts[i].modelled);
    }
    path_must(model, s->fault == GYRE_OK, "fault %s", gyre_result_name(s->fault));
    path_must(model, s->live == model->live, "live %d", s->live);
    path_must(model, model->may_redeliver || s->redelivered == model->base.redelivered,
              "redelivered %llu", (unsigned long long)s->redelivered);
    path_must(model,
              model->config.output_backpressure == GYRE_DROP_OLDEST || s->output_dropped == 0,
              "output_dropped %llu", (unsigned long long)s->output_dropped);
    path_must(model, s->awaited <= model->open, "awaited %llu", (unsigned long long)s->awaited);
}

static void check_letters(struct path_model *model, const gyre_stats *s)
{
    uint64_t requests = 0; /* that fail have no letter */
    for (uint32_t i = 0; i < model->count; ++i) {
        const struct path_sent *sent = &model->sent[i];
        requests += sent->way != PATH_PLAIN && outcome(model, sent) != GYRE_OK;
    }
    uint64_t failed = s->failed - model->base.failed;
    uint64_t dropped = s->dead_dropped - model->base.dead_dropped;
    uint64_t buried = s->dead_letters + dropped + model->letters_taken + model->letters_resent;
    bool keeps = model->config.dead_letters > 0;
    path_must(model, s->dead_letters <= model->config.dead_letters, "%llu dead letters",
              (unsigned long long)s->dead_letters);
    path_must(model, keeps ? buried <= failed && buried + requests >= failed : buried == 0,
              "%llu failed, %llu of them became letters", (unsigned long long)failed,
              (unsigned long long)buried);
}

/* While nothing moves. */
static void check_rest(struct path_model *model, const gyre_stats *s)
{
    uint64_t done = s->processed + s->failed + s->window - model->base.processed -
                    model->base.failed; /* in the window: with answers that are held back */
    uint64_t known = 0;
    uint64_t pending = count_pending(model, false);
    uint64_t failing = 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        const struct path_sent *sent = &model->sent[i];
        known += sent->fate == PATH_DONE;
        failing += sent->fate == PATH_DONE && outcome(model, sent) != GYRE_OK;
    }
    uint64_t unsure = pending - count_pending(model, true);
    path_must(model, (s->window == 0 || model->held) && s->staged == model->staged,
              "staged %llu, window %llu, the model %u", (unsigned long long)s->staged,
              (unsigned long long)s->window, model->staged);
    path_must(model, done >= known && done <= known + unsure, "%llu are done, the model %llu",
              (unsigned long long)done, (unsigned long long)known);
    path_must(model, s->expired - model->base.expired == model->expired, "expired %llu",
              (unsigned long long)(s->expired - model->base.expired));
    path_must(model, s->dead_letters == model->letters || model->held, "%llu letters, the model %u",
              (unsigned long long)s->dead_letters, model->letters);
    if (unsure == 0 && !may_overflow(model)) {
        uint64_t unread = count_unread(model);
        path_must(model, s->failed - model->base.failed == failing || model->held,
                  "failed %llu, the model %llu",
                  (unsigned long long)(s->failed - model->base.failed),
                  (unsigned long long)failing);
        path_must(model, s->unread == unread || (s->unread < unread && model->held),
                  "unread %llu, the model %llu", (unsigned long long)s->unread,
                  (unsigned long long)unread);
    }
}

void path_books(struct path_model *model, const gyre_stats *stats)
{
    balance(model, stats);
    check_counts(model, stats);
    check_letters(model, stats);
    if (model->paused) {
        check_rest(model, stats);
    }
}

/* ---- pauses ---- */

void path_paused(struct path_model *model, const gyre_stats *stats)
{
    model->paused = true;
    model->epoch += 1;
    model->staged = (uint32_t)stats->staged;
    model->letters = (uint32_t)stats->dead_letters;
    model->lost_in_pause = model->config.report_all;
    model->held = stats->window > 0;
    model->done = (uint32_t)(stats->processed + stats->failed + stats->window);
    model->read_last = NONE;
    conclude(model);
    path_books(model, stats);
}

void path_runs(struct path_model *model)
{
    conclude(model);
    model->segments[model->segment_count++] = (struct path_segment){
        .begins = model->done,
        .horizon = model->count,
    };
    for (uint32_t i = 0; i < model->count; ++i) {
        struct path_sent *sent = &model->sent[i];
        bool unclear = sent->fate == PATH_DONE || (is_pending(sent) && !sent->staged);
        sent->epoch = sent->epoch == 0 && unclear ? MURKY : sent->epoch;
        sent->staged = false;
    }
    model->paused = false;
}

void path_terminated(struct path_model *model, uint64_t dropped, struct path_drops *drops)
{
    pthread_mutex_lock(&drops->lock);
    for (uint32_t i = 0; i < drops->count; ++i) {
        uint32_t index = find_dropped(model, &drops->all[i]);
        if (index == NONE) {
            continue;
        }
        if (drops->all[i].why == GYRE_ERROR_EXPIRED) {
            expire(model, index);
        } else {
            model->cut_off += 1;
            lose(model, index, PATH_CUT_OFF);
        }
    }
    drops->count = 0;
    pthread_mutex_unlock(&drops->lock);
    path_must(model, model->cut_off == dropped, "terminate says %llu dropped, on_drop %llu",
              (unsigned long long)dropped, (unsigned long long)model->cut_off);
    model->paused = true;
    model->staged = 0;
    model->lost_in_pause = true;
    model->held = true;
    conclude(model);
}

/* ---- at the end ---- */

static void finish_message(struct path_model *model, uint32_t index, uint64_t *missing)
{
    const struct path_sent *sent = &model->sent[index];
    path_must(model, !is_pending(sent), "message %u came to no end", index);
    path_must(model, !(sent->lapses && sent->while_paused) || sent->fate != PATH_DONE,
              "message %u was worked on after its deadline", index);
    uint32_t expected = expected_replies(model, sent);
    path_must(model, may_overflow(model) || sent->replies == expected,
              "message %u: %u of %u replies", index, sent->replies, expected);
    *missing += expected - sent->replies;
}

/* Those that were staged together were worked on by their priority. */
static void finish_segment(struct path_model *model, const struct path_segment *segment,
                           uint32_t end)
{
    const struct path_sent *last = NULL;
    uint32_t last_order = segment->begins;
    for (;;) {
        const struct path_sent *next = NULL;
        for (uint32_t i = 0; i < segment->horizon; ++i) {
            const struct path_sent *sent = &model->sent[i];
            if (sent->order > last_order && sent->order <= end &&
                (!next || sent->order < next->order)) {
                next = sent;
            }
        }
        if (!next) {
            break;
        }
        path_must(model, !last || last->priority >= next->priority,
                  "priority %u (number %u) before %u (number %u), though both were staged",
                  last ? last->priority : 0, last ? last->order : 0, next->priority, next->order);
        last = next;
        last_order = next->order;
    }
}

static uint64_t expected_orphans(const struct path_model *model)
{
    uint64_t orphans = 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        const struct path_sent *sent = &model->sent[i];
        if (sent->way == PATH_PLAIN || sent->fate != PATH_DONE) {
            continue;
        }
        bool fails = outcome(model, sent) != GYRE_OK;
        uint32_t ends = fails || sent->request.sends == 0 ? 1 : sent->request.sends;
        orphans += ends - (sent->way == PATH_ANSWERED ? 1 : 0);
    }
    return orphans;
}

static void finish_counts(struct path_model *model, const gyre_stats *s, uint64_t missing)
{
    uint64_t done = 0;
    uint64_t failed = 0;
    uint64_t refused = 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        const struct path_sent *sent = &model->sent[i];
        done += sent->fate == PATH_DONE;
        refused += outcome(model, sent) == GYRE_OK && sent->replies < expected_replies(model, sent);
        failed += sent->fate == PATH_DONE && outcome(model, sent) != GYRE_OK;
    }
    bool rejects = model->config.output_backpressure == GYRE_REJECT;
    uint64_t processed_now = s->processed - model->base.processed;
    uint64_t failed_now = s->failed - model->base.failed;
    uint64_t dropped = s->output_dropped - model->base.output_dropped;
    failed += rejects ? refused : 0;
    path_must(model, processed_now + failed_now == done, "%llu and %llu are done, the model %llu",
              (unsigned long long)processed_now, (unsigned long long)failed_now,
              (unsigned long long)done);
    path_must(model, failed_now == failed, "%llu failed, the model %llu",
              (unsigned long long)failed_now, (unsigned long long)failed);
    path_must(model, rejects || missing == dropped, "%llu answers are missing, %llu were dropped",
              (unsigned long long)missing, (unsigned long long)dropped);
    uint64_t orphaned = s->orphaned - model->base.orphaned;
    path_must(model, orphaned == expected_orphans(model), "orphaned %llu, the model %llu",
              (unsigned long long)orphaned, (unsigned long long)expected_orphans(model));
    path_must(model, s->staged + s->window + s->unread + s->awaited + s->dead_letters == 0,
              "something is left");
}

void path_finish(struct path_model *model, const gyre_stats *stats)
{
    uint64_t missing = 0;
    for (uint32_t i = 0; i < model->count; ++i) {
        finish_message(model, i, &missing);
    }
    uint32_t end = (uint32_t)(stats->processed + stats->failed);
    for (uint32_t i = 0; i < model->count; ++i) {
        path_must(model, model->sent[i].order <= end, "message %u was number %u of %u", i,
                  model->sent[i].order, end);
    }
    for (uint32_t i = model->segment_count; i-- > 0;) {
        finish_segment(model, &model->segments[i], end);
        end = model->segments[i].begins;
    }
    balance(model, stats);
    check_counts(model, stats);
    check_letters(model, stats);
    path_must(model, stats->expired - model->base.expired == model->expired, "expired %llu",
              (unsigned long long)(stats->expired - model->base.expired));
    finish_counts(model, stats, missing);
}
