/*
 * digits-compare: what it is good for that the kernel stays on the GPU.
 *
 *     build/release/bin/digits-compare [ROUNDS]
 *
 * The same job, on the same device, through the same network.glsl: all digits of digits.jsonl,
 *   - by one dispatch each (dispatch.c), once spinning on the fence and once blocking for it,
 *   - as messages to a resident kernel, each sent when the last one has been answered,
 *   - as messages to the same kernel, sent without waiting for the answers to those before.
 * The ways take turns, in 5 rounds unless told otherwise, and the kernel is paused while another
 * way is at work. GYRE_DEVICE chooses the device.
 *
 * Every answer is held against the CPU's (digits.c). It prints a line for each way and how many
 * times longer a digit takes by the faster kind of dispatch than by a message; how many times is
 * the device's and the machine's affair. A message on its way waits behind those before it, so the
 * latency of the last way is its queue's; what counts there is the rate.
 *
 * Exit status: 0 all answers right; 1 not so, or something failed; 2 usage or a file that cannot be
 * read.
 */
#define _POSIX_C_SOURCE 200809L

#include "digits.h"
#include "dispatch.h"

#include <gyre/compiler.h>
#include <gyre/gyre.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef SAMPLE_DIR
#define SAMPLE_DIR "." /* where the shaders and the data are */
#endif

#define LOST_NS UINT64_C(10000000000) /* an answer that takes longer will not come */

struct job {
    struct digits_set set;
    struct digits_answer *expected; /* the CPU's */
    struct digits_answer *answers;  /* of the round under way */
    struct dispatch dispatch;
    gyre_kernel *kernel;
};

struct way {
    const char *name;
    size_t in_flight; /* messages to the kernel, on their way at once at most; 0: dispatches */
    bool spin;        /* on a dispatch's fence */
    uint64_t *ns;     /* how long each digit took, in all rounds */
    uint64_t total_ns;
    size_t right;
};

/* The log has said why. */
static void must(gyre_result result)
{
    if (result != GYRE_OK) {
        fprintf(stderr, "digits-compare: %s\n", gyre_result_text(result));
        exit(1);
    }
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory) {
        fprintf(stderr, "digits-compare: out of memory\n");
        exit(1);
    }
    return memory;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void run_dispatches(struct job *job, uint64_t *ns, bool spin)
{
    for (size_t i = 0; i < job->set.count; i++) {
        uint64_t start = now_ns();
        dispatch_ask(&job->dispatch, spin, job->set.images[i].pixels, &job->answers[i]);
        ns[i] = now_ns() - start;
    }
}

static void send(struct job *job, size_t i)
{
    const gyre_message message = {
        .data = job->set.images[i].pixels,
        .size = sizeof job->set.images[i].pixels,
        .correlation = i,
    };
    must(gyre_send(job->kernel, &message, LOST_NS));
}

/* Gives which digit the answer is for. */
static size_t receive(struct job *job)
{
    struct digits_answer answer;
    gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
    must(gyre_receive(job->kernel, &reply, LOST_NS));
    must(reply.result);
    job->answers[reply.correlation] = answer;
    return reply.correlation;
}

/* With `in_flight` 1 each is sent when the last one has been answered. */
static void run_messages(struct job *job, uint64_t *ns, size_t in_flight)
{
    size_t sent = 0;
    for (size_t received = 0; received < job->set.count; received++) {
        while (sent < job->set.count && sent - received < in_flight) {
            ns[sent] = now_ns();
            send(job, sent++);
        }
        size_t i = receive(job);
        ns[i] = now_ns() - ns[i];
    }
}

static bool is_right(const struct digits_answer *answer, const struct digits_answer *expected)
{
    bool right = answer->digit == expected->digit;
    for (size_t i = 0; i < DIGITS_CLASSES; i++) {
        right = right && fabsf(answer->scores[i] - expected->scores[i]) <= DIGITS_TOLERANCE;
    }
    return right;
}

static void run_round(struct job *job, struct way *way, unsigned round)
{
    uint64_t *ns = &way->ns[round * job->set.count];
    for (size_t i = 0; i < job->set.count; i++) {
        job->answers[i].digit = DIGITS_CLASSES; /* none yet */
    }
    if (way->in_flight > 0) {
        must(gyre_kernel_reactivate(job->kernel));
    }

    uint64_t start = now_ns();
    if (way->in_flight > 0) {
        run_messages(job, ns, way->in_flight);
    } else {
        run_dispatches(job, ns, way->spin);
    }
    way->total_ns += now_ns() - start;

    if (way->in_flight > 0) {
        must(gyre_kernel_deactivate(job->kernel, LOST_NS));
    }
    for (size_t i = 0; i < job->set.count; i++) {
        way->right += is_right(&job->answers[i], &job->expected[i]);
    }
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Gives the median. */
static double report(struct way *way, size_t count)
{
    qsort(way->ns, count, sizeof *way->ns, compare_ns);
    double p50 = (double)way->ns[count / 2] / 1e3;
    printf("%-28s %10.1f %10.1f %10.0f  %zu/%zu\n", way->name, p50,
           (double)way->ns[count * 99 / 100] / 1e3, (double)count * 1e9 / (double)way->total_ns,
           way->right, count);
    return p50;
}

static void load(struct job *job, struct digits_model *model)
{
    if (!digits_load_model(SAMPLE_DIR "/model.f32", model) ||
        !digits_load_set(SAMPLE_DIR "/digits.jsonl", &job->set)) {
        exit(2);
    }
    job->expected = allocate(job->set.count, sizeof *job->expected);
    job->answers = allocate(job->set.count, sizeof *job->answers);
    for (size_t i = 0; i < job->set.count; i++) {
        struct digits_answer *expected = &job->expected[i];
        expected->digit = (uint32_t)digits_classify(model, &job->set.images[i], expected->scores);
    }
}

static void open_dispatch(struct job *job, gyre_runtime *runtime, const struct digits_model *model)
{
    const gyre_compiler *compiler = gyre_compiler_shaderc();
    const gyre_compile_request request = {
        .file = SAMPLE_DIR "/dispatch.comp",
        .log = gyre_log_stderr,
    };
    uint32_t *words;
    size_t size;
    must(compiler->compile(&request, &words, &size));

    gyre_device_info info;
    gyre_profile profile;
    must(gyre_runtime_device(runtime, &info, &profile));
    dispatch_open(&job->dispatch, &info, &profile, words, size, model);
    compiler->release(words);
}

/* Leaves the kernel ready and paused. */
static void open_kernel(struct job *job, gyre_runtime *runtime, const struct digits_model *model)
{
    const gyre_binding weights = {.set = 1, .binding = 0, .data = model, .size = sizeof *model};
    const gyre_kernel_params params = {
        .id = "digits",
        .glsl_file = SAMPLE_DIR "/digits.comp",
        .input_size = sizeof job->set.images[0].pixels,
        .output_size = sizeof(struct digits_answer),
        .bindings = &weights,
        .binding_count = 1,
    };
    must(gyre_kernel_create(runtime, &params, &job->kernel));
    must(gyre_kernel_launch(job->kernel));
    must(gyre_kernel_activate(job->kernel));
    must(gyre_kernel_deactivate(job->kernel, LOST_NS));
}

static void print_head(const struct job *job, const gyre_runtime *runtime, unsigned rounds)
{
    gyre_device_info info;
    gyre_stats stats;
    must(gyre_runtime_device(runtime, &info, NULL));
    must(gyre_kernel_stats(job->kernel, &stats));
    printf("%s (%s), %s: %zu digits, rounds of each way: %u\n\n", info.name, info.driver,
           stats.live ? "live" : "strict", job->set.count, rounds);
    printf("%-28s %10s %10s %10s  %s\n", "", "p50, us", "p99, us", "digits/s", "right");
}

static bool compare(struct job *job, unsigned rounds)
{
    struct way ways[] = {
        {.name = "dispatch, spinning", .spin = true},
        {.name = "dispatch, blocking"},
        {.name = "message, one at a time", .in_flight = 1},
        {.name = "messages, 256 on their way", .in_flight = 256},
    };
    enum { WAYS = sizeof ways / sizeof ways[0] };
    const size_t count = rounds * job->set.count;
    for (size_t i = 0; i < WAYS; i++) {
        ways[i].ns = allocate(count, sizeof *ways[i].ns);
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < WAYS; i++) {
            run_round(job, &ways[i], round);
        }
    }

    double p50[WAYS];
    bool right = true;
    for (size_t i = 0; i < WAYS; i++) {
        p50[i] = report(&ways[i], count);
        right = right && ways[i].right == count;
        free(ways[i].ns);
    }
    printf("\nBy its p50 a digit takes %.1f times as long by dispatch as by message.\n",
           fmin(p50[0], p50[1]) / p50[2]);
    return right;
}

int main(int argc, char **argv)
{
    char *end = "";
    unsigned long rounds = argc == 2 ? strtoul(argv[1], &end, 10) : 5;
    if (argc > 2 || *end != '\0' || rounds < 1 || rounds > 1000) {
        fprintf(stderr, "usage: digits-compare [ROUNDS], 1 to 1000\n");
        return 2;
    }

    struct job job = {0};
    struct digits_model model;
    load(&job, &model);

    gyre_runtime *runtime = NULL;
    gyre_runtime_params params = {.log = gyre_log_stderr, .compiler = gyre_compiler_shaderc()};
    must(gyre_runtime_create(&params, &runtime));
    open_dispatch(&job, runtime, &model);
    open_kernel(&job, runtime, &model);
    print_head(&job, runtime, (unsigned)rounds);
    bool right = compare(&job, (unsigned)rounds);

    gyre_runtime_destroy(runtime); /* and its kernel */
    dispatch_close(&job.dispatch);
    free(job.answers);
    free(job.expected);
    free(job.set.images);
    if (fflush(stdout) != 0) {
        perror("digits-compare");
        return 1;
    }
    return right ? 0 : 1;
}
