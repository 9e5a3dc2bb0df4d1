/* What users do without Gyre: one submission and one fence for each message. Plain Vulkan: Gyre
 * opens the device and makes the pipeline, the rest is vkQueueSubmit and the wait. Everything that
 * can be done once is done once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "bench.h"
#include "memory.h"
#include "pipeline.h"

static const uint32_t code[] = {
#include "bench_dispatch.spv.h"
};

enum { BYTES = BENCH_WORDS * sizeof(uint32_t) };

struct dispatch {
    struct log log;
    struct device device;
    bool opened;
    struct buffer input;
    struct buffer output;
    struct pipeline pipeline;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
};

static void close_dispatch(void *state)
{
    struct dispatch *dispatch = state;
    struct device *device = &dispatch->device;
    if (dispatch->opened) {
        device->vk.vkDeviceWaitIdle(device->handle);
        device->vk.vkDestroyFence(device->handle, dispatch->fence, NULL);
        device->vk.vkDestroyCommandPool(device->handle, dispatch->pool, NULL);
        pipeline_destroy(device, &dispatch->pipeline);
        buffer_destroy(device, &dispatch->input);
        buffer_destroy(device, &dispatch->output);
        device_close(device);
    }
    free(dispatch);
}

static bool make_buffers(struct dispatch *dispatch)
{
    struct device *device = &dispatch->device;
    const VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    const uint32_t to_device = memory_choose(device, MEMORY_TO_DEVICE, UINT32_MAX);
    const uint32_t to_host = memory_choose(device, MEMORY_TO_HOST, UINT32_MAX);
    return buffer_create(device, &dispatch->input, BYTES, usage, to_device) == GYRE_OK &&
           buffer_create(device, &dispatch->output, BYTES, usage, to_host) == GYRE_OK;
}

static bool make_pipeline(struct dispatch *dispatch)
{
    const struct pipeline_binding bindings[] = {
        {.binding = 0, .buffer = dispatch->input.handle},
        {.binding = 1, .buffer = dispatch->output.handle},
    };
    return pipeline_create(&dispatch->device, &dispatch->pipeline,
                           &(struct pipeline_request){
                               .words = code,
                               .size = sizeof code,
                               .entry_point = "main",
                               .bindings = bindings,
                               .binding_count = 2,
                               .name = "bench dispatch",
                           }) == GYRE_OK;
}

/* Once; submitted for each message. */
static bool record(struct dispatch *dispatch)
{
    struct device *device = &dispatch->device;
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
    pipeline_bind(device, &dispatch->pipeline, dispatch->commands);
    device->vk.vkCmdDispatch(dispatch->commands, 1, 1, 1);
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

static bool open(const struct bench_setup *setup, void **state)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);
    if (!dispatch) {
        command_say("dispatch: out of memory");
        return false;
    }
    char selector[32];
    snprintf(selector, sizeof selector, "index:%u", setup->device.index);
    dispatch->log = (struct log){
        .callback = command_log,
        .user = (void *)setup->common,
        .level = command_log_level(setup->common),
    };
    dispatch->opened = device_open(&dispatch->device, &dispatch->log, selector) == GYRE_OK;
    if (!dispatch->opened || !make_buffers(dispatch) || !make_pipeline(dispatch) ||
        !record(dispatch)) {
        command_say("dispatch: cannot be set up");
        close_dispatch(dispatch);
        return false;
    }
    *state = dispatch;
    return true;
}

static bool nothing(void *state)
{
    (void)state;
    return true;
}

static VkResult wait_spinning(const struct dispatch *dispatch)
{
    const struct device *device = &dispatch->device;
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
    const struct device *device = &dispatch->device;
    return device->vk.vkWaitForFences(device->handle, 1, &dispatch->fence, VK_TRUE, BENCH_LOST_NS);
}

static bool exchange(struct dispatch *dispatch, VkResult (*wait)(const struct dispatch *),
                     const uint32_t *in, uint32_t *out)
{
    const struct device *device = &dispatch->device;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &dispatch->commands,
    };
    memcpy(dispatch->input.mapped, in, BYTES);
    VkResult result = device->vk.vkQueueSubmit(device->queues[0], 1, &submit, dispatch->fence);
    if (result == VK_SUCCESS) {
        result = wait(dispatch);
    }
    if (result == VK_SUCCESS) {
        memcpy(out, dispatch->output.mapped, BYTES);
        result = device->vk.vkResetFences(device->handle, 1, &dispatch->fence);
    }
    if (result != VK_SUCCESS) {
        command_say("dispatch: %s", vk_result_name(result));
    }
    return result == VK_SUCCESS;
}

static bool exchange_spinning(void *state, const uint32_t *in, uint32_t *out)
{
    return exchange(state, wait_spinning, in, out);
}

static bool exchange_blocking(void *state, const uint32_t *in, uint32_t *out)
{
    return exchange(state, wait_blocking, in, out);
}

#define DISPATCH(way, exchange_way) \
    { \
        .name = "dispatch", .variant = way, \
        .what = "one submission and one fence for each message", .words = BENCH_WORDS, \
        .needs_device = true, .open = open, .begin = nothing, .exchange = exchange_way, \
        .end = nothing, .close = close_dispatch, \
    }

const struct bench_case bench_dispatch_spin = DISPATCH("spin", exchange_spinning);
const struct bench_case bench_dispatch_block = DISPATCH("block", exchange_blocking);
