/* tools/layout: what SPIR-V says of messages, and JSON to their bytes and back. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "../../tools/layout.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- modules, shaped as gyre/kernel.glsl shapes them ---- */

struct module {
    uint32_t *words;
    size_t count;
};

static const char head[] = "#version 460\n"
                           "#extension GL_EXT_shader_explicit_arithmetic_types : require\n"
                           "#extension GL_EXT_buffer_reference : require\n"
                           "struct Header { uint a, b, c, d, e, f, g, h; };\n";
static const char foot[] =
    "\n#ifndef BLOCK\n#define BLOCK std430\n#endif\n"
    "struct InputSlot { Header header; INPUT data; };\n"
    "struct OutputSlot { Header header; OUTPUT data; };\n"
    "layout(BLOCK, set = 0, binding = 2) buffer InputBlock { InputSlot i[]; };\n"
    "layout(BLOCK, set = 0, binding = 3) buffer OutputBlock { OutputSlot o[]; };\n"
    "layout(local_size_x = 1) in;\n"
    "void main() { o[0].header = i[0].header; }\n";

static struct module compile(const char *flags, const char *before, const char *text,
                             const char *after)
{
    const char *folder = getenv("TMPDIR");
    char path[512];
    char command[1024];
    snprintf(path, sizeof path, "%s/gyre-layout-XXXXXX", folder && folder[0] ? folder : "/tmp");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    snprintf(command, sizeof command,
             "glslc --target-env=vulkan1.2 -fshader-stage=comp %s - -o '%s'", flags, path);
    FILE *glslc = popen(command, "w");
    cr_assert_not_null(glslc);
    fprintf(glslc, "%s%s%s", before, text, after);
    cr_assert_eq(pclose(glslc), 0, "glslc did not take:\n%s", text);

    struct module module = {.words = malloc(1 << 20)};
    ssize_t got = read(fd, module.words, 1 << 20);
    cr_assert_gt(got, 0);
    module.count = (size_t)got / 4;
    close(fd);
    unlink(path);
    return module;
}

static struct layout *read_kernel(const char *text)
{
    struct module module = compile("", head, text, foot);
    struct layout *layout = NULL;
    char why[256];
    cr_assert(layout_read(module.words, module.count, &layout, why, sizeof why), "%s", why);
    cr_assert_str_empty(why);
    free(module.words);
    return layout;
}

static void expect_refusal(const struct module *module, const char *sentence)
{
    struct layout *layout = NULL;
    char why[256] = "";
    cr_assert_not(layout_read(module->words, module->count, &layout, why, sizeof why));
    cr_assert_null(layout);
    cr_assert_not_null(strstr(why, sentence), "`%s` is not in `%s`", sentence, why);
}

static void expect_kernel_refusal(const char *flags, const char *text, const char *sentence)
{
    struct module module = compile(flags, head, text, foot);
    expect_refusal(&module, sentence);
    free(module.words);
}

/* ---- JSON in, bytes between, JSON out ---- */

static bool encode(const struct layout_message *in, const char *json, void *bytes, char *why,
                   size_t why_size)
{
    json_t *object = layout_parse(json, strlen(json), why, why_size);
    bool encoded = object && layout_encode(in, object, bytes, why, why_size);
    json_decref(object);
    return encoded;
}

static void expect_bytes(const struct layout_message *in, const char *json, const void *expected,
                         size_t size)
{
    char why[256] = "";
    unsigned char *bytes = malloc(in->size);
    memset(bytes, 0xa5, in->size);
    cr_assert(encode(in, json, bytes, why, sizeof why), "%s", why);
    cr_assert_eq(in->size, size, "size %u instead of %zu", in->size, size);
    cr_assert_eq(memcmp(bytes, expected, size), 0, "other bytes for %s", json);
    char *back = layout_decode(in, bytes, NULL);
    cr_assert_str_eq(back, json);
    free(back);
    free(bytes);
}

static void expect_error(const struct layout_message *in, const char *json, const char *expected)
{
    char why[256] = "";
    unsigned char *bytes = malloc(in->size);
    cr_assert_not(encode(in, json, bytes, why, sizeof why), "taken: %s", json);
    cr_assert_str_eq(why, expected);
    free(bytes);
}

Test(layout, scalars_of_all_widths_lie_where_glsl_puts_them)
{
    struct layout *layout = read_kernel(
        "struct S { int a; uint b; float c; double d; int64_t e; uint64_t f; int16_t g; uint16_t h;"
        " int8_t i; uint8_t j; float16_t k; };\n"
        "#define INPUT S\n#define OUTPUT S\n");
    struct {
        int32_t a;
        uint32_t b;
        float c;
        double d;
        int64_t e;
        uint64_t f;
        int16_t g;
        uint16_t h;
        int8_t i;
        uint8_t j;
        uint16_t k;
    } expected;
    memset(&expected, 0, sizeof expected);
    expected.a = INT32_MIN;
    expected.b = UINT32_MAX;
    expected.c = 0.1F;
    expected.d = 0.1;
    expected.e = INT64_MIN;
    expected.f = UINT64_MAX;
    expected.g = -32768;
    expected.h = 65535;
    expected.i = -128;
    expected.j = 255;
    expected.k = 0xb800;
    expect_bytes(&layout->input,
                 "{\"a\": -2147483648, \"b\": 4294967295, \"c\": 0.1, \"d\": 0.1,"
                 " \"e\": -9223372036854775808, \"f\": \"18446744073709551615\", \"g\": -32768,"
                 " \"h\": 65535, \"i\": -128, \"j\": 255, \"k\": -0.5}",
                 &expected, sizeof expected);
    cr_assert_eq(layout->input.stride, 32 + sizeof expected);
    cr_assert_eq(layout->input.type->extent, 48);
    layout_free(layout);
}

Test(layout, vectors_take_the_bytes_std430_gives_them)
{
    struct layout *layout = read_kernel("struct S { vec3 a; float b; vec2 c; ivec3 d; uvec4 e; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    struct {
        float a[3], b, c[2];
        uint32_t gap[2];
        int32_t d[3];
        uint32_t gap_too;
        uint32_t e[4];
    } expected = {.a = {1, 2, 3}, .b = 4, .c = {5, 6}, .d = {-7, 8, 9}, .e = {10, 11, 12, 13}};
    expect_bytes(&layout->input,
                 "{\"a\": [1.0, 2.0, 3.0], \"b\": 4.0, \"c\": [5.0, 6.0], \"d\": [-7, 8, 9],"
                 " \"e\": [10, 11, 12, 13]}",
                 &expected, sizeof expected);
    layout_free(layout);
}

Test(layout, a_message_that_ends_in_padding_has_the_size_of_its_slot)
{
    struct layout *layout = read_kernel("struct S { double d; vec3 a; };\nstruct T { vec3 t; };\n"
                                        "#define INPUT S\n#define OUTPUT T\n");
    cr_assert_eq(layout->input.size, 32);
    cr_assert_eq(layout->input.type->extent, 28);
    cr_assert_eq(layout->output.size, 16);
    cr_assert_eq(layout->output.type->extent, 12);
    float expected[4] = {1, 2, 3, 0};
    expect_bytes(&layout->output, "{\"t\": [1.0, 2.0, 3.0]}", expected, sizeof expected);
    layout_free(layout);
}

static const char matrices[] =
    "{\"a\": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], \"b\": [[1.0, 2.0, 3.0, 4.0],"
    " [5.0, 6.0, 7.0, 8.0]], \"c\": [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [[7.0, 8.0],"
    " [9.0, 10.0], [11.0, 12.0]]]}";
static const char matrix_struct[] = "struct S { mat3 a; mat2x4 b; mat3x2 c[2]; };\n"
                                    "#define INPUT S\n#define OUTPUT S\n";

Test(layout, matrices_are_arrays_of_columns)
{
    struct layout *layout = read_kernel(matrix_struct);
    struct {
        float a[3][4], b[2][4], c[2][3][2];
    } expected = {
        .a = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}},
        .b = {{1, 2, 3, 4}, {5, 6, 7, 8}},
        .c = {{{1, 2}, {3, 4}, {5, 6}}, {{7, 8}, {9, 10}, {11, 12}}},
    };
    expect_bytes(&layout->input, matrices, &expected, sizeof expected);
    layout_free(layout);
}

Test(layout, row_major_matrices_are_arrays_of_columns_too)
{
    char text[512];
    snprintf(text, sizeof text, "#define BLOCK std430, row_major\n%s", matrix_struct);
    struct layout *layout = read_kernel(text);
    struct {
        float a[3][4], b[4][2], c[2][2][4];
    } expected = {
        .a = {{1, 4, 7}, {2, 5, 8}, {3, 6, 9}},
        .b = {{1, 5}, {2, 6}, {3, 7}, {4, 8}},
        .c = {{{1, 3, 5}, {2, 4, 6}}, {{7, 9, 11}, {8, 10, 12}}},
    };
    expect_bytes(&layout->input, matrices, &expected, sizeof expected);
    layout_free(layout);
}

Test(layout, arrays_of_arrays_and_nested_structs_keep_their_strides)
{
    struct layout *layout = read_kernel("struct Inner { vec3 v; uint k[2]; };\n"
                                        "struct S { vec3 a[2][3]; Inner n[2][1]; Inner m; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    struct inner {
        float v[3];
        uint32_t k[2], gap[3];
    };
    struct {
        float a[2][3][4];
        struct inner n[2][1];
        struct inner m;
    } expected = {
        .a = {{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, {{10, 11, 12}, {13, 14, 15}, {16, 17, 18}}},
        .n = {{{.v = {1}, .k = {1, 2}}}, {{.v = {2}, .k = {3, 4}}}},
        .m = {.v = {3}, .k = {5, 6}},
    };
    expect_bytes(&layout->input,
                 "{\"a\": [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],"
                 " [[10.0, 11.0, 12.0], [13.0, 14.0, 15.0], [16.0, 17.0, 18.0]]],"
                 " \"n\": [[{\"v\": [1.0, 0.0, 0.0], \"k\": [1, 2]}],"
                 " [{\"v\": [2.0, 0.0, 0.0], \"k\": [3, 4]}]],"
                 " \"m\": {\"v\": [3.0, 0.0, 0.0], \"k\": [5, 6]}}",
                 &expected, sizeof expected);
    layout_free(layout);
}

Test(layout, the_strides_of_std140_are_taken_as_well)
{
    struct layout *layout =
        read_kernel("struct S { float a[2][3]; mat2 m; };\n"
                    "#define INPUT S\n#define OUTPUT S\n#define BLOCK std140\n");
    struct {
        float a[2][3][4], m[2][4];
    } expected = {.a = {{{1}, {2}, {3}}, {{4}, {5}, {6}}}, .m = {{1, 2}, {3, 4}}};
    expect_bytes(&layout->input,
                 "{\"a\": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], \"m\": [[1.0, 2.0], [3.0, 4.0]]}",
                 &expected, sizeof expected);
    layout_free(layout);
}

Test(layout, input_and_output_are_told_apart)
{
    struct layout *layout =
        read_kernel("struct Request { float a; };\nstruct Answer { uint b, c; };\n"
                    "#define INPUT Request\n#define OUTPUT Answer\n");
    cr_assert_str_eq(layout->input.type->fields[0].name, "a");
    cr_assert_eq(layout->input.size, 4);
    cr_assert_str_eq(layout->output.type->fields[1].name, "c");
    cr_assert_eq(layout->output.size, 8);
    layout_free(layout);
}

Test(layout, members_that_begin_with_an_underscore_are_padding)
{
    struct layout *layout = read_kernel("struct S { uint a; uint _pad[3]; uint b; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    uint32_t expected[5] = {1, 0, 0, 0, 2};
    expect_bytes(&layout->input, "{\"a\": 1, \"b\": 2}", expected, sizeof expected);

    char why[256];
    uint32_t bytes[5];
    cr_assert(encode(&layout->input, "{\"b\": 2, \"_pad\": \"x\", \"_label\": null, \"a\": 1}",
                     bytes, why, sizeof why));
    cr_assert_eq(memcmp(bytes, expected, sizeof bytes), 0);
    layout_free(layout);
}

Test(layout, an_extra_member_comes_last)
{
    struct layout *layout = read_kernel("struct S { uint a; };\nstruct P { uint _a; };\n"
                                        "#define INPUT S\n#define OUTPUT P\n");
    uint32_t seven = 7;
    char *text = layout_decode(&layout->input, &seven, "\"_correlation\": 1");
    cr_assert_str_eq(text, "{\"a\": 7, \"_correlation\": 1}");
    free(text);
    text = layout_decode(&layout->output, &seven, "\"_correlation\": 1");
    cr_assert_str_eq(text, "{\"_correlation\": 1}");
    free(text);
    layout_free(layout);
}

/* ---- what is wrong is named, with its place ---- */

Test(layout, errors_name_the_place)
{
    static const struct {
        const char *json;
        const char *why;
    } cases[] = {
        {"{\"n\": [], \"p\": [1, 2, 3], \"u\": 0}", "n: expected an array of 2, got 0"},
        {"{\"n\": [{}, {}], \"p\": [1, 2, 3], \"u\": 0}", "n[0].i: missing"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1, \"j\": 2}], \"p\": [1, 2, 3], \"u\": 0}",
         "n[1].j: no such member; there is i"},
        {"{\"n\": [{\"i\": 1}, 5], \"p\": [1, 2, 3], \"u\": 0}",
         "n[1]: expected an object, got a number"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"p\": [1, 2, \"x\"], \"u\": 0}",
         "p[2]: expected a number, got a string"},
        {"{\"n\": [{\"i\": 1}, {\"i\": null}], \"p\": [1, 2, 3], \"u\": 0}",
         "n[1].i: expected a number, got null"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1.5}], \"p\": [1, 2, 3], \"u\": 0}",
         "n[1].i: expected an integer, got 1.5"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 32768}], \"p\": [1, 2, 3], \"u\": 0}",
         "n[1].i: 32768 does not fit a signed integer of 16 bits"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"p\": 1, \"u\": 0}",
         "p: expected an array of 3, got a number"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"p\": [1, 2, 3, 4], \"u\": 0}",
         "p: expected an array of 3, got 4"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"p\": [1, 2, 3], \"u\": -1}",
         "u: -1 does not fit an unsigned integer of 32 bits"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"p\": [1, 2, 3], \"u\": true}",
         "u: expected a number, got a boolean"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"p\": [1, 2, 1e39], \"u\": 0}",
         "p[2]: 1e+39 does not fit a float of 32 bits"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"p\": [1, 2, 3], \"u\": \"1\"}",
         "u: expected a number, got a string"},
        {"{\"n\": [{\"i\": 1}, {\"i\": 1}], \"P\": [1, 2, 3], \"u\": 0}",
         "P: no such member; there is n, p, u"},
        {"{\"\\u001b[31m\\u00e4\": 0}", "?[31m??: no such member; there is n, p, u"},
    };
    struct layout *layout = read_kernel("struct N { int16_t i; };\n"
                                        "struct S { N n[2]; vec3 p; uint u; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_error(&layout->input, cases[i].json, cases[i].why);
    }
    layout_free(layout);
}

Test(layout, a_long_key_does_not_overrun_the_sentence)
{
    struct layout *layout =
        read_kernel("struct S { uint a; };\n#define INPUT S\n#define OUTPUT S\n");
    enum { LENGTH = 100000 };
    char *json = malloc(LENGTH + 16);
    char why[32];
    uint32_t bytes;
    memset(json, 'k', LENGTH + 8);
    memcpy(json, "{\"", 2);
    strcpy(json + LENGTH, "\": 1}");
    cr_assert_not(encode(&layout->input, json, &bytes, why, sizeof why));
    cr_assert_str_eq(why, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
    free(json);
    layout_free(layout);
}

Test(layout, lines_that_are_no_object_are_named)
{
    static const struct {
        const char *text;
        size_t length;
        const char *why;
    } cases[] = {
        {"{\"a\": 1", 7, "the line ends in the middle of its JSON object"},
        {"{\"a\": \"x", 8, "the line ends in the middle of its JSON object"},
        {"", 0, "the line ends in the middle of its JSON object"},
        {"[1]", 3, "expected an object, got an array"},
        {"3", 1, "not JSON"},
        {"{\"a\": 1} x", 10, "not JSON"},
        {"{\"a\": 1, \"a\": 2}", 16, "duplicate object key"},
        {"{\"a\": \0 1}", 10, "a zero byte"},
        {"{\"a\": 1\0}", 9, "a zero byte"},
        {"{\"a\": 1}\0x", 10, "a zero byte"},
        {"{\"a\": \"\\u0000\"}", 15, "not JSON"},
        {"{\"a\": \"\xff\"}", 10, "unable to decode byte 0xff"},
        {"{\"a\": 123456789012345678901234567890}", 37, "too big integer"},
        {"{\"a\": 1e999}", 12, "real number overflow"},
        {"{\"a\": NaN}", 10, "not JSON"},
        {"\x1b[31m", 5, "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[256] = "";
        cr_assert_null(layout_parse(cases[i].text, cases[i].length, why, sizeof why), "%zu", i);
        cr_assert(strstr(why, cases[i].why), "`%s` instead of `%s`", why, cases[i].why);
        cr_assert_null(strpbrk(why, "\x1b\n"));
    }
}

/* ---- numbers ---- */

Test(layout, integers_are_taken_in_every_form_that_is_whole)
{
    struct layout *layout = read_kernel("struct S { int64_t i; uint64_t u; uint8_t b; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    static const struct {
        const char *json;
        int64_t i;
        uint64_t u;
        uint8_t b;
    } good[] = {
        {"{\"i\": -1, \"u\": 1, \"b\": 2}", -1, 1, 2},
        {"{\"i\": -1.0, \"u\": 1e18, \"b\": 255.0}", -1, 1000000000000000000, 255},
        {"{\"i\": \"-9223372036854775808\", \"u\": \"0\", \"b\": -0.0}", INT64_MIN, 0, 0},
        {"{\"i\": 9223372036854775807, \"u\": 9223372036854775808.0, \"b\": 0}", INT64_MAX,
         (uint64_t)1 << 63, 0},
    };
    static const struct {
        const char *json;
        const char *why;
    } bad[] = {
        {"{\"i\": \"9223372036854775808\", \"u\": 1, \"b\": 2}",
         "i: 9223372036854775808 does not fit a signed integer of 64 bits"},
        {"{\"i\": 0, \"u\": \"18446744073709551616\", \"b\": 2}",
         "u: expected a 64-bit integer in digits, got \"18446744073709551616\""},
        {"{\"i\": 0, \"u\": \"-1\", \"b\": 2}",
         "u: -1 does not fit an unsigned integer of 64 bits"},
        {"{\"i\": \"\", \"u\": 0, \"b\": 2}", "i: expected a 64-bit integer in digits, got \"\""},
        {"{\"i\": \"-\", \"u\": 0, \"b\": 2}", "i: expected a 64-bit integer in digits, got \"-\""},
        {"{\"i\": \"1 \", \"u\": 0, \"b\": 2}",
         "i: expected a 64-bit integer in digits, got \"1 \""},
        {"{\"i\": 1e19, \"u\": 0, \"b\": 2}",
         "i: 10000000000000000000 does not fit a signed integer of 64 bits"},
        {"{\"i\": 1e300, \"u\": 0, \"b\": 2}",
         "i: expected an integer, got 1.0000000000000001e+300"},
        {"{\"i\": 0, \"u\": 0, \"b\": 256}", "b: 256 does not fit an unsigned integer of 8 bits"},
    };
    for (size_t k = 0; k < sizeof good / sizeof good[0]; k++) {
        struct {
            int64_t i;
            uint64_t u;
            uint8_t b[8];
        } bytes;
        char why[256] = "";
        cr_assert_eq(layout->input.size, sizeof bytes);
        cr_assert(encode(&layout->input, good[k].json, &bytes, why, sizeof why), "%s", why);
        cr_assert_eq(bytes.i, good[k].i);
        cr_assert_eq(bytes.u, good[k].u);
        cr_assert_eq(bytes.b[0], good[k].b);
    }
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        expect_error(&layout->input, bad[k].json, bad[k].why);
    }
    layout_free(layout);
}

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Bytes to text to bytes. */
static void expect_round_trip(const struct layout_message *in, const void *bytes)
{
    char why[256] = "";
    void *back = malloc(in->size);
    char *text = layout_decode(in, bytes, NULL);
    cr_assert(encode(in, text, back, why, sizeof why), "%s in %s", why, text);
    cr_assert_eq(memcmp(back, bytes, in->size), 0, "%s", text);
    free(text);
    free(back);
}

Test(layout, floats_read_back_the_same_bits)
{
    struct layout *layout =
        read_kernel("struct S { float x[256]; };\nstruct T { double x[256]; };\n"
                    "#define INPUT S\n#define OUTPUT T\n");
    uint64_t state = 0x9e3779b97f4a7c15;
    for (int round = 0; round < 200; round++) {
        float singles[256] = {FLT_MAX, -FLT_MAX, FLT_MIN, FLT_TRUE_MIN,
                              0.0F,    -0.0F,    0.1F,    16777217.0F};
        double doubles[256] = {DBL_MAX, -DBL_MAX, DBL_MIN, DBL_TRUE_MIN, 0.0, -0.0, 0.1, 1e23};
        for (int i = 8; i < 256; i++) {
            do {
                uint32_t bits = (uint32_t)random_bits(&state);
                memcpy(&singles[i], &bits, sizeof bits);
            } while (!isfinite(singles[i]));
            do {
                uint64_t bits = random_bits(&state);
                memcpy(&doubles[i], &bits, sizeof bits);
            } while (!isfinite(doubles[i]));
        }
        expect_round_trip(&layout->input, singles);
        expect_round_trip(&layout->output, doubles);
    }
    layout_free(layout);
}

Test(layout, every_half_float_reads_back_the_same_bits)
{
    struct layout *layout = read_kernel("struct S { float16_t x[1024]; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    for (unsigned high = 0; high < 64; high++) {
        uint16_t bits[1024];
        if ((high & 31) == 31) {
            continue; /* infinities and NaN */
        }
        for (unsigned low = 0; low < 1024; low++) {
            bits[low] = (uint16_t)(high << 10 | low);
        }
        expect_round_trip(&layout->input, bits);
    }
    layout_free(layout);
}

Test(layout, half_floats_round_to_nearest_even)
{
    struct layout *layout = read_kernel("struct S { float16_t x[8]; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    static const uint16_t expected[8] = {0x3c00, 0x3c02, 0x7bff, 0x0001,
                                         0x0000, 0x0400, 0x4000, 0xc248};
    uint16_t bits[8];
    char why[256] = "";
    cr_assert(encode(&layout->input,
                     "{\"x\": [1.00048828125, 1.00146484375, 65519, 5.97e-8, 2.98e-8, 6.1035e-5,"
                     " 1.9998, -3.14159]}",
                     bits, why, sizeof why),
              "%s", why);
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(bits[i], expected[i], "%d: %x instead of %x", i, bits[i], expected[i]);
    }
    expect_error(&layout->input, "{\"x\": [0, 0, 0, 0, 0, 0, 0, 65520]}",
                 "x[7]: 65520 does not fit a float of 16 bits");
    layout_free(layout);
}

Test(layout, floats_are_printed_with_few_digits_and_stay_floats)
{
    struct layout *layout = read_kernel("struct S { float x[9]; double d[2]; };\n"
                                        "#define INPUT S\n#define OUTPUT S\n");
    struct {
        float x[10];
        double d[2];
    } bytes = {
        .x = {0.1F, 1.0F, -0.0F, 16777216.0F, 3.4e38F, 1e-30F, NAN, INFINITY, -INFINITY},
        .d = {0.1, 1.0 / 3.0},
    };
    cr_assert_eq(layout->input.size, sizeof bytes);
    char *text = layout_decode(&layout->input, &bytes, NULL);
    cr_assert_str_eq(text, "{\"x\": [0.1, 1.0, -0.0, 16777216.0, 3.4e+38, 1e-30, null, null, null],"
                           " \"d\": [0.1, 0.3333333333333333]}");
    free(text);
    layout_free(layout);
}

/* ---- modules that cannot be read ---- */

Test(layout, a_module_without_names_says_how_to_keep_them)
{
    static const char text[] = "struct S { float a; };\n#define INPUT S\n#define OUTPUT S\n";
    expect_kernel_refusal("-O", text, "compile it without -O, or with -g");

    struct module module = compile("-O -g", head, text, foot);
    struct layout *layout = NULL;
    char why[256];
    cr_assert(layout_read(module.words, module.count, &layout, why, sizeof why), "%s", why);
    layout_free(layout);
    free(module.words);
}

Test(layout, a_module_of_another_make_is_refused)
{
    struct module module = compile("", "#version 460\n", "void main() {}\n", "");
    expect_refusal(&module, "the module has no GYRE_INPUT (set 0, binding 2)");
    free(module.words);

    module = compile("", "#version 460\n",
                     "layout(set = 0, binding = 2) buffer B { float x[]; };\n"
                     "void main() { x[0] = 1; }\n",
                     "");
    expect_refusal(&module, "GYRE_INPUT: its slots are not those of gyre/kernel.glsl");
    free(module.words);

    module = compile("", "#version 460\n",
                     "struct D { float x; };\nstruct S { uint h[4]; D data; };\n"
                     "layout(set = 0, binding = 2) buffer B { S s[]; };\n"
                     "void main() { s[0].data.x = 1; }\n",
                     "");
    expect_refusal(&module, "GYRE_INPUT: its slots are not those of gyre/kernel.glsl");
    free(module.words);
}

Test(layout, messages_that_are_no_struct_of_numbers_are_refused)
{
    expect_kernel_refusal("", "#define INPUT vec4\n#define OUTPUT vec4\n",
                          "GYRE_INPUT is not a struct");
    expect_kernel_refusal("", "struct S { float a; };\n#define INPUT S\n#define OUTPUT uint\n",
                          "GYRE_OUTPUT is not a struct");
    expect_kernel_refusal("",
                          "layout(buffer_reference) buffer Ref { float x; };\n"
                          "struct S { Ref r; };\n#define INPUT S\n#define OUTPUT S\n",
                          "GYRE_INPUT: `r` is neither a number nor made of numbers");
    expect_kernel_refusal("",
                          "layout(constant_id = 0) const uint n = 4;\n"
                          "struct S { float a[n]; float b; };\n#define INPUT S\n#define OUTPUT S\n",
                          "GYRE_INPUT: the length of `a` is a specialisation constant");
    expect_kernel_refusal("",
                          "struct S { float a[1][1][1][1][1][1][1][1][1]; };\n"
                          "#define INPUT S\n#define OUTPUT S\n",
                          "GYRE_INPUT: `a` has more than 8 dimensions");
}

Test(layout, nesting_and_members_are_bounded)
{
    char text[4096] = "struct S0 { float a; };\n";
    for (int i = 1; i <= 17; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "struct S%d { S%d a; };\n", i, i - 1);
    }
    strcat(text, "#define OUTPUT S15\n");
    size_t end = strlen(text);
    strcat(text, "#define INPUT S15\n");
    layout_free(read_kernel(text));
    strcpy(text + end, "#define INPUT S16\n");
    expect_kernel_refusal("", text, "GYRE_INPUT: structs are nested deeper than 16");

    strcpy(text, "struct S0 { float a, b, c, d, e, f, g, h; };\n");
    for (int i = 1; i <= 4; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length,
                 "struct S%d { S%d a, b, c, d, e, f, g, h; };\n", i, i - 1);
    }
    strcat(text, "#define INPUT S4\n#define OUTPUT S0\n");
    expect_kernel_refusal("", text, "GYRE_INPUT: more than 4096 members");
}

Test(layout, damaged_modules_end_in_a_sentence)
{
    struct module module = compile("", head,
                                   "struct S { vec3 a[2]; };\n"
                                   "#define INPUT S\n#define OUTPUT S\n",
                                   foot);
    struct layout *layout = NULL;
    char why[256];
    for (size_t count = 0; count < module.count; count++) {
        if (layout_read(module.words, count, &layout, why, sizeof why)) {
            layout_free(layout); /* cut behind all that matters here */
        } else {
            cr_assert_str_not_empty(why);
        }
    }
    uint64_t state = 1;
    for (size_t i = 0; i < module.count; i++) {
        module.words[i] = (uint32_t)random_bits(&state);
    }
    expect_refusal(&module, "SPIRV-Cross cannot read the module: ");
    free(module.words);
}

/* ---- the user's blocks ---- */

Test(layout, blocks_of_the_user_are_found_by_name)
{
    struct layout *layout = read_kernel(
        "struct S { float a; };\n#define INPUT S\n#define OUTPUT S\n"
        "layout(set = 1, binding = 0) readonly buffer Model { float bias[4]; float weights[]; } "
        "model;\n"
        "layout(set = 1, binding = 3) buffer Table { uvec4 rows[10]; } tables[2];\n"
        "layout(set = 2, binding = 1) uniform Parameters { vec4 scale; mat4 turn; };\n");
    const struct layout_block *block = layout_block(layout, "Model");
    cr_assert_eq(layout->block_count, 3);
    cr_assert_not_null(block);
    cr_assert_eq(block->set, 1);
    cr_assert_eq(block->binding, 0);
    cr_assert_eq(block->size, 16);
    cr_assert_eq(block->stride, 4);
    cr_assert_eq(block->count, 1);
    cr_assert_not(block->uniform);
    cr_assert_eq(layout_block(layout, "model"), block);

    block = layout_block(layout, "Table");
    cr_assert_not_null(block);
    cr_assert_eq(block->binding, 3);
    cr_assert_eq(block->size, 160);
    cr_assert_eq(block->stride, 0);
    cr_assert_eq(block->count, 2);

    block = layout_block(layout, "Parameters");
    cr_assert_not_null(block);
    cr_assert_eq(block->set, 2);
    cr_assert_eq(block->size, 80);
    cr_assert(block->uniform);

    cr_assert_null(layout_block(layout, "InputBlock"), "the engine's own");
    cr_assert_null(layout_block(layout, ""));
    layout_free(layout);
}
