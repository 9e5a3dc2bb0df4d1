/* Topics: links by name. Who sends does not know who listens. */
#ifndef GYRE_TOPIC_H
#define GYRE_TOPIC_H

#include <gyre/link.h>
#include <gyre/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names are words with dots between them ("sensor.kitchen.temperature"), 255 bytes at most. In a
 * pattern `*` stands for one word, `#` for any number of them, none too (as in AMQP 0-9-1).
 *
 * Wherever a published port and a subscription match there is a link (gyre/link.h), EACH and lossy:
 * a subscriber that is too slow holds nobody back and loses messages, which are counted:
 * gyre_stats.link_missed of the subscriber, gyre_stats.link_lost of the publisher, and
 * gyre_link_get_stats() for the pair. Two patterns of one kernel that match the same topic bring a
 * message once.
 *
 * All kernels that a call links must be LAUNCHED or DEACTIVATED; either all links are made or none.
 * Results, where not said otherwise: OK; INVALID (a name or a pattern that cannot be, with the
 * reason in the log); of gyre_link. The calls block as gyre_link() does. Thread-safety: safe. */

/* What the handler sends to the port is published under `topic` from now on. ALREADY_EXISTS: the
 * port has a topic. */
GYRE_API gyre_result gyre_topic_publish(gyre_kernel *from, uint32_t port, const char *topic);

/* `to` gets what is published under all topics that match, from ports published before or after.
 * `slots` as in gyre_link_params. ALREADY_EXISTS: it has subscribed to this pattern. */
GYRE_API gyre_result gyre_topic_subscribe(gyre_kernel *to, const char *pattern, uint32_t slots);

/* Undoes one subscription, and the links that no other one of the kernel asks for; what lies in
 * them is dropped. NOT_FOUND: there is no such subscription. */
GYRE_API gyre_result gyre_topic_unsubscribe(gyre_kernel *to, const char *pattern);

/* A message from the host to all kernels that have subscribed to a pattern that matches, as by
 * gyre_try_send(): where the queue is full it is lost. `delivered` and `lost` (may be NULL) get how
 * many have it and have not. Results: OK, also with nobody listening; INVALID; of gyre_try_send()
 * if a subscriber refused it otherwise, which counts as lost. Does not block. */
GYRE_API gyre_result gyre_topic_send(gyre_runtime *runtime, const char *topic,
                                     const gyre_message *message, uint32_t *delivered,
                                     uint32_t *lost);

#ifdef __cplusplus
}
#endif

#endif
