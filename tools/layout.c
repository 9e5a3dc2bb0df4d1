/* The reflection of layout.h: SPIRV-Cross' view of a module to member trees. codec.c walks them. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "layout.h"

#define GYRE_WIRE_C
#include "../shaders/gyre/wire.h"

#include <spirv_cross/spirv_cross_c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPCODE_TYPE_ARRAY = 28, FIRST_INSTRUCTION = 5 };

struct reader {
    const uint32_t *words;
    size_t word_count;
    spvc_context context;
    spvc_compiler compiler;
    spvc_resources resources;
    const char *role; /* "GYRE_INPUT", "GYRE_OUTPUT": what is being read */
    uint32_t fields_left;
    char *why;
    size_t why_size;
};

static bool refuse(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct reader *r, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(r->why, r->why_size, format, list);
    va_end(list);
    /* It may quote the module, and ends on a terminal. */
    for (char *c = r->why; r->why_size > 0 && *c; c++) {
        *c = *c >= 0x20 && *c < 0x7f ? *c : '?';
    }
    return false;
}

static bool refuse_memory(struct reader *r)
{
    return refuse(r, "out of memory");
}

static void on_cross_error(void *user, const char *message)
{
    struct reader *r = user;
    refuse(r, "SPIRV-Cross cannot read the module: %s", message);
}

static uint32_t decoration(const struct reader *r, uint32_t id, SpvDecoration which)
{
    return spvc_compiler_get_decoration(r->compiler, id, which);
}

/* ---- one member ---- */

/* The C interface of SPIRV-Cross has no way from an array type to its element's type, which
 * holds the inner stride. */
static bool array_element(const struct reader *r, uint32_t array, uint32_t *element)
{
    for (size_t at = FIRST_INSTRUCTION; at < r->word_count;) {
        uint32_t opcode = r->words[at] & 0xffff;
        uint32_t length = r->words[at] >> 16;
        if (length == 0 || length > r->word_count - at) {
            return false;
        }
        if (opcode == OPCODE_TYPE_ARRAY && length == 4 && r->words[at + 1] == array) {
            *element = r->words[at + 2];
            return true;
        }
        at += length;
    }
    return false;
}

/* Adds a dimension outside of what `*extent` bytes hold, and gives the extent of the whole. */
static bool wrap(struct layout_dimension *d, uint32_t length, uint32_t stride, uint64_t *extent)
{
    if (length == 0 || stride == 0 || stride < *extent) {
        return false;
    }
    *d = (struct layout_dimension){.length = length, .stride = stride};
    *extent += (uint64_t)stride * (length - 1);
    return *extent <= UINT32_MAX;
}

static bool read_matrix(struct reader *r, spvc_type parent, uint32_t index, spvc_type type,
                        struct layout_dimension *d, uint64_t *extent)
{
    uint32_t rows = spvc_type_get_vector_size(type);
    uint32_t columns = spvc_type_get_columns(type);
    uint32_t width = (uint32_t)*extent;
    unsigned stride = 0;
    if (spvc_compiler_type_struct_member_matrix_stride(r->compiler, parent, index, &stride) !=
        SPVC_SUCCESS) {
        return false;
    }
    if (!spvc_compiler_has_member_decoration(r->compiler, spvc_type_get_base_type_id(parent), index,
                                             SpvDecorationRowMajor)) {
        return wrap(&d[1], rows, width, extent) && wrap(&d[0], columns, stride, extent);
    }
    /* Each row lies in one piece; the columns, which come first here, lie across the rows. */
    return wrap(&d[0], columns, width, extent) && wrap(&d[1], rows, stride, extent);
}

static bool read_dimensions(struct reader *r, spvc_type parent, uint32_t index, spvc_type type,
                            struct layout_field *field, uint64_t *extent)
{
    uint32_t arrays = spvc_type_get_num_array_dimensions(type);
    bool matrix = spvc_type_get_columns(type) > 1;
    bool vector = !matrix && spvc_type_get_vector_size(type) > 1;
    uint32_t count = arrays + (matrix ? 2 : vector ? 1 : 0);
    struct layout_dimension *d = field->dimensions;

    if (count > LAYOUT_DIMENSIONS) {
        return refuse(r, "%s: `%s` has more than %d dimensions", r->role, field->name,
                      LAYOUT_DIMENSIONS);
    }
    field->dimension_count = count;
    bool fits = matrix   ? read_matrix(r, parent, index, type, &d[arrays], extent)
                : vector ? wrap(&d[arrays], spvc_type_get_vector_size(type), field->width, extent)
                         : true;

    uint32_t strides[LAYOUT_DIMENSIONS] = {0};
    uint32_t id = spvc_type_get_member_type(parent, index);
    for (uint32_t i = 0; i < arrays && fits; i++) {
        strides[i] = decoration(r, id, SpvDecorationArrayStride);
        fits = i + 1 == arrays || array_element(r, id, &id);
    }
    for (uint32_t i = arrays; i-- > 0 && fits;) {
        uint32_t inwards = arrays - 1 - i; /* SPIRV-Cross counts from the innermost */
        if (!spvc_type_array_dimension_is_literal(type, inwards)) {
            return refuse(r, "%s: the length of `%s` is a specialisation constant", r->role,
                          field->name);
        }
        fits = wrap(&d[i], spvc_type_get_array_dimension(type, inwards), strides[i], extent);
    }
    return fits || refuse(r, "%s: the array or matrix `%s` has no fixed, plain layout", r->role,
                          field->name);
}

static bool read_base(struct reader *r, spvc_type type, struct layout_field *field)
{
    /* A pointer says the type it points at. */
    bool plain = spvc_type_get_storage_class(type) != SpvStorageClassPhysicalStorageBuffer;
    field->width = spvc_type_get_bit_width(type) / 8;
    switch (plain ? spvc_type_get_basetype(type) : SPVC_BASETYPE_UNKNOWN) {
    case SPVC_BASETYPE_INT8:
    case SPVC_BASETYPE_INT16:
    case SPVC_BASETYPE_INT32:
    case SPVC_BASETYPE_INT64:
        field->base = LAYOUT_INT;
        return true;
    case SPVC_BASETYPE_UINT8:
    case SPVC_BASETYPE_UINT16:
    case SPVC_BASETYPE_UINT32:
    case SPVC_BASETYPE_UINT64:
        field->base = LAYOUT_UINT;
        return true;
    case SPVC_BASETYPE_FP16:
    case SPVC_BASETYPE_FP32:
    case SPVC_BASETYPE_FP64:
        field->base = LAYOUT_FLOAT;
        return true;
    case SPVC_BASETYPE_STRUCT:
        field->base = LAYOUT_STRUCT;
        field->width = 0;
        return true;
    default:
        return refuse(r, "%s: `%s` is neither a number nor made of numbers", r->role, field->name);
    }
}

static bool read_struct(struct reader *r, spvc_type type, uint32_t nesting,
                        struct layout_struct **out);

/* `*end`: where the member ends in its struct. */
static bool read_field(struct reader *r, spvc_type parent, uint32_t index, uint32_t nesting,
                       struct layout_field *field, uint64_t *end)
{
    spvc_type type =
        spvc_compiler_get_type_handle(r->compiler, spvc_type_get_member_type(parent, index));
    unsigned offset = 0;
    if (!type || spvc_compiler_type_struct_member_offset(r->compiler, parent, index, &offset) !=
                     SPVC_SUCCESS) {
        return false;
    }
    field->offset = offset;
    if (!read_base(r, type, field)) {
        return false;
    }
    uint64_t extent = field->width;
    if (field->base == LAYOUT_STRUCT) {
        spvc_type inner =
            spvc_compiler_get_type_handle(r->compiler, spvc_type_get_base_type_id(type));
        if (!inner || !read_struct(r, inner, nesting + 1, &field->type)) {
            return false;
        }
        extent = field->type->extent;
    }
    if (!read_dimensions(r, parent, index, type, field, &extent)) {
        return false;
    }
    *end = offset + extent;
    return *end <= UINT32_MAX || refuse(r, "%s: `%s` is too large", r->role, field->name);
}

/* ---- structs ---- */

static bool is_identifier(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return name[strspn(name, letters)] == '\0';
}

static bool read_name(struct reader *r, spvc_type parent, uint32_t index,
                      struct layout_struct *into)
{
    const char *name =
        spvc_compiler_get_member_name(r->compiler, spvc_type_get_base_type_id(parent), index);
    if (!name || !name[0]) {
        return refuse(r, "the module does not hold the names of %s's members: compile it %s",
                      r->role, "without -O, or with -g");
    }
    if (!is_identifier(name)) {
        return refuse(r, "%s: the name of member %u is not an identifier", r->role, index);
    }
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(into->fields[i].name, name) == 0) {
            return refuse(r, "%s: two members of one struct are named `%s`", r->role, name);
        }
    }
    into->fields[index].name = strdup(name);
    return into->fields[index].name || refuse_memory(r);
}

static bool read_struct(struct reader *r, spvc_type type, uint32_t nesting,
                        struct layout_struct **out)
{
    uint32_t count = spvc_type_get_num_member_types(type);
    if (nesting > LAYOUT_NESTING) {
        return refuse(r, "%s: structs are nested deeper than %d", r->role, LAYOUT_NESTING);
    }
    if (count > r->fields_left) {
        return refuse(r, "%s: more than %d members", r->role, LAYOUT_FIELDS);
    }
    r->fields_left -= count;

    struct layout_struct *into = calloc(1, sizeof *into);
    *out = into; /* half-built, freed with the whole */
    if (!into) {
        return refuse_memory(r);
    }
    into->fields = calloc(count ? count : 1, sizeof *into->fields);
    if (!into->fields) {
        return refuse_memory(r);
    }
    into->field_count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t end = 0;
        if (!read_name(r, type, i, into) ||
            !read_field(r, type, i, nesting, &into->fields[i], &end)) {
            return false;
        }
        into->extent = end > into->extent ? (uint32_t)end : into->extent;
    }
    return true;
}

static void free_struct(struct layout_struct *type)
{
    if (!type) {
        return;
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        free(type->fields[i].name);
        free_struct(type->fields[i].type);
    }
    free(type->fields);
    free(type);
}

/* ---- the two message blocks ---- */

/* From the block to the struct of its slots: `buffer Block { Slot slots[]; }`. */
static spvc_type slot_type(struct reader *r, uint32_t block_id, uint32_t *stride)
{
    spvc_type block = spvc_compiler_get_type_handle(r->compiler, block_id);
    if (!block || spvc_type_get_num_member_types(block) != 1) {
        return NULL;
    }
    uint32_t slots_id = spvc_type_get_member_type(block, 0);
    spvc_type slots = spvc_compiler_get_type_handle(r->compiler, slots_id);
    if (!slots || spvc_type_get_basetype(slots) != SPVC_BASETYPE_STRUCT ||
        spvc_type_get_num_array_dimensions(slots) != 1 ||
        spvc_type_get_array_dimension(slots, 0) != 0) {
        return NULL;
    }
    *stride = decoration(r, slots_id, SpvDecorationArrayStride);
    return spvc_compiler_get_type_handle(r->compiler, spvc_type_get_base_type_id(slots));
}

static bool read_message(struct reader *r, uint32_t block_id, struct layout_message *out)
{
    const uint32_t header = sizeof(struct gyre_Header);
    spvc_type slot = slot_type(r, block_id, &out->stride);
    unsigned offset = 0;
    if (!slot || spvc_type_get_num_member_types(slot) != 2 ||
        spvc_compiler_type_struct_member_offset(r->compiler, slot, 1, &offset) != SPVC_SUCCESS ||
        offset != header || out->stride <= header) {
        return refuse(r, "%s: its slots are not those of gyre/kernel.glsl", r->role);
    }
    spvc_type data = spvc_compiler_get_type_handle(r->compiler, spvc_type_get_member_type(slot, 1));
    if (!data) {
        return false;
    }
    if (spvc_type_get_basetype(data) != SPVC_BASETYPE_STRUCT ||
        spvc_type_get_num_array_dimensions(data) != 0 ||
        spvc_type_get_storage_class(data) == SpvStorageClassPhysicalStorageBuffer) {
        return refuse(r, "%s is not a struct: its members' names are needed here", r->role);
    }
    data = spvc_compiler_get_type_handle(r->compiler, spvc_type_get_base_type_id(data));
    if (!data) {
        return false;
    }
    out->size = out->stride - header;
    r->fields_left = LAYOUT_FIELDS;
    return read_struct(r, data, 1, &out->type) &&
           (out->type->extent <= out->size || refuse(r, "%s does not fit its slot", r->role));
}

static bool find_message(struct reader *r, uint32_t binding, struct layout_message *out)
{
    const spvc_reflected_resource *list;
    size_t count;
    if (spvc_resources_get_resource_list_for_type(r->resources, SPVC_RESOURCE_TYPE_STORAGE_BUFFER,
                                                  &list, &count) != SPVC_SUCCESS) {
        return false;
    }
    /* Several blocks may lie there, of which one has the slots; the others are the same as words.
     */
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (decoration(r, list[i].id, SpvDecorationDescriptorSet) == 0 &&
            decoration(r, list[i].id, SpvDecorationBinding) == binding &&
            (!found || slot_type(r, list[i].base_type_id, &out->stride))) {
            found = list[i].base_type_id;
        }
    }
    if (found) {
        return read_message(r, found, out);
    }
    return refuse(r, "the module has no %s (set 0, binding %u): does it include gyre/kernel.glsl?",
                  r->role, binding);
}

/* ---- the user's own blocks ---- */

static bool read_block(struct reader *r, const spvc_reflected_resource *from,
                       struct layout_block *block)
{
    spvc_type type = spvc_compiler_get_type_handle(r->compiler, from->base_type_id);
    spvc_type whole = spvc_compiler_get_type_handle(r->compiler, from->type_id);
    size_t size = 0;
    size_t with_one = 0;
    if (!type || !whole ||
        spvc_compiler_get_declared_struct_size(r->compiler, type, &size) != SPVC_SUCCESS ||
        spvc_compiler_get_declared_struct_size_runtime_array(r->compiler, type, 1, &with_one) !=
            SPVC_SUCCESS) {
        return false;
    }
    block->binding = decoration(r, from->id, SpvDecorationBinding);
    block->count = 1;
    for (uint32_t i = 0; i < spvc_type_get_num_array_dimensions(whole); i++) {
        bool literal = spvc_type_array_dimension_is_literal(whole, i);
        block->count *= literal ? spvc_type_get_array_dimension(whole, i) : 0;
    }
    block->size = size;
    block->stride = (uint32_t)(with_one - size);
    block->name = strdup(spvc_compiler_get_name(r->compiler, from->base_type_id));
    block->instance = strdup(spvc_compiler_get_name(r->compiler, from->id));
    return (block->name && block->instance) || refuse_memory(r);
}

static bool read_blocks(struct reader *r, bool uniform, struct layout *layout)
{
    const spvc_reflected_resource *list;
    size_t count;
    spvc_resource_type type = uniform ? SPVC_RESOURCE_TYPE_UNIFORM_BUFFER
                                      : SPVC_RESOURCE_TYPE_STORAGE_BUFFER;
    if (spvc_resources_get_resource_list_for_type(r->resources, type, &list, &count) !=
        SPVC_SUCCESS) {
        return false;
    }
    struct layout_block *grown =
        realloc(layout->blocks, (layout->block_count + count + 1) * sizeof *grown);
    if (!grown) {
        return refuse_memory(r);
    }
    layout->blocks = grown;
    for (size_t i = 0; i < count; i++) {
        uint32_t set = decoration(r, list[i].id, SpvDecorationDescriptorSet);
        if (set == 0) {
            continue;
        }
        struct layout_block *block = &layout->blocks[layout->block_count++];
        *block = (struct layout_block){.set = set, .uniform = uniform};
        if (!read_block(r, &list[i], block)) {
            return false;
        }
    }
    return true;
}

const struct layout_block *layout_block(const struct layout *layout, const char *name)
{
    const struct layout_block *found = NULL;
    for (size_t i = 0; i < layout->block_count; i++) {
        if (strcmp(layout->blocks[i].name, name) == 0) {
            return &layout->blocks[i];
        }
    }
    for (size_t i = 0; i < layout->block_count; i++) {
        if (layout->blocks[i].instance[0] && strcmp(layout->blocks[i].instance, name) == 0) {
            if (found) {
                return NULL;
            }
            found = &layout->blocks[i];
        }
    }
    return found;
}

/* ---- the whole module ---- */

static bool read_module(struct reader *r, struct layout *layout)
{
    spvc_parsed_ir ir;
    if (spvc_context_parse_spirv(r->context, r->words, r->word_count, &ir) != SPVC_SUCCESS ||
        spvc_context_create_compiler(r->context, SPVC_BACKEND_NONE, ir,
                                     SPVC_CAPTURE_MODE_TAKE_OWNERSHIP,
                                     &r->compiler) != SPVC_SUCCESS ||
        spvc_compiler_create_shader_resources(r->compiler, &r->resources) != SPVC_SUCCESS) {
        return false;
    }
    r->role = "GYRE_INPUT";
    if (!find_message(r, GYRE_BINDING_INPUT, &layout->input)) {
        return false;
    }
    r->role = "GYRE_OUTPUT";
    return find_message(r, GYRE_BINDING_OUTPUT, &layout->output) && read_blocks(r, false, layout) &&
           read_blocks(r, true, layout);
}

bool layout_read(const uint32_t *words, size_t count, struct layout **out, char *why,
                 size_t why_size)
{
    struct reader r = {.words = words, .word_count = count, .why = why, .why_size = why_size};
    struct layout *layout = calloc(1, sizeof *layout);
    if (!layout) {
        return refuse_memory(&r);
    }
    if (spvc_context_create(&r.context) != SPVC_SUCCESS) {
        layout_free(layout);
        return refuse_memory(&r);
    }
    spvc_context_set_error_callback(r.context, on_cross_error, &r);
    /* Where neither we nor SPIRV-Cross say more. */
    refuse(&r, "SPIRV-Cross cannot read the module");
    bool read = read_module(&r, layout);
    spvc_context_destroy(r.context);
    if (!read) {
        layout_free(layout);
        return false;
    }
    refuse(&r, "%s", "");
    *out = layout;
    return true;
}

void layout_free(struct layout *layout)
{
    if (!layout) {
        return;
    }
    free_struct(layout->input.type);
    free_struct(layout->output.type);
    for (size_t i = 0; i < layout->block_count; i++) {
        free(layout->blocks[i].name);
        free(layout->blocks[i].instance);
    }
    free(layout->blocks);
    free(layout);
}
