/* The log: sentences for humans. A runtime without a log callback says nothing. */
#ifndef GYRE_LOG_H
#define GYRE_LOG_H

#include <gyre/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gyre_log_level {
    GYRE_LOG_DEFAULT = 0, /* as a threshold: GYRE_LOG_WARNING */
    GYRE_LOG_ERROR = 1,   /* a call failed, or something was lost */
    GYRE_LOG_WARNING = 2, /* it works, but not as well as it might */
    GYRE_LOG_INFO = 3,    /* what was chosen and why */
    GYRE_LOG_DEBUG = 4,
} gyre_log_level;

/* `message` is one line without a newline and lives until the callback returns. Called from any
 * thread, several at a time; must not call into the runtime that logs. */
typedef void (*gyre_log_callback)(void *user, gyre_log_level level, const char *message);

/* A ready-made callback: "gyre: error: ..." on stderr. Thread-safety: safe. */
GYRE_API void gyre_log_stderr(void *user, gyre_log_level level, const char *message);

#ifdef __cplusplus
}
#endif

#endif
