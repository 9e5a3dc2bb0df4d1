/* tokens: eight kernels in a ring pass a token round on the device; the host sees start and end.
 *
 *     cc tokens.c -o tokens $(pkg-config --cflags --libs gyre gyre-compiler) && ./tokens [ROUNDS]
 *
 * In a build of Gyre itself it is bin/tokens. Without an argument the token goes round 10,000
 * times. It takes along what each kernel has counted in its own state, and the program looks
 * whether every one has passed it on exactly once a round. It prints (here with lavapipe, which
 * runs one kernel at a time: every hop is a submission)
 *
 *     10000 rounds: 80000 hops counted, 80000 expected
 *     5.80 s, 72.5 us a hop; 80016 submissions
 *
 * Exit status: 0; 1 a count is wrong, or something failed; 2 usage. */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#ifndef SAMPLE_DIR
#define SAMPLE_DIR "." /* where tokens.comp is */
#endif

#define KERNELS 8
#define ROUNDS_MAX (UINT32_MAX / KERNELS)

struct token { /* as in tokens.comp */
    uint32_t left;
    uint32_t counts[KERNELS];
};

/* The log has said why. */
static void must(gyre_result result)
{
    if (result != GYRE_OK) {
        fprintf(stderr, "tokens: %s\n", gyre_result_text(result));
        exit(1);
    }
}

static double now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

static void make_ring(gyre_runtime *runtime, gyre_kernel **ring, uint32_t hops)
{
    for (int i = 0; i < KERNELS; ++i) {
        const char id[] = {(char)('a' + i), '\0'};
        const gyre_kernel_params kernel = {
            .id = id, .glsl_file = SAMPLE_DIR "/tokens.comp", .max_hops = hops};
        must(gyre_kernel_create(runtime, &kernel, &ring[i]));
        must(gyre_kernel_launch(ring[i]));
    }
    for (int i = 0; i < KERNELS; ++i) {
        must(gyre_link(ring[i], 0, ring[(i + 1) % KERNELS], NULL));
    }
    must(gyre_kernels_activate(ring, KERNELS));
}

static uint64_t count_submissions(gyre_kernel **ring)
{
    uint64_t sum = 0;
    for (int i = 0; i < KERNELS; ++i) {
        gyre_stats stats;
        must(gyre_kernel_deactivate(ring[i], GYRE_FOREVER)); /* so that the last one counts */
        must(gyre_kernel_stats(ring[i], &stats));
        sum += stats.submissions;
    }
    return sum;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const unsigned long rounds = argc > 1 ? strtoul(argv[1], &end, 10) : 10000;
    if (argc > 2 || (end && *end) || rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: tokens [ROUNDS], 1 to %u\n", ROUNDS_MAX);
        return 2;
    }
    struct token token = {.left = (uint32_t)rounds * KERNELS};

    gyre_runtime *runtime = NULL;
    gyre_kernel *ring[KERNELS] = {0};
    const gyre_runtime_params params = {.log = gyre_log_stderr,
                                        .compiler = gyre_compiler_shaderc()};
    must(gyre_runtime_create(&params, &runtime));
    make_ring(runtime, ring, token.left);

    gyre_reply reply = {.data = &token, .capacity = sizeof token};
    const double start = now();
    must(gyre_send(ring[0], &(gyre_message){.data = &token, .size = sizeof token}, GYRE_FOREVER));
    must(gyre_receive(ring[0], &reply, GYRE_FOREVER));
    must(reply.result);
    const double took = now() - start;

    uint64_t counted = 0;
    bool right = token.left == 0;
    for (int i = 0; i < KERNELS; ++i) {
        counted += token.counts[i];
        right = right && token.counts[i] == rounds;
    }
    printf("%lu rounds: %llu hops counted, %lu expected\n", rounds, (unsigned long long)counted,
           rounds * KERNELS);
    printf("%.2f s, %.1f us a hop; %llu submissions\n", took,
           took / (double)(rounds * KERNELS) * 1e6, (unsigned long long)count_submissions(ring));
    gyre_runtime_destroy(runtime); /* and its kernels */
    return right ? 0 : 1;
}
