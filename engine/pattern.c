#include "pattern.h"

#include <string.h>

static size_t word_length(const char *text)
{
    return strcspn(text, ".");
}

/* The word after the one at `text`; NULL: it was the last. */
static const char *next_word(const char *text)
{
    const char *end = text + word_length(text);
    return *end ? end + 1 : NULL;
}

static bool has_words(const char *text, bool wildcards)
{
    if (!text || strlen(text) >= PATTERN_SIZE) {
        return false;
    }
    for (const char *word = text; word; word = next_word(word)) {
        size_t length = word_length(word);
        size_t plain = strcspn(word, ".*#");
        bool wild = wildcards && length == 1 && (*word == '*' || *word == '#');
        if (length == 0 || (plain != length && !wild)) {
            return false;
        }
    }
    return true;
}

bool pattern_is_topic(const char *text)
{
    return has_words(text, false);
}

bool pattern_is_valid(const char *text)
{
    return has_words(text, true);
}

static bool word_fits(const char *pattern, const char *word)
{
    size_t length = word_length(pattern);
    return (length == 1 && *pattern == '*') ||
           (length == word_length(word) && strncmp(pattern, word, length) == 0);
}

/* If it does not fit from here on, the last `#` takes one word more. */
bool pattern_matches(const char *pattern, const char *topic)
{
    const char *after_hash = NULL;
    const char *retry = NULL;
    bool hashed = false;
    while (topic) {
        if (pattern && *pattern == '#') {
            hashed = true;
            pattern = next_word(pattern);
            after_hash = pattern;
            retry = topic;
        } else if (pattern && word_fits(pattern, topic)) {
            pattern = next_word(pattern);
            topic = next_word(topic);
        } else if (hashed) {
            retry = next_word(retry);
            topic = retry;
            pattern = after_hash;
        } else {
            return false;
        }
    }
    while (pattern && *pattern == '#') {
        pattern = next_word(pattern);
    }
    return !pattern;
}
