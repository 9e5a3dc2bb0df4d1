#include "stats.h"

#include <inttypes.h>
#include <jansson.h>

#include "base.h"
#include "command.h"

/* ---- for programs ---- */

static json_t *json_of_count(uint64_t count)
{
    return json_integer((json_int_t)count);
}

static json_t *json_of_latency(const gyre_latency *latency)
{
    json_t *object = json_object();
#define SET(name) json_object_set_new(object, #name, json_of_count(latency->name))
    SET(count);
    SET(min);
    SET(p50);
    SET(p99);
    SET(p999);
    SET(max);
#undef SET
    return object;
}

static json_t *json_of_exits(const gyre_exits *exits)
{
    json_t *object = json_object();
#define X(reason) json_object_set_new(object, #reason, json_of_count(exits->reason));
    GYRE_EXIT_REASONS(X)
#undef X
    return object;
}

static void set_counts(json_t *object, const gyre_stats *stats)
{
#define SET(name) json_object_set_new(object, #name, json_of_count(stats->name))
    SET(accepted);
    SET(processed);
    SET(failed);
    SET(expired);
    SET(dropped);
    SET(dropped_oldest);
    SET(dropped_newest);
    SET(dropped_terminated);
    SET(dropped_unlinked);
    SET(rejected);
    SET(rejected_full);
    SET(rejected_invalid);
    SET(ticks);
    SET(linked);
    SET(forwarded);
    SET(link_lost);
    SET(link_missed);
    SET(redelivered);
    SET(corrupt);
    SET(received);
    SET(requests);
    SET(orphaned);
    SET(output_dropped);
    SET(dead_dropped);
    SET(staged);
    SET(window);
    SET(unread);
    SET(awaited);
    SET(dead_letters);
    SET(link_waiting);
    SET(live_seen);
    SET(submissions);
    SET(residencies);
    SET(resident_ns);
    SET(uptime_ns);
    SET(last_error_code);
    SET(last_error_id);
#undef SET
}

json_t *stats_json(const gyre_stats *stats)
{
    json_t *object = json_object();
    set_counts(object, stats);
    json_object_set_new(object, "queueing", json_of_latency(&stats->queueing));
    json_object_set_new(object, "processing", json_of_latency(&stats->processing));
    json_object_set_new(object, "submission_time", json_of_latency(&stats->submission_time));
    json_object_set_new(object, "exits", json_of_exits(&stats->exits));
    json_object_set_new(object, "live", json_boolean(stats->live));
    json_object_set_new(object, "in_flight", json_boolean(stats->in_flight));
    json_object_set_new(object, "fault", json_string(gyre_result_name(stats->fault)));
    json_object_set_new(object, "last_error", json_string(gyre_result_name(stats->last_error)));
    return object;
}

bool stats_print_json(FILE *file, const gyre_stats *stats)
{
    json_t *object = stats_json(stats);
    const bool printed = object && json_dumpf(object, file, 0) == 0 && fputc('\n', file) != EOF;
    json_decref(object);
    return fflush(file) == 0 && printed;
}

/* ---- for people ---- */

struct row {
    const char *name;
    uint64_t count;
    bool always; /* also where it is 0 */
};

/* Nothing if no row has anything to say. */
static void print_rows(FILE *file, const char *title, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].count || rows[i].always) {
            fprintf(file, "%-11s  %-24s %14" PRIu64 "\n", title, rows[i].name, rows[i].count);
            title = "";
        }
    }
}

static void print_messages(FILE *file, const gyre_stats *stats)
{
    const struct row rows[] = {
        {"accepted", stats->accepted, true},
        {"  ticks among them", stats->ticks, false},
        {"  by links among them", stats->linked, false},
        {"processed", stats->processed, true},
        {"failed", stats->failed, false},
        {"left on the host", stats->staged, false},
        {"left on the device", stats->window, false},
        {"left in links", stats->link_waiting, false},
        {"sent to other kernels", stats->forwarded, false},
        {"given to a handler again", stats->redelivered, false},
    };
    print_rows(file, "messages", rows, LENGTH(rows));
}

static void print_losses(FILE *file, const gyre_stats *stats, uint64_t waits)
{
    const struct row rows[] = {
        {"expired", stats->expired, false},
        {"dropped for a newer one", stats->dropped_oldest, false},
        {"dropped as the lowest", stats->dropped_newest, false},
        {"dropped at the end", stats->dropped_terminated, false},
        {"dropped with a link", stats->dropped_unlinked, false},
        {"found a link full", stats->link_lost, false},
        {"missed, link was full", stats->link_missed, false},
        {"refused, queue full", stats->rejected_full - waits, false},
        {"refused, invalid", stats->rejected_invalid, false},
    };
    print_rows(file, "lost", rows, LENGTH(rows));
}

static void print_answers(FILE *file, const gyre_stats *stats)
{
    const struct row rows[] = {
        {"received", stats->received, true},
        {"unread", stats->unread, false},
        {"dropped, queue full", stats->output_dropped, false},
        {"corrupt", stats->corrupt, false},
        {"requests", stats->requests, false},
        {"requests that wait", stats->awaited, false},
        {"to requests given up", stats->orphaned, false},
        {"dead letters", stats->dead_letters, false},
        {"dead letters dropped", stats->dead_dropped, false},
    };
    print_rows(file, "answers", rows, LENGTH(rows));
}

static void print_residencies(FILE *file, const gyre_stats *stats)
{
    const struct row rows[] = {
        {"all", stats->residencies, true},
#define X(reason) {"  ended: " #reason, stats->exits.reason, false},
        GYRE_EXIT_REASONS(X)
#undef X
            {"submissions", stats->submissions, true},
        {"messages seen live", stats->live_seen, stats->live},
    };
    print_rows(file, "residencies", rows, LENGTH(rows));
    fprintf(file, "%-11s  %s, resident for %s of %s\n", "", stats->live ? "live" : "strict",
            command_duration(stats->resident_ns).text, command_duration(stats->uptime_ns).text);
}

static void print_latency(FILE *file, const char *name, const gyre_latency *latency)
{
    if (latency->count) {
        fprintf(file, "%-12s %10s %10s %10s %10s %10s\n", name, command_duration(latency->min).text,
                command_duration(latency->p50).text, command_duration(latency->p99).text,
                command_duration(latency->p999).text, command_duration(latency->max).text);
    }
}

static void print_errors(FILE *file, const gyre_stats *stats)
{
    char code[32] = "";
    if (stats->last_error == GYRE_ERROR_HANDLER) {
        snprintf(code, sizeof code, " (code %" PRIu32 ")", stats->last_error_code);
    }
    if (stats->last_error != GYRE_OK) {
        fprintf(file, "last error   %s%s\n", gyre_result_text(stats->last_error), code);
    }
    if (stats->fault != GYRE_OK) {
        fprintf(file, "fault        %s\n", gyre_result_text(stats->fault));
    }
}

void stats_print(FILE *file, const gyre_stats *stats, uint64_t waits)
{
    print_messages(file, stats);
    print_losses(file, stats, waits);
    print_answers(file, stats);
    print_residencies(file, stats);
    if (stats->queueing.count || stats->processing.count) {
        fprintf(file, "%-12s %10s %10s %10s %10s %10s\n", "latency", "min", "p50", "p99", "p99.9",
                "max");
        print_latency(file, "  queueing", &stats->queueing);
        print_latency(file, "  processing", &stats->processing);
    }
    print_errors(file, stats);
    fflush(file);
}
