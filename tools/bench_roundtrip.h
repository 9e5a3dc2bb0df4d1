/* One message at a time through one kernel: also what bench_wake.c and bench_scale.c are made of.
 * The state is a struct bench_kernel. */
#ifndef GYRE_TOOLS_BENCH_ROUNDTRIP_H
#define GYRE_TOOLS_BENCH_ROUNDTRIP_H

#include "bench_kernel.h"

enum bench_opening roundtrip_open(struct bench_setup *setup, const struct bench_case *bench,
                                  void **state);
bool roundtrip_begin(void *state);
bool roundtrip_exchange(void *state, const uint32_t *in, uint32_t *out);
bool roundtrip_end(void *state);
void roundtrip_close(void *state);
const char *roundtrip_visibility(void *state);

extern const struct bench_ops roundtrip_ops;

#endif
