/* Bad input through the C API: each has a named result and a sentence that helps, and the runtime
 * goes on. What comes with the shader is here and in modules.c, what comes with the machine in
 * environment.c. */
#include "counting.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refused.h"

#define STRUCTS \
    "struct Request { uint value; vec2 place; };\n" \
    "struct Response { uint value; };\n" \
    "#define GYRE_INPUT Request\n" \
    "#define GYRE_OUTPUT Response\n"

struct request {
    uint32_t value;
    uint32_t padding;
    float place[2];
};

#define ECHO \
    "void main() { while (gyre_receive()) { GYRE_OUT.value = GYRE_IN.value; gyre_send(); } }\n"

static const char *echo(void)
{
    return rig_glsl(STRUCTS, 1, ECHO);
}

/* A kernel from `params` works. */
static void accepted(struct rig *rig, gyre_kernel_params params)
{
    params.id = "right";
    gyre_kernel *kernel = rig_active(rig, params);
    struct request request = {.value = 42};
    uint32_t value = 0;
    gyre_reply reply = {.data = &value, .capacity = sizeof value};
    ok(gyre_send(kernel, &(gyre_message){.data = &request, .size = sizeof request}, PATIENCE));
    ok(gyre_receive(kernel, &reply, PATIENCE));
    cr_assert(reply.result == GYRE_OK && value == 42);
    gyre_kernel_destroy(kernel);
}

static void not_created(struct rig *rig, gyre_kernel_params params, const char *sentence)
{
    gyre_kernel *kernel = NULL;
    refused_forget_log(rig);
    gives(GYRE_ERROR_INVALID, gyre_kernel_create(rig->runtime, &params, &kernel));
    cr_assert_null(kernel);
    cr_assert(rig_said(rig, sentence), "the log does not say \"%s\" but:\n%s", sentence, rig->log);
}

Test(errors, parameters_that_cannot_be_are_refused_at_creation)
{
    static const char long_id[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    static const uint32_t word = 0;
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        const char *glsl = echo();
        not_created(&rig, (gyre_kernel_params){.glsl = glsl}, "id of 1 to 63 bytes");
        not_created(&rig, (gyre_kernel_params){.id = "", .glsl = glsl}, "id of 1 to 63 bytes");
        not_created(&rig, (gyre_kernel_params){.id = long_id, .glsl = glsl}, "id of 1 to 63 bytes");
        not_created(&rig, (gyre_kernel_params){.id = "a"}, "give one of");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .glsl_file = "b"},
                    "give one of");
        not_created(&rig,
                    (gyre_kernel_params){.id = "a", .glsl = glsl, .spirv = &word, .spirv_size = 4},
                    "give one of");
        not_created(&rig, (gyre_kernel_params){.id = "a", .spirv = &word}, "spirv_size");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .flags = 1}, "flags");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .reserved = 1}, "reserved");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .chain = 17}, "chain");
        not_created(
            &rig,
            (gyre_kernel_params){.id = "a", .glsl = glsl, .backpressure = (gyre_backpressure)7},
            "backpressure");
        not_created(&rig,
                    (gyre_kernel_params){.id = "a", .glsl = glsl, .visibility = (gyre_visibility)7},
                    "visibility");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .wait = (gyre_wait)4},
                    "wait");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .window = UINT32_MAX},
                    "window");
        not_created(&rig,
                    (gyre_kernel_params){.id = "a", .glsl = glsl, .output_window = UINT32_MAX},
                    "window");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .binding_count = 1},
                    "bindings");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .input_field_count = 1},
                    "input_fields");
        not_created(&rig, (gyre_kernel_params){.id = "a", .glsl = glsl, .output_field_count = 1},
                    "output_fields");
        not_created(&rig,
                    (gyre_kernel_params){.id = "a", .glsl = glsl, .include_directory_count = 1},
                    "include_directories");
        gives(GYRE_ERROR_INVALID, gyre_kernel_create(rig.runtime, NULL, &(gyre_kernel *){NULL}));
        gyre_kernel *kernel = NULL;
        ok(gyre_kernel_create(rig.runtime, &(gyre_kernel_params){.id = long_id + 1, .glsl = glsl},
                              &kernel));
        cr_assert_str_eq(gyre_kernel_id(kernel), long_id + 1);
        rig_close(&rig);
    }
}

Test(errors, glsl_with_an_error_names_its_line)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        /* rig_glsl puts #version in line 1, the structs in 2 to 5, and the rest from line 8. */
        refused(
            &rig,
            (gyre_kernel_params){.id = "typo",
                                 .glsl = rig_glsl(STRUCTS, 1, "void main()\n{\n    wrong();\n}\n")},
            GYRE_ERROR_COMPILE, "typo:11:");
        refused(&rig, (gyre_kernel_params){.id = "bare", .glsl = "void main() {}\n"},
                GYRE_ERROR_COMPILE, "bare:1:");
        refused(&rig, (gyre_kernel_params){.id = "empty", .glsl = ""}, GYRE_ERROR_COMPILE, "empty");
        refused(&rig,
                (gyre_kernel_params){
                    .id = "no_input",
                    .glsl = rig_glsl("#define GYRE_OUTPUT uint\n", 1, "void main() {}")},
                GYRE_ERROR_COMPILE, "#define GYRE_INPUT");
        accepted(&rig, (gyre_kernel_params){.glsl = echo()});
        rig_close(&rig);
    }
}

Test(errors, includes_that_are_missing_or_leave_their_root_are_refused)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        refused(&rig,
                (gyre_kernel_params){.id = "missing",
                                     .glsl = "#version 460\n#include \"nowhere.glsl\"\n"},
                GYRE_ERROR_COMPILE, "missing:2:");
        cr_assert(rig_said(&rig, "nowhere.glsl"));
        refused(&rig,
                (gyre_kernel_params){.id = "escaping",
                                     .glsl = "#version 460\n#include \"../../../../etc/passwd\"\n"},
                GYRE_ERROR_COMPILE, "escaping:2:");
        cr_assert(rig_said(&rig, "../etc/passwd") && !rig_said(&rig, "root:"));
        refused(&rig,
                (gyre_kernel_params){.id = "absolute",
                                     .glsl = "#version 460\n#include \"/etc/passwd\"\n"},
                GYRE_ERROR_COMPILE, "absolute:2:");
        cr_assert(!rig_said(&rig, "root:"));
        rig_close(&rig);
    }
}

struct folder {
    char path[64];
    char file[96];
};

static struct folder folder_open(void)
{
    struct folder folder = {.path = "/tmp/gyre-errors-XXXXXX"};
    cr_assert_not_null(mkdtemp(folder.path));
    snprintf(folder.file, sizeof folder.file, "%s/user.comp", folder.path);
    return folder;
}

static void folder_write(const struct folder *folder, const char *text)
{
    FILE *file = fopen(folder->file, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void folder_close(const struct folder *folder)
{
    unlink(folder->file);
    rmdir(folder->path);
}

Test(errors, a_file_with_an_error_is_named_and_a_repaired_one_launches)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        struct folder folder = folder_open();
        gyre_kernel_params params = {.id = "user", .glsl_file = folder.file};
        refused(&rig, params, GYRE_ERROR_IO, folder.file);
        gyre_kernel *kernel = NULL;
        ok(gyre_kernel_create(rig.runtime, &params, &kernel));
        folder_write(&folder, rig_glsl(STRUCTS, 1, "void main() { wrong(); }\n"));
        gives(GYRE_ERROR_COMPILE, gyre_kernel_launch(kernel));
        cr_assert(rig_said(&rig, "user.comp:9:"), "%s", rig.log);
        folder_write(&folder, echo());
        ok(gyre_kernel_launch(kernel));
        folder_close(&folder);
        params = (gyre_kernel_params){.id = "folder", .glsl_file = "/tmp"};
        refused(&rig, params, GYRE_ERROR_IO, "/tmp");
        rig_close(&rig);
    }
}

Test(errors, glsl_without_a_compiler_says_what_to_link)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_runtime *runtime = NULL;
        ok(gyre_runtime_create(&(gyre_runtime_params){0}, &runtime)); /* and it is silent */
        gyre_kernel *kernel = NULL;
        ok(gyre_kernel_create(runtime, &(gyre_kernel_params){.id = "a", .glsl = echo()}, &kernel));
        gives(GYRE_ERROR_COMPILE, gyre_kernel_launch(kernel));
        gyre_runtime_destroy(runtime);
        rig_close(&rig);
    }
}

Test(errors, what_the_host_believes_of_the_structs_is_checked)
{
    static const gyre_field input[] = {{0, 4}, {8, 8}};
    static const gyre_field shifted[] = {{0, 4}, {4, 8}};
    static const gyre_field output[] = {{0, 4}};
    static const gyre_field wide[] = {{0, 8}};
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = {
            .glsl = echo(), .input_size = sizeof(struct request), .output_size = 4};
        params.input_fields = input;
        params.input_field_count = 2;
        params.output_fields = output;
        params.output_field_count = 1;
        accepted(&rig, params);

        gyre_kernel_params bad = params;
        bad.input_size = 12;
        refused(&rig, bad, GYRE_ERROR_INTERFACE,
                "the host says GYRE_INPUT has 12 bytes, the shader 16");
        bad = params;
        bad.output_size = 400;
        refused(&rig, bad, GYRE_ERROR_INTERFACE,
                "the host says GYRE_OUTPUT has 400 bytes, the shader 4");
        bad = params;
        bad.input_field_count = 1;
        refused(&rig, bad, GYRE_ERROR_INTERFACE, "GYRE_INPUT has 1 members, the shader 2");
        bad = params;
        bad.input_fields = shifted;
        refused(&rig, bad, GYRE_ERROR_INTERFACE, "member 1 of GYRE_INPUT at byte 4");
        bad = params;
        bad.output_fields = wide;
        refused(&rig, bad, GYRE_ERROR_INTERFACE, "member 0 of GYRE_OUTPUT at byte 0 with 8 bytes");
        rig_close(&rig);
    }
}

#define TABLE \
    "layout(std430, set = 1, binding = 0) buffer Table { uint first; uvec2 pairs[]; };\n" \
    "layout(std140, set = 2, binding = 3) uniform Scale { uvec4 scale; };\n" \
    "void main() { while (gyre_receive()) {\n" \
    "    GYRE_OUT.value = (GYRE_IN.value * scale.w + first) * pairs[1].y; gyre_send(); } }\n"

/* For GYRE_IN.value 42 the answer is 42. */
static const uint32_t table[] = {0, 0, 5, 5, 5, 1};
static const uint32_t scale[] = {7, 7, 7, 1};

static gyre_kernel_params bound(gyre_binding *bindings, uint32_t count)
{
    return (gyre_kernel_params){
        .glsl = rig_glsl(STRUCTS, 1, TABLE), .bindings = bindings, .binding_count = count};
}

Test(errors, buffers_that_do_not_fit_their_blocks_are_refused)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_binding b[3] = {{1, 0, table, sizeof table}, {2, 3, scale, sizeof scale}};
        accepted(&rig, bound(b, 2));
        refused(&rig, bound(b, 1), GYRE_ERROR_BINDING, "Scale");
        refused(&rig, bound(b + 1, 1), GYRE_ERROR_BINDING, "Table");
        refused(&rig, bound(NULL, 0), GYRE_ERROR_BINDING, "nothing is bound to block");
        b[2] = (gyre_binding){1, 7, table, sizeof table};
        refused(&rig, bound(b, 3), GYRE_ERROR_BINDING, "no block in set 1, binding 7");
        b[2] = (gyre_binding){0, 2, table, sizeof table};
        refused(&rig, bound(b, 3), GYRE_ERROR_BINDING, "no block in set 0, binding 2");
        b[2] = b[0];
        refused(&rig, bound(b, 3), GYRE_ERROR_BINDING, "set 1, binding 0 is given twice");
        static const size_t wrong[] = {0, 4, 8, 12, sizeof table - 4, sizeof table + 1};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
            b[0] = (gyre_binding){1, 0, NULL, wrong[i]};
            refused(&rig, bound(b, 2), GYRE_ERROR_BINDING,
                    "Table has 8 bytes and then elements of 8 bytes");
        }
        b[0] = (gyre_binding){1, 0, table, sizeof table};
        b[1].size = 12;
        refused(&rig, bound(b, 2), GYRE_ERROR_BINDING, "Scale has 16 bytes, 12 are bound");
        b[1] = (gyre_binding){2, 3, NULL, 32};
        refused(&rig, bound(b, 2), GYRE_ERROR_BINDING, "Scale has 16 bytes, 32 are bound");
        rig_close(&rig);
    }
}

static gyre_result sends(gyre_kernel *kernel, gyre_message message)
{
    return gyre_send(kernel, &message, PATIENCE);
}

Test(errors, a_bad_message_is_refused_and_counted_and_the_kernel_lives)
{
    struct request r[2] = {{.value = 1}};
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){.id = "echo", .glsl = echo()});
        gives(GYRE_ERROR_SIZE, sends(kernel, (gyre_message){.data = r, .size = sizeof *r - 4}));
        cr_assert(rig_said(&rig, "a message of 12 bytes, GYRE_INPUT has 16"), "%s", rig.log);
        gives(GYRE_ERROR_SIZE, sends(kernel, (gyre_message){.data = r, .size = sizeof *r + 4}));
        gives(GYRE_ERROR_SIZE, sends(kernel, (gyre_message){.data = r, .size = SIZE_MAX}));
        gives(GYRE_ERROR_SIZE, sends(kernel, (gyre_message){.data = NULL, .size = sizeof *r}));
        gives(GYRE_ERROR_SIZE, sends(kernel, (gyre_message){0}));
        gives(GYRE_ERROR_INVALID,
              sends(kernel, (gyre_message){.data = r, .size = sizeof *r, .priority = 256}));
        cr_assert(rig_said(&rig, "priority 256"), "%s", rig.log);
        gives(GYRE_ERROR_TYPE,
              sends(kernel, (gyre_message){.data = r, .size = sizeof *r, .type = 1}));
        gyre_stats stats;
        ok(gyre_kernel_stats(kernel, &stats));
        cr_assert(stats.accepted == 0 && stats.rejected == 7);

        ok(sends(kernel,
                 (gyre_message){
                     .data = r, .size = sizeof *r, .priority = 255, .correlation = UINT64_MAX}));
        char small[3];
        gyre_reply reply = {.data = small, .capacity = sizeof small};
        gives(GYRE_ERROR_SIZE, gyre_receive(kernel, &reply, PATIENCE));
        uint32_t value = 0;
        reply = (gyre_reply){.data = &value, .capacity = sizeof value};
        ok(gyre_receive(kernel, &reply, PATIENCE));
        cr_assert(value == 1 && reply.size == 4 && reply.priority == 255 &&
                  reply.correlation == UINT64_MAX);
        rig_close(&rig);
    }
}

/* What the handler itself does wrong is said with the answer (A40). */
Test(errors, a_failing_handler_fails_its_message_only)
{
    const char *body = "void main() { while (gyre_receive()) {\n"
                       "    GYRE_OUT.value = GYRE_IN.value;\n"
                       "    if (GYRE_IN.value == 7u) { gyre_fail(1234u); }\n"
                       "    gyre_send();\n"
                       "    if (GYRE_IN.value == 8u) { gyre_send(); } } }\n";
    static const gyre_result expected[] = {GYRE_OK, GYRE_ERROR_HANDLER, GYRE_ERROR_OVERSENT,
                                           GYRE_OK};
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(
            &rig, (gyre_kernel_params){.id = "picky", .glsl = rig_glsl(STRUCTS, 1, body)});
        uint64_t ids[4];
        for (uint32_t i = 0; i < 4; ++i) {
            struct request request = {.value = 6 + i};
            ok(sends(kernel,
                     (gyre_message){.data = &request, .size = sizeof request, .id = &ids[i]}));
        }
        for (uint32_t i = 0; i < 4; ++i) {
            uint32_t value = 0;
            gyre_reply reply = {.data = &value, .capacity = sizeof value};
            ok(gyre_receive(kernel, &reply, PATIENCE));
            cr_assert(reply.id == ids[i]);
            gives(expected[i], reply.result);
            cr_assert(reply.result == GYRE_OK ? value == 6 + i : reply.size == 0);
            cr_assert(reply.code == (i == 1 ? 1234 : 0), "code %u", reply.code);
        }
        gyre_stats stats;
        ok(gyre_kernel_stats(kernel, &stats));
        cr_assert(stats.processed == 2 && stats.failed == 2 &&
                  stats.last_error == GYRE_ERROR_OVERSENT);
        cr_assert(stats.last_error_id == ids[2] && stats.fault == GYRE_OK);
        rig_close(&rig);
    }
}

/* main() must not end before gyre_receive() has said so. */
Test(errors, a_handler_without_a_loop_faults_by_name)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(
            &rig,
            (gyre_kernel_params){.id = "idler", .glsl = rig_glsl(STRUCTS, 1, "void main() {}\n")});
        struct request request = {0};
        ok(sends(kernel, (gyre_message){.data = &request, .size = sizeof request}));
        gives(GYRE_ERROR_HANDLER, gyre_receive(kernel, &(gyre_reply){0}, PATIENCE));
        cr_assert(rig_said(&rig, "main() returns without taking a message"), "%s", rig.log);
        gyre_stats stats;
        ok(gyre_kernel_stats(kernel, &stats));
        gives(GYRE_ERROR_HANDLER, stats.fault);
        gives(GYRE_ERROR_HANDLER,
              sends(kernel, (gyre_message){.data = &request, .size = sizeof request}));
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
        rig_close(&rig);
    }
}

Test(errors, null_is_refused_everywhere)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){.id = "echo", .glsl = echo()});
        gyre_stats stats;
        gives(GYRE_ERROR_INVALID, gyre_runtime_create(NULL, NULL));
        gives(GYRE_ERROR_INVALID, gyre_runtime_device(NULL, NULL, NULL));
        ok(gyre_runtime_device(rig.runtime, NULL, NULL));
        gives(GYRE_ERROR_INVALID, gyre_device_list(NULL, NULL, NULL));
        gives(GYRE_ERROR_INVALID,
              gyre_kernel_create(NULL, &(gyre_kernel_params){0}, &(gyre_kernel *){NULL}));
        gives(GYRE_ERROR_INVALID,
              gyre_kernel_create(rig.runtime, &(gyre_kernel_params){.id = "b", .glsl = echo()},
                                 NULL));
        gives(GYRE_ERROR_INVALID, gyre_kernel_find(NULL, "echo", &kernel));
        gives(GYRE_ERROR_INVALID, gyre_kernel_find(rig.runtime, NULL, &kernel));
        gives(GYRE_ERROR_INVALID, gyre_kernel_find(rig.runtime, "echo", NULL));
        gives(GYRE_ERROR_INVALID, gyre_kernel_launch(NULL));
        gives(GYRE_ERROR_INVALID, gyre_kernel_activate(NULL));
        gives(GYRE_ERROR_INVALID, gyre_kernel_deactivate(NULL, 0));
        gives(GYRE_ERROR_INVALID, gyre_kernel_reactivate(NULL));
        gives(GYRE_ERROR_INVALID, gyre_kernel_terminate(NULL, GYRE_DROP, 0, NULL));
        gives(GYRE_ERROR_INVALID, gyre_kernel_terminate(kernel, (gyre_terminate_mode)2, 0, NULL));
        gives(GYRE_ERROR_INVALID, gyre_send(NULL, &(gyre_message){0}, 0));
        gives(GYRE_ERROR_INVALID, gyre_send(kernel, NULL, 0));
        gives(GYRE_ERROR_INVALID, gyre_try_send(NULL, &(gyre_message){0}));
        gives(GYRE_ERROR_INVALID, gyre_try_send(kernel, NULL));
        gives(GYRE_ERROR_INVALID, gyre_receive(NULL, &(gyre_reply){0}, 0));
        gives(GYRE_ERROR_INVALID, gyre_receive(kernel, NULL, 0));
        gives(GYRE_ERROR_INVALID, gyre_try_receive(NULL, &(gyre_reply){0}));
        gives(GYRE_ERROR_INVALID, gyre_try_receive(kernel, NULL));
        gives(GYRE_ERROR_INVALID, gyre_kernel_stats(NULL, &stats));
        gives(GYRE_ERROR_INVALID, gyre_kernel_stats(kernel, NULL));
        cr_assert(gyre_kernel_input_size(NULL) == 0 && gyre_kernel_output_size(NULL) == 0);
        cr_assert(gyre_kernel_state(NULL) == GYRE_TERMINATED);
        cr_assert_str_empty(gyre_kernel_id(NULL));
        gyre_kernel_destroy(NULL);
        gyre_runtime_destroy(NULL);
        cr_assert(gyre_kernel_state(kernel) == GYRE_ACTIVE);
        rig_close(&rig);
    }
}
