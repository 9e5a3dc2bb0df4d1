/* Topics and their patterns: engine/pattern. */
#include "pattern.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(pattern, a_topic_is_words_with_dots_between)
{
    static const char *const good[] = {"a", "a.b", "sensor.kitchen.temperature", "a b.c\xc3\xa4"};
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a.*", "#", "a*b", "a.b#"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; ++i) {
        cr_assert(pattern_is_topic(good[i]), "%s", good[i]);
        cr_assert(pattern_is_valid(good[i]), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
        cr_assert(!pattern_is_topic(bad[i]), "%s", bad[i]);
    }
    cr_assert(!pattern_is_topic(NULL));
}

Test(pattern, wildcards_are_whole_words)
{
    static const char *const good[] = {"*", "#", "a.*", "*.b", "#.#", "a.#.b", "*.*.#"};
    static const char *const bad[] = {"", "a*", "*a", "##", "a.b#", "**", "#.", ".#"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; ++i) {
        cr_assert(pattern_is_valid(good[i]), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
        cr_assert(!pattern_is_valid(bad[i]), "%s", bad[i]);
    }
}

Test(pattern, what_is_too_long_is_refused)
{
    char text[PATTERN_SIZE + 1];
    memset(text, 'a', sizeof text);
    text[PATTERN_SIZE] = '\0';
    cr_assert(!pattern_is_topic(text));
    text[PATTERN_SIZE - 1] = '\0';
    cr_assert(pattern_is_topic(text));
}

Test(pattern, matches_as_a_topic_exchange_does)
{
    static const struct {
        const char *pattern;
        const char *topic;
        bool matches;
    } cases[] = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "a.b", false},
        {"a.b", "a", false},
        {"*", "a", true},
        {"*", "a.b", false},
        {"a.*", "a.b", true},
        {"a.*", "a", false},
        {"*.b", "a.b", true},
        {"a.*.c", "a.b.c", true},
        {"a.*.c", "a.b.d", false},
        {"#", "a", true},
        {"#", "a.b.c", true},
        {"a.#", "a", true},
        {"a.#", "a.b.c", true},
        {"a.#", "b", false},
        {"#.c", "c", true},
        {"#.c", "a.b.c", true},
        {"#.c", "a.c.b", false},
        {"a.#.d", "a.d", true},
        {"a.#.d", "a.b.c.d", true},
        {"a.#.d", "a.b.c", false},
        {"#.#", "a", true},
        {"#.b.#", "a.b.c", true},
        {"#.b.#", "b", true},
        {"#.b.#", "a.c", false},
        {"*.#", "a", true},
        {"#.*", "a.b", true},
        {"*.*.#", "a", false},
        {"#.a.b", "a.a.b", true},
        {"#.a.b", "a.b.a.b", true},
        {"#.a.*", "a.a.a", true},
        {"ab", "a", false},
        {"a", "ab", false},
        {"#.b.#.d", "a.b.c.d", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        cr_assert_eq(pattern_matches(cases[i].pattern, cases[i].topic), cases[i].matches, "%s %s",
                     cases[i].pattern, cases[i].topic);
    }
}

/* By its definition, without cleverness. */
static bool matches_by_definition(const char *pattern, const char *topic)
{
    if (!*pattern) {
        return !*topic;
    }
    const char *rest = pattern[1] ? pattern + 2 : pattern + 1;
    if (*pattern == '#') {
        for (const char *at = topic;; at = at[1] ? at + 2 : at + 1) {
            if (matches_by_definition(rest, at)) {
                return true;
            }
            if (!*at) {
                return false;
            }
        }
    }
    if (!*topic || (*pattern != '*' && *pattern != *topic)) {
        return false;
    }
    return matches_by_definition(rest, topic[1] ? topic + 2 : topic + 1);
}

/* Words of one letter, all patterns and topics of up to five of them. */
static void spell(char *text, uint32_t number, uint32_t words, const char *letters, uint32_t count)
{
    for (uint32_t i = 0; i < words; ++i) {
        text[2 * i] = letters[number % count];
        text[2 * i + 1] = i + 1 < words ? '.' : '\0';
        number /= count;
    }
}

Test(pattern, matches_by_its_definition)
{
    uint64_t matched = 0;
    for (uint32_t words = 1; words <= 5; ++words) {
        for (uint32_t number = 0; number < 1u << (2 * words); ++number) {
            char pattern[16];
            spell(pattern, number, words, "ab*#", 4);
            for (uint32_t topic_words = 1; topic_words <= 5; ++topic_words) {
                for (uint32_t topic_number = 0; topic_number < 1u << topic_words; ++topic_number) {
                    char topic[16];
                    spell(topic, topic_number, topic_words, "ab", 2);
                    bool expected = matches_by_definition(pattern, topic);
                    matched += expected;
                    cr_assert_eq(pattern_matches(pattern, topic), expected, "%s %s", pattern,
                                 topic);
                }
            }
        }
    }
    cr_assert_gt(matched, 1000);
}
