/* tools/stats: a kernel's statistics as a table and as JSON. */
#include "stats.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static char *table(const gyre_stats *stats, uint64_t waits)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    cr_assert_not_null(file);
    stats_print(file, stats, waits);
    fclose(file);
    return text;
}

static void expect_table(const gyre_stats *stats, uint64_t waits, const char *expected)
{
    char *text = table(stats, waits);
    cr_assert_str_eq(text, expected);
    free(text);
}

Test(stats, a_table_leaves_out_what_says_nothing)
{
    expect_table(&(gyre_stats){0}, 0,
                 "messages     accepted                              0\n"
                 "             processed                             0\n"
                 "answers      received                              0\n"
                 "residencies  all                                   0\n"
                 "             submissions                           0\n"
                 "             strict, resident for 0 ns of 0 ns\n");
}

Test(stats, a_table_is_aligned_and_grouped)
{
    const gyre_stats stats = {
        .accepted = 20000,
        .processed = 19900,
        .failed = 90,
        .expired = 7,
        .dropped = 3,
        .dropped_oldest = 3,
        .rejected = 12,
        .rejected_full = 12,
        .received = 20000,
        .queueing = {20000, 400, 9900, 1250000, 1310000, 1400000},
        .processing = {19990, 800, 1500, 21000, 999600, 2000000000},
        .live = true,
        .live_seen = 5000,
        .submissions = 40,
        .residencies = 60,
        .exits = {.idle = 50, .budget = 10},
        .resident_ns = 380000000,
        .uptime_ns = 1200000000,
        .last_error = GYRE_ERROR_HANDLER,
        .last_error_code = 3,
    };
    expect_table(&stats, 4,
                 "messages     accepted                          20000\n"
                 "             processed                         19900\n"
                 "             failed                               90\n"
                 "lost         expired                               7\n"
                 "             dropped for a newer one               3\n"
                 "             refused, queue full                   8\n"
                 "answers      received                          20000\n"
                 "residencies  all                                  60\n"
                 "               ended: idle                        50\n"
                 "               ended: budget                      10\n"
                 "             submissions                          40\n"
                 "             messages seen live                 5000\n"
                 "             live, resident for 380 ms of 1.2 s\n"
                 "latency             min        p50        p99      p99.9        max\n"
                 "  queueing       400 ns     9.9 us    1.25 ms    1.31 ms     1.4 ms\n"
                 "  processing     800 ns     1.5 us      21 us       1 ms        2 s\n"
                 "last error   the handler called gyre_fail() (code 3)\n");
}

/* Each byte 0x7f: nothing is 0, and nothing is larger. */
static gyre_stats everything(gyre_result result)
{
    gyre_stats stats;
    memset(&stats, 0x7f, sizeof stats);
    stats.live = true;
    stats.in_flight = true;
    stats.fault = result;
    stats.last_error = result;
    return stats;
}

Test(stats, no_row_is_wider_than_a_terminal)
{
    for (int result = GYRE_OK; result <= GYRE_ERROR_INTERNAL; result++) {
        const gyre_stats stats = everything((gyre_result)result);
        char *text = table(&stats, 0);
        for (const char *row = text; *row; row += strcspn(row, "\n") + 1) {
            cr_assert_leq(strcspn(row, "\n"), 80, "%.*s", (int)strcspn(row, "\n"), row);
        }
        free(text);
    }
}

/* That no member is missing is for tests/tool/test_run.py, which reads the header. */
Test(stats, json_is_one_line)
{
    const gyre_stats stats = everything(GYRE_ERROR_DEVICE_LOST);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    cr_assert(stats_print_json(file, &stats));
    fclose(file);
    cr_assert_eq(strcspn(text, "\n"), size - 1);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(object);
    cr_assert_eq(json_integer_value(json_object_get(object, "last_error_code")), 0x7f7f7f7f);
    cr_assert_eq(json_integer_value(json_object_get(object, "accepted")),
                 INT64_C(0x7f7f7f7f7f7f7f7f));
    cr_assert_str_eq(json_string_value(json_object_get(object, "fault")), "GYRE_ERROR_DEVICE_LOST");
    cr_assert(json_is_true(json_object_get(object, "live")));
    json_decref(object);
    free(text);
}
