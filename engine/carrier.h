/* A carrier: one VkQueue and the thread that waits for what was submitted to it.
 *
 * Whoever has work for the device submits it itself; the thread sees the end, in order, and calls
 * back. With nothing in flight it sleeps. A submission that has had its time while others wait, or
 * that is over the bound, is asked to yield.
 *
 * Lock order: a kernel's lock, then the carrier's. Callbacks come with no lock held.
 * Thread-safety: safe.
 */
#ifndef GYRE_CARRIER_H
#define GYRE_CARRIER_H

#include "base.h"
#include "device.h"

struct carrier;

/* What is carried: a kernel has one, and at most one submission in flight. The carrier's, but for
 * the callbacks. */
struct carried {
    void (*completed)(struct carried *carried, gyre_result result); /* OK or DEVICE_LOST */
    void (*yield)(struct carried *carried); /* leave the device soon, please */
    struct carried *next;
    uint64_t value;
    bool asked;
    bool calling;
};

struct carrier *carrier_create(struct device *device, uint32_t queue, uint64_t bound_ns);

/* Ends the thread. Nothing may be in flight, unless the device is abandoned: false if the thread
 * does not end by the deadline, or something is in flight; then nothing is freed. */
bool carrier_destroy(struct carrier *carrier, uint64_t deadline);

/* Submits; the device begins once `go` has reached `go_value` (VK_NULL_HANDLE: at once). */
gyre_result carrier_submit(struct carrier *carrier, struct carried *carried,
                           VkCommandBuffer commands, VkSemaphore go, uint64_t go_value);

/* Returns once no callback for it is under way. Nothing of it may be in flight. */
void carrier_settle(struct carrier *carrier, struct carried *carried);

#endif
