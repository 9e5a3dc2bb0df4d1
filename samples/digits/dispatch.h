/*
 * A digit by one dispatch: the job without Gyre, in plain Vulkan.
 *
 * All that can be done once is done once: the weights are in place, the buffers stay mapped, in the
 * memory types that Gyre chose for its own messages and answers, and the command buffer is
 * recorded. For each digit remain two copies, vkQueueSubmit and the wait for its fence.
 *
 * What fails is said on stderr, and the program ends.
 */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "digits.h"

#include <gyre/runtime.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

struct dispatch_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    void *mapped;
};

struct dispatch {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    uint32_t family;
    VkQueue queue;
    struct dispatch_buffer model, request, response;
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool descriptors;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
};

/* Response in digits.comp and in dispatch.comp. */
struct digits_answer {
    uint32_t digit;
    float scores[DIGITS_CLASSES];
};

/* Opens the device that Gyre uses, and makes ready the module (dispatch.comp, size in bytes). */
void dispatch_open(struct dispatch *dispatch, const gyre_device_info *info,
                   const gyre_profile *profile, const uint32_t *words, size_t size,
                   const struct digits_model *model);

/* Waits for the answer: spins on the fence, or leaves the waiting to the driver. */
void dispatch_ask(struct dispatch *dispatch, bool spin, const float pixels[DIGITS_PIXELS],
                  struct digits_answer *answer);

void dispatch_close(struct dispatch *dispatch);

#endif
