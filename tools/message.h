/* A line of JSON to a message: what its members say to the bytes of GYRE_INPUT, what its keys that
 * begin with _ say to the rest. Thread-safety: safe.
 */
#ifndef GYRE_TOOLS_MESSAGE_H
#define GYRE_TOOLS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <gyre/gyre.h>

#include "layout.h"
#include "lines.h"

/* Fills `bytes` (as many as layout->size), and of `message` the priority, key, correlation and,
 * where the line has one, the deadline. False: `why` is a sentence. */
bool message_of_line(const struct layout_message *layout, const struct line *line, void *bytes,
                     gyre_message *message, char *why, size_t size);

#endif
