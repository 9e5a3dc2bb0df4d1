/* What `gyre run` is told to run: kernels, the links between them, which one takes the lines and
 * whose answers are printed. Read from a JSON file, or made of the one kernel of the command line.
 * Whatever can be wrong with the text is found and said here; the kernels' own files are not
 * opened.
 */
#ifndef GYRE_TOOLS_PLAN_H
#define GYRE_TOOLS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

struct plan_bind {
    char *block;
    char *path; /* "" for zeroes */
};

struct plan_kernel {
    char *name; /* NULL: the one of the command line */
    char *path;
    char *asker; /* for messages about binds; NULL: the command line */
    struct plan_bind *binds;
    size_t bind_count;
    uint32_t shards; /* 0: not given; as the following */
    uint32_t queue_size;
    uint32_t weight;
    gyre_visibility visibility;
    bool answers; /* its answers are printed */
};

struct plan_link {
    size_t from; /* an index of kernels */
    uint32_t port;
    size_t to;
    gyre_link_params params;
};

struct plan {
    const char *path; /* NULL: one kernel of the command line */
    struct plan_kernel *kernels;
    size_t kernel_count;
    struct plan_link *links;
    size_t link_count;
    size_t input;
};

/* Whether the name of the file is one of a pipeline. */
bool plan_is(const char *path);

/* Reads the file, says what is wrong with it. `path` stays the caller's. The pipeline must be
 * freed, whatever came of it. */
enum command_exit plan_read(struct plan *plan, const char *path,
                            const struct command_common *common);

/* One kernel, its blocks filled as the arguments of --bind say. Ownership as above. */
enum command_exit plan_of_kernel(struct plan *plan, const char *path, char *const *binds,
                                 size_t bind_count);

/* How many kernels' answers are printed. */
size_t plan_answering(const struct plan *plan);

void plan_free(struct plan *plan);

#endif
