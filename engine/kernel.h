/* One ring kernel: its lifecycle, and the struct that its other parts work on.
 *
 *   build.c      what launch makes: module, memory, pipeline, commands, warm-up
 *   traffic.c    messages in, answers out: staging, rings, waiting
 *   residency.c  submissions and what is learned at their end
 *
 * A message goes one way: gyre_send -> staging -> (fill) an input ring -> the device -> an output
 * ring -> (collect) answers -> gyre_receive. From staging until its acknowledgement an entry of the
 * staging pool keeps its copy.
 *
 * Locks: `lock` guards everything not marked otherwise. It comes after the runtime's and before the
 * carrier's.
 */
#ifndef GYRE_ENGINE_KERNEL_H
#define GYRE_ENGINE_KERNEL_H

#include <stdatomic.h>

#include <gyre/telemetry.h>

#include "base.h"
#include "carrier.h"
#include "lifecycle.h"
#include "memory.h"
#include "pipeline.h"
#include "program.h"
#include "ring.h"
#include "staging.h"
#include "worker.h"

#define KERNEL_ID_SIZE 64

/* What the host keeps of a workgroup. */
struct group {
    struct ring_input input[GYRE_LANES];
    struct ring_output output;
    struct staging_entry **window[GYRE_LANES]; /* by slot: the copies of [acknowledged, tail) */
    uint32_t acknowledged[GYRE_LANES]; /* <= input[lane].head: what collect() has accounted for */
    uint32_t submitted[GYRE_LANES];    /* the tails as of the last submission */
    uint32_t begun; /* gyre_Exit.claimed of the last residency */
    struct gyre_ControlLine *control;
    const struct gyre_StatusBlock *status;
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
    struct buffer user[SPIRV_MAX_USER_BLOCKS];
    struct buffer upload[SPIRV_MAX_USER_BLOCKS]; /* until the warm-up has copied them */
    VkCommandPool pool;
    VkCommandBuffer warm_up;
    VkCommandBuffer residency;
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
    VkSemaphore go;
    uint64_t bound_ns;
    gyre_visibility visibility;
    atomic_uint_fast64_t *next_id;
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
    uint32_t waiters;
    gyre_state state;
    gyre_result fault; /* why nothing can go on; sticky */
    bool draining;     /* TERMINATING, and still to process what was accepted */
    uint64_t launched_ns;
    uint64_t terminated_ns;

    bool launching; /* from the start of launch until its warm-up has ended */
    gyre_result launch_result;
    struct build build;
    bool live;

    struct staging staging;
    struct staging answers;
    bool held; /* answers is full: the rest waits in the output rings */

    struct carried carried;
    bool in_flight;
    uint64_t submitted_ns;
    uint32_t serial;           /* of the submission in flight, or the last one */
    atomic_uint_fast32_t ends; /* submissions ended: what a spinning waiter watches */
    uint32_t fuel;
    uint32_t strikes;    /* submissions in a row that got nowhere though there was work */
    uint64_t message_ns; /* of the device's time for one; 0: not known yet */
    uint64_t poll_ps;    /* of its time for one idle look at the rings */
    bool refilled;       /* the input rings were rewound since the last submission */
    bool found_work;     /* there was work when it was submitted */

    gyre_stats stats;
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
void kernel_stats(struct gyre_kernel *kernel, gyre_stats *stats);

/* Lock held: is the operation allowed? Says so if not. */
gyre_result kernel_allows(struct gyre_kernel *kernel, enum lifecycle_operation operation);

/* Lock held: whoever waits looks again. */
void kernel_wake(struct gyre_kernel *kernel);

/* Lock held, and given up meanwhile: until something may have changed. False when the deadline has
 * passed (traffic.c). */
bool kernel_wait(struct gyre_kernel *kernel, uint64_t deadline);

/* Lock held: nothing more will happen to this kernel's messages. */
void kernel_fail(struct gyre_kernel *kernel, gyre_result fault);

/* build.c. On the worker's thread, without the lock. build_create ends with everything ready but
 * the warm-up. */
gyre_result build_create(struct gyre_kernel *kernel);
void build_destroy(struct gyre_kernel *kernel);

/* traffic.c */
gyre_result traffic_send(struct gyre_kernel *kernel, const gyre_message *message,
                         uint64_t timeout_ns, bool try);
gyre_result traffic_receive(struct gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns,
                            bool try);

/* Lock held: staged messages into the input rings, as far as there is room. */
void traffic_fill(struct gyre_kernel *kernel);

/* Lock held: what the device answered and acknowledged. */
void traffic_collect(struct gyre_kernel *kernel);

/* Lock held, nothing in flight: what the device has not acknowledged is staged again, in its order.
 */
void traffic_take_back(struct gyre_kernel *kernel);

/* Lock held, nothing in flight: everything not acknowledged is dropped; how many. */
uint64_t traffic_drop(struct gyre_kernel *kernel);

/* Lock held: messages in the input rings; and whether the device could take one. */
uint64_t traffic_in_window(const struct gyre_kernel *kernel);
bool traffic_can_run(const struct gyre_kernel *kernel);

/* residency.c */
void residency_init(struct gyre_kernel *kernel);

/* Lock held: submits if the kernel is to run, has work, and is not on the device already. */
void residency_kick(struct gyre_kernel *kernel);
gyre_result residency_submit(struct gyre_kernel *kernel, uint64_t go_value);

/* Lock held: submits the warm-up, whose end ends the launch. */
gyre_result residency_warm_up(struct gyre_kernel *kernel);

/* Lock held, nothing in flight: what the kernel's state asks for next. */
void residency_go_on(struct gyre_kernel *kernel);

/* Lock held: tells the device. Heard at once in LIVE, not at all in STRICT; every submission begins
 * with RUN. */
void residency_command(struct gyre_kernel *kernel, uint32_t command);

#endif
