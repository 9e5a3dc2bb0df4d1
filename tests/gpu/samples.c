/* The small samples do what their header comments say. */
#include <criterion/criterion.h>

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
