/* Buffers and the memory they lie in.
 *
 * What the host writes and the device polls wants device memory that the host can write (BAR): the
 * poll stays on the card. What the device writes and the host polls wants cached host memory. CPU
 * drivers have one type that is all of it.
 */
#ifndef GYRE_MEMORY_H
#define GYRE_MEMORY_H

#include "device.h"

struct buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    VkDeviceSize size;
    void *mapped; /* NULL if not asked for */
};

enum memory_role {
    MEMORY_TO_DEVICE, /* the host writes, never reads */
    MEMORY_TO_HOST,   /* the device writes, the host reads */
    MEMORY_LOCAL,     /* the device's own */
};

/* The best type for a role among `allowed` (a mask of memory types); UINT32_MAX if there is none.
 */
uint32_t memory_choose(const struct device *device, enum memory_role role, uint32_t allowed);

/* Whether the host's stores into the type are collected and reordered until drained. */
bool memory_is_write_combined(const struct device *device, uint32_t type);

/* A storage buffer in the given memory type; mapped if the type is host-visible. Contents are
 * undefined. */
gyre_result buffer_create(struct device *device, struct buffer *buffer, VkDeviceSize size,
                          VkBufferUsageFlags usage, uint32_t type);

/* The same, for queues of all families that the device was opened with, at once. */
gyre_result buffer_create_for_families(struct device *device, struct buffer *buffer,
                                       VkDeviceSize size, VkBufferUsageFlags usage, uint32_t type);
void buffer_destroy(struct device *device, struct buffer *buffer);

#endif
