/* gyre bench: messages through a resident kernel, and what they are to be compared with, in one
 * run. This file has the options and the order of things; see bench.h for the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "bench_compare.h"
#include "bench_quick.h"
#include "bench_result.h"

static const char doc[] =
    "Measures messages through resident kernels in cases that take turns within one run. The "
    "content of every answer is checked.\v"
    "Cases, of 64 bytes and one message at a time unless they say otherwise, timed from handing it "
    "over to having its answer:\n"
    "  line         two C threads, one cache line there and one back: what the machine can do\n"
    "  floor        two C threads over the engine's ring code: what Gyre's protocol costs\n"
    "  dispatch     one submission and one fence for each message, recorded once, waiting by "
    "spinning or by blocking, whichever is faster: what is done without Gyre\n"
    "  dispatch-batched   the same for 1,024 messages at once, of 16 bytes, 64 bytes and 4 KiB\n"
    "  roundtrip-1  a resident kernel of one invocation, through gyre_send and gyre_receive\n"
    "  roundtrip-32 the same, 32 invocations together on a message\n"
    "  stream-16B, stream-64B, stream-4KiB   as many messages as can be: singly or in batches of "
    "1,024, a message to each workgroup or to each invocation\n"
    "  wake         roundtrip-1 with a kernel that has left the device\n"
    "  priority     an urgent message among low ones, and those\n"
    "  pipeline     through four kernels in a row, linked or through the host\n"
    "  scale        roundtrip-1 over windows, idle kernels beside it and sizes of messages; "
    "streams over sizes of batches and producing threads. Only with --case scale or --all\n\n"
    "All numbers are medians of those of the rounds. With --json: {\"gyre\": version, \"date\", \"device\": {...}, \"cases\": [{\"name\", "
    "\"variant\", \"visibility\", \"messages\", \"verified\", \"rounds\", \"bytes\", \"p50_ns\", "
    "\"p99_ns\", \"p999_ns\", \"p50_spread_ns\", \"rate_per_s\", \"rate_spread_per_s\", "
    "\"p50_of_floor\", \"p50_of_dispatch\" or \"rate_of_batched\"}]}, where `verified` counts the "
    "answers that were checked and right, and a spread is the middle half of the rounds.\n\n"
    "With --compare A.json B.json nothing is measured: the two runs are put side by side.\n\n"
    "Exit codes: 0 every answer came and was right; 1 one was wrong or missing, or with --quick a "
    "ratio lies outside its bounds; 2 usage, or a file that cannot be read; 3 no usable device.";

enum { ROUNDS = 15, QUICK_ROUNDS = 20 };

static const struct bench_family *const families[] = {
    &bench_threads,  &bench_dispatch, &bench_roundtrip, &bench_streams,   &bench_wake,
    &bench_priority, &bench_pipeline, &bench_scale,     &bench_producers,
};
enum { CHOSEN_MAX = 16 };

enum { KEY_ALL = 256, KEY_QUICK, KEY_COMPARE };

static const struct argp_option options_table[] = {
    {.name = "json", .key = 'j', .doc = "One JSON object on stdout"},
    {.name = "case",
     .key = 'c',
     .arg = "NAME",
     .doc = "Only this case; may be given several times"},
    {.name = "all", .key = KEY_ALL, .doc = "All cases; takes minutes"},
    {.name = "quick",
     .key = KEY_QUICK,
     .doc = "A few cases in some 20 seconds; fails if their ratios are far from usual"},
    {.name = "compare",
     .key = KEY_COMPARE,
     .arg = "A.json B.json",
     .doc = "Show two runs' JSON side by side"},
    {.name = "rounds", .key = 'r', .arg = "N", .doc = "Turns of each case, 15 by default"},
    {0},
};

struct options {
    struct command_common common;
    bool json;
    bool all;
    bool quick;
    const char *compare[2];
    const char *chosen[CHOSEN_MAX]; /* names; none: all but those on demand */
    size_t chosen_count;
    uint32_t rounds; /* 0: not said */
};

static bool is_case(const char *name)
{
    for (size_t i = 0; i < LENGTH(families); i++) {
        for (size_t k = 0; k < families[i]->count; k++) {
            if (strcmp(families[i]->cases[k].name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void choose(struct options *options, const char *name, const struct argp_state *state)
{
    if (!is_case(name)) {
        argp_error(state, "there is no case '%s'", name);
    }
    if (options->chosen_count == CHOSEN_MAX) {
        argp_error(state, "--case can be given %d times", CHOSEN_MAX);
    }
    options->chosen[options->chosen_count++] = name;
}

static uint32_t read_rounds(const char *argument, const struct argp_state *state)
{
    char *end;
    const unsigned long rounds = strtoul(argument, &end, 10);
    if (*end || *argument < '0' || *argument > '9' || rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
        argp_error(state, "--rounds is a number from 1 to %d, not '%s'", BENCH_ROUNDS_MAX,
                   argument);
    }
    return (uint32_t)rounds;
}

static void take_argument(struct options *options, const char *argument,
                          const struct argp_state *state)
{
    if (!options->compare[0] || options->compare[1]) {
        argp_error(state, "unexpected argument '%s'", argument);
    }
    options->compare[1] = argument;
}

static void check(const struct options *options, const struct argp_state *state)
{
    if (options->compare[0] && !options->compare[1]) {
        argp_error(state, "--compare takes two files");
    }
    if ((options->quick && options->all) ||
        ((options->quick || options->all) && options->chosen_count > 0)) {
        argp_error(state, "--quick, --all and --case exclude each other");
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->common;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case 'c':
        choose(options, argument, state);
        return 0;
    case KEY_ALL:
        options->all = true;
        return 0;
    case 'r':
        options->rounds = read_rounds(argument, state);
        return 0;
    case KEY_QUICK:
        options->quick = true;
        return 0;
    case KEY_COMPARE:
        options->compare[0] = argument;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(options, argument, state);
        return 0;
    case ARGP_KEY_END:
        check(options, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the run ---- */

static bool is_chosen(const struct options *options, const struct bench_case *bench)
{
    if (options->all || options->quick) {
        return options->all || bench->flags & BENCH_QUICK;
    }
    if (options->chosen_count == 0) {
        return !(bench->flags & BENCH_ON_DEMAND);
    }
    for (size_t i = 0; i < options->chosen_count; i++) {
        if (strcmp(options->chosen[i], bench->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Gives how many there are; `list` may be NULL. */
static size_t list_cases(const struct options *options, const struct bench_case **list)
{
    size_t count = 0;
    for (size_t i = 0; i < LENGTH(families); i++) {
        for (size_t k = 0; k < families[i]->count; k++) {
            if (!is_chosen(options, &families[i]->cases[k])) {
                continue;
            }
            if (list) {
                list[count] = &families[i]->cases[k];
            }
            count += 1;
        }
    }
    return count;
}

static enum command_exit open_device(struct bench_setup *setup)
{
    gyre_runtime_params params = command_runtime_params(setup->common);
    gyre_result result = gyre_runtime_create(&params, &setup->runtime);
    if (result == GYRE_OK) {
        result = gyre_runtime_device(setup->runtime, &setup->device, NULL);
    }
    return result == GYRE_OK ? COMMAND_OK : command_fail(result, "cannot start");
}

static void prepare(struct bench_setup *setup, const struct options *options)
{
    setup->common = &options->common;
    setup->log = (struct log){
        .callback = command_log,
        .user = (void *)(uintptr_t)&options->common,
        .level = command_log_level(&options->common),
    };
}

static enum command_exit open_cases(struct bench_run *run, const struct options *options)
{
    const size_t count = list_cases(options, NULL);
    const struct bench_case **list = calloc(count, sizeof *list);
    run->records = calloc(count, sizeof *run->records);
    enum command_exit code = COMMAND_OK;
    if (!list || !run->records) {
        command_say("bench: out of memory");
        code = COMMAND_FAILED;
    } else {
        run->count = list_cases(options, list);
    }
    bool needs_device = false;
    for (size_t i = 0; i < run->count; i++) {
        needs_device = needs_device || list[i]->flags & BENCH_NEEDS_DEVICE;
    }
    if (needs_device) {
        code = open_device(&run->setup);
    }
    for (size_t i = 0; code == COMMAND_OK && i < run->count; i++) {
        code = bench_record_open(&run->records[i], &run->setup, list[i]) ? COMMAND_OK
                                                                         : COMMAND_FAILED;
    }
    free(list);
    return code;
}

static enum command_exit run_rounds(struct bench_run *run, const struct options *options)
{
    const uint32_t rounds = options->rounds  ? options->rounds
                            : options->quick ? QUICK_ROUNDS
                                             : ROUNDS;
    for (uint32_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < run->count; i++) {
            if (!run->records[i].skipped && !bench_record_round(&run->records[i])) {
                return COMMAND_FAILED;
            }
        }
    }
    return COMMAND_OK;
}

/* A case of which nothing was verified has shown nothing. */
static enum command_exit verdict(const struct bench_run *run)
{
    enum command_exit code = COMMAND_OK;
    for (size_t i = 0; i < run->count; i++) {
        const struct bench_tally *tally = &run->records[i].tally;
        if (!run->records[i].skipped &&
            (tally->verified == 0 || tally->verified != tally->messages)) {
            code = COMMAND_FAILED;
        }
    }
    return code;
}

static void close_run(struct bench_run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        bench_record_close(&run->records[i]);
    }
    if (run->setup.plain_opened) {
        device_close(&run->setup.plain);
    }
    gyre_runtime_destroy(run->setup.runtime);
    free(run->records);
}

static enum command_exit measure(const struct options *options)
{
    struct bench_run run = {0};
    prepare(&run.setup, options);
    enum command_exit code = open_cases(&run, options);
    if (code == COMMAND_OK) {
        code = run_rounds(&run, options);
    }
    bool printed = true;
    if (code == COMMAND_OK) {
        code = verdict(&run);
        if (options->json) {
            printed = bench_print_json(&run);
        } else {
            bench_print_text(&run);
        }
        if (options->quick && !bench_is_within_bounds(&run)) {
            code = COMMAND_FAILED;
        }
    }
    close_run(&run);
    return printed ? code : COMMAND_FAILED;
}

int command_bench(int argc, char **argv)
{
    static const struct argp_child children[] = {{&command_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options_table, parse, "", doc, children, NULL, NULL};
    struct options options = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    const enum command_exit code = options.compare[0]
                                       ? bench_compare(options.compare[0], options.compare[1])
                                       : measure(&options);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        command_say("cannot write to stdout");
        return COMMAND_FAILED;
    }
    return (int)code;
}
