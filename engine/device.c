#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base.h"

/* What is known of a physical device before one is chosen. */
struct candidate {
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties2 properties;
    VkPhysicalDeviceVulkan11Properties properties11;
    VkPhysicalDeviceDriverProperties driver;
    VkPhysicalDeviceFeatures2 features;
    VkPhysicalDeviceVulkan11Features features11;
    VkPhysicalDeviceVulkan12Features features12;
    uint32_t family;
    uint32_t timestamp_bits;
    uint32_t queue_count;
    gyre_device_info info;
};

struct candidates {
    struct candidate *list;
    uint32_t count;
};

static const char *type_name(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return "cpu";
    default:
        return "other";
    }
}

/* Lower is better. */
static int type_rank(const char *type)
{
    static const char *const order[] = {"discrete", "integrated", "virtual", "cpu"};
    for (size_t i = 0; i < LENGTH(order); ++i) {
        if (strcmp(type, order[i]) == 0) {
            return (int)i;
        }
    }
    return (int)LENGTH(order);
}

/* A family that computes, best without graphics: its watchdog is more patient and the desktop does
 * not freeze. */
static void find_family(const struct vk_instance *vk, struct candidate *candidate)
{
    VkQueueFamilyProperties families[64];
    uint32_t count = LENGTH(families);
    vk->GetPhysicalDeviceQueueFamilyProperties(candidate->physical, &count, families);
    bool alone = false;
    for (uint32_t i = 0; i < count; ++i) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) {
            continue;
        }
        bool compute_only = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (candidate->queue_count == 0 || (compute_only && !alone)) {
            candidate->family = i;
            candidate->queue_count = families[i].queueCount;
            candidate->timestamp_bits = families[i].timestampValidBits;
            alone = compute_only;
        }
    }
}

static bool has_coherent_memory(const struct vk_instance *vk, VkPhysicalDevice physical)
{
    VkPhysicalDeviceMemoryProperties memory;
    vk->GetPhysicalDeviceMemoryProperties(physical, &memory);
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
        if ((memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            return true;
        }
    }
    return false;
}

/* The requirements, as data: each with the name that `gyre info` gives it. */
static void find_missing(const struct vk_instance *vk, struct candidate *candidate)
{
    const VkPhysicalDeviceVulkan11Properties *p11 = &candidate->properties11;
    const struct {
        bool met;
        const char *name;
    } requirements[] = {
        {candidate->properties.properties.apiVersion >= VK_API_VERSION_1_2, "Vulkan 1.2"},
        {candidate->features12.timelineSemaphore, "timelineSemaphore"},
        {candidate->queue_count > 0, "a queue family with compute"},
        {(p11->subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
             (p11->subgroupSupportedOperations & VK_SUBGROUP_FEATURE_BASIC_BIT),
         "basic subgroup operations in compute shaders"},
        {has_coherent_memory(vk, candidate->physical), "host-visible coherent memory"},
    };
    gyre_device_info *info = &candidate->info;
    info->usable = true;
    for (size_t i = 0; i < LENGTH(requirements); ++i) {
        if (!requirements[i].met) {
            size_t length = strlen(info->missing);
            snprintf(info->missing + length, sizeof info->missing - length, "%s%s",
                     length ? ", " : "", requirements[i].name);
            info->usable = false;
        }
    }
}

static void fill_info(struct candidate *candidate, uint32_t index)
{
    const VkPhysicalDeviceProperties *properties = &candidate->properties.properties;
    gyre_device_info *info = &candidate->info;
    info->index = index;
    snprintf(info->name, sizeof info->name, "%s", properties->deviceName);
    snprintf(info->type, sizeof info->type, "%s", type_name(properties->deviceType));
    snprintf(info->driver, sizeof info->driver, "%s %s", candidate->driver.driverName,
             candidate->driver.driverInfo);
    snprintf(info->api_version, sizeof info->api_version, "%u.%u.%u",
             VK_API_VERSION_MAJOR(properties->apiVersion),
             VK_API_VERSION_MINOR(properties->apiVersion),
             VK_API_VERSION_PATCH(properties->apiVersion));
    memcpy(info->uuid, candidate->properties11.deviceUUID, sizeof info->uuid);
    info->max_workgroup_invocations = properties->limits.maxComputeWorkGroupInvocations;
    memcpy(info->max_workgroup_size, properties->limits.maxComputeWorkGroupSize,
           sizeof info->max_workgroup_size);
    info->subgroup_size = candidate->properties11.subgroupSize;
    info->compute_queues = candidate->queue_count;
}

static void examine(const struct vk_instance *vk, struct candidate *candidate, uint32_t index)
{
    candidate->properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    candidate->features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    vk->GetPhysicalDeviceProperties(candidate->physical, &candidate->properties.properties);
    /* The structs of 1.2 mean nothing to an older device. */
    if (candidate->properties.properties.apiVersion >= VK_API_VERSION_1_2) {
        candidate->properties11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES;
        candidate->driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
        candidate->features11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
        candidate->features12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
        candidate->properties.pNext = &candidate->properties11;
        candidate->properties11.pNext = &candidate->driver;
        candidate->features.pNext = &candidate->features11;
        candidate->features11.pNext = &candidate->features12;
        vk->GetPhysicalDeviceProperties2(candidate->physical, &candidate->properties);
        vk->GetPhysicalDeviceFeatures2(candidate->physical, &candidate->features);
    }
    find_family(vk, candidate);
    fill_info(candidate, index);
    find_missing(vk, candidate);
}

static gyre_result find_candidates(const struct log *log, const struct vk_instance *vk,
                                   struct candidates *out)
{
    VkPhysicalDevice devices[64];
    uint32_t count = LENGTH(devices);
    VkResult result = VK(log, vk->EnumeratePhysicalDevices(vk->handle, &count, devices));
    if (result < 0 || count == 0) {
        return log_fail(
            log,
            result == VK_ERROR_OUT_OF_HOST_MEMORY ? GYRE_ERROR_NO_MEMORY : GYRE_ERROR_NO_DEVICE,
            "no Vulkan device: no GPU and no software driver answered (Debian: mesa-vulkan-drivers)");
    }
    out->list = calloc(count, sizeof *out->list);
    if (!out->list) {
        return GYRE_ERROR_NO_MEMORY;
    }
    out->count = count;
    for (uint32_t i = 0; i < count; ++i) {
        out->list[i].physical = devices[i];
        examine(vk, &out->list[i], i);
    }
    return GYRE_OK;
}

static bool contains_ignoring_case(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; *text; ++text) {
        if (strncasecmp(text, part, length) == 0) {
            return true;
        }
    }
    return length == 0;
}

static bool uuid_is(const uint8_t uuid[GYRE_UUID_SIZE], const char *text)
{
    char hex[GYRE_UUID_SIZE * 2 + 1];
    for (size_t i = 0; i < GYRE_UUID_SIZE; ++i) {
        snprintf(hex + 2 * i, 3, "%02x", uuid[i]);
    }
    size_t at = 0;
    for (; *text; ++text) {
        if (*text == '-') {
            continue;
        }
        if (at >= sizeof hex - 1 || strncasecmp(text, hex + at, 1) != 0) {
            return false;
        }
        at += 1;
    }
    return at == sizeof hex - 1;
}

/* 1 if it matches, 0 if not, -1 if the selector is not one. */
static int matches(const gyre_device_info *info, const char *selector)
{
    if (strncmp(selector, "name:", 5) == 0) {
        return contains_ignoring_case(info->name, selector + 5);
    }
    if (strncmp(selector, "uuid:", 5) == 0) {
        return uuid_is(info->uuid, selector + 5);
    }
    if (strncmp(selector, "type:", 5) == 0) {
        return strcmp(info->type, selector + 5) == 0;
    }
    const char *number = strncmp(selector, "index:", 6) == 0 ? selector + 6 : selector;
    char *end = NULL;
    unsigned long index = strtoul(number, &end, 10);
    if (number[0] < '0' || number[0] > '9' || *end) {
        return -1;
    }
    return index == info->index;
}

static void say_choice(const struct log *log, const struct candidates *all,
                       const struct candidate *chosen, const char *selector)
{
    for (uint32_t i = 0; i < all->count; ++i) {
        const gyre_device_info *info = &all->list[i].info;
        if (&all->list[i] == chosen) {
            log_say(log, GYRE_LOG_INFO, "device %u: %s (%s, %s): chosen", info->index, info->name,
                    info->type, info->driver);
        } else if (!info->usable) {
            log_say(log, GYRE_LOG_INFO, "device %u: %s: not usable, it lacks %s", info->index,
                    info->name, info->missing);
        } else if (selector && matches(info, selector) != 1) {
            log_say(log, GYRE_LOG_INFO, "device %u: %s (%s): not '%s'", info->index, info->name,
                    info->type, selector);
        } else {
            log_say(log, GYRE_LOG_INFO, "device %u: %s (%s): another one comes first", info->index,
                    info->name, info->type);
        }
    }
}

static gyre_result say_not_found(const struct log *log, const struct candidates *all,
                                 const char *selector)
{
    for (uint32_t i = 0; i < all->count; ++i) {
        const gyre_device_info *info = &all->list[i].info;
        log_say(log, GYRE_LOG_ERROR, "there is: index:%u name:%s type:%s", info->index, info->name,
                info->type);
    }
    return log_fail(log, GYRE_ERROR_DEVICE_NOT_FOUND, "no device is '%s'", selector);
}

static gyre_result choose(const struct log *log, const struct candidates *all, const char *selector,
                          const struct candidate **chosen)
{
    const struct candidate *best = NULL;
    const struct candidate *unusable = NULL;
    for (uint32_t i = 0; i < all->count; ++i) {
        const struct candidate *candidate = &all->list[i];
        int match = selector ? matches(&candidate->info, selector) : 1;
        if (match < 0) {
            return log_fail(
                log, GYRE_ERROR_INVALID,
                "device '%s': write index:N, name:PART, uuid:HEX or type:discrete|integrated|virtual|cpu",
                selector);
        }
        if (match && !candidate->info.usable) {
            unusable = candidate;
        } else if (match &&
                   (!best || type_rank(candidate->info.type) < type_rank(best->info.type))) {
            best = candidate;
        }
    }
    if (!best && unusable) {
        return log_fail(log, selector ? GYRE_ERROR_UNSUPPORTED : GYRE_ERROR_NO_DEVICE,
                        "%s cannot be used: it lacks %s", unusable->info.name,
                        unusable->info.missing);
    }
    if (!best) {
        return say_not_found(log, all, selector);
    }
    say_choice(log, all, best, selector);
    *chosen = best;
    return GYRE_OK;
}

/* Everything of the core that a handler may want, if the device has it; what costs or restricts
 * stays off. */
static void enable_features(struct device *device, const struct candidate *candidate)
{
    const VkPhysicalDeviceFeatures *has = &candidate->features.features;
    device->features = (VkPhysicalDeviceFeatures2){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &device->features11,
        .features =
            {
                .robustBufferAccess = has->robustBufferAccess,
                .shaderFloat64 = has->shaderFloat64,
                .shaderInt64 = has->shaderInt64,
                .shaderInt16 = has->shaderInt16,
            },
    };
    device->features11 = (VkPhysicalDeviceVulkan11Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &device->features12,
        .storageBuffer16BitAccess = candidate->features11.storageBuffer16BitAccess,
        .uniformAndStorageBuffer16BitAccess =
            candidate->features11.uniformAndStorageBuffer16BitAccess,
    };
    const VkPhysicalDeviceVulkan12Features *has12 = &candidate->features12;
    bool model = has12->vulkanMemoryModel && has12->vulkanMemoryModelDeviceScope;
    device->features12 = (VkPhysicalDeviceVulkan12Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .timelineSemaphore = VK_TRUE,
        .vulkanMemoryModel = model,
        .vulkanMemoryModelDeviceScope = model,
        .shaderFloat16 = has12->shaderFloat16,
        .shaderInt8 = has12->shaderInt8,
        .storageBuffer8BitAccess = has12->storageBuffer8BitAccess,
        .uniformAndStorageBuffer8BitAccess = has12->uniformAndStorageBuffer8BitAccess,
        .shaderBufferInt64Atomics = has12->shaderBufferInt64Atomics,
        .shaderSharedInt64Atomics = has12->shaderSharedInt64Atomics,
        .scalarBlockLayout = has12->scalarBlockLayout,
        .bufferDeviceAddress = has12->bufferDeviceAddress,
        .shaderSubgroupExtendedTypes = has12->shaderSubgroupExtendedTypes,
    };
    device->memory_model = model;
}

bool device_has_capability(const struct device *device, uint32_t capability, const char **name)
{
    const VkPhysicalDeviceFeatures *core = &device->features.features;
    const VkPhysicalDeviceVulkan11Features *f11 = &device->features11;
    const VkPhysicalDeviceVulkan12Features *f12 = &device->features12;
    const struct {
        uint32_t capability;
        VkBool32 enabled;
        const char *name;
    } known[] = {
        {0, VK_TRUE, "Matrix"},
        {1, VK_TRUE, "Shader"},
        {9, f12->shaderFloat16, "shaderFloat16"},
        {10, core->shaderFloat64, "shaderFloat64"},
        {11, core->shaderInt64, "shaderInt64"},
        {12, f12->shaderBufferInt64Atomics, "shaderBufferInt64Atomics"},
        {22, core->shaderInt16, "shaderInt16"},
        {39, f12->shaderInt8, "shaderInt8"},
        {50, VK_TRUE, "ImageQuery"},
        {61, VK_TRUE, "GroupNonUniform"},
        {62, VK_TRUE, "GroupNonUniformVote"},
        {63, VK_TRUE, "GroupNonUniformArithmetic"},
        {64, VK_TRUE, "GroupNonUniformBallot"},
        {65, VK_TRUE, "GroupNonUniformShuffle"},
        {66, VK_TRUE, "GroupNonUniformShuffleRelative"},
        {67, VK_TRUE, "GroupNonUniformClustered"},
        {68, VK_TRUE, "GroupNonUniformQuad"},
        {4433, f11->storageBuffer16BitAccess, "storageBuffer16BitAccess"},
        {4434, f11->uniformAndStorageBuffer16BitAccess, "uniformAndStorageBuffer16BitAccess"},
        {4448, f12->storageBuffer8BitAccess, "storageBuffer8BitAccess"},
        {4449, f12->uniformAndStorageBuffer8BitAccess, "uniformAndStorageBuffer8BitAccess"},
        {5345, f12->vulkanMemoryModel, "vulkanMemoryModel"},
        {5346, f12->vulkanMemoryModelDeviceScope, "vulkanMemoryModelDeviceScope"},
        {5347, f12->bufferDeviceAddress, "bufferDeviceAddress"},
    };
    for (size_t i = 0; i < LENGTH(known); ++i) {
        if (known[i].capability == capability) {
            if (name) {
                *name = known[i].name;
            }
            return known[i].enabled;
        }
    }
    if (name) {
        *name = "a SPIR-V capability that Gyre does not enable";
    }
    return false;
}

static gyre_result create_device(struct device *device, const struct candidate *candidate)
{
    enable_features(device, candidate);
    device->family = candidate->family;
    device->timestamp_bits = candidate->timestamp_bits;
    device->queue_count = candidate->queue_count < DEVICE_QUEUES_MAX ? candidate->queue_count
                                                                     : DEVICE_QUEUES_MAX;
    const float priorities[DEVICE_QUEUES_MAX] = {0.5f, 0.5f, 0.5f, 0.5f};
    VkResult result =
        VK(device->log, device->instance.CreateDevice(
                            candidate->physical,
                            &(VkDeviceCreateInfo){
                                .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                .pNext = &device->features,
                                .queueCreateInfoCount = 1,
                                .pQueueCreateInfos =
                                    &(VkDeviceQueueCreateInfo){
                                        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                        .queueFamilyIndex = device->family,
                                        .queueCount = device->queue_count,
                                        .pQueuePriorities = priorities,
                                    },
                            },
                            NULL, &device->handle));
    if (result != VK_SUCCESS) {
        return vk_to_result(result);
    }
    vk_load_device(&device->vk, device->handle);
    for (uint32_t i = 0; i < device->queue_count; ++i) {
        device->vk.vkGetDeviceQueue(device->handle, device->family, i, &device->queues[i]);
    }
    return GYRE_OK;
}

/* "Mesa 22.3.6 (LLVM 15.0.6)": driverVersion is 0.0.1 in every lavapipe. */
static uint32_t read_mesa_version(const char *driver_info)
{
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    bool known = sscanf(driver_info, "Mesa %3u.%3u.%3u", &major, &minor, &patch) == 3;
    return known ? VK_MAKE_API_VERSION(0, major, minor, patch) : 0;
}

static void remember(struct device *device, const struct candidate *candidate)
{
    const VkPhysicalDeviceProperties *properties = &candidate->properties.properties;
    device->physical = candidate->physical;
    device->limits = properties->limits;
    device->driver_id = candidate->driver.driverID;
    device->driver_version = properties->driverVersion;
    device->mesa_version = read_mesa_version(candidate->driver.driverInfo);
    device->vendor_id = properties->vendorID;
    device->device_id = properties->deviceID;
    memcpy(device->cache_uuid, properties->pipelineCacheUUID, sizeof device->cache_uuid);
    device->subgroup_size = candidate->properties11.subgroupSize;
    device->info = candidate->info;
    device->instance.GetPhysicalDeviceMemoryProperties(device->physical, &device->memory);
}

gyre_result device_open(struct device *device, const struct log *log, const char *selector)
{
    *device = (struct device){.log = log};
    gyre_result result = vk_instance_create(log, &device->instance);
    if (result != GYRE_OK) {
        return result;
    }
    const char *wanted = selector ? selector : getenv("GYRE_DEVICE");
    struct candidates all = {0};
    const struct candidate *chosen = NULL;
    result = find_candidates(log, &device->instance, &all);
    if (result == GYRE_OK) {
        result = choose(log, &all, wanted && *wanted ? wanted : NULL, &chosen);
    }
    if (result == GYRE_OK) {
        remember(device, chosen);
        result = create_device(device, chosen);
    }
    free(all.list);
    if (result != GYRE_OK) {
        device_close(device);
    }
    return result;
}

void device_close(struct device *device)
{
    if (device->handle) {
        device->vk.vkDestroyDevice(device->handle, NULL);
        device->handle = VK_NULL_HANDLE;
    }
    vk_instance_destroy(&device->instance);
}

gyre_result device_check(struct device *device, VkResult result)
{
    if (result == VK_ERROR_DEVICE_LOST && !atomic_exchange(&device->lost, true)) {
        log_say(device->log, GYRE_LOG_ERROR, "%s is lost", device->info.name);
    }
    return vk_to_result(result);
}

bool device_is_lost(const struct device *device)
{
    return atomic_load(&device->lost);
}

bool device_is_llvmpipe_before(const struct device *device, uint32_t major, uint32_t minor,
                               uint32_t patch)
{
    return device->driver_id == VK_DRIVER_ID_MESA_LLVMPIPE && device->mesa_version &&
           device->mesa_version < VK_MAKE_API_VERSION(0, major, minor, patch);
}

gyre_result device_list(const struct log *log, gyre_device_info *infos, uint32_t *count)
{
    struct vk_instance vk;
    gyre_result result = vk_instance_create(log, &vk);
    if (result != GYRE_OK) {
        return result;
    }
    struct candidates all = {0};
    result = find_candidates(log, &vk, &all);
    if (result == GYRE_OK) {
        for (uint32_t i = 0; infos && i < all.count && i < *count; ++i) {
            infos[i] = all.list[i].info;
        }
        *count = all.count;
    }
    free(all.list);
    vk_instance_destroy(&vk);
    return result;
}
