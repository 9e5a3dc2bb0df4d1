/* What the parts of the command gyre share: exit codes, the options that every one of them has, and
 * what is said to humans. Results go to stdout, everything else to stderr.
 */
#ifndef GYRE_TOOLS_COMMAND_H
#define GYRE_TOOLS_COMMAND_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gyre/gyre.h>

enum command_exit {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1, /* some messages failed, or a benchmark got a wrong reply */
    COMMAND_USAGE = 2,  /* options, or a file that cannot be read */
    COMMAND_DEVICE = 3, /* no usable device, or it was lost */
    COMMAND_KERNEL = 4, /* does not compile or does not fit */
    COMMAND_INTERRUPTED = 130,
};

/* The one table from results to exit codes. */
enum command_exit command_exit_of(gyre_result result);

/* --device, --verbose, --quiet: a child parser whose input is a struct command_common. */
struct command_common {
    const char *device;
    int verbosity; /* -1 quiet, 0, 1, 2 */
};
extern const struct argp command_common_argp;

/* The text that ends each --help. */
#define COMMAND_EXIT_HELP \
    "Exit codes: 0 all well; 1 some messages failed, each named on stderr; 2 usage, or a file " \
    "that cannot be read; 3 no usable device; 4 the kernel does not compile or does not fit; " \
    "130 stopped by Ctrl-C or SIGTERM."

/* One line on stderr, "gyre: ...". Thread-safety: safe. */
void command_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As above, with the words of `result` behind a colon; gives its exit code. */
enum command_exit command_fail(gyre_result result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line that is written over by the next one, and gone once something else is said; "" to take it
 * away. Thread-safety: safe. */
void command_progress(const char *line);

/* A gyre_log_callback; its user is the struct command_common, which says how talkative it is. */
void command_log(void *user, gyre_log_level level, const char *message);
gyre_log_level command_log_level(const struct command_common *common);

/* Parameters of a runtime as the options say: log, device, run-time compiler if there is one. */
gyre_runtime_params command_runtime_params(const struct command_common *common);

/* The run-time compiler, NULL in a build without. */
const gyre_compiler *command_compiler(void);

/* The whole of a file up to `limit` bytes, to be freed; one byte more than `*size` is there, 0.
 * NULL: errno says why, EFBIG for one over the limit. */
void *command_read_file(const char *path, size_t limit, size_t *size);

/* A time that was given in milliseconds, at least one nanosecond; false unless it is above 0 and
 * can be kept. */
bool command_milliseconds(double given, uint64_t *ns);

/* "1.25 us" and the like. */
struct command_text {
    char text[24];
};
struct command_text command_duration(uint64_t ns);

/* "8-4-4-4-12" hexadecimal digits. */
struct command_uuid {
    char text[37];
};
struct command_uuid command_uuid(const uint8_t uuid[GYRE_UUID_SIZE]);

int command_info(int argc, char **argv);
int command_run(int argc, char **argv);
int command_bench(int argc, char **argv);

#endif
