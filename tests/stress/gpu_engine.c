/* The whole engine under threads: 4 producers and 4 consumers on one kernel, while others pause and
 * resume it, read its statistics, and make and destroy kernels beside it. Every message is answered
 * exactly once, and the books balance. Made for ThreadSanitizer; true without it as well. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#include "base.h"

#define PRODUCERS 4u
#define CONSUMERS 4u
#define EACH 3000u
#define ALL (PRODUCERS * EACH)
#define PAUSES 12
#define NEIGHBOURS 4
#define SECOND 1000000000ull

static const char source[] = "#version 460\n"
                             "struct Word { uint value; };\n"
                             "struct Count { uint n; };\n"
                             "#define GYRE_INPUT Word\n"
                             "#define GYRE_OUTPUT Word\n"
                             "#define GYRE_STATE Count\n"
                             "#include \"gyre/kernel.glsl\"\n"
                             "layout(local_size_x = 1) in;\n"
                             "void main() {\n"
                             "    while (gyre_receive()) {\n"
                             "        GYRE_SELF.n += 1u;\n"
                             "        GYRE_OUT.value = GYRE_IN.value ^ 0x5a5a5a5au;\n"
                             "        gyre_send();\n"
                             "    }\n"
                             "}\n";

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

struct scene {
    gyre_runtime *runtime;
    gyre_kernel *kernel;
    atomic_uint seen[ALL];
    atomic_uint answers;
    atomic_bool over;
};

struct producer {
    struct scene *scene;
    uint32_t index;
};

static void *produce(void *argument)
{
    const struct producer *producer = argument;
    for (uint32_t i = 0; i < EACH; ++i) {
        uint32_t value = producer->index * EACH + i;
        gyre_message message = {
            .data = &value,
            .size = sizeof value,
            .priority = value * 7 % 256,
            .correlation = value,
        };
        MUST(gyre_send(producer->scene->kernel, &message, 60 * SECOND) == GYRE_OK);
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct scene *scene = argument;
    for (;;) {
        uint32_t value = 0;
        gyre_reply reply = {.data = &value, .capacity = sizeof value};
        gyre_result result = gyre_receive(scene->kernel, &reply, GYRE_FOREVER);
        if (result == GYRE_ERROR_TERMINATED) {
            return NULL;
        }
        MUST(result == GYRE_OK && reply.result == GYRE_OK);
        value ^= 0x5a5a5a5au;
        MUST(value < ALL && reply.correlation == value);
        MUST(atomic_fetch_add(&scene->seen[value], 1) == 0);
        atomic_fetch_add(&scene->answers, 1);
    }
}

static void *pause_and_resume(void *argument)
{
    struct scene *scene = argument;
    for (int i = 0; i < PAUSES; ++i) {
        MUST(gyre_kernel_deactivate(scene->kernel, 60 * SECOND) == GYRE_OK);
        MUST(gyre_kernel_reactivate(scene->kernel) == GYRE_OK);
        gyre_stats stats;
        MUST(gyre_kernel_stats(scene->kernel, &stats) == GYRE_OK);
        MUST(stats.processed <= stats.accepted);
    }
    return NULL;
}

static void *neighbours(void *argument)
{
    struct scene *scene = argument;
    for (int i = 0; i < NEIGHBOURS; ++i) {
        gyre_kernel *kernel = NULL;
        gyre_kernel_params params = {.id = "neighbour", .glsl = source};
        MUST(gyre_kernel_create(scene->runtime, &params, &kernel) == GYRE_OK);
        MUST(gyre_kernel_launch(kernel) == GYRE_OK);
        MUST(gyre_kernel_activate(kernel) == GYRE_OK);
        uint32_t value = 7;
        gyre_reply reply = {.data = &value, .capacity = sizeof value};
        gyre_message message = {.data = &value, .size = sizeof value};
        MUST(gyre_send(kernel, &message, 60 * SECOND) == GYRE_OK);
        MUST(gyre_receive(kernel, &reply, 60 * SECOND) == GYRE_OK);
        MUST(value == (7u ^ 0x5a5a5a5au));
        gyre_kernel_destroy(kernel);
    }
    return NULL;
}

static void run(gyre_visibility visibility)
{
    struct scene *scene = calloc(1, sizeof *scene);
    MUST(scene);
    gyre_runtime_params params = {
        .log = gyre_log_stderr,
        .visibility = visibility,
        .compiler = gyre_compiler_shaderc(),
    };
    MUST(gyre_runtime_create(&params, &scene->runtime) == GYRE_OK);
    gyre_kernel_params kernel = {.id = "echo", .glsl = source, .queue_size = 256};
    MUST(gyre_kernel_create(scene->runtime, &kernel, &scene->kernel) == GYRE_OK);
    MUST(gyre_kernel_launch(scene->kernel) == GYRE_OK);
    MUST(gyre_kernel_activate(scene->kernel) == GYRE_OK);

    pthread_t threads[PRODUCERS + 2];
    pthread_t consumers[CONSUMERS];
    struct producer producers[PRODUCERS];
    for (uint32_t i = 0; i < CONSUMERS; ++i) {
        MUST(pthread_create(&consumers[i], NULL, consume, scene) == 0);
    }
    for (uint32_t i = 0; i < PRODUCERS; ++i) {
        producers[i] = (struct producer){scene, i};
        MUST(pthread_create(&threads[i], NULL, produce, &producers[i]) == 0);
    }
    MUST(pthread_create(&threads[PRODUCERS], NULL, pause_and_resume, scene) == 0);
    MUST(pthread_create(&threads[PRODUCERS + 1], NULL, neighbours, scene) == 0);
    for (uint32_t i = 0; i < LENGTH(threads); ++i) {
        pthread_join(threads[i], NULL);
    }
    uint64_t dropped = 1;
    MUST(gyre_kernel_terminate(scene->kernel, GYRE_DRAIN, 60 * SECOND, &dropped) == GYRE_OK);
    for (uint32_t i = 0; i < CONSUMERS; ++i) {
        pthread_join(consumers[i], NULL);
    }
    gyre_stats stats;
    MUST(gyre_kernel_stats(scene->kernel, &stats) == GYRE_OK);
    MUST(dropped == 0 && atomic_load(&scene->answers) == ALL);
    MUST(stats.accepted == ALL && stats.processed == ALL && stats.received == ALL);
    MUST(stats.staged == 0 && stats.window == 0 && stats.unread == 0);
    gyre_runtime_destroy(scene->runtime);
    free(scene);
}

int main(void)
{
    run(GYRE_VISIBILITY_STRICT);
    run(GYRE_VISIBILITY_LIVE);
    puts("stress/gpu_engine: every message answered once");
    return 0;
}
