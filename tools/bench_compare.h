/* Two runs of the benchmark side by side, read from their JSON. */
#ifndef GYRE_TOOLS_BENCH_COMPARE_H
#define GYRE_TOOLS_BENCH_COMPARE_H

#include "command.h"

/* A table on stdout. COMMAND_USAGE, with a sentence on stderr: a file that is none of the
 * benchmark's, or no case that is in both. */
enum command_exit bench_compare(const char *path_a, const char *path_b);

#endif
