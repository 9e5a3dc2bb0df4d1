/* Asks a device questions by shaders/probe/probe.comp, each with a bounded answer.
 *
 * Thread-safety: one thread, which has the device's queues for itself. A call that fails may leave
 * the device at work on the probe: it is not closed then, but left to the device.
 */
#ifndef GYRE_PROBE_H
#define GYRE_PROBE_H

#include "memory.h"
#include "pipeline.h"

/* As in the shader. */
enum probe_kind { PROBE_NOTHING, PROBE_LOOP, PROBE_LIVE, PROBE_CROWD, PROBE_OVERLAP };

struct probe_question {
    uint32_t kind;
    uint32_t bound; /* turns of its loop, at most */
    uint32_t own;   /* OVERLAP: which of the two dispatches, and the round */
    uint32_t round;
};

struct probe_answer {
    uint32_t here;
    uint32_t seen;
    uint32_t trips;
    uint32_t resident;
    uint32_t met[2];
};

/* What one submission needs; two of them can be in flight at once. */
struct probe_line {
    VkQueue queue;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
};

struct probe {
    struct device *device;
    struct pipeline pipeline;
    struct buffer to_device;
    struct buffer to_host;
    struct buffer local;
    struct probe_line line; /* on queue 0 */
};

/* With the host's word and the device's answers in these memory types. */
gyre_result probe_open(struct probe *probe, struct device *device, VkPipelineCache cache,
                       uint32_t type_to_device, uint32_t type_to_host);
void probe_close(struct probe *probe);

gyre_result probe_line_open(struct probe *probe, struct probe_line *line, uint32_t family,
                            VkQueue queue);
void probe_line_close(struct probe *probe, struct probe_line *line);

/* The word that the device polls, and what it has said so far. */
uint32_t *probe_flag(const struct probe *probe);
const struct probe_answer *probe_answer(const struct probe *probe);

gyre_result probe_submit(struct probe *probe, struct probe_line *line,
                         const struct probe_question *question, uint32_t groups);
bool probe_runs(const struct probe *probe, const struct probe_line *line);

/* Waits for the end: TIMEOUT if it does not come. */
gyre_result probe_await(struct probe *probe, struct probe_line *line);

/* Both, of one workgroup's or more, on the probe's own line. */
gyre_result probe_ask(struct probe *probe, enum probe_kind kind, uint32_t bound, uint32_t groups);

#endif
