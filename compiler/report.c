#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One message of shaderc while its lines are gathered. */
struct message {
    gyre_log_level level; /* DEFAULT: none */
    char *place;          /* "file:line" or "file" */
    char *words;
};

struct span {
    const char *start;
    size_t length;
};

void report_line(const struct report *report, gyre_log_level level, const char *format, ...)
{
    if (report->log == NULL) {
        return;
    }
    char *line = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (length < 0) {
        report->log(report->user, level, "out of memory while writing a message");
        return;
    }
    /* A file name may hold anything, a log line may not. */
    for (char *c = line; *c != '\0'; ++c) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = ' ';
        }
    }
    report->log(report->user, level, line);
    free(line);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Every `from` in `text` becomes the shorter `to`. */
static void replace(char *text, const char *from, const char *to)
{
    for (char *at = strstr(text, from); at != NULL; at = strstr(at, from)) {
        memcpy(at, to, strlen(to));
        memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
        at += strlen(to);
    }
}

/* Takes off what glslang puts around words that say it all by themselves. */
static const char *bare_words(char *words)
{
    static const char include[] = "'#include' : ";
    static const char *const fronts[] = {"'' : ", "'#error' : ", "Linking compute stage: "};
    while (strstr(words, "  ") != NULL) {
        replace(words, "  ", " ");
    }
    replace(words, "gyre_handler", "main");
    if (starts_with(words, include)) {
        /* Behind it stands the name, which the sentence of includes_find() has. */
        char *end = NULL;
        for (char *at = words; (at = strstr(at, " for header name:")) != NULL; ++at) {
            end = at;
        }
        if (end != NULL) {
            *end = '\0';
            return words + strlen(include);
        }
    }
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; ++i) {
        if (starts_with(words, fronts[i])) {
            return words + strlen(fronts[i]);
        }
    }
    return words;
}

/* What is wrong at "<gyre/ring.glsl>:33" comes from what stands before the include in the user's
 * text. The engine's line itself says more than its number, unless it is an #error, whose words
 * are the message. */
static void report_embedded(const struct report *report, struct message *message,
                            const struct includes *includes)
{
    char *name_end = strstr(message->place, TEXT_EMBEDDED_CLOSE);
    size_t name_length = name_end != NULL ? (size_t)(name_end - message->place) + 1 : 0;
    const struct text *text = includes->texts;
    while (text != NULL &&
           (strlen(text->name) != name_length || !starts_with(message->place, text->name))) {
        text = text->next;
    }
    struct span quote = {"", 0};
    const char *number = message->place + name_length;
    if (text != NULL && *number == ':' && !starts_with(message->words, "'#error'")) {
        quote.start = text_line(text, (unsigned)strtoul(number + 1, NULL, 10), &quote.length);
    }
    report_line(report, message->level, "%s:%u: in %.*s%s%s%.*s%s: %s", includes->entry.name,
                includes->entry.line, name_length > 2 ? (int)name_length - 2 : 0,
                message->place + 1, number, quote.length > 0 ? " (" : "", (int)quote.length,
                quote.start, quote.length > 0 ? ")" : "", bare_words(message->words));
}

static void flush(const struct report *report, struct message *message,
                  const struct includes *includes, unsigned *errors)
{
    if (message->level != GYRE_LOG_DEFAULT && message->place != NULL && message->words != NULL) {
        bool echo = *errors > 0 && strstr(message->words, "compilation terminated") != NULL;
        if (starts_with(message->place, TEXT_EMBEDDED_OPEN) && includes->entry.name != NULL) {
            report_embedded(report, message, includes);
        } else if (!echo) {
            report_line(report, message->level, "%s: %s", message->place,
                        bare_words(message->words));
        }
        *errors += message->level == GYRE_LOG_ERROR ? 1 : 0;
    }
    free(message->place);
    free(message->words);
    *message = (struct message){0};
}

/* True: the line begins a message, of this level, whose place ends where the mark begins. */
static bool begin(struct message *message, gyre_log_level level, const char *mark, struct span line)
{
    const char *found = memmem(line.start, line.length, mark, strlen(mark));
    if (found == NULL) {
        return false;
    }
    const char *words = found + strlen(mark);
    message->level = level;
    message->place = strndup(line.start, (size_t)(found - line.start));
    message->words = strndup(words, (size_t)(line.start + line.length - words));
    return true;
}

/* The line goes on with the message before, behind the name of the source. */
static void go_on(struct message *message, struct span line, const char *source_name)
{
    size_t prefix = strlen(source_name) + 1;
    if (line.length >= prefix && starts_with(line.start, source_name) &&
        line.start[prefix - 1] == ':') {
        line.start += prefix;
        line.length -= prefix;
    }
    char *joined = NULL;
    if (message->words != NULL && line.length > 0 &&
        asprintf(&joined, "%s %.*s", message->words, (int)line.length, line.start) >= 0) {
        free(message->words);
        message->words = joined;
    }
}

unsigned report_messages(const struct report *report, const char *messages,
                         const struct includes *includes)
{
    const char *source_name = includes_source(includes)->name;
    struct message message = {0};
    unsigned errors = 0;
    for (const char *at = messages; *at != '\0';) {
        struct span line = {at, strcspn(at, "\n")};
        struct message next = {0};
        if (begin(&next, GYRE_LOG_ERROR, ": error: ", line) ||
            begin(&next, GYRE_LOG_WARNING, ": warning: ", line)) {
            flush(report, &message, includes, &errors);
            message = next;
        } else {
            go_on(&message, line, source_name);
        }
        at += line.length + (at[line.length] == '\n' ? 1 : 0);
    }
    flush(report, &message, includes, &errors);
    return errors;
}
