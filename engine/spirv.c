#include "spirv_module.h"

#include <string.h>

#define GYRE_WIRE_C
#include "gyre/wire.h"

#define MAX_ARRAY_DEPTH 8

struct reader {
    struct module m;
    struct spirv_info *info;
    struct instruction entry; /* length 0: none found yet */
    uint32_t compute_entries;
    uint32_t other_entries;
    uint32_t other_model;
    bool entry_is_main;
    bool has_memory_model;
    bool has_local_size;
    bool state_is_typed;
};

/* ---- entry point ---- */

static void read_entry_point(struct reader *r, struct instruction in)
{
    uint32_t model = module_operand(&r->m, in, 1);
    const char *name = module_string(&r->m, in, 3);
    if (!name) {
        return;
    }
    if (model != EXECUTION_GL_COMPUTE) {
        r->other_entries++;
        r->other_model = model;
        return;
    }
    bool is_main = strcmp(name, "main") == 0;
    if (is_main && r->entry_is_main) {
        module_fail(
            &r->m, SPIRV_MALFORMED,
            "damaged SPIR-V: two of its compute entry points are named main; compile it again");
        return;
    }
    r->compute_entries++;
    if (is_main || r->compute_entries == 1) {
        r->entry = in;
        r->entry_is_main = is_main;
    }
}

static void check_entry_points(struct reader *r)
{
    static const char *const stages[] = {
        "a vertex shader",
        "a tessellation control shader",
        "a tessellation evaluation shader",
        "a geometry shader",
        "a fragment shader",
        "a compute shader",
        "an OpenCL kernel",
    };
    bool named = r->other_model < sizeof stages / sizeof stages[0];
    if (r->compute_entries == 0 && r->other_entries == 0) {
        module_fail(&r->m, SPIRV_NOT_COMPUTE,
                    "the SPIR-V has no entry point: compile a compute shader with a main()");
    } else if (r->compute_entries == 0) {
        module_fail(&r->m, SPIRV_NOT_COMPUTE,
                    "the SPIR-V is %s: compile a compute shader (glslc -fshader-stage=compute)",
                    named ? stages[r->other_model] : "a shader of another stage");
    } else if (r->compute_entries > 1 && !r->entry_is_main) {
        module_fail(&r->m, SPIRV_MULTIPLE_ENTRY_POINTS,
                    "the SPIR-V has %u compute entry points and none is named main: "
                    "name the one to run main",
                    r->compute_entries);
    }
}

static void choose_entry_point(struct reader *r)
{
    struct instruction in = FIRST_INSTRUCTION;
    while (module_next(&r->m, &in)) {
        if (in.opcode == OP_ENTRY_POINT) {
            read_entry_point(r, in);
        }
    }
    check_entry_points(r);
    if (r->m.result != SPIRV_OK) {
        return;
    }
    const char *name = module_string(&r->m, r->entry, 3);
    if (!name || strlen(name) >= sizeof r->info->entry_point) {
        module_fail(&r->m, SPIRV_LIMIT, "the entry point's name is too long: name it main");
        return;
    }
    strcpy(r->info->entry_point, name);
    if (!module_find_opcode(&r->m, module_operand(&r->m, r->entry, 2), OP_FUNCTION)) {
        module_fail(&r->m, SPIRV_TRUNCATED,
                    "the SPIR-V ends before the code of its entry point: it was cut off; "
                    "copy it again");
    }
}

/* ---- local size ---- */

static void set_local_size(struct reader *r, uint32_t axis, const struct thing *constant)
{
    if (!constant) {
        module_fail(&r->m, SPIRV_LIMIT,
                    "Gyre cannot tell the local size: "
                    "give it as numbers or by layout(local_size_x_id = ...)");
        return;
    }
    struct spirv_info *info = r->info;
    info->local_size[axis] = constant->value < HUGE_SIZE ? (uint32_t)constant->value : UINT32_MAX;
    info->local_size_specialised |= (constant->flags & FLAG_SPECIALISED) != 0;
    if (constant->flags & FLAG_SPEC_ID) {
        info->local_size_ids[axis] = constant->spec_id;
    }
}

static void read_execution_mode(struct reader *r, struct instruction in)
{
    struct module *m = &r->m;
    uint32_t mode = module_operand(m, in, 2);
    bool by_id = in.opcode == OP_EXECUTION_MODE_ID;
    if (module_operand(m, in, 1) != module_operand(m, r->entry, 2) ||
        mode != (by_id ? MODE_LOCAL_SIZE_ID : MODE_LOCAL_SIZE)) {
        return;
    }
    r->has_local_size = true;
    for (uint32_t axis = 0; axis < 3; axis++) {
        uint32_t size = module_operand(m, in, 3 + axis);
        if (by_id) {
            set_local_size(r, axis, module_known_constant(m, size));
        } else {
            r->info->local_size[axis] = size;
        }
    }
}

/* A constant decorated as WorkgroupSize goes before the execution mode. */
static void read_workgroup_size(struct reader *r, const struct thing *t)
{
    r->has_local_size = true;
    for (uint32_t axis = 0; axis < 3; axis++) {
        set_local_size(r, axis, module_constituent(&r->m, t, axis));
    }
}

/* ---- capabilities and code ---- */

static void read_capability(struct reader *r, uint32_t capability)
{
    struct spirv_info *info = r->info;
    if (spirv_has_capability(info, capability)) {
        return;
    }
    if (info->capability_count == SPIRV_MAX_CAPABILITIES) {
        module_fail(&r->m, SPIRV_LIMIT,
                    "the SPIR-V declares more than %u capabilities: leave out what is not used",
                    SPIRV_MAX_CAPABILITIES);
        return;
    }
    info->capabilities[info->capability_count++] = capability;
}

/* What cannot be told counts as the worse case. */
static bool orders_memory(struct reader *r, uint32_t semantics_id)
{
    const struct thing *t = module_known_constant(&r->m, semantics_id);
    return !t || (t->flags & FLAG_SPECIALISED) || (t->value & SEMANTICS_ORDERED);
}

/* The fences of ring.glsl name a kind of memory that no kernel of Gyre has. */
static bool is_engine_fence(struct reader *r, uint32_t semantics_id)
{
    const struct thing *t = module_known_constant(&r->m, semantics_id);
    return t && ((t->value & SEMANTICS_OUTPUT_MEMORY) || t->value == SEMANTICS_PLAIN_FENCE);
}

/* The engine's own coherent accesses are to whole shared variables; a part of one, or of a buffer,
 * is the user's. */
static bool is_users_coherent_access(struct reader *r, struct instruction in)
{
    struct module *m = &r->m;
    uint32_t mask_at = in.opcode == OP_LOAD ? 4 : 3;
    if ((in.opcode != OP_LOAD && in.opcode != OP_STORE && in.opcode != OP_COPY_MEMORY) ||
        in.length <= mask_at || !(module_operand(m, in, mask_at) & ACCESS_COHERENT)) {
        return false;
    }
    uint32_t pointer = module_operand(m, in, in.opcode == OP_LOAD ? 3 : 1);
    return in.opcode == OP_COPY_MEMORY || !module_find_opcode(m, pointer, OP_VARIABLE);
}

static bool leaves_workgroup(struct reader *r, uint32_t scope_id)
{
    const struct thing *t = module_known_constant(&r->m, scope_id);
    return !t || (t->flags & FLAG_SPECIALISED) || t->value != SCOPE_WORKGROUP;
}

static bool is_users_barrier(struct reader *r, struct instruction in)
{
    struct module *m = &r->m;
    switch (in.opcode) {
    case OP_MEMORY_BARRIER:
        return !is_engine_fence(r, module_operand(m, in, 2));
    case OP_MEMORY_NAMED_BARRIER:
        return true;
    case OP_CONTROL_BARRIER:
        return leaves_workgroup(r, module_operand(m, in, 1));
    case OP_ATOMIC_STORE:
    case OP_ATOMIC_FLAG_CLEAR:
        return orders_memory(r, module_operand(m, in, 3));
    case OP_ATOMIC_COMPARE_EXCHANGE:
    case OP_ATOMIC_COMPARE_EXCHANGE_WEAK:
        return orders_memory(r, module_operand(m, in, 5)) ||
               orders_memory(r, module_operand(m, in, 6));
    case OP_ATOMIC_FLAG_TEST_AND_SET:
    case OP_ATOMIC_F_MIN:
    case OP_ATOMIC_F_MAX:
    case OP_ATOMIC_F_ADD:
        return orders_memory(r, module_operand(m, in, 5));
    default: /* read-modify-writes and the load, all of one form */
        return in.opcode >= OP_ATOMIC_LOAD && in.opcode <= OP_ATOMIC_XOR &&
               orders_memory(r, module_operand(m, in, 5));
    }
}

static void read_code(struct reader *r)
{
    struct module *m = &r->m;
    bool in_function = false;
    struct instruction in = FIRST_INSTRUCTION;
    while (module_next(m, &in)) {
        if (in.opcode == OP_CAPABILITY) {
            read_capability(r, module_operand(m, in, 1));
        } else if (in.opcode == OP_MEMORY_MODEL) {
            r->has_memory_model = true;
            r->info->vulkan_memory_model = module_operand(m, in, 2) == MEMORY_MODEL_VULKAN;
        } else if (in.opcode == OP_EXECUTION_MODE || in.opcode == OP_EXECUTION_MODE_ID) {
            read_execution_mode(r, in);
        } else if (in.opcode == OP_FUNCTION || in.opcode == OP_FUNCTION_END) {
            if (in_function == (in.opcode == OP_FUNCTION)) {
                module_fail(m, SPIRV_MALFORMED,
                            "damaged SPIR-V, word %u: a function inside another; compile it again",
                            in.at);
            }
            in_function = in.opcode == OP_FUNCTION;
        } else if (in.opcode == OP_FUNCTION_CALL &&
                   !module_find_opcode(m, module_operand(m, in, 3), OP_FUNCTION)) {
            module_fail(m, SPIRV_TRUNCATED,
                        "the SPIR-V calls a function that is not in it: it was cut off; "
                        "copy it again");
        }
        r->info->loops |= in.opcode == OP_LOOP_MERGE;
        r->info->memory_barriers |= is_users_barrier(r, in);
        r->info->coherent_accesses |= is_users_coherent_access(r, in);
    }
    if (in_function) {
        module_fail(m, SPIRV_TRUNCATED,
                    "the SPIR-V ends inside a function: it was cut off; copy it again");
    } else if (!r->has_memory_model) {
        module_fail(m, SPIRV_MALFORMED, "damaged SPIR-V: no memory model; compile it again");
    }
}

static void read_constants(struct reader *r)
{
    struct spirv_info *info = r->info;
    for (uint32_t i = 0; i < r->m.thing_count; i++) {
        const struct thing *t = &r->m.things[i];
        if (module_is_composite(t) && (t->flags & FLAG_WORKGROUP_SIZE)) {
            read_workgroup_size(r, t);
        } else if (t->in.opcode == OP_SPEC_CONSTANT && (t->flags & FLAG_SPEC_ID)) {
            if (t->spec_id == GYRE_SPEC_VERSION) {
                info->interface_version = (uint32_t)t->value;
            } else if (t->spec_id == GYRE_SPEC_MAX_SENDS) {
                info->max_sends = (uint32_t)t->value;
            } else if (t->spec_id == GYRE_SPEC_PER_INVOCATION) {
                info->per_invocation = t->value != 0;
            }
        }
    }
    const uint32_t *size = info->local_size;
    if (!r->has_local_size || size[0] == 0 || size[1] == 0 || size[2] == 0) {
        module_fail(&r->m, SPIRV_MALFORMED,
                    "the SPIR-V has no local size: write `layout(local_size_x = 64) in;`");
    }
}

/* ---- the engine's blocks, set 0 ---- */

/* The type of `element` in `buffer Block { element name[]; }`, NULL for a block of another form. */
static const struct thing *block_element(struct module *m, const struct thing *block,
                                         uint32_t *stride)
{
    if (block->in.opcode != OP_TYPE_STRUCT || module_member_count(block) != 1) {
        return NULL;
    }
    const struct thing *array =
        module_find_opcode(m, module_member_type(m, block, 0), OP_TYPE_RUNTIME_ARRAY);
    if (!array || array->array_stride == 0) {
        return NULL;
    }
    *stride = array->array_stride;
    return module_known_type(m, module_operand(m, array->in, 2));
}

static bool is_word(struct module *m, const struct thing *t)
{
    return t->in.opcode == OP_TYPE_INT && t->value == 4 && module_operand(m, t->in, 3) == 0;
}

static void read_data_members(struct module *m, const struct thing *data, struct spirv_slots *slots)
{
    if (data->in.opcode != OP_TYPE_STRUCT) {
        slots->member_count = 1;
        slots->members[0].size = slots->data_size;
        return;
    }
    slots->member_count = module_member_count(data);
    for (uint32_t i = 0; i < slots->member_count && i < SPIRV_MAX_MEMBERS; i++) {
        const struct member *member = module_member(m, data, i);
        const struct thing *type = module_known_type(m, module_member_type(m, data, i));
        slots->members[i].offset = member->offset;
        slots->members[i].size = type ? (uint32_t)module_member_size(m, member, type) : 0;
    }
}

/* `struct { gyre_Header header; T data; }`; seen twice it must be the same. */
static bool read_slots(struct module *m, const struct thing *slot, uint32_t stride,
                       struct spirv_slots *slots)
{
    const uint32_t header = sizeof(struct gyre_Header);
    if (slot->in.opcode != OP_TYPE_STRUCT || module_member_count(slot) != 2 ||
        module_member(m, slot, 0)->offset != 0 || module_member(m, slot, 1)->offset != header) {
        return false;
    }
    const struct thing *data = module_known_type(m, module_member_type(m, slot, 1));
    uint64_t size = data ? module_member_size(m, module_member(m, slot, 1), data) : 0;
    if (stride <= header || size == 0 || size > stride - header) {
        return false;
    }
    struct spirv_slots read = {
        .present = true,
        .stride = stride,
        .data_offset = header,
        .data_size = (uint32_t)size,
        .padded_size = stride - header,
    };
    read_data_members(m, data, &read);
    bool same = slots->stride == stride && slots->data_size == read.data_size &&
                slots->member_count == read.member_count &&
                memcmp(slots->members, read.members, sizeof read.members) == 0;
    if (slots->present && !same) {
        return false;
    }
    *slots = read;
    return true;
}

/* The state is there as what it is and as words; an optimiser leaves only what is used. */
static bool read_state(struct reader *r, const struct thing *element, uint32_t stride)
{
    struct spirv_info *info = r->info;
    bool words = is_word(&r->m, element);
    if (r->state_is_typed) {
        return words || stride == info->state.size;
    }
    r->state_is_typed = !words;
    info->state.present = true;
    info->state.size = stride;
    return true;
}

static bool fits_interface(struct reader *r, const struct thing *block,
                           const struct spirv_block *found)
{
    bool ours = found->name[0] == 0 || strncmp(found->name, "gyre_", 5) == 0;
    if (!ours || found->kind != SPIRV_STORAGE_BUFFER || found->binding >= GYRE_BINDING_COUNT) {
        return false;
    }
    bool slots = found->binding == GYRE_BINDING_INPUT || found->binding == GYRE_BINDING_OUTPUT;
    if (!slots && found->binding != GYRE_BINDING_STATE) {
        return true; /* the same in every kernel: wire.h */
    }
    uint32_t stride = 0;
    const struct thing *element = block_element(&r->m, block, &stride);
    if (!element) {
        return false;
    }
    if (found->binding == GYRE_BINDING_STATE) {
        return read_state(r, element, stride);
    }
    bool input = found->binding == GYRE_BINDING_INPUT;
    return is_word(&r->m, element) || /* a view as words */
           read_slots(&r->m, element, stride, input ? &r->info->input : &r->info->output);
}

static void read_engine_block(struct reader *r, const struct thing *block,
                              const struct spirv_block *found)
{
    if (r->info->interface_version == GYRE_WIRE_VERSION && !fits_interface(r, block, found)) {
        module_fail(&r->m, SPIRV_BAD_INTERFACE,
                    "set 0, binding %u (%.32s) is not the engine's: "
                    "put your own buffers and images in layout(set = 1, binding = ...)",
                    found->binding, found->name[0] ? found->name : "no name");
    }
}

/* ---- the user's blocks, sets 1 and up ---- */

static void add_user_block(struct reader *r, const struct spirv_block *block)
{
    struct spirv_info *info = r->info;
    for (uint32_t i = 0; i < info->user_block_count; i++) {
        struct spirv_block *other = &info->user_blocks[i];
        if (other->set != block->set || other->binding != block->binding) {
            continue;
        }
        if (other->kind != block->kind || other->count != block->count) {
            module_fail(&r->m, SPIRV_MALFORMED,
                        "set %u, binding %u is declared as two different things: "
                        "give one of them another binding",
                        block->set, block->binding);
        }
        other->read_only = other->read_only && block->read_only;
        return;
    }
    if (info->user_block_count == SPIRV_MAX_USER_BLOCKS) {
        module_fail(&r->m, SPIRV_LIMIT,
                    "the kernel has more than %u buffers and images of its own: join some",
                    SPIRV_MAX_USER_BLOCKS);
        return;
    }
    info->user_blocks[info->user_block_count++] = *block;
}

/* Looks through arrays of descriptors. */
static const struct thing *descriptor_type(struct module *m, const struct thing *type,
                                           uint32_t *count)
{
    uint64_t product = 1;
    for (int depth = 0; type && depth < MAX_ARRAY_DEPTH; depth++) {
        if (type->in.opcode == OP_TYPE_RUNTIME_ARRAY) {
            product = 0;
        } else if (type->in.opcode == OP_TYPE_ARRAY) {
            const struct thing *length = module_known_constant(m, module_operand(m, type->in, 3));
            product *= length && length->value < HUGE_SIZE ? length->value : HUGE_SIZE;
        } else {
            *count = (uint32_t)product;
            return type;
        }
        if (product >= HUGE_SIZE) {
            return NULL;
        }
        type = module_find(m, module_operand(m, type->in, 2));
    }
    return NULL;
}

/* Only a struct that is laid out by its decorations says how many bytes it has. */
static void read_block_size(struct module *m, const struct thing *block, struct spirv_block *found)
{
    uint32_t count = module_member_count(block);
    if (!(block->flags & FLAG_KNOWN) || block->value >= HUGE_SIZE || count == 0 ||
        !(module_member(m, block, 0)->flags & FLAG_OFFSET)) {
        module_fail(m, SPIRV_LIMIT,
                    "Gyre cannot tell the size of block %.32s: "
                    "use plain types and plain array lengths in it",
                    found->name[0] ? found->name : "(no name)");
        return;
    }
    bool all_read_only = true;
    for (uint32_t i = 0; i < count; i++) {
        all_read_only &= (module_member(m, block, i)->flags & FLAG_NON_WRITABLE) != 0;
    }
    found->read_only |= all_read_only;
    found->fixed_size = (uint32_t)block->value;
    const struct thing *last = module_find(m, module_member_type(m, block, count - 1));
    if (last && last->in.opcode == OP_TYPE_RUNTIME_ARRAY) {
        found->fixed_size = module_member(m, block, count - 1)->offset;
        found->array_stride = last->array_stride;
    }
}

static void read_buffer(struct reader *r, const struct thing *type, uint32_t storage,
                        struct spirv_block *found)
{
    bool uniform = storage == STORAGE_UNIFORM && !(type->flags & FLAG_BUFFER_BLOCK);
    if (type->in.opcode != OP_TYPE_STRUCT || !(type->flags & (FLAG_BLOCK | FLAG_BUFFER_BLOCK))) {
        module_fail(&r->m, SPIRV_MALFORMED,
                    "damaged SPIR-V: set %u, binding %u is not a block; compile it again",
                    found->set, found->binding);
        return;
    }
    module_copy_name(&r->m, type, found->name);
    found->kind = uniform ? SPIRV_UNIFORM_BUFFER : SPIRV_STORAGE_BUFFER;
    found->read_only |= uniform;
    read_block_size(&r->m, type, found);
}

static void read_descriptor(struct reader *r, const struct thing *variable,
                            const struct thing *type, uint32_t storage)
{
    struct spirv_block found = {
        .set = variable->set,
        .binding = variable->binding,
        .kind = SPIRV_OTHER_DESCRIPTOR,
        .read_only = (variable->flags & FLAG_NON_WRITABLE) != 0,
    };
    type = descriptor_type(&r->m, type, &found.count);
    if (!type || !(variable->flags & FLAG_SET) || !(variable->flags & FLAG_BINDING)) {
        module_fail(&r->m, SPIRV_MALFORMED,
                    "a buffer or image in the SPIR-V has no set, binding or type: "
                    "write layout(set = 1, binding = ...) before it");
        return;
    }
    if (storage == STORAGE_UNIFORM_CONSTANT) {
        module_copy_name(&r->m, variable, found.name);
    } else {
        read_buffer(r, type, storage, &found);
    }
    if (found.set == 0) {
        read_engine_block(r, type, &found);
    } else {
        add_user_block(r, &found);
    }
}

static void read_shared_memory(struct reader *r, const struct thing *type)
{
    uint32_t *total = &r->info->shared_memory_size;
    uint64_t size = HUGE_SIZE;
    if (type) {
        bool overlaid = type->flags & FLAG_BLOCK; /* blocks of shared memory lie on one another */
        size = type->value + (overlaid ? 0 : module_align_up(*total, type->align));
    }
    if (size >= HUGE_SIZE) {
        module_fail(&r->m, SPIRV_LIMIT,
                    "Gyre cannot tell the size of the shared memory: "
                    "use plain types and plain array lengths in it");
        return;
    }
    *total = size > *total ? (uint32_t)size : *total;
}

static void read_push_constants(struct reader *r, const struct thing *type)
{
    if (!type || type->value >= HUGE_SIZE) {
        module_fail(&r->m, SPIRV_LIMIT,
                    "Gyre cannot tell the size of the push constants: use plain types in them");
        return;
    }
    uint32_t *size = &r->info->push_constant_size;
    *size = type->value > *size ? (uint32_t)type->value : *size;
}

static void read_variables(struct reader *r)
{
    struct module *m = &r->m;
    for (uint32_t i = 0; i < m->thing_count && m->result == SPIRV_OK; i++) {
        const struct thing *variable = &m->things[i];
        if (variable->in.opcode != OP_VARIABLE) {
            continue;
        }
        const struct thing *pointer =
            module_find_opcode(m, module_operand(m, variable->in, 1), OP_TYPE_POINTER);
        uint32_t type = pointer ? module_operand(m, pointer->in, 3) : 0;
        uint32_t storage = module_operand(m, variable->in, 3);
        if (storage == STORAGE_UNIFORM_CONSTANT || storage == STORAGE_UNIFORM ||
            storage == STORAGE_STORAGE_BUFFER) {
            read_descriptor(r, variable, module_find(m, type), storage);
        } else if (storage == STORAGE_WORKGROUP) {
            read_shared_memory(r, module_known_type(m, type));
        } else if (storage == STORAGE_PUSH_CONSTANT) {
            read_push_constants(r, module_known_type(m, type));
        }
    }
}

enum spirv_result spirv_read(const void *bytes, size_t size, struct spirv_info *info,
                             char reason[SPIRV_REASON_SIZE])
{
    struct reader r = {.m = {.reason = reason}, .info = info};
    reason[0] = 0;
    memset(info, 0, sizeof *info);
    for (int axis = 0; axis < 3; axis++) {
        info->local_size_ids[axis] = SPIRV_NO_ID;
    }
    module_open(&r.m, bytes, size);
    static void (*const passes[])(struct reader *) = {
        choose_entry_point,
        read_code,
        read_constants,
        read_variables,
    };
    for (size_t i = 0; i < sizeof passes / sizeof passes[0] && r.m.result == SPIRV_OK; i++) {
        passes[i](&r);
    }
    module_close(&r.m);
    return r.m.result;
}

bool spirv_has_capability(const struct spirv_info *info, uint32_t capability)
{
    for (uint32_t i = 0; i < info->capability_count; i++) {
        if (info->capabilities[i] == capability) {
            return true;
        }
    }
    return false;
}
