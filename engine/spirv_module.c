#include "spirv_module.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPARSE_IDS 65536u /* ids that an optimiser may have left unused */

void module_fail(struct module *m, enum spirv_result result, const char *format, ...)
{
    if (m->result != SPIRV_OK) {
        return;
    }
    m->result = result;
    va_list args;
    va_start(args, format);
    vsnprintf(m->reason, SPIRV_REASON_SIZE, format, args);
    va_end(args);
}

static void fail_damaged(struct module *m, uint32_t at, const char *what)
{
    module_fail(m, SPIRV_MALFORMED, "damaged SPIR-V, word %u: %s; compile it again", at, what);
}

/* ---- words, instructions, strings ---- */

static uint32_t word(const struct module *m, uint32_t at)
{
    assert(at < m->words);
    const unsigned char *b = m->bytes + (size_t)at * 4;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

bool module_next(struct module *m, struct instruction *in)
{
    uint32_t at = in->at + in->length;
    if (m->result != SPIRV_OK || at == m->words) {
        return false;
    }
    uint32_t first = word(m, at);
    *in = (struct instruction){at, (uint16_t)(first & 0xffff), (uint16_t)(first >> 16)};
    if (in->length == 0) {
        fail_damaged(m, at, "an instruction of no length");
    } else if (in->length > m->words - at) {
        module_fail(
            m, SPIRV_TRUNCATED,
            "the SPIR-V ends inside the instruction at word %u: it was cut off; copy it again", at);
    }
    return m->result == SPIRV_OK;
}

uint32_t module_operand(struct module *m, struct instruction in, uint32_t i)
{
    if (i >= in.length) {
        fail_damaged(m, in.at, "an instruction is too short");
        return 0;
    }
    return word(m, in.at + i);
}

const char *module_string(struct module *m, struct instruction in, uint32_t i)
{
    if (i >= in.length) {
        fail_damaged(m, in.at, "an instruction is too short");
        return NULL;
    }
    const unsigned char *begin = m->bytes + (size_t)(in.at + i) * 4;
    if (!memchr(begin, 0, (size_t)(in.length - i) * 4)) {
        fail_damaged(m, in.at, "a string has no end");
        return NULL;
    }
    return (const char *)begin;
}

/* ---- things ---- */

static bool is_type(uint32_t opcode)
{
    return opcode >= OP_TYPE_VOID && opcode <= OP_TYPE_FUNCTION;
}

static bool is_constant(uint32_t opcode)
{
    return opcode >= OP_CONSTANT_TRUE && opcode <= OP_SPEC_CONSTANT_OP;
}

static bool is_thing(uint32_t opcode)
{
    return is_type(opcode) || is_constant(opcode) || opcode == OP_VARIABLE || opcode == OP_FUNCTION;
}

struct thing *module_find(const struct module *m, uint32_t id)
{
    uint32_t number = id < m->id_bound ? m->index[id] : 0;
    return number ? &m->things[number - 1] : NULL;
}

struct thing *module_find_opcode(const struct module *m, uint32_t id, enum opcode opcode)
{
    struct thing *t = module_find(m, id);
    return t && t->in.opcode == opcode ? t : NULL;
}

const struct thing *module_known_type(const struct module *m, uint32_t id)
{
    const struct thing *t = module_find(m, id);
    return t && is_type(t->in.opcode) && (t->flags & FLAG_KNOWN) ? t : NULL;
}

const struct thing *module_known_constant(const struct module *m, uint32_t id)
{
    const struct thing *t = module_find(m, id);
    return t && is_constant(t->in.opcode) && (t->flags & FLAG_KNOWN) ? t : NULL;
}

bool module_is_composite(const struct thing *t)
{
    return t->in.opcode == OP_CONSTANT_COMPOSITE || t->in.opcode == OP_SPEC_CONSTANT_COMPOSITE;
}

const struct thing *module_constituent(struct module *m, const struct thing *t, uint32_t i)
{
    if (!module_is_composite(t) || i >= t->in.length - 3u) {
        return NULL;
    }
    return module_known_constant(m, module_operand(m, t->in, 3 + i));
}

uint32_t module_member_count(const struct thing *t)
{
    assert(t->in.opcode == OP_TYPE_STRUCT);
    return t->in.length - 2u;
}

struct member *module_member(const struct module *m, const struct thing *t, uint32_t i)
{
    assert(i < module_member_count(t));
    return &m->members[t->first_member + i];
}

uint32_t module_member_type(struct module *m, const struct thing *t, uint32_t i)
{
    assert(i < module_member_count(t));
    return module_operand(m, t->in, 2 + i);
}

void module_copy_name(const struct module *m, const struct thing *t, char name[SPIRV_NAME_SIZE])
{
    const char *from = t->name ? (const char *)m->bytes + (size_t)t->name * 4 : "";
    snprintf(name, SPIRV_NAME_SIZE, "%s", from);
    for (char *c = name; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
}

/* ---- opening: header, tables ---- */

static void read_header(struct module *m, const void *bytes, size_t size)
{
    size_t readable = size < SPIRV_MAX_MODULE_BYTES ? size : SPIRV_MAX_MODULE_BYTES;
    m->bytes = bytes;
    m->words = (uint32_t)(readable / 4);
    uint32_t magic = m->words > 0 ? word(m, 0) : 0;
    if (magic == SPIRV_MAGIC_SWAPPED) {
        module_fail(m, SPIRV_BIG_ENDIAN,
                    "the SPIR-V has big-endian words: compile it for a little-endian machine");
    } else if (magic != SPIRV_MAGIC) {
        module_fail(m, SPIRV_NOT_SPIRV,
                    "this is not SPIR-V: give a module that glslc made (a .spv file)");
    } else if (size > SPIRV_MAX_MODULE_BYTES) {
        module_fail(m, SPIRV_LIMIT,
                    "the SPIR-V is larger than %u MiB: bind large tables as buffers instead",
                    SPIRV_MAX_MODULE_BYTES >> 20);
    } else if (size % 4 != 0 || m->words <= SPIRV_HEADER_WORDS) {
        module_fail(m, SPIRV_TRUNCATED,
                    "the SPIR-V has %zu bytes, not a whole module: it was cut off; copy it again",
                    size);
    }
}

static void check_header(struct module *m)
{
    uint32_t version = word(m, 1);
    m->id_bound = word(m, 3);
    if ((version & 0xff0000ff) != 0 || version >> 16 != 1 || (version >> 8 & 0xff) > 6) {
        module_fail(m, SPIRV_UNSUPPORTED_VERSION,
                    "SPIR-V of version 0x%08x: compile for 1.0 to 1.6 (--target-env=vulkan1.2)",
                    version);
    } else if (m->id_bound == 0) {
        fail_damaged(m, 3, "the id bound is 0");
    } else if (word(m, 4) != 0) {
        /* Reserved for a schema. SPIRV-Tools lets it pass; lavapipe 25.0.7 crashes. */
        fail_damaged(m, 4, "the word before the first instruction is not 0");
    } else if (m->id_bound > SPIRV_MAX_ID_BOUND || m->id_bound > MAX_SPARSE_IDS + 4 * m->words) {
        /* The id bound is a claim on memory; the module's own size must vouch for it. */
        module_fail(m, SPIRV_LIMIT,
                    "the SPIR-V's id bound %u is too high: run `spirv-opt --compact-ids` on it",
                    m->id_bound);
    }
}

static void count_things(struct module *m)
{
    struct instruction in = FIRST_INSTRUCTION;
    while (module_next(m, &in)) {
        m->thing_capacity += is_thing(in.opcode);
        m->member_capacity += in.opcode == OP_TYPE_STRUCT ? in.length : 0u;
    }
}

/* One piece, so that there is one failure and one thing to free. */
static void allocate(struct module *m)
{
    size_t things = m->thing_capacity * sizeof *m->things;
    size_t members = m->member_capacity * sizeof *m->members;
    unsigned char *memory = calloc(1, things + members + m->id_bound * sizeof *m->index);
    if (!memory) {
        module_fail(m, SPIRV_NO_MEMORY, "no memory to read the SPIR-V of %u words", m->words);
        return;
    }
    m->memory = memory;
    m->things = (struct thing *)(void *)memory;
    m->members = (struct member *)(void *)(memory + things);
    m->index = (uint32_t *)(void *)(memory + things + members);
}

static void add_thing(struct module *m, struct instruction in)
{
    uint32_t id = module_operand(m, in, is_type(in.opcode) ? 1 : 2);
    if (id == 0 || id >= m->id_bound || m->index[id]) {
        fail_damaged(m, in.at, "an id is out of bounds or defined twice");
        return;
    }
    assert(m->thing_count < m->thing_capacity);
    struct thing *t = &m->things[m->thing_count++];
    t->in = in;
    m->index[id] = m->thing_count;
    if (in.opcode == OP_TYPE_STRUCT) {
        t->first_member = m->member_count;
        m->member_count += module_member_count(t);
        assert(m->member_count <= m->member_capacity);
    } else if (in.opcode == OP_TYPE_POINTER) {
        /* Known from the start: a struct may hold a pointer that is declared behind it. */
        t->value = 8;
        t->align = 8;
        t->flags |= FLAG_KNOWN;
    }
}

static void find_things(struct module *m)
{
    bool has_code = false;
    struct instruction in = FIRST_INSTRUCTION;
    while (module_next(m, &in)) {
        bool local = in.opcode == OP_VARIABLE && module_operand(m, in, 3) == STORAGE_FUNCTION;
        if (is_thing(in.opcode) && !local) {
            add_thing(m, in);
        }
        has_code |= in.opcode == OP_FUNCTION;
    }
    if (!has_code) {
        module_fail(m, SPIRV_TRUNCATED, "the SPIR-V has no code: it was cut off; copy it again");
    }
}

/* ---- names and decorations ---- */

static void read_name(struct module *m, struct instruction in)
{
    struct thing *t = module_find(m, module_operand(m, in, 1));
    if (module_string(m, in, 2) && t) {
        t->name = in.at + 2;
    }
}

static void read_decoration(struct module *m, struct instruction in)
{
    struct thing *t = module_find(m, module_operand(m, in, 1));
    uint32_t decoration = module_operand(m, in, 2);
    if (!t) {
        return; /* of something inside a function */
    }
    switch (decoration) {
    case DECORATION_BLOCK:
        t->flags |= FLAG_BLOCK;
        break;
    case DECORATION_BUFFER_BLOCK:
        t->flags |= FLAG_BUFFER_BLOCK;
        break;
    case DECORATION_NON_WRITABLE:
        t->flags |= FLAG_NON_WRITABLE;
        break;
    case DECORATION_BUILTIN:
        t->flags |= module_operand(m, in, 3) == BUILTIN_WORKGROUP_SIZE ? FLAG_WORKGROUP_SIZE : 0u;
        break;
    case DECORATION_ARRAY_STRIDE:
        t->array_stride = module_operand(m, in, 3);
        break;
    case DECORATION_SPEC_ID:
        t->spec_id = module_operand(m, in, 3);
        t->flags |= FLAG_SPEC_ID;
        break;
    case DECORATION_DESCRIPTOR_SET:
        t->set = module_operand(m, in, 3);
        t->flags |= FLAG_SET;
        break;
    case DECORATION_BINDING:
        t->binding = module_operand(m, in, 3);
        t->flags |= FLAG_BINDING;
        break;
    default:
        break;
    }
}

static void read_member_decoration(struct module *m, struct instruction in)
{
    const struct thing *t = module_find_opcode(m, module_operand(m, in, 1), OP_TYPE_STRUCT);
    uint32_t number = module_operand(m, in, 2);
    uint32_t decoration = module_operand(m, in, 3);
    if (!t || number >= module_member_count(t)) {
        fail_damaged(m, in.at, "a decoration of a member that is not there");
        return;
    }
    struct member *member = module_member(m, t, number);
    if (decoration == DECORATION_OFFSET) {
        member->offset = module_operand(m, in, 4);
        member->flags |= FLAG_OFFSET;
    } else if (decoration == DECORATION_MATRIX_STRIDE) {
        member->matrix_stride = module_operand(m, in, 4);
    } else if (decoration == DECORATION_ROW_MAJOR) {
        member->flags |= FLAG_ROW_MAJOR;
    } else if (decoration == DECORATION_NON_WRITABLE) {
        member->flags |= FLAG_NON_WRITABLE;
    }
}

static void decorate_things(struct module *m)
{
    struct instruction in = FIRST_INSTRUCTION;
    while (module_next(m, &in)) {
        switch (in.opcode) {
        case OP_NAME:
            read_name(m, in);
            break;
        case OP_DECORATE:
            read_decoration(m, in);
            break;
        case OP_MEMBER_DECORATE:
            read_member_decoration(m, in);
            break;
        case OP_DECORATION_GROUP:
        case OP_GROUP_DECORATE:
        case OP_GROUP_MEMBER_DECORATE:
            module_fail(
                m, SPIRV_LIMIT,
                "the SPIR-V has decoration groups: run `spirv-opt --flatten-decorations` on it");
            break;
        default:
            break;
        }
    }
}

/* ---- sizes of types ---- */

uint64_t module_align_up(uint64_t size, uint32_t align)
{
    return (size + align - 1) / align * align;
}

static void set_size(struct thing *t, uint64_t size, uint32_t align)
{
    t->value = size < HUGE_SIZE ? size : HUGE_SIZE;
    t->align = align;
    t->flags |= FLAG_KNOWN;
}

static void measure_scalar(struct module *m, struct thing *t)
{
    uint32_t bits = module_operand(m, t->in, 2);
    if (bits == 8 || bits == 16 || bits == 32 || bits == 64) {
        set_size(t, bits / 8, bits / 8);
    }
}

static void measure_vector(struct module *m, struct thing *t)
{
    const struct thing *scalar = module_known_type(m, module_operand(m, t->in, 2));
    uint32_t count = module_operand(m, t->in, 3);
    if (scalar && scalar->in.opcode <= OP_TYPE_FLOAT && count >= 2 && count <= 4) {
        set_size(t, count * scalar->value, (count == 3 ? 4 : count) * scalar->align);
    }
}

/* A matrix is an array of its columns, except where its struct says otherwise. */
static void measure_array(struct module *m, struct thing *t)
{
    const struct thing *element = module_known_type(m, module_operand(m, t->in, 2));
    if (!element) {
        return;
    }
    if (t->in.opcode == OP_TYPE_RUNTIME_ARRAY) {
        set_size(t, 0, element->align);
        return;
    }
    uint64_t count = module_operand(m, t->in, 3);
    if (t->in.opcode == OP_TYPE_ARRAY) {
        const struct thing *length = module_known_constant(m, (uint32_t)count);
        count = length ? length->value : 0;
    }
    uint64_t natural = module_align_up(element->value, element->align);
    uint64_t stride = t->array_stride ? t->array_stride : natural;
    if (count > 0) {
        set_size(t, count < HUGE_SIZE ? count * stride : HUGE_SIZE, element->align);
    }
}

uint64_t module_member_size(struct module *m, const struct member *member, const struct thing *type)
{
    if (type->in.opcode != OP_TYPE_MATRIX || member->matrix_stride == 0) {
        return type->value;
    }
    uint64_t lines = module_operand(m, type->in, 3);
    const struct thing *column =
        module_find_opcode(m, module_operand(m, type->in, 2), OP_TYPE_VECTOR);
    if ((member->flags & FLAG_ROW_MAJOR) && column) {
        lines = module_operand(m, column->in, 3);
    }
    return lines * member->matrix_stride;
}

static void measure_struct(struct module *m, struct thing *t)
{
    uint32_t count = module_member_count(t);
    uint32_t placed = 0;
    uint32_t align = 1;
    uint64_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct member *member = module_member(m, t, i);
        const struct thing *type = module_known_type(m, module_member_type(m, t, i));
        if (!type) {
            return;
        }
        bool by_offset = (member->flags & FLAG_OFFSET) != 0;
        uint64_t offset = by_offset ? member->offset : module_align_up(end, type->align);
        uint64_t member_end = offset + module_member_size(m, member, type);
        placed += by_offset;
        align = type->align > align ? type->align : align;
        end = member_end > end ? member_end : end;
        end = end < HUGE_SIZE ? end : HUGE_SIZE;
    }
    if (placed == 0 || placed == count) {
        set_size(t, end, align);
    }
}

static void measure_type(struct module *m, struct thing *t)
{
    switch (t->in.opcode) {
    case OP_TYPE_BOOL:
        set_size(t, 4, 4); /* only in shared memory, where drivers take a word */
        break;
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT:
        measure_scalar(m, t);
        break;
    case OP_TYPE_VECTOR:
        measure_vector(m, t);
        break;
    case OP_TYPE_MATRIX:
    case OP_TYPE_ARRAY:
    case OP_TYPE_RUNTIME_ARRAY:
        measure_array(m, t);
        break;
    case OP_TYPE_STRUCT:
        measure_struct(m, t);
        break;
    default:
        break;
    }
}

/* ---- values of constants ---- */

static void set_value(struct thing *t, uint64_t value)
{
    t->value = value;
    t->flags |= FLAG_KNOWN;
}

static bool compute(uint32_t opcode, uint64_t a, uint64_t b, uint64_t *result)
{
    switch (opcode) {
    case OP_I_ADD:
        *result = a + b;
        return true;
    case OP_I_SUB:
        *result = a - b;
        return true;
    case OP_I_MUL:
        *result = a * b;
        return true;
    case OP_U_DIV:
    case OP_S_DIV:
        *result = b ? a / b : 0;
        return b != 0;
    case OP_U_MOD:
        *result = b ? a % b : 0;
        return b != 0;
    case OP_SHIFT_RIGHT_LOGICAL:
        *result = b < 32 ? a >> b : 0;
        return b < 32;
    case OP_SHIFT_LEFT_LOGICAL:
        *result = b < 32 ? a << b : 0;
        return b < 32;
    case OP_BITWISE_OR:
        *result = a | b;
        return true;
    case OP_BITWISE_AND:
        *result = a & b;
        return true;
    default:
        return false;
    }
}

/* What array lengths and local sizes are made of, as long as nothing is negative or wraps around;
 * anything else stays unknown. */
static void compute_constant(struct module *m, struct thing *t)
{
    uint32_t opcode = module_operand(m, t->in, 3);
    uint32_t first = module_operand(m, t->in, 4);
    uint32_t second = t->in.length > 5 ? module_operand(m, t->in, 5) : 0;
    const struct thing *a = module_known_constant(m, first);
    const struct thing *b = module_known_constant(m, second);
    uint64_t value = 0;
    if (opcode == OP_COMPOSITE_EXTRACT) {
        const struct thing *composite = module_find(m, first);
        const struct thing *part = composite ? module_constituent(m, composite, second) : NULL;
        if (part) {
            set_value(t, part->value);
        }
    } else if (a && (opcode == OP_U_CONVERT || opcode == OP_S_CONVERT)) {
        set_value(t, a->value);
    } else if (a && b && a->value <= INT32_MAX && b->value <= INT32_MAX &&
               compute(opcode, a->value, b->value, &value) && value <= INT32_MAX) {
        set_value(t, value);
    }
}

static void evaluate_constant(struct module *m, struct thing *t)
{
    uint64_t value;
    t->flags |= t->in.opcode >= OP_SPEC_CONSTANT_TRUE ? FLAG_SPECIALISED : 0u;
    switch (t->in.opcode) {
    case OP_CONSTANT:
    case OP_SPEC_CONSTANT:
        value = module_operand(m, t->in, 3);
        if (t->in.length > 4) {
            value |= (uint64_t)module_operand(m, t->in, 4) << 32;
        }
        set_value(t, value);
        break;
    case OP_CONSTANT_NULL:
        set_value(t, 0);
        break;
    case OP_SPEC_CONSTANT_OP:
        compute_constant(m, t);
        break;
    default:
        break;
    }
}

static void evaluate_things(struct module *m)
{
    for (uint32_t i = 0; i < m->thing_count && m->result == SPIRV_OK; i++) {
        struct thing *t = &m->things[i];
        if (is_type(t->in.opcode)) {
            measure_type(m, t);
        } else if (is_constant(t->in.opcode)) {
            evaluate_constant(m, t);
        }
    }
}

void module_open(struct module *m, const void *bytes, size_t size)
{
    read_header(m, bytes, size);
    static void (*const passes[])(struct module *) = {
        check_header, count_things, allocate, find_things, decorate_things, evaluate_things,
    };
    for (size_t i = 0; i < sizeof passes / sizeof passes[0] && m->result == SPIRV_OK; i++) {
        passes[i](m);
    }
}

void module_close(struct module *m)
{
    free(m->memory);
    m->memory = NULL;
}
