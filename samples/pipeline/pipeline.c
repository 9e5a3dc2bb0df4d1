/* pipeline: a photo in tiles goes through three kernels that are linked on the device.
 *
 *     cc -O2 *.c -o pipeline $(pkg-config --cflags --libs gyre gyre-compiler libpng)
 *     ./pipeline [--strict] [IN.png [OUT.png]]
 *
 * In a build of Gyre itself it is bin/pipeline. The picture is cut into tiles of 64 x 64 pixels
 * with a margin of 3, a message each. Every stage (blur, edges, threshold) makes a pixel of the
 * nine around it and so uses up one pixel of the margin: the tiles come out with none, and join
 * without seams. They go from stage to stage by gyre_link(); the host sees what goes into the first
 * and what comes out of the last. The same is done by three kernels that are not linked, between
 * which the host carries the tiles. The drawing comes out as pipeline.png. --strict takes the way
 * that works on every device (gyre_visibility). GYRE_DEVICE chooses the device.
 *
 * It prints how long both took, and holds every pixel of every run against the same arithmetic on
 * the CPU. README.md has what to expect.
 *
 * Exit status: 0 all is as it must be; 1 not so, or something failed; 2 usage, or a file that
 * cannot be read or written. */
#define _POSIX_C_SOURCE 200809L

#include "picture.h"
#include "reference.h"

#include <gyre/compiler.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef SAMPLE_DIR
#define SAMPLE_DIR "." /* where the shaders and the photo are */
#endif

#define STAGES 3
#define RUNS 15                       /* each way, in turns */
#define LOST_NS UINT64_C(10000000000) /* an answer that takes longer will not come */
#define NO_PIXEL 1                    /* what no stage makes: a tile that did not come shows */

#define SIDE 64u /* this and the structs as in tile.glsl */
#define WIDE (SIDE + 2 * STAGES)
#define WIDE_STRIDE 72u /* whole words */

struct wide_tile {
    uint32_t x;
    uint32_t y;
    uint8_t rows[WIDE][WIDE_STRIDE];
};

struct tile {
    uint32_t x;
    uint32_t y;
    uint8_t rows[SIDE][SIDE];
};

static const char *const names[STAGES] = {"blur", "edges", "threshold"};

struct pipeline {
    gyre_kernel *stages[STAGES];
    bool linked;
    double seconds[RUNS];
};

struct job {
    struct picture photo;
    struct picture reference;
    struct picture drawing;
    uint32_t tiles;
    int error; /* the largest yet, of 255 */
    gyre_runtime *runtime;
    struct pipeline linked;
    struct pipeline unlinked;
};

/* The log has said why. */
static void must(gyre_result result)
{
    if (result != GYRE_OK) {
        fprintf(stderr, "pipeline: %s\n", gyre_result_text(result));
        exit(1);
    }
}

static double now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

static uint32_t min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The picture goes on beyond its border as the pixel next to it. */
static uint32_t clamp(uint32_t at, uint32_t end)
{
    return at < STAGES ? 0 : min(at - STAGES, end - 1);
}

static void cut(const struct picture *photo, struct wide_tile *tile)
{
    for (uint32_t row = 0; row < WIDE; row++) {
        const uint8_t *from = photo->pixels +
                              (size_t)clamp(tile->y + row, photo->height) * photo->width;
        for (uint32_t column = 0; column < WIDE; column++) {
            tile->rows[row][column] = from[clamp(tile->x + column, photo->width)];
        }
    }
}

static void place(const struct tile *tile, struct picture *drawing)
{
    if (tile->x >= drawing->width || tile->y >= drawing->height) {
        fprintf(stderr, "pipeline: a tile came from nowhere\n");
        exit(1);
    }
    for (uint32_t row = 0; row < min(SIDE, drawing->height - tile->y); row++) {
        memcpy(drawing->pixels + (size_t)(tile->y + row) * drawing->width + tile->x,
               tile->rows[row], min(SIDE, drawing->width - tile->x));
    }
}

static void send(gyre_kernel *stage, const void *data, size_t size)
{
    must(gyre_send(stage, &(gyre_message){.data = data, .size = size}, LOST_NS));
}

static size_t receive(gyre_kernel *stage, void *data, size_t capacity)
{
    gyre_reply reply = {.data = data, .capacity = capacity};
    must(gyre_receive(stage, &reply, LOST_NS));
    must(reply.result);
    return reply.size;
}

static void send_picture(gyre_kernel *first, const struct picture *photo)
{
    struct wide_tile tile = {0};
    for (tile.y = 0; tile.y < photo->height; tile.y += SIDE) {
        for (tile.x = 0; tile.x < photo->width; tile.x += SIDE) {
            cut(photo, &tile);
            send(first, &tile, sizeof tile);
        }
    }
}

static double run(const struct pipeline *pipeline, struct job *job)
{
    gyre_kernel *const *stages = pipeline->stages;
    memset(job->drawing.pixels, NO_PIXEL, (size_t)job->drawing.width * job->drawing.height);
    const double start = now();
    send_picture(stages[0], &job->photo);
    for (int next = 1; next < STAGES && !pipeline->linked; next++) {
        for (uint32_t i = 0; i < job->tiles; i++) {
            struct wide_tile between; /* as large as any */
            send(stages[next], &between, receive(stages[next - 1], &between, sizeof between));
        }
    }
    for (uint32_t i = 0; i < job->tiles; i++) {
        struct tile tile;
        receive(stages[STAGES - 1], &tile, sizeof tile);
        place(&tile, &job->drawing);
    }
    return now() - start;
}

static void check(struct job *job)
{
    for (size_t i = 0; i < (size_t)job->photo.width * job->photo.height; i++) {
        const int error = abs(job->drawing.pixels[i] - job->reference.pixels[i]);
        job->error = error > job->error ? error : job->error;
    }
}

static void make_stages(struct job *job, struct pipeline *pipeline)
{
    for (int i = 0; i < STAGES; i++) {
        char id[32];
        char file[1024];
        snprintf(id, sizeof id, "%s%s", pipeline->linked ? "linked " : "", names[i]);
        snprintf(file, sizeof file, SAMPLE_DIR "/%s.comp", names[i]);
        const gyre_kernel_params params = {
            .id = id,
            .glsl_file = file,
            .input_size = i == 0 ? sizeof(struct wide_tile) : 0,
            .output_size = i == STAGES - 1 ? sizeof(struct tile) : 0,
            .queue_size = job->tiles, /* a whole picture may wait anywhere */
        };
        must(gyre_kernel_create(job->runtime, &params, &pipeline->stages[i]));
        must(gyre_kernel_launch(pipeline->stages[i]));
    }
    for (int i = 1; i < STAGES && pipeline->linked; i++) {
        must(gyre_link(pipeline->stages[i - 1], 0, pipeline->stages[i], NULL));
    }
    must(gyre_kernels_activate(pipeline->stages, STAGES));
}

static bool prepare(struct job *job)
{
    const struct picture *photo = &job->photo;
    const size_t count = (size_t)photo->width * photo->height;
    job->tiles = ((photo->width + SIDE - 1) / SIDE) * ((photo->height + SIDE - 1) / SIDE);
    job->reference = job->drawing = *photo;
    job->reference.pixels = malloc(count);
    job->drawing.pixels = malloc(count);
    if (!job->reference.pixels || !job->drawing.pixels || !reference_run(photo, &job->reference)) {
        fprintf(stderr, "pipeline: out of memory\n");
        return false;
    }
    return true;
}

static void run_all(struct job *job, gyre_visibility visibility)
{
    const gyre_runtime_params params = {
        .log = gyre_log_stderr,
        .compiler = gyre_compiler_shaderc(),
        .visibility = visibility,
    };
    must(gyre_runtime_create(&params, &job->runtime));
    job->linked.linked = true;
    make_stages(job, &job->linked);
    make_stages(job, &job->unlinked);
    for (int i = -1; i < RUNS; i++) { /* the first is to warm up */
        job->unlinked.seconds[i < 0 ? 0 : i] = run(&job->unlinked, job);
        check(job);
        job->linked.seconds[i < 0 ? 0 : i] = run(&job->linked, job);
        check(job);
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Gives the median, in seconds. */
static double print_time(const char *what, struct pipeline *pipeline, uint32_t tiles)
{
    qsort(pipeline->seconds, RUNS, sizeof *pipeline->seconds, compare);
    const double median = pipeline->seconds[RUNS / 2];
    printf("%s %.2f ms, %.0f tiles/s\n", what, median * 1e3, tiles / median);
    return median;
}

static void report(struct job *job)
{
    gyre_device_info device;
    gyre_stats stats;
    must(gyre_runtime_device(job->runtime, &device, NULL));
    must(gyre_kernel_stats(job->linked.stages[0], &stats));
    printf("%s (%s), %s\n", device.name, device.driver, stats.live ? "live" : "strict");
    printf("%u x %u pixels, %u tiles, %d runs each way\n", job->photo.width, job->photo.height,
           job->tiles, RUNS);
    const double linked = print_time("linked on the device:", &job->linked, job->tiles);
    const double unlinked = print_time("through the host:    ", &job->unlinked, job->tiles);
    printf("linked is %.2f times as fast\n", unlinked / linked);
    printf("largest error against the CPU: %d\n", job->error);
}

/* Gives the exit status. */
static int make_drawing(struct job *job, const char *out, gyre_visibility visibility)
{
    if (!prepare(job)) {
        return 1;
    }
    run_all(job, visibility);
    report(job);
    gyre_runtime_destroy(job->runtime); /* and its kernels */
    if (!picture_write(out, &job->drawing)) {
        return 2;
    }
    printf("drawing: %s\n", out);
    return job->error == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const bool strict = argc > 1 && strcmp(argv[1], "--strict") == 0;
    char **files = argv + 1 + strict;
    const int count = argc - 1 - strict;
    if (count > 2 || (count > 0 && files[0][0] == '-')) {
        fprintf(stderr, "usage: pipeline [--strict] [IN.png [OUT.png]]\n");
        return 2;
    }
    struct job job = {0};
    if (!picture_read(count > 0 ? files[0] : SAMPLE_DIR "/photo.png", &job.photo)) {
        return 2;
    }
    const int status = make_drawing(&job, count > 1 ? files[1] : "pipeline.png",
                                    strict ? GYRE_VISIBILITY_STRICT : GYRE_VISIBILITY_AUTO);
    free(job.drawing.pixels);
    free(job.reference.pixels);
    free(job.photo.pixels);
    if (fflush(stdout) != 0) {
        perror("pipeline");
        return 1;
    }
    return status;
}
