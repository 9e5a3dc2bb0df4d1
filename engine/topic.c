#include "topic.h"

#include <stdlib.h>
#include <string.h>

#include "pattern.h"

struct publication {
    struct publication *next;
    struct gyre_kernel *from;
    uint32_t port;
    char topic[PATTERN_SIZE];
};

struct subscription {
    struct subscription *next;
    struct gyre_kernel *to;
    uint32_t slots;
    char pattern[PATTERN_SIZE];
};

void topics_init(struct topics *topics, struct links *links, const struct log *log)
{
    *topics = (struct topics){.links = links, .log = log};
    pthread_mutex_init(&topics->lock, NULL);
}

void topics_forget(struct topics *topics, const struct gyre_kernel *kernel)
{
    pthread_mutex_lock(&topics->lock);
    for (struct publication **at = &topics->publications; *at;) {
        struct publication *it = *at;
        if (!kernel || it->from == kernel) {
            *at = it->next;
            free(it);
        } else {
            at = &it->next;
        }
    }
    for (struct subscription **at = &topics->subscriptions; *at;) {
        struct subscription *it = *at;
        if (!kernel || it->to == kernel) {
            *at = it->next;
            free(it);
        } else {
            at = &it->next;
        }
    }
    pthread_mutex_unlock(&topics->lock);
}

void topics_finish(struct topics *topics)
{
    topics_forget(topics, NULL);
    pthread_mutex_destroy(&topics->lock);
}

/* The first of a kernel's subscriptions, but for one, to which the topic matches. */
static const struct subscription *find_match(const struct topics *topics,
                                             const struct gyre_kernel *to, const char *topic,
                                             const struct subscription *but)
{
    const struct subscription *it = topics->subscriptions;
    while (it && !(it != but && it->to == to && pattern_matches(it->pattern, topic))) {
        it = it->next;
    }
    return it;
}

static gyre_result connect(struct topics *topics, const struct publication *publication,
                           const struct subscription *subscription, struct carrier *carrier)
{
    return links_connect(topics->links, publication->from, publication->port, subscription->to,
                         &(gyre_link_params){.slots = subscription->slots, .lossy = true}, carrier);
}

static void disconnect(struct topics *topics, const struct publication *publication,
                       const struct subscription *subscription)
{
    links_disconnect(topics->links, publication->from, publication->port, subscription->to, NULL);
}

/* ---- publishers ---- */

/* Links it to its subscribers, one link for each kernel, up to `end` (NULL: all); with a result if
 * that fails. `undo`: takes these links away. */
static gyre_result link_publication(struct topics *topics, const struct publication *publication,
                                    const struct subscription *end, bool undo,
                                    struct carrier *carrier)
{
    for (const struct subscription *it = topics->subscriptions; it != end; it = it->next) {
        if (find_match(topics, it->to, publication->topic, NULL) != it) {
            continue;
        }
        if (undo) {
            disconnect(topics, publication, it);
            continue;
        }
        gyre_result result = connect(topics, publication, it, carrier);
        if (result != GYRE_OK) {
            link_publication(topics, publication, it, true, carrier);
            return result;
        }
    }
    return GYRE_OK;
}

static gyre_result check_publication(const struct topics *topics, const struct gyre_kernel *from,
                                     uint32_t port, const char *topic)
{
    if (!pattern_is_topic(topic)) {
        return log_fail(
            topics->log, GYRE_ERROR_INVALID,
            "'%s' is no topic: it must be words with dots between them, without * and #, "
            "of at most %d bytes",
            topic ? topic : "(null)", PATTERN_SIZE - 1);
    }
    if (port >= GYRE_PORTS_MAX) {
        return log_fail(topics->log, GYRE_ERROR_INVALID, "port %u: there are ports 0 to %u", port,
                        GYRE_PORTS_MAX - 1);
    }
    for (const struct publication *it = topics->publications; it; it = it->next) {
        if (it->from == from && it->port == port) {
            return log_fail(topics->log, GYRE_ERROR_ALREADY_EXISTS,
                            "port %u of kernel %s is published as %s already", port, from->id,
                            it->topic);
        }
    }
    return GYRE_OK;
}

gyre_result topics_publish(struct topics *topics, struct gyre_kernel *from, uint32_t port,
                           const char *topic, struct carrier *carrier)
{
    pthread_mutex_lock(&topics->lock);
    gyre_result result = check_publication(topics, from, port, topic);
    struct publication *it = result == GYRE_OK ? calloc(1, sizeof *it) : NULL;
    if (result == GYRE_OK && !it) {
        result = GYRE_ERROR_NO_MEMORY;
    }
    if (result == GYRE_OK) {
        it->from = from;
        it->port = port;
        memcpy(it->topic, topic, strlen(topic));
        result = link_publication(topics, it, NULL, false, carrier);
    }
    if (result == GYRE_OK) {
        it->next = topics->publications;
        topics->publications = it;
    } else {
        free(it);
    }
    pthread_mutex_unlock(&topics->lock);
    return result;
}

/* ---- subscribers ---- */

static bool is_served(const struct topics *topics, const struct publication *publication,
                      const struct subscription *subscription)
{
    return find_match(topics, subscription->to, publication->topic, subscription) != NULL;
}

/* As link_publication(), from the other end. */
static gyre_result link_subscription(struct topics *topics, const struct subscription *subscription,
                                     const struct publication *end, bool undo,
                                     struct carrier *carrier)
{
    for (const struct publication *it = topics->publications; it != end; it = it->next) {
        if (!pattern_matches(subscription->pattern, it->topic) ||
            is_served(topics, it, subscription)) {
            continue;
        }
        if (undo) {
            disconnect(topics, it, subscription);
            continue;
        }
        gyre_result result = connect(topics, it, subscription, carrier);
        if (result != GYRE_OK) {
            link_subscription(topics, subscription, it, true, carrier);
            return result;
        }
    }
    return GYRE_OK;
}

static struct subscription **find_subscription(struct topics *topics, const struct gyre_kernel *to,
                                               const char *pattern)
{
    struct subscription **at = &topics->subscriptions;
    while (*at && !((*at)->to == to && strcmp((*at)->pattern, pattern) == 0)) {
        at = &(*at)->next;
    }
    return at;
}

static gyre_result check_pattern(const struct topics *topics, const char *pattern)
{
    if (pattern_is_valid(pattern)) {
        return GYRE_OK;
    }
    return log_fail(
        topics->log, GYRE_ERROR_INVALID,
        "'%s' is no pattern: it must be words with dots between them, * for one word, # for any "
        "number, of at most %d bytes",
        pattern ? pattern : "(null)", PATTERN_SIZE - 1);
}

gyre_result topics_subscribe(struct topics *topics, struct gyre_kernel *to, const char *pattern,
                             uint32_t slots, struct carrier *carrier)
{
    pthread_mutex_lock(&topics->lock);
    gyre_result result = check_pattern(topics, pattern);
    if (result == GYRE_OK && *find_subscription(topics, to, pattern)) {
        result = log_fail(topics->log, GYRE_ERROR_ALREADY_EXISTS,
                          "kernel %s has subscribed to %s already", to->id, pattern);
    }
    struct subscription *it = result == GYRE_OK ? calloc(1, sizeof *it) : NULL;
    if (result == GYRE_OK && !it) {
        result = GYRE_ERROR_NO_MEMORY;
    }
    if (result == GYRE_OK) {
        it->to = to;
        it->slots = slots;
        memcpy(it->pattern, pattern, strlen(pattern));
        result = link_subscription(topics, it, NULL, false, carrier);
    }
    if (result == GYRE_OK) {
        it->next = topics->subscriptions;
        topics->subscriptions = it;
    } else {
        free(it);
    }
    pthread_mutex_unlock(&topics->lock);
    return result;
}

/* So that none is undone if not all can be. */
static gyre_result may_unlink(struct topics *topics, const struct subscription *subscription)
{
    gyre_result result = GYRE_OK;
    for (const struct publication *it = topics->publications; it && result == GYRE_OK;
         it = it->next) {
        if (pattern_matches(subscription->pattern, it->topic) &&
            !is_served(topics, it, subscription)) {
            result = links_may_disconnect(topics->links, it->from, subscription->to);
        }
    }
    return result;
}

gyre_result topics_unsubscribe(struct topics *topics, struct gyre_kernel *to, const char *pattern)
{
    pthread_mutex_lock(&topics->lock);
    gyre_result result = check_pattern(topics, pattern);
    struct subscription **at = result == GYRE_OK ? find_subscription(topics, to, pattern) : NULL;
    if (result == GYRE_OK && !*at) {
        result = log_fail(topics->log, GYRE_ERROR_NOT_FOUND, "kernel %s has not subscribed to %s",
                          to->id, pattern);
    }
    if (result == GYRE_OK) {
        result = may_unlink(topics, *at);
    }
    if (result == GYRE_OK) {
        struct subscription *it = *at;
        link_subscription(topics, it, NULL, true, NULL);
        *at = it->next;
        free(it);
    }
    pthread_mutex_unlock(&topics->lock);
    return result;
}

gyre_result topics_send(struct topics *topics, const char *topic, const gyre_message *message,
                        uint32_t *delivered, uint32_t *lost)
{
    if (!pattern_is_topic(topic)) {
        return log_fail(
            topics->log, GYRE_ERROR_INVALID,
            "'%s' is no topic: it must be words with dots between them, without * and #",
            topic ? topic : "(null)");
    }
    uint32_t counts[2] = {0, 0};
    gyre_result result = GYRE_OK;
    pthread_mutex_lock(&topics->lock);
    for (const struct subscription *it = topics->subscriptions; it; it = it->next) {
        if (find_match(topics, it->to, topic, NULL) != it) {
            continue;
        }
        uint32_t count;
        gyre_result sent =
            send_messages(it->to, message, 1, (struct patience){.never = true}, &count);
        counts[sent != GYRE_OK] += 1;
        if (sent != GYRE_OK && sent != GYRE_ERROR_FULL && result == GYRE_OK) {
            result = sent;
        }
    }
    pthread_mutex_unlock(&topics->lock);
    if (delivered) {
        *delivered = counts[0];
    }
    if (lost) {
        *lost = counts[1];
    }
    return result;
}
