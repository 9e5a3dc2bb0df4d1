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
    X(link_full) \
    X(returned) \
    X(cut)

typedef struct gyre_exits {
#define X(reason) uint64_t reason;
    GYRE_EXIT_REASONS(X)
#undef X
} gyre_exits;

/* How long something took, in nanoseconds, over the kernel's life: counted in the classes of an
 * HdrHistogram of two significant digits (hdrhistogram.org), so that a percentile is right within
 * 1 %. min and max are exact. All 0 while count is. */
typedef struct gyre_latency {
    uint64_t count;
    uint64_t min;
    uint64_t p50;
    uint64_t p99;
    uint64_t p999;
    uint64_t max;
} gyre_latency;

/* Always: accepted = processed + failed + dropped + expired + staged + window. What the device does
 * is counted when the host looks (at every call on the kernel in LIVE, at the end of a submission
 * in STRICT); residencies and their exits when their submission has ended. */
typedef struct gyre_stats {
    uint64_t accepted;  /* messages taken by gyre_send and its kin, ticks, those that came by
                         links */
    uint64_t processed; /* acknowledged by the device, answered or not */
    uint64_t failed;    /* acknowledged as failed, or with REJECT for want of room for the answer */
    uint64_t expired;   /* not handed to the device: their deadline had passed */
    uint64_t dropped;   /* the sum of: */
    uint64_t dropped_oldest;     /* gave way to a newcomer */
    uint64_t dropped_newest;     /* were the lowest themselves (gyre_send: DROPPED) */
    uint64_t dropped_terminated; /* waited when the kernel was terminated */
    uint64_t dropped_unlinked;   /* were in a link that was undone */

    uint64_t rejected;         /* refused at gyre_send and its kin; the sum of: */
    uint64_t rejected_full;    /* FULL, TIMEOUT, EXPIRED */
    uint64_t rejected_invalid; /* INVALID, SIZE, TYPE */

    uint64_t ticks;          /* timer messages, of those accepted */
    uint64_t linked;         /* messages that came by links, likewise; counted with all else about
                                them when the submission that processed them has ended */
    uint64_t forwarded;      /* messages sent to links; of each, counted when its submission ends */
    uint64_t link_lost;      /* messages for others that found a lossy link full, */
    uint64_t link_missed;    /* and for this kernel */
    uint64_t redelivered;    /* given to a handler again */
    uint64_t corrupt;        /* answers thrown away because their header could not be */
    uint64_t received;       /* answers taken by gyre_receive */
    uint64_t requests;       /* gyre_request and gyre_request_begin that were accepted */
    uint64_t orphaned;       /* answers to requests that nobody awaited any more */
    uint64_t output_dropped; /* answers given up by DROP_OLDEST of outputs */
    uint64_t dead_dropped;   /* dead letters that gave way to newer ones */

    uint64_t staged;       /* now, on the host */
    uint64_t window;       /* now, in the device's input rings, or not yet seen acknowledged */
    uint64_t unread;       /* answers now waiting, as far as the host has looked */
    uint64_t awaited;      /* requests now without an answer */
    uint64_t dead_letters; /* now waiting */
    uint64_t link_waiting; /* now in links to the kernel; not accepted yet */

    gyre_latency queueing;   /* from gyre_send until handed to the device */
    gyre_latency processing; /* from there until the host has seen it acknowledged */

    bool live;      /* the kernel runs LIVE; no longer once it was seen not to work (in the log) */
    bool in_flight; /* a submission is on the device: what counts at its end is still to come */
    uint64_t
        live_seen; /* messages that the device saw though they were sent after its submission */
    uint64_t submissions;
    uint64_t residencies; /* dispatches that ran the handler */
    gyre_exits exits;
    uint64_t resident_ns; /* on the device; waiting for other kernels is not in it */
    /* Of a submission on the device, by the device's clock. A sample: the first submission after
     * each 200 relaunches' worth of the device's time, for timestamps cost. count is 0 where the
     * device has none. */
    gyre_latency submission_time;
    uint64_t uptime_ns; /* since launch; stands still once terminated */

    gyre_result fault;        /* why the kernel as a whole cannot go on; OK otherwise */
    gyre_result last_error;   /* of the last message that failed */
    uint32_t last_error_code; /* of gyre_fail() */
    uint64_t last_error_id;   /* its message */
} gyre_stats;

/* Results: OK, INVALID, NO_MEMORY. Kept after TERMINATED. Does not block. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_stats(gyre_kernel *kernel, gyre_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
