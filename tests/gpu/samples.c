/* The small samples do what their header comments say. */
#include <criterion/criterion.h>

#ifdef SAMPLE_PIPELINE
#include <png.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the program beside `gyre` says, and its exit status. `command` may have arguments. */
static int run_to_end(const char *command, char *output, size_t size)
{
    static const char tool[] = GYRE_TOOL;
    char line[1024];
    snprintf(line, sizeof line, "%.*s%s 2>&1", (int)(sizeof tool - sizeof "gyre"), tool, command);
    FILE *pipe = popen(line, "r");
    cr_assert_not_null(pipe);
    size_t length = fread(output, 1, size - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    fputs(output, stdout); /* ctest looks for what the validation layer says */
    cr_assert(WIFEXITED(status), "%s: status %d, output %s", line, status, output);
    return WEXITSTATUS(status);
}

static void run(const char *command, char *output, size_t size)
{
    int status = run_to_end(command, output, size);
    cr_assert(status == 0, "%s: exit status %d, output %s", command, status, output);
}

Test(samples, hello_adds)
{
    char output[256];
    run("hello", output, sizeof output);
    cr_assert(strstr(output, "100 + 23 = 123\n"), "%s", output);
}

Test(samples, counter_counts_over_many_residencies)
{
    char output[256];
    unsigned long long residencies = 0;
    run("counter", output, sizeof output);
    const char *line = strstr(output, "1000 messages: ");
    cr_assert(
        line && sscanf(line, "1000 messages: total 501500, in %llu residencies", &residencies) == 1,
        "%s", output);
    cr_assert(residencies > 1000 / 7, "%s", output);
}

Test(samples, tokens_make_every_hop_of_every_round)
{
    char output[256];
    unsigned long long submissions = 0;
    run("tokens", output, sizeof output);
    const char *line = strstr(output, "10000 rounds: 80000 hops counted, 80000 expected\n");
    cr_assert_not_null(line, "%s", output);
    line = strstr(output, " us a hop; ");
    cr_assert(line && sscanf(line, " us a hop; %llu submissions", &submissions) == 1 &&
                  submissions >= 8,
              "%s", output);
    run("tokens 1", output, sizeof output);
    cr_assert(strstr(output, "1 rounds: 8 hops counted, 8 expected\n"), "%s", output);
}

Test(samples, tokens_refuses_what_is_no_number_of_rounds)
{
    static const char *const commands[] = {
        "tokens 0", "tokens -1", "tokens 10x", "tokens 536870912", "tokens 1 2", "tokens ''",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char output[256];
        int status = run_to_end(commands[i], output, sizeof output);
        cr_assert(status == 2 && strstr(output, "usage: tokens [ROUNDS], 1 to 536870911\n"),
                  "%s: exit status %d, output %s", commands[i], status, output);
    }
}

#ifdef SAMPLE_PIPELINE

#define PIPELINE_DRAWING GYRE_SOURCE_DIR "/samples/pipeline/drawing.png"

static png_image open_png(const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    cr_assert(png_image_begin_read_from_file(&image, path), "%s: %s", path, image.message);
    image.format = PNG_FORMAT_GRAY;
    return image;
}

static uint8_t *read_png(const char *path, size_t *size)
{
    png_image image = open_png(path);
    *size = PNG_IMAGE_SIZE(image);
    uint8_t *pixels = malloc(*size);
    cr_assert(pixels && png_image_finish_read(&image, NULL, pixels, 0, NULL), "%s: %s", path,
              image.message);
    return pixels;
}

static void write_noise(const char *path, uint32_t width, uint32_t height)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .width = width, .height = height};
    image.format = PNG_FORMAT_GRAY;
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    cr_assert_not_null(pixels);
    uint32_t random = 1;
    for (size_t i = 0; i < PNG_IMAGE_SIZE(image); i++) {
        random = random * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(random >> 24);
    }
    cr_assert(png_image_write_to_file(&image, path, 0, pixels, 0, NULL), "%s", image.message);
    free(pixels);
}

/* Runs it into a file that is read and removed again; gives its pixels. */
static uint8_t *draw(const char *arguments, const char *expected, size_t *size)
{
    char command[512];
    char output[2048];
    char png[] = "/tmp/gyre-pipeline-XXXXXX";
    int file = mkstemp(png);
    cr_assert_geq(file, 0);
    close(file);
    snprintf(command, sizeof command, "pipeline %s %s", arguments, png);
    run(command, output, sizeof output);
    cr_assert(strstr(output, expected), "%s", output);
    cr_assert(strstr(output, "\nlargest error against the CPU: 0\n"), "%s", output);
    cr_assert(strstr(output, "\nlinked is "), "%s", output);
    uint8_t *pixels = read_png(png, size);
    unlink(png);
    return pixels;
}

static void check_drawing(const char *option)
{
    char arguments[256];
    size_t size = 0;
    size_t drawn_size = 0;
    snprintf(arguments, sizeof arguments, "%s %s/samples/pipeline/photo.png", option,
             GYRE_SOURCE_DIR);
    uint8_t *drawing = read_png(PIPELINE_DRAWING, &size);
    uint8_t *drawn = draw(arguments, "\n1024 x 768 pixels, 192 tiles, ", &drawn_size);
    cr_assert_eq(drawn_size, size);
    cr_assert_eq(memcmp(drawn, drawing, size), 0);
    free(drawn);
    free(drawing);
}

Test(samples, pipeline_draws_the_photo)
{
    check_drawing("");
}

Test(samples, pipeline_draws_the_photo_in_strict_visibility)
{
    check_drawing("--strict");
}

Test(samples, pipeline_takes_pictures_that_no_whole_tiles_fit)
{
    static const struct {
        uint32_t width, height;
        const char *line;
    } cases[] = {
        {197, 131, "\n197 x 131 pixels, 12 tiles, "},
        {1, 1, "\n1 x 1 pixels, 1 tiles, "},
        {64, 65, "\n64 x 65 pixels, 2 tiles, "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char png[] = "/tmp/gyre-noise-XXXXXX";
        int file = mkstemp(png);
        cr_assert_geq(file, 0);
        close(file);
        write_noise(png, cases[i].width, cases[i].height);
        size_t size = 0;
        free(draw(png, cases[i].line, &size));
        cr_assert_eq(size, (size_t)cases[i].width * cases[i].height);
        unlink(png);
    }
}

Test(samples, pipeline_refuses_what_it_cannot_read_or_write)
{
    static const struct {
        const char *arguments;
        const char *sentence;
    } cases[] = {
        {"a.png b.png c.png", "usage: pipeline"},
        {"--wrong", "usage: pipeline"},
        {GYRE_SOURCE_DIR "/no-such.png", "no-such.png: "},
        {GYRE_SOURCE_DIR "/samples/pipeline/pipeline.c", "pipeline.c: "},
        {GYRE_SOURCE_DIR "/samples/pipeline/photo.png /no-such-folder/out.png", "out.png: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[512];
        char output[2048];
        snprintf(command, sizeof command, "pipeline %s", cases[i].arguments);
        int status = run_to_end(command, output, sizeof output);
        cr_assert(status == 2 && strstr(output, cases[i].sentence), "%s: exit status %d, output %s",
                  command, status, output);
    }
}

#endif

#ifdef SAMPLE_STREAM

#define RECORDING GYRE_SOURCE_DIR "/samples/stream/Front_Center.wav"
#define WAV_HEADER 44
#define WAV_CHANNELS 22 /* where they stand in it */

struct folder {
    char path[64];
    char wav[96];
    char png[96];
};

static struct folder folder_open(void)
{
    struct folder folder = {.path = "/tmp/gyre-stream-XXXXXX"};
    cr_assert_not_null(mkdtemp(folder.path));
    snprintf(folder.wav, sizeof folder.wav, "%s/out.wav", folder.path);
    snprintf(folder.png, sizeof folder.png, "%s/out.png", folder.path);
    return folder;
}

static void folder_close(const struct folder *folder)
{
    unlink(folder->wav);
    unlink(folder->png);
    cr_assert_eq(rmdir(folder->path), 0);
}

static size_t read_file(const char *path, uint8_t *bytes, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size_t size = fread(bytes, 1, capacity, file);
    fclose(file);
    return size;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static double find_power(const uint8_t *wav, size_t size)
{
    double sum = 0;
    for (size_t i = WAV_HEADER; i + 1 < size; i += 2) {
        double sample = (int16_t)(wav[i] | wav[i + 1] << 8);
        sum += sample * sample;
    }
    return sum;
}

/* As long as the recording, and what the speech loses above 4 kHz quieter: a twentieth. */
static void check_wav(const char *path)
{
    static uint8_t in[1 << 18];
    static uint8_t out[1 << 18];
    size_t size = read_file(RECORDING, in, sizeof in);
    cr_assert_eq(read_file(path, out, sizeof out), size);
    cr_assert_eq(memcmp(in, out, WAV_HEADER), 0);
    double kept = find_power(out, size) / find_power(in, size);
    cr_assert(kept > 0.90 && kept < 0.98, "%f of the power is left", kept);
}

static void check_png(const char *path)
{
    static uint8_t png[1 << 20];
    size_t size = read_file(path, png, sizeof png);
    cr_assert(size > 10000, "%zu bytes", size);
    cr_assert_eq(memcmp(png, "\x89PNG\r\n\x1a\n", 8), 0);
    cr_assert_eq(memcmp(png + size - 8, "IEND", 4), 0);
}

static unsigned long long find_number(const char *output, const char *line, const char *format)
{
    unsigned long long number = 0;
    const char *at = strstr(output, line);
    while (at && at > output && at[-1] != '\n') {
        at--;
    }
    cr_assert(at && sscanf(at, format, &number) == 1, "%s", output);
    return number;
}

static void check_stream(const char *option)
{
    char command[512];
    char output[2048];
    double error = 1;
    double apart = 1;
    double less = 0;
    struct folder folder = folder_open();
    snprintf(command, sizeof command, "stream %s %s %s %s", option, RECORDING, folder.wav,
             folder.png);
    run(command, output, sizeof output);
    cr_assert_eq(find_number(output, " blocks, 1.43 s of sound", "%llu"), 269);
    cr_assert_gt(find_number(output, " residencies", "%llu"), 0);
    const char *line = strstr(output, "largest error ");
    cr_assert(line && sscanf(line, "largest error %lf", &error) == 1 && error < 2e-5, "%s", output);
    line = strstr(output, "pass band, ");
    cr_assert(line && sscanf(line, "%*[^:]: %*f dB before, %*f dB after, %lf", &apart) == 1 &&
                  apart < 0.05,
              "%s", output);
    line = strstr(output, "stop band, ");
    cr_assert(line && sscanf(line, "%*[^:]: %*f dB before, %*f dB after, %lf", &less) == 1 &&
                  less > 90,
              "%s", output);
    cr_assert(*option == '\0' || strstr(output, ", strict\n"), "%s", output);
    check_wav(folder.wav);
    check_png(folder.png);
    folder_close(&folder);
}

Test(samples, stream_filters_speech)
{
    check_stream("");
}

Test(samples, stream_filters_speech_in_strict_visibility)
{
    check_stream("--strict");
}

static void check_refusal(const char *arguments, const char *sentence)
{
    char command[512];
    char output[2048];
    snprintf(command, sizeof command, "stream %s", arguments);
    int status = run_to_end(command, output, sizeof output);
    cr_assert(status == 2 && strstr(output, sentence), "%s: exit status %d, output %s", command,
              status, output);
}

Test(samples, stream_refuses_what_is_not_a_mono_wav)
{
    struct folder folder = folder_open();
    static uint8_t wav[1024];
    cr_assert_eq(read_file(RECORDING, wav, sizeof wav), sizeof wav);
    write_file(folder.wav, wav, WAV_HEADER);
    check_refusal(folder.wav, "out.wav holds no sound");
    wav[WAV_CHANNELS] = 2;
    write_file(folder.wav, wav, sizeof wav);
    check_refusal(folder.wav, "out.wav has more than one channel");
    check_refusal(GYRE_SOURCE_DIR "/samples/stream/stream.c", "stream.c: ");
    check_refusal(folder.png, "out.png: ");
    check_refusal("a b c d", "usage: stream");
    folder_close(&folder);
}

#endif
