#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_READ ((size_t)64 << 10)

/* A place in a text. */
struct cursor {
    const char *at;
    const char *end;
    unsigned line;
};

static gyre_result read_all(int fd, char **bytes, size_t *size, const char **why)
{
    size_t room = FIRST_READ;
    size_t filled = 0;
    char *memory = malloc(room);
    while (memory != NULL) {
        ssize_t got = read(fd, memory + filled, room - filled);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        filled += got > 0 ? (size_t)got : 0;
        if (got < 0 || filled > TEXT_SIZE_MAX) {
            *why = got < 0 ? strerror(errno) : "it is larger than 16 MiB";
            free(memory);
            return GYRE_ERROR_IO;
        }
        if (got == 0) {
            *bytes = memory;
            *size = filled;
            return GYRE_OK;
        }
        if (filled == room) {
            room *= 2;
            char *larger = realloc(memory, room);
            if (larger == NULL) {
                free(memory);
            }
            memory = larger;
        }
    }
    *why = strerror(ENOMEM);
    return GYRE_ERROR_NO_MEMORY;
}

gyre_result text_read(const char *path, bool only_files, char **bytes, size_t *size,
                      const char **why)
{
    /* Without O_NONBLOCK opening a pipe that nobody writes to would not return. */
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (only_files ? O_NOFOLLOW | O_NONBLOCK : 0));
    if (fd < 0) {
        *why = strerror(errno);
        return GYRE_ERROR_IO;
    }
    struct stat status;
    gyre_result result = GYRE_ERROR_IO;
    if (fstat(fd, &status) != 0) {
        *why = strerror(errno);
    } else if (only_files && !S_ISREG(status.st_mode)) {
        *why = "it is not a regular file";
    } else {
        result = read_all(fd, bytes, size, why);
    }
    close(fd);
    return result;
}

static bool is_module(const char *bytes, size_t size)
{
    return size >= 4 &&
           (memcmp(bytes, "\x03\x02\x23\x07", 4) == 0 || memcmp(bytes, "\x07\x23\x02\x03", 4) == 0);
}

const char *text_defect(const char *bytes, size_t size, unsigned *line)
{
    *line = 1;
    if (is_module(bytes, size)) {
        return "this is a SPIR-V module, not GLSL";
    }
    for (size_t i = 0; i < size; ++i) {
        unsigned char c = (unsigned char)bytes[i];
        if ((c < ' ' && (c < '\t' || c > '\r')) || c == 0x7f) {
            return "this is not text: it holds control characters";
        }
        *line += c == '\n' ? 1 : 0;
    }
    return NULL;
}

static bool stands(const struct cursor *cursor, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(cursor->end - cursor->at) >= length && memcmp(cursor->at, word, length) == 0;
}

static bool take(struct cursor *cursor, const char *word)
{
    bool there = stands(cursor, word);
    cursor->at += there ? strlen(word) : 0;
    return there;
}

static void step(struct cursor *cursor)
{
    cursor->line += *cursor->at == '\n' ? 1 : 0;
    cursor->at += 1;
}

static bool skip_comment(struct cursor *cursor)
{
    if (take(cursor, "//")) {
        while (cursor->at < cursor->end && *cursor->at != '\n') {
            /* A backslash makes the next line part of the comment. */
            if (!take(cursor, "\\\r")) {
                take(cursor, "\\");
            }
            if (cursor->at < cursor->end) {
                step(cursor);
            }
        }
        return true;
    }
    if (take(cursor, "/*")) {
        while (cursor->at < cursor->end && !take(cursor, "*/")) {
            step(cursor);
        }
        return true;
    }
    return false;
}

static void skip_blanks(struct cursor *cursor)
{
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t')) {
        step(cursor);
    }
}

/* White space, lines' ends and comments. */
static void skip_nothings(struct cursor *cursor)
{
    while (cursor->at < cursor->end) {
        if (*cursor->at == ' ' || (*cursor->at >= '\t' && *cursor->at <= '\r')) {
            step(cursor);
        } else if (!skip_comment(cursor)) {
            break;
        }
    }
}

const char *text_version_defect(const char *bytes, size_t size, unsigned *line)
{
    static const char *const versions[] = {"430", "440", "450", "460"};
    struct cursor cursor = {bytes, bytes + size, 1};
    skip_nothings(&cursor);
    *line = cursor.line;
    if (cursor.at == cursor.end) {
        return size == 0 ? "the file is empty"
                         : "the file holds nothing but comments and white space";
    }
    bool directive = take(&cursor, "#");
    skip_blanks(&cursor);
    if (!directive || !take(&cursor, "version")) {
        return "a kernel must begin with \"#version 460\"";
    }
    skip_blanks(&cursor);
    bool known = false;
    for (size_t i = 0; i < sizeof versions / sizeof *versions && !known; ++i) {
        known = take(&cursor, versions[i]);
    }
    skip_blanks(&cursor);
    if (known && take(&cursor, "core")) {
        skip_blanks(&cursor);
    }
    bool ended = cursor.at == cursor.end || *cursor.at == '\r' || *cursor.at == '\n' ||
                 stands(&cursor, "//") || stands(&cursor, "/*");
    return known && ended
               ? NULL
               : "this #version has no kernels: write \"#version 460\" (430 to 460 will do)";
}

unsigned text_include_line(const struct text *text, const char *name)
{
    struct cursor cursor = {text->bytes, text->bytes + text->size, 1};
    while (cursor.at < cursor.end) {
        skip_nothings(&cursor);
        unsigned line = cursor.line;
        if (take(&cursor, "#")) {
            skip_blanks(&cursor);
            bool include = take(&cursor, "include");
            skip_blanks(&cursor);
            if (include && (take(&cursor, "\"") || take(&cursor, "<")) && take(&cursor, name) &&
                (take(&cursor, "\"") || take(&cursor, ">"))) {
                return line;
            }
        }
        while (cursor.at < cursor.end && *cursor.at != '\n') {
            if (!skip_comment(&cursor)) {
                step(&cursor);
            }
        }
    }
    return 1;
}

const char *text_line(const struct text *text, unsigned line, size_t *length)
{
    struct cursor cursor = {text->bytes, text->bytes + text->size, 1};
    while (cursor.at < cursor.end && cursor.line < line) {
        step(&cursor);
    }
    skip_blanks(&cursor);
    const char *end = cursor.at;
    while (end < cursor.end && *end != '\n') {
        end += 1;
    }
    while (end > cursor.at && (end[-1] == ' ' || end[-1] == '\r')) {
        end -= 1;
    }
    *length = (size_t)(end - cursor.at);
    return cursor.at;
}
