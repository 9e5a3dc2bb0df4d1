/* The runtime: a Vulkan device and the threads that feed it. */
#ifndef GYRE_RUNTIME_H
#define GYRE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gyre/log.h>
#include <gyre/result.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_runtime gyre_runtime;
typedef struct gyre_compiler gyre_compiler; /* gyre/compiler.h */

/* Whether a kernel sees messages that were sent after its submission. */
typedef enum gyre_visibility {
    /* LIVE where a probe saw it work, else STRICT. A kernel whose submissions keep missing what was
     * sent meanwhile drops LIVE all the same: see gyre_stats.live. */
    GYRE_VISIBILITY_AUTO = 0,
    GYRE_VISIBILITY_STRICT = 1,
    GYRE_VISIBILITY_LIVE =
        2, /* asked for; refused with GYRE_ERROR_UNSUPPORTED where the probe says no */
} gyre_visibility;

/* How a call waits while its kernel's submission is in flight in LIVE: one call of a kernel looks
 * at what the device has written, the others sleep until they are woken. With nothing in flight,
 * and in STRICT, every call sleeps. */
typedef enum gyre_wait {
    GYRE_WAIT_DEFAULT = 0, /* of a kernel: the runtime's; of the runtime: BALANCED */

    /* Spins for 20 us, lets others have the processor between its looks until 200 us have passed,
     * then sleeps for 100 us; and so on. */
    GYRE_WAIT_BALANCED,

    /* Spins as long as the submission is in flight, for as long as the call may wait: the answer is
     * seen soonest, and a processor is busy until then. */
    GYRE_WAIT_LATENCY,

    /* Does not spin: looks and sleeps for 200 us, and so on. What comes meanwhile is seen up to
     * that much later, and by the end of the submission at the latest. */
    GYRE_WAIT_FRUGAL,
} gyre_wait;

/* Bits of gyre_runtime_params.flags. */
typedef enum gyre_runtime_flags {
    GYRE_RUNTIME_PROBE = 1, /* measure the device again, whatever is kept of it, and keep that */

    /* For tests: as on a device that sees nothing while it runs. What the host writes while a
     * submission is in flight is held back until the next one. LIVE can be asked for all the same,
     * and kernels find out that it does not work: see gyre_stats.live. */
    GYRE_RUNTIME_BLIND = 2,
} gyre_runtime_flags;

typedef struct gyre_runtime_params {
    gyre_log_callback log; /* NULL: silent */
    void *log_user;
    gyre_log_level log_level; /* the most talkative level passed on */

    /* Which device: "1" or "index:1", "name:radeon" (a part of the name, any case), "uuid:...",
     * "type:cpu" (discrete, integrated, virtual, cpu). NULL: the environment's GYRE_DEVICE, else
     * discrete before integrated before virtual before CPU. */
    const char *device;

    gyre_visibility visibility;
    gyre_wait wait;

    /* For kernels given as GLSL: gyre_compiler_shaderc() of the library gyre-compiler. NULL: SPIR-V
     * only. */
    const gyre_compiler *compiler;

    /* Where compiled pipelines and the device's profile are kept. NULL: $XDG_CACHE_HOME/gyre, else
     * ~/.cache/gyre. "": nowhere. */
    const char *cache_directory;

    uint64_t link_memory; /* bytes for all links, taken from the device with the first one; 0: 64
                             MiB, or what the device can bind */
    uint64_t submission_bound_ns; /* a submission aims to end within this; 0: 10 ms */
    uint64_t destroy_timeout_ns;  /* 0: 2 s; see gyre_runtime_destroy */

    /* The processors, by the system's numbers, that the engine's own threads run on (a carrier for
     * each queue, a worker, a timer); copied. None: all. The caller's threads stay where they are,
     * and the driver's, but for those that it starts from one of ours. Linux only. */
    const uint32_t *cpus;
    uint32_t cpu_count;

    uint32_t flags;    /* of gyre_runtime_flags */
    uint32_t reserved; /* must be 0 */
} gyre_runtime_params;

/* Opens a device and measures it (well below a second, see gyre_profile), or takes what was
 * measured before and kept in the cache directory: a profile is kept for its device, driver, number
 * of processors and version of this library, and only if LIVE is possible (a loaded machine may
 * have missed it). Files that are damaged or of others are ignored.
 * Results: OK; NO_LOADER, NO_DEVICE, DEVICE_NOT_FOUND, UNSUPPORTED (what is missing is in the log),
 * DEVICE_LOST, NO_MEMORY, INVALID. `params` may be NULL. The caller owns *runtime. Blocks while
 * probing. Thread-safety: safe. */
GYRE_API gyre_result gyre_runtime_create(const gyre_runtime_params *params, gyre_runtime **runtime);

/* Terminates and destroys all kernels (dropping what is queued) and gives the device back; kernels'
 * handles are dead after it. Blocks up to destroy_timeout_ns: a device that a stuck shader still
 * holds is then abandoned, not freed, and logged; the process can go on and exit. NULL is fine.
 * Thread-safety: no other call on the runtime or its kernels may be under way. */
GYRE_API void gyre_runtime_destroy(gyre_runtime *runtime);

#define GYRE_NAME_SIZE 256
#define GYRE_UUID_SIZE 16
#define GYRE_MEMORY_TYPES_MAX 32

typedef struct gyre_device_info {
    uint32_t index; /* as Vulkan enumerates */
    char name[GYRE_NAME_SIZE];
    char type[16]; /* "discrete", "integrated", "virtual", "cpu", "other" */
    uint8_t uuid[GYRE_UUID_SIZE];
    char driver[2 * GYRE_NAME_SIZE]; /* name and version in words */
    char api_version[16];            /* "1.3.230" */
    bool usable;                     /* Gyre can run on it */
    char missing[GYRE_NAME_SIZE];    /* if not: the requirements that it lacks, by name */
    uint32_t max_workgroup_invocations;
    uint32_t max_workgroup_size[3];
    uint32_t subgroup_size;
    uint32_t compute_queues;
} gyre_device_info;

/* Lists the devices, usable or not. In: *count = room in `infos`; out: how many there are. `infos`
 * may be NULL to count. `params` gives the log; may be NULL. Results: OK, NO_LOADER, NO_DEVICE,
 * NO_MEMORY. Thread-safety: safe. */
GYRE_API gyre_result gyre_device_list(const gyre_runtime_params *params, gyre_device_info *infos,
                                      uint32_t *count);

/* What the engine measured of the device. */
typedef struct gyre_profile {
    uint64_t relaunch_ns; /* submission to completion of an empty dispatch, median; always anew */
    uint64_t quantum_ns;  /* the turn of a kernel of weight 1 while others wait */
    uint32_t loop_limit;  /* back-edges after which the driver ends loops; 0: none found */
    uint32_t resident_workgroups; /* workgroups seen running at once (a lower bound) */
    bool resident_at_least;       /* the probe ended before it found more than it had started */
    bool overlap_queue;           /* two submissions to one queue ran at the same time */
    bool overlap_queues;          /* on two queues of a family; false if it has one */
    bool overlap_families;        /* on queues of two families; false if one computes */
    float timestamp_period;       /* ns to a tick of the compute queues' clock; 0: they have none */
    uint32_t timestamp_valid_bits; /* of their timestamps */
    uint32_t memory_type_count;
    struct {
        uint32_t flags; /* VkMemoryPropertyFlags */
        bool probed;
        bool live_to_device; /* the device saw a host write while it ran */
        bool live_to_host;
    } memory_types[GYRE_MEMORY_TYPES_MAX];
    uint32_t memory_to_device; /* chosen for what the host writes */
    uint32_t memory_to_host;   /* for what the device writes */
    bool live;                 /* LIVE is possible with these */
    bool cached;               /* but for relaunch_ns from the cache directory */
    uint64_t probe_ns;         /* what the probing took, this time */
} gyre_profile;

/* The device in use, and its profile. Either pointer may be NULL. Thread-safety: safe. */
GYRE_API gyre_result gyre_runtime_device(const gyre_runtime *runtime, gyre_device_info *info,
                                         gyre_profile *profile);

#ifdef __cplusplus
}
#endif

#endif
