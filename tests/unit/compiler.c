/* gyre-compiler: GLSL in, checked words out; what is wrong said in the user's own files and
 * lines. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <gyre/compiler.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEARD_MAX 64
#define PATH_SIZE 512

#define STRUCTS \
    "#version 460\n" \
    "struct Request { float a[256]; float b[256]; };\n" \
    "struct Response { float sum[256]; };\n" \
    "#define GYRE_INPUT Request\n" \
    "#define GYRE_OUTPUT Response\n"
#define KERNEL "#include \"gyre/kernel.glsl\"\n"
#define SIZE "layout(local_size_x = 64) in;\n"
#define MAIN \
    "void main() {\n" \
    "    while (gyre_receive()) {\n" \
    "        for (uint i = gl_LocalInvocationIndex; i < 256; i += gl_WorkGroupSize.x)\n" \
    "            GYRE_OUT.sum[i] = GYRE_IN.a[i] + GYRE_IN.b[i];\n" \
    "        gyre_send();\n" \
    "    }\n" \
    "}\n"
#define VECTOR_ADD STRUCTS KERNEL SIZE MAIN /* the include is on line 6, main on line 8 */
#define PLAIN "#version 460\nlayout(local_size_x = 1) in;\nvoid main() {}\n"

struct heard {
    unsigned count;
    gyre_log_level levels[HEARD_MAX];
    char lines[HEARD_MAX][1024];
};

/* One compilation and what came of it. */
struct outcome {
    gyre_result result;
    uint32_t *words;
    size_t size;
    struct heard heard;
};

static char folder[PATH_SIZE]; /* of this test, made and removed around it */

static void hear(void *user, gyre_log_level level, const char *message)
{
    struct heard *heard = user;
    cr_assert_null(strchr(message, '\n'), "more than one line: %s", message);
    if (heard->count < HEARD_MAX) {
        heard->levels[heard->count] = level;
        snprintf(heard->lines[heard->count], sizeof heard->lines[0], "%s", message);
        heard->count += 1;
    }
}

/* A path in the test's folder; good until four more have been asked for. */
static const char *in_folder(const char *name)
{
    static char paths[4][2 * PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

static void make_folder(const char *name)
{
    cr_assert_eq(mkdir(in_folder(name), 0700), 0);
}

static void set_up(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/gyre-compiler-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    cr_assert_not_null(mkdtemp(folder));
    make_folder("kernels");
    make_folder("kernels/parts");
    make_folder("library");
    make_folder("outside");
    put("outside/secret.glsl", "const uint secret = 1;\n");
}

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char below[4 * PATH_SIZE];
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            if (unlink(below) != 0) {
                remove_tree(below);
            }
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    rmdir(path);
}

static void tear_down(void)
{
    remove_tree(folder);
}

TestSuite(compiler, .init = set_up, .fini = tear_down);

static void run(gyre_compile_request request, struct outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    request.log = hear;
    request.log_user = &outcome->heard;
    outcome->result = gyre_compiler_shaderc()->compile(&request, &outcome->words, &outcome->size);
    if (outcome->result != GYRE_OK) {
        cr_assert_null(outcome->words);
        cr_assert_eq(outcome->size, 0);
        cr_assert_gt(outcome->heard.count, 0, "a failure without a word");
    }
}

static void run_file(const char *name, struct outcome *outcome)
{
    const char *library = in_folder("library");
    run((gyre_compile_request){.file = in_folder(name),
                               .include_directories = &library,
                               .include_directory_count = 1},
        outcome);
}

/* The text as kernels/u.comp of the test's folder, with library/ as include directory. */
static void run_text(const char *text, struct outcome *outcome)
{
    put("kernels/u.comp", text);
    run_file("kernels/u.comp", outcome);
}

static void release(struct outcome *outcome)
{
    gyre_compiler_shaderc()->release(outcome->words);
    outcome->words = NULL;
}

static void expect_ok(struct outcome *outcome)
{
    cr_assert_eq(outcome->result, GYRE_OK, "%s", outcome->heard.lines[0]);
    cr_assert_eq(outcome->heard.count, 0, "%s", outcome->heard.lines[0]);
    cr_assert_eq(outcome->words[0], 0x07230203);
    release(outcome);
}

/* True when one line begins with the file and line (0: the file alone) and holds the words. */
static bool says(const struct outcome *outcome, const char *file, unsigned line, const char *words)
{
    char place[3 * PATH_SIZE];
    if (line > 0) {
        snprintf(place, sizeof place, "%s:%u: ", in_folder(file), line);
    } else {
        snprintf(place, sizeof place, "%s: ", in_folder(file));
    }
    for (unsigned i = 0; i < outcome->heard.count; ++i) {
        const char *heard = outcome->heard.lines[i];
        if (strncmp(heard, place, strlen(place)) == 0 && strstr(heard, words) != NULL) {
            return true;
        }
    }
    return false;
}

#define EXPECT_ERROR(outcome, file, line, words) \
    do { \
        cr_assert_eq((outcome)->result, GYRE_ERROR_COMPILE); \
        cr_assert(says(outcome, file, line, words), "no \"%s:%u: ...%s...\", but: %s", file, \
                  (unsigned)(line), words, (outcome)->heard.lines[0]); \
    } while (0)

/* The first instruction of that opcode, or NULL. */
static const uint32_t *instruction(const struct outcome *outcome, uint32_t opcode)
{
    for (size_t at = 5; at < outcome->size / 4; at += outcome->words[at] >> 16) {
        cr_assert_neq(outcome->words[at] >> 16, 0);
        if ((outcome->words[at] & 0xffff) == opcode) {
            return outcome->words + at;
        }
    }
    return NULL;
}

static bool holds(const struct outcome *outcome, const char *name)
{
    return memmem(outcome->words, outcome->size, name, strlen(name) + 1) != NULL;
}

Test(compiler, handler_becomes_a_vulkan_1_2_module_with_its_names)
{
    static struct outcome outcome;
    run_text(VECTOR_ADD, &outcome);
    cr_assert_eq(outcome.result, GYRE_OK, "%s", outcome.heard.lines[0]);
    cr_assert_eq(outcome.heard.count, 0, "%s", outcome.heard.lines[0]);
    cr_assert_eq(outcome.size % 4, 0);
    cr_assert_eq(outcome.words[0], 0x07230203);
    cr_assert_eq(outcome.words[1], 0x00010500);
    const uint32_t *memory_model = instruction(&outcome, 14);
    const uint32_t *mode = instruction(&outcome, 16);
    cr_assert_not_null(memory_model);
    cr_assert_eq(memory_model[2], 3, "not the Vulkan memory model");
    cr_assert_not_null(mode);
    cr_assert_eq(mode[2], 17, "no LocalSize");
    cr_assert_eq(mode[3], 64);
    cr_assert(holds(&outcome, "Request"));
    cr_assert(holds(&outcome, "sum"));
    cr_assert(holds(&outcome, "gyre_InputBlock"));
    cr_assert_eq(
        gyre_compiler_shaderc()->validate(outcome.words, outcome.size, hear, &outcome.heard),
        GYRE_OK);
    release(&outcome);
}

Test(compiler, same_source_gives_same_words)
{
    static struct outcome once;
    static struct outcome again;
    run_text(VECTOR_ADD, &once);
    run((gyre_compile_request){.file = "elsewhere.comp", .source = VECTOR_ADD}, &again);
    cr_assert_eq(once.result, GYRE_OK);
    cr_assert_eq(again.result, GYRE_OK);
    cr_assert_eq(once.size, again.size);
    cr_assert_eq(memcmp(once.words, again.words, once.size), 0);
    release(&once);
    release(&again);
}

Test(compiler, device_without_memory_model_gets_the_other_dialect)
{
    static struct outcome outcome;
    run((gyre_compile_request){.source = VECTOR_ADD, .no_memory_model = true}, &outcome);
    cr_assert_eq(outcome.result, GYRE_OK, "%s", outcome.heard.lines[0]);
    const uint32_t *memory_model = instruction(&outcome, 14);
    cr_assert_not_null(memory_model);
    cr_assert_eq(memory_model[2], 1, "not GLSL450");
    release(&outcome);
}

Test(compiler, shader_that_is_no_kernel_compiles_too)
{
    static struct outcome outcome;
    run_text(PLAIN, &outcome);
    expect_ok(&outcome);
}

Test(compiler, text_needs_no_file_and_angle_brackets_do)
{
    static struct outcome outcome;
    run((gyre_compile_request){.source = STRUCTS "#include <gyre/kernel.glsl>\n" SIZE MAIN},
        &outcome);
    expect_ok(&outcome);
    run((gyre_compile_request){.source = "#version 460\nvoid main() { x; }\n"}, &outcome);
    cr_assert_eq(outcome.result, GYRE_ERROR_COMPILE);
    cr_assert_str_eq(outcome.heard.lines[0], "glsl:2: 'x' : undeclared identifier");
    run((gyre_compile_request){.source = "#version 460\n#include \"x.glsl\"\n"}, &outcome);
    cr_assert_eq(outcome.result, GYRE_ERROR_COMPILE);
    cr_assert(strstr(outcome.heard.lines[0], "no include directory") != NULL, "%s",
              outcome.heard.lines[0]);
}

Test(compiler, file_in_the_working_directory_includes_its_neighbours)
{
    static struct outcome outcome;
    put("kernels/near.glsl", "const float two = 2.0;\n");
    cr_assert_eq(chdir(in_folder("kernels")), 0);
    put("kernels/u.comp", "#version 460\n#include \"near.glsl\"\nvoid main() { float x = two; }\n");
    run((gyre_compile_request){.file = "u.comp"}, &outcome);
    cr_assert_eq(chdir("/"), 0);
    expect_ok(&outcome);
}

Test(compiler, line_ends_and_byte_order_mark_of_other_systems_are_fine)
{
    static struct outcome outcome;
    run_text("\xef\xbb\xbf#version 460\r\nlayout(local_size_x = 1) in;\r\nvoid main() {}\r\n",
             &outcome);
    expect_ok(&outcome);
}

Test(compiler, local_size_is_left_to_the_device)
{
    static struct outcome outcome;
    run_text(STRUCTS KERNEL "layout(local_size_x = 4096, local_size_z = 128) in;\n" MAIN, &outcome);
    expect_ok(&outcome);
}

Test(compiler, error_behind_the_include_has_the_users_line)
{
    static struct outcome outcome;
    run_text(VECTOR_ADD "int wrong = nothing;\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 15, "'nothing' : undeclared identifier");
    cr_assert_eq(outcome.heard.levels[0], GYRE_LOG_ERROR);
    for (unsigned i = 0; i < outcome.heard.count; ++i) {
        cr_assert_null(strstr(outcome.heard.lines[i], "error:"), "%s", outcome.heard.lines[i]);
    }
}

Test(compiler, every_error_is_told)
{
    static struct outcome outcome;
    run_text("#version 460\nvoid main() { a; }\nvoid f() { b; }\n\nvoid g() { c; }\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "'a' : undeclared");
    EXPECT_ERROR(&outcome, "kernels/u.comp", 3, "'b' : undeclared");
    EXPECT_ERROR(&outcome, "kernels/u.comp", 5, "'c' : undeclared");
}

Test(compiler, error_in_an_included_file_has_that_files_line)
{
    static struct outcome outcome;
    put("kernels/parts/bad.glsl", "\n\nint wrong = nothing;\n");
    run_text("#version 460\n#include \"parts/bad.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/parts/bad.glsl", 3, "'nothing'");
}

Test(compiler, fault_inside_the_engines_text_is_told_at_the_users_include)
{
    static struct outcome outcome;
    run_text("#version 460\n/* what comes\n#include \"gyre/kernel.glsl\"\n*/\n" KERNEL
             "void main() {}\n",
             &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 5, "in gyre/kernel.glsl:");
    EXPECT_ERROR(&outcome, "kernels/u.comp", 5, "#define GYRE_INPUT");

    run_text("#version 460\n#define GYRE_INPUT Nowhere\n#define GYRE_OUTPUT uint\n" KERNEL
             "void main() {}\n",
             &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 4, "GYRE_INPUT data;");
}

Test(compiler, users_main_keeps_its_name_in_messages)
{
    static struct outcome outcome;
    run_text(STRUCTS KERNEL SIZE, &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 0, "main(");
    run_text(VECTOR_ADD MAIN, &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 15, "'main' : function already has a body");
}

Test(compiler, warning_is_a_warning)
{
    static struct outcome outcome;
    run_text("#version 460\n#extension GL_unheard_of : enable\nvoid main() {}\n", &outcome);
    cr_assert_eq(outcome.result, GYRE_OK);
    cr_assert_eq(outcome.heard.count, 1);
    cr_assert_eq(outcome.heard.levels[0], GYRE_LOG_WARNING);
    cr_assert(says(&outcome, "kernels/u.comp", 2, "GL_unheard_of"));
    release(&outcome);
}

Test(compiler, missing_include_is_named_with_where_it_was_looked_for)
{
    static struct outcome outcome;
    run_text("#version 460\n\n#include \"absent.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 3, "cannot find absent.glsl");
    EXPECT_ERROR(&outcome, "kernels/u.comp", 3, in_folder("kernels/absent.glsl"));
    EXPECT_ERROR(&outcome, "kernels/u.comp", 3, in_folder("library/absent.glsl"));

    put("kernels/parts/outer.glsl", "#include \"inner.glsl\"\n");
    run_text("#version 460\n#include \"parts/outer.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/parts/outer.glsl", 1, in_folder("kernels/parts/inner.glsl"));

    run_text(STRUCTS "#include \"gyre/kernal.glsl\"\n" SIZE MAIN, &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 6, "gyre/kernel.glsl");
}

Test(compiler, include_without_a_name_is_an_error)
{
    static struct outcome outcome;
    run_text("#version 460\n#include \"\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "without a name");
}

Test(compiler, include_that_leaves_its_roots_is_refused)
{
    static struct outcome outcome;
    char text[3 * PATH_SIZE];
    run_text("#version 460\n#include \"../outside/secret.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "leaves the source file's folder");
    run_text("#version 460\n#include \"parts/../../outside/secret.glsl\"\nvoid main() {}\n",
             &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "leaves the source file's folder");
    run_text("#version 460\n#include <../outside/secret.glsl>\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "leaves the source file's folder");
    snprintf(text, sizeof text, "#version 460\n#include \"%s\"\nvoid main() {}\n",
             in_folder("outside/secret.glsl"));
    run_text(text, &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "is an absolute path");
    put("kernels/near.glsl", "");
    snprintf(text, sizeof text, "#version 460\n#include \"%s\"\nvoid main() {}\n",
             in_folder("kernels/near.glsl"));
    run_text(text, &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "is an absolute path");
}

Test(compiler, refusal_does_not_tell_whether_the_file_outside_exists)
{
    static struct outcome there;
    static struct outcome not_there;
    run_text("#version 460\n#include \"../outside/secret.glsl\"\nvoid main() {}\n", &there);
    run_text("#version 460\n#include \"../outside/absent.glsl\"\nvoid main() {}\n", &not_there);
    char *name = strstr(not_there.heard.lines[0], "absent");
    cr_assert_not_null(name);
    memcpy(name, "secret", strlen("secret"));
    cr_assert_str_eq(there.heard.lines[0], not_there.heard.lines[0]);
}

Test(compiler, link_out_of_the_roots_is_refused_and_one_within_is_not)
{
    static struct outcome outcome;
    put("library/shared.glsl", "const uint shared_number = 7;\n");
    cr_assert_eq(symlink("../outside/secret.glsl", in_folder("kernels/out.glsl")), 0);
    cr_assert_eq(symlink("../outside", in_folder("kernels/out")), 0);
    cr_assert_eq(symlink("../library/shared.glsl", in_folder("kernels/within.glsl")), 0);
    run_text("#version 460\n#include \"out.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "is a link that leads out");
    run_text("#version 460\n#include \"out/secret.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "is a link that leads out");
    run_text("#version 460\n#include \"within.glsl\"\nvoid main() { uint x = shared_number; }\n",
             &outcome);
    expect_ok(&outcome);
}

Test(compiler, folder_whose_name_begins_like_a_root_is_outside)
{
    static struct outcome outcome;
    make_folder("kernels2");
    put("kernels2/x.glsl", "");
    run_text("#version 460\n#include \"../kernels2/x.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "leaves the source file's folder");
}

Test(compiler, include_directories_are_searched_after_the_files_own_folder)
{
    static struct outcome outcome;
    put("library/both.glsl", "#error of the library\n");
    put("kernels/both.glsl", "const uint both = 1;\n");
    put("library/only.glsl", "const uint only = 1;\n");
    run_text("#version 460\n#include \"both.glsl\"\n#include \"only.glsl\"\nvoid main() { uint x = "
             "both + only; }\n",
             &outcome);
    expect_ok(&outcome);
    run_text("#version 460\n#include <both.glsl>\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "library/both.glsl", 1, "of the library");
}

Test(compiler, include_is_relative_to_the_file_that_has_it)
{
    static struct outcome outcome;
    put("kernels/parts/outer.glsl", "#include \"inner.glsl\"\n#include \"../side.glsl\"\n");
    put("kernels/parts/inner.glsl", "const uint inner = 1;\n");
    put("kernels/inner.glsl", "#error not this one\n");
    put("kernels/side.glsl", "const uint side = 1;\n");
    run_text(
        "#version 460\n#include \"parts/outer.glsl\"\nvoid main() { uint x = inner + side; }\n",
        &outcome);
    expect_ok(&outcome);
}

Test(compiler, engines_texts_cannot_be_shadowed)
{
    static struct outcome outcome;
    make_folder("kernels/gyre");
    put("kernels/gyre/kernel.glsl", "#error not of the engine\n");
    put("kernels/wire.h", "#error not of the engine\n");
    put("kernels/gyre/mine.glsl", "const uint mine = 1;\n");
    run_text(STRUCTS KERNEL "#include \"gyre/mine.glsl\"\n" SIZE MAIN "uint f() { return mine; }\n",
             &outcome);
    expect_ok(&outcome);
}

Test(compiler, file_that_includes_itself_is_named)
{
    static struct outcome outcome;
    put("kernels/loop.glsl", "\n#include \"loop.glsl\"\n#include \"loop.glsl\"\n");
    run_text("#version 460\n#include \"loop.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/loop.glsl", 2, "more than 32 levels");
    cr_assert_eq(outcome.heard.count, 1, "%s", outcome.heard.lines[1]);
}

Test(compiler, includes_that_double_at_each_level_end)
{
    static struct outcome outcome;
    for (int i = 0; i < 30; ++i) {
        char name[32];
        char text[128];
        snprintf(name, sizeof name, "kernels/level%d.glsl", i);
        snprintf(text, sizeof text, "#include \"level%d.glsl\"\n#include \"level%d.glsl\"\n", i + 1,
                 i + 1);
        put(name, text);
    }
    put("kernels/level30.glsl", "");
    run_text("#version 460\n#include \"level0.glsl\"\nvoid main() {}\n", &outcome);
    cr_assert_eq(outcome.result, GYRE_ERROR_COMPILE);
    cr_assert_eq(outcome.heard.count, 1);
    cr_assert(strstr(outcome.heard.lines[0], "more than 4096 includes") != NULL, "%s",
              outcome.heard.lines[0]);
}

Test(compiler, include_that_is_no_readable_text_is_refused)
{
    static struct outcome outcome;
    put_bytes("kernels/large.glsl", "\n", 1);
    cr_assert_eq(truncate(in_folder("kernels/large.glsl"), ((off_t)16 << 20) + 1), 0);
    cr_assert_eq(mkfifo(in_folder("kernels/pipe.glsl"), 0600), 0);
    put_bytes("kernels/binary.glsl", "\0\1\2\3", 4);
    run_text("#version 460\n#include \"large.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "larger than 16 MiB");
    run_text("#version 460\n#include \"pipe.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "not a regular file");
    run_text("#version 460\n#include \"parts\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "not a regular file");
    run_text("#version 460\n#include \"binary.glsl\"\nvoid main() {}\n", &outcome);
    EXPECT_ERROR(&outcome, "kernels/u.comp", 2, "not text");
}

Test(compiler, source_that_cannot_be_read_is_an_io_error)
{
    static struct outcome outcome;
    run_file("kernels/absent.comp", &outcome);
    cr_assert_eq(outcome.result, GYRE_ERROR_IO);
    cr_assert(strstr(outcome.heard.lines[0], "kernels/absent.comp: No such file") != NULL, "%s",
              outcome.heard.lines[0]);
    run_file("kernels", &outcome);
    cr_assert_eq(outcome.result, GYRE_ERROR_IO);
    cr_assert(strstr(outcome.heard.lines[0], "Is a directory") != NULL, "%s",
              outcome.heard.lines[0]);
}

/* glslang, asked for a version that it cannot build its functions for, writes thousands of lines
 * to the standard output, which belongs to the answers of `gyre run`. */
Test(compiler, what_is_no_kernel_is_named_and_nothing_is_printed)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *words;
    } cases[] = {
        {"", 1, "empty"},
        {"\n// nothing\n/* here\n */ \n", 5, "nothing but comments"},
        {"void main() {}\n", 1, "must begin with \"#version 460\""},
        {"\n\n/**/ void main() {}\n#version 460\n", 3, "must begin with \"#version 460\""},
        {"#extension GL_x : enable\n", 1, "must begin with \"#version 460\""},
        {"// old\n#version 110\nvoid main() {}\n", 2, "this #version"},
        {"#version 330\nvoid main() {}\n", 1, "this #version"},
        {"#version 4600\nvoid main() {}\n", 1, "this #version"},
        {"#version 310 es\nvoid main() {}\n", 1, "this #version"},
        {"#version 460 compatibility\nvoid main() {}\n", 1, "this #version"},
        {"#version 450 es\nvoid main() {}\n", 1, "this #version"},
        {"#version\nvoid main() {}\n", 1, "this #version"},
        {"#version 460\nvoid main() {}\n#version 110\n", 3, "'#version'"},
        {"// \\\n#version 110\n#version 460\nvoid main() { x; }\n", 4, "'x'"},
        {"#version 460\n\n\x01\x02\n", 3, "not text"},
        {"\x03\x02\x23\x07 and more", 1, "SPIR-V module, not GLSL"},
        {"#version 460\nvoid main() {\n", 3, "end of file"},
    };
    static struct outcome outcome;
    int kept[2] = {dup(1), dup(2)};
    FILE *printed = fopen(in_folder("printed"), "w");
    cr_assert_not_null(printed);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        fflush(stdout);
        dup2(fileno(printed), 1);
        dup2(fileno(printed), 2);
        run_text(cases[i].text, &outcome);
        fflush(stdout);
        dup2(kept[0], 1);
        dup2(kept[1], 2);
        EXPECT_ERROR(&outcome, "kernels/u.comp", cases[i].line, cases[i].words);
    }
    struct stat status;
    cr_assert_eq(fstat(fileno(printed), &status), 0);
    cr_assert_eq(status.st_size, 0, "%ld bytes were printed", (long)status.st_size);
    fclose(printed);
    close(kept[0]);
    close(kept[1]);
}

Test(compiler, garbage_is_an_error_whatever_it_is)
{
    static struct outcome outcome;
    uint32_t random = 12345;
    for (int round = 0; round < 50; ++round) {
        char bytes[2000];
        for (size_t i = 0; i < sizeof bytes; ++i) {
            random = random * 1664525u + 1013904223u;
            /* Every other round letters only, behind a good beginning: they get as far as the
             * parser. */
            bytes[i] = (char)(round % 2 == 0 ? random >> 24 : ' ' + (random >> 24) % 95);
        }
        if (round % 2 != 0) {
            memcpy(bytes, "#version 460\n", strlen("#version 460\n"));
        }
        put_bytes("kernels/u.comp", bytes, sizeof bytes);
        run_file("kernels/u.comp", &outcome);
        cr_assert_eq(outcome.result, GYRE_ERROR_COMPILE);
    }
}

Test(compiler, impossible_requests_are_invalid)
{
    const gyre_compiler *compiler = gyre_compiler_shaderc();
    const char *nothing = NULL;
    uint32_t *words = NULL;
    size_t size = 0;
    cr_assert_eq(compiler->version, 1);
    cr_assert_eq(compiler->compile(NULL, &words, &size), GYRE_ERROR_INVALID);
    cr_assert_eq(compiler->compile(&(gyre_compile_request){0}, &words, &size), GYRE_ERROR_INVALID);
    cr_assert_eq(compiler->compile(&(gyre_compile_request){.source = PLAIN}, NULL, &size),
                 GYRE_ERROR_INVALID);
    cr_assert_eq(
        compiler->compile(&(gyre_compile_request){.source = PLAIN, .include_directory_count = 1},
                          &words, &size),
        GYRE_ERROR_INVALID);
    cr_assert_eq(compiler->compile(&(gyre_compile_request){.source = PLAIN,
                                                           .include_directories = &nothing,
                                                           .include_directory_count = 1},
                                   &words, &size),
                 GYRE_ERROR_INVALID);
    compiler->release(NULL);
}

Test(compiler, no_log_is_no_trouble)
{
    const gyre_compiler *compiler = gyre_compiler_shaderc();
    uint32_t *words = NULL;
    size_t size = 0;
    cr_assert_eq(
        compiler->compile(&(gyre_compile_request){.source = "#version 460\nx"}, &words, &size),
        GYRE_ERROR_COMPILE);
    cr_assert_eq(compiler->validate((const uint32_t[]){1, 2, 3, 4, 5}, 20, NULL, NULL),
                 GYRE_ERROR_SPIRV);
}

struct worker {
    pthread_t thread;
    unsigned number;
    unsigned wrong;
    struct outcome outcome;
};

static void *compile_often(void *argument)
{
    struct worker *worker = argument;
    char text[2048];
    for (unsigned i = 0; i < 12; ++i) {
        bool good = (i + worker->number) % 3 != 0;
        snprintf(text, sizeof text, VECTOR_ADD "const uint number%u = %s;\n", worker->number,
                 good ? "1" : "none");
        run((gyre_compile_request){.source = text, .no_memory_model = i % 2 != 0},
            &worker->outcome);
        bool right = good ? worker->outcome.result == GYRE_OK && worker->outcome.heard.count == 0
                          : worker->outcome.result == GYRE_ERROR_COMPILE &&
                                strcmp(worker->outcome.heard.lines[0],
                                       "glsl:15: 'none' : undeclared identifier") == 0;
        worker->wrong += right ? 0 : 1;
        release(&worker->outcome);
    }
    return NULL;
}

Test(compiler, four_threads_compile_at_once)
{
    static struct worker workers[4];
    for (unsigned i = 0; i < 4; ++i) {
        workers[i].number = i;
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, compile_often, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; ++i) {
        cr_assert_eq(pthread_join(workers[i].thread, NULL), 0);
        cr_assert_eq(workers[i].wrong, 0, "thread %u: %s", i, workers[i].outcome.heard.lines[0]);
    }
}

Test(compiler, validate_refuses_what_is_not_whole)
{
    static struct outcome outcome;
    const gyre_compiler *compiler = gyre_compiler_shaderc();
    run((gyre_compile_request){.source = VECTOR_ADD}, &outcome);
    cr_assert_eq(outcome.result, GYRE_OK);
    size_t step = outcome.size / 4 / 40 * 4;
    for (size_t size = 0; size < outcome.size; size += step) {
        static struct heard heard;
        heard.count = 0;
        cr_assert_eq(compiler->validate(outcome.words, size, hear, &heard), GYRE_ERROR_SPIRV);
        cr_assert_eq(heard.count, 1);
    }
    struct heard *heard = &outcome.heard;
    cr_assert_eq(compiler->validate(outcome.words, outcome.size - 1, hear, heard),
                 GYRE_ERROR_SPIRV);
    cr_assert_eq(compiler->validate(NULL, outcome.size, hear, heard), GYRE_ERROR_SPIRV);
    outcome.words[0] = 0x03022307;
    cr_assert_eq(compiler->validate(outcome.words, outcome.size, hear, heard), GYRE_ERROR_SPIRV);
    release(&outcome);
}

Test(compiler, validate_says_which_rule_is_broken)
{
    static struct outcome outcome;
    const gyre_compiler *compiler = gyre_compiler_shaderc();
    run((gyre_compile_request){.source = PLAIN}, &outcome);
    cr_assert_eq(outcome.result, GYRE_OK);
    uint32_t version = outcome.words[1];
    outcome.words[1] = 0x00010600;
    cr_assert_eq(compiler->validate(outcome.words, outcome.size, hear, &outcome.heard),
                 GYRE_ERROR_SPIRV);
    cr_assert(strstr(outcome.heard.lines[0], "1.6") != NULL, "%s", outcome.heard.lines[0]);
    outcome.words[1] = version;

    /* Vulkan has no physical addressing. */
    uint32_t *memory_model = outcome.words + (instruction(&outcome, 14) - outcome.words);
    memory_model[1] = 2;
    cr_assert_eq(compiler->validate(outcome.words, outcome.size, hear, &outcome.heard),
                 GYRE_ERROR_SPIRV);
    cr_assert(strstr(outcome.heard.lines[1], "MemoryModel requires") != NULL, "%s",
              outcome.heard.lines[1]);
    release(&outcome);
}

Test(compiler, validate_survives_random_words)
{
    static struct heard heard;
    uint32_t words[256] = {0x07230203, 0x00010500, 0, 100, 0};
    uint32_t random = 1;
    for (int round = 0; round < 200; ++round) {
        for (size_t i = 5; i < 256; ++i) {
            random = random * 1664525u + 1013904223u;
            /* Small word counts and opcodes get further than noise does. */
            words[i] = round % 2 == 0 ? random : (random >> 29) << 16 | (random >> 8 & 0xff);
        }
        heard.count = 0;
        cr_assert_eq(gyre_compiler_shaderc()->validate(words, sizeof words, hear, &heard),
                     GYRE_ERROR_SPIRV);
        cr_assert_eq(heard.count, 1);
    }
}
