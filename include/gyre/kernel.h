/* Ring kernels: made, launched, activated, paused, terminated. */
#ifndef GYRE_KERNEL_H
#define GYRE_KERNEL_H

#include <gyre/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_kernel gyre_kernel;

#define GYRE_FOREVER \
    UINT64_MAX /* as a timeout: until it happens, the kernel terminates or the device is lost */

typedef enum gyre_state {
    GYRE_CREATED = 0, /* defined; nothing allocated on the device */
    GYRE_LAUNCHED,    /* allocated, compiled, warmed up; takes messages, runs none */
    GYRE_ACTIVE,      /* runs */
    GYRE_DEACTIVATED, /* paused; takes messages, runs none */
    GYRE_TERMINATING, /* told to end */
    GYRE_TERMINATED,
} gyre_state;

/* "ACTIVE"; never NULL. Thread-safety: safe. */
GYRE_API const char *gyre_state_name(gyre_state state);

/* What a sender meets when queue_size messages are staged. */
typedef enum gyre_backpressure {
    GYRE_BLOCK = 0,   /* wait for room, up to the timeout */
    GYRE_REJECT,      /* GYRE_ERROR_FULL at once */
    GYRE_DROP_OLDEST, /* the oldest of the lowest priority goes, never one above the newcomer */
} gyre_backpressure;

/* What a message that fails does to its kernel. */
typedef enum gyre_failure_policy {
    GYRE_CONTINUE = 0, /* the next message is processed */
    GYRE_DEACTIVATE,   /* as gyre_kernel_deactivate() */
    GYRE_TERMINATE,    /* as gyre_kernel_terminate(GYRE_DROP) */
} gyre_failure_policy;

/* A kind of message. The handler reads it from GYRE_INPUT, of which it takes the first bytes. */
typedef struct gyre_message_type {
    uint32_t type; /* 0 to GYRE_TYPE_MAX: gyre_message.type, gyre_message_type() */
    uint32_t size; /* bytes, at most GYRE_INPUT's */
} gyre_message_type;

#define GYRE_TYPE_MAX 0xfffeu
#define GYRE_TYPE_TICK 0xffffu /* gyre_message_type() of a timer message: gyre_is_tick() */
#define GYRE_TYPES_MAX 64u

/* A message was lost before it was processed. `why`: DROPPED (by DROP_OLDEST, or by terminate) or
 * EXPIRED. Called from the thread that found out, whichever it is; must return soon and must not
 * call into the runtime. */
typedef void (*gyre_drop_callback)(void *user, uint64_t id, gyre_result why);

/* A storage or uniform block of the kernel in descriptor set 1 or up. */
typedef struct gyre_binding {
    uint32_t set;
    uint32_t binding;
    const void *data; /* copied at launch; NULL: zeroes */
    size_t size;      /* bytes; at least the block's own size */
} gyre_binding;

/* Where the host believes a member of GYRE_INPUT or GYRE_OUTPUT to be. */
typedef struct gyre_field {
    uint32_t offset;
    uint32_t size;
} gyre_field;

#define GYRE_WEIGHT_MAX 1024u

typedef struct gyre_kernel_params {
    const char *id; /* required; unique in the runtime, 1 to 63 bytes */

    /* One of three: a GLSL file, GLSL text, or SPIR-V words (size in bytes). GLSL needs
     * gyre_runtime_params.compiler. */
    const char *glsl_file;
    const char *glsl;
    const uint32_t *spirv;
    size_t spirv_size;
    const char *const *include_directories; /* for GLSL, besides the file's own folder */
    uint32_t include_directory_count;

    /* What the host believes of the structs: launch refuses with GYRE_ERROR_INTERFACE if the module
     * says otherwise. 0: the module's word is taken. */
    uint32_t input_size;
    uint32_t output_size;
    const gyre_field *input_fields;
    uint32_t input_field_count;
    const gyre_field *output_fields;
    uint32_t output_field_count;

    const gyre_binding *bindings;
    uint32_t binding_count;

    /* The kinds of messages, each with its size. None: one kind, type 0, the size of GYRE_INPUT. */
    const gyre_message_type *types;
    uint32_t type_count;

    /* Messages staged at most, on the host; 0: 1024. Among these priority is exact. What a pause
     * takes back from the device is staged beyond that. */
    uint32_t queue_size;
    gyre_backpressure backpressure; /* when there are that many */

    /* Messages in each of the device's four lanes at most, one lane to 64 priorities; a power of
     * two, rounded up; 0: 64. What is there can be overtaken by a more urgent lane, but not within
     * its own. Before a message that finds nothing staged ahead of it go, per workgroup, at most
     *   if its lane has room: what is in its lane, and LIVE the one message in hand, STRICT what
     *                         the submission in flight was given;
     *   if its lane is full:  all that the lanes hold, 4 * `window`. */
    uint32_t window;
    uint32_t output_window; /* slots of the output ring on the device, likewise; 0: 4 * window */

    /* Answers that wait on the host for gyre_receive() at most; 0: queue_size. When there are that
     * many: BLOCK holds the kernel back, once the device's output ring is full as well; REJECT
     * fails the message with OUTPUT_FULL, and for want of room no failure gives a gyre_reply then
     * (but a dead letter, if such are kept); DROP_OLDEST gives up the oldest answer of the lowest
     * priority, never one above the newcomer. */
    uint32_t output_queue_size;
    gyre_backpressure output_backpressure;

    /* Ageing: a staged message counts as one priority higher for every age_ns that it has waited,
     * up to 255, so that none starves; gyre_message_priority() then gives what it counted as. 0: a
     * message waits as long as more urgent ones come. */
    uint64_t age_ns;

    /* A timer: the kernel gets a message of type GYRE_TYPE_TICK, zeroes but for that, when nothing
     * was sent to it for that long, and again every tick_ns. While it is ACTIVE only. 0: none. */
    uint64_t tick_ns;

    gyre_failure_policy on_failure;
    uint32_t dead_letters; /* failed messages are kept, that many at most (then the oldest goes),
                              instead of giving a gyre_reply; 0: they give one */
    gyre_drop_callback on_drop; /* NULL: none */
    void *drop_user;

    gyre_visibility visibility; /* AUTO: the runtime's */
    gyre_wait wait;             /* DEFAULT: the runtime's */

    uint32_t workgroups; /* 0: 1; each message goes to the one with the least to do */

    /* Workgroups that each own a part of the keys, instead of `workgroups`: a message goes to the
     * one of number key % shards, so that those of one key are processed in their order and its
     * state may be kept in GYRE_STATE. Any number, also more than the device can run at once: those
     * that wait for a place have theirs when others have nothing to do, or have had their share. */
    uint32_t shards;
    uint32_t max_hops; /* links a message may come along and still be sent on; 0: 2^20 */

    uint32_t fuel; /* loop back-edges of the engine's loops per dispatch; 0: by the profile */
    uint32_t message_budget; /* messages per submission and workgroup; 0: by the submission bound */
    uint64_t idle_ns; /* stays on the device that long without a message; 0: about one relaunch */
    uint32_t chain;   /* dispatches per submission, at most 16; 0: 8 */
    uint32_t weight;  /* of its share in the device's time while other kernels of its carrier are
                         busy as well: one of weight 2 gets twice as much as one of weight 1.
                         0: 1; at most GYRE_WEIGHT_MAX */
    uint32_t carrier; /* the queue that it is submitted to: 1 for the first, up to
                         gyre_device_info.compute_queues or 4; 0: the one with the fewest kernels
                         that are not TERMINATED */
    uint32_t first_index; /* where the ring indices start: to test the wrap-around */

    bool accept_driver_faults; /* launch though the driver is known to compute wrong values for such
                                  a kernel */
    bool report_all;           /* every accepted message gives a gyre_reply at least: one without an
                                  answer with GYRE_REPLY_SILENT, a lost one with DROPPED or EXPIRED */
    uint64_t launch_timeout_ns; /* 0: 60 s */

    uint32_t flags;    /* must be 0 */
    uint32_t reserved; /* must be 0 */
} gyre_kernel_params;

/* Defines a kernel; nothing touches the device yet. `params` is copied, what it points to as well.
 * Results: OK, INVALID, ALREADY_EXISTS, NO_MEMORY. The runtime owns the kernel; gyre_kernel_destroy
 * ends it earlier. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_create(gyre_runtime *runtime, const gyre_kernel_params *params,
                                        gyre_kernel **kernel);

/* Finds a kernel by its id. Results: OK, NOT_FOUND (the log lists the ids there are).
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_find(gyre_runtime *runtime, const char *id, gyre_kernel **kernel);

/* Terminates (dropping) and frees. Blocks up to the runtime's destroy_timeout_ns; what a stuck
 * shader holds is left to gyre_runtime_destroy. NULL is fine. Thread-safety: no other call on the
 * kernel may be under way. */
GYRE_API void gyre_kernel_destroy(gyre_kernel *kernel);

/* CREATED -> LAUNCHED: reads or compiles the shader, checks it, allocates, builds the pipeline,
 * runs a warm-up in which no code of the user runs. A kernel that fails to launch stays CREATED and
 * may be launched again. Results: OK; STATE; COMPILE, IO, SPIRV, INTERFACE, LIMIT, BINDING,
 * UNSUPPORTED, DRIVER_FAULT (see the log); TIMEOUT (launch_timeout_ns; a second call goes on
 * waiting); NO_MEMORY; DEVICE_LOST. Blocks. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_launch(gyre_kernel *kernel);

/* LAUNCHED -> ACTIVE. Results: OK, STATE, DEVICE_LOST. Does not block. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_activate(gyre_kernel *kernel);

/* All of them, by one signal; either all change state or none. The kernels belong to one runtime.
 * Results: as above, INVALID. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernels_activate(gyre_kernel *const *kernels, uint32_t count);

/* ACTIVE -> DEACTIVATED. When it returns OK nothing is processed any more; what was sent and not
 * processed waits, in its order. TIMEOUT: the kernel is DEACTIVATED, but a message is still being
 * worked on. Results: OK, STATE, TIMEOUT, DEVICE_LOST. Blocks up to the timeout. Thread-safety:
 * safe. */
GYRE_API gyre_result gyre_kernel_deactivate(gyre_kernel *kernel, uint64_t timeout_ns);

/* DEACTIVATED -> ACTIVE. Results: OK, STATE, DEVICE_LOST. Does not block. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_reactivate(gyre_kernel *kernel);

/* All of them begin to, then all are waited for within one timeout; either all change state or
 * none. The kernels belong to one runtime. Results: as above, INVALID; TIMEOUT: all are
 * DEACTIVATED, but one at least still works on a message. Blocks up to the timeout. Thread-safety:
 * safe. */
GYRE_API gyre_result gyre_kernels_deactivate(gyre_kernel *const *kernels, uint32_t count,
                                             uint64_t timeout_ns);

typedef enum gyre_terminate_mode {
    GYRE_DROP = 0, /* messages not yet processed are dropped and counted */
    GYRE_DRAIN, /* all accepted messages are processed first; only an ACTIVE kernel can, others drop
                 */
} gyre_terminate_mode;

/* Any state -> TERMINATED. Unread answers stay readable. `dropped` (may be NULL) gets how many
 * messages were dropped. TIMEOUT: the kernel stays TERMINATING; call again to wait on. Calling it
 * on a TERMINATED kernel is no-op and OK. Results: OK, TIMEOUT, DEVICE_LOST. Blocks up to the
 * timeout. Thread-safety: safe. */
GYRE_API gyre_result gyre_kernel_terminate(gyre_kernel *kernel, gyre_terminate_mode mode,
                                           uint64_t timeout_ns, uint64_t *dropped);

/* All of them begin to, then all are waited for within one timeout. `dropped` (may be NULL) gets
 * how many messages were dropped by all together. The kernels belong to one runtime. Results: as
 * above, INVALID; TIMEOUT: those that have not ended stay TERMINATING. Blocks up to the timeout.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_kernels_terminate(gyre_kernel *const *kernels, uint32_t count,
                                            gyre_terminate_mode mode, uint64_t timeout_ns,
                                            uint64_t *dropped);

/* Of NULL: GYRE_TERMINATED and "". Thread-safety: safe. */
GYRE_API gyre_state gyre_kernel_state(const gyre_kernel *kernel);
GYRE_API const char *gyre_kernel_id(const gyre_kernel *kernel);

/* Bytes of a message and of an answer, as the module has them; 0 before launch. Thread-safety:
 * safe. */
GYRE_API uint32_t gyre_kernel_input_size(const gyre_kernel *kernel);
GYRE_API uint32_t gyre_kernel_output_size(const gyre_kernel *kernel);

#ifdef __cplusplus
}
#endif

#endif
