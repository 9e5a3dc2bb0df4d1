/* gyre run: keeps a kernel, or a pipeline of them, alive on the device, feeds it lines of JSON and
 * prints its answers. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assembly.h"
#include "command.h"
#include "kernelfile.h"
#include "plan.h"
#include "session.h"
#include "stats.h"

static const char doc[] =
    "Compiles KERNEL (GLSL, or SPIR-V made with glslc and not stripped of "
    "names), keeps it alive on the device and feeds it messages: one JSON "
    "object per line in, one per answer out. PIPELINE.json names several "
    "kernels and how they are linked; see below.\v"
    "A line's keys are the members of GYRE_INPUT: numbers, arrays, nested "
    "objects; none may be missing. Keys that begin with _ are not members: "
    "`_priority` is 0 to 255 (0 if not given; higher first), `_key` the "
    "message's key (0 if not given), `_correlation` a "
    "number that comes back with the answer (else the line's number does), "
    "`_deadline` milliseconds as with --deadline; others are ignored. An answer has the members of GYRE_OUTPUT and "
    "`_correlation`. Blank lines are skipped.\n\n"
    "Answers come in the order of the lines, whatever the order in which the "
    "device finishes them; up to 65,536 messages are under way or held back at "
    "a time. The answers of a handler that sends several to one message stay "
    "together. A handler may also send none.\n\n"
    "A line that cannot be used and a message that fails, finds no room, is "
    "dropped or expires are named on stderr (`gyre: line 17: ...`); the rest goes on, and the exit code is 1. It is 1 "
    "as well when the answers cannot be written (a full disk), and after "
    "--timeout. When the reader of the answers goes away (`| head`), the "
    "command stops without complaint, 0 if nothing had failed. Ctrl-C stops in "
    "order: what was answered is written, what waits is dropped, and how many "
    "says stderr; a second one stops at once.\n\n"
    "  gyre run add.comp <<< '{\"a\": 1, \"b\": 2}'\n"
    "  gyre run digits.comp --bind Model=model.f32 --input digits.jsonl "
    "--output answers.jsonl\n\n"
    "A pipeline, with all that can be said (files are looked for next to it):\n\n"
    "  {\"kernels\": {\"blur\": {\"file\": \"blur.comp\", \"shards\": 4,\n"
    "                        \"bind\": {\"Weights\": \"weights.f32\"},\n"
    "                        \"queue_size\": 256, \"weight\": 2, \"visibility\": \"live\"},\n"
    "               \"edges\": \"edges.comp\", \"a\": \"a.comp\", \"b\": \"b.comp\"},\n"
    "   \"links\": [{\"from\": \"blur\", \"to\": \"edges\"},\n"
    "             {\"from\": \"edges\", \"port\": 1, \"to\": [\"a\", \"b\"],\n"
    "              \"spread\": \"key\", \"slots\": 256, \"lossy\": false}],\n"
    "   \"input\": \"blur\", \"output\": [\"a\", \"b\"]}\n\n"
    "What a handler sends to a port goes along its links, to each, to the one "
    "that the key says, or round-robin. `input` takes the lines; it may be left out where "
    "one kernel only has no link to it. The answers of the kernels in `output` "
    "are printed; by default these are all whose port 0 is not linked, whose gyre_send() so comes "
    "to the host. Where several are, an answer has `_kernel`, the name. "
    "--visibility, --queue-size and --window are for the kernels that say nothing "
    "else, --backpressure and --deadline for the one that takes the lines.\n\n"
    "On the way a message may be dropped, multiplied, or fail, in which case stderr names "
    "its line and the kernel. So answers are printed as they come, and `_correlation` tells "
    "to which line one belongs. With --ordered they are printed in the order of the lines; a line "
    "without an answer, or with any number of them, is over once the pipeline has run dry, and those behind it wait for that. "
    "Either way up to 65,536 lines that may not be over are under way at a time: with that many no "
    "line is read until the pipeline has run dry. It ends when the input has ended "
    "and it has run dry.\n\n" COMMAND_EXIT_HELP;

enum option_key {
    KEY_BIND = 'b',
    KEY_INPUT = 'i',
    KEY_OUTPUT = 'o',
    KEY_TIMEOUT = 't',
    KEY_UNORDERED = 'u',
    KEY_ORDERED = 256,
    KEY_VISIBILITY,
    KEY_QUEUE_SIZE,
    KEY_BACKPRESSURE,
    KEY_WINDOW,
    KEY_DEADLINE,
    KEY_STATS,
    KEY_CHECK,
};

static const struct argp_option options_table[] = {
    {.name = "bind",
     .key = KEY_BIND,
     .arg = "BLOCK=FILE",
     .doc = "Fill the storage or uniform block of that name (descriptor set 1 and up) from a file "
            "of raw data, once, before the kernel starts; `BLOCK=` fills it with zeroes. May be "
            "given several times. A pipeline's file says that itself"},
    {.name = "input",
     .key = KEY_INPUT,
     .arg = "FILE",
     .doc = "Lines to read; - (the default) is stdin"},
    {.name = "output",
     .key = KEY_OUTPUT,
     .arg = "FILE",
     .doc = "Where answers go, overwritten; - (the default) is stdout"},
    {.name = "visibility",
     .key = KEY_VISIBILITY,
     .arg = "MODE",
     .doc = "live: the running kernel must see new messages; strict: it sees those sent before it "
            "was submitted; auto (the default): live where that was seen to work"},
    {.name = "queue-size",
     .key = KEY_QUEUE_SIZE,
     .arg = "N",
     .doc = "Messages that may wait on the host; 1024 by default"},
    {.name = "backpressure",
     .key = KEY_BACKPRESSURE,
     .arg = "MODE",
     .doc = "When that many wait: block (the default) reads on when there is room; reject fails "
            "the line; drop-oldest gives up the oldest message of the lowest priority"},
    {.name = "window",
     .key = KEY_WINDOW,
     .arg = "N",
     .doc = "Messages that may wait in each of the device's four lanes, one lane to 64 priorities, "
            "where only more urgent lanes overtake them; 64 by default"},
    {.name = "deadline",
     .key = KEY_DEADLINE,
     .arg = "MS",
     .doc = "A message that is not on the device that many milliseconds after its line was read "
            "fails instead (0.5 is half of one); by default none does"},
    {.name = "timeout",
     .key = KEY_TIMEOUT,
     .arg = "SECONDS",
     .doc = "Give up when messages wait and no reply has come for that long; by default never"},
    {.name = "unordered",
     .key = KEY_UNORDERED,
     .doc = "Print answers as they come; a pipeline's are by default"},
    {.name = "ordered",
     .key = KEY_ORDERED,
     .doc = "Print answers in the order of the lines; a single kernel's are by default"},
    {.name = "stats",
     .key = KEY_STATS,
     .arg = "json",
     .flags = OPTION_ARG_OPTIONAL,
     .doc = "Afterwards the kernel's counts and latencies on stderr: a table, or with =json one "
            "object on the last line, as gyre_stats in gyre/telemetry.h; of a pipeline "
            "{\"kernels\": {NAME: gyre_stats}, \"links\": [...]}"},
    {.name = "check",
     .key = KEY_CHECK,
     .doc = "Read no input: compile, launch, show sizes and offsets of the messages, and exit. "
            "Blocks without --bind are zero"},
    {0},
};

enum stats_form {
    STATS_NONE,
    STATS_TABLE,
    STATS_JSON,
};

struct options {
    struct command_common common;
    const char *kernel;
    const char *input;
    const char *output;
    char **binds;
    size_t bind_count;
    gyre_visibility visibility;
    uint32_t queue_size;
    gyre_backpressure backpressure;
    uint32_t window;
    uint64_t timeout_ns;
    uint64_t deadline_ns;
    enum stats_form stats;
    bool ordered;
    bool unordered;
    bool check;
};

/* Which of the three it is; else `usage`. */
static unsigned parse_word(const char *text, const char *const names[3], const char *usage,
                           const struct argp_state *state)
{
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            return i;
        }
    }
    argp_error(state, "%s, not '%s'", usage, text);
    return 0;
}

static gyre_visibility parse_visibility(const char *text, const struct argp_state *state)
{
    static const char *const names[] = {"auto", "strict", "live"}; /* as enum gyre_visibility */
    return (gyre_visibility)parse_word(text, names, "--visibility is strict, live or auto", state);
}

static gyre_backpressure parse_backpressure(const char *text, const struct argp_state *state)
{
    static const char *const names[] = {"block", "reject", "drop-oldest"}; /* as the enum */
    return (gyre_backpressure)parse_word(text, names,
                                         "--backpressure is block, reject or drop-oldest", state);
}

static uint32_t parse_count(const char *option, const char *text, const struct argp_state *state)
{
    char *end;
    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || *end || *text < '0' || *text > '9' || number == 0 || number > 1u << 24) {
        argp_error(state, "%s is a number from 1 to %u, not '%s'", option, 1u << 24, text);
    }
    return (uint32_t)number;
}

/* A number of units of that many milliseconds; else `usage`. */
static uint64_t parse_time(const char *text, double unit, const char *usage,
                           const struct argp_state *state)
{
    char *end;
    uint64_t ns = 0;
    const double number = strtod(text, &end);
    if (end == text || *end || !command_milliseconds(number * unit, &ns)) {
        argp_error(state, "%s above 0, not '%s'", usage, text);
    }
    return ns;
}

/* NULL: the option has no argument. */
static enum stats_form parse_stats(const char *text, const struct argp_state *state)
{
    if (text && strcmp(text, "json") != 0) {
        argp_error(state, "--stats is a table, --stats=json an object; '%s' is neither", text);
    }
    return text ? STATS_JSON : STATS_TABLE;
}

static void add_bind(struct options *options, char *argument, const struct argp_state *state)
{
    char **grown = realloc(options->binds, (options->bind_count + 1) * sizeof *grown);
    if (!grown) {
        argp_failure(state, COMMAND_USAGE, errno, "--bind");
        return;
    }
    options->binds = grown;
    options->binds[options->bind_count++] = argument;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->common;
        return 0;
    case KEY_BIND:
        add_bind(options, argument, state);
        return 0;
    case KEY_INPUT:
        options->input = argument;
        return 0;
    case KEY_OUTPUT:
        options->output = argument;
        return 0;
    case KEY_VISIBILITY:
        options->visibility = parse_visibility(argument, state);
        return 0;
    case KEY_QUEUE_SIZE:
        options->queue_size = parse_count("--queue-size", argument, state);
        return 0;
    case KEY_BACKPRESSURE:
        options->backpressure = parse_backpressure(argument, state);
        return 0;
    case KEY_WINDOW:
        options->window = parse_count("--window", argument, state);
        return 0;
    case KEY_TIMEOUT:
        options->timeout_ns = parse_time(argument, 1000, "--timeout is a number of seconds", state);
        return 0;
    case KEY_DEADLINE:
        options->deadline_ns =
            parse_time(argument, 1, "--deadline is a number of milliseconds", state);
        return 0;
    case KEY_STATS:
        options->stats = parse_stats(argument, state);
        return 0;
    case KEY_UNORDERED:
        options->unordered = true;
        options->ordered = false;
        return 0;
    case KEY_ORDERED:
        options->unordered = false;
        options->ordered = true;
        return 0;
    case KEY_CHECK:
        options->check = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->kernel) {
            argp_error(state, "one kernel or pipeline, please: '%s' is the second", argument);
        }
        options->kernel = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which kernel?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what a run holds ---- */

struct run {
    struct options options;
    struct plan plan;
    struct assembly assembly;
    gyre_runtime *runtime;
    uint64_t waits; /* of the refusals of the kernel that takes the lines */
    bool served;
    int input;
    int output;
};

static enum command_exit open_input(struct run *run)
{
    const char *path = run->options.input;
    run->input = STDIN_FILENO;
    if (path && strcmp(path, "-") != 0) {
        run->input = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (run->input < 0) {
        command_say("cannot read %s: %s", path, strerror(errno));
        return COMMAND_USAGE;
    }
    return COMMAND_OK;
}

/* As late as possible: a run that cannot begin leaves the old file as it was. */
static enum command_exit open_output(struct run *run)
{
    const char *path = run->options.output;
    run->output = STDOUT_FILENO;
    if (path && strcmp(path, "-") != 0) {
        run->output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (run->output < 0) {
        command_say("cannot write %s: %s", path, strerror(errno));
        return COMMAND_USAGE;
    }
    return COMMAND_OK;
}

static enum command_exit read_plan(struct run *run)
{
    const struct options *options = &run->options;
    if (!plan_is(options->kernel)) {
        return plan_of_kernel(&run->plan, options->kernel, options->binds, options->bind_count);
    }
    if (options->bind_count > 0) {
        command_say("--bind is for a single kernel; in %s a kernel says \"bind\": "
                    "{\"BLOCK\": \"FILE\"}",
                    options->kernel);
        return COMMAND_USAGE;
    }
    return plan_read(&run->plan, options->kernel, &options->common);
}

static enum command_exit launch(struct run *run)
{
    const struct options *options = &run->options;
    gyre_runtime_params params = command_runtime_params(&options->common);
    params.visibility = options->visibility;
    params.compiler = kernelfile_compiler();
    gyre_result result = gyre_runtime_create(&params, &run->runtime);
    if (result != GYRE_OK) {
        return command_fail(result, "cannot start");
    }
    const struct assembly_defaults defaults = {
        .queue_size = options->queue_size,
        .window = options->window,
        .backpressure = options->backpressure,
    };
    return assembly_launch(&run->assembly, run->runtime, &defaults);
}

/* How many of the kernels run live. */
static size_t live_kernels(const struct run *run)
{
    size_t count = 0;
    for (size_t i = 0; i < run->plan.kernel_count; i++) {
        count += run->assembly.stats[i].live;
    }
    return count;
}

static const char *visibility_text(const struct run *run)
{
    const size_t live = live_kernels(run);
    return live == 0 ? "strict" : live == run->plan.kernel_count ? "live" : "strict and live";
}

static enum command_exit check(struct run *run)
{
    gyre_device_info device;
    assembly_count(&run->assembly);
    assembly_print(&run->assembly);
    if (gyre_runtime_device(run->runtime, &device, NULL) == GYRE_OK) {
        printf("device      %s (%s), %s\n", device.name, device.driver, visibility_text(run));
    }
    if (fflush(stdout) != 0) {
        command_say("cannot write to stdout: %s", strerror(errno));
        return COMMAND_FAILED;
    }
    return COMMAND_OK;
}

static uint64_t failures(const struct session_report *report)
{
    return report->failed + report->refused + report->bad_lines;
}

static void summarise_links(const struct run *run)
{
    for (size_t i = 0; i < run->plan.link_count; i++) {
        const gyre_link_stats *stats = &run->assembly.link_stats[i];
        command_say("link %s: %" PRIu64 " sent, %" PRIu64 " waiting, %" PRIu64 " lost",
                    assembly_link_name(&run->assembly, i).text, stats->sent, stats->waiting,
                    stats->lost);
    }
}

struct clause {
    char text[64];
};

/* ", 17 of that"; nothing of none. */
static struct clause also(uint64_t count, const char *what)
{
    struct clause out = {""};
    if (count) {
        snprintf(out.text, sizeof out.text, ", %" PRIu64 " %s", count, what);
    }
    return out;
}

static void summarise(struct run *run, const struct session_report *report)
{
    gyre_device_info device = {0};
    uint64_t seen_live = 0, residencies = 0;
    if (run->options.common.verbosity < 0) {
        return;
    }
    for (size_t i = 0; i < run->plan.kernel_count; i++) {
        seen_live += run->assembly.stats[i].live_seen;
        residencies += run->assembly.stats[i].residencies;
    }
    gyre_runtime_device(run->runtime, &device, NULL);
    const gyre_latency latency = histogram_summary(&report->latency);
    const double seconds = (double)report->elapsed_ns / 1e9;
    const double rate = seconds > 0 ? (double)(report->finished - report->lost) / seconds : 0;
    command_say("%" PRIu64 " lines, %" PRIu64 " answers, %" PRIu64 " failed%s%s%s; %s, %.0f/s",
                report->lines, report->answers, failures(report),
                also(report->silent, "without an answer").text,
                also(report->unprinted, "answers not printed").text,
                report->end == SESSION_NO_READER ? ", then the reader was gone" : "",
                command_duration(report->elapsed_ns).text, rate);
    summarise_links(run);
    command_say("latency p50 %s, p99 %s, max %s; %s, %" PRIu64 " seen live, %" PRIu64
                " residencies; %s (%s)",
                command_duration(latency.p50).text, command_duration(latency.p99).text,
                command_duration(latency.max).text, visibility_text(run), seen_live, residencies,
                device.name, device.driver);
}

static void print_stats(const struct run *run)
{
    const struct assembly *assembly = &run->assembly;
    if (!run->served || run->options.stats == STATS_NONE) {
        return;
    }
    if (run->options.stats == STATS_JSON) {
        assembly_print_json(assembly, stderr);
        return;
    }
    for (size_t i = 0; i < run->plan.kernel_count; i++) {
        if (run->plan.path) {
            fprintf(stderr, "%s%s:\n", i ? "\n" : "", run->plan.kernels[i].name);
        }
        stats_print(stderr, &assembly->stats[i], i == run->plan.input ? run->waits : 0);
    }
}

static enum command_exit exit_of(const struct session_report *report)
{
    switch (report->end) {
    case SESSION_SIGNAL:
        return COMMAND_INTERRUPTED;
    case SESSION_KERNEL_FAILED:
        return command_exit_of(report->kernel_result);
    case SESSION_OUTPUT_FAILED:
    case SESSION_TIMEOUT:
        return COMMAND_FAILED;
    case SESSION_DONE:
    case SESSION_NO_READER:
        break;
    }
    if (report->input_failed) {
        return COMMAND_USAGE;
    }
    return failures(report) > 0 ? COMMAND_FAILED : COMMAND_OK;
}

static void count_links(void *user)
{
    assembly_count_links(user);
}

static enum command_exit serve(struct run *run)
{
    const struct options *options = &run->options;
    const struct plan *plan = &run->plan;
    struct session_report report;
    gyre_result result = gyre_kernels_activate(run->assembly.kernels, (uint32_t)plan->kernel_count);
    if (result != GYRE_OK) {
        return command_fail(result, "%s", options->kernel);
    }
    const struct session_params params = {
        .stages = run->assembly.stages,
        .stage_count = plan->kernel_count,
        .input = plan->input,
        .layout = &run->assembly.files[plan->input].layout->input,
        .over = assembly_over(&run->assembly),
        .ending = count_links,
        .user = &run->assembly,
        .input_fd = run->input,
        .output_fd = run->output,
        .input_name = run->input == STDIN_FILENO ? "stdin" : options->input,
        .output_name = run->output == STDOUT_FILENO ? "stdout" : options->output,
        .timeout_ns = options->timeout_ns,
        .deadline_ns = options->deadline_ns,
        .unordered = plan->path ? !options->ordered : options->unordered,
        .progress = options->common.verbosity >= 0 && isatty(STDERR_FILENO) && !isatty(run->output),
    };
    if (!session_run(&params, &report)) {
        return command_fail(GYRE_ERROR_NO_MEMORY, "cannot start");
    }
    assembly_count(&run->assembly);
    run->waits = report.waits;
    run->served = true;
    summarise(run, &report);
    const enum command_exit code = exit_of(&report);
    if (report.stuck) {
        /* A thread waits for a shader that never ends, as would the driver's own clean-up. */
        print_stats(run);
        _exit((int)code);
    }
    return code;
}

static void close_run(struct run *run)
{
    print_stats(run); /* last: nothing follows the line of JSON */
    assembly_close(&run->assembly);
    plan_free(&run->plan);
    if (run->input > STDERR_FILENO) {
        close(run->input);
    }
    free(run->options.binds);
}

/* Answers are safe only once close() says so: that is where some file systems tell of a full
 * disk. */
static enum command_exit close_output(const struct run *run, enum command_exit code)
{
    if (run->output > STDERR_FILENO && close(run->output) != 0) {
        command_say("cannot write %s: %s", run->options.output, strerror(errno));
        return code == COMMAND_OK ? COMMAND_FAILED : code;
    }
    return code;
}

int command_run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&command_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options_table, parse, "KERNEL|PIPELINE.json", doc, children,
                                     NULL,          NULL};
    struct run run = {.input = -1, .output = -1};
    argp_parse(&argp, argc, argv, 0, NULL, &run.options);
    session_catch_signals();

    enum command_exit code = run.options.check ? COMMAND_OK : open_input(&run);
    if (code == COMMAND_OK) {
        code = read_plan(&run);
    }
    if (code == COMMAND_OK) {
        code = assembly_open(&run.assembly, &run.plan, &run.options.common, run.options.check);
    }
    if (code == COMMAND_OK) {
        code = launch(&run);
    }
    if (code == COMMAND_OK && run.options.check) {
        code = check(&run);
    } else if (code == COMMAND_OK) {
        code = open_output(&run);
        code = code == COMMAND_OK ? serve(&run) : code;
        code = close_output(&run, code);
    }
    gyre_runtime_destroy(run.runtime);
    close_run(&run);
    return (int)code;
}
