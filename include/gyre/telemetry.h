/* What a kernel has done so far, in exact counts. */
#ifndef GYRE_TELEMETRY_H
#define GYRE_TELEMETRY_H

#include <gyre/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why residencies ended. */
#define GYRE_EXIT_REASONS(X) \
    X(idle) \
    X(fuel) \
    X(budget) \
    X(yield) \
    X(pause) \
    X(terminate) \
    X(output_full) \
    X(returned) \
    X(cut)

typedef struct gyre_exits {
#define X(reason) uint64_t reason;
    GYRE_EXIT_REASONS(X)
#undef X
} gyre_exits;

/* At rest: accepted = processed + failed + dropped + staged + window. */
typedef struct gyre_stats {
    uint64_t accepted;    /* messages taken by gyre_send */
    uint64_t processed;   /* acknowledged by the device, answered or not */
    uint64_t failed;      /* acknowledged as failed */
    uint64_t dropped;     /* by terminate or DROP_OLDEST */
    uint64_t rejected;    /* refused at gyre_send: full, timeout, wrong size or type */
    uint64_t redelivered; /* given to a handler again */
    uint64_t corrupt;     /* answers thrown away because their header could not be */
    uint64_t received;    /* answers taken by gyre_receive */

    uint64_t staged; /* now, on the host */
    uint64_t window; /* now, in the device's input rings */
    uint64_t unread; /* answers now waiting, as far as the host has looked */

    bool live; /* the kernel runs LIVE */
    uint64_t
        live_seen; /* messages that the device saw though they were sent after its submission */
    uint64_t submissions;
    uint64_t residencies; /* dispatches that ran the handler */
    gyre_exits exits;
    uint64_t resident_ns; /* between submissions and their completions */
    uint64_t uptime_ns;   /* since launch; stands still once terminated */

    gyre_result fault;        /* why the kernel as a whole cannot go on; OK otherwise */
    gyre_result last_error;   /* of the last message that failed */
    uint32_t last_error_code; /* of gyre_fail() */
    uint64_t last_error_id;   /* its message */
} gyre_stats;

/* Results: OK, INVALID. Kept after TERMINATED. Does not block. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_stats(gyre_kernel *kernel, gyre_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
