/* Linked kernels under threads: messages go through a chain of three while others pause its stages,
 * read statistics, make, link, unlink and destroy kernels at its side. Every message comes out once
 * and in order. Made for ThreadSanitizer; true without it as well. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#include "base.h"
#include "must.h"

#define STAGES 3u
#define EACH 3000u
#define GUESTS 6u
#define PATIENCE (120ull * 1000000000ull)

static const char source[] = "#version 460\n"
                             "struct Word { uint value; };\n"
                             "#define GYRE_INPUT Word\n"
                             "#define GYRE_OUTPUT Word\n"
                             "#include \"gyre/kernel.glsl\"\n"
                             "layout(local_size_x = 1) in;\n"
                             "void main() {\n"
                             "    while (gyre_receive()) {\n"
                             "        GYRE_OUT.value = GYRE_IN.value;\n"
                             "        gyre_send();\n"
                             "    }\n"
                             "}\n";

static gyre_runtime *runtime;
static gyre_kernel *stages[STAGES];
static atomic_bool done;

static gyre_kernel *launch(const char *id)
{
    gyre_kernel *kernel = NULL;
    gyre_kernel_params params = {.id = id, .glsl = source, .queue_size = 64, .window = 16};
    MUST(gyre_kernel_create(runtime, &params, &kernel) == GYRE_OK);
    MUST(gyre_kernel_launch(kernel) == GYRE_OK);
    return kernel;
}

static void *send_all(void *nothing)
{
    (void)nothing;
    for (uint32_t value = 0; value < EACH; ++value) {
        gyre_message message = {.data = &value, .size = sizeof value, .correlation = value};
        MUST(gyre_send(stages[0], &message, PATIENCE) == GYRE_OK);
    }
    return NULL;
}

static void *receive_all(void *nothing)
{
    (void)nothing;
    for (uint32_t value = 0; value < EACH; ++value) {
        uint32_t answer = 0;
        gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
        MUST(gyre_receive(stages[STAGES - 1], &reply, PATIENCE) == GYRE_OK);
        MUST(reply.result == GYRE_OK && answer == value && reply.correlation == value);
    }
    atomic_store(&done, true);
    return NULL;
}

static void *look_on(void *nothing)
{
    (void)nothing;
    while (!atomic_load(&done)) {
        for (uint32_t i = 0; i < STAGES; ++i) {
            gyre_stats stats;
            MUST(gyre_kernel_stats(stages[i], &stats) == GYRE_OK);
            MUST(stats.accepted == stats.processed + stats.failed + stats.expired + stats.dropped +
                                       stats.staged + stats.window);
        }
        gyre_link_stats link;
        MUST(gyre_link_get_stats(stages[0], 0, stages[1], &link) == GYRE_OK);
        MUST(link.sent >= link.taken || link.waiting == 0);
        rest(300);
    }
    return NULL;
}

static void *pause_some(void *nothing)
{
    (void)nothing;
    for (uint32_t i = 0; !atomic_load(&done); ++i) {
        MUST(gyre_kernel_deactivate(stages[i % STAGES], PATIENCE) == GYRE_OK);
        rest(200);
        MUST(gyre_kernel_reactivate(stages[i % STAGES]) == GYRE_OK);
        rest(1000);
    }
    return NULL;
}

/* Two kernels at a time that feed each other, at the side of the chain. */
static void *come_and_go(void *nothing)
{
    (void)nothing;
    for (uint32_t i = 0; i < GUESTS; ++i) {
        gyre_kernel *pair[2] = {launch("guest"), launch("other guest")};
        MUST(gyre_link(pair[0], 0, pair[1], NULL) == GYRE_OK);
        MUST(gyre_kernels_activate(pair, 2) == GYRE_OK);
        for (uint32_t value = 0; value < 20; ++value) {
            gyre_message message = {.data = &value, .size = sizeof value};
            MUST(gyre_send(pair[0], &message, PATIENCE) == GYRE_OK);
        }
        gyre_reply reply = {0};
        MUST(gyre_receive(pair[1], &reply, PATIENCE) == GYRE_OK && reply.result == GYRE_OK);
        if (i % 2) {
            MUST(gyre_kernels_deactivate(pair, 2, PATIENCE) == GYRE_OK);
            MUST(gyre_unlink(pair[0], 0, pair[1], NULL) == GYRE_OK);
        }
        gyre_kernel_destroy(pair[i / 2 % 2]);
        gyre_kernel_destroy(pair[1 - i / 2 % 2]);
    }
    return NULL;
}

static void run(gyre_visibility visibility)
{
    gyre_runtime_params params = {.visibility = visibility, .compiler = gyre_compiler_shaderc()};
    MUST(gyre_runtime_create(&params, &runtime) == GYRE_OK);
    static const char *const ids[STAGES] = {"first", "second", "third"};
    for (uint32_t i = 0; i < STAGES; ++i) {
        stages[i] = launch(ids[i]);
    }
    for (uint32_t i = 0; i + 1 < STAGES; ++i) {
        gyre_link_params link = {.slots = 16};
        MUST(gyre_link(stages[i], 0, stages[i + 1], &link) == GYRE_OK);
    }
    MUST(gyre_kernels_activate(stages, STAGES) == GYRE_OK);
    atomic_store(&done, false);
    void *(*const parts[])(void *) = {send_all, receive_all, look_on, pause_some, come_and_go};
    pthread_t threads[LENGTH(parts)];
    for (size_t i = 0; i < LENGTH(parts); ++i) {
        MUST(pthread_create(&threads[i], NULL, parts[i], NULL) == 0);
    }
    for (size_t i = 0; i < LENGTH(parts); ++i) {
        pthread_join(threads[i], NULL);
    }
    MUST(gyre_kernels_terminate(stages, STAGES, GYRE_DRAIN, PATIENCE, NULL) == GYRE_OK);
    gyre_runtime_destroy(runtime);
}

int main(void)
{
    run(GYRE_VISIBILITY_STRICT);
    run(GYRE_VISIBILITY_LIVE);
    puts("stress/gpu_links: every message came out once, in order");
    return 0;
}
