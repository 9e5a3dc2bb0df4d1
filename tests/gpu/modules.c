/* SPIR-V that is not what it should be, and kernels that are more than a device can do: refused by
 * name, before a driver sees them. The modules are made by tests/unit/shaders. */
#include <stdio.h>
#include <stdlib.h>

#include "counting.h"
#include "refused.h"

#define VERSION_ID 2000u /* GYRE_SPEC_VERSION */

struct module {
    uint32_t *words;
    size_t size; /* in bytes */
};

static struct module read_module(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, GYRE_TEST_MODULES "/%s.spv", name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    struct module module = {.size = (size_t)ftell(file)};
    rewind(file);
    module.words = malloc(module.size);
    cr_assert(module.words && fread(module.words, 1, module.size, file) == module.size);
    fclose(file);
    return module;
}

static const uint32_t table[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const gyre_binding binding = {1, 0, table, sizeof table};

static gyre_kernel_params of(struct module module)
{
    return (gyre_kernel_params){
        .spirv = module.words, .spirv_size = module.size, .bindings = &binding, .binding_count = 1};
}

static void refuse_module(struct rig *rig, const char *name, gyre_result expected,
                          const char *sentence)
{
    struct module module = read_module(name);
    gyre_kernel_params params = of(module);
    params.id = name;
    refused(rig, params, expected, sentence);
    free(module.words);
}

/* The modules of the tests below are good before they are damaged. */
Test(modules, a_whole_one_launches_by_itself)
{
    static const char *const names[] = {"kernel_doubler", "kernel_doubler.optimised",
                                        "kernel_doubler.stripped"};
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
            struct module module = read_module(names[i]);
            gyre_kernel_params params = of(module);
            params.id = names[i];
            gyre_kernel *kernel = rig_active(&rig, params);
            uint32_t request[12] = {[11] = 20};
            uint32_t answer[14] = {0};
            gyre_reply reply = {.data = answer, .capacity = sizeof answer};
            ok(gyre_send(kernel, &(gyre_message){.data = request, .size = sizeof request},
                         PATIENCE));
            ok(gyre_receive(kernel, &reply, PATIENCE));
            cr_assert(reply.result == GYRE_OK && answer[11] == 41 && answer[0] == 1);
            free(module.words);
        }
        rig_close(&rig);
    }
}

Test(modules, a_truncated_one_is_refused_wherever_it_ends)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct module module = read_module("kernel_doubler");
        size_t words = module.size / 4;
        size_t step = words / 200;
        for (size_t kept = 1; kept < words;
             kept += kept < 20 || words - kept <= step + 20 ? 1 : step) {
            refused(&rig, of((struct module){module.words, kept * 4}), GYRE_ERROR_SPIRV, "SPIR-V");
        }
        refused(&rig, of((struct module){module.words, module.size - 1}), GYRE_ERROR_SPIRV,
                "SPIR-V");
        refused(&rig, of((struct module){module.words, 1}), GYRE_ERROR_SPIRV, "SPIR-V");
        free(module.words);
        rig_close(&rig);
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed ^ *seed >> 15;
}

Test(modules, random_words_are_refused)
{
    enum { WORDS = 4096 };
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct module good = read_module("kernel_doubler");
        uint32_t words[WORDS];
        uint32_t seed = 1;
        for (uint32_t round = 0; round < 100; ++round) {
            for (size_t i = 0; i < WORDS; ++i) {
                words[i] = next_random(&seed);
            }
            /* Every second time behind a header that is right. */
            memcpy(words, good.words, round % 2 ? 5 * sizeof *words : 0);
            refused(&rig, of((struct module){words, sizeof words}), GYRE_ERROR_SPIRV, "SPIR-V");
        }
        free(good.words);
        rig_close(&rig);
    }
}

Test(modules, those_of_another_kind_are_refused_by_name)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        refuse_module(&rig, "picture", GYRE_ERROR_SPIRV,
                      "the SPIR-V is a fragment shader: compile a compute shader");
        refuse_module(&rig, "opencl", GYRE_ERROR_SPIRV, "an OpenCL kernel");
        refuse_module(&rig, "foreign", GYRE_ERROR_INTERFACE,
                      "is not a ring kernel: it must #include");
        refuse_module(&rig, "other_version", GYRE_ERROR_INTERFACE, "compile it again");
        refuse_module(&rig, "misplaced", GYRE_ERROR_INTERFACE, "misplaced");
        rig_close(&rig);
    }
}

/* The word that holds the default of the specialisation constant VERSION_ID. */
static uint32_t *version_word(struct module module)
{
    enum { DECORATE = 71, SPEC_ID = 1, SPEC_CONSTANT = 50 };
    uint32_t id = 0;
    for (size_t at = 5; at < module.size / 4; at += module.words[at] >> 16) {
        uint32_t *words = module.words + at;
        uint32_t opcode = *words & 0xffff;
        if (opcode == DECORATE && words[2] == SPEC_ID && words[3] == VERSION_ID) {
            id = words[1];
        }
        if (opcode == SPEC_CONSTANT && words[2] == id) {
            return &words[3];
        }
    }
    cr_assert_fail("the module has no interface version");
    return NULL;
}

Test(modules, one_of_another_interface_version_is_refused)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct module module = read_module("kernel_doubler");
        *version_word(module) += 76;
        char sentence[64];
        snprintf(sentence, sizeof sentence, "was compiled for interface version %u",
                 *version_word(module));
        refused(&rig, of(module), GYRE_ERROR_INTERFACE, sentence);
        free(module.words);
        rig_close(&rig);
    }
}

#define ECHO "void main() { while (gyre_receive()) { GYRE_OUT = GYRE_IN; gyre_send(); } }\n"

static gyre_kernel_params wide(const char *words, const char *defines)
{
    char head[512];
    snprintf(head, sizeof head,
             "struct Wide { uint words[%s]; };\n"
             "#define GYRE_INPUT Wide\n"
             "#define GYRE_OUTPUT Wide\n%s",
             words, defines);
    return (gyre_kernel_params){
        .id = "wide",
        .glsl = rig_glsl(head, 1,
                         "void main() { while (gyre_receive()) {\n"
                         "    GYRE_OUT.words[0] = GYRE_IN.words[0];\n"
                         "    GYRE_OUT.words[GYRE_IN.words.length() - 1] =\n"
                         "        GYRE_IN.words[GYRE_IN.words.length() - 1];\n"
                         "    gyre_send(); } }\n"),
    };
}

/* A slot is at most 1 MiB, with its header of 32 bytes. */
Test(modules, a_message_of_a_mebibyte_runs_and_a_larger_one_is_refused)
{
    enum { WORDS = (1 << 18) - 8 };
    static uint32_t request[WORDS];
    static uint32_t answer[WORDS];
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        refused(&rig, wide("(1 << 18) - 7", ""), GYRE_ERROR_LIMIT, "at most 1048544 fit a slot");
        refused(&rig, wide("1 << 24", ""), GYRE_ERROR_LIMIT, "at most 1048544 fit a slot");
        gyre_kernel *kernel = rig_active(&rig, wide("(1 << 18) - 8", ""));
        cr_assert(gyre_kernel_input_size(kernel) == sizeof request);
        for (uint32_t i = 1; i <= 10; ++i) {
            request[0] = i;
            request[WORDS - 1] = i * 100;
            gyre_reply reply = {.data = answer, .capacity = sizeof answer};
            ok(gyre_send(kernel, &(gyre_message){.data = request, .size = sizeof request},
                         PATIENCE));
            ok(gyre_receive(kernel, &reply, PATIENCE));
            cr_assert(answer[0] == i && answer[WORDS - 1] == i * 100);
        }
        rig_close(&rig);
    }
}

static gyre_kernel_params plain(const char *head, uint32_t local_size, const char *body)
{
    char structs[1024];
    snprintf(structs, sizeof structs, "#define GYRE_INPUT uint\n#define GYRE_OUTPUT uint\n%s",
             head);
    return (gyre_kernel_params){.id = "plain", .glsl = rig_glsl(structs, local_size, body)};
}

Test(modules, what_is_over_a_limit_is_refused_with_the_limit)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        refused(&rig, plain("", 65535, ECHO), GYRE_ERROR_LIMIT, "local_size 65535 x 1 x 1 is over");
        refused(&rig, plain("", 1, "layout(local_size_y = 4096) in;\n" ECHO), GYRE_ERROR_LIMIT,
                "local_size 1 x 4096 x 1 is over");
        refused(
            &rig,
            plain(
                "", 1,
                "shared uint much[1 << 20];\n"
                "void main() { while (gyre_receive()) { much[GYRE_IN] = 1u; GYRE_OUT = much[0]; } }"),
            GYRE_ERROR_LIMIT, "of shared memory");
        refused(&rig, plain("#define GYRE_MAX_SENDS 0\n", 1, ECHO), GYRE_ERROR_LIMIT,
                "GYRE_MAX_SENDS is 0");
        refused(&rig, plain("#define GYRE_MAX_SENDS 1025\n", 1, ECHO), GYRE_ERROR_LIMIT,
                "GYRE_MAX_SENDS is 1025");
        gyre_kernel_params params =
            plain("struct Much { uint words[1 << 28]; };\n#define GYRE_STATE Much\n", 1, ECHO);
        params.workgroups = 2; /* of two copies each: 4 GiB, which no device binds */
        refused(&rig, params, GYRE_ERROR_LIMIT, "GYRE_STATE");
        params = plain("", 1, ECHO);
        params.workgroups = UINT32_MAX;
        refused(&rig, params, GYRE_ERROR_LIMIT, "workgroups");
        params = wide("1 << 16", "");
        params.window = 1 << 24;
        refused(&rig, params, GYRE_ERROR_LIMIT, "window");
        params = wide("1 << 16", "");
        params.output_window = 1 << 24;
        refused(&rig, params, GYRE_ERROR_LIMIT, "output_window");
        rig_close(&rig);
    }
}

Test(modules, what_the_device_or_gyre_lacks_is_named)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        refused(&rig,
                plain("#extension GL_EXT_shader_atomic_float : require\n", 1,
                      "shared float sum;\n"
                      "void main() { while (gyre_receive()) {\n"
                      "    atomicAdd(sum, 1.0); GYRE_OUT = uint(sum); gyre_send(); } }\n"),
                GYRE_ERROR_UNSUPPORTED, "SPIR-V capability 6033");
        refused(&rig,
                plain("", 1,
                      "layout(set = 1, binding = 0) uniform sampler2D picture;\n"
                      "void main() { while (gyre_receive()) {\n"
                      "    GYRE_OUT = uint(textureLod(picture, vec2(0), 0).x); gyre_send(); } }\n"),
                GYRE_ERROR_UNSUPPORTED, "only single storage and uniform blocks can be bound");
        refused(
            &rig,
            plain(
                "", 1,
                "layout(set = 1, binding = 0) buffer Part { uint x; } parts[3];\n"
                "void main() { while (gyre_receive()) { GYRE_OUT = parts[1].x; gyre_send(); } }\n"),
            GYRE_ERROR_UNSUPPORTED, "only single storage and uniform blocks can be bound");
        refused(&rig,
                plain("", 1,
                      "layout(set = 0, binding = 9) buffer Part { uint x; };\n"
                      "void main() { while (gyre_receive()) { GYRE_OUT = x; gyre_send(); } }\n"),
                GYRE_ERROR_INTERFACE, "put your own buffers and images in layout(set = 1");
        rig_close(&rig);
    }
}
