#include "memory.h"

/* A type with these needs features that are not enabled. */
#define UNUSABLE \
    (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | \
     VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT)

static int score(VkMemoryPropertyFlags flags, enum memory_role role)
{
    const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    bool cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    bool visible = (flags & host) == host;
    switch (role) {
    case MEMORY_TO_DEVICE:
        return visible ? 1 + 2 * local : 0;
    case MEMORY_TO_HOST:
        return visible ? 1 + 2 * cached : 0;
    case MEMORY_LOCAL:
        return 1 + 2 * local + !(flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
    }
    return 0;
}

uint32_t memory_choose(const struct device *device, enum memory_role role, uint32_t allowed)
{
    uint32_t best = UINT32_MAX;
    int best_score = 0;
    for (uint32_t i = 0; i < device->memory.memoryTypeCount; ++i) {
        VkMemoryPropertyFlags flags = device->memory.memoryTypes[i].propertyFlags;
        if (!(allowed >> i & 1) || (flags & UNUSABLE)) {
            continue;
        }
        int its_score = score(flags, role);
        if (its_score > best_score) {
            best_score = its_score;
            best = i;
        }
    }
    return best;
}

bool memory_is_write_combined(const struct device *device, uint32_t type)
{
    return !(device->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
}

static gyre_result allocate(struct device *device, struct buffer *buffer, uint32_t type)
{
    VkMemoryRequirements needs;
    device->vk.vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    if (!(needs.memoryTypeBits >> type & 1)) {
        return log_fail(device->log, GYRE_ERROR_UNSUPPORTED,
                        "memory type %u does not take storage buffers", type);
    }
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs.size,
        .memoryTypeIndex = type,
    };
    VkResult result =
        VK(device->log, device->vk.vkAllocateMemory(device->handle, &info, NULL, &buffer->memory));
    if (result == VK_SUCCESS) {
        result = VK(device->log, device->vk.vkBindBufferMemory(device->handle, buffer->handle,
                                                               buffer->memory, 0));
    }
    if (result == VK_SUCCESS &&
        (device->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)) {
        result = VK(device->log, device->vk.vkMapMemory(device->handle, buffer->memory, 0,
                                                        VK_WHOLE_SIZE, 0, &buffer->mapped));
    }
    return device_check(device, result);
}

static gyre_result create(struct device *device, struct buffer *buffer, uint32_t type,
                          const VkBufferCreateInfo *info)
{
    *buffer = (struct buffer){.size = info->size};
    VkResult created =
        VK(device->log, device->vk.vkCreateBuffer(device->handle, info, NULL, &buffer->handle));
    gyre_result result = created == VK_SUCCESS ? allocate(device, buffer, type)
                                               : device_check(device, created);
    if (result != GYRE_OK) {
        buffer_destroy(device, buffer);
    }
    return result;
}

gyre_result buffer_create(struct device *device, struct buffer *buffer, VkDeviceSize size,
                          VkBufferUsageFlags usage, uint32_t type)
{
    return create(device, buffer, type,
                  &(VkBufferCreateInfo){
                      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                      .size = size,
                      .usage = usage | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                      .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
                  });
}

gyre_result buffer_create_for_families(struct device *device, struct buffer *buffer,
                                       VkDeviceSize size, VkBufferUsageFlags usage, uint32_t type)
{
    uint32_t families[1 + DEVICE_OTHER_FAMILIES_MAX] = {device->family};
    for (uint32_t i = 0; i < device->other_count; ++i) {
        families[1 + i] = device->other_families[i];
    }
    return create(device, buffer, type,
                  &(VkBufferCreateInfo){
                      .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                      .size = size,
                      .usage = usage | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                      .sharingMode = device->other_count ? VK_SHARING_MODE_CONCURRENT
                                                         : VK_SHARING_MODE_EXCLUSIVE,
                      .queueFamilyIndexCount = device->other_count ? 1 + device->other_count : 0,
                      .pQueueFamilyIndices = families,
                  });
}

void buffer_destroy(struct device *device, struct buffer *buffer)
{
    device->vk.vkDestroyBuffer(device->handle, buffer->handle, NULL);
    device->vk.vkFreeMemory(device->handle, buffer->memory, NULL); /* unmaps */
    *buffer = (struct buffer){0};
}
