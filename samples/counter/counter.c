/* counter: private state that outlives every stay on the GPU.
 *
 *     cc counter.c -o counter $(pkg-config --cflags --libs gyre gyre-compiler) && ./counter
 *
 * In a build of Gyre itself it is bin/counter. A kernel never stays on the device for long: here it
 * must leave after every seventh message (fuel), and half way it is paused, when it leaves
 * altogether. Its state is in device memory and does not notice. It prints
 *
 *     1000 messages: total 501500, in 150 residencies
 *
 * (a few residencies more or less) and returns 0. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#ifndef SAMPLE_DIR
#define SAMPLE_DIR "." /* where counter.comp is */
#endif

#define MESSAGES 1000u

struct request { /* as in counter.comp */
    uint32_t add;
};

struct response {
    uint32_t total;
    uint32_t count;
};

/* The log has said why. */
static void must(gyre_result result)
{
    if (result != GYRE_OK) {
        fprintf(stderr, "counter: %s\n", gyre_result_text(result));
        exit(1);
    }
}

static void send(gyre_kernel *kernel, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; ++i) {
        struct request request = {.add = i};
        must(gyre_send(kernel, &(gyre_message){.data = &request, .size = sizeof request},
                       GYRE_FOREVER));
    }
}

/* The last answer. What was sent while the kernel ran came before what was sent while it was
 * paused. */
static struct response receive(gyre_kernel *kernel, uint32_t count)
{
    struct response response = {0};
    for (uint32_t i = 0; i < count; ++i) {
        gyre_reply reply = {.data = &response, .capacity = sizeof response};
        must(gyre_receive(kernel, &reply, GYRE_FOREVER));
        must(reply.result);
    }
    return response;
}

int main(void)
{
    gyre_runtime *runtime = NULL;
    gyre_runtime_params params = {.log = gyre_log_stderr, .compiler = gyre_compiler_shaderc()};
    must(gyre_runtime_create(&params, &runtime));

    gyre_kernel *counter = NULL;
    gyre_kernel_params kernel = {
        .id = "counter", .glsl_file = SAMPLE_DIR "/counter.comp", .fuel = 7};
    must(gyre_kernel_create(runtime, &kernel, &counter));
    must(gyre_kernel_launch(counter));
    must(gyre_kernel_activate(counter));

    send(counter, 1, MESSAGES / 2);
    must(gyre_kernel_deactivate(counter, GYRE_FOREVER)); /* off the GPU, wherever it was */
    send(counter, MESSAGES / 2 + 1, MESSAGES);           /* these wait */
    must(gyre_kernel_reactivate(counter));
    struct response last = receive(counter, MESSAGES);
    /* The last stays count when they have ended, which may be after the last answer. */
    must(gyre_kernel_deactivate(counter, GYRE_FOREVER));

    gyre_stats stats;
    must(gyre_kernel_stats(counter, &stats));
    printf("%u messages: total %u, in %llu residencies\n", last.count, last.total,
           (unsigned long long)stats.residencies);
    gyre_runtime_destroy(runtime); /* and its kernel */
    return last.count == MESSAGES && last.total == 1000 + MESSAGES * (MESSAGES + 1) / 2 ? 0 : 1;
}
