/* The table and the JSON of a run. */
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "bench_result.h"

/* ---- JSON ---- */

static json_t *json_of_device(const struct bench_setup *setup)
{
    const gyre_device_info *device = &setup->device;
    if (!setup->runtime) {
        return json_null();
    }
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "index", (json_int_t)device->index, "name",
                     device->name, "uuid", command_uuid(device->uuid).text, "type", device->type,
                     "driver", device->driver, "api_version", device->api_version);
}

static json_t *json_of_ratio(struct bench_spread ratio)
{
    return ratio.median > 0 ? json_real(ratio.median) : json_null();
}

static json_t *json_of_spread(struct bench_spread spread)
{
    return json_pack("[f, f]", spread.low, spread.high);
}

static void add_ratios(json_t *out, const struct bench_run *run, const struct bench_record *record)
{
    const struct bench_record *dispatched = bench_dispatched(run, record);
    if (bench_is_stream(record->bench)) {
        json_object_set_new(out, "rate_of_batched",
                            json_of_ratio(bench_rate_ratio(record, dispatched)));
    } else {
        const struct bench_record *floor = bench_find(run, "floor", NULL);
        json_object_set_new(out, "p50_of_floor", json_of_ratio(bench_p50_ratio(record, floor)));
        json_object_set_new(out, "p50_of_dispatch",
                            json_of_ratio(bench_p50_ratio(record, dispatched)));
    }
    if (record->bench->flags & BENCH_LINKED) {
        json_object_set_new(out, "rate_of_host",
                            json_of_ratio(bench_rate_ratio(record, bench_hosted(run, record))));
    }
}

static json_t *json_of_case(const struct bench_run *run, const struct bench_record *record)
{
    const struct bench_case *bench = record->bench;
    const struct bench_result result = bench_evaluate(record);
    json_t *out = json_pack(
        "{s:s, s:s?, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:o}", "name", bench->name,
        "variant", bench->variant, "visibility", result.visibility, "messages",
        (json_int_t)record->tally.messages, "verified", (json_int_t)record->tally.verified,
        "rounds", (json_int_t)record->round_count, "bytes",
        (json_int_t)(bench->words * sizeof(uint32_t)), "p50_ns", (json_int_t)result.p50.median,
        "p99_ns", (json_int_t)result.p99.median, "p999_ns", (json_int_t)result.p999.median,
        "p50_spread_ns", json_of_spread(result.p50), "rate_per_s", result.rate.median,
        "rate_spread_per_s", json_of_spread(result.rate));
    if (out && bench->wait) {
        json_object_set_new(out, "wait", json_string(bench->wait));
    }
    add_ratios(out, run, record);
    return out;
}

static void now(char *text, size_t size)
{
    const time_t seconds = time(NULL);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

bool bench_print_json(const struct bench_run *run)
{
    char date[32];
    now(date, sizeof date);
    json_t *list = json_array();
    for (size_t i = 0; i < run->count; i++) {
        if (bench_counts(run, &run->records[i])) {
            json_array_append_new(list, json_of_case(run, &run->records[i]));
        }
    }
    json_t *root = json_pack("{s:s, s:s, s:o, s:o}", "gyre", gyre_version(), "date", date, "device",
                             json_of_device(&run->setup), "cases", list);
    const bool printed = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 &&
                         putchar('\n') != EOF;
    json_decref(root);
    return printed;
}

/* ---- the table ---- */

static void print_ratio(double value)
{
    if (value > 0) {
        printf(" %8.3gx", value);
    } else {
        printf(" %9s", "-");
    }
}

/* Half of the middle half of the rounds, in percent of their median. */
static int percent(struct bench_spread spread)
{
    const double half = (spread.high - spread.low) / 2 / spread.median * 100;
    return half < 999 ? (int)(half + 0.5) : 999;
}

static void print_case(const struct bench_run *run, const struct bench_record *record)
{
    const struct bench_case *bench = record->bench;
    const struct bench_result result = bench_evaluate(record);
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", bench->name, bench->variant ? " " : "",
             bench->variant ? bench->variant : "");
    printf("%-30s %-6s %7s %3d%% %7s %7s %9.0f %3d%%", name,
           result.visibility ? result.visibility
           : bench->wait     ? bench->wait
                             : "-",
           command_duration((uint64_t)result.p50.median).text, percent(result.p50),
           command_duration((uint64_t)result.p99.median).text,
           command_duration((uint64_t)result.p999.median).text, result.rate.median,
           percent(result.rate));
    const struct bench_record *dispatched = bench_dispatched(run, record);
    if (bench_is_stream(bench)) {
        print_ratio(0);
        print_ratio(bench_rate_ratio(record, dispatched).median);
    } else {
        print_ratio(bench_p50_ratio(record, bench_find(run, "floor", NULL)).median);
        print_ratio(bench_p50_ratio(dispatched, record).median);
    }
    printf("\n");
}

void bench_print_text(const struct bench_run *run)
{
    if (run->setup.runtime) {
        printf("%s (%s)\n", run->setup.device.name, run->setup.device.driver);
    }
    printf("%-30s %-6s %7s %4s %7s %7s %9s %4s %9s %9s\n", "case", "", "p50", "+-", "p99", "p99.9",
           "per s", "+-", "of floor", "dispatch");
    for (size_t i = 0; i < run->count; i++) {
        if (bench_counts(run, &run->records[i])) {
            print_case(run, &run->records[i]);
        }
    }
    printf("+-: half of the middle half of the rounds. of floor: p50 as a multiple of the floor's."
           "\ndispatch: how many times shorter than one dispatch per message; of streams, how "
           "many times the rate\nof one dispatch per 1,024 messages of that size.\n");
}
