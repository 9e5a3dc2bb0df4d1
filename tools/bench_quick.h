/* What `gyre bench --quick` must not fall short of. */
#ifndef GYRE_TOOLS_BENCH_QUICK_H
#define GYRE_TOOLS_BENCH_QUICK_H

#include "bench_result.h"

/* False: what lies outside is said on stderr. */
bool bench_is_within_bounds(const struct bench_run *run);

#endif
