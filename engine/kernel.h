/* One ring kernel: its lifecycle, and the struct that its other parts work on.
 *
 *   build.c      what launch makes: module, memory, pipeline, commands, warm-up
 *   send.c       gyre_send: checks, room, staging; messages that are lost
 *   reserve.c    gyre_reserve, gyre_commit: messages written where the device reads them
 *   window.c     staging -> the device's input rings, and back
 *   answers.c    the device's output rings -> answers, requests, dead letters
 *   receive.c    gyre_receive; gyre_peek, gyre_release: answers read where they lie
 *   request.c    gyre_request: who awaits which answer
 *   failure.c    what a message that failed does: dead letters, the kernel's policy
 *   tick.c       timer messages
 *   link.c       messages from kernel to kernel
 *   wait.c       how a call waits for the device, or for other calls
 *   residency.c  submissions and what is learned at their end
 *
 * A message goes one way: gyre_send -> staging -> an input ring -> the device -> an output ring ->
 * answers -> gyre_receive, or at the end to the request that awaits it. From staging until its
 * acknowledgement an entry of the staging pool keeps its copy, and as a dead letter after that; of
 * one that was written into its slot the slot is the copy, as long as it is in the window.
 *
 * Locks: `lock` guards everything not marked otherwise. It comes after the runtime's and before the
 * carrier's and the timers'.
 */
#ifndef GYRE_ENGINE_KERNEL_H
#define GYRE_ENGINE_KERNEL_H

#include <stdatomic.h>

#include <gyre/telemetry.h>

#include "arena.h"
#include "base.h"
#include "carrier.h"
#include "histogram.h"
#include "lifecycle.h"
#include "memory.h"
#include "pipeline.h"
#include "program.h"
#include "ring.h"
#include "staging.h"
#include "ticks.h"
#include "timer.h"
#include "worker.h"

#define KERNEL_ID_SIZE 64

/* What the host keeps of a workgroup. */
struct group {
    struct ring_input input[GYRE_LANES];
    struct ring_output output;
    struct staging_entry **window[GYRE_LANES]; /* by slot: the copies of [acknowledged, tail) */
    uint32_t acknowledged[GYRE_LANES]; /* <= input[lane].head: what collect() has accounted for */
    uint32_t submitted[GYRE_LANES];    /* the tails as of the last submission */
    uint32_t begun;                    /* gyre_Exit.claimed of the last residency */
    uint32_t lane_begun[GYRE_LANES];   /* likewise, gyre_Exit.begun */
    struct gyre_ControlLine *control;
    const struct gyre_StatusBlock *status;
    struct gyre_HostLine *host; /* where we write: control's, or `held` */
    struct gyre_ReaderLine *reader;
    struct held_lines *held; /* with GYRE_RUNTIME_BLIND; residency_submit() passes them on */
};

struct held_lines {
    struct gyre_HostLine host;
    struct gyre_ReaderLine reader;
};

/* Made by launch on the worker's thread; immutable from LAUNCHED until destroyed. */
struct build {
    struct program program;
    struct pipeline pipeline;
    struct buffer control;
    struct buffer status;
    struct buffer input;
    struct buffer output;
    struct buffer local;
    struct buffer state;
    struct buffer indirect;
    struct buffer routes; /* with links */
    struct buffer mirror;
    struct buffer times; /* two timestamps, around a submission */
    struct buffer user[SPIRV_MAX_USER_BLOCKS];
    struct buffer upload[SPIRV_MAX_USER_BLOCKS]; /* until the warm-up has copied them */
    VkCommandPool pool;
    VkQueryPool timestamps; /* VK_NULL_HANDLE: the queue has none */
    VkCommandBuffer warm_up;
    VkCommandBuffer residency;
    VkCommandBuffer timed; /* the same between two timestamps; VK_NULL_HANDLE: there are none */
    struct group *groups;
    uint32_t input_slots; /* of each lane */
    bool answers_early;   /* LIVE, one answer to a message: see ring_output_peek_early() */
    uint32_t output_slots;
};

struct kernel_services {
    struct device *device;
    const struct log *log;
    const gyre_profile *profile;
    const gyre_compiler *compiler;
    struct worker *worker;
    struct carrier *carrier;
    struct pipeline_store *store;
    struct timers *timers;
    struct links *links;
    const struct ticks_scale *ticks;
    VkSemaphore go;
    uint64_t bound_ns;
    gyre_visibility visibility;
    gyre_wait wait; /* not DEFAULT */
    bool blind;     /* what the host writes is held back until the next submission */
    atomic_uint_fast64_t *next_id;
};

/* How long a call may wait. Its time begins when it first has to: reading the clock costs more than
 * what a call does otherwise. */
struct patience {
    uint64_t timeout_ns;
    bool never; /* the try variants */
    uint64_t deadline;
};

static inline uint64_t patience_deadline(struct patience *patience)
{
    if (!patience->deadline) {
        patience->deadline = base_deadline(patience->timeout_ns);
    }
    return patience->deadline;
}

/* A request whose answer has not come, or has come and was not fetched yet. */
struct awaiter {
    struct awaiter *next; /* in kernel->awaiters, or among kernel->ended */
    struct awaiter *previous;
    struct staging_entry *entry; /* NULL once it has ended */
    gyre_reply *reply;
    gyre_result result; /* of the request, once it has ended */
    bool sleeps;
    pthread_cond_t woken; /* there once it has slept */
    bool has_woken;

    /* Of gyre_request_begin(): it is on the heap, with room for the answer behind it. */
    gyre_request_callback callback;
    void *user;
    uint64_t deadline;
    gyre_reply own_reply;
};

struct awaiters {
    struct awaiter *first;
    struct awaiter *last;
};

/* A call that takes answers. One that reads several lets them be put into its replies directly. */
struct reader {
    gyre_reply *replies;
    uint32_t count;
    uint32_t taken;
    bool in_place; /* it gets pointers, not copies */
};

/* Answers that gyre_peek() has shown: they stay until gyre_release(). */
enum peek { PEEK_NONE, PEEK_WAITS, PEEK_OPEN };

/* What gyre_reserve() has given out: slots behind the tail of an input ring, whose entries are in
 * group->window already, and before which the ring ends for others; or, where messages are staged
 * before them, the payload of an entry. */
struct reservation {
    uint64_t number; /* 0: none is open */
    struct group *group;
    uint32_t lane;
    uint32_t first; /* the slots' indices */
    uint32_t count;
    bool overtaken; /* what lay before them has been staged again, so that they must be as well */
    struct staging_entry *entry; /* without a group */
};

/* Messages that were accepted, handed over and acknowledged together: their times are counted at
 * once. */
struct tally {
    uint64_t added; /* in ticks, as the others */
    uint64_t placed;
    uint64_t now;
    uint32_t count;
    uint32_t until_clock; /* acknowledgements before it is read again */
};

struct gyre_kernel {
    struct gyre_kernel *next; /* the runtime's list; its lock */
    struct gyre_runtime *runtime;
    struct kernel_services services;
    char id[KERNEL_ID_SIZE];
    uint64_t number;
    gyre_kernel_params params; /* all that it points to is ours */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t waiters; /* threads asleep on `changed` */
    bool watched;     /* one thread watches the device's words; the others sleep */
    gyre_state state;
    gyre_result fault; /* why nothing can go on; sticky */
    bool draining;     /* TERMINATING, and still to process what was accepted */
    uint64_t launched_ns;
    uint64_t terminated_ns;

    bool launching; /* from the start of launch until its warm-up has ended */
    gyre_result launch_result;
    struct build build;
    bool live;                     /* LIVE, unless dropped since */
    const struct group *placed_in; /* first to get a message while its residency was still on */
    uint64_t placed_ns;
    uint32_t blind; /* submissions in a row that did not see what was placed meanwhile */

    struct staging staging;
    struct staging_entry *fresh; /* accepted in this call; its `added` is not set yet */
    uint64_t fresh_deadline;     /* of what was accepted in this call; 0: none */
    uint32_t of_priority[STAGING_PRIORITIES]; /* messages in the window */
    uint32_t priorities;                      /* how many of these are not 0 */
    struct reservation reservation;
    uint64_t reservations; /* so far: numbers them */
    struct staging answers;
    struct reader *reader; /* who takes answers past the queue; NULL: nobody */
    enum peek peek;
    struct staging_entry *peeked; /* answers that were queued, by `next` */
    struct tally tally;
    bool held;                        /* answers is full: the rest waits in the output rings */
    struct awaiters waiting;          /* requests */
    struct awaiters ended;            /* those of gyre_request_begin() that are to be called */
    uint32_t awaited;                 /* how many wait */
    uint32_t begun;                   /* of gyre_request_begin(), waiting or ended */
    uint64_t pump_until;              /* when the first of them times out, as who pumps knows */
    struct staging_entry *dead_first; /* dead letters, oldest first */
    struct staging_entry *dead_last;
    uint64_t failures; /* so far: numbers them */
    bool failed;       /* a message has: on_failure is to act */

    uint64_t age_ticks; /* age_ns */
    struct timer tick;
    uint64_t quiet_since; /* with tick_ns: when it was last sent something, or last became ACTIVE */

    struct carried carried;
    uint64_t clock; /* of `carried`, unless there are links */
    bool in_flight;
    uint64_t untimed_ns;         /* on the device since a submission was timed */
    atomic_uint_fast32_t wanted; /* the command that a YIELD must not stay in place of */
    uint32_t serial;             /* of the submission in flight, or the last one */
    atomic_uint_fast32_t ends;   /* submissions ended: what a spinning waiter watches */
    uint32_t fuel;
    uint32_t strikes;    /* submissions in a row that got nowhere though there was work */
    uint64_t message_ns; /* of the device's time for one; 0: not known yet */
    uint64_t poll_ps;    /* of its time for one idle look at the rings */
    bool poll_known;     /* measured, not the first guess */
    bool refilled;       /* the input rings were rewound since the last submission */
    bool found_work;     /* there was work when it was submitted */
    bool settling;       /* the submission in flight is to publish what was cut, and nothing else */

    /* Links. Where the kernel is known to be still (`linking`) the worker's thread writes. */
    bool linking;         /* its pipeline is being built anew: it stays LAUNCHED or DEACTIVATED */
    uint32_t links;       /* GYRE_LINKS_IN and OUT: it has, or has had some */
    uint32_t shape;       /* GYRE_LINKS_...: what the pipeline is made for */
    atomic_bool rerouted; /* the tables are to be written before the next submission */
    uint64_t journal_at;  /* in the arena, in bytes; or ARENA_NONE */
    uint64_t hand_at;
    uint64_t scratch_at;
    uint32_t journal_words; /* of a workgroup */
    uint32_t pins;        /* of threads that use it; this and what follows under the links' lock */
    uint64_t ended_ports; /* bits: all that was linked there has terminated */
    uint32_t marks;
    bool held_still;
    bool to_kick;
    uint64_t late; /* messages that were under way to it when it terminated */

    gyre_stats stats; /* but for what kernel_stats() fills in */
    struct histogram queueing;
    struct histogram processing;
    struct histogram submission_time;
};

/* Checks and copies `params`. Results: OK, INVALID, NO_MEMORY. */
gyre_result kernel_create(const struct kernel_services *services, const gyre_kernel_params *params,
                          uint64_t number, struct gyre_kernel **kernel);

/* Terminates (dropping) and frees, all by the deadline: false if a shader or the driver holds it;
 * the kernel is then left to itself, with its memory. */
bool kernel_destroy(struct gyre_kernel *kernel, uint64_t deadline);

gyre_result kernel_launch(struct gyre_kernel *kernel);

/* Lock held, activation allowed: to ACTIVE, with a first submission that waits for `go_value`. */
gyre_result kernel_start(struct gyre_kernel *kernel, uint64_t go_value);

gyre_result kernel_reactivate(struct gyre_kernel *kernel);
gyre_result kernel_deactivate(struct gyre_kernel *kernel, uint64_t deadline);
gyre_result kernel_terminate(struct gyre_kernel *kernel, gyre_terminate_mode mode,
                             uint64_t deadline, uint64_t *dropped);
gyre_result kernel_stats(struct gyre_kernel *kernel, gyre_stats *stats);

/* Lock held: is the operation allowed? Says so if not. */
gyre_result kernel_allows(struct gyre_kernel *kernel, enum lifecycle_operation operation);

/* Lock held: nothing more will happen to this kernel's messages. */
void kernel_fail(struct gyre_kernel *kernel, gyre_result fault);

/* Lock held: does it process messages, or would if there were any? */
bool kernel_runs(const struct gyre_kernel *kernel);

/* Lock held: why nothing can be sent or received any more; OK if it can. */
gyre_result kernel_broken(const struct gyre_kernel *kernel);

/* Lock held: the first half of deactivate and terminate, which does not wait. */
void kernel_begin_deactivation(struct gyre_kernel *kernel);
void kernel_begin_termination(struct gyre_kernel *kernel, gyre_terminate_mode mode);

/* The second half. `dropped` gets how many messages terminate has dropped in the kernel's life. */
gyre_result kernel_await_deactivation(struct gyre_kernel *kernel, uint64_t deadline);
gyre_result kernel_await_termination(struct gyre_kernel *kernel, uint64_t deadline,
                                     uint64_t *dropped);

/* build.c. On the worker's thread, without the lock. build_create ends with everything ready but
 * the warm-up. */
gyre_result build_create(struct gyre_kernel *kernel);
void build_destroy(struct gyre_kernel *kernel);

/* Tables of these sizes at least, and a pipeline that uses them and the arena, unless all that is
 * there. Nothing in flight. */
gyre_result build_relink(struct gyre_kernel *kernel, uint32_t shape, VkBuffer arena,
                         uint64_t route_bytes, uint64_t mirror_bytes);

/* A dispatch that does nothing, for drivers that compile at the first one. Nothing in flight. */
void build_touch(struct gyre_kernel *kernel, VkCommandBuffer commands);

/* wait.c. Lock held: whoever waits looks again. */
void kernel_wake(struct gyre_kernel *kernel);

/* Lock held, and given up meanwhile: until something may have changed. What the device did is
 * collected then. False when the deadline has passed. With an awaiter: until that one may have
 * ended. */
bool kernel_wait(struct gyre_kernel *kernel, struct awaiter *awaiter, uint64_t deadline);

/* Lock held, at the end of a call that may have waited or submitted: somebody else watches. */
void kernel_pass_watch(struct gyre_kernel *kernel);

/* Lock held: what the device has done so far, and more for it to do. */
void kernel_turn(struct gyre_kernel *kernel);

/* send.c */
gyre_result send_messages(struct gyre_kernel *kernel, const gyre_message *messages, uint32_t count,
                          struct patience patience, uint32_t *sent);

/* Lock held: checks, makes room and stages, for `awaiter` (may be NULL). What follows is send_on().
 */
gyre_result send_stage(struct gyre_kernel *kernel, const gyre_message *message,
                       struct awaiter *awaiter, struct patience *patience);
void send_on(struct gyre_kernel *kernel);

/* Its parts. Lock held: checks, and makes room; `expires` gets its deadline. Then what an entry has
 * of the message, but for payload, deadline and id. */
gyre_result send_admit(struct gyre_kernel *kernel, const gyre_message *message, uint64_t *expires,
                       struct patience *patience);
void send_describe(const struct gyre_kernel *kernel, struct staging_entry *entry,
                   const gyre_message *message);

/* Lock held: why nothing is accepted any more; OK if it is. */
gyre_result send_allowed(const struct gyre_kernel *kernel);

/* Lock held: stages an entry with its payload as a message just accepted, behind its equals; then
 * comes send_on(). The clock is read when the message has been handed to the device, not before. */
void send_accept(struct gyre_kernel *kernel, struct staging_entry *entry, struct awaiter *awaiter);

/* Lock held: an accepted message that is in no list comes to nothing. DROPPED (counted by the
 * caller), EXPIRED, or TERMINATED (by terminate). */
void send_lose(struct gyre_kernel *kernel, struct staging_entry *entry, gyre_result why);

/* Lock held: loses what is past its deadline. */
void send_expire(struct gyre_kernel *kernel);

/* reserve.c */
gyre_result reserve_places(struct gyre_kernel *kernel, const gyre_message *like, uint32_t count,
                           struct patience patience, gyre_reservation *reservation);
gyre_result reserve_commit(struct gyre_kernel *kernel, const gyre_reservation *reservation,
                           uint32_t used, const uint64_t *correlations, uint64_t *ids);

/* window.c. Lock held: staged messages into the input rings, as far as there is room. */
void window_fill(struct gyre_kernel *kernel);

/* Lock held: a message just accepted, past an empty staging. False: it is to be staged. */
bool window_place(struct gyre_kernel *kernel, struct staging_entry *entry);

/* Lock held throughout, nothing else done: messages just accepted, into the window as long as
 * nothing is staged before them and they fit. False from window_put(): it and those after it are to
 * be staged. The device hears of them, all at once, in window_close(). */
struct window_batch {
    uint64_t now; /* in ticks: when it was opened */
    bool open;
    bool any;
    struct group *only; /* NULL: there are several to choose from */
};
struct window_batch window_open(struct gyre_kernel *kernel);
bool window_put(struct gyre_kernel *kernel, struct window_batch *batch,
                struct staging_entry *entry);
void window_close(struct gyre_kernel *kernel, const struct window_batch *batch);

/* Lock held: as many slots of one ring as are free, up to `count` and to its end, past an empty
 * staging, for kernel->reservation. False: there are none. */
bool window_reserve(struct gyre_kernel *kernel, uint32_t priority, uint32_t key, uint32_t count);

/* Lock held: where the entry of a reserved slot is; and the first `count` of them, whose payloads
 * are written, into the window. */
struct staging_entry **window_reserved(struct gyre_kernel *kernel, uint32_t at);
void window_commit(struct gyre_kernel *kernel, uint32_t count);

/* Lock held: a message in the window has its payload in its entry from now on. */
void window_keep_payload(const struct group *group, uint32_t lane, uint32_t at);

/* Lock held: it leaves the window. */
void window_count_out(struct gyre_kernel *kernel, const struct staging_entry *entry);

/* Lock held, nothing in flight: what the device has not acknowledged is staged again, in its order.
 */
void window_take_back(struct gyre_kernel *kernel);

/* Lock held, nothing in flight: everything not acknowledged is dropped. */
void window_drop(struct gyre_kernel *kernel);

/* Lock held: messages in the input rings, of the kernel and of a lane; and whether the device could
 * take one. */
uint64_t window_count(const struct gyre_kernel *kernel);
uint32_t window_in_lane(const struct group *group, uint32_t lane);
bool window_can_run(struct gyre_kernel *kernel);

/* answers.c. Lock held: what the device answered and acknowledged. */
void answers_collect(struct gyre_kernel *kernel);

/* Lock held: a gyre_reply of `result` without an answer, for a message that had none. */
void answers_add_empty(struct gyre_kernel *kernel, const struct staging_entry *entry,
                       gyre_result result, uint32_t flags);

/* receive.c */
gyre_result receive_answers(struct gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                            struct patience patience, uint32_t *received);
gyre_result receive_peek(struct gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                         struct patience patience, uint32_t *peeked);
gyre_result receive_release(struct gyre_kernel *kernel);

/* request.c */
gyre_result request_await(struct gyre_kernel *kernel, const gyre_message *message,
                          gyre_reply *reply, uint64_t timeout_ns);
gyre_result request_begin(struct gyre_kernel *kernel, const gyre_message *message,
                          uint64_t timeout_ns, gyre_request_callback callback, void *user);
gyre_result request_pump(struct gyre_kernel *kernel, uint64_t timeout_ns, uint32_t *called);
void request_discard(struct gyre_kernel *kernel);

/* Lock held: the request that awaits `entry` has ended; `reply` has all but data and capacity, and
 * is for OK only. */
void request_end(struct gyre_kernel *kernel, struct staging_entry *entry, gyre_result result,
                 const gyre_reply *reply, const void *payload);

/* Lock held: none will be answered any more. */
void request_end_all(struct gyre_kernel *kernel, gyre_result result);

/* failure.c. Lock held: keeps a failed message that nobody awaits, if dead letters are kept. False:
 * the entry is the caller's still. */
bool failure_bury(struct gyre_kernel *kernel, struct staging_entry *entry);

/* Lock held: what on_failure says, if a message has failed since. */
void failure_act(struct gyre_kernel *kernel);
gyre_result failure_take(struct gyre_kernel *kernel, gyre_dead_letter *letter);
gyre_result failure_resend(struct gyre_kernel *kernel, uint32_t most, uint32_t *count);

/* tick.c. Lock held: it has become ACTIVE. */
void tick_start(struct gyre_kernel *kernel);

/* residency.c */
void residency_init(struct gyre_kernel *kernel);

/* Lock held: submits if the kernel is to run, has work, and is not on the device already. */
void residency_kick(struct gyre_kernel *kernel);
gyre_result residency_submit(struct gyre_kernel *kernel, uint64_t go_value);

/* No lock held: something may be there for it now, or room. */
void residency_stir(struct gyre_kernel *kernel);

/* Lock held: submits the warm-up, whose end ends the launch. */
gyre_result residency_warm_up(struct gyre_kernel *kernel);

/* Lock held, nothing in flight: what the kernel's state asks for next. */
void residency_go_on(struct gyre_kernel *kernel);

/* Lock held: a message was placed in this workgroup's window. */
void residency_note_placed(struct gyre_kernel *kernel, const struct group *group);
/* Lock held, in flight: takes back a submission that waits for its turn still. */
void residency_withdraw(struct gyre_kernel *kernel);

/* Lock held: tells the device. Heard at once in LIVE, not at all in STRICT; every submission begins
 * with RUN. */
void residency_command(struct gyre_kernel *kernel, uint32_t command);

#endif
