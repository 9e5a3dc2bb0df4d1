/* Kernels that share a carrier under threads: each has a sender and a receiver, and while they
 * wake, yield and wait for their turns, others pause them one by one and all at once. Every message
 * is answered once. Made for ThreadSanitizer; true without it as well. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#include "base.h"
#include "must.h"

#define KERNELS 6u
#define EACH 600u
#define PAUSES 40u
#define PATIENCE (120ull * 1000000000ull)

static const char source[] = "#version 460\n"
                             "struct Word { uint value; };\n"
                             "#define GYRE_INPUT Word\n"
                             "#define GYRE_OUTPUT Word\n"
                             "#include \"gyre/kernel.glsl\"\n"
                             "layout(local_size_x = 1) in;\n"
                             "void main() {\n"
                             "    while (gyre_receive()) {\n"
                             "        uint x = GYRE_IN.value;\n"
                             "        for (uint i = 0u; i < 500u; ++i) {\n"
                             "            x = (x ^ x >> 13) * 1664525u;\n"
                             "        }\n"
                             "        GYRE_OUT.value = x == 1u ? 0u : GYRE_IN.value;\n"
                             "        gyre_send();\n"
                             "    }\n"
                             "}\n";

static gyre_kernel *kernels[KERNELS];
static atomic_uint received; /* by all together */

/* Some send without a pause, others sleep so that their kernel parks and wakes. */
static void *send_all(void *argument)
{
    uint32_t index = *(const uint32_t *)argument;
    for (uint32_t value = 0; value < EACH; ++value) {
        gyre_message message = {.data = &value, .size = sizeof value};
        MUST(gyre_send(kernels[index], &message, PATIENCE) == GYRE_OK);
        if (index % 3 == 0) {
            rest(100);
        }
    }
    return NULL;
}

static void *receive_all(void *argument)
{
    uint32_t index = *(const uint32_t *)argument;
    for (uint32_t value = 0; value < EACH; ++value) {
        uint32_t answer = 0;
        gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
        MUST(gyre_receive(kernels[index], &reply, PATIENCE) == GYRE_OK);
        MUST(reply.result == GYRE_OK && answer == value);
        atomic_fetch_add(&received, 1);
    }
    return NULL;
}

static void *pause_some(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < PAUSES && atomic_load(&received) < KERNELS * EACH; ++i) {
        gyre_kernel *one = kernels[i % KERNELS];
        MUST(gyre_kernel_deactivate(one, PATIENCE) == GYRE_OK);
        rest(200);
        MUST(gyre_kernel_reactivate(one) == GYRE_OK);
        if (i % 8 == 7) {
            MUST(gyre_kernels_deactivate(kernels, KERNELS, PATIENCE) == GYRE_OK);
            for (uint32_t k = 0; k < KERNELS; ++k) {
                MUST(gyre_kernel_reactivate(kernels[k]) == GYRE_OK);
            }
        }
        rest(1000);
    }
    return NULL;
}

static gyre_runtime *open_all(gyre_visibility visibility)
{
    gyre_runtime *runtime = NULL;
    gyre_runtime_params params = {
        .log = gyre_log_stderr,
        .visibility = visibility,
        .compiler = gyre_compiler_shaderc(),
    };
    MUST(gyre_runtime_create(&params, &runtime) == GYRE_OK);
    for (uint32_t i = 0; i < KERNELS; ++i) {
        char id[] = {(char)('a' + i), '\0'};
        gyre_kernel_params kernel = {
            .id = id,
            .glsl = source,
            .queue_size = 64,
            .weight = 1 + i % 3,
            .carrier = 1,
        };
        MUST(gyre_kernel_create(runtime, &kernel, &kernels[i]) == GYRE_OK);
        MUST(gyre_kernel_launch(kernels[i]) == GYRE_OK);
    }
    MUST(gyre_kernels_activate(kernels, KERNELS) == GYRE_OK);
    return runtime;
}

static void close_all(gyre_runtime *runtime)
{
    uint64_t dropped = 1;
    gyre_result result = gyre_kernels_terminate(kernels, KERNELS, GYRE_DRAIN, PATIENCE, &dropped);
    MUST(result == GYRE_OK && dropped == 0);
    for (uint32_t i = 0; i < KERNELS; ++i) {
        gyre_stats stats;
        MUST(gyre_kernel_stats(kernels[i], &stats) == GYRE_OK);
        MUST(stats.processed == EACH && stats.received == EACH && stats.corrupt == 0);
    }
    gyre_runtime_destroy(runtime);
}

static void run(gyre_visibility visibility)
{
    gyre_runtime *runtime = open_all(visibility);
    static uint32_t indices[KERNELS];
    pthread_t threads[2 * KERNELS + 1];
    atomic_store(&received, 0);
    for (uint32_t i = 0; i < KERNELS; ++i) {
        indices[i] = i;
        MUST(pthread_create(&threads[2 * i], NULL, send_all, &indices[i]) == 0);
        MUST(pthread_create(&threads[2 * i + 1], NULL, receive_all, &indices[i]) == 0);
    }
    MUST(pthread_create(&threads[2 * KERNELS], NULL, pause_some, NULL) == 0);
    for (size_t i = 0; i < LENGTH(threads); ++i) {
        pthread_join(threads[i], NULL);
    }
    close_all(runtime);
}

int main(void)
{
    run(GYRE_VISIBILITY_STRICT);
    run(GYRE_VISIBILITY_LIVE);
    puts("stress/gpu_carriers: every message was answered once");
    return 0;
}
