/* The Vulkan device: which, with what, and its queues.
 *
 * Thread-safety: immutable after device_open, but for `lost` (atomic, sticky). The queues are the
 * carriers'.
 */
#ifndef GYRE_DEVICE_H
#define GYRE_DEVICE_H

#include <stdatomic.h>

#include <gyre/runtime.h>

#include "vk.h"

#define DEVICE_QUEUES_MAX 4

struct device {
    const struct log *log;
    struct vk_instance instance;
    VkPhysicalDevice physical;
    VkDevice handle;
    struct VolkDeviceTable vk;
    uint32_t family;
    uint32_t timestamp_bits; /* of the family; 0: no timestamps */
    uint32_t queue_count;
    VkQueue queues[DEVICE_QUEUES_MAX];
    VkPhysicalDeviceLimits limits;
    VkPhysicalDeviceMemoryProperties memory;
    VkDriverId driver_id;
    uint32_t driver_version;
    uint32_t mesa_version; /* as VK_MAKE_API_VERSION; 0: not Mesa, or not told */
    uint32_t vendor_id;
    uint32_t device_id;
    uint8_t cache_uuid[VK_UUID_SIZE];
    uint32_t subgroup_size;
    bool memory_model; /* vulkanMemoryModel with Device scope: kernels use it */
    gyre_device_info info;
    VkPhysicalDeviceFeatures2 features; /* as enabled; pNext: features11, features12 */
    VkPhysicalDeviceVulkan11Features features11;
    VkPhysicalDeviceVulkan12Features features12;
    atomic_bool lost;
};

/* Selects by `selector` (gyre_runtime_params.device; NULL: the environment, else the best) and
 * opens. Results: as gyre_runtime_create. */
gyre_result device_open(struct device *device, const struct log *log, const char *selector);

/* Destroys the VkDevice and its instance. What was made of it must be gone. Waits for running
 * shaders. */
void device_close(struct device *device);

/* Result of a Vulkan call on this device; remembers a loss. */
gyre_result device_check(struct device *device, VkResult result);

bool device_is_lost(const struct device *device);

/* True if the driver is llvmpipe older than the Mesa version. */
bool device_is_llvmpipe_before(const struct device *device, uint32_t major, uint32_t minor,
                               uint32_t patch);

gyre_result device_list(const struct log *log, gyre_device_info *infos, uint32_t *count);

/* Whether a SPIR-V capability may be used: a feature for it is enabled. `name` (may be NULL) gets
 * the feature. */
bool device_has_capability(const struct device *device, uint32_t capability, const char **name);

#endif
