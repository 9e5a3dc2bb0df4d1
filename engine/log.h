/* Where sentences for humans go: the runtime's callback, if it has one and wants the level. */
#ifndef GYRE_ENGINE_LOG_H
#define GYRE_ENGINE_LOG_H

#include <gyre/log.h>
#include <gyre/result.h>

struct log {
    gyre_log_callback callback;
    void *user;
    gyre_log_level level;
};

void log_say(const struct log *log, gyre_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Says it as an error and gives `result` back: `return log_fail(log, GYRE_ERROR_INVALID, "...")`.
 */
gyre_result log_fail(const struct log *log, gyre_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
