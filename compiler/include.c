#include "include.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded_shaders.h"

#define OWN_FOLDER "gyre/"

/* Of UTF-8: some editors write it, glslang stumbles over it. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* What became of looking in one place; the highest one of all places is worth telling. */
enum outcome {
    OUTCOME_OUTSIDE, /* by its name it would lie outside of the roots */
    OUTCOME_MISSING,
    OUTCOME_LINKED, /* by its name it lies inside, but a link leads out */
    OUTCOME_BROKEN, /* there, but cannot be read; `why` says so */
    OUTCOME_FOUND,
};

struct search {
    const char *name;
    enum outcome best;
    char *looked; /* "a/x.glsl, b/x.glsl" */
    const char *why;
    char *candidate; /* the place under examination, as messages call it */
    char *real;      /* the same without links */
};

__attribute__((format(printf, 1, 2))) static char *sentence(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : text;
}

/* "a/b.comp" gives "a/". */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
}

static bool add_root(struct includes *includes, char *prefix)
{
    struct include_root *root = &includes->roots[includes->root_count++];
    root->prefix = prefix;
    root->real = prefix != NULL ? realpath(*prefix != '\0' ? prefix : ".", NULL) : NULL;
    return prefix != NULL;
}

static bool open_roots(struct includes *includes, const gyre_compile_request *request)
{
    includes->roots = calloc((size_t)request->include_directory_count + 1, sizeof *includes->roots);
    if (includes->roots == NULL) {
        return false;
    }
    bool whole = request->file != NULL ? add_root(includes, folder_of(request->file)) : true;
    includes->root_count = 1;
    for (uint32_t i = 0; i < request->include_directory_count && whole; ++i) {
        const char *folder = request->include_directories[i];
        size_t length = strlen(folder);
        bool closed = length == 0 || folder[length - 1] == '/';
        whole = add_root(includes, sentence("%s%s", folder, closed ? "" : "/"));
    }
    return whole;
}

/* `memory` (or NULL) becomes the includes' own, also when there is no memory for the rest. */
static struct text *add_text(struct includes *includes, const char *name, const char *bytes,
                             size_t size, char *memory)
{
    struct text *text = calloc(1, sizeof *text);
    char *own_name = strdup(name);
    if (text == NULL || own_name == NULL) {
        free(text);
        free(own_name);
        free(memory);
        return NULL;
    }
    bool marked = size >= 3 && memcmp(bytes, BYTE_ORDER_MARK, 3) == 0;
    *text = (struct text){.next = includes->texts,
                          .name = own_name,
                          .bytes = bytes + (marked ? 3 : 0),
                          .size = size - (marked ? 3 : 0),
                          .memory = memory};
    includes->texts = text;
    return text;
}

gyre_result includes_open(struct includes *includes, const gyre_compile_request *request,
                          const char **why)
{
    *includes = (struct includes){0};
    const char *bytes = request->source;
    size_t size = bytes != NULL ? strlen(bytes) : 0;
    char *memory = NULL;
    *why = strerror(ENOMEM);
    if (!open_roots(includes, request)) {
        return GYRE_ERROR_NO_MEMORY;
    }
    if (bytes == NULL) {
        gyre_result result = text_read(request->file, false, &memory, &size, why);
        if (result != GYRE_OK) {
            return result;
        }
        bytes = memory;
    }
    const char *name = request->file != NULL ? request->file : "glsl";
    return add_text(includes, name, bytes, size, memory) != NULL ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
}

void includes_close(struct includes *includes)
{
    for (struct text *text = includes->texts; text != NULL;) {
        struct text *next = text->next;
        free(text->name);
        free(text->memory);
        free(text);
        text = next;
    }
    for (size_t i = 0; i < includes->root_count; ++i) {
        free(includes->roots[i].prefix);
        free(includes->roots[i].real);
    }
    free(includes->roots);
    free(includes->over_limit);
    *includes = (struct includes){0};
}

static const struct text *text_named(const struct includes *includes, const char *name)
{
    const struct text *text = includes->texts;
    while (text != NULL && strcmp(text->name, name) != 0) {
        text = text->next;
    }
    return text;
}

const struct text *includes_source(const struct includes *includes)
{
    const struct text *text = includes->texts;
    while (text->next != NULL) {
        text = text->next;
    }
    return text;
}

/* The engine's text of that name, or NULL. */
static const struct embedded_file *embedded_named(const char *name)
{
    for (size_t i = 0; i < sizeof embedded_files / sizeof *embedded_files; ++i) {
        if (strcmp(embedded_files[i].name, name) == 0) {
            return &embedded_files[i];
        }
    }
    return NULL;
}

static const struct text *open_embedded(struct includes *includes, const struct embedded_file *file,
                                        const struct text *from, const char *name)
{
    char *shown = sentence(TEXT_EMBEDDED_OPEN "%s" TEXT_EMBEDDED_CLOSE, file->name);
    const struct text *known = shown != NULL ? text_named(includes, shown) : NULL;
    if (known == NULL && shown != NULL) {
        struct text *text = add_text(includes, shown, file->text, file->size, NULL);
        if (text != NULL) {
            text->embedded = true;
        }
        known = text;
    }
    free(shown);
    if (known != NULL && !from->embedded && includes->entry.name == NULL) {
        includes->entry = (struct text_site){from->name, text_include_line(from, name)};
    }
    return known;
}

/* Whether a path without links lies below one of the roots. */
static bool lies_inside(const struct includes *includes, const char *real)
{
    for (size_t i = 0; i < includes->root_count; ++i) {
        const char *root = includes->roots[i].real;
        size_t length = root != NULL ? strlen(root) : 0;
        if (root != NULL && strcmp(root, "/") == 0) {
            return true;
        }
        if (root != NULL && strncmp(real, root, length) == 0 &&
            (real[length] == '/' || real[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* Takes "." and ".." out of an absolute path by its letters alone. */
static void flatten(char *path)
{
    char *end = path;
    for (const char *at = path; *at != '\0';) {
        at += strspn(at, "/");
        size_t length = strcspn(at, "/");
        if (length == 2 && strncmp(at, "..", 2) == 0) {
            while (end > path && *--end != '/') {}
        } else if (length > 0 && !(length == 1 && *at == '.')) {
            *end++ = '/';
            memmove(end, at, length);
            end += length;
        }
        at += length;
    }
    *end = '\0';
}

/* Whether a name, by its letters, leaves the folder that it is relative to. */
static bool climbs(const char *name)
{
    int depth = 0;
    for (const char *at = name; *at != '\0' && depth >= 0;) {
        size_t length = strcspn(at, "/");
        if (length == 2 && strncmp(at, "..", 2) == 0) {
            depth -= 1;
        } else if (length > 0 && !(length == 1 && *at == '.')) {
            depth += 1;
        }
        at += length + strspn(at + length, "/");
    }
    return depth < 0;
}

/* Whether by its name the file would lie inside, links aside. What is not there, and what is
 * there outside, must look the same to who wrote the source: it is no business of theirs. */
static bool is_meant_inside(const struct includes *includes, const char *prefix, const char *name)
{
    if (!climbs(name)) {
        return true;
    }
    char *folder = realpath(*prefix != '\0' ? prefix : ".", NULL);
    char *path = folder != NULL ? sentence("%s/%s", folder, name) : NULL;
    bool inside = false;
    if (path != NULL) {
        flatten(path);
        inside = lies_inside(includes, path);
    }
    free(folder);
    free(path);
    return inside;
}

static enum outcome examine(const struct includes *includes, const char *prefix,
                            struct search *search)
{
    search->real = realpath(search->candidate, NULL);
    if (search->real != NULL && lies_inside(includes, search->real)) {
        return OUTCOME_FOUND;
    }
    int error = errno;
    if (!is_meant_inside(includes, prefix, search->name)) {
        return OUTCOME_OUTSIDE;
    }
    if (search->real != NULL) {
        return OUTCOME_LINKED;
    }
    if (error == ENOENT || error == ENOTDIR) {
        return OUTCOME_MISSING;
    }
    search->why = strerror(error);
    return OUTCOME_BROKEN;
}

static const struct text *load(struct includes *includes, struct search *search)
{
    const struct text *known = text_named(includes, search->candidate);
    if (known != NULL) {
        return known;
    }
    char *bytes = NULL;
    size_t size = 0;
    unsigned line = 0;
    gyre_result result = text_read(search->real, true, &bytes, &size, &search->why);
    if (result == GYRE_OK) {
        search->why = text_defect(bytes, size, &line);
        if (search->why == NULL) {
            known = add_text(includes, search->candidate, bytes, size, bytes);
            result = known != NULL ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
        } else {
            free(bytes);
        }
    }
    includes->no_memory = includes->no_memory || result == GYRE_ERROR_NO_MEMORY;
    return known;
}

/* Looks for prefix + name. True: the search is over, with *text or a reason why it cannot be
 * read. */
static bool look(struct includes *includes, const char *prefix, struct search *search,
                 const struct text **text)
{
    free(search->candidate);
    free(search->real);
    search->real = NULL;
    search->candidate = sentence("%s%s", prefix, search->name);
    char *looked = sentence("%s%s%s", search->looked != NULL ? search->looked : "",
                            search->looked != NULL ? ", " : "", search->candidate);
    if (search->candidate == NULL || looked == NULL) {
        free(looked);
        includes->no_memory = true;
        return true;
    }
    free(search->looked);
    search->looked = looked;
    enum outcome outcome = examine(includes, prefix, search);
    if (outcome == OUTCOME_FOUND) {
        *text = load(includes, search);
        outcome = *text != NULL ? OUTCOME_FOUND : OUTCOME_BROKEN;
    }
    search->best = outcome > search->best ? outcome : search->best;
    return outcome >= OUTCOME_BROKEN;
}

static char *refuse(const struct search *search)
{
    switch (search->best) {
    case OUTCOME_OUTSIDE:
        return search->looked != NULL
                   ? sentence("%s leaves the source file's folder and every include directory",
                              search->name)
                   : sentence("cannot find %s: there is no include directory to look in",
                              search->name);
    case OUTCOME_LINKED:
        return sentence(
            "%s is a link that leads out of the source file's folder and every include directory",
            search->name);
    case OUTCOME_BROKEN:
        return sentence("cannot read %s: %s", search->candidate, search->why);
    default:
        return sentence("cannot find %s (looked for %s)%s", search->name, search->looked,
                        strncmp(search->name, OWN_FOLDER, strlen(OWN_FOLDER)) == 0
                            ? "; what Gyre brings is gyre/kernel.glsl"
                            : "");
    }
}

static const struct text *find_file(struct includes *includes, const char *name,
                                    const struct text *from, bool quoted, char **refusal)
{
    struct search search = {.name = name};
    const struct text *text = NULL;
    bool over = false;
    if (quoted && (from->next != NULL || includes->roots[0].prefix != NULL)) {
        char *prefix = folder_of(from->name);
        includes->no_memory = includes->no_memory || prefix == NULL;
        over = prefix == NULL || look(includes, prefix, &search, &text);
        free(prefix);
    }
    for (size_t i = 1; i < includes->root_count && !over; ++i) {
        over = look(includes, includes->roots[i].prefix, &search, &text);
    }
    if (text == NULL && !includes->no_memory) {
        *refusal = refuse(&search);
    }
    free(search.looked);
    free(search.candidate);
    free(search.real);
    return text;
}

/* Beyond a limit the source's other faults are echoes of this one. */
static bool is_over_limit(struct includes *includes, const struct text *from, const char *name,
                          size_t depth)
{
    const char *what = NULL;
    size_t limit = 0;
    if (depth > INCLUDE_DEPTH_MAX) {
        what = "levels of includes";
        limit = INCLUDE_DEPTH_MAX;
    } else if (includes->count > INCLUDE_COUNT_MAX) {
        what = "includes";
        limit = INCLUDE_COUNT_MAX;
    } else if (includes->total > INCLUDE_TOTAL_MAX) {
        what = "MiB of includes";
        limit = INCLUDE_TOTAL_MAX >> 20;
    }
    if (what != NULL && includes->over_limit == NULL) {
        includes->over_limit = sentence("%s:%u: more than %zu %s: does a file include itself?",
                                        from->name, text_include_line(from, name), limit, what);
        includes->no_memory = includes->no_memory || includes->over_limit == NULL;
    }
    return what != NULL;
}

static const struct text *find(struct includes *includes, const char *name, const struct text *from,
                               bool quoted, char **refusal)
{
    char *own = sentence("%s%s", from->embedded ? OWN_FOLDER : "", name);
    const struct embedded_file *file = own != NULL ? embedded_named(own) : NULL;
    includes->no_memory = includes->no_memory || own == NULL;
    free(own);
    if (file != NULL) {
        return open_embedded(includes, file, from, name);
    }
    if (*name == '\0') {
        *refusal = sentence("an #include without a name");
        return NULL;
    }
    if (*name == '/') {
        *refusal = sentence(
            "%s is an absolute path: includes are looked for in the source file's folder and the "
            "include directories only",
            name);
        return NULL;
    }
    return find_file(includes, name, from, quoted, refusal);
}

const struct text *includes_find(struct includes *includes, const char *name, const char *from_name,
                                 bool quoted, size_t depth, char **refusal)
{
    *refusal = NULL;
    const struct text *from = text_named(includes, from_name);
    /* A #line may have given it another name. */
    from = from != NULL ? from : includes_source(includes);
    includes->count += 1;
    if (is_over_limit(includes, from, name, depth)) {
        *refusal = sentence("over a limit");
        return NULL;
    }
    const struct text *text = find(includes, name, from, quoted, refusal);
    includes->total += text != NULL ? text->size : 0;
    includes->no_memory = includes->no_memory || (text == NULL && *refusal == NULL);
    return text;
}
