#include "program.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"

#define GYRE_WIRE_C
#include "../shaders/gyre/wire.h"

/* A message must leave room for others in a buffer that every device can bind (128 MiB). */
#define SLOT_MAX (1024u * 1024u)

static bool driver_is_faulty(const struct device *device);

static gyre_result compile(struct program *program, const struct device *device,
                           const gyre_compiler *compiler, const gyre_kernel_params *params)
{
    const struct log *log = device->log;
    if (!compiler) {
        return log_fail(
            log, GYRE_ERROR_COMPILE,
            "kernel %s is GLSL: link gyre-compiler and set gyre_runtime_params.compiler to "
            "gyre_compiler_shaderc(), or give SPIR-V",
            params->id);
    }
    uint32_t *words = NULL;
    size_t size = 0;
    gyre_result result = compiler->compile(
        &(gyre_compile_request){
            .file = params->glsl_file ? params->glsl_file : params->id,
            .source = params->glsl,
            .include_directories = params->include_directories,
            .include_directory_count = params->include_directory_count,
            .no_memory_model = !device->memory_model || driver_is_faulty(device),
            .log = log->callback,
            .log_user = log->user,
        },
        &words, &size);
    if (result != GYRE_OK) {
        return result;
    }
    program->words = base_copy(words, size);
    program->size = size;
    compiler->release(words);
    return program->words ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
}

static gyre_result read_module(struct program *program, const struct log *log, const char *id)
{
    char reason[SPIRV_REASON_SIZE];
    enum spirv_result result = spirv_read(program->words, program->size, &program->info, reason);
    switch (result) {
    case SPIRV_OK:
        return GYRE_OK;
    case SPIRV_NO_MEMORY:
        return GYRE_ERROR_NO_MEMORY;
    case SPIRV_LIMIT:
        return log_fail(log, GYRE_ERROR_LIMIT, "kernel %s: %s", id, reason);
    case SPIRV_BAD_INTERFACE:
        return log_fail(log, GYRE_ERROR_INTERFACE, "kernel %s: %s", id, reason);
    default:
        return log_fail(log, GYRE_ERROR_SPIRV, "kernel %s: %s", id, reason);
    }
}

/* The host's word of a struct. Both sizes are right: up to the last member, or padded as in an
 * array. */
static gyre_result check_struct(const struct log *log, const char *id, const char *which,
                                const struct spirv_slots *slots, uint32_t size,
                                const gyre_field *fields, uint32_t field_count)
{
    if (size && (size < slots->data_size || size > slots->padded_size)) {
        return log_fail(
            log, GYRE_ERROR_INTERFACE,
            "kernel %s: the host says %s has %u bytes, the shader %u: make the two structs the same "
            "(std430: a vec3 is aligned to 16)",
            id, which, size, slots->data_size);
    }
    if (!field_count) {
        return GYRE_OK;
    }
    if (field_count != slots->member_count || field_count > SPIRV_MAX_MEMBERS) {
        return log_fail(log, GYRE_ERROR_INTERFACE,
                        "kernel %s: the host says %s has %u members, the shader %u", id, which,
                        field_count, slots->member_count);
    }
    for (uint32_t i = 0; i < field_count; ++i) {
        const struct spirv_member *member = &slots->members[i];
        if (fields[i].offset != member->offset || fields[i].size != member->size) {
            return log_fail(
                log, GYRE_ERROR_INTERFACE,
                "kernel %s: the host has member %u of %s at byte %u with %u bytes, the shader at %u with %u",
                id, i, which, fields[i].offset, fields[i].size, member->offset, member->size);
        }
    }
    return GYRE_OK;
}

static gyre_result check_interface(const struct program *program, const struct log *log,
                                   const gyre_kernel_params *params)
{
    const struct spirv_info *info = &program->info;
    if (info->interface_version == 0) {
        return log_fail(log, GYRE_ERROR_INTERFACE,
                        "kernel %s is not a ring kernel: it must #include \"gyre/kernel.glsl\"",
                        params->id);
    }
    if (info->interface_version != GYRE_WIRE_VERSION) {
        return log_fail(
            log, GYRE_ERROR_INTERFACE,
            "kernel %s was compiled for interface version %u, this library has %u: compile it again",
            params->id, info->interface_version, GYRE_WIRE_VERSION);
    }
    const struct spirv_slots *slots[] = {&info->input, &info->output};
    static const char *const names[] = {"GYRE_INPUT", "GYRE_OUTPUT"};
    for (size_t i = 0; i < LENGTH(slots); ++i) {
        if (!slots[i]->present || slots[i]->data_offset != sizeof(struct gyre_Header) ||
            slots[i]->stride % 4) {
            return log_fail(log, GYRE_ERROR_INTERFACE,
                            "kernel %s: %s does not lie in its slot as it should", params->id,
                            names[i]);
        }
        if (slots[i]->stride > SLOT_MAX) {
            return log_fail(
                log, GYRE_ERROR_LIMIT,
                "kernel %s: %s has %u bytes, at most %u fit a slot: send a reference to a bound buffer",
                params->id, names[i], slots[i]->data_size,
                SLOT_MAX - (uint32_t)sizeof(struct gyre_Header));
        }
    }
    if (info->max_sends == 0 || info->max_sends > 1024) {
        return log_fail(log, GYRE_ERROR_LIMIT,
                        "kernel %s: GYRE_MAX_SENDS is %u, it must be 1 to 1024", params->id,
                        info->max_sends);
    }
    for (uint32_t i = 0; i < params->type_count; ++i) {
        if (params->types[i].size > info->input.data_size) {
            return log_fail(
                log, GYRE_ERROR_INTERFACE,
                "kernel %s: messages of type %u have %u bytes, GYRE_INPUT has %u: make it "
                "as large as the largest of them",
                params->id, params->types[i].type, params->types[i].size, info->input.data_size);
        }
    }
    gyre_result result = check_struct(log, params->id, names[0], slots[0], params->input_size,
                                      params->input_fields, params->input_field_count);
    if (result == GYRE_OK) {
        result = check_struct(log, params->id, names[1], slots[1], params->output_size,
                              params->output_fields, params->output_field_count);
    }
    return result;
}

static gyre_result check_local_size(struct program *program, const struct device *device,
                                    const char *id)
{
    const uint32_t *size = program->info.local_size;
    const gyre_device_info *has = &device->info;
    uint64_t count = (uint64_t)size[0] * size[1] * size[2];
    if (count == 0 || count > has->max_workgroup_invocations ||
        size[0] > has->max_workgroup_size[0] || size[1] > has->max_workgroup_size[1] ||
        size[2] > has->max_workgroup_size[2]) {
        return log_fail(
            device->log, GYRE_ERROR_LIMIT,
            "kernel %s: local_size %u x %u x %u is over what %s runs: %u invocations, %u x %u x %u",
            id, size[0], size[1], size[2], has->name, has->max_workgroup_invocations,
            has->max_workgroup_size[0], has->max_workgroup_size[1], has->max_workgroup_size[2]);
    }
    if (program->info.shared_memory_size > device->limits.maxComputeSharedMemorySize) {
        return log_fail(
            device->log, GYRE_ERROR_LIMIT, "kernel %s: %u bytes of shared memory, %s has %u", id,
            program->info.shared_memory_size, has->name, device->limits.maxComputeSharedMemorySize);
    }
    program->local_count = (uint32_t)count;
    return GYRE_OK;
}

static gyre_result check_capabilities(const struct program *program, const struct device *device,
                                      const char *id)
{
    for (uint32_t i = 0; i < program->info.capability_count; ++i) {
        const char *name = NULL;
        uint32_t capability = program->info.capabilities[i];
        if (!device_has_capability(device, capability, &name)) {
            return log_fail(device->log, GYRE_ERROR_UNSUPPORTED,
                            "kernel %s needs %s (SPIR-V capability %u), which %s does not offer",
                            id, name, capability, device->info.name);
        }
    }
    return GYRE_OK;
}

/* lavapipe before 23.0.1 makes every memory barrier a switch between subgroups, and loses track of
 * them when their loops differ: wrong values, clean exits (22.3.6: 128-192 wrong values in 10
 * messages at local_size 32). */
static bool driver_is_faulty(const struct device *device)
{
    return device_is_llvmpipe_before(device, 23, 0, 1);
}

static gyre_result refuse_fault(const struct device *device, const gyre_kernel_params *params,
                                const char *what, const char *remedy)
{
    if (params->accept_driver_faults) {
        log_say(device->log, GYRE_LOG_WARNING,
                "kernel %s: this driver may compute wrong values for it (accepted)", params->id);
        return GYRE_OK;
    }
    return log_fail(
        device->log, GYRE_ERROR_DRIVER_FAULT,
        "kernel %s: %s computes wrong values when a workgroup of more than %u invocations %s: %s, take a "
        "smaller local_size or Mesa 23.0.1 or newer, or set accept_driver_faults",
        params->id, device->info.driver, device->subgroup_size, what, remedy);
}

static gyre_result check_driver_faults(const struct program *program, const struct device *device,
                                       const gyre_kernel_params *params)
{
    const struct spirv_info *info = &program->info;
    /* Rows are run in subgroups of their own there. */
    bool several = program->local_count > device->subgroup_size ||
                   info->local_size[0] < program->local_count;
    if (!driver_is_faulty(device) || !several) {
        return GYRE_OK;
    }
    if (info->memory_barriers) {
        return refuse_fault(device, params, "uses memory barriers or ordered atomics",
                            "use barrier() alone");
    }
    /* With the Vulkan memory model every such access is a memory barrier to it. */
    bool shares = info->coherent_accesses || info->shared_memory_size > GYRE_SHARED_BYTES;
    if (info->vulkan_memory_model && shares) {
        return refuse_fault(device, params,
                            "uses shared or coherent memory by the Vulkan memory model",
                            "compile it with -DGYRE_NO_MEMORY_MODEL (run-time GLSL is)");
    }
    return GYRE_OK;
}

static gyre_result check(struct program *program, const struct device *device,
                         const gyre_kernel_params *params, uint32_t loop_limit)
{
    gyre_result result = read_module(program, device->log, params->id);
    if (result == GYRE_OK) {
        result = check_interface(program, device->log, params);
    }
    if (result == GYRE_OK) {
        result = check_local_size(program, device, params->id);
    }
    if (result == GYRE_OK) {
        result = check_capabilities(program, device, params->id);
    }
    if (result == GYRE_OK) {
        result = check_driver_faults(program, device, params);
    }
    program->quirks = loop_limit ? GYRE_QUIRK_LOOPS_CUT : 0;
    if (device_is_llvmpipe_before(device, 24, 0, 2)) {
        program->quirks |= GYRE_QUIRK_PHANTOM_LANES;
    }
    return result;
}

gyre_result program_load(struct program *program, const struct device *device,
                         const gyre_compiler *compiler, const gyre_kernel_params *params,
                         uint32_t loop_limit)
{
    *program = (struct program){0};
    gyre_result result = GYRE_OK;
    if (params->spirv) {
        program->words = base_copy(params->spirv, params->spirv_size);
        program->size = params->spirv_size;
        result = program->words ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
    } else {
        result = compile(program, device, compiler, params);
    }
    if (result == GYRE_OK) {
        result = check(program, device, params, loop_limit);
    }
    if (result != GYRE_OK) {
        program_unload(program);
    }
    return result;
}

gyre_result program_freeze(const struct program *program, const struct spirv_constant *constants,
                           size_t count, uint32_t **words, size_t *size)
{
    /* It has been read before: nothing else can be wrong. */
    return spirv_freeze(program->words, program->size, constants, count, words, size)
               ? GYRE_OK
               : GYRE_ERROR_NO_MEMORY;
}

void program_unload(struct program *program)
{
    free(program->words);
    *program = (struct program){0};
}
