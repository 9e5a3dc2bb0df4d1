/* A Vulkan driver that Gyre cannot run on, for gpu/environment: one device, described and no more.
 * GYRE_OLD_DRIVER in the environment says what is wrong with it: "1.1" (its version) or "timeline"
 * (1.2 without timeline semaphores). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vk_icd.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

/* The loader puts its own word first in whatever it dispatches on. */
struct object {
    VK_LOADER_DATA loader;
};

static struct object instance_object;
static struct object device_object;

static uint32_t version(void)
{
    const char *fault = getenv("GYRE_OLD_DRIVER");
    return fault && strcmp(fault, "1.1") == 0 ? VK_API_VERSION_1_1 : VK_API_VERSION_1_2;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *allocator,
                                                      VkInstance *instance)
{
    (void)info;
    (void)allocator;
    set_loader_magic_value(&instance_object);
    *instance = (VkInstance)&instance_object;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance,
                                                   const VkAllocationCallbacks *allocator)
{
    (void)instance;
    (void)allocator;
}

static VKAPI_ATTR VkResult VKAPI_CALL instance_extensions(const char *layer, uint32_t *count,
                                                          VkExtensionProperties *properties)
{
    (void)layer;
    (void)properties;
    *count = 0;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL instance_version(uint32_t *api_version)
{
    *api_version = version();
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL devices(VkInstance instance, uint32_t *count,
                                              VkPhysicalDevice *found)
{
    (void)instance;
    if (found) {
        set_loader_magic_value(&device_object);
        found[0] = (VkPhysicalDevice)&device_object;
    }
    *count = 1;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL properties(VkPhysicalDevice device,
                                             VkPhysicalDeviceProperties *out)
{
    (void)device;
    *out = (VkPhysicalDeviceProperties){
        .apiVersion = version(),
        .deviceType = VK_PHYSICAL_DEVICE_TYPE_CPU,
        .deviceName = "Old Device",
        .limits = {.maxComputeWorkGroupInvocations = 128,
                   .maxComputeWorkGroupSize = {128, 128, 64}},
    };
}

static VKAPI_ATTR void VKAPI_CALL properties2(VkPhysicalDevice device,
                                              VkPhysicalDeviceProperties2 *out)
{
    properties(device, &out->properties);
    for (VkBaseOutStructure *next = out->pNext; next; next = next->pNext) {
        if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES) {
            VkPhysicalDeviceVulkan11Properties *p11 = (VkPhysicalDeviceVulkan11Properties *)next;
            p11->subgroupSize = 4;
            p11->subgroupSupportedStages = VK_SHADER_STAGE_COMPUTE_BIT;
            p11->subgroupSupportedOperations = VK_SUBGROUP_FEATURE_BASIC_BIT;
        }
    }
}

static VKAPI_ATTR void VKAPI_CALL features(VkPhysicalDevice device, VkPhysicalDeviceFeatures *out)
{
    (void)device;
    *out = (VkPhysicalDeviceFeatures){0};
}

/* All that is asked for in the chain stays as it was: not there. */
static VKAPI_ATTR void VKAPI_CALL features2(VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *out)
{
    features(device, &out->features);
}

static VKAPI_ATTR void VKAPI_CALL families(VkPhysicalDevice device, uint32_t *count,
                                           VkQueueFamilyProperties *out)
{
    (void)device;
    if (out) {
        *out = (VkQueueFamilyProperties){.queueFlags = VK_QUEUE_COMPUTE_BIT, .queueCount = 1};
    }
    *count = 1;
}

static VKAPI_ATTR void VKAPI_CALL memory(VkPhysicalDevice device,
                                         VkPhysicalDeviceMemoryProperties *out)
{
    (void)device;
    *out = (VkPhysicalDeviceMemoryProperties){
        .memoryTypeCount = 1,
        .memoryTypes = {{.propertyFlags = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                          VK_MEMORY_PROPERTY_HOST_COHERENT_BIT}},
        .memoryHeapCount = 1,
        .memoryHeaps = {{.size = 1 << 20}},
    };
}

static VKAPI_ATTR VkResult VKAPI_CALL device_extensions(VkPhysicalDevice device, const char *layer,
                                                        uint32_t *count, VkExtensionProperties *out)
{
    (void)device;
    return instance_extensions(layer, count, out);
}

/* What the loader insists on and nobody may reach. */
static VKAPI_ATTR VkResult VKAPI_CALL refuse(void)
{
    fprintf(stderr, "a function of the old driver was called that it has not got\n");
    abort();
}

EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance instance,
                                                                          const char *name)
{
#define ENTRY(vk_name, function) \
    { \
        "vk" #vk_name, (PFN_vkVoidFunction)(function) \
    }
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } entries[] = {
        ENTRY(CreateInstance, create_instance),
        ENTRY(DestroyInstance, destroy_instance),
        ENTRY(EnumerateInstanceExtensionProperties, instance_extensions),
        ENTRY(EnumerateInstanceVersion, instance_version),
        ENTRY(EnumeratePhysicalDevices, devices),
        ENTRY(GetPhysicalDeviceProperties, properties),
        ENTRY(GetPhysicalDeviceProperties2, properties2),
        ENTRY(GetPhysicalDeviceFeatures, features),
        ENTRY(GetPhysicalDeviceFeatures2, features2),
        ENTRY(GetPhysicalDeviceQueueFamilyProperties, families),
        ENTRY(GetPhysicalDeviceMemoryProperties, memory),
        ENTRY(EnumerateDeviceExtensionProperties, device_extensions),
        ENTRY(GetPhysicalDeviceFormatProperties, refuse),
        ENTRY(GetPhysicalDeviceImageFormatProperties, refuse),
        ENTRY(GetPhysicalDeviceSparseImageFormatProperties, refuse),
        ENTRY(CreateDevice, refuse),
        ENTRY(GetDeviceProcAddr, refuse),
    };
#undef ENTRY
    (void)instance;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; ++i) {
        if (strcmp(entries[i].name, name) == 0) {
            return entries[i].function;
        }
    }
    return NULL;
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *highest)
{
    *highest = *highest < 5 ? *highest : 5;
    return VK_SUCCESS;
}
