/* Layouts, descriptor sets and the compute pipeline of one shader. */
#ifndef GYRE_PIPELINE_H
#define GYRE_PIPELINE_H

#include "memory.h"

#define PIPELINE_SETS_MAX 8

struct pipeline_binding {
    uint32_t set;
    uint32_t binding;
    bool uniform; /* else a storage buffer */
    VkBuffer buffer;
    VkDeviceSize size; /* of what the shader sees, so of the length of a last array; 0: all of it */
};

struct pipeline_request {
    const uint32_t *words;
    size_t size;
    const char *entry_point;
    const struct pipeline_binding *bindings;
    uint32_t binding_count;
    uint32_t push_constant_size;
    VkPipelineCache cache;
    const char *name;
};

/* The driver's compiled pipelines, kept between runs in a file of the cache directory. Used by one
 * thread at a time, but for `cache` itself, which the driver locks. */
struct pipeline_store {
    VkPipelineCache cache;
    char *directory; /* NULL: not kept */
    char name[64];
    size_t kept; /* bytes in the file */
};

gyre_result pipeline_store_open(struct device *device, struct pipeline_store *store,
                                const char *directory);
void pipeline_store_keep(struct device *device, struct pipeline_store *store);
void pipeline_store_close(struct device *device, struct pipeline_store *store);

struct pipeline {
    VkDescriptorSetLayout set_layouts[PIPELINE_SETS_MAX];
    VkDescriptorSet sets[PIPELINE_SETS_MAX];
    uint32_t set_count;
    VkDescriptorPool pool;
    VkPipelineLayout layout;
    VkPipeline handle;
};

/* May take long: a driver compiles here. */
gyre_result pipeline_create(struct device *device, struct pipeline *pipeline,
                            const struct pipeline_request *request);
void pipeline_destroy(struct device *device, struct pipeline *pipeline);

void pipeline_bind(const struct device *device, const struct pipeline *pipeline,
                   VkCommandBuffer commands);

#endif
