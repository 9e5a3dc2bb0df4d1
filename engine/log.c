#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static void say(const struct log *log, gyre_log_level level, const char *format, va_list arguments)
{
    gyre_log_level threshold = log->level == GYRE_LOG_DEFAULT ? GYRE_LOG_WARNING : log->level;
    if (!log->callback || level > threshold) {
        return;
    }
    char line[1024];
    vsnprintf(line, sizeof line, format, arguments);
    log->callback(log->user, level, line);
}

void log_say(const struct log *log, gyre_log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(log, level, format, arguments);
    va_end(arguments);
}

gyre_result log_fail(const struct log *log, gyre_result result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(log, GYRE_LOG_ERROR, format, arguments);
    va_end(arguments);
    return result;
}

void gyre_log_stderr(void *user, gyre_log_level level, const char *message)
{
    (void)user;
    static const char *const names[] = {"", "error: ", "warning: ", "", ""};
    fprintf(stderr, "gyre: %s%s\n", names[level <= GYRE_LOG_DEBUG ? level : 0], message);
}
