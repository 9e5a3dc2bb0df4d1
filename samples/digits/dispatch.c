#define _POSIX_C_SOURCE 200809L

#include "dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOST_S 10 /* an answer that takes longer will not come */

#define MUST(call) must(call, #call)

static void must(VkResult result, const char *call)
{
    if (result != VK_SUCCESS) {
        fprintf(stderr, "digits-compare: VkResult %d from %s\n", (int)result, call);
        exit(1);
    }
}

/* Vulkan numbers the devices for Gyre as it does here; the UUID makes sure. */
static void find_device(struct dispatch *dispatch, const gyre_device_info *info)
{
    const VkInstanceCreateInfo instance = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo =
            &(VkApplicationInfo){
                .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                .apiVersion = VK_API_VERSION_1_2,
            },
    };
    MUST(vkCreateInstance(&instance, NULL, &dispatch->instance));

    VkPhysicalDevice devices[64];
    uint32_t count = sizeof devices / sizeof devices[0];
    vkEnumeratePhysicalDevices(dispatch->instance, &count, devices);
    if (info->index < count) {
        dispatch->physical = devices[info->index];
        VkPhysicalDeviceIDProperties id = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
        };
        VkPhysicalDeviceProperties2 properties = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
            .pNext = &id,
        };
        vkGetPhysicalDeviceProperties2(dispatch->physical, &properties);
        if (memcmp(id.deviceUUID, info->uuid, sizeof info->uuid) == 0) {
            return;
        }
    }
    fprintf(stderr, "digits-compare: Vulkan does not list %s as device %u\n", info->name,
            info->index);
    exit(1);
}

/* A queue for compute alone if there is one: Gyre chooses likewise. */
static void open_device(struct dispatch *dispatch)
{
    VkQueueFamilyProperties families[64];
    uint32_t count = sizeof families / sizeof families[0];
    vkGetPhysicalDeviceQueueFamilyProperties(dispatch->physical, &count, families);
    dispatch->family = UINT32_MAX;
    bool alone = false;
    for (uint32_t i = 0; i < count; i++) {
        bool computes = families[i].queueFlags & VK_QUEUE_COMPUTE_BIT;
        bool draws = families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT;
        if (computes && (dispatch->family == UINT32_MAX || (!draws && !alone))) {
            dispatch->family = i;
            alone = !draws;
        }
    }

    const VkDeviceCreateInfo device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos =
            &(VkDeviceQueueCreateInfo){
                .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                .queueFamilyIndex = dispatch->family,
                .queueCount = 1,
                .pQueuePriorities = &(float){1.0f},
            },
    };
    MUST(vkCreateDevice(dispatch->physical, &device, NULL, &dispatch->device));
    vkGetDeviceQueue(dispatch->device, dispatch->family, 0, &dispatch->queue);
}

static void make_buffer(struct dispatch *dispatch, struct dispatch_buffer *buffer, size_t size,
                        uint32_t memory_type)
{
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
    };
    MUST(vkCreateBuffer(dispatch->device, &create, NULL, &buffer->handle));

    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(dispatch->device, buffer->handle, &needs);
    const VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs.size,
        .memoryTypeIndex = memory_type,
    };
    MUST(vkAllocateMemory(dispatch->device, &allocate, NULL, &buffer->memory));
    MUST(vkBindBufferMemory(dispatch->device, buffer->handle, buffer->memory, 0));
    MUST(vkMapMemory(dispatch->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->mapped));
}

/* The buffers are bindings 0, 1 and 2 of the one set. */
static void make_set(struct dispatch *dispatch)
{
    VkDescriptorSetLayoutBinding bindings[3];
    for (uint32_t i = 0; i < 3; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    const VkDescriptorSetLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 3,
        .pBindings = bindings,
    };
    MUST(vkCreateDescriptorSetLayout(dispatch->device, &layout, NULL, &dispatch->set_layout));

    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 1,
        .pPoolSizes = &(VkDescriptorPoolSize){VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3},
    };
    MUST(vkCreateDescriptorPool(dispatch->device, &pool, NULL, &dispatch->descriptors));

    const VkDescriptorSetAllocateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = dispatch->descriptors,
        .descriptorSetCount = 1,
        .pSetLayouts = &dispatch->set_layout,
    };
    MUST(vkAllocateDescriptorSets(dispatch->device, &set, &dispatch->set));

    const VkDescriptorBufferInfo buffers[3] = {
        {dispatch->model.handle, 0, VK_WHOLE_SIZE},
        {dispatch->request.handle, 0, VK_WHOLE_SIZE},
        {dispatch->response.handle, 0, VK_WHOLE_SIZE},
    };
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = dispatch->set,
        .descriptorCount = 3, /* goes on at the next bindings */
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = buffers,
    };
    vkUpdateDescriptorSets(dispatch->device, 1, &write, 0, NULL);
}

static void make_pipeline(struct dispatch *dispatch, const uint32_t *words, size_t size)
{
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &dispatch->set_layout,
    };
    MUST(vkCreatePipelineLayout(dispatch->device, &layout, NULL, &dispatch->layout));

    const VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = size,
        .pCode = words,
    };
    VkShaderModule module;
    MUST(vkCreateShaderModule(dispatch->device, &code, NULL, &module));

    const VkComputePipelineCreateInfo pipeline = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
            },
        .layout = dispatch->layout,
    };
    MUST(vkCreateComputePipelines(dispatch->device, VK_NULL_HANDLE, 1, &pipeline, NULL,
                                  &dispatch->pipeline));
    vkDestroyShaderModule(dispatch->device, module, NULL);
}

/* Once; submitted for each digit. */
static void record(struct dispatch *dispatch)
{
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    MUST(vkCreateFence(dispatch->device, &fence, NULL, &dispatch->fence));
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = dispatch->family,
    };
    MUST(vkCreateCommandPool(dispatch->device, &pool, NULL, &dispatch->pool));
    const VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = dispatch->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    MUST(vkAllocateCommandBuffers(dispatch->device, &commands, &dispatch->commands));

    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    MUST(vkBeginCommandBuffer(dispatch->commands, &begin));
    vkCmdBindPipeline(dispatch->commands, VK_PIPELINE_BIND_POINT_COMPUTE, dispatch->pipeline);
    vkCmdBindDescriptorSets(dispatch->commands, VK_PIPELINE_BIND_POINT_COMPUTE, dispatch->layout, 0,
                            1, &dispatch->set, 0, NULL);
    vkCmdDispatch(dispatch->commands, 1, 1, 1);
    /* vkQueueSubmit makes the host's writes visible; the way back needs this. */
    const VkMemoryBarrier to_host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    vkCmdPipelineBarrier(dispatch->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, NULL, 0, NULL);
    MUST(vkEndCommandBuffer(dispatch->commands));
}

void dispatch_open(struct dispatch *dispatch, const gyre_device_info *info,
                   const gyre_profile *profile, const uint32_t *words, size_t size,
                   const struct digits_model *model)
{
    *dispatch = (struct dispatch){0};
    find_device(dispatch, info);
    open_device(dispatch);
    make_buffer(dispatch, &dispatch->model, sizeof *model, profile->memory_to_device);
    make_buffer(dispatch, &dispatch->request, sizeof(float[DIGITS_PIXELS]),
                profile->memory_to_device);
    make_buffer(dispatch, &dispatch->response, sizeof(struct digits_answer),
                profile->memory_to_host);
    memcpy(dispatch->model.mapped, model, sizeof *model);
    make_set(dispatch);
    make_pipeline(dispatch, words, size);
    record(dispatch);
}

static void wait_spinning(const struct dispatch *dispatch)
{
    const time_t start = time(NULL);
    VkResult result;
    uint32_t spins = 0;
    do {
        result = vkGetFenceStatus(dispatch->device, dispatch->fence);
    } while (result == VK_NOT_READY && (++spins % 1024 != 0 || time(NULL) - start < LOST_S));
    must(result, "vkGetFenceStatus");
}

static void wait_blocking(const struct dispatch *dispatch)
{
    MUST(vkWaitForFences(dispatch->device, 1, &dispatch->fence, VK_TRUE,
                         LOST_S * UINT64_C(1000000000)));
}

void dispatch_ask(struct dispatch *dispatch, bool spin, const float pixels[DIGITS_PIXELS],
                  struct digits_answer *answer)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &dispatch->commands,
    };
    memcpy(dispatch->request.mapped, pixels, sizeof(float[DIGITS_PIXELS]));
    MUST(vkQueueSubmit(dispatch->queue, 1, &submit, dispatch->fence));
    if (spin) {
        wait_spinning(dispatch);
    } else {
        wait_blocking(dispatch);
    }
    memcpy(answer, dispatch->response.mapped, sizeof *answer);
    MUST(vkResetFences(dispatch->device, 1, &dispatch->fence));
}

static void free_buffer(struct dispatch *dispatch, struct dispatch_buffer *buffer)
{
    vkDestroyBuffer(dispatch->device, buffer->handle, NULL);
    vkFreeMemory(dispatch->device, buffer->memory, NULL);
}

void dispatch_close(struct dispatch *dispatch)
{
    vkDestroyFence(dispatch->device, dispatch->fence, NULL);
    vkDestroyCommandPool(dispatch->device, dispatch->pool, NULL);
    vkDestroyPipeline(dispatch->device, dispatch->pipeline, NULL);
    vkDestroyPipelineLayout(dispatch->device, dispatch->layout, NULL);
    vkDestroyDescriptorPool(dispatch->device, dispatch->descriptors, NULL);
    vkDestroyDescriptorSetLayout(dispatch->device, dispatch->set_layout, NULL);
    free_buffer(dispatch, &dispatch->model);
    free_buffer(dispatch, &dispatch->request);
    free_buffer(dispatch, &dispatch->response);
    vkDestroyDevice(dispatch->device, NULL);
    vkDestroyInstance(dispatch->instance, NULL);
}
