/* What RADV's compiler makes of the poll loop, without hardware: its null device compiles for a
 * Navi 21 and prints the machine code. The load of the doorbell must lie inside a loop and go past
 * the caches of the compute unit (glc), or a resident kernel never sees a new message. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gyre/compiler.h>

#include "base.h"
#include "pipeline.h"
#define GYRE_WIRE_C
#include "../shaders/gyre/wire.h"

static const char handler[] = "#version 460\n"
                              "struct Word { uint value; };\n"
                              "#define GYRE_INPUT Word\n"
                              "#define GYRE_OUTPUT Word\n"
                              "#include \"gyre/kernel.glsl\"\n"
                              "layout(local_size_x = 64) in;\n"
                              "void main() {\n"
                              "    while (gyre_receive()) {\n"
                              "        GYRE_OUT.value = GYRE_IN.value;\n"
                              "        gyre_send();\n"
                              "    }\n"
                              "}\n";

/* The same poll as a plain load: compilers take it out of the loop. */
static const char hoisted[] =
    "#version 460\n"
    "layout(local_size_x = 64) in;\n"
    "layout(std430, set = 0, binding = 0) buffer B { uint bell; uint out_; };\n"
    "void main() {\n"
    "    uint first = bell;\n"
    "    uint n = 0u;\n"
    "    while (bell == first && n < 1000000u) { n++; }\n"
    "    out_ = n;\n"
    "}\n";

/* The null device has no memory that a host could see, so the engine does not take it: it is opened
 * by hand. It must not be closed: nothing in it works but the compiler. */
static void open_null_device(struct device *device, const struct log *log)
{
    *device = (struct device){.log = log, .limits = {.maxBoundDescriptorSets = 4}};
    ASSERT(vk_instance_create(log, &device->instance) == GYRE_OK);
    uint32_t count = 1;
    device->instance.EnumeratePhysicalDevices(device->instance.handle, &count, &device->physical);
    ASSERT(count == 1);
    device->instance.GetPhysicalDeviceMemoryProperties(device->physical, &device->memory);
    VkPhysicalDeviceVulkan12Features features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .vulkanMemoryModel = VK_TRUE,
        .vulkanMemoryModelDeviceScope = VK_TRUE,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos =
            &(VkDeviceQueueCreateInfo){
                .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                .queueCount = 1,
                .pQueuePriorities = &(float){0.5f},
            },
    };
    ASSERT(device->instance.CreateDevice(device->physical, &info, NULL, &device->handle) ==
           VK_SUCCESS);
    vk_load_device(&device->vk, device->handle);
}

static void compile_here(const char *source)
{
    static const struct log log = {.callback = gyre_log_stderr};
    struct device device;
    open_null_device(&device, &log);
    uint32_t *words = NULL;
    size_t size = 0;
    const gyre_compiler *compiler = gyre_compiler_shaderc();
    ASSERT(compiler->compile(&(gyre_compile_request){.source = source, .log = gyre_log_stderr},
                             &words, &size) == GYRE_OK);
    struct pipeline_binding bindings[GYRE_BINDING_COUNT];
    for (uint32_t i = 0; i < LENGTH(bindings); ++i) {
        bindings[i] = (struct pipeline_binding){.binding = i};
    }
    struct pipeline pipeline;
    ASSERT(pipeline_create(&device, &pipeline,
                           &(struct pipeline_request){
                               .words = words,
                               .size = size,
                               .entry_point = "main",
                               .bindings = bindings,
                               .binding_count = LENGTH(bindings),
                               .push_constant_size = sizeof(uint32_t),
                               .specialisation = {{GYRE_SPEC_LOCAL_COUNT, 64},
                                                  {GYRE_SPEC_LOCAL_X, 64},
                                                  {GYRE_SPEC_INPUT_SIZE, 64},
                                                  {GYRE_SPEC_OUTPUT_SIZE, 256}},
                               .specialisation_count = 4,
                               .name = "poll",
                           }) == GYRE_OK);
}

/* The machine code that the driver prints, of a child that compiles `source`. */
static char *machine_code(const char *source)
{
    char path[] = "/tmp/gyre-isa-XXXXXX";
    int file = mkstemp(path);
    cr_assert(file >= 0);
    unlink(path);
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        setenv("RADV_FORCE_FAMILY", "NAVI21", 1);
        setenv("RADV_DEBUG", "shaders,nocache", 1);
        dup2(file, STDERR_FILENO);
        compile_here(source);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    off_t size = lseek(file, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    cr_assert(text && pread(file, text, (size_t)size, 0) == size);
    close(file);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed: %s", text);
    return text;
}

/* The place of a block's label; NULL if there is none. */
static const char *label(const char *code, const char *name, size_t length)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\n%.*s:", (int)length, name);
    return strstr(code, wanted);
}

/* Whether a loop (the lines between a label and a branch back to it) has a line with all words. */
static bool loop_has(const char *code, const char *const words[], size_t count)
{
    for (const char *branch = strstr(code, "branch"); branch;
         branch = strstr(branch + 1, "branch")) {
        const char *end = strchr(branch, '\n');
        const char *name = strstr(branch, "BB");
        if (!end || !name || name > end) {
            continue;
        }
        const char *begin = label(code, name, strspn(name, "B0123456789"));
        for (const char *line = begin; line && line < branch; line = strchr(line + 1, '\n')) {
            const char *line_end = strchr(line + 1, '\n');
            size_t found = 0;
            for (size_t i = 0; i < count; ++i) {
                const char *word = strstr(line, words[i]);
                found += word && word < line_end;
            }
            if (found == count) {
                return true;
            }
        }
    }
    return false;
}

Test(poll, the_doorbell_is_loaded_past_the_caches_in_a_loop)
{
    char *code = machine_code(handler);
    /* gyre_HostLine.doorbell of workgroup 0 */
    char offset[32];
    snprintf(offset, sizeof offset, "offset:%zu ",
             sizeof(struct gyre_Submission) + offsetof(struct gyre_HostLine, doorbell));
    const char *const words[] = {"buffer_load_dword", offset, "glc"};
    cr_assert(loop_has(code, words, LENGTH(words)), "no such load in any loop");
    free(code);
}

/* That the test above can fail. */
Test(poll, a_plain_load_is_taken_out_of_the_loop)
{
    char *code = machine_code(hoisted);
    const char *const load[] = {"_load_dword"};
    cr_assert(strstr(code, "_load_dword") && strstr(code, "BB0:"));
    cr_assert(loop_has(code, load, 0) && !loop_has(code, load, LENGTH(load)));
    free(code);
}
