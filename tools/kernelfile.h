/* A kernel that the command line or a pipeline names: its module, its messages, its buffers.
 * Everything that can be wrong with a file is found and said here, before a driver sees it.
 */
#ifndef GYRE_TOOLS_KERNELFILE_H
#define GYRE_TOOLS_KERNELFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "layout.h"
#include "spirv.h"

struct kernelfile {
    const char *path;
    const char *asker; /* who named the blocks' files, for messages; NULL: --bind */
    char id[64];
    bool glsl;
    uint32_t *words;
    size_t size; /* in bytes */
    struct spirv_info info;
    struct layout *layout;
    gyre_binding *bindings;  /* one for each block of the layout, in its order */
    void **data;             /* theirs */
    struct kernelfile *next; /* of those that are open */
};

/* Reads SPIR-V, or compiles GLSL, and reads the messages' members. Says what is wrong. The file
 * must be closed, whatever came of it; `path` and `asker` stay the caller's. */
enum command_exit kernelfile_open(struct kernelfile *file, const char *path, const char *asker,
                                  const struct command_common *common);

/* For the runtime that is to run the files that are open: compiles none of them a second time. */
const gyre_compiler *kernelfile_compiler(void);

/* Fills the block of that name from a file; with "" as `path` with zeroes. */
enum command_exit kernelfile_bind(struct kernelfile *file, const char *name, const char *path);

/* Every block must have been filled; with `zeroes` those that were not are zeroed. */
enum command_exit kernelfile_bind_rest(struct kernelfile *file, bool zeroes);

/* The kernel's parameters, as far as the file and the blocks say. */
gyre_kernel_params kernelfile_params(const struct kernelfile *file);

/* What `gyre run --check` shows, on stdout. */
void kernelfile_print(const struct kernelfile *file);

void kernelfile_close(struct kernelfile *file);

#endif
