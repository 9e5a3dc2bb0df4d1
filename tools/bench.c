/* gyre bench: round trips through a resident kernel, and what they are to be compared with, in one
 * run. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "bench.h"

static const char doc[] =
    "Measures the time from handing a 64-byte message over to having its answer, one message at "
    "a time, in cases that take turns within one run. The content of every answer is checked.\v"
    "Cases:\n"
    "  line         two C threads, one cache line there and one back: what the machine can do\n"
    "  floor        two C threads over the engine's ring code: what Gyre's protocol costs\n"
    "  dispatch     one submission and one fence for each message, recorded once, waiting by "
    "spinning or by blocking, whichever is faster: what is done without Gyre\n"
    "  roundtrip-1  a resident kernel of one invocation, through gyre_send and gyre_receive\n\n"
    "Percentiles are exact, over all rounds; rates and ratios are medians of the rounds. With "
    "--json: {\"gyre\": version, \"device\": {...}, \"cases\": [{\"name\", \"visibility\", "
    "\"messages\", \"verified\", \"p50_ns\", \"p99_ns\", \"p999_ns\", \"rate_per_s\", "
    "\"p50_of_floor\", \"p50_of_dispatch\"}]}, where `verified` counts the answers that were "
    "checked and right.\n\n"
    "Exit codes: 0 every answer came and was right; 1 one was wrong or missing; 2 usage; 3 no "
    "usable device.";

enum {
    ROUNDS = 40,
    ROUNDS_MAX = 1000,
    WARM_UP = 200, /* messages that begin a round, not counted: threads wake up, caches fill */
    ROUND_MESSAGES = 20000,
};
#define ROUND_NS UINT64_C(40000000)  /* whichever of the two is reached first */
#define WARM_UP_NS UINT64_C(1000000) /* at least */

static const struct bench_case *const cases[] = {
    &bench_line, &bench_floor, &bench_dispatch_spin, &bench_dispatch_block, &bench_roundtrip_1,
};
enum { CASE_COUNT = sizeof cases / sizeof *cases };

static const struct argp_option options_table[] = {
    {.name = "json", .key = 'j', .doc = "One JSON object on stdout"},
    {.name = "case",
     .key = 'c',
     .arg = "NAME",
     .doc = "Only this case; may be given several times"},
    {.name = "rounds", .key = 'r', .arg = "N", .doc = "Turns of each case, 40 by default"},
    {0},
};

struct options {
    struct command_common common;
    bool json;
    bool chosen[CASE_COUNT];
    bool any_chosen;
    uint32_t rounds;
};

static void choose(struct options *options, const char *name, const struct argp_state *state)
{
    bool found = false;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        if (strcmp(cases[i]->name, name) == 0) {
            options->chosen[i] = found = true;
        }
    }
    options->any_chosen = true;
    if (!found) {
        argp_error(state, "there is no case '%s'", name);
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    char *end;
    unsigned long rounds;
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
    case 'r':
        rounds = strtoul(argument, &end, 10);
        if (*end || *argument < '0' || *argument > '9' || rounds == 0 || rounds > ROUNDS_MAX) {
            argp_error(state, "--rounds is a number from 1 to %d, not '%s'", ROUNDS_MAX, argument);
        }
        options->rounds = (uint32_t)rounds;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- measuring ---- */

struct record {
    const struct bench_case *bench;
    void *state;
    uint64_t *times;
    size_t count;
    size_t capacity;
    uint64_t verified;
    uint64_t serial;
    double *rates; /* of the rounds */
    double *p50s;  /* likewise, in nanoseconds */
    uint32_t rounds;
    /* Found at the end. */
    uint64_t p50;
    uint64_t p99;
    uint64_t p999;
    double rate;
    const char *visibility;
};

/* No two messages in a row are alike, nor two words of one. */
static void make_message(uint32_t *words, uint32_t count, uint64_t serial)
{
    uint64_t x = serial * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < count; i++) {
        x ^= x >> 31;
        x *= UINT64_C(0xbf58476d1ce4e5b9);
        words[i] = (uint32_t)(x >> 32);
    }
}

static bool is_right(const uint32_t *in, const uint32_t *out, uint32_t count)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count; i++) {
        wrong |= out[i] ^ bench_answer(in[i], i);
    }
    return wrong == 0;
}

static bool make_room(struct record *record)
{
    if (record->count < record->capacity) {
        return true;
    }
    const size_t capacity = record->capacity ? record->capacity * 2 : ROUND_MESSAGES;
    uint64_t *grown = realloc(record->times, capacity * sizeof *grown);
    if (!grown) {
        command_say("bench: out of memory");
        return false;
    }
    record->times = grown;
    record->capacity = capacity;
    return true;
}

/* One message there and back; its time, 0 if the answer is missing. */
static uint64_t measure(struct record *record, uint64_t serial, bool *right)
{
    uint32_t in[BENCH_WORDS] = {0}, out[BENCH_WORDS] = {0};
    const uint32_t words = record->bench->words;
    make_message(in, words, serial);
    const uint64_t start = base_now_ns();
    const bool done = record->bench->exchange(record->state, in, out);
    const uint64_t end = base_now_ns();
    *right = is_right(in, out, words);
    return !done ? 0 : end > start ? end - start : 1;
}

static void count(struct record *record, uint64_t time, bool right)
{
    if (!right && record->verified == record->count) {
        command_say("%s: wrong answer, after %" PRIu64 " right ones", record->bench->name,
                    record->verified);
    }
    record->times[record->count++] = time;
    record->verified += right ? 1 : 0;
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool warm_up(struct record *record)
{
    const uint64_t began = base_now_ns();
    for (uint32_t i = 0; i < WARM_UP || base_now_ns() - began < WARM_UP_NS; i++) {
        bool right;
        const uint64_t time = measure(record, ++record->serial, &right);
        if (time == 0 || !make_room(record)) {
            return false;
        }
        if (!right) {
            count(record, time, false);
        }
    }
    return true;
}

static bool run_messages(struct record *record)
{
    const size_t first = record->count;
    const uint64_t began = base_now_ns();
    for (uint32_t i = 0; i < ROUND_MESSAGES; i++) {
        if (i % 64 == 63 && base_now_ns() - began > ROUND_NS) {
            break;
        }
        bool right;
        const uint64_t time = measure(record, ++record->serial, &right);
        if (time == 0 || !make_room(record)) {
            return false;
        }
        count(record, time, right);
    }
    const size_t messages = record->count - first;
    record->rates[record->rounds] = (double)messages * 1e9 / (double)(base_now_ns() - began);
    qsort(record->times + first, messages, sizeof *record->times, compare_times);
    record->p50s[record->rounds] = (double)record->times[first + messages / 2];
    record->rounds += 1;
    return true;
}

static bool run_round(struct record *record)
{
    if (!record->bench->begin(record->state)) {
        return false;
    }
    const bool right = warm_up(record) && run_messages(record);
    return record->bench->end(record->state) && right;
}

static void evaluate(struct record *record)
{
    qsort(record->times, record->count, sizeof *record->times, compare_times);
    qsort(record->rates, record->rounds, sizeof *record->rates, compare_doubles);
    record->p50 = record->times[record->count / 2];
    record->p99 = record->times[record->count * 99 / 100];
    record->p999 = record->times[record->count * 999 / 1000];
    record->rate = record->rates[record->rounds / 2];
    record->visibility = record->bench->visibility ? record->bench->visibility(record->state)
                                                   : NULL;
}

/* ---- the run ---- */

struct run {
    struct options options;
    struct bench_setup setup;
    struct record records[CASE_COUNT];
    size_t count;
    bool complete; /* no answer is missing */
};

static enum command_exit open_device(struct run *run)
{
    gyre_runtime_params params = command_runtime_params(&run->options.common);
    gyre_result result = gyre_runtime_create(&params, &run->setup.runtime);
    if (result == GYRE_OK) {
        result = gyre_runtime_device(run->setup.runtime, &run->setup.device, NULL);
    }
    return result == GYRE_OK ? COMMAND_OK : command_fail(result, "cannot start");
}

static enum command_exit open_cases(struct run *run)
{
    bool needs_device = false;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        if (!run->options.any_chosen || run->options.chosen[i]) {
            run->records[run->count++].bench = cases[i];
            needs_device = needs_device || cases[i]->needs_device;
        }
    }
    run->setup.common = &run->options.common;
    enum command_exit code = needs_device ? open_device(run) : COMMAND_OK;
    for (size_t i = 0; code == COMMAND_OK && i < run->count; i++) {
        struct record *record = &run->records[i];
        record->rates = calloc(run->options.rounds, sizeof *record->rates);
        record->p50s = calloc(run->options.rounds, sizeof *record->p50s);
        if (!record->rates || !record->p50s || !record->bench->open(&run->setup, &record->state)) {
            code = COMMAND_FAILED;
        }
    }
    return code;
}

static enum command_exit run_cases(struct run *run)
{
    for (uint32_t round = 0; round < run->options.rounds; round++) {
        for (size_t i = 0; i < run->count; i++) {
            if (!run_round(&run->records[i])) {
                return COMMAND_FAILED;
            }
        }
    }
    enum command_exit code = COMMAND_OK;
    for (size_t i = 0; i < run->count; i++) {
        evaluate(&run->records[i]);
        code = run->records[i].verified == run->records[i].count ? code : COMMAND_FAILED;
    }
    run->complete = true;
    return code;
}

static void close_cases(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct record *record = &run->records[i];
        if (record->state) {
            record->bench->close(record->state);
        }
        free(record->times);
        free(record->rates);
        free(record->p50s);
    }
    gyre_runtime_destroy(run->setup.runtime);
}

/* ---- results ---- */

/* The fastest of that name; NULL if there is none. */
static const struct record *find(const struct run *run, const char *name)
{
    const struct record *best = NULL;
    for (size_t i = 0; i < run->count; i++) {
        const struct record *record = &run->records[i];
        if (strcmp(record->bench->name, name) == 0 && (!best || record->p50 < best->p50)) {
            best = record;
        }
    }
    return best;
}

/* The p50 of one case as a multiple of that of another, the median of the rounds; 0 if there is
 * nothing to compare with. Round by round, because the cores of a virtual machine may be close to
 * each other in one second and far apart in the next: seen on a 2-core one, 0.14 and 0.5 us. */
static double ratio(const struct record *record, const struct record *other)
{
    double ratios[ROUNDS_MAX];
    if (!record || !other) {
        return 0;
    }
    for (uint32_t i = 0; i < record->rounds; i++) {
        ratios[i] = record->p50s[i] / other->p50s[i];
    }
    qsort(ratios, record->rounds, sizeof *ratios, compare_doubles);
    return ratios[record->rounds / 2];
}

static json_t *json_of_ratio(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

static json_t *json_of_device(const struct run *run)
{
    const gyre_device_info *device = &run->setup.device;
    if (!run->setup.runtime) {
        return json_null();
    }
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "index", (json_int_t)device->index, "name",
                     device->name, "uuid", command_uuid(device->uuid).text, "type", device->type,
                     "driver", device->driver, "api_version", device->api_version);
}

static json_t *json_of_case(const struct run *run, const struct record *record)
{
    json_t *out = json_pack("{s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o}", "name",
                            record->bench->name, "visibility", record->visibility, "messages",
                            (json_int_t)record->count, "verified", (json_int_t)record->verified,
                            "p50_ns", (json_int_t)record->p50, "p99_ns", (json_int_t)record->p99,
                            "p999_ns", (json_int_t)record->p999, "rate_per_s", record->rate,
                            "p50_of_floor", json_of_ratio(ratio(record, find(run, "floor"))),
                            "p50_of_dispatch", json_of_ratio(ratio(record, find(run, "dispatch"))));
    if (out && record->bench->variant) {
        json_object_set_new(out, "wait", json_string(record->bench->variant));
    }
    return out;
}

static bool print_json(const struct run *run)
{
    json_t *list = json_array();
    for (size_t i = 0; i < run->count; i++) {
        const struct record *record = &run->records[i];
        if (record == find(run, record->bench->name)) {
            json_array_append_new(list, json_of_case(run, record));
        }
    }
    json_t *root = json_pack("{s:s, s:o, s:o}", "gyre", gyre_version(), "device",
                             json_of_device(run), "cases", list);
    const bool printed = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 &&
                         putchar('\n') != EOF;
    json_decref(root);
    return printed;
}

static void print_ratio(double value)
{
    if (value > 0) {
        printf("  %8.3gx", value);
    } else {
        printf("  %9s", "-");
    }
}

static void print_text(const struct run *run)
{
    const struct record *floor = find(run, "floor"), *dispatch = find(run, "dispatch");
    if (run->setup.runtime) {
        printf("%s (%s)\n", run->setup.device.name, run->setup.device.driver);
    }
    printf("%-12s  %-10s  %9s  %9s  %9s  %10s  %9s  %9s\n", "case", "visibility", "p50", "p99",
           "p99.9", "per second", "of floor", "dispatch");
    for (size_t i = 0; i < run->count; i++) {
        const struct record *record = &run->records[i];
        if (record != find(run, record->bench->name)) {
            continue;
        }
        printf("%-12s  %-10s  %9s  %9s  %9s  %10.0f", record->bench->name,
               record->visibility       ? record->visibility
               : record->bench->variant ? record->bench->variant
                                        : "-",
               command_duration(record->p50).text, command_duration(record->p99).text,
               command_duration(record->p999).text, record->rate);
        print_ratio(ratio(record, floor));
        print_ratio(ratio(dispatch, record));
        printf("\n");
    }
    printf("`of floor`: p50 as a multiple of the floor's; `dispatch`: how many times shorter than "
           "one dispatch per "
           "message\n");
}

int command_bench(int argc, char **argv)
{
    static const struct argp_child children[] = {{&command_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options_table, parse, "", doc, children, NULL, NULL};
    struct run run = {.options.rounds = ROUNDS};
    argp_parse(&argp, argc, argv, 0, NULL, &run.options);

    enum command_exit code = open_cases(&run);
    if (code == COMMAND_OK) {
        code = run_cases(&run);
    }
    bool printed = true;
    if (run.complete && run.options.json) {
        printed = print_json(&run);
    } else if (run.complete) {
        print_text(&run);
    }
    close_cases(&run);
    if (fflush(stdout) != 0 || !printed) {
        command_say("cannot write to stdout");
        return COMMAND_FAILED;
    }
    return (int)code;
}
