/* Topics: who publishes what, who listens to what, and the links that follow from it.
 *
 * Thread-safety: safe; one call at a time. The lock comes before all others but the runtime's.
 */
#ifndef GYRE_ENGINE_TOPIC_H
#define GYRE_ENGINE_TOPIC_H

#include <gyre/topic.h>

#include "link.h"

struct topics {
    struct links *links;
    const struct log *log;
    pthread_mutex_t lock;
    struct publication *publications;
    struct subscription *subscriptions;
};

void topics_init(struct topics *topics, struct links *links, const struct log *log);
void topics_finish(struct topics *topics);

gyre_result topics_publish(struct topics *topics, struct gyre_kernel *from, uint32_t port,
                           const char *topic, struct carrier *carrier);
gyre_result topics_subscribe(struct topics *topics, struct gyre_kernel *to, const char *pattern,
                             uint32_t slots, struct carrier *carrier);
gyre_result topics_unsubscribe(struct topics *topics, struct gyre_kernel *to, const char *pattern);
gyre_result topics_send(struct topics *topics, const char *topic, const gyre_message *message,
                        uint32_t *delivered, uint32_t *lost);

/* The kernel is about to go. */
void topics_forget(struct topics *topics, const struct gyre_kernel *kernel);

#endif
