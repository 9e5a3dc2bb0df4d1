#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 64 * 1024 };

/* start <= scanned <= end <= capacity: [start, scanned) holds no newline, [scanned, end) is not
 * searched yet. */
struct lines {
    int fd;
    bool ended;
    bool skipping; /* inside a line that was reported as too long */
    size_t max_length;
    uint64_t number; /* of the line that begins at start */
    size_t start;
    size_t scanned;
    size_t end;
    size_t capacity;
    char *buffer;
};

struct lines *lines_open(int fd, size_t max_length)
{
    struct lines *lines = calloc(1, sizeof *lines);
    if (!lines) {
        return NULL;
    }
    lines->fd = fd;
    lines->max_length = max_length ? max_length : LINES_MAX_LENGTH;
    lines->number = 1;
    lines->capacity = FIRST_CAPACITY;
    lines->buffer = malloc(lines->capacity);
    if (!lines->buffer) {
        lines_close(lines);
        return NULL;
    }
    return lines;
}

void lines_close(struct lines *lines)
{
    if (lines) {
        free(lines->buffer);
        free(lines);
    }
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* Gives out [start, end_of_line) and goes on at `next`. False where there is nothing to tell of
 * it. */
static bool take(struct lines *lines, size_t end_of_line, size_t next, struct line *line,
                 enum lines_result *result)
{
    const char *text = lines->buffer + lines->start;
    size_t length = end_of_line - lines->start;
    bool skipped = lines->skipping;

    *line = (struct line){.text = text, .number = lines->number};
    lines->skipping = false;
    lines->start = lines->scanned = next;
    lines->number++;
    if (skipped) {
        return false;
    }
    if (length > 0 && text[length - 1] == '\r') {
        length--;
    }
    if (length > lines->max_length) {
        *result = LINES_TOO_LONG;
        return true;
    }
    line->length = length;
    *result = LINES_LINE;
    return !is_blank(text, length);
}

/* A line that is complete in the buffer, or that is already too long. */
static bool take_buffered(struct lines *lines, struct line *line, enum lines_result *result)
{
    while (lines->scanned < lines->end) {
        const char *from = lines->buffer + lines->scanned;
        const char *newline = memchr(from, '\n', lines->end - lines->scanned);
        if (!newline) {
            lines->scanned = lines->end;
            break;
        }
        size_t end_of_line = (size_t)(newline - lines->buffer);
        if (take(lines, end_of_line, end_of_line + 1, line, result)) {
            return true;
        }
    }
    if (lines->skipping) {
        lines->start = lines->scanned = lines->end = 0;
        return false;
    }
    /* One more may still turn out to be the CR of its end. */
    if (lines->end - lines->start <= lines->max_length + 1) {
        return false;
    }
    *line = (struct line){.number = lines->number};
    lines->skipping = true;
    lines->start = lines->scanned = lines->end = 0;
    *result = LINES_TOO_LONG;
    return true;
}

static bool make_room(struct lines *lines)
{
    if (lines->start > 0) {
        lines->end -= lines->start;
        lines->scanned -= lines->start;
        memmove(lines->buffer, lines->buffer + lines->start, lines->end);
        lines->start = 0;
    }
    if (lines->end < lines->capacity) {
        return true;
    }
    size_t limit = lines->max_length + 2; /* with which take_buffered() finds it too long */
    size_t capacity = lines->capacity > limit / 2 ? limit : lines->capacity * 2;
    char *buffer = realloc(lines->buffer, capacity);
    if (!buffer) {
        errno = ENOMEM;
        return false;
    }
    lines->buffer = buffer;
    lines->capacity = capacity;
    return true;
}

/* LINES_LINE: there is something to read, or the end. */
static enum lines_result wait_readable(const struct lines *lines, int timeout_ms)
{
    int ready = poll(&(struct pollfd){.fd = lines->fd, .events = POLLIN}, 1, timeout_ms);
    if (ready < 0) {
        return errno == EINTR ? LINES_TIMEOUT : LINES_ERROR;
    }
    return ready == 0 ? LINES_TIMEOUT : LINES_LINE;
}

/* LINES_LINE: some bytes more, or the end, or nothing after all (a descriptor that does not
 * block). */
static enum lines_result fill(struct lines *lines)
{
    if (!make_room(lines)) {
        return LINES_ERROR;
    }
    ssize_t got = read(lines->fd, lines->buffer + lines->end, lines->capacity - lines->end);
    if (got < 0) {
        if (errno == EINTR) {
            return LINES_TIMEOUT;
        }
        return errno == EAGAIN || errno == EWOULDBLOCK ? LINES_LINE : LINES_ERROR;
    }
    lines->ended = got == 0;
    lines->end += (size_t)got;
    return LINES_LINE;
}

enum lines_result lines_next(struct lines *lines, int timeout_ms, struct line *line)
{
    int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    int left = timeout_ms;
    enum lines_result result;

    while (!take_buffered(lines, line, &result)) {
        if (lines->ended) {
            bool rest = lines->start < lines->end;
            return rest && take(lines, lines->end, lines->end, line, &result) ? result : LINES_END;
        }
        /* A stream that never ends its line is always readable: the time counts there too. */
        if (left < 0 && deadline >= 0) {
            return LINES_TIMEOUT;
        }
        result = wait_readable(lines, left);
        if (result == LINES_LINE) {
            result = fill(lines);
        }
        if (result != LINES_LINE) {
            return result;
        }
        if (deadline >= 0) {
            int64_t rest = deadline - now_ms();
            left = rest > 0 ? (int)rest : -1;
        }
    }
    return result;
}
