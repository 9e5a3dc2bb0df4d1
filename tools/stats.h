/* The statistics of a kernel, for people and for programs. */
#ifndef GYRE_TOOLS_STATS_H
#define GYRE_TOOLS_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <gyre/gyre.h>

/* A table of at most 80 columns; rows that are 0 and say nothing are left out. `waits`: refusals of
 * full queues that the caller itself answered by trying again; the table does not count them. */
void stats_print(FILE *file, const gyre_stats *stats, uint64_t waits);

/* Every member of gyre_stats under its name, results as theirs; the caller's reference. */
json_t *stats_json(const gyre_stats *stats);

/* That on one line. False: out of memory, or `file` failed. */
bool stats_print_json(FILE *file, const gyre_stats *stats);

#endif
