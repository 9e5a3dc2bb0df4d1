/* What the compiler has to say: each message one line, through the log of the request. */
#ifndef GYRE_COMPILER_REPORT_H
#define GYRE_COMPILER_REPORT_H

#include <gyre/log.h>

#include "include.h"

struct report {
    gyre_log_callback log; /* NULL: silent */
    void *user;
};

__attribute__((format(printf, 3, 4))) void report_line(const struct report *report,
                                                       gyre_log_level level, const char *format,
                                                       ...);

/* Passes on what shaderc wrote of the texts in `includes`, "file:line: error: words" and lines
 * that continue one, as "file:line: words". Speaks the user's language: `main`, not the name
 * that gyre/kernel.glsl gives it, and for what is wrong inside the engine's texts the line where
 * the user's text includes them. Gives the number of errors. */
unsigned report_messages(const struct report *report, const char *messages,
                         const struct includes *includes);

#endif
