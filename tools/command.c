#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef GYRE_WITH_COMPILER
#include <gyre/compiler.h>
#endif

enum command_exit command_exit_of(gyre_result result)
{
    switch (result) {
    case GYRE_OK:
        return COMMAND_OK;
    case GYRE_ERROR_INVALID:
    case GYRE_ERROR_ALREADY_EXISTS:
    case GYRE_ERROR_NOT_FOUND:
    case GYRE_ERROR_IO:
        return COMMAND_USAGE;
    case GYRE_ERROR_NO_LOADER:
    case GYRE_ERROR_NO_DEVICE:
    case GYRE_ERROR_DEVICE_NOT_FOUND:
    case GYRE_ERROR_UNSUPPORTED:
    case GYRE_ERROR_DEVICE_LOST:
        return COMMAND_DEVICE;
    case GYRE_ERROR_NO_MEMORY:
    case GYRE_ERROR_DRIVER_FAULT:
    case GYRE_ERROR_COMPILE:
    case GYRE_ERROR_SPIRV:
    case GYRE_ERROR_INTERFACE:
    case GYRE_ERROR_LIMIT:
    case GYRE_ERROR_BINDING:
    case GYRE_ERROR_CYCLE:
        return COMMAND_KERNEL;
    case GYRE_ERROR_STATE:
    case GYRE_ERROR_TIMEOUT:
    case GYRE_ERROR_FULL:
    case GYRE_ERROR_EMPTY:
    case GYRE_ERROR_TERMINATED:
    case GYRE_ERROR_DROPPED:
    case GYRE_ERROR_EXPIRED:
    case GYRE_ERROR_SIZE:
    case GYRE_ERROR_TYPE:
    case GYRE_ERROR_HANDLER:
    case GYRE_ERROR_LOOP_LIMIT:
    case GYRE_ERROR_OVERSENT:
    case GYRE_ERROR_OUTPUT_FULL:
    case GYRE_ERROR_CORRUPT:
    case GYRE_ERROR_NO_ROUTE:
    case GYRE_ERROR_HOPS:
    case GYRE_ERROR_INTERNAL:
        break;
    }
    return COMMAND_FAILED;
}

/* ---- options of all parts ---- */

static const struct argp_option common_options[] = {
    {.name = "device",
     .key = 'd',
     .arg = "DEVICE",
     .doc = "Which device: its number in `gyre info` (1 or index:1), name:PART, uuid:UUID, or "
            "type:discrete, integrated, virtual, cpu. Default: the environment variable "
            "GYRE_DEVICE, else the best one"},
    {.name = "verbose",
     .key = 'v',
     .doc = "Say on stderr what is chosen and why; twice: everything"},
    {.name = "quiet", .key = 'q', .doc = "Errors only on stderr"},
    {0},
};

static error_t parse_common(int key, char *argument, struct argp_state *state)
{
    struct command_common *common = state->input;
    switch (key) {
    case 'd':
        common->device = argument;
        return 0;
    case 'v':
        common->verbosity = common->verbosity < 0 ? 1 : common->verbosity + 1;
        return 0;
    case 'q':
        common->verbosity = -1;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp command_common_argp = {.options = common_options, .parser = parse_common};

/* ---- what is said ---- */

/* One terminal, one lock: the progress line and the lines above it come from different threads. */
static pthread_mutex_t say_lock = PTHREAD_MUTEX_INITIALIZER;
static bool progress_shown;

static void clear_progress(void)
{
    if (progress_shown) {
        fputs("\r\033[K", stderr);
        progress_shown = false;
    }
}

/* Bytes of the UTF-8 character at `text`, 0 if there is none that a terminal should get. */
static size_t character(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    const size_t length = byte[0] < 0x80 ? 1 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    if (length == 1) {
        return byte[0] >= 0x20 && byte[0] != 0x7f ? 1 : 0;
    }
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || (byte[0] == 0xc2 && byte[1] < 0xa0)) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* Names out of files that strangers made end up here, and on a terminal. */
static void put_clean(const char *text)
{
    while (*text) {
        const size_t length = character(text);
        fprintf(stderr, "%.*s", length ? (int)length : 1, length ? text : "?");
        text += length ? length : 1;
    }
}

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list arguments,
                                                      const char *reason)
{
    char text[2048]; /* longer ones are cut */
    vsnprintf(text, sizeof text, format, arguments);
    pthread_mutex_lock(&say_lock);
    clear_progress();
    fputs("gyre: ", stderr);
    put_clean(text);
    if (reason) {
        fprintf(stderr, ": %s", reason);
    }
    fputc('\n', stderr);
    fflush(stderr);
    pthread_mutex_unlock(&say_lock);
}

void command_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments, NULL);
    va_end(arguments);
}

enum command_exit command_fail(gyre_result result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments, gyre_result_text(result));
    va_end(arguments);
    return command_exit_of(result);
}

void command_progress(const char *line)
{
    pthread_mutex_lock(&say_lock);
    clear_progress();
    if (*line) {
        fputs(line, stderr);
        fflush(stderr);
        progress_shown = true;
    }
    pthread_mutex_unlock(&say_lock);
}

gyre_log_level command_log_level(const struct command_common *common)
{
    if (common->verbosity < 0) {
        return GYRE_LOG_ERROR;
    }
    return common->verbosity == 0   ? GYRE_LOG_WARNING
           : common->verbosity == 1 ? GYRE_LOG_INFO
                                    : GYRE_LOG_DEBUG;
}

void command_log(void *user, gyre_log_level level, const char *message)
{
    static const char *const names[] = {"", "error: ", "warning: ", "", ""};
    if (level <= command_log_level(user)) {
        command_say("%s%s", names[level], message);
    }
}

/* ---- small things ---- */

const gyre_compiler *command_compiler(void)
{
#ifdef GYRE_WITH_COMPILER
    return gyre_compiler_shaderc();
#else
    return NULL;
#endif
}

gyre_runtime_params command_runtime_params(const struct command_common *common)
{
    return (gyre_runtime_params){
        .log = command_log,
        .log_user = (void *)common,
        .log_level = command_log_level(common),
        .device = common->device,
        .compiler = command_compiler(),
    };
}

void *command_read_file(const char *path, size_t limit, size_t *size)
{
    size_t capacity = 65536, length = 0;
    char *text = malloc(capacity);
    int fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    int reason = errno;
    while (text && fd >= 0) {
        ssize_t got = read(fd, text + length, capacity - length - 1);
        if (got == 0) {
            close(fd);
            text[length] = 0;
            *size = length;
            return text;
        }
        length += got > 0 ? (size_t)got : 0;
        reason = got < 0 ? errno : length > limit ? EFBIG : 0;
        if (reason != 0 && reason != EINTR) {
            break;
        }
        if (capacity - length == 1) {
            capacity *= 2;
            char *larger = realloc(text, capacity);
            if (!larger) {
                reason = ENOMEM;
                break;
            }
            text = larger;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    free(text);
    errno = reason;
    return NULL;
}

bool command_milliseconds(double given, uint64_t *ns)
{
    const double value = given * 1e6;
    if (!(value > 0 && value <= 1e18)) { /* false of NaN, too */
        return false;
    }
    *ns = value < 1 ? 1 : (uint64_t)value;
    return true;
}

struct command_text command_duration(uint64_t ns)
{
    struct command_text out;
    const double value = (double)ns;
    /* 999.6 us is 1 ms: rounded to three digits it would be 1e+03 us. */
    if (ns < 1000) {
        snprintf(out.text, sizeof out.text, "%u ns", (unsigned)ns);
    } else if (ns < 999500) {
        snprintf(out.text, sizeof out.text, "%.3g us", value / 1e3);
    } else if (ns < 999500000) {
        snprintf(out.text, sizeof out.text, "%.3g ms", value / 1e6);
    } else if (ns < UINT64_C(1000000000000)) {
        snprintf(out.text, sizeof out.text, "%.4g s", value / 1e9);
    } else {
        snprintf(out.text, sizeof out.text, "%.0f s", value / 1e9);
    }
    return out;
}

struct command_uuid command_uuid(const uint8_t uuid[GYRE_UUID_SIZE])
{
    struct command_uuid out;
    size_t at = 0;
    for (size_t i = 0; i < GYRE_UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out.text[at++] = '-';
        }
        at += (size_t)snprintf(out.text + at, sizeof out.text - at, "%02x", uuid[i]);
    }
    return out;
}
