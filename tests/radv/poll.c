/* What RADV's compiler, ACO, makes of our poll loops, without hardware: on its null device a
 * pipeline is compiled and its code printed, nothing runs. A load of a tail that leaves its
 * loop would be a kernel that never hears the host; a small shader whose loads may leave shows
 * that this test would see it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "kernel.h"
#include "rig.h"

static const VkPhysicalDeviceVulkan12Features FEATURES = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
    .vulkanMemoryModel = VK_TRUE,
    .vulkanMemoryModelDeviceScope = VK_TRUE,
};

/* device_open() does not take a device that can run nothing. */
static bool open_null_device(struct device *device, const struct log *log)
{
    *device = (struct device){.log = log, .memory_model = true};
    uint32_t count = 1;
    if (vk_instance_create(log, &device->instance) != GYRE_OK) {
        return false;
    }
    device->instance.EnumeratePhysicalDevices(device->instance.handle, &count, &device->physical);
    VkPhysicalDeviceProperties properties;
    device->instance.GetPhysicalDeviceProperties(device->physical, &properties);
    device->limits = properties.limits;
    float priority = 1;
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &FEATURES,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos =
            &(VkDeviceQueueCreateInfo){
                .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                .queueCount = 1,
                .pQueuePriorities = &priority,
            },
    };
    if (device->instance.CreateDevice(device->physical, &info, NULL, &device->handle) !=
        VK_SUCCESS) {
        return false;
    }
    vk_load_device(&device->vk, device->handle);
    return true;
}

/* As build.c does it, for a LIVE kernel of one workgroup. */
static bool create_pipeline(struct device *device, const uint32_t *words, size_t size)
{
    struct spirv_info module;
    char reason[SPIRV_REASON_SIZE];
    if (spirv_read(words, size, &module, reason) != SPIRV_OK) {
        fprintf(stderr, "%s\n", reason);
        return false;
    }
    struct pipeline_binding bindings[GYRE_BINDING_COUNT];
    for (uint32_t i = 0; i < GYRE_BINDING_COUNT; ++i) {
        bindings[i] = (struct pipeline_binding){.binding = i};
    }
    const struct spirv_constant constants[] = {
        {GYRE_SPEC_LOCAL_COUNT, module.local_size[0]},
        {GYRE_SPEC_LOCAL_X, module.local_size[0]},
        {GYRE_SPEC_INPUT_SIZE, 64},
        {GYRE_SPEC_OUTPUT_SIZE, 256},
        {GYRE_SPEC_WORKGROUPS, 1},
        {GYRE_SPEC_LIVE, 1},
    };
    uint32_t *frozen = NULL;
    if (!spirv_freeze(words, size, constants, LENGTH(constants), &frozen, &size)) {
        return false;
    }
    struct pipeline_request request = {
        .words = frozen,
        .size = size,
        .entry_point = module.entry_point,
        .bindings = bindings,
        .binding_count = GYRE_BINDING_COUNT,
        .push_constant_size = sizeof(uint32_t),
        .name = "poll",
    };
    struct pipeline pipeline;
    return pipeline_create(device, &pipeline, &request) == GYRE_OK;
}

/* Of the SPIR-V specification. */
enum { OP_CONSTANT = 43, OP_MEMBER_DECORATE = 72, VOLATILE = 21, COHERENT = 23 };
#define SEMANTICS_VOLATILE 0x8000u

/* Makes of a module one whose loads of live words are not volatile. */
static void spoil(uint32_t *words, size_t size)
{
    for (size_t at = 5; at < size / 4; at += words[at] >> 16) {
        bool semantics = words[at] == (4u << 16 | OP_CONSTANT) &&
                         words[at + 3] == SEMANTICS_VOLATILE;
        bool member = words[at] == (4u << 16 | OP_MEMBER_DECORATE) && words[at + 3] == VOLATILE;
        if (semantics || member) {
            words[at + 3] = semantics ? 0 : COHERENT;
        }
    }
}

static const char KERNEL[] =
    "void main() { while (gyre_receive()) { GYRE_OUT = GYRE_IN; gyre_send(); } }";

/* The words that the host writes, loaded as the engine loads them, but before the loop, too: a
 * compiler that may take the loads in it for the same does. In the kernel they stand in the loop
 * only, where Mesa leaves them even if they are not volatile. */
static const char CONTROL[] =
    "#version 460\n"
    "#extension GL_GOOGLE_include_directive : require\n"
    "#extension GL_KHR_memory_scope_semantics : require\n"
    "#ifndef GYRE_NO_MEMORY_MODEL\n"
    "#pragma use_vulkan_memory_model\n"
    "#endif\n"
    "#define GYRE_INPUT uint\n"
    "#define GYRE_OUTPUT uint\n"
    "#define GYRE_MAX_SENDS 1\n"
    "#include \"gyre/wire.h\"\n"
    "#include \"gyre/ring.glsl\"\n"
    "layout(local_size_x = 64) in;\n"
    "#define HOST gyre_control[0].host\n"
    "uint look() {\n"
    "    return gyre_load(HOST.command) | gyre_load(HOST.input_tail[0]) |\n"
    "           gyre_load(HOST.input_tail[1]) | gyre_load(HOST.input_tail[2]) |\n"
    "           gyre_load(HOST.input_tail[3]);\n"
    "}\n"
    "void main() {\n"
    "    uint before = look();\n"
    "    uint looks = 0u;\n"
    "    while (look() == before && looks < gyre_submission.idle_polls) {\n"
    "        looks += 1u;\n"
    "    }\n"
    "    gyre_status[0].exits[0].looks = looks;\n"
    "}\n";

struct variant {
    uint32_t local_size; /* of the kernel; 0: the control */
    bool no_memory_model;
    bool spoilt;
};

/* In a process of its own, whose standard error gets the code. */
static bool compile(struct variant variant)
{
    static const struct log log = {.callback = gyre_log_stderr, .level = GYRE_LOG_INFO};
    gyre_compile_request request = {
        .file = "poll.comp",
        .source = variant.local_size == 0
                      ? CONTROL
                      : rig_glsl("#define GYRE_INPUT uint\n#define GYRE_OUTPUT uint\n",
                                 variant.local_size, KERNEL),
        .no_memory_model = variant.no_memory_model,
        .log = gyre_log_stderr,
    };
    uint32_t *words = NULL;
    size_t size = 0;
    if (gyre_compiler_shaderc()->compile(&request, &words, &size) != GYRE_OK) {
        return false;
    }
    if (variant.spoilt) {
        spoil(words, size);
    }
    static struct device device;
    return open_null_device(&device, &log) && create_pipeline(&device, words, size);
}

/* What ACO printed; to be freed. */
static char *print(struct variant variant)
{
    FILE *out = tmpfile();
    cr_assert_not_null(out);
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        dup2(fileno(out), STDERR_FILENO);
        _exit(compile(variant) ? 0 : 1);
    }
    int status = 0;
    cr_assert(waitpid(child, &status, 0) == child);
    fseek(out, 0, SEEK_END);
    size_t size = (size_t)ftell(out);
    char *text = calloc(size + 1, 1);
    rewind(out);
    cr_assert(text && fread(text, 1, size, out) == size);
    fclose(out);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", text);
    return text;
}

/* The final code: a line each, either a label "BB7:" or an instruction. */
#define LINES_MAX 8192

struct code {
    char *text;
    const char *lines[LINES_MAX];
    size_t count;
};

static void read_code(struct code *code, struct variant variant)
{
    *code = (struct code){.text = print(variant)};
    char *at = strstr(code->text, "\ndisasm:\n");
    cr_assert(at, "no code was printed (RADV_DEBUG=shaders?):\n%s", code->text);
    for (char *line = strtok(at, "\n"); line; line = strtok(NULL, "\n")) {
        cr_assert(code->count < LINES_MAX);
        code->lines[code->count++] = line;
    }
}

/* Where a branch at `line` goes to; SIZE_MAX if it is none. */
static size_t target_of(const struct code *code, size_t line)
{
    unsigned block;
    const char *branch = strstr(code->lines[line], "branch");
    const char *name = branch ? strstr(branch, " BB") : NULL;
    if (!name || sscanf(name, " BB%u", &block) != 1) {
        return SIZE_MAX;
    }
    char label[16];
    snprintf(label, sizeof label, "BB%u:", block);
    for (size_t i = 0; i < code->count; ++i) {
        if (strcmp(code->lines[i], label) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Does the line load the word at `offset` of its buffer, past the caches (glc)? Vector loads look
 * like buffer_load_dword v1, off, s[4:7], 0 offset:132 glc dlc and scalar ones, which may take
 * several words, like s_buffer_load_dwordx4 s[8:11], s[4:7], 0x84 glc dlc */
static bool line_loads(const char *line, size_t offset)
{
    const char *load = strstr(line, "buffer_load_dword");
    if (!load || !strstr(line, " glc")) {
        return false;
    }
    size_t words = 1;
    sscanf(load, "buffer_load_dwordx%zu", &words);
    const char *scalar = strstr(line, "s_buffer_load") ? strstr(line, ", 0x") : NULL;
    const char *vector = strstr(line, " offset:");
    size_t at = scalar ? strtoul(scalar + 2, NULL, 16) : vector ? strtoul(vector + 8, NULL, 10) : 0;
    return offset >= at && offset < at + words * sizeof(uint32_t) && !strstr(line, " offen");
}

static bool loads(const struct code *code, size_t from, size_t to, size_t offset)
{
    for (size_t i = from; i < to; ++i) {
        if (line_loads(code->lines[i], offset)) {
            return true;
        }
    }
    return false;
}

#define HOST(member) (sizeof(struct gyre_Submission) + offsetof(struct gyre_HostLine, member))

/* Has a loop without another inside that loads all of the words? */
static bool some_loop_loads(const struct code *code, const size_t *offsets, size_t count)
{
    size_t last_end = 0;
    for (size_t line = 0; line < code->count; ++line) {
        size_t start = target_of(code, line);
        if (start > line) {
            continue;
        }
        bool all = start >= last_end;
        for (size_t i = 0; i < count; ++i) {
            all = all && loads(code, start, line, offsets[i]);
        }
        if (all) {
            return true;
        }
        last_end = line;
    }
    return false;
}

static bool polls(struct variant variant)
{
    static const size_t words[] = {HOST(command), HOST(input_tail[0]), HOST(input_tail[1]),
                                   HOST(input_tail[2]), HOST(input_tail[3])};
    static struct code code;
    read_code(&code, variant);
    bool found = some_loop_loads(&code, words, LENGTH(words));
    free(code.text);
    return found;
}

static const struct variant variants[] = {
    {.local_size = 1},
    {.local_size = 64},
    {.local_size = 1, .no_memory_model = true},
    {.local_size = 64, .no_memory_model = true},
};

Test(poll, the_loads_of_live_words_stay_in_their_loops)
{
    for (size_t i = 0; i < LENGTH(variants); ++i) {
        cr_expect(polls(variants[i]), "variant %zu does not poll", i);
    }
}

/* Else the above proves nothing: the same loads, volatile and not, in both dialects of ring.glsl.
 */
Test(poll, loads_that_are_not_volatile_are_seen_to_leave)
{
    for (int no_memory_model = 0; no_memory_model < 2; ++no_memory_model) {
        struct variant control = {.no_memory_model = no_memory_model != 0};
        cr_expect(polls(control), "without the memory model %d: not polled", no_memory_model);
        control.spoilt = true;
        cr_expect_not(polls(control), "without the memory model %d: polled all the same",
                      no_memory_model);
    }
}
