/* A device played on plain memory: the rings of one workgroup with both sides' words, and a
 * residency that takes the steps of shaders/gyre/kernel.glsl. For tests of the host's side without
 * Vulkan.
 *
 * Thread-safety: `input` is its producer's, `output` its consumer's, played_run() the device's:
 * three threads at most.
 */
#ifndef GYRE_TESTS_PLAYED_DEVICE_H
#define GYRE_TESTS_PLAYED_DEVICE_H

#include <stdalign.h>

#include "ring.h"

#define PLAYED_SENDS_MAX 4u

struct played_message {
    const struct gyre_Header *header;
    const void *in;
    void *out[PLAYED_SENDS_MAX]; /* payloads of the answers to come */
    uint32_t flags;
};

/* What a handler did with a message. */
struct played_outcome {
    uint32_t sends;
    bool failed; /* gyre_fail(code) */
    uint32_t code;
    bool cut; /* the driver cut a loop: nothing of it counts */
};

typedef struct played_outcome played_handler(void *user, const struct played_message *message);

struct played_params {
    uint32_t input_size; /* slots of each lane, a power of two */
    uint32_t output_size;
    uint32_t payload_size; /* both ways, a multiple of 4 */
    uint32_t max_sends;
    uint32_t first_index;
    played_handler *handler;
    void *user;
    /* As on a weakly ordered bus: the output tail arrives before the slot. The handler must send
     * once, always. */
    bool tail_first;
};

struct played_submission {
    bool live;   /* polls the host's words; else the window as it was at the start */
    bool forget; /* something was withdrawn from the input rings */
    uint32_t fuel;
    uint32_t budget;
    uint32_t idle_polls;
};

struct played_device {
    struct played_params params;
    size_t stride;
    unsigned char *input_slots;
    unsigned char *output_slots;
    struct gyre_ControlLine *control;
    struct gyre_StatusLine *status;
    /* What different threads write lies 128 bytes apart, as in wire.h. */
    alignas(128) struct ring_input input[GYRE_LANES];
    alignas(128) struct ring_output output;
    alignas(128) struct gyre_LocalLine local;
    uint64_t seen_live; /* messages published after the submission that took them */
};

/* False: out of memory. played_close() is due either way. */
bool played_open(struct played_device *device, const struct played_params *params);
void played_close(struct played_device *device);

/* One submission of one residency; what it counted is in `exit`. Gives the GYRE_EXIT_... back. */
uint32_t played_run(struct played_device *device, const struct played_submission *submission,
                    struct gyre_Exit *exit);

#endif
