/* stream: a filter that stays on the GPU and keeps its memory from block to block.
 *
 *     cc -O2 -ffp-contract=off *.c -o stream \
 *         $(pkg-config --cflags --libs gyre gyre-compiler sndfile fftw3 cairo) -lm
 *     ./stream [--strict] [IN.wav [OUT.wav [OUT.png]]]
 *
 * In a build of Gyre itself it is bin/stream. Recorded speech is cut into messages of 256 samples;
 * one kernel low-passes them, and its state is what the filter remembers of the block before. The
 * sound comes out as stream.wav, and as long as it went in; stream.png shows its spectrum before
 * and after. --strict takes the way that works on every device (gyre_visibility). GYRE_DEVICE
 * chooses the device.
 *
 * It prints how fast that was and what it did to the sound, and holds every sample against the same
 * filter on the CPU. README.md has what to expect.
 *
 * Exit status: 0 all is as it must be; 1 not so, or something failed; 2 usage, or a file that
 * cannot be read, used or written. */
#define _POSIX_C_SOURCE 200809L

#include "filter.h"
#include "picture.h"
#include "sound.h"

#include <gyre/compiler.h>
#include <gyre/gyre.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef SAMPLE_DIR
#define SAMPLE_DIR "." /* where stream.comp and the recording are */
#endif

#define IN_FLIGHT 256u                /* blocks on their way at once, at most */
#define LOST_NS UINT64_C(10000000000) /* an answer that takes longer will not come */

/* Half a step of a 16-bit file, and about what the roundings of FILTER_TAPS sums can add up to,
 * 2^-24 each at full scale. `precise` makes equal samples likely, but Vulkan lets a device choose
 * how it rounds and whether it has denormals. */
#define TOLERANCE (1.0 / 65536)

/* What the filter must do. Below the floor is what the rounding of floats leaves, in any signal. */
#define PASS_CHANGE_DB 0.05
#define STOP_LESS_DB 60.0
#define STOP_FLOOR_DB (-120.0)

struct paths {
    const char *in;
    const char *wav;
    const char *png;
};

struct job {
    struct sound sound;
    size_t blocks;    /* the sound's, and so many that the filter's echo of its end fits */
    float *before;    /* blocks * FILTER_BLOCK samples each: the sound, then silence */
    float *after;     /* the kernel's */
    float *reference; /* the CPU's */
    float taps[FILTER_TAPS];
    gyre_device_info device;
    gyre_stats stats;
    double seconds; /* from the first message to the last answer */
};

struct levels {
    double pass_before, pass_after;
    double stop_before, stop_after;
};

/* The log has said why. */
static void must(gyre_result result)
{
    if (result != GYRE_OK) {
        fprintf(stderr, "stream: %s\n", gyre_result_text(result));
        exit(1);
    }
}

static float *allocate(size_t count)
{
    float *memory = calloc(count, sizeof *memory);
    if (!memory) {
        fprintf(stderr, "stream: out of memory\n");
        exit(1);
    }
    return memory;
}

static double now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

static void prepare(struct job *job)
{
    const size_t echo = FILTER_TAPS - 1;
    job->blocks = (job->sound.count + echo + FILTER_BLOCK - 1) / FILTER_BLOCK;
    job->before = allocate(job->blocks * FILTER_BLOCK);
    job->after = allocate(job->blocks * FILTER_BLOCK);
    job->reference = allocate(job->blocks * FILTER_BLOCK);
    memcpy(job->before, job->sound.samples, job->sound.count * sizeof *job->before);
    filter_design(job->taps);
    filter_run(job->taps, job->before, job->reference, job->blocks * FILTER_BLOCK);
}

static void send(gyre_kernel *kernel, const struct job *job, size_t block)
{
    const gyre_message message = {
        .data = &job->before[block * FILTER_BLOCK],
        .size = FILTER_BLOCK * sizeof *job->before,
        .correlation = block,
    };
    must(gyre_send(kernel, &message, LOST_NS));
}

static void receive(gyre_kernel *kernel, struct job *job, size_t block)
{
    gyre_reply reply = {
        .data = &job->after[block * FILTER_BLOCK],
        .capacity = FILTER_BLOCK * sizeof *job->after,
    };
    must(gyre_receive(kernel, &reply, LOST_NS));
    must(reply.result);
    if (reply.correlation != block) {
        fprintf(stderr, "stream: block %zu came out of order\n", block);
        exit(1);
    }
}

static void run_stream(gyre_kernel *kernel, struct job *job)
{
    size_t sent = 0;
    const double start = now();
    for (size_t received = 0; received < job->blocks; received++) {
        while (sent < job->blocks && sent - received < IN_FLIGHT) {
            send(kernel, job, sent++);
        }
        receive(kernel, job, received);
    }
    job->seconds = now() - start;
}

static void run_kernel(struct job *job, gyre_visibility visibility)
{
    gyre_runtime *runtime = NULL;
    const gyre_runtime_params params = {
        .log = gyre_log_stderr,
        .compiler = gyre_compiler_shaderc(),
        .visibility = visibility,
    };
    must(gyre_runtime_create(&params, &runtime));

    gyre_kernel *kernel = NULL;
    const gyre_binding taps = {.set = 1, .binding = 0, .data = job->taps, .size = sizeof job->taps};
    const gyre_kernel_params filter = {
        .id = "low-pass",
        .glsl_file = SAMPLE_DIR "/stream.comp",
        .input_size = FILTER_BLOCK * sizeof(float),
        .output_size = FILTER_BLOCK * sizeof(float),
        .bindings = &taps,
        .binding_count = 1,
    };
    must(gyre_kernel_create(runtime, &filter, &kernel));
    must(gyre_kernel_launch(kernel));
    must(gyre_kernel_activate(kernel));
    run_stream(kernel, job);
    must(gyre_kernel_deactivate(kernel, LOST_NS)); /* so that the last stay counts, too */

    must(gyre_kernel_stats(kernel, &job->stats));
    must(gyre_runtime_device(runtime, &job->device, NULL));
    gyre_runtime_destroy(runtime); /* and its kernel */
}

/* fmax() would pass over a difference that is no number. */
static double find_largest_error(const struct job *job)
{
    double largest = 0;
    for (size_t i = 0; i < job->blocks * FILTER_BLOCK; i++) {
        const double error = fabs((double)job->after[i] - (double)job->reference[i]);
        largest = isnan(error) ? HUGE_VAL : fmax(largest, error);
    }
    return largest;
}

/* TOLERANCE is for full scale, which a file of floats may exceed. */
static double find_allowed_error(const struct job *job)
{
    double peak = 1;
    for (size_t i = 0; i < job->sound.count; i++) {
        peak = fmax(peak, fabs((double)job->before[i]));
    }
    return peak * TOLERANCE;
}

static struct levels measure(const struct spectrum *before, const struct spectrum *after)
{
    return (struct levels){
        .pass_before = spectrum_level(before, 0, FILTER_PASS),
        .pass_after = spectrum_level(after, 0, FILTER_PASS),
        .stop_before = spectrum_level(before, FILTER_STOP, 0.5),
        .stop_after = spectrum_level(after, FILTER_STOP, 0.5),
    };
}

static bool write_files(const struct job *job, const struct paths *paths,
                        const struct spectrum *before, const struct spectrum *after)
{
    /* The filter is late by half its length: that much is left out, and the echo kept. */
    const struct sound sound = {
        .samples = job->after + FILTER_DELAY,
        .count = job->sound.count,
        .rate = job->sound.rate,
    };
    const struct picture picture = {
        .rate = job->sound.rate,
        .pass = FILTER_PASS,
        .stop = FILTER_STOP,
        .before = before,
        .after = after,
    };
    return sound_write(paths->wav, &sound) && picture_write(paths->png, &picture);
}

static void print_run(const struct job *job)
{
    const double audio = (double)job->sound.count / job->sound.rate;
    printf("%s (%s), %s\n", job->device.name, job->device.driver,
           job->stats.live ? "live" : "strict");
    printf("%zu blocks, %.2f s of sound, in %.1f ms: %.0f times real time\n", job->blocks, audio,
           job->seconds * 1e3, audio / job->seconds);
    printf("%llu residencies, %llu blocks begun again\n",
           (unsigned long long)job->stats.residencies, (unsigned long long)job->stats.redelivered);
}

/* Gives whether the sound is what it must be. */
static bool report(const struct job *job, const struct levels *levels)
{
    const double error = find_largest_error(job);
    const double allowed = find_allowed_error(job);
    const double change = fabs(levels->pass_after - levels->pass_before);
    const double less = levels->stop_before - levels->stop_after;
    const double rate = job->sound.rate;
    print_run(job);
    printf("largest error %.2g, %.2g allowed\n", error, allowed);
    printf("pass band, to %.0f Hz: %.2f dB before, %.2f dB after, %.1g dB apart (%.2g allowed)\n",
           FILTER_PASS * rate, levels->pass_before, levels->pass_after, change, PASS_CHANGE_DB);
    printf("stop band, from %.0f Hz: %.2f dB before, %.2f dB after, %.1f dB less (%.0f wanted)\n",
           FILTER_STOP * rate, levels->stop_before, levels->stop_after, less, STOP_LESS_DB);
    return error <= allowed && change <= PASS_CHANGE_DB &&
           (less >= STOP_LESS_DB || levels->stop_after <= STOP_FLOOR_DB);
}

/* Gives the exit status. */
static int judge(const struct job *job, const struct paths *paths)
{
    const size_t count = job->blocks * FILTER_BLOCK;
    struct spectrum before = {0};
    struct spectrum after = {0};
    int status = 1;
    if (spectrum_of(job->before, count, job->sound.count, &before) &&
        spectrum_of(job->after, count, job->sound.count, &after)) {
        const struct levels levels = measure(&before, &after);
        const bool written = write_files(job, paths, &before, &after);
        const bool right = report(job, &levels);
        status = !right ? 1 : written ? 0 : 2;
    }
    spectrum_free(&before);
    spectrum_free(&after);
    return status;
}

int main(int argc, char **argv)
{
    const bool strict = argc > 1 && strcmp(argv[1], "--strict") == 0;
    char **files = argv + 1 + strict;
    const int count = argc - 1 - strict;
    if (count > 3 || (count > 0 && files[0][0] == '-')) {
        fprintf(stderr, "usage: stream [--strict] [IN.wav [OUT.wav [OUT.png]]]\n");
        return 2;
    }
    const struct paths paths = {
        .in = count > 0 ? files[0] : SAMPLE_DIR "/Front_Center.wav",
        .wav = count > 1 ? files[1] : "stream.wav",
        .png = count > 2 ? files[2] : "stream.png",
    };

    struct job job = {0};
    if (!sound_read(paths.in, &job.sound)) {
        return 2;
    }
    prepare(&job);
    run_kernel(&job, strict ? GYRE_VISIBILITY_STRICT : GYRE_VISIBILITY_AUTO);
    int status = judge(&job, &paths);
    free(job.reference);
    free(job.after);
    free(job.before);
    free(job.sound.samples);
    if (fflush(stdout) != 0) {
        perror("stream");
        return 1;
    }
    return status;
}
