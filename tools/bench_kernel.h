/* A resident kernel of the benchmark: launched when its case opens, ACTIVE during its rounds only,
 * because a kernel that polls costs the other cases a core. */
#ifndef GYRE_TOOLS_BENCH_KERNEL_H
#define GYRE_TOOLS_BENCH_KERNEL_H

#include "bench.h"

struct bench_module {
    const uint32_t *code; /* NULL: not in this build */
    size_t size;
};

/* bench_echo.glsl for the case's size of message. */
struct bench_module bench_module_of(const struct bench_setup *setup,
                                    const struct bench_case *bench);

struct bench_kernel {
    gyre_kernel *handle;
    const struct bench_case *bench;
    bool begun;
    uint64_t submissions; /* of wake, when it had last left the device */
};

/* Launches a kernel. Of `params` the id and what the module says need not be set; `number` is that
 * of the kernel in its case. A zeroed bench_kernel can be closed. */
enum bench_opening bench_kernel_open(struct bench_kernel *kernel, const struct bench_setup *setup,
                                     const struct bench_case *bench, struct bench_module module,
                                     gyre_kernel_params params, uint32_t number);
bool bench_kernel_begin(struct bench_kernel *kernel);
bool bench_kernel_end(struct bench_kernel *kernel);
void bench_kernel_close(struct bench_kernel *kernel);
const char *bench_kernel_visibility(struct bench_kernel *kernel);

/* One message there and its answer back, through `first` and `last` (which may be the same). */
bool bench_kernel_send(struct bench_kernel *first, const uint32_t *in, uint64_t *id);
bool bench_kernel_receive(struct bench_kernel *last, uint32_t *out, uint64_t id);

/* True if it is not OK, and then said on stderr. */
bool bench_failed(const struct bench_case *bench, gyre_result result, const char *what);

#endif
