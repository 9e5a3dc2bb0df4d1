#include "bench_kernel.h"

#include <stdio.h>
#include <string.h>

#include "base.h"

/* clang-format off */
static const uint32_t echo_1_16[] = {
#include "bench_echo_1_16.spv.h"
};
static const uint32_t echo_1_64[] = {
#include "bench_echo_1_64.spv.h"
};
static const uint32_t echo_1_256[] = {
#include "bench_echo_1_256.spv.h"
};
static const uint32_t echo_1_1024[] = {
#include "bench_echo_1_1024.spv.h"
};
static const uint32_t echo_1_4096[] = {
#include "bench_echo_1_4096.spv.h"
};
static const uint32_t echo_1_16384[] = {
#include "bench_echo_1_16384.spv.h"
};
static const uint32_t echo_1_65536[] = {
#include "bench_echo_1_65536.spv.h"
};
static const uint32_t echo_32_16[] = {
#include "bench_echo_32_16.spv.h"
};
static const uint32_t echo_32_64[] = {
#include "bench_echo_32_64.spv.h"
};
static const uint32_t echo_32_256[] = {
#include "bench_echo_32_256.spv.h"
};
static const uint32_t echo_32_1024[] = {
#include "bench_echo_32_1024.spv.h"
};
static const uint32_t echo_32_4096[] = {
#include "bench_echo_32_4096.spv.h"
};
static const uint32_t echo_32_16384[] = {
#include "bench_echo_32_16384.spv.h"
};
static const uint32_t echo_32_65536[] = {
#include "bench_echo_32_65536.spv.h"
};
static const uint32_t each_64_16[] = {
#include "bench_each_64_16.spv.h"
};
static const uint32_t each_64_64[] = {
#include "bench_each_64_64.spv.h"
};
static const uint32_t each_64_4096[] = {
#include "bench_each_64_4096.spv.h"
};
/* clang-format on */

struct entry {
    uint32_t bytes;
    struct bench_module one;  /* a workgroup of one invocation */
    struct bench_module wide; /* of 32, all on one message */
    struct bench_module each; /* of 64, a message for each */
};

#define MODULE(words) \
    { \
        words, sizeof words \
    }

static const struct entry entries[] = {
    {16, MODULE(echo_1_16), MODULE(echo_32_16), MODULE(each_64_16)},
    {64, MODULE(echo_1_64), MODULE(echo_32_64), MODULE(each_64_64)},
    {256, MODULE(echo_1_256), MODULE(echo_32_256), {NULL, 0}},
    {1024, MODULE(echo_1_1024), MODULE(echo_32_1024), {NULL, 0}},
    {4096, MODULE(echo_1_4096), MODULE(echo_32_4096), MODULE(each_64_4096)},
    {16384, MODULE(echo_1_16384), MODULE(echo_32_16384), {NULL, 0}},
    {65536, MODULE(echo_1_65536), MODULE(echo_32_65536), {NULL, 0}},
};

/* From there on a GPU's workgroup does better together; a processor runs its invocations in turn.
 */
enum { WIDE_BYTES = 1024 };

struct bench_module bench_module_of(const struct bench_setup *setup, const struct bench_case *bench)
{
    const uint32_t bytes = bench->words * (uint32_t)sizeof(uint32_t);
    const bool together = bytes >= WIDE_BYTES && strcmp(setup->device.type, "cpu") != 0;
    for (size_t i = 0; i < LENGTH(entries); i++) {
        if (entries[i].bytes == bytes) {
            return bench->flags & BENCH_EACH               ? entries[i].each
                   : bench->flags & BENCH_WIDE || together ? entries[i].wide
                                                           : entries[i].one;
        }
    }
    return (struct bench_module){0};
}

bool bench_failed(const struct bench_case *bench, gyre_result result, const char *what)
{
    if (result != GYRE_OK) {
        command_fail(result, "%s%s%s: %s", bench->name, bench->variant ? ", " : "",
                     bench->variant ? bench->variant : "", what);
    }
    return result != GYRE_OK;
}

enum bench_opening bench_kernel_open(struct bench_kernel *kernel, const struct bench_setup *setup,
                                     const struct bench_case *bench, struct bench_module module,
                                     gyre_kernel_params params, uint32_t number)
{
    /* A kernel of a mode that the engine or the driver lacks is no failure of the others. */
    const enum bench_opening refused = bench->flags & BENCH_EACH ? BENCH_SKIPPED : BENCH_FAILED;
    char id[64];
    snprintf(id, sizeof id, "%s %s %u", bench->name, bench->variant ? bench->variant : "", number);
    kernel->bench = bench;
    if (!module.code) {
        command_say("%s, %s: skipped: this build has no kernel for it", bench->name,
                    bench->variant);
        return refused;
    }
    params.id = id;
    params.spirv = module.code;
    params.spirv_size = module.size;
    params.input_size = params.output_size = bench->words * (uint32_t)sizeof(uint32_t);
    if (bench_failed(bench, gyre_kernel_create(setup->runtime, &params, &kernel->handle),
                     "create")) {
        return BENCH_FAILED;
    }
    return bench_failed(bench, gyre_kernel_launch(kernel->handle),
                        refused == BENCH_SKIPPED ? "skipped: launch" : "launch")
               ? refused
               : BENCH_OPENED;
}

bool bench_kernel_begin(struct bench_kernel *kernel)
{
    const gyre_result result = kernel->begun ? gyre_kernel_reactivate(kernel->handle)
                                             : gyre_kernel_activate(kernel->handle);
    kernel->begun = true;
    return !bench_failed(kernel->bench, result, "activate");
}

bool bench_kernel_end(struct bench_kernel *kernel)
{
    return !bench_failed(kernel->bench, gyre_kernel_deactivate(kernel->handle, BENCH_LOST_NS),
                         "deactivate");
}

void bench_kernel_close(struct bench_kernel *kernel)
{
    gyre_kernel_destroy(kernel->handle);
    kernel->handle = NULL;
}

const char *bench_kernel_visibility(struct bench_kernel *kernel)
{
    gyre_stats stats;
    return gyre_kernel_stats(kernel->handle, &stats) == GYRE_OK && stats.live ? "live" : "strict";
}

bool bench_kernel_send(struct bench_kernel *first, const uint32_t *in, uint64_t *id)
{
    const gyre_message message = {
        .data = in,
        .size = first->bench->words * sizeof(uint32_t),
        .priority = 128,
        .id = id,
    };
    return !bench_failed(first->bench, gyre_send(first->handle, &message, BENCH_LOST_NS), "send");
}

bool bench_kernel_receive(struct bench_kernel *last, uint32_t *out, uint64_t id)
{
    const struct bench_case *bench = last->bench;
    const size_t size = bench->words * sizeof(uint32_t);
    gyre_reply reply = {.data = out, .capacity = size};
    if (bench_failed(bench, gyre_receive(last->handle, &reply, BENCH_LOST_NS), "receive") ||
        bench_failed(bench, reply.result, "the message")) {
        return false;
    }
    if (reply.id != id || reply.size != size) {
        command_say("%s: an answer to something else", bench->name);
        return false;
    }
    return true;
}
