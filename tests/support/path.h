/* The way of a message through the whole engine, as a model knows it: what is tried (the API, or a
 * broken layer over it), the kernel that it is tried with, and what must be so after each call.
 *
 * While the kernel is paused the model is exact: which messages wait and in which order, who gives
 * way, who is refused. While it runs, the model keeps what holds in any interleaving: each message
 * comes to one end, first in first out among equals, nothing out of thin air. The handler counts
 * its messages in GYRE_STATE and tells the number with every answer and failure, so the model knows
 * the order in which they were worked on.
 *
 * Thread-safety: the test's thread only, but for path_note_drop().
 */
#ifndef GYRE_TEST_PATH_H
#define GYRE_TEST_PATH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <gyre/gyre.h>

#define PATH_MESSAGES_MAX 512u
#define PATH_DROPS_MAX 512u
#define PATH_TRY (UINT64_MAX - 1) /* as a timeout: the try variant */

struct path_config {
    uint32_t queue_size;
    gyre_backpressure backpressure;
    uint32_t output_queue_size;
    gyre_backpressure output_backpressure;
    uint32_t dead_letters;
    uint32_t window;
    uint32_t max_sends;
    bool report_all;
    uint64_t age_ns;
};

struct path_request {
    uint32_t value;
    uint32_t sends;
    uint32_t code; /* 0: does not fail */
};

struct path_response {
    uint32_t value;
    uint32_t which;
    uint32_t order; /* which message of the kernel's life this was, from 1 */
};

/* "struct Request ..." and the handler's main, for rig_glsl(). */
const char *path_structs(uint32_t max_sends);
extern const char path_body[];

/* What is tried: the API, or some of it broken. */
struct path_api {
    const char *name;
    gyre_result (*send)(gyre_kernel *kernel, const gyre_message *message, uint64_t timeout_ns);
    gyre_result (*receive)(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns);
    gyre_result (*request)(gyre_kernel *kernel, const gyre_message *message, gyre_reply *reply,
                           uint64_t timeout_ns);
    gyre_result (*deactivate)(gyre_kernel *kernel, uint64_t timeout_ns);
    gyre_result (*reactivate)(gyre_kernel *kernel);
    gyre_result (*terminate)(gyre_kernel *kernel, gyre_terminate_mode mode, uint64_t timeout_ns,
                             uint64_t *dropped);
    gyre_result (*stats)(gyre_kernel *kernel, gyre_stats *stats);
    gyre_result (*take_letter)(gyre_kernel *kernel, gyre_dead_letter *letter);
    gyre_result (*resend)(gyre_kernel *kernel, uint32_t most, uint32_t *count);
    uint64_t (*dropped)(uint64_t id); /* what on_drop is told of */
};

enum path_way {
    PATH_PLAIN,     /* its answers are for gyre_receive */
    PATH_ANSWERED,  /* a request that had its answer */
    PATH_ABANDONED, /* a request that timed out */
    PATH_BEGUN,     /* gyre_request_begin, still open */
};

enum path_fate {
    PATH_PENDING, /* accepted, and for all that is known it may still wait */
    PATH_DONE,    /* the device has worked on it */
    PATH_EVICTED,
    PATH_EXPIRED,
    PATH_CUT_OFF, /* by terminate */
};

struct path_sent {
    uint64_t id;          /* 0: not known */
    uint64_t correlation; /* tells the first one of those that were sent again */
    struct path_request request;
    uint32_t priority;
    bool lapses;       /* its deadline had passed at once */
    bool while_paused; /* accepted */
    enum path_way way;
    enum path_fate fate;
    bool staged;       /* PENDING, and surely on the host */
    uint32_t replies;  /* taken */
    uint32_t order;    /* the handler's number; 0: not known */
    uint32_t epoch;    /* the pause at which it was known to be done; 0: not yet */
    bool output_full;  /* failed for want of room */
    bool last;         /* a reply said so */
    bool buried_known; /* its dead letter was taken, or sent again */
};

/* From a reactivation on. */
struct path_segment {
    uint32_t begins;  /* the handler's numbers after that one */
    uint32_t horizon; /* of messages sent before, this is how many */
};

struct path_drop {
    uint64_t id;
    gyre_result why;
};

struct path_drops {
    pthread_mutex_t lock;
    const struct path_api *api;
    uint32_t count;
    struct path_drop all[PATH_DROPS_MAX];
};

struct path_model {
    struct path_config config;
    bool live;
    bool may_redeliver;
    uint32_t salt; /* upper half of the correlations */
    gyre_stats base;

    struct path_sent sent[PATH_MESSAGES_MAX]; /* in the order of acceptance */
    uint32_t count;
    bool paused;
    uint32_t epoch;     /* pauses so far */
    uint32_t staged;    /* while paused: how many */
    bool lost_in_pause; /* a reply of a lost message came in between the others */
    bool held;          /* some answers were held back when the pause began */
    uint32_t done;      /* when it began: the handler's number */
    uint32_t read_last; /* priority of the last reply read in this pause */
    struct path_segment segments[PATH_MESSAGES_MAX];
    uint32_t segment_count;
    uint32_t letters;      /* while paused: dead letters there */
    uint32_t letter_order; /* of the last one taken */

    /* Counted as the stats are. */
    uint64_t accepted;
    uint64_t evicted;
    uint64_t refused_newest;
    uint64_t expired;
    uint64_t cut_off;
    uint64_t rejected_full;
    uint64_t rejected_invalid;
    uint64_t received;
    uint64_t requests;
    uint64_t letters_taken;
    uint64_t letters_resent;
    uint32_t open; /* requests begun, without a callback yet */

    bool differs;
    char difference[240];
};

/* Remembers the first thing that is not so. Gives `holds`. */
bool path_must(struct path_model *model, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A paused, empty kernel, whose stats are these. */
void path_begin(struct path_model *model, const struct path_config *config, const gyre_stats *stats,
                uint32_t salt);

/* gyre_kernel_params.on_drop; `user` is a struct path_drops. */
void path_note_drop(void *user, uint64_t id, gyre_result why);

/* What a send came to, and what was dropped meanwhile. `sent` has what the test knows of the
 * message; it is the model's if it was accepted. Gives its index, or UINT32_MAX. */
uint32_t path_sent(struct path_model *model, struct path_sent sent, gyre_result result,
                   struct path_drops *drops);

/* Drops found out by a call that is no send. */
void path_see_drops(struct path_model *model, struct path_drops *drops);

/* A reply of gyre_receive, with its payload. */
void path_reply(struct path_model *model, const gyre_reply *reply);

/* gyre_receive had nothing. */
void path_nothing(struct path_model *model);

/* The end of the request that is message number `index`. */
void path_requested(struct path_model *model, uint32_t index, gyre_result result,
                    const gyre_reply *reply);

void path_letter(struct path_model *model, gyre_result result, const gyre_dead_letter *letter);

/* How many letters gyre_dead_letter_resend(most) must send, if the model knows which they are;
 * UINT32_MAX: it does not. They are taken for sent by path_resent(). */
uint32_t path_resendable(const struct path_model *model, uint32_t most, uint32_t *indices);
void path_resent(struct path_model *model, const uint32_t *indices, uint32_t count);

/* Stats at any time. */
void path_books(struct path_model *model, const gyre_stats *stats);

/* The kernel has become paused (these are its stats), or runs from now on. */
void path_paused(struct path_model *model, const gyre_stats *stats);
void path_runs(struct path_model *model);

/* Terminated, with these results. */
void path_terminated(struct path_model *model, uint64_t dropped, struct path_drops *drops);

/* Everything has been read: was each message answered as it must be? */
void path_finish(struct path_model *model, const gyre_stats *stats);

#endif
