/* A carrier: one VkQueue, the thread that waits for what was submitted to it, and how several
 * kernels share it.
 *
 * Whoever has work for the device submits it himself; the thread sees the end, in order, and calls
 * back. With nothing in flight it sleeps.
 *
 * On a queue that runs one submission after another ("serial") the device's time is shared by
 * weighted fair queueing (Demers, Keshav, Shenker, "Analysis and simulation of a fair queueing
 * algorithm", 1989; the bookkeeping, and the credit of a sleeper, are those of Linux's CFS). Each
 * kernel has a virtual time: the device's time that it has used, divided by its weight. At most two
 * submissions lie in the VkQueue, so that no host trip is between them; more wait here, and the one
 * with the least virtual time goes next. The one on the device is asked to yield
 *   - when it has had its turn and others wait: a quantum times its weight, more while it lags;
 *   - at once when another lags by a quantum, as one does that has slept;
 *   - at three quarters of the bound, for host threads wake late.
 * What it overruns counts against it later. Those that feed each other share a clock: what one of
 * them uses it uses for all, and none is behind another.
 *
 * Lock order: a kernel's lock, then the carrier's, then the timers'. `completed` comes with no lock
 * held, `yield` and `measure` under the carrier's: they take none.
 * Thread-safety: safe.
 */
#ifndef GYRE_CARRIER_H
#define GYRE_CARRIER_H

#include "base.h"
#include "device.h"
#include "timer.h"

struct carrier;

/* What is carried: a kernel has one, and at most one submission in flight. */
struct carried {
    /* The owner's. */
    void (*completed)(struct carried *carried, gyre_result result); /* OK or why not */
    void (*yield)(struct carried *carried);             /* leave the device soon, please */
    uint64_t (*measure)(const struct carried *carried); /* what the submission that just ended took,
                                                           by the device's clock; 0: unknown */
    uint32_t weight;                                    /* 1 or more */
    uint64_t *clock; /* its virtual time; several may share one. The carrier's to read and write */

    /* For the owner to read in `completed`: what it took on the device, waiting not counted. */
    uint64_t took_ns;
    bool measured; /* by the device's clock, else by the host's */

    /* The carrier's. */
    struct carried *next;
    VkCommandBuffer commands;
    VkSemaphore go;
    uint64_t go_value;
    uint64_t value;    /* of `done` at its end */
    uint64_t since_ns; /* when it came to the head of the VkQueue */
    VkResult result;   /* of its vkQueueSubmit */
    bool asked;
    bool calling;
};

struct carrier_params {
    struct device *device;
    struct timers *timers;
    uint32_t queue;
    bool serial; /* submissions run one after another; else all are submitted at once */
    uint64_t bound_ns;
    uint64_t quantum_ns;
    uint64_t relaunch_ns;         /* nobody is asked to yield before that */
    const struct base_cpus *cpus; /* which its thread runs on */
};

struct carrier *carrier_create(const struct carrier_params *params);

/* Ends the thread. Nothing may be in flight, unless the device is abandoned: false if the thread
 * does not end by the deadline, or something is in flight; then nothing is freed. */
bool carrier_destroy(struct carrier *carrier, uint64_t deadline);

/* Submits, at once or when it is its turn; the device begins once `go` has reached `go_value`
 * (VK_NULL_HANDLE: at once). An error that comes later is given to `completed`. */
gyre_result carrier_submit(struct carrier *carrier, struct carried *carried,
                           VkCommandBuffer commands, VkSemaphore go, uint64_t go_value);

/* Takes back what was submitted and has not gone to the VkQueue yet: `completed` will not come.
 * False: it has. */
bool carrier_withdraw(struct carrier *carrier, struct carried *carried);

/* How long a submission made now may stay on the device. `hears`: it can be asked to yield, so it
 * need not leave early for one who might come. */
struct carrier_turn {
    uint64_t ns;
    bool contended; /* others want the device now */
};
struct carrier_turn carrier_turn(struct carrier *carrier, const struct carried *carried,
                                 bool hears);

/* Returns once no callback for it is under way. Nothing of it may be in flight. */
void carrier_settle(struct carrier *carrier, struct carried *carried);

#endif
