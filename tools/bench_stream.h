/* Many messages under way at once, through one kernel or a chain of them. Every answer is checked
 * as it comes: that it is one to a message that has none yet, and each of its words. */
#ifndef GYRE_TOOLS_BENCH_STREAM_H
#define GYRE_TOOLS_BENCH_STREAM_H

#include "bench_kernel.h"

struct bench_stream {
    const struct bench_case *bench;
    gyre_kernel *first; /* messages go there */
    gyre_kernel *last;  /* answers come from there */

    /* Carries messages on from one kernel to the next, if that is the host's work; may be NULL. */
    bool (*relay)(void *user);
    void *user;

    uint32_t depth; /* messages under way at most */
    uint32_t bytes;
    unsigned char *data; /* of the batch in hand: its messages or its answers */
    gyre_message *messages;
    gyre_reply *replies;
    uint64_t *waiting; /* by serial number, modulo `depth` */
    uint64_t *stamps;  /* of those that are timed, likewise */
    uint64_t sent;
    uint64_t under_way;
};

/* Parameters of a kernel that a stream of this case goes through. */
gyre_kernel_params bench_stream_params(const struct bench_case *bench);

bool bench_stream_open(struct bench_stream *stream, const struct bench_case *bench,
                       gyre_kernel *first, gyre_kernel *last);
void bench_stream_close(struct bench_stream *stream);

/* Sends and receives until the deadline, then until every answer is there. */
bool bench_stream_run(struct bench_stream *stream, struct bench_tally *tally, uint64_t deadline);

extern const struct bench_ops stream_ops;

#endif
