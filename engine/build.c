/* What launch makes: module, memory, pipeline, commands. On the worker's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* Rings of their own accord stay below this; asked for, up to what the device binds. */
#define RING_BYTES (16u * 1024u * 1024u)
#define WINDOW_DEFAULT 64u
#define TABLE_BYTES 4096u /* so that some more links fit */

static uint64_t input_bytes(const struct gyre_kernel *kernel, uint32_t slots)
{
    return (uint64_t)slots * GYRE_LANES * kernel->params.workgroups *
           kernel->build.program.info.input.stride;
}

static uint64_t output_bytes(const struct gyre_kernel *kernel, uint32_t slots)
{
    return (uint64_t)slots * kernel->params.workgroups * kernel->build.program.info.output.stride;
}

/* Per invocation there is something for the whole workgroup, and as much to come. */
static uint32_t default_window(const struct program *program)
{
    uint32_t at_once = program->info.per_invocation ? program->local_count : 1;
    return at_once * 2 > WINDOW_DEFAULT ? at_once * 2 : WINDOW_DEFAULT;
}

static gyre_result choose_sizes(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    const gyre_kernel_params *params = &kernel->params;
    const struct device *device = kernel->services.device;
    build->input_slots = base_round_up_power_of_two(
        params->window ? params->window : default_window(&build->program));
    while (!params->window && build->input_slots > 1 &&
           input_bytes(kernel, build->input_slots) > RING_BYTES) {
        build->input_slots /= 2;
    }
    uint32_t sends = build->program.info.max_sends;
    uint32_t each = build->program.info.per_invocation ? sends : 1;
    uint32_t wanted = params->output_window ? params->output_window : build->input_slots * 4 * each;
    build->output_slots = base_round_up_power_of_two(wanted < sends ? sends : wanted);
    uint32_t least = base_round_up_power_of_two(sends);
    while (!params->output_window && build->output_slots > least &&
           output_bytes(kernel, build->output_slots) > RING_BYTES) {
        build->output_slots /= 2;
    }
    uint64_t most = device->limits.maxStorageBufferRange;
    uint64_t state = (uint64_t)build->program.info.state.size * 2 * params->workgroups;
    if (!build->input_slots || !build->output_slots ||
        input_bytes(kernel, build->input_slots) > most ||
        output_bytes(kernel, build->output_slots) > most || state > most) {
        return log_fail(
            device->log, GYRE_ERROR_LIMIT,
            "kernel %s: its rings or its state are over the %llu bytes that %s binds: ask for a smaller "
            "window, output_window, GYRE_STATE or fewer workgroups",
            kernel->id, (unsigned long long)most, device->info.name);
    }
    if (params->workgroups > device->limits.maxComputeWorkGroupCount[0]) {
        return log_fail(device->log, GYRE_ERROR_LIMIT, "kernel %s: %u workgroups, %s runs %u",
                        kernel->id, params->workgroups, device->info.name,
                        device->limits.maxComputeWorkGroupCount[0]);
    }
    return GYRE_OK;
}

/* Times are copied to a buffer by the device: vkGetQueryPoolResults waits for all that is in the
 * VkQueue with lavapipe (seen in its source, 22.3 to 25.0). */
static const VkDeviceSize times_size = 2 * sizeof(uint64_t);

static gyre_result create_timestamps(struct gyre_kernel *kernel)
{
    struct device *device = kernel->services.device;
    if (!device->timestamp_valid_bits) {
        return GYRE_OK;
    }
    VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2,
    };
    return device_check(device,
                        VK(device->log, device->vk.vkCreateQueryPool(device->handle, &info, NULL,
                                                                     &kernel->build.timestamps)));
}

static gyre_result create_buffers(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    struct device *device = kernel->services.device;
    uint32_t groups = kernel->params.workgroups;
    uint32_t to_device = kernel->services.profile->memory_to_device;
    uint32_t to_host = kernel->services.profile->memory_to_host;
    uint32_t local = memory_choose(device, MEMORY_LOCAL, UINT32_MAX);
    uint64_t state = (uint64_t)build->program.info.state.size * 2 * groups;
    const struct {
        struct buffer *buffer;
        uint64_t size;
        VkBufferUsageFlags usage;
        uint32_t type;
    } wanted[] = {
        {&build->control, sizeof(struct gyre_Submission) + sizeof(struct gyre_ControlLine) * groups,
         0, to_device},
        {&build->status, sizeof(struct gyre_StatusBlock) * groups, 0, to_host},
        {&build->input, input_bytes(kernel, build->input_slots), 0, to_device},
        {&build->output, output_bytes(kernel, build->output_slots), 0, to_host},
        {&build->local, sizeof(struct gyre_LocalLine) * groups, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
         local},
        {&build->state, state ? state : 16, VK_BUFFER_USAGE_TRANSFER_DST_BIT, local},
        {&build->indirect, sizeof(struct gyre_Groups) * (GYRE_CHAIN_MAX + 1),
         VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT, local},
        {&build->times, times_size, VK_BUFFER_USAGE_TRANSFER_DST_BIT, to_host},
    };
    gyre_result result = GYRE_OK;
    for (size_t i = 0; i < LENGTH(wanted) && result == GYRE_OK; ++i) {
        result = buffer_create(device, wanted[i].buffer, base_align(wanted[i].size, 16),
                               wanted[i].usage, wanted[i].type);
        if (result == GYRE_OK && wanted[i].buffer->mapped) {
            memset(wanted[i].buffer->mapped, 0, (size_t)wanted[i].buffer->size);
        }
    }
    return result;
}

static void init_group(struct gyre_kernel *kernel, uint32_t index)
{
    struct build *build = &kernel->build;
    struct group *group = &build->groups[index];
    uint32_t first = kernel->params.first_index;
    unsigned char *control = build->control.mapped;
    group->control = (void *)(control + sizeof(struct gyre_Submission) +
                              index * sizeof(struct gyre_ControlLine));
    group->status = (struct gyre_StatusBlock *)build->status.mapped + index;
    group->host = group->held ? &group->held->host : &group->control->host;
    group->reader = group->held ? &group->held->reader : &group->control->reader;
    group->reader->output_head = first;
    const struct spirv_info *info = &build->program.info;
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        group->host->input_tail[lane] = first;
        size_t lanes_before = (size_t)index * GYRE_LANES + lane;
        group->input[lane] = (struct ring_input){
            .slots = (unsigned char *)build->input.mapped +
                     lanes_before * build->input_slots * info->input.stride,
            .stride = info->input.stride,
            .size = build->input_slots,
            .tail = first,
            .head = first,
            .published = first,
            .write_combined = memory_is_write_combined(kernel->services.device,
                                                       kernel->services.profile->memory_to_device),
            .tail_word = &group->host->input_tail[lane],
            .head_word = &group->status->line.input_head[lane],
        };
        group->acknowledged[lane] = first;
    }
    /* Of a slot never written: a sequence of 0 would make it look whole at index 2^32 - 1. */
    unsigned char *output = (unsigned char *)build->output.mapped +
                            (size_t)index * build->output_slots * info->output.stride;
    for (uint32_t i = 0; i < build->output_slots; ++i) {
        ((struct gyre_Header *)(void *)(output + i * (size_t)info->output.stride))->sequence =
            first;
    }
    group->output = (struct ring_output){
        .slots = output,
        .stride = info->output.stride,
        .size = build->output_slots,
        .head = first,
        .tail = first,
        .given = first,
        .head_word = &group->reader->output_head,
        .tail_word = &group->status->line.output_tail,
    };
}

/* No slot may look whole before it was written: a sequence is the slot's index + 1, and memory of
 * zeroes would do for the last index before the wrap. */
static void clear_slots(const struct buffer *buffer, uint32_t stride, uint32_t first)
{
    unsigned char *slots = buffer->mapped;
    for (VkDeviceSize at = 0; at + stride <= buffer->size; at += stride) {
        ((struct gyre_Header *)(void *)(slots + at))->sequence = first;
    }
}

static gyre_result create_groups(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    build->groups = calloc(kernel->params.workgroups, sizeof *build->groups);
    if (!build->groups) {
        return GYRE_ERROR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        if (kernel->services.blind) {
            build->groups[i].held = calloc(1, sizeof *build->groups[i].held);
            if (!build->groups[i].held) {
                return GYRE_ERROR_NO_MEMORY;
            }
        }
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            struct staging_entry **window =
                calloc(build->input_slots, sizeof(struct staging_entry *));
            if (!window) {
                return GYRE_ERROR_NO_MEMORY;
            }
            build->groups[i].window[lane] = window;
        }
        init_group(kernel, i);
    }
    const struct spirv_info *info = &build->program.info;
    clear_slots(&build->input, info->input.stride, kernel->params.first_index);
    clear_slots(&build->output, info->output.stride, kernel->params.first_index);
    return GYRE_OK;
}

static const gyre_binding *find_binding(const gyre_kernel_params *params,
                                        const struct spirv_block *block)
{
    for (uint32_t i = 0; i < params->binding_count; ++i) {
        if (params->bindings[i].set == block->set &&
            params->bindings[i].binding == block->binding) {
            return &params->bindings[i];
        }
    }
    return NULL;
}

static gyre_result check_block(const struct gyre_kernel *kernel, const struct spirv_block *block,
                               const gyre_binding *binding)
{
    const struct log *log = kernel->services.log;
    const VkPhysicalDeviceLimits *limits = &kernel->services.device->limits;
    const char *name = block->name[0] ? block->name : "(unnamed)";
    if (block->kind == SPIRV_OTHER_DESCRIPTOR || block->count != 1) {
        return log_fail(
            log, GYRE_ERROR_UNSUPPORTED,
            "kernel %s: block %s (set %u, binding %u): only single storage and uniform blocks can be bound",
            kernel->id, name, block->set, block->binding);
    }
    if (!binding) {
        return log_fail(
            log, GYRE_ERROR_BINDING,
            "kernel %s: nothing is bound to block %s (set %u, binding %u): give a gyre_binding",
            kernel->id, name, block->set, block->binding);
    }
    bool fits = block->array_stride
                    ? binding->size >= (size_t)block->fixed_size + block->array_stride &&
                          (binding->size - block->fixed_size) % block->array_stride == 0
                    : binding->size >= block->fixed_size &&
                          binding->size <= base_align(block->fixed_size, 16);
    if (!fits) {
        return log_fail(log, GYRE_ERROR_BINDING,
                        "kernel %s: block %s has %u bytes%s%.0u%s, %zu are bound to it", kernel->id,
                        name, block->fixed_size,
                        block->array_stride ? " and then elements of " : "", block->array_stride,
                        block->array_stride ? " bytes" : "", binding->size);
    }
    uint64_t most = block->kind == SPIRV_UNIFORM_BUFFER ? limits->maxUniformBufferRange
                                                        : limits->maxStorageBufferRange;
    if (binding->size > most) {
        return log_fail(log, GYRE_ERROR_LIMIT,
                        "kernel %s: %zu bytes for block %s, the device binds %llu", kernel->id,
                        binding->size, name, (unsigned long long)most);
    }
    return GYRE_OK;
}

static bool is_known(const struct spirv_info *info, const gyre_binding *binding)
{
    for (uint32_t i = 0; i < info->user_block_count; ++i) {
        if (info->user_blocks[i].set == binding->set &&
            info->user_blocks[i].binding == binding->binding) {
            return true;
        }
    }
    return false;
}

/* Each is for a block of the kernel, and no two are for the same one. */
static gyre_result check_bindings(const struct gyre_kernel *kernel)
{
    const struct log *log = kernel->services.log;
    const gyre_binding *bindings = kernel->params.bindings;
    for (uint32_t i = 0; i < kernel->params.binding_count; ++i) {
        if (!is_known(&kernel->build.program.info, &bindings[i])) {
            return log_fail(log, GYRE_ERROR_BINDING, "kernel %s has no block in set %u, binding %u",
                            kernel->id, bindings[i].set, bindings[i].binding);
        }
        for (uint32_t k = 0; k < i; ++k) {
            if (bindings[k].set == bindings[i].set && bindings[k].binding == bindings[i].binding) {
                return log_fail(log, GYRE_ERROR_BINDING,
                                "kernel %s: set %u, binding %u is given twice", kernel->id,
                                bindings[i].set, bindings[i].binding);
            }
        }
    }
    return GYRE_OK;
}

static gyre_result create_user_buffers(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    struct device *device = kernel->services.device;
    const struct spirv_info *info = &build->program.info;
    gyre_result checked = check_bindings(kernel);
    if (checked != GYRE_OK) {
        return checked;
    }
    for (uint32_t i = 0; i < info->user_block_count; ++i) {
        const struct spirv_block *block = &info->user_blocks[i];
        const gyre_binding *binding = find_binding(&kernel->params, block);
        gyre_result result = check_block(kernel, block, binding);
        VkDeviceSize size = result == GYRE_OK ? base_align(binding->size, 16) : 0;
        if (result == GYRE_OK) {
            result =
                buffer_create(device, &build->user[i], size,
                              VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
                              memory_choose(device, MEMORY_LOCAL, UINT32_MAX));
        }
        if (result == GYRE_OK && binding->data) {
            result = buffer_create(device, &build->upload[i], size,
                                   VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                                   kernel->services.profile->memory_to_device);
        }
        if (result != GYRE_OK) {
            return result;
        }
        if (binding->data) {
            memset(build->upload[i].mapped, 0, (size_t)size);
            memcpy(build->upload[i].mapped, binding->data, binding->size);
        }
    }
    return GYRE_OK;
}

/* With links: `arena` and the kernel's tables. Without, buffers that nobody looks at stand in. */
static gyre_result create_pipeline(struct gyre_kernel *kernel, uint32_t links, VkBuffer arena,
                                   struct pipeline *pipeline)
{
    struct build *build = &kernel->build;
    struct program *program = &build->program;
    const VkBuffer engine[GYRE_BINDING_COUNT] = {
        [GYRE_BINDING_CONTROL] = build->control.handle,
        [GYRE_BINDING_STATUS] = build->status.handle,
        [GYRE_BINDING_INPUT] = links & GYRE_LINKS_IN ? arena : build->input.handle,
        [GYRE_BINDING_QUEUE] = build->input.handle,
        [GYRE_BINDING_ARENA] = links ? arena : build->local.handle,
        [GYRE_BINDING_ROUTES] = links ? build->routes.handle : build->control.handle,
        [GYRE_BINDING_MIRROR] = links ? build->mirror.handle : build->status.handle,
        [GYRE_BINDING_OUTPUT] = links & GYRE_LINKS_ONE_OUT ? arena : build->output.handle,
        [GYRE_BINDING_ANSWERS] = build->output.handle,
        [GYRE_BINDING_LOCAL] = build->local.handle,
        [GYRE_BINDING_STATE] = build->state.handle,
        [GYRE_BINDING_INDIRECT] = build->indirect.handle,
    };
    struct pipeline_binding bindings[GYRE_BINDING_COUNT + SPIRV_MAX_USER_BLOCKS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < GYRE_BINDING_COUNT; ++i) {
        bindings[count++] = (struct pipeline_binding){.binding = i, .buffer = engine[i]};
    }
    for (uint32_t i = 0; i < program->info.user_block_count; ++i) {
        const struct spirv_block *block = &program->info.user_blocks[i];
        bindings[count++] = (struct pipeline_binding){
            .set = block->set,
            .binding = block->binding,
            .uniform = block->kind == SPIRV_UNIFORM_BUFFER,
            .buffer = build->user[i].handle,
            .size = find_binding(&kernel->params, block)->size,
        };
    }
    const struct spirv_constant constants[] = {
        {GYRE_SPEC_LOCAL_COUNT, program->local_count},
        {GYRE_SPEC_LOCAL_X, program->info.local_size[0]},
        {GYRE_SPEC_INPUT_SIZE, build->input_slots},
        {GYRE_SPEC_OUTPUT_SIZE, build->output_slots},
        {GYRE_SPEC_STATE_WORDS, program->info.state.size / 4},
        {GYRE_SPEC_QUIRKS, program->quirks},
        {GYRE_SPEC_WORKGROUPS, kernel->params.workgroups},
        {GYRE_SPEC_LIVE, kernel->live},
        {GYRE_SPEC_LINKS, links},
        {GYRE_SPEC_INPUT_STRIDE, program->info.input.stride / 4},
        {GYRE_SPEC_OUTPUT_STRIDE, program->info.output.stride / 4},
        {GYRE_SPEC_OUTPUT_WORDS, (program->info.output.data_size + 3) / 4},
        {GYRE_SPEC_PER_INVOCATION, program->info.per_invocation},
    };
    uint32_t *words = NULL;
    size_t size = 0;
    gyre_result result = program_freeze(program, constants, LENGTH(constants), &words, &size);
    if (result == GYRE_OK) {
        result = pipeline_create(kernel->services.device, pipeline,
                                 &(struct pipeline_request){
                                     .words = words,
                                     .size = size,
                                     .entry_point = program->info.entry_point,
                                     .bindings = bindings,
                                     .binding_count = count,
                                     .push_constant_size = sizeof(uint32_t),
                                     .cache = kernel->services.store->cache,
                                     .name = kernel->id,
                                 });
    }
    free(words);
    if (result == GYRE_OK) {
        pipeline_store_keep(kernel->services.device, kernel->services.store);
    }
    return result;
}

static gyre_result create_first_pipeline(struct gyre_kernel *kernel)
{
    return create_pipeline(kernel, 0, VK_NULL_HANDLE, &kernel->build.pipeline);
}

static void barrier(struct gyre_kernel *kernel, VkCommandBuffer commands, VkPipelineStageFlags from,
                    VkAccessFlags written, VkPipelineStageFlags to, VkAccessFlags read)
{
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = written,
        .dstAccessMask = read,
    };
    kernel->services.device->vk.vkCmdPipelineBarrier(commands, from, to, 0, 1, &memory, 0, NULL, 0,
                                                     NULL);
}

#define SHADER VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT
#define SHADER_ACCESS (VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT)

static void push_link(struct gyre_kernel *kernel, VkCommandBuffer commands, uint32_t link)
{
    kernel->services.device->vk.vkCmdPushConstants(commands, kernel->build.pipeline.layout,
                                                   VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof link,
                                                   &link);
}

static void record_warm_up(struct gyre_kernel *kernel, VkCommandBuffer commands)
{
    struct build *build = &kernel->build;
    const struct VolkDeviceTable *vk = &kernel->services.device->vk;
    vk->vkCmdFillBuffer(commands, build->local.handle, 0, VK_WHOLE_SIZE, 0);
    vk->vkCmdFillBuffer(commands, build->state.handle, 0, VK_WHOLE_SIZE, 0);
    vk->vkCmdFillBuffer(commands, build->indirect.handle, 0, VK_WHOLE_SIZE, 0);
    for (uint32_t i = 0; i < build->program.info.user_block_count; ++i) {
        if (build->upload[i].handle) {
            VkBufferCopy whole = {.size = build->upload[i].size};
            vk->vkCmdCopyBuffer(commands, build->upload[i].handle, build->user[i].handle, 1,
                                &whole);
        } else {
            vk->vkCmdFillBuffer(commands, build->user[i].handle, 0, VK_WHOLE_SIZE, 0);
        }
    }
    barrier(kernel, commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT, SHADER,
            SHADER_ACCESS | VK_ACCESS_UNIFORM_READ_BIT);
    pipeline_bind(kernel->services.device, &build->pipeline, commands);
    push_link(kernel, commands, 0);
    vk->vkCmdDispatch(commands, kernel->params.workgroups, 1, 1);
    barrier(kernel, commands, SHADER, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
            VK_ACCESS_HOST_READ_BIT);
}

static void stamp(struct gyre_kernel *kernel, VkCommandBuffer commands, uint32_t query)
{
    const struct VolkDeviceTable *vk = &kernel->services.device->vk;
    VkQueryPool timestamps = kernel->build.timestamps;
    if (query == 0) {
        vk->vkCmdResetQueryPool(commands, timestamps, 0, 2);
        vk->vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, timestamps, 0);
    } else {
        vk->vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, timestamps, 1);
        vk->vkCmdCopyQueryPoolResults(commands, timestamps, 0, 2, kernel->build.times.handle, 0,
                                      sizeof(uint64_t),
                                      VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    }
}

/* A chain of residencies: each but the first runs only if one before it wrote its group count. */
static void record_chain(struct gyre_kernel *kernel, VkCommandBuffer commands, bool timed)
{
    struct build *build = &kernel->build;
    const struct VolkDeviceTable *vk = &kernel->services.device->vk;
    if (timed) {
        stamp(kernel, commands, 0);
    }
    /* For a submission that waited for `go`: what the host wrote until then. For links: what the
     * kernels at their other ends did. */
    bool linked = build->routes.handle != VK_NULL_HANDLE;
    barrier(kernel, commands, VK_PIPELINE_STAGE_HOST_BIT | (linked ? SHADER : 0),
            VK_ACCESS_HOST_WRITE_BIT | (linked ? VK_ACCESS_SHADER_WRITE_BIT : 0), SHADER,
            SHADER_ACCESS);
    pipeline_bind(kernel->services.device, &build->pipeline, commands);
    for (uint32_t link = 0; link < kernel->params.chain; ++link) {
        push_link(kernel, commands, link);
        if (link == 0) {
            vk->vkCmdDispatch(commands, kernel->params.workgroups, 1, 1);
            continue;
        }
        barrier(kernel, commands, SHADER, VK_ACCESS_SHADER_WRITE_BIT,
                SHADER | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT,
                SHADER_ACCESS | VK_ACCESS_INDIRECT_COMMAND_READ_BIT);
        vk->vkCmdDispatchIndirect(commands, build->indirect.handle,
                                  link * sizeof(struct gyre_Groups));
    }
    if (timed) {
        stamp(kernel, commands, 1);
    }
    barrier(kernel, commands, SHADER | VK_PIPELINE_STAGE_TRANSFER_BIT,
            VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
            VK_ACCESS_HOST_READ_BIT);
}

static void record_residency(struct gyre_kernel *kernel, VkCommandBuffer commands)
{
    record_chain(kernel, commands, false);
}

static void record_timed(struct gyre_kernel *kernel, VkCommandBuffer commands)
{
    record_chain(kernel, commands, true);
}

static gyre_result record(struct gyre_kernel *kernel, VkCommandBuffer commands,
                          void (*content)(struct gyre_kernel *, VkCommandBuffer))
{
    struct device *device = kernel->services.device;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkResult result = VK(device->log, device->vk.vkBeginCommandBuffer(commands, &begin));
    if (result == VK_SUCCESS) {
        content(kernel, commands);
        result = VK(device->log, device->vk.vkEndCommandBuffer(commands));
    }
    return device_check(device, result);
}

static gyre_result record_residencies(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    gyre_result result = record(kernel, build->residency, record_residency);
    return result == GYRE_OK && build->timed ? record(kernel, build->timed, record_timed) : result;
}

static gyre_result create_commands(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    struct device *device = kernel->services.device;
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = device->family,
    };
    VkResult result =
        VK(device->log, device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &build->pool));
    VkCommandBuffer commands[3] = {0};
    if (result == VK_SUCCESS) {
        VkCommandBufferAllocateInfo allocate = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = build->pool,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            .commandBufferCount = LENGTH(commands),
        };
        result = VK(device->log,
                    device->vk.vkAllocateCommandBuffers(device->handle, &allocate, commands));
    }
    if (result != VK_SUCCESS) {
        return device_check(device, result);
    }
    build->warm_up = commands[0];
    build->residency = commands[1];
    build->timed = build->timestamps ? commands[2] : VK_NULL_HANDLE;
    gyre_result recorded = record(kernel, build->warm_up, record_warm_up);
    return recorded == GYRE_OK ? record_residencies(kernel) : recorded;
}

gyre_result build_create(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    const struct kernel_services *services = &kernel->services;
    gyre_result result = program_load(&build->program, services->device, services->compiler,
                                      &kernel->params, services->profile->loop_limit);
    gyre_result (*const steps[])(struct gyre_kernel *) = {
        choose_sizes,          create_buffers,    create_user_buffers, create_groups,
        create_first_pipeline, create_timestamps, create_commands,
    };
    for (size_t i = 0; i < LENGTH(steps) && result == GYRE_OK; ++i) {
        result = steps[i](kernel);
    }
    if (result != GYRE_OK) {
        build_destroy(kernel);
    }
    return result;
}

static gyre_result create_tables(struct gyre_kernel *kernel, uint64_t route_bytes,
                                 uint64_t mirror_bytes, struct buffer *routes,
                                 struct buffer *mirror)
{
    struct device *device = kernel->services.device;
    const gyre_profile *profile = kernel->services.profile;
    gyre_result result = buffer_create(device, routes, base_align(route_bytes * 2 + 1, TABLE_BYTES),
                                       0, profile->memory_to_device);
    if (result == GYRE_OK) {
        result = buffer_create(device, mirror, base_align(mirror_bytes * 2 + 1, TABLE_BYTES), 0,
                               profile->memory_to_host);
    }
    if (result == GYRE_OK) {
        memset(routes->mapped, 0, (size_t)routes->size);
        memset(mirror->mapped, 0, (size_t)mirror->size);
    }
    return result;
}

gyre_result build_relink(struct gyre_kernel *kernel, uint32_t shape, VkBuffer arena,
                         uint64_t route_bytes, uint64_t mirror_bytes)
{
    struct build *build = &kernel->build;
    struct device *device = kernel->services.device;
    if (shape == kernel->shape && route_bytes <= build->routes.size &&
        mirror_bytes <= build->mirror.size) {
        return GYRE_OK;
    }
    struct buffer routes = {0};
    struct buffer mirror = {0};
    struct pipeline pipeline = {0};
    struct buffer old_routes = build->routes;
    struct buffer old_mirror = build->mirror;
    gyre_result result = create_tables(kernel, route_bytes, mirror_bytes, &routes, &mirror);
    if (result == GYRE_OK) {
        build->routes = routes;
        build->mirror = mirror;
        result = create_pipeline(kernel, shape, arena, &pipeline);
    }
    if (result != GYRE_OK) {
        build->routes = old_routes;
        build->mirror = old_mirror;
        buffer_destroy(device, &routes);
        buffer_destroy(device, &mirror);
        return result;
    }
    struct pipeline old = build->pipeline;
    build->pipeline = pipeline;
    kernel->shape = shape;
    result = record_residencies(kernel);
    pipeline_destroy(device, &old);
    buffer_destroy(device, &old_routes);
    buffer_destroy(device, &old_mirror);
    return result;
}

void build_touch(struct gyre_kernel *kernel, VkCommandBuffer commands)
{
    struct gyre_Submission *submission = kernel->build.control.mapped;
    submission->version = GYRE_WIRE_VERSION;
    submission->flags = GYRE_SUBMIT_NOTHING;
    pipeline_bind(kernel->services.device, &kernel->build.pipeline, commands);
    push_link(kernel, commands, 0);
    kernel->services.device->vk.vkCmdDispatch(commands, 1, 1, 1);
}

void build_destroy(struct gyre_kernel *kernel)
{
    struct build *build = &kernel->build;
    struct device *device = kernel->services.device;
    device->vk.vkDestroyCommandPool(device->handle, build->pool, NULL);
    device->vk.vkDestroyQueryPool(device->handle, build->timestamps, NULL);
    pipeline_destroy(device, &build->pipeline);
    struct buffer *const buffers[] = {
        &build->control, &build->status,   &build->input,  &build->output, &build->local,
        &build->state,   &build->indirect, &build->routes, &build->mirror, &build->times,
    };
    for (size_t i = 0; i < LENGTH(buffers); ++i) {
        buffer_destroy(device, buffers[i]);
    }
    for (size_t i = 0; i < SPIRV_MAX_USER_BLOCKS; ++i) {
        buffer_destroy(device, &build->user[i]);
        buffer_destroy(device, &build->upload[i]);
    }
    for (uint32_t i = 0; build->groups && i < kernel->params.workgroups; ++i) {
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            free(build->groups[i].window[lane]);
        }
        free(build->groups[i].held);
    }
    free(build->groups);
    program_unload(&build->program);
    *build = (struct build){0};
}
