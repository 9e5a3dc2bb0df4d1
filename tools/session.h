/* A run of messages through an active kernel, or several that are linked: lines of JSON in, lines
 * of JSON out.
 *
 * The caller's thread reads lines, turns them into messages and sends; it also watches the time and
 * the signals. Each kernel has a receiver, which takes replies, puts them in order (reorder.h) and
 * writes them. Where no reply tells that a message is over, the keeper finds out from the books
 * (books.h). All sleep when there is nothing to do.
 */
#ifndef GYRE_TOOLS_SESSION_H
#define GYRE_TOOLS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "histogram.h"
#include "layout.h"

struct session_stage {
    const char *name; /* for messages; NULL: there is only one */
    gyre_kernel *kernel;
    const struct layout_message *output;
    const char *tag; /* goes into its answers: `, "_kernel": "name"`, or "" */
    bool answers;    /* they are printed */
};

/* How one knows that nothing more comes to a message. */
enum session_over {
    SESSION_OVER_LAST,  /* GYRE_REPLY_LAST: one kernel */
    SESSION_OVER_FIRST, /* its first reply, for it can have one at most; or as the following */
    SESSION_OVER_QUIET, /* no kernel has anything to do any more */
};

struct session_params {
    const struct session_stage *stages; /* ACTIVE */
    size_t stage_count;
    size_t input;                        /* the one that takes the lines; with report_all */
    const struct layout_message *layout; /* of the lines */
    enum session_over over;
    void (*ending)(void *user); /* before the kernels are terminated; may be NULL */
    void *user;
    int input_fd;
    int output_fd;
    const char *input_name;
    const char *output_name;
    uint64_t timeout_ns;  /* without any reply while messages wait; 0: none */
    uint64_t deadline_ns; /* of a message whose line has none; 0: none */
    bool unordered;
    bool progress;
};

enum session_end {
    SESSION_DONE,      /* the input ended, everything sent is finished */
    SESSION_SIGNAL,    /* Ctrl-C or SIGTERM */
    SESSION_NO_READER, /* nobody reads the output any more */
    SESSION_OUTPUT_FAILED,
    SESSION_TIMEOUT,
    SESSION_KERNEL_FAILED,
};

struct session_report {
    enum session_end end;
    gyre_result kernel_result; /* of SESSION_KERNEL_FAILED */
    size_t kernel;             /* likewise: which one */
    bool input_failed;
    bool stuck; /* did not terminate: a thread still waits, only leaving the process ends it */
    uint64_t lines;
    uint64_t bad_lines;
    uint64_t refused; /* lines: no room, or no time left to wait for it */
    uint64_t waits;   /* a moment in which gyre_send() found no room */
    uint64_t sent;
    uint64_t finished;        /* all their replies have come */
    uint64_t failed;          /* replies that say so, or that could not be used */
    uint64_t lost;            /* of these: dropped or expired */
    uint64_t silent;          /* processed without an answer */
    uint64_t answers;         /* lines written */
    uint64_t unprinted;       /* answers of kernels whose answers are not */
    uint64_t elapsed_ns;      /* first message to last reply */
    struct histogram latency; /* send to first reply */
};

/* From now on the first SIGINT or SIGTERM ends the session in order, the second the process at
 * once; SIGPIPE is ignored. */
void session_catch_signals(void);

/* Runs until the input ends or something else does, terminates the kernels, and says on stderr what
 * went wrong, each failed message with its line. False: it could not begin. */
bool session_run(const struct session_params *params, struct session_report *report);

#endif
