#include "profile.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "pipeline.h"
#include "shared.h"

static const uint32_t probe_words[] = {
#include "probe.spv.h"
};

/* As in shaders/probe/probe.comp. */
enum question { NOTHING, LOOP, LIVE, CROWD };
struct question_words {
    uint32_t question;
    uint32_t bound;
};
struct answer_words {
    uint32_t here;
    uint32_t seen;
    uint32_t trips;
    uint32_t peak;
};

#define LOOP_TRIPS 200000u /* three times the one limit that is known */
/* A look takes a millisecond or two, and the host needs microseconds; but others may have its
 * processor, so looks get longer, up to some 50 ms. */
#define LIVE_TRIPS 100000u
#define LIVE_TRIPS_MOST 3200000u
#define LIVE_HERE_NS 200000000u /* a driver that compiles at the first dispatch takes its time */
#define LIVE_LOOKS 12
#define LIVE_LOOKS_NS 300000000u /* where the driver ends loops a look is short: more of them */
#define CROWD_GROUPS 64u
#define CROWD_POLLS 5000u
#define CROWD_ROUNDS 10
#define CROWD_ENOUGH 2
#define RELAUNCHES 15
#define WAIT_NS 5000000000u

struct probe {
    struct device *device;
    struct pipeline pipeline;
    struct buffer to_device;
    struct buffer to_host;
    struct buffer local;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
};

static void close_probe(struct probe *probe)
{
    struct device *device = probe->device;
    device->vk.vkDestroyFence(device->handle, probe->fence, NULL);
    device->vk.vkDestroyCommandPool(device->handle, probe->pool, NULL);
    pipeline_destroy(device, &probe->pipeline);
    buffer_destroy(device, &probe->local);
    buffer_destroy(device, &probe->to_host);
    buffer_destroy(device, &probe->to_device);
}

static gyre_result create_commands(struct probe *probe)
{
    struct device *device = probe->device;
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = device->family,
    };
    VkResult result =
        VK(device->log, device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &probe->pool));
    if (result == VK_SUCCESS) {
        VkCommandBufferAllocateInfo commands = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = probe->pool,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            .commandBufferCount = 1,
        };
        result = VK(device->log, device->vk.vkAllocateCommandBuffers(device->handle, &commands,
                                                                     &probe->commands));
    }
    if (result == VK_SUCCESS) {
        VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        result =
            VK(device->log, device->vk.vkCreateFence(device->handle, &fence, NULL, &probe->fence));
    }
    return device_check(device, result);
}

static gyre_result open_probe(struct probe *probe, struct device *device, uint32_t type_to_device,
                              uint32_t type_to_host)
{
    *probe = (struct probe){.device = device};
    uint32_t type_local = memory_choose(device, MEMORY_LOCAL, UINT32_MAX);
    gyre_result result = buffer_create(device, &probe->to_device, 256, 0, type_to_device);
    if (result == GYRE_OK) {
        result = buffer_create(device, &probe->to_host, 256, 0, type_to_host);
    }
    if (result == GYRE_OK) {
        result =
            buffer_create(device, &probe->local, 256, VK_BUFFER_USAGE_TRANSFER_DST_BIT, type_local);
    }
    if (result == GYRE_OK) {
        const struct pipeline_binding bindings[] = {
            {.binding = 0, .buffer = probe->to_device.handle},
            {.binding = 1, .buffer = probe->to_host.handle},
            {.binding = 2, .buffer = probe->local.handle},
        };
        result = pipeline_create(device, &probe->pipeline,
                                 &(struct pipeline_request){
                                     .words = probe_words,
                                     .size = sizeof probe_words,
                                     .entry_point = "main",
                                     .bindings = bindings,
                                     .binding_count = LENGTH(bindings),
                                     .push_constant_size = sizeof(struct question_words),
                                     .name = "probe",
                                 });
    }
    if (result == GYRE_OK) {
        memset(probe->to_device.mapped, 0, probe->to_device.size);
        memset(probe->to_host.mapped, 0, probe->to_host.size);
        result = create_commands(probe);
    }
    if (result != GYRE_OK) {
        close_probe(probe);
    }
    return result;
}

static VkResult submit(struct probe *probe, enum question question, uint32_t bound, uint32_t groups)
{
    struct device *device = probe->device;
    const struct VolkDeviceTable *vk = &device->vk;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkResult result = VK(device->log, vk->vkBeginCommandBuffer(probe->commands, &begin));
    if (result != VK_SUCCESS) {
        return result;
    }
    vk->vkCmdFillBuffer(probe->commands, probe->local.handle, 0, VK_WHOLE_SIZE, 0);
    VkMemoryBarrier filled = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
    };
    vk->vkCmdPipelineBarrier(probe->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &filled, 0, NULL, 0, NULL);
    pipeline_bind(device, &probe->pipeline, probe->commands);
    struct question_words words = {.question = question, .bound = bound};
    vk->vkCmdPushConstants(probe->commands, probe->pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           sizeof words, &words);
    vk->vkCmdDispatch(probe->commands, groups, 1, 1);
    VkMemoryBarrier to_host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    vk->vkCmdPipelineBarrier(probe->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                             VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, NULL, 0, NULL);
    result = VK(device->log, vk->vkEndCommandBuffer(probe->commands));
    if (result == VK_SUCCESS) {
        VkSubmitInfo info = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &probe->commands,
        };
        result = VK(device->log, vk->vkQueueSubmit(device->queues[0], 1, &info, probe->fence));
    }
    return result;
}

/* GYRE_ERROR_TIMEOUT must not be ignored: the device still uses the probe. */
static gyre_result await(struct probe *probe)
{
    struct device *device = probe->device;
    VkResult result = VK(device->log, device->vk.vkWaitForFences(device->handle, 1, &probe->fence,
                                                                 VK_TRUE, WAIT_NS));
    if (result == VK_SUCCESS) {
        result = VK(device->log, device->vk.vkResetFences(device->handle, 1, &probe->fence));
    }
    return device_check(device, result);
}

static gyre_result ask(struct probe *probe, enum question question, uint32_t bound, uint32_t groups)
{
    gyre_result result = device_check(probe->device, submit(probe, question, bound, groups));
    return result == GYRE_OK ? await(probe) : result;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static gyre_result measure_relaunch(struct probe *probe, gyre_profile *profile)
{
    uint64_t took[RELAUNCHES];
    gyre_result result = ask(probe, NOTHING, 0, 1);
    for (size_t i = 0; i < LENGTH(took) && result == GYRE_OK; ++i) {
        uint64_t began = base_now_ns();
        result = ask(probe, NOTHING, 0, 1);
        took[i] = base_now_ns() - began;
    }
    if (result == GYRE_OK) {
        qsort(took, LENGTH(took), sizeof *took, compare);
        profile->relaunch_ns = took[LENGTH(took) / 2];
    }
    return result;
}

static const struct answer_words *answer_of(const struct probe *probe)
{
    return probe->to_host.mapped;
}

static gyre_result measure_loops(struct probe *probe, gyre_profile *profile)
{
    gyre_result result = ask(probe, LOOP, LOOP_TRIPS, 1);
    uint32_t trips = shared_load_relaxed(&answer_of(probe)->trips);
    profile->loop_limit = result == GYRE_OK && trips < LOOP_TRIPS ? trips : 0;
    return result;
}

/* Workgroups present at once, each staying for a bounded while; the most of several rounds, for a
 * thread of the driver that wakes late misses one. */
static gyre_result measure_crowd(struct probe *probe, gyre_profile *profile)
{
    gyre_result result = GYRE_OK;
    int confirmed = 0;
    for (int round = 0; round < CROWD_ROUNDS && result == GYRE_OK && confirmed < CROWD_ENOUGH;
         ++round) {
        result = ask(probe, CROWD, CROWD_POLLS, CROWD_GROUPS);
        uint32_t peak = shared_load_relaxed(&answer_of(probe)->peak);
        confirmed = peak == profile->resident_workgroups && peak > 1 ? confirmed + 1 : confirmed;
        if (peak > profile->resident_workgroups) {
            profile->resident_workgroups = peak;
            confirmed = 0;
        }
    }
    profile->resident_at_least = profile->resident_workgroups == CROWD_GROUPS;
    return result;
}

struct sighting {
    bool to_device;
    bool to_host;
};

static bool runs(const struct probe *probe)
{
    return probe->device->vk.vkGetFenceStatus(probe->device->handle, probe->fence) == VK_NOT_READY;
}

/* The device says that it runs, then the host raises the flag. Both directions are seen working, or
 * not. */
static gyre_result look_once(struct probe *probe, uint32_t trips, struct sighting *sighting)
{
    const struct answer_words *answer = answer_of(probe);
    memset(probe->to_host.mapped, 0, (size_t)probe->to_host.size);
    shared_store_release(probe->to_device.mapped, 0);
    gyre_result result = device_check(probe->device, submit(probe, LIVE, trips, 1));
    if (result != GYRE_OK) {
        return result;
    }
    uint64_t deadline = base_deadline(LIVE_HERE_NS);
    bool running = true;
    while (shared_load_acquire(&answer->here) == 0 && running && base_remaining_ns(deadline)) {
        running = runs(probe);
        sched_yield(); /* the device may be a thread of ours that wants this processor */
    }
    sighting->to_host = running && shared_load_acquire(&answer->here) != 0;
    shared_store_release(probe->to_device.mapped, 1);
    result = await(probe);
    sighting->to_device = result == GYRE_OK && sighting->to_host &&
                          shared_load_acquire(&answer->seen) != 0;
    return result;
}

/* A machine under load may take the processor away at the wrong moment: one sighting is enough,
 * some looks for it. */
static gyre_result measure_live(struct probe *probe, struct sighting *best)
{
    gyre_result result = GYRE_OK;
    uint32_t trips = LIVE_TRIPS;
    uint64_t deadline = base_deadline(LIVE_LOOKS_NS);
    for (int look = 0; result == GYRE_OK && !best->to_device; ++look) {
        if (look >= LIVE_LOOKS && base_remaining_ns(deadline) == 0) {
            break;
        }
        struct sighting sighting = {0};
        result = look_once(probe, trips, &sighting);
        trips = trips < LIVE_TRIPS_MOST ? trips * 2 : trips;
        best->to_device = sighting.to_device;
        best->to_host = best->to_host || sighting.to_host;
    }
    return result;
}

static gyre_result measure_memory_types(struct device *device, gyre_profile *profile)
{
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    profile->memory_type_count = device->memory.memoryTypeCount;
    for (uint32_t type = 0; type < device->memory.memoryTypeCount; ++type) {
        VkMemoryPropertyFlags flags = device->memory.memoryTypes[type].propertyFlags;
        profile->memory_types[type].flags = flags;
        if ((flags & wanted) != wanted ||
            memory_choose(device, MEMORY_TO_HOST, 1u << type) == UINT32_MAX) {
            continue;
        }
        struct probe probe;
        gyre_result result = open_probe(&probe, device, type, type);
        if (result != GYRE_OK) {
            continue; /* a type that takes no storage buffer, or whose heap is full, is not chosen
                       */
        }
        struct sighting sighting = {0};
        result = measure_live(&probe, &sighting);
        if (result != GYRE_OK) {
            return result; /* the probe may still run: its objects are left to the device */
        }
        profile->memory_types[type].probed = true;
        profile->memory_types[type].live_to_device = sighting.to_device;
        profile->memory_types[type].live_to_host = sighting.to_host;
        close_probe(&probe);
    }
    return GYRE_OK;
}

gyre_result profile_measure(struct device *device, gyre_profile *profile)
{
    uint64_t began = base_now_ns();
    *profile = (gyre_profile){
        .memory_to_device = memory_choose(device, MEMORY_TO_DEVICE, UINT32_MAX),
        .memory_to_host = memory_choose(device, MEMORY_TO_HOST, UINT32_MAX),
    };
    struct probe probe;
    gyre_result result =
        open_probe(&probe, device, profile->memory_to_device, profile->memory_to_host);
    if (result != GYRE_OK) {
        return result;
    }
    result = measure_relaunch(&probe, profile);
    if (result == GYRE_OK) {
        result = measure_loops(&probe, profile);
    }
    if (result == GYRE_OK) {
        result = measure_crowd(&probe, profile);
    }
    if (result != GYRE_OK) {
        return result;
    }
    close_probe(&probe);
    result = measure_memory_types(device, profile);
    profile->live = profile->memory_types[profile->memory_to_device].live_to_device &&
                    profile->memory_types[profile->memory_to_host].live_to_host;
    profile->probe_ns = base_now_ns() - began;
    return result;
}
