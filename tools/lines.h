/* Lines from a file descriptor, each as soon as it is complete, without blocking longer than
 * asked and without growing beyond the longest line allowed. Blank lines are skipped but
 * counted; CR LF counts as LF; a last line without its newline is a line. What is in a line is
 * not looked at.
 */
#ifndef GYRE_TOOLS_LINES_H
#define GYRE_TOOLS_LINES_H

#include <stddef.h>
#include <stdint.h>

#define LINES_MAX_LENGTH ((size_t)16 << 20)

enum lines_result {
    LINES_LINE,
    LINES_TIMEOUT,  /* also when a signal came: ask again */
    LINES_END,      /* and from then on always */
    LINES_TOO_LONG, /* line->number is; the rest of it is passed over with the next calls */
    LINES_ERROR,    /* errno says which */
};

struct line {
    const char *text; /* not terminated, valid until the next call */
    size_t length;
    uint64_t number; /* from 1 */
};

struct lines;

/* `max_length` is in bytes without the line's end, 0 for LINES_MAX_LENGTH. NULL: out of memory.
 * The descriptor stays the caller's, and may be a pipe, a terminal or a file, blocking or not. */
struct lines *lines_open(int fd, size_t max_length);

/* Waits up to `timeout_ms`, forever if negative. With 0 it reads once: a line or the end that takes
 * more reads comes with a later call. */
enum lines_result lines_next(struct lines *lines, int timeout_ms, struct line *line);

void lines_close(struct lines *lines);

#endif
