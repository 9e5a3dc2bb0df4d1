#include "kernelfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#ifdef GYRE_WITH_COMPILER
#include <gyre/compiler.h>
#endif

/* Those that are open. Changes only while no runtime compiles. */
static struct kernelfile *opened;

static enum command_exit refuse_file(const char *what, const char *path)
{
    command_say("cannot read %s %s: %s", what, path, strerror(errno));
    return COMMAND_USAGE;
}

/* ---- the module ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static bool is_spirv(const char *path, const void *bytes, size_t size)
{
    static const unsigned char magic[2][4] = {{3, 2, 0x23, 7}, {7, 0x23, 2, 3}};
    return ends_with(path, ".spv") ||
           (size >= 4 && (memcmp(bytes, magic[0], 4) == 0 || memcmp(bytes, magic[1], 4) == 0));
}

/* The id is what the log calls the kernel: the file's name without folder and ending. */
static void name_kernel(struct kernelfile *file)
{
    const char *base = strrchr(file->path, '/') ? strrchr(file->path, '/') + 1 : file->path;
    snprintf(file->id, sizeof file->id, "%s", base);
    char *dot = strrchr(file->id, '.');
    if (dot && dot != file->id) {
        *dot = 0;
    }
}

#ifdef GYRE_WITH_COMPILER
static gyre_result copy_words(const uint32_t *from, size_t size, uint32_t **words)
{
    *words = malloc(size);
    if (*words) {
        memcpy(*words, from, size);
    }
    return *words ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
}

static gyre_result compile_words(const gyre_compile_request *request, uint32_t **words,
                                 size_t *size)
{
    const gyre_compiler *compiler = command_compiler();
    uint32_t *compiled;
    gyre_result result = compiler->compile(request, &compiled, size);
    if (result == GYRE_OK) {
        result = copy_words(compiled, *size, words);
        compiler->release(compiled);
    }
    return result;
}

static enum command_exit compile(struct kernelfile *file, const char *source,
                                 const struct command_common *common)
{
    const gyre_compile_request request = {
        .file = file->path,
        .source = source,
        .log = command_log,
        .log_user = (void *)common,
    };
    gyre_result result = compile_words(&request, &file->words, &file->size);
    return result == GYRE_OK ? COMMAND_OK : command_fail(result, "%s", file->path);
}

/* The compiler that the runtime is given. It asks for a kernel that was compiled here to learn the
 * members' names; only if the device needs the other dialect does that take a second compilation.
 */
static gyre_result compile_once(const gyre_compile_request *request, uint32_t **words, size_t *size)
{
    const struct kernelfile *known = request->no_memory_model || !request->file ? NULL : opened;
    while (known && !(known->glsl && known->words && strcmp(request->file, known->path) == 0)) {
        known = known->next;
    }
    if (!known) {
        return compile_words(request, words, size);
    }
    *size = known->size;
    return copy_words(known->words, known->size, words);
}

static void release(uint32_t *words)
{
    free(words);
}

static gyre_result validate_words(const uint32_t *words, size_t size, gyre_log_callback log,
                                  void *log_user)
{
    return command_compiler()->validate(words, size, log, log_user);
}

const gyre_compiler *kernelfile_compiler(void)
{
    static const gyre_compiler once = {
        .version = 1,
        .compile = compile_once,
        .release = release,
        .validate = validate_words,
    };
    return &once;
}

static enum command_exit validate(const struct kernelfile *file,
                                  const struct command_common *common)
{
    gyre_result result =
        command_compiler()->validate(file->words, file->size, command_log, (void *)common);
    return result == GYRE_OK ? COMMAND_OK : command_fail(result, "%s", file->path);
}
#else
const gyre_compiler *kernelfile_compiler(void)
{
    return NULL;
}

static enum command_exit compile(struct kernelfile *file, const char *source,
                                 const struct command_common *common)
{
    (void)source;
    (void)common;
    command_say("%s: this gyre was built without the GLSL compiler; make a module of it with glslc "
                "--target-env=vulkan1.2",
                file->path);
    return COMMAND_KERNEL;
}

static enum command_exit validate(const struct kernelfile *file,
                                  const struct command_common *common)
{
    (void)file;
    (void)common;
    return COMMAND_OK;
}
#endif

static enum command_exit load(struct kernelfile *file, const struct command_common *common)
{
    size_t size;
    char *bytes = command_read_file(file->path, SPIRV_MAX_MODULE_BYTES, &size);
    if (!bytes) {
        return refuse_file("the kernel", file->path);
    }
    file->glsl = !is_spirv(file->path, bytes, size);
    if (file->glsl) {
        const enum command_exit code = compile(file, bytes, common);
        free(bytes);
        return code;
    }
    file->words = (uint32_t *)(void *)bytes;
    file->size = size;
    if (size == 0 || size % 4 != 0) {
        command_say("%s: not a whole SPIR-V module: %zu bytes, not a multiple of 4", file->path,
                    size);
        return COMMAND_KERNEL;
    }
    return validate(file, common);
}

static enum command_exit inspect(struct kernelfile *file)
{
    char why[256];
    char reason[SPIRV_REASON_SIZE];
    if (spirv_read(file->words, file->size, &file->info, reason) != SPIRV_OK) {
        command_say("%s: %s", file->path, reason);
        return COMMAND_KERNEL;
    }
    if (file->info.interface_version == 0) {
        command_say("%s: not a Gyre kernel: it does not include \"gyre/kernel.glsl\"", file->path);
        return COMMAND_KERNEL;
    }
    if (file->info.interface_version != GYRE_WIRE_VERSION) {
        command_say(
            "%s: made with version %u of gyre/kernel.glsl, this gyre has %u: compile it again",
            file->path, file->info.interface_version, GYRE_WIRE_VERSION);
        return COMMAND_KERNEL;
    }
    if (!layout_read(file->words, file->size / 4, &file->layout, why, sizeof why)) {
        command_say("%s: %s", file->path, why);
        return COMMAND_KERNEL;
    }
    return COMMAND_OK;
}

enum command_exit kernelfile_open(struct kernelfile *file, const char *path, const char *asker,
                                  const struct command_common *common)
{
    *file = (struct kernelfile){.path = path, .asker = asker, .next = opened};
    opened = file;
    name_kernel(file);
    enum command_exit code = load(file, common);
    if (code == COMMAND_OK) {
        code = inspect(file);
    }
    if (code != COMMAND_OK) {
        return code;
    }
    const size_t count = file->layout->block_count;
    file->bindings = calloc(count + 1, sizeof *file->bindings);
    file->data = calloc(count + 1, sizeof *file->data);
    if (!file->bindings || !file->data) {
        return command_fail(GYRE_ERROR_NO_MEMORY, "%s", path);
    }
    for (size_t i = 0; i < count; i++) {
        file->bindings[i].set = file->layout->blocks[i].set;
        file->bindings[i].binding = file->layout->blocks[i].binding;
    }
    return COMMAND_OK;
}

static void forget(const struct kernelfile *file)
{
    struct kernelfile **at = &opened;
    while (*at && *at != file) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = file->next;
    }
}

void kernelfile_close(struct kernelfile *file)
{
    forget(file);
    for (size_t i = 0; file->data && i < file->layout->block_count; i++) {
        free(file->data[i]);
    }
    free(file->data);
    free(file->bindings);
    layout_free(file->layout);
    free(file->words);
}

gyre_kernel_params kernelfile_params(const struct kernelfile *file)
{
    return (gyre_kernel_params){
        .id = file->id,
        /* The engine compiles GLSL itself: it knows which dialect the device needs. */
        .glsl_file = file->glsl ? file->path : NULL,
        .spirv = file->glsl ? NULL : file->words,
        .spirv_size = file->glsl ? 0 : file->size,
        .input_size = file->layout->input.size,
        .output_size = file->layout->output.size,
        .bindings = file->bindings,
        .binding_count = (uint32_t)file->layout->block_count,
    };
}

/* ---- buffers ---- */

static const char *asker_of(const struct kernelfile *file)
{
    return file->asker ? file->asker : "--bind";
}

static const char *block_name(const struct layout_block *block)
{
    return block->name[0] ? block->name : block->instance;
}

static void say_blocks(const struct kernelfile *file)
{
    if (file->layout->block_count == 0) {
        command_say("%s has no blocks in descriptor set 1 or up", file->path);
    }
    for (size_t i = 0; i < file->layout->block_count; i++) {
        const struct layout_block *block = &file->layout->blocks[i];
        command_say("%s has the block %s of %" PRIu64 " bytes%s", file->path, block_name(block),
                    block->size, block->stride ? " and an array of any length" : "");
    }
}

/* A file may lack the padding at a block's end, or have it. */
static bool fits(const struct layout_block *block, uint64_t size)
{
    if (block->stride) {
        return size > block->size && (size - block->size) % block->stride == 0;
    }
    return size >= block->size && size <= (block->size + 15) / 16 * 16;
}

static enum command_exit refuse_size(const struct layout_block *block, const char *path,
                                     size_t size)
{
    if (block->stride) {
        command_say("%s has %zu bytes; the block %s needs %" PRIu64 " and a multiple of %u", path,
                    size, block_name(block), block->size, block->stride);
    } else {
        command_say("%s has %zu bytes; the block %s needs %" PRIu64, path, size, block_name(block),
                    block->size);
    }
    return COMMAND_USAGE;
}

static enum command_exit fill(struct kernelfile *file, size_t index, const char *path)
{
    const struct layout_block *block = &file->layout->blocks[index];
    const size_t limit = block->stride ? SIZE_MAX / 4 : (size_t)block->size + 16;
    size_t size = 0;
    char *data = command_read_file(path, limit, &size);
    if (!data && errno != EFBIG) {
        command_say("%s: cannot read %s: %s", asker_of(file), path, strerror(errno));
        return COMMAND_USAGE;
    }
    if (!data) {
        command_say("%s is larger than the block %s of %" PRIu64 " bytes", path, block_name(block),
                    block->size);
        return COMMAND_USAGE;
    }
    free(file->data[index]);
    file->data[index] = data;
    if (!fits(block, size)) {
        return refuse_size(block, path, size);
    }
    file->bindings[index].data = data;
    file->bindings[index].size = size;
    return COMMAND_OK;
}

static void fill_zeroes(struct kernelfile *file, size_t index)
{
    const struct layout_block *block = &file->layout->blocks[index];
    file->bindings[index].size = (size_t)block->size + block->stride;
}

enum command_exit kernelfile_bind(struct kernelfile *file, const char *name, const char *path)
{
    const struct layout_block *block = layout_block(file->layout, name);
    if (!block) {
        command_say("%s: the kernel has no block named %s", asker_of(file), name);
        say_blocks(file);
        return COMMAND_USAGE;
    }
    if (block->count != 1) {
        command_say("%s: %s is an array of blocks, which gyre run cannot fill", asker_of(file),
                    name);
        return COMMAND_USAGE;
    }
    const size_t index = (size_t)(block - file->layout->blocks);
    if (*path) {
        return fill(file, index, path);
    }
    if (block->stride) {
        command_say("%s: the block %s ends in an array of any length, so a file must say how long",
                    asker_of(file), name);
        return COMMAND_USAGE;
    }
    fill_zeroes(file, index);
    return COMMAND_OK;
}

static void say_missing(const struct kernelfile *file, const char *name)
{
    if (file->asker) {
        command_say("%s: the kernel's block %s needs its data: \"%s\": \"FILE\", or \"%s\": \"\" "
                    "for zeroes",
                    file->asker, name, name, name);
    } else {
        command_say(
            "the kernel's block %s needs its data: --bind %s=FILE, or --bind %s= for zeroes", name,
            name, name);
    }
}

enum command_exit kernelfile_bind_rest(struct kernelfile *file, bool zeroes)
{
    enum command_exit code = COMMAND_OK;
    for (size_t i = 0; i < file->layout->block_count; i++) {
        if (file->bindings[i].size != 0) {
            continue;
        }
        if (zeroes) {
            fill_zeroes(file, i);
        } else {
            say_missing(file, block_name(&file->layout->blocks[i]));
            code = COMMAND_USAGE;
        }
    }
    return code;
}

/* ---- what --check shows ---- */

static const char *base_name(const struct layout_field *field, char text[16])
{
    static const char *const names[] = {"int", "uint", "float"};
    if (field->base == LAYOUT_STRUCT) {
        return "struct";
    }
    if (field->base == LAYOUT_FLOAT && field->width == 8) {
        return "double";
    }
    if (field->width == 4) {
        return names[field->base];
    }
    snprintf(text, 16, "%s%u", names[field->base], field->width * 8);
    return text;
}

static void print_members(const struct layout_struct *type, int depth)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct layout_field *field = &type->fields[i];
        char base[16], text[128];
        int length = snprintf(text, sizeof text, "%s", base_name(field, base));
        for (uint32_t k = 0; k < field->dimension_count; k++) {
            length += snprintf(text + length, sizeof text - (size_t)length, "[%u]",
                               field->dimensions[k].length);
        }
        printf("  %6u  %*s%-*s  %s\n", field->offset, depth * 2, "", 24 - depth * 2, field->name,
               text);
        if (field->type) {
            print_members(field->type, depth + 1);
        }
    }
}

static void print_message(const char *what, const struct layout_message *message)
{
    printf("%s %u bytes (a slot: %u)\n  offset  member\n", what, message->size, message->stride);
    print_members(message->type, 0);
}

void kernelfile_print(const struct kernelfile *file)
{
    const struct spirv_info *info = &file->info;
    printf("kernel      %s (%s, %zu bytes of SPIR-V)\n", file->path, file->glsl ? "GLSL" : "SPIR-V",
           file->size);
    printf("local size  %u %u %u%s\n", info->local_size[0], info->local_size[1],
           info->local_size[2], info->local_size_specialised ? " (specialised)" : "");
    printf("answers     up to %u to a message\n", info->max_sends);
    print_message("input      ", &file->layout->input);
    print_message("output     ", &file->layout->output);
    if (info->state.present) {
        printf("state       %u bytes\n", info->state.size);
    } else {
        printf("state       none\n");
    }
    for (size_t i = 0; i < file->layout->block_count; i++) {
        const struct layout_block *block = &file->layout->blocks[i];
        printf("block       %s: set %u, binding %u, %s, %" PRIu64 " bytes", block_name(block),
               block->set, block->binding, block->uniform ? "uniform" : "storage", block->size);
        if (block->stride) {
            printf(" + any number of %u", block->stride);
        }
        printf("%s\n", file->bindings[i].data ? ", filled" : ", zeroes");
    }
}
