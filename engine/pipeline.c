#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>

#include "base.h"
#include "cache.h"

#define BINDINGS_MAX 48

gyre_result pipeline_store_open(struct device *device, struct pipeline_store *store,
                                const char *directory)
{
    *store = (struct pipeline_store){.directory = cache_directory(device->log, directory)};
    /* The driver refuses foreign data by its header; some do it badly, so its identity is the
     * file's key too. */
    const struct device_identity *key = &device->identity;
    snprintf(store->name, sizeof store->name, "pipelines-%08x-%08x-%u.bin", key->vendor_id,
             key->device_id, key->driver_id);
    size_t size = 0;
    void *data = cache_load(device->log, store->directory, store->name, key, sizeof *key, &size);
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = data ? size : 0,
        .pInitialData = data,
    };
    VkResult result = VK(
        device->log, device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &store->cache));
    store->kept = data ? size : 0;
    free(data);
    return device_check(device, result);
}

void pipeline_store_keep(struct device *device, struct pipeline_store *store)
{
    size_t size = 0;
    if (!store->directory ||
        device->vk.vkGetPipelineCacheData(device->handle, store->cache, &size, NULL) !=
            VK_SUCCESS ||
        size == store->kept) {
        return;
    }
    void *data = malloc(size ? size : 1);
    if (data && device->vk.vkGetPipelineCacheData(device->handle, store->cache, &size, data) ==
                    VK_SUCCESS) {
        cache_store(device->log, store->directory, store->name, &device->identity,
                    sizeof device->identity, data, size);
        store->kept = size;
    }
    free(data);
}

void pipeline_store_close(struct device *device, struct pipeline_store *store)
{
    device->vk.vkDestroyPipelineCache(device->handle, store->cache, NULL);
    free(store->directory);
    *store = (struct pipeline_store){0};
}

static VkDescriptorType type_of(const struct pipeline_binding *binding)
{
    return binding->uniform ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
}

static VkResult create_set_layout(struct device *device, struct pipeline *pipeline,
                                  const struct pipeline_request *request, uint32_t set)
{
    VkDescriptorSetLayoutBinding bindings[BINDINGS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->binding_count; ++i) {
        if (request->bindings[i].set == set) {
            bindings[count] = (VkDescriptorSetLayoutBinding){
                .binding = request->bindings[i].binding,
                .descriptorType = type_of(&request->bindings[i]),
                .descriptorCount = 1,
                .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
            };
            count += 1;
        }
    }
    VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = count,
        .pBindings = bindings,
    };
    return VK(device->log, device->vk.vkCreateDescriptorSetLayout(device->handle, &info, NULL,
                                                                  &pipeline->set_layouts[set]));
}

static VkResult create_layouts(struct device *device, struct pipeline *pipeline,
                               const struct pipeline_request *request)
{
    for (uint32_t set = 0; set < pipeline->set_count; ++set) {
        VkResult result = create_set_layout(device, pipeline, request, set);
        if (result != VK_SUCCESS) {
            return result;
        }
    }
    VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = pipeline->set_count,
        .pSetLayouts = pipeline->set_layouts,
        .pushConstantRangeCount = request->push_constant_size ? 1 : 0,
        .pPushConstantRanges = &(VkPushConstantRange){.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                                      .size = request->push_constant_size},
    };
    return VK(device->log,
              device->vk.vkCreatePipelineLayout(device->handle, &info, NULL, &pipeline->layout));
}

static VkResult allocate_sets(struct device *device, struct pipeline *pipeline)
{
    VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = pipeline->set_count,
        .poolSizeCount = 2,
        .pPoolSizes =
            (VkDescriptorPoolSize[]){
                {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, BINDINGS_MAX},
                {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, BINDINGS_MAX},
            },
    };
    VkResult result = VK(device->log, device->vk.vkCreateDescriptorPool(device->handle, &pool, NULL,
                                                                        &pipeline->pool));
    if (result != VK_SUCCESS) {
        return result;
    }
    VkDescriptorSetAllocateInfo sets = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pipeline->pool,
        .descriptorSetCount = pipeline->set_count,
        .pSetLayouts = pipeline->set_layouts,
    };
    return VK(device->log,
              device->vk.vkAllocateDescriptorSets(device->handle, &sets, pipeline->sets));
}

static void write_sets(struct device *device, struct pipeline *pipeline,
                       const struct pipeline_request *request)
{
    VkDescriptorBufferInfo buffers[BINDINGS_MAX];
    VkWriteDescriptorSet writes[BINDINGS_MAX];
    for (uint32_t i = 0; i < request->binding_count; ++i) {
        buffers[i] = (VkDescriptorBufferInfo){
            .buffer = request->bindings[i].buffer,
            .range = request->bindings[i].size ? request->bindings[i].size : VK_WHOLE_SIZE,
        };
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = pipeline->sets[request->bindings[i].set],
            .dstBinding = request->bindings[i].binding,
            .descriptorCount = 1,
            .descriptorType = type_of(&request->bindings[i]),
            .pBufferInfo = &buffers[i],
        };
    }
    device->vk.vkUpdateDescriptorSets(device->handle, request->binding_count, writes, 0, NULL);
}

static VkResult create_pipeline(struct device *device, struct pipeline *pipeline,
                                const struct pipeline_request *request)
{
    VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = request->size,
        .pCode = request->words,
    };
    VkShaderModule module = VK_NULL_HANDLE;
    VkResult result =
        VK(device->log, device->vk.vkCreateShaderModule(device->handle, &code, NULL, &module));
    if (result == VK_SUCCESS) {
        VkComputePipelineCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
            .stage =
                {
                    .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                    .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                    .module = module,
                    .pName = request->entry_point,
                },
            .layout = pipeline->layout,
        };
        result =
            VK(device->log, device->vk.vkCreateComputePipelines(device->handle, request->cache, 1,
                                                                &info, NULL, &pipeline->handle));
    }
    device->vk.vkDestroyShaderModule(device->handle, module, NULL);
    return result;
}

gyre_result pipeline_create(struct device *device, struct pipeline *pipeline,
                            const struct pipeline_request *request)
{
    *pipeline = (struct pipeline){.set_count = 1};
    ASSERT(request->binding_count <= BINDINGS_MAX);
    for (uint32_t i = 0; i < request->binding_count; ++i) {
        uint32_t set = request->bindings[i].set;
        if (set >= PIPELINE_SETS_MAX || set >= device->limits.maxBoundDescriptorSets) {
            return log_fail(device->log, GYRE_ERROR_LIMIT,
                            "%s: descriptor set %u is over the limit", request->name, set);
        }
        pipeline->set_count = set >= pipeline->set_count ? set + 1 : pipeline->set_count;
    }
    VkResult result = create_layouts(device, pipeline, request);
    if (result == VK_SUCCESS) {
        result = allocate_sets(device, pipeline);
    }
    if (result == VK_SUCCESS) {
        write_sets(device, pipeline, request);
        result = create_pipeline(device, pipeline, request);
    }
    if (result != VK_SUCCESS) {
        pipeline_destroy(device, pipeline);
    }
    return device_check(device, result);
}

void pipeline_destroy(struct device *device, struct pipeline *pipeline)
{
    device->vk.vkDestroyPipeline(device->handle, pipeline->handle, NULL);
    device->vk.vkDestroyPipelineLayout(device->handle, pipeline->layout, NULL);
    device->vk.vkDestroyDescriptorPool(device->handle, pipeline->pool, NULL);
    for (uint32_t i = 0; i < pipeline->set_count; ++i) {
        device->vk.vkDestroyDescriptorSetLayout(device->handle, pipeline->set_layouts[i], NULL);
    }
    *pipeline = (struct pipeline){0};
}

void pipeline_bind(const struct device *device, const struct pipeline *pipeline,
                   VkCommandBuffer commands)
{
    device->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->handle);
    device->vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout,
                                       0, pipeline->set_count, pipeline->sets, 0, NULL);
}
