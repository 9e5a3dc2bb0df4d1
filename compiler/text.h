/* Texts of GLSL: reading them within bounds, and the little of their syntax that the compiler
 * must know itself. */
#ifndef GYRE_COMPILER_TEXT_H
#define GYRE_COMPILER_TEXT_H

#include <gyre/result.h>
#include <stdbool.h>
#include <stddef.h>

#define TEXT_SIZE_MAX ((size_t)16 << 20)

/* The engine's own texts go by names that no user's file has. */
#define TEXT_EMBEDDED_OPEN "<"
#define TEXT_EMBEDDED_CLOSE ">"

struct text {
    struct text *next;
    char *name;        /* as messages call it */
    const char *bytes; /* not terminated */
    size_t size;
    char *memory; /* holds `bytes`; NULL: somebody else's */
    bool embedded;
};

/* A line of a text. */
struct text_site {
    const char *name; /* NULL: nowhere */
    unsigned line;    /* from 1 */
};

/* Reads all of `path`. With `only_files` nothing but a regular file is opened, and no symbolic
 * link at the end of the path followed. Results: OK; IO or NO_MEMORY with the reason in words in
 * *why. */
gyre_result text_read(const char *path, bool only_files, char **bytes, size_t *size,
                      const char **why);

/* Whether it may be GLSL at all: gives NULL, or what it is instead, in words, and in *line
 * where. */
const char *text_defect(const char *bytes, size_t size, unsigned *line);

/* Whether it begins with a #version that a kernel can have: gives NULL, or what is wrong, and in
 * *line where. glslang must not see another: for some it writes the text of its built-in
 * functions to the standard output. */
const char *text_version_defect(const char *bytes, size_t size, unsigned *line);

/* The line on which `text` includes `name`; 1 where it cannot be told. */
unsigned text_include_line(const struct text *text, const char *name);

/* What stands on a line, without the white space around it. */
const char *text_line(const struct text *text, unsigned line, size_t *length);

#endif
