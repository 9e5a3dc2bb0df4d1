/* A pipeline put together on a device: its files read, its kernels launched and linked. Says what
 * is wrong.
 */
#ifndef GYRE_TOOLS_ASSEMBLY_H
#define GYRE_TOOLS_ASSEMBLY_H

#include <stdio.h>

#include "command.h"
#include "kernelfile.h"
#include "plan.h"
#include "session.h"

struct assembly {
    const struct plan *plan;
    struct kernelfile *files; /* one for each kernel of the pipeline; as the following */
    gyre_kernel **kernels;    /* the runtime's */
    gyre_stats *stats;
    gyre_link_stats *link_stats; /* one for each link */
    struct session_stage *stages;
    char **tags; /* theirs */
};

/* What kernels have that says nothing of its own. */
struct assembly_defaults {
    uint32_t queue_size;
    uint32_t window;
    gyre_backpressure backpressure; /* of the kernel that takes the lines */
};

/* Reads the kernels' files and the data of their blocks; with `zeroes` those that are given none
 * are zeroed. The assembly must be closed, after the runtime; `plan` stays the caller's. */
enum command_exit assembly_open(struct assembly *assembly, const struct plan *plan,
                                const struct command_common *common, bool zeroes);

/* Launches and links. */
enum command_exit assembly_launch(struct assembly *assembly, gyre_runtime *runtime,
                                  const struct assembly_defaults *defaults);

/* How a session knows that a line is over. */
enum session_over assembly_over(const struct assembly *assembly);

/* Takes down what the kernels and the links have counted. */
void assembly_count(struct assembly *assembly);
void assembly_count_links(struct assembly *assembly);

/* "edges.1 -> a": the port is named where it is not 0. */
struct assembly_text {
    char text[160];
};
struct assembly_text assembly_link_name(const struct assembly *assembly, size_t link);

/* What was counted, as one object on one line: gyre_stats of the one kernel, or of a pipeline
 * {"kernels": {NAME: gyre_stats}, "links": [...]}. False: out of memory, or `file` failed. */
bool assembly_print_json(const struct assembly *assembly, FILE *file);

/* What `gyre run --check` shows, on stdout. */
void assembly_print(struct assembly *assembly);

void assembly_close(struct assembly *assembly);

#endif
