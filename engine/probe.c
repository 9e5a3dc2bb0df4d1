#include "probe.h"

#include <string.h>

#include "base.h"

static const uint32_t probe_words[] = {
#include "probe.spv.h"
};

#define BYTES 512u
#define WAIT_NS 5000000000u

_Static_assert(sizeof(struct probe_answer) <= BYTES, "probe_answer");

void probe_line_close(struct probe *probe, struct probe_line *line)
{
    struct device *device = probe->device;
    device->vk.vkDestroyFence(device->handle, line->fence, NULL);
    device->vk.vkDestroyCommandPool(device->handle, line->pool, NULL);
    *line = (struct probe_line){0};
}

gyre_result probe_line_open(struct probe *probe, struct probe_line *line, uint32_t family,
                            VkQueue queue)
{
    struct device *device = probe->device;
    *line = (struct probe_line){.queue = queue};
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = family,
    };
    VkResult result =
        VK(device->log, device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &line->pool));
    if (result == VK_SUCCESS) {
        VkCommandBufferAllocateInfo commands = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = line->pool,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            .commandBufferCount = 1,
        };
        result = VK(device->log, device->vk.vkAllocateCommandBuffers(device->handle, &commands,
                                                                     &line->commands));
    }
    if (result == VK_SUCCESS) {
        VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        result =
            VK(device->log, device->vk.vkCreateFence(device->handle, &fence, NULL, &line->fence));
    }
    if (result != VK_SUCCESS) {
        probe_line_close(probe, line);
    }
    return device_check(device, result);
}

void probe_close(struct probe *probe)
{
    struct device *device = probe->device;
    probe_line_close(probe, &probe->line);
    pipeline_destroy(device, &probe->pipeline);
    buffer_destroy(device, &probe->local);
    buffer_destroy(device, &probe->to_host);
    buffer_destroy(device, &probe->to_device);
}

static gyre_result create_buffers(struct probe *probe, uint32_t type_to_device,
                                  uint32_t type_to_host)
{
    struct device *device = probe->device;
    const struct {
        struct buffer *buffer;
        VkBufferUsageFlags usage;
        uint32_t type;
    } wanted[] = {
        {&probe->to_device, 0, type_to_device},
        {&probe->to_host, 0, type_to_host},
        {&probe->local, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
         memory_choose(device, MEMORY_LOCAL, UINT32_MAX)},
    };
    for (size_t i = 0; i < LENGTH(wanted); ++i) {
        gyre_result result = buffer_create_for_families(device, wanted[i].buffer, BYTES,
                                                        wanted[i].usage, wanted[i].type);
        if (result != GYRE_OK) {
            return result;
        }
    }
    memset(probe->to_device.mapped, 0, BYTES);
    memset(probe->to_host.mapped, 0, BYTES);
    return GYRE_OK;
}

static gyre_result create_pipeline(struct probe *probe, VkPipelineCache cache)
{
    const struct pipeline_binding bindings[] = {
        {.binding = 0, .buffer = probe->to_device.handle},
        {.binding = 1, .buffer = probe->to_host.handle},
        {.binding = 2, .buffer = probe->local.handle},
    };
    return pipeline_create(probe->device, &probe->pipeline,
                           &(struct pipeline_request){
                               .words = probe_words,
                               .size = sizeof probe_words,
                               .entry_point = "main",
                               .bindings = bindings,
                               .binding_count = LENGTH(bindings),
                               .push_constant_size = sizeof(struct probe_question),
                               .cache = cache,
                               .name = "probe",
                           });
}

gyre_result probe_open(struct probe *probe, struct device *device, VkPipelineCache cache,
                       uint32_t type_to_device, uint32_t type_to_host)
{
    *probe = (struct probe){.device = device};
    gyre_result result = create_buffers(probe, type_to_device, type_to_host);
    if (result == GYRE_OK) {
        result = create_pipeline(probe, cache);
    }
    if (result == GYRE_OK) {
        result = probe_line_open(probe, &probe->line, device->family, device->queues[0]);
    }
    if (result != GYRE_OK) {
        probe_close(probe);
    }
    return result;
}

uint32_t *probe_flag(const struct probe *probe)
{
    return probe->to_device.mapped;
}

const struct probe_answer *probe_answer(const struct probe *probe)
{
    return probe->to_host.mapped;
}

static void clear_local(struct probe *probe, VkCommandBuffer commands)
{
    const struct VolkDeviceTable *vk = &probe->device->vk;
    vk->vkCmdFillBuffer(commands, probe->local.handle, 0, VK_WHOLE_SIZE, 0);
    VkMemoryBarrier filled = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
    };
    vk->vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &filled, 0, NULL, 0, NULL);
}

static VkResult record(struct probe *probe, VkCommandBuffer commands,
                       const struct probe_question *question, uint32_t groups)
{
    struct device *device = probe->device;
    const struct VolkDeviceTable *vk = &device->vk;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkResult result = VK(device->log, vk->vkBeginCommandBuffer(commands, &begin));
    if (result != VK_SUCCESS) {
        return result;
    }
    if (question->kind != PROBE_OVERLAP) { /* which lives on what another one writes meanwhile */
        clear_local(probe, commands);
    }
    pipeline_bind(device, &probe->pipeline, commands);
    vk->vkCmdPushConstants(commands, probe->pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           sizeof *question, question);
    vk->vkCmdDispatch(commands, groups, 1, 1);
    VkMemoryBarrier to_host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    vk->vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                             VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, NULL, 0, NULL);
    return VK(device->log, vk->vkEndCommandBuffer(commands));
}

gyre_result probe_submit(struct probe *probe, struct probe_line *line,
                         const struct probe_question *question, uint32_t groups)
{
    struct device *device = probe->device;
    VkResult result = record(probe, line->commands, question, groups);
    if (result == VK_SUCCESS) {
        VkSubmitInfo info = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &line->commands,
        };
        result = VK(device->log, device->vk.vkQueueSubmit(line->queue, 1, &info, line->fence));
    }
    return device_check(device, result);
}

bool probe_runs(const struct probe *probe, const struct probe_line *line)
{
    return probe->device->vk.vkGetFenceStatus(probe->device->handle, line->fence) == VK_NOT_READY;
}

gyre_result probe_await(struct probe *probe, struct probe_line *line)
{
    struct device *device = probe->device;
    VkResult result = VK(
        device->log, device->vk.vkWaitForFences(device->handle, 1, &line->fence, VK_TRUE, WAIT_NS));
    if (result == VK_SUCCESS) {
        result = VK(device->log, device->vk.vkResetFences(device->handle, 1, &line->fence));
    }
    return device_check(device, result);
}

gyre_result probe_ask(struct probe *probe, enum probe_kind kind, uint32_t bound, uint32_t groups)
{
    const struct probe_question question = {.kind = kind, .bound = bound};
    gyre_result result = probe_submit(probe, &probe->line, &question, groups);
    return result == GYRE_OK ? probe_await(probe, &probe->line) : result;
}
