/* The two channels of an error: engine/result for the program, engine/log for the human. */
#include <gyre/result.h>

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "log.h"

static const struct {
    const char *name;
    int value;
} results[] = {
#define X(name, value, sentence) {"GYRE_" #name, value},
    GYRE_RESULTS(X)
#undef X
};

Test(result, success_is_zero)
{
    cr_assert_eq(GYRE_OK, 0);
    cr_assert_str_eq(gyre_result_name(GYRE_OK), "GYRE_OK");
    cr_assert_str_eq(gyre_result_text(GYRE_OK), "success");
}

/* Programs are linked against the values. */
Test(result, values_count_up_without_a_gap)
{
    for (size_t i = 0; i < LENGTH(results); ++i) {
        cr_assert_eq(results[i].value, (int)i);
    }
    cr_assert_eq(GYRE_ERROR_STATE, 2);
    cr_assert_eq(GYRE_ERROR_FULL, 6);
    cr_assert_eq(GYRE_ERROR_INTERNAL, 31);
    cr_assert_eq(GYRE_ERROR_CYCLE, 34);
}

Test(result, each_has_a_name_and_a_sentence_of_its_own)
{
    for (size_t i = 0; i < LENGTH(results); ++i) {
        gyre_result result = (gyre_result)results[i].value;
        cr_assert_str_eq(gyre_result_name(result), results[i].name);
        cr_assert_str_not_empty(gyre_result_text(result));
        for (size_t other = 0; other < i; ++other) {
            cr_assert_str_neq(gyre_result_text(result),
                              gyre_result_text((gyre_result)results[other].value));
        }
    }
}

Test(result, an_unknown_value_has_a_name_and_a_sentence_too)
{
    static const int unknown[] = {LENGTH(results), 12345, -1};
    for (size_t i = 0; i < LENGTH(unknown); ++i) {
        cr_assert_str_eq(gyre_result_name((gyre_result)unknown[i]), "GYRE_RESULT_UNKNOWN");
        cr_assert_str_not_empty(gyre_result_text((gyre_result)unknown[i]));
    }
}

struct heard {
    unsigned count;
    gyre_log_level level;
    char line[2048];
};

static void hear(void *user, gyre_log_level level, const char *message)
{
    struct heard *heard = user;
    heard->count += 1;
    heard->level = level;
    snprintf(heard->line, sizeof heard->line, "%s", message);
}

Test(log, a_sentence_reaches_the_callback_with_its_level)
{
    struct heard heard = {0};
    struct log log = {.callback = hear, .user = &heard, .level = GYRE_LOG_DEBUG};
    log_say(&log, GYRE_LOG_INFO, "%s: %d of %u", "vector_add", -1, 2u);
    cr_assert_eq(heard.count, 1);
    cr_assert_eq(heard.level, GYRE_LOG_INFO);
    cr_assert_str_eq(heard.line, "vector_add: -1 of 2");
}

Test(log, a_threshold_keeps_out_what_is_less_urgent)
{
    for (int threshold = GYRE_LOG_ERROR; threshold <= GYRE_LOG_DEBUG; ++threshold) {
        for (int level = GYRE_LOG_ERROR; level <= GYRE_LOG_DEBUG; ++level) {
            struct heard heard = {0};
            struct log log = {.callback = hear, .user = &heard, .level = (gyre_log_level)threshold};
            log_say(&log, (gyre_log_level)level, "x");
            cr_assert_eq(heard.count, level <= threshold);
        }
    }
}

Test(log, without_a_threshold_warnings_are_heard_and_nothing_below)
{
    struct heard heard = {0};
    struct log log = {.callback = hear, .user = &heard};
    log_say(&log, GYRE_LOG_INFO, "x");
    log_say(&log, GYRE_LOG_DEBUG, "x");
    cr_assert_eq(heard.count, 0);
    log_say(&log, GYRE_LOG_WARNING, "x");
    log_say(&log, GYRE_LOG_ERROR, "x");
    cr_assert_eq(heard.count, 2);
}

Test(log, without_a_callback_nothing_is_said)
{
    struct log log = {.level = GYRE_LOG_DEBUG};
    log_say(&log, GYRE_LOG_ERROR, "x");
    cr_assert_eq(log_fail(&log, GYRE_ERROR_FULL, "x"), GYRE_ERROR_FULL);
}

Test(log, a_failure_is_said_as_an_error_and_its_result_comes_back)
{
    struct heard heard = {0};
    struct log log = {.callback = hear, .user = &heard, .level = GYRE_LOG_ERROR};
    cr_assert_eq(log_fail(&log, GYRE_ERROR_STATE, "'%s' is %s", "a", "ACTIVE"), GYRE_ERROR_STATE);
    cr_assert_eq(heard.level, GYRE_LOG_ERROR);
    cr_assert_str_eq(heard.line, "'a' is ACTIVE");
}

Test(log, a_sentence_too_long_is_cut_not_dropped)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct heard heard = {0};
    struct log log = {.callback = hear, .user = &heard};
    log_say(&log, GYRE_LOG_ERROR, "%s", text);
    cr_assert_eq(heard.count, 1);
    cr_assert_gt(strlen(heard.line), 500);
    cr_assert_eq(strspn(heard.line, "x"), strlen(heard.line));
}

Test(log, the_ready_made_callback_writes_lines_to_stderr, .init = cr_redirect_stderr)
{
    gyre_log_stderr(NULL, GYRE_LOG_ERROR, "first");
    gyre_log_stderr(NULL, GYRE_LOG_WARNING, "second");
    gyre_log_stderr(NULL, GYRE_LOG_INFO, "third");
    gyre_log_stderr(NULL, GYRE_LOG_DEBUG, "fourth");
    gyre_log_stderr(NULL, (gyre_log_level)99, "fifth");
    fflush(stderr);
    cr_assert_stderr_eq_str("gyre: error: first\n"
                            "gyre: warning: second\n"
                            "gyre: third\n"
                            "gyre: fourth\n"
                            "gyre: fifth\n");
}
