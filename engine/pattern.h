/* Topics and patterns, as in a topic exchange of AMQP 0-9-1: words with dots between them. In a
 * pattern `*` stands for one word, `#` for any number of them, none too.
 *
 * Thread-safety: no state is kept.
 */
#ifndef GYRE_PATTERN_H
#define GYRE_PATTERN_H

#include <stdbool.h>

#define PATTERN_SIZE 256 /* with the end */

/* Words, none of them empty, shorter than PATTERN_SIZE in all; in a topic no `*` and `#`, in a
 * pattern only as whole words. */
bool pattern_is_topic(const char *text);
bool pattern_is_valid(const char *text);

/* Both valid. O(words of the topic * words of the pattern). */
bool pattern_matches(const char *pattern, const char *topic);

#endif
