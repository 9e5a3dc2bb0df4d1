/* What `#include` may reach: the engine's own texts under gyre/, which are in the library, and
 * files below the include roots, which are the folder of the source file and the include
 * directories of the request. */
#ifndef GYRE_COMPILER_INCLUDE_H
#define GYRE_COMPILER_INCLUDE_H

#include <gyre/compiler.h>

#include "text.h"

#define INCLUDE_DEPTH_MAX 32
#define INCLUDE_COUNT_MAX 4096
#define INCLUDE_TOTAL_MAX ((size_t)64 << 20) /* bytes that all includes of a source come to */

struct include_root {
    char *prefix; /* "folder/", "" for the working directory; NULL: the source has no folder */
    char *real;   /* without links; NULL: there is no such folder */
};

/* The texts of one compilation. */
struct includes {
    struct include_root *roots; /* [0]: the source's folder */
    size_t root_count;
    struct text *texts; /* all that were read; the source itself is the last */
    size_t count;
    size_t total;
    struct text_site entry; /* where the user's texts first include one of the engine's */
    char *over_limit;       /* "file:line: ..." when one of the limits above was met */
    bool no_memory;
};

/* Begins with the source that the request names. Results: OK, IO, NO_MEMORY, the reason in words
 * in *why. Call includes_close in any case. */
gyre_result includes_open(struct includes *includes, const gyre_compile_request *request,
                          const char **why);

void includes_close(struct includes *includes);

const struct text *includes_source(const struct includes *includes);

/* Finds what `from` (a text's name) includes as `name`. "Quoted" looks beside `from` first,
 * <this> in the include directories only. NULL: not to be had, *refusal says why and is the
 * caller's to free (NULL: out of memory). */
const struct text *includes_find(struct includes *includes, const char *name, const char *from,
                                 bool quoted, size_t depth, char **refusal);

#endif
