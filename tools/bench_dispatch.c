/* What users do without Gyre: one submission and one fence for each message (dispatch), or for each
 * batch of them (dispatch-batched), one invocation for each message. Plain Vulkan: Gyre opens the
 * device and makes the pipeline, the rest is vkQueueSubmit and the wait. Everything that can be
 * done once is done once. The messages of a batch are written before it and its answers checked
 * after it, straight in the mapped buffers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "bench.h"
#include "memory.h"
#include "pipeline.h"

/* clang-format off */
static const uint32_t plain_1_64[] = {
#include "bench_plain_1_64.spv.h"
};
static const uint32_t plain_64_16[] = {
#include "bench_plain_64_16.spv.h"
};
static const uint32_t plain_64_64[] = {
#include "bench_plain_64_64.spv.h"
};
static const uint32_t plain_64_4096[] = {
#include "bench_plain_64_4096.spv.h"
};
/* clang-format on */

static const struct module {
    uint32_t local_size;
    uint32_t words; /* of a message */
    const uint32_t *code;
    size_t size;
} modules[] = {
    {1, 16, plain_1_64, sizeof plain_1_64},
    {64, 4, plain_64_16, sizeof plain_64_16},
    {64, 16, plain_64_64, sizeof plain_64_64},
    {64, 1024, plain_64_4096, sizeof plain_64_4096},
};

struct dispatch {
    const struct bench_case *bench;
    const struct module *module;
    struct device *device; /* the setup's */
    uint32_t batch;
    uint32_t bytes; /* of the batch */
    struct buffer input;
    struct buffer output;
    struct pipeline pipeline;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
    uint64_t sent;
};

static void close_dispatch(void *state)
{
    struct dispatch *dispatch = state;
    struct device *device = dispatch->device;
    if (device) {
        device->vk.vkDeviceWaitIdle(device->handle);
        device->vk.vkDestroyFence(device->handle, dispatch->fence, NULL);
        device->vk.vkDestroyCommandPool(device->handle, dispatch->pool, NULL);
        pipeline_destroy(device, &dispatch->pipeline);
        buffer_destroy(device, &dispatch->input);
        buffer_destroy(device, &dispatch->output);
    }
    free(dispatch);
}

static bool make_buffers(struct dispatch *dispatch)
{
    struct device *device = dispatch->device;
    const VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    const uint32_t to_device = memory_choose(device, MEMORY_TO_DEVICE, UINT32_MAX);
    const uint32_t to_host = memory_choose(device, MEMORY_TO_HOST, UINT32_MAX);
    return buffer_create(device, &dispatch->input, dispatch->bytes, usage, to_device) == GYRE_OK &&
           buffer_create(device, &dispatch->output, dispatch->bytes, usage, to_host) == GYRE_OK;
}

static bool make_pipeline(struct dispatch *dispatch)
{
    const struct pipeline_binding bindings[] = {
        {.binding = 0, .buffer = dispatch->input.handle},
        {.binding = 1, .buffer = dispatch->output.handle},
    };
    return pipeline_create(dispatch->device, &dispatch->pipeline,
                           &(struct pipeline_request){
                               .words = dispatch->module->code,
                               .size = dispatch->module->size,
                               .entry_point = "main",
                               .bindings = bindings,
                               .binding_count = 2,
                               .name = "bench dispatch",
                           }) == GYRE_OK;
}

/* Once; submitted for each message or batch. */
static bool record(struct dispatch *dispatch)
{
    struct device *device = dispatch->device;
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = device->family,
    };
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    if (VK(device->log, device->vk.vkCreateFence(device->handle, &fence, NULL, &dispatch->fence)) !=
            VK_SUCCESS ||
        VK(device->log, device->vk.vkCreateCommandPool(device->handle, &pool, NULL,
                                                       &dispatch->pool)) != VK_SUCCESS) {
        return false;
    }
    const VkCommandBufferAllocateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = dispatch->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    if (VK(device->log, device->vk.vkAllocateCommandBuffers(device->handle, &buffer,
                                                            &dispatch->commands)) != VK_SUCCESS ||
        VK(device->log, device->vk.vkBeginCommandBuffer(dispatch->commands, &begin)) !=
            VK_SUCCESS) {
        return false;
    }
    const uint32_t local = dispatch->module->local_size,
                   groups = (dispatch->batch + local - 1) / local;
    pipeline_bind(device, &dispatch->pipeline, dispatch->commands);
    device->vk.vkCmdDispatch(dispatch->commands, groups, 1, 1);
    /* The submission makes the host's writes visible; the way back needs this. */
    const VkMemoryBarrier to_host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    device->vk.vkCmdPipelineBarrier(dispatch->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                    VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, NULL, 0, NULL);
    return VK(device->log, device->vk.vkEndCommandBuffer(dispatch->commands)) == VK_SUCCESS;
}

static bool opens_device(struct bench_setup *setup)
{
    char selector[32];
    snprintf(selector, sizeof selector, "index:%u", setup->device.index);
    if (!setup->plain_opened) {
        setup->plain_opened = device_open(&setup->plain, &setup->log, selector) == GYRE_OK;
    }
    return setup->plain_opened;
}

static const struct module *find_module(const struct bench_case *bench)
{
    const uint32_t local_size = bench_is_stream(bench) ? 64 : 1;
    for (size_t i = 0; i < LENGTH(modules); i++) {
        if (modules[i].local_size == local_size && modules[i].words == bench->words) {
            return &modules[i];
        }
    }
    return NULL;
}

static enum bench_opening open(struct bench_setup *setup, const struct bench_case *bench,
                               void **state)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);
    if (!dispatch) {
        command_say("bench: out of memory");
        return BENCH_FAILED;
    }
    *state = dispatch;
    dispatch->bench = bench;
    dispatch->module = find_module(bench);
    dispatch->batch = bench_is_stream(bench) ? bench->batch : 1;
    dispatch->bytes = dispatch->batch * bench->words * (uint32_t)sizeof(uint32_t);
    dispatch->device = opens_device(setup) ? &setup->plain : NULL;
    if (!dispatch->device || !dispatch->module || !make_buffers(dispatch) ||
        !make_pipeline(dispatch) || !record(dispatch)) {
        command_say("%s: cannot be set up", bench->name);
        return BENCH_FAILED;
    }
    return BENCH_OPENED;
}

static VkResult wait_spinning(const struct dispatch *dispatch)
{
    const struct device *device = dispatch->device;
    const uint64_t deadline = base_deadline(BENCH_LOST_NS);
    VkResult result;
    uint32_t spins = 0;
    do {
        result = device->vk.vkGetFenceStatus(device->handle, dispatch->fence);
    } while (result == VK_NOT_READY && (++spins % 1024 != 0 || base_remaining_ns(deadline) > 0));
    return result;
}

static VkResult wait_blocking(const struct dispatch *dispatch)
{
    const struct device *device = dispatch->device;
    return device->vk.vkWaitForFences(device->handle, 1, &dispatch->fence, VK_TRUE, BENCH_LOST_NS);
}

/* What lies in the input is worked on; the answers lie in the output. */
static bool submit(struct dispatch *dispatch)
{
    const struct device *device = dispatch->device;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &dispatch->commands,
    };
    VkResult result = device->vk.vkQueueSubmit(device->queues[0], 1, &submit, dispatch->fence);
    if (result == VK_SUCCESS) {
        result = dispatch->bench->flags & BENCH_SPINS ? wait_spinning(dispatch)
                                                      : wait_blocking(dispatch);
    }
    if (result == VK_SUCCESS) {
        result = device->vk.vkResetFences(device->handle, 1, &dispatch->fence);
    }
    if (result != VK_SUCCESS) {
        command_say("%s: %s", dispatch->bench->name, vk_result_name(result));
    }
    return result == VK_SUCCESS;
}

static bool exchange(void *state, const uint32_t *in, uint32_t *out)
{
    struct dispatch *dispatch = state;
    memcpy(dispatch->input.mapped, in, dispatch->bytes);
    if (!submit(dispatch)) {
        return false;
    }
    memcpy(out, dispatch->output.mapped, dispatch->bytes);
    return true;
}

static bool stream_batch(struct dispatch *dispatch, struct bench_tally *tally)
{
    const uint32_t words = dispatch->bench->words;
    const uint64_t first = dispatch->sent + 1;
    uint32_t *in = dispatch->input.mapped;
    const uint32_t *out = dispatch->output.mapped;
    uint64_t stamps[BENCH_BATCH / BENCH_SAMPLE + 1];
    for (uint32_t i = 0, timed = 0; i < dispatch->batch; i++) {
        if ((first + i) % BENCH_SAMPLE == 0) {
            stamps[timed++] = base_now_ns();
        }
        bench_fill(in + (size_t)i * words, words, first + i);
    }
    dispatch->sent += dispatch->batch;
    bool done = submit(dispatch);
    for (uint32_t i = 0, timed = 0; done && i < dispatch->batch; i++) {
        bench_count(tally, bench_is_answer(out + (size_t)i * words, 0, words, first + i));
        if ((first + i) % BENCH_SAMPLE == 0) {
            done = bench_time(tally, base_now_ns() - stamps[timed++]);
        }
    }
    return done;
}

static bool stream(void *state, struct bench_tally *tally, uint64_t deadline)
{
    bool done = true;
    while (done && base_now_ns() < deadline) {
        done = stream_batch(state, tally);
    }
    return done;
}

static const struct bench_ops one_at_a_time = {
    .open = open,
    .exchange = exchange,
    .close = close_dispatch,
};
static const struct bench_ops batched = {
    .open = open,
    .stream = stream,
    .close = close_dispatch,
};

#define WAIT(case_name, text, how, count, size, more, waits) \
    { \
        .name = case_name, .variant = text, .wait = (waits) ? "spin" : "block", .ops = how, \
        .flags = BENCH_NEEDS_DEVICE | (more) | ((waits) ? BENCH_SPINS : 0), .words = size, \
        .batch = count, \
    }
/* Both ways to wait. */
#define WAITS(case_name, text, how, count, size, more) \
    WAIT(case_name, text, how, count, size, more, 1), \
        WAIT(case_name, text, how, count, size, more, 0)
#define BATCHED(text, size, more) WAITS("dispatch-batched", text, &batched, BENCH_BATCH, size, more)
#define SCALE(text, count) WAITS("scale", text, &batched, count, BENCH_WORDS, BENCH_ON_DEMAND)

static const struct bench_case cases[] = {
    WAITS("dispatch", NULL, &one_at_a_time, 0, BENCH_WORDS, BENCH_QUICK),
    BATCHED("16 B", 4, 0),
    BATCHED("64 B", 16, BENCH_QUICK),
    BATCHED("4 KiB", 1024, 0),
    SCALE("dispatched 1", 1),
    SCALE("dispatched 4", 4),
    SCALE("dispatched 16", 16),
    SCALE("dispatched 64", 64),
    SCALE("dispatched 256", 256),
    SCALE("dispatched 1024", 1024),
};
const struct bench_family bench_dispatch = {cases, LENGTH(cases)};
