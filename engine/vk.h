/* Vulkan for the rest of the engine: function tables, checked calls, names.
 *
 * Nothing here is per process: each device carries the instance functions and the device functions
 * (volk's table) that it needs, so two runtimes, or an engine with a volk of its own, do not meet.
 */
#ifndef GYRE_VK_H
#define GYRE_VK_H

#include <stdbool.h>
#include <volk.h>

#include "log.h"

/* The instance functions that we call. */
#define VK_INSTANCE_FUNCTIONS(X) \
    X(DestroyInstance) \
    X(EnumeratePhysicalDevices) \
    X(GetPhysicalDeviceProperties) \
    X(GetPhysicalDeviceProperties2) \
    X(GetPhysicalDeviceFeatures2) \
    X(GetPhysicalDeviceQueueFamilyProperties) \
    X(GetPhysicalDeviceMemoryProperties) \
    X(EnumerateDeviceExtensionProperties) \
    X(CreateDevice)

struct vk_instance {
    VkInstance handle;
#define X(name) PFN_vk##name name;
    VK_INSTANCE_FUNCTIONS(X)
#undef X
};

/* Results: OK, NO_LOADER, NO_DEVICE (no driver at all), NO_MEMORY, UNSUPPORTED. */
gyre_result vk_instance_create(const struct log *log, struct vk_instance *instance);
void vk_instance_destroy(struct vk_instance *instance);

/* Fills volk's table for a device. */
void vk_load_device(struct VolkDeviceTable *table, VkDevice device);

const char *vk_result_name(VkResult result);
gyre_result vk_to_result(VkResult result);

/* A Vulkan call: its VkResult, said in the log with text and place if it is an error. */
#define VK(log, call) vk_check((log), (call), #call, __FILE__, __LINE__)
VkResult vk_check(const struct log *log, VkResult result, const char *call, const char *file,
                  int line);

#endif
