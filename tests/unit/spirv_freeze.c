/* The freezer of specialisation constants, over modules made here word by word and over what glslc
 * makes of tests/unit/shaders. What it makes must be read like what it was made from, and pass
 * spirv-val. */
#include "spirv_freeze.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "spirv_sane.h"
#include "spirv_words.h"
#include "validator.h"

/* Of the specification; the freezer knows nothing of them. */
enum {
    OP_F_CONVERT = 115,
    OP_S_NEGATE = 126,
    OP_S_REM = 138,
    OP_S_MOD = 139,
    OP_SHIFT_RIGHT_ARITHMETIC = 195
};
enum { CAPABILITY_FLOAT64 = 10, CAPABILITY_INT64 = 11, CAPABILITY_INT16 = 22 };

/* Ids of the modules made here. */
enum {
    ENTRY = 100,
    VOID,
    FUNCTION,
    LABEL,
    UINT,
    INT,
    BOOL,
    ULONG,
    USHORT,
    FLOAT,
    DOUBLE,
    UVEC3,
    FREE
};

struct module {
    uint32_t *words;
    size_t count;
};

static char reason[SPIRV_REASON_SIZE];

/* ---- making modules ---- */

static uint32_t text[16384];
static size_t at;

static void put(uint32_t opcode, const uint32_t *operands, size_t count)
{
    cr_assert_leq(at + 1 + count, LENGTH(text));
    text[at] = (uint32_t)(count + 1) << 16 | opcode;
    memcpy(text + at + 1, operands, count * sizeof *text);
    at += 1 + count;
}

#define PUT(opcode, ...) \
    put(opcode, (uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Up to the decorations. */
static void begin(void)
{
    const uint32_t header[SPIRV_HEADER_WORDS] = {SPIRV_MAGIC, 0x00010400, 0, 1000, 0};
    memcpy(text, header, sizeof header);
    at = SPIRV_HEADER_WORDS;
    PUT(OP_CAPABILITY, 1); /* Shader */
    PUT(OP_CAPABILITY, CAPABILITY_FLOAT64);
    PUT(OP_CAPABILITY, CAPABILITY_INT64);
    PUT(OP_CAPABILITY, CAPABILITY_INT16);
    PUT(OP_MEMORY_MODEL, 0, 1);
    PUT(OP_ENTRY_POINT, EXECUTION_GL_COMPUTE, ENTRY, 0x6e69616d, 0); /* "main" */
    PUT(OP_EXECUTION_MODE, ENTRY, MODE_LOCAL_SIZE, 4, 2, 1);
}

static void put_spec_id(uint32_t id, uint32_t spec_id)
{
    PUT(OP_DECORATE, id, DECORATION_SPEC_ID, spec_id);
}

static void put_types(void)
{
    PUT(OP_TYPE_VOID, VOID);
    PUT(OP_TYPE_FUNCTION, FUNCTION, VOID);
    PUT(OP_TYPE_INT, UINT, 32, 0);
    PUT(OP_TYPE_INT, INT, 32, 1);
    PUT(OP_TYPE_BOOL, BOOL);
    PUT(OP_TYPE_INT, ULONG, 64, 0);
    PUT(OP_TYPE_INT, USHORT, 16, 0);
    PUT(OP_TYPE_FLOAT, FLOAT, 32);
    PUT(OP_TYPE_FLOAT, DOUBLE, 64);
    PUT(OP_TYPE_VECTOR, UVEC3, UINT, 3);
}

static struct module end(void)
{
    PUT(OP_FUNCTION, VOID, ENTRY, 0, FUNCTION);
    PUT(248, LABEL);             /* OpLabel */
    text[at++] = 1u << 16 | 253; /* OpReturn */
    text[at++] = 1u << 16 | OP_FUNCTION_END;
    return (struct module){text, at};
}

static struct module load(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, GYRE_TEST_MODULES "/%s", name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s is missing", path);
    struct module m = {.words = malloc(1 << 20)};
    m.count = fread(m.words, sizeof *m.words, (1 << 20) / sizeof *m.words, file);
    fclose(file);
    /* Of its own size, so that AddressSanitizer sees one byte too far. */
    m.words = realloc(m.words, m.count * sizeof *m.words);
    return m;
}

/* ---- looking at what was made ---- */

static void keep_reason(void *user, gyre_log_level level, const char *message)
{
    (void)user;
    (void)level;
    snprintf(reason, sizeof reason, "%s", message);
}

static bool is_valid_for_vulkan(struct module m)
{
    return validator_run(m.words, m.count * sizeof *m.words, "the module",
                         &(struct report){.log = keep_reason}) == GYRE_OK;
}

/* By no rules but SPIR-V's own: LocalSizeId and SPIR-V 1.6 are newer than Vulkan 1.2. */
static bool is_valid(struct module m)
{
    if (is_valid_for_vulkan(m)) {
        return true;
    }
    FILE *tool = popen("spirv-val --target-env spv1.6 -", "w");
    cr_assert_not_null(tool);
    cr_assert_eq(fwrite(m.words, sizeof *m.words, m.count, tool), m.count);
    return pclose(tool) == 0;
}

static enum spirv_result read(struct module m, struct spirv_info *info)
{
    enum spirv_result result = spirv_read(m.words, m.count * sizeof *m.words, info, reason);
    if (!spirv_is_sane(result, info, reason)) {
        cr_assert_fail("result %d: %s", result, reason);
    }
    return result;
}

static bool freeze(struct module m, const struct spirv_constant *constants, size_t count,
                   struct module *made)
{
    size_t size = 0;
    if (!spirv_freeze(m.words, m.count * sizeof *m.words, constants, count, &made->words, &size)) {
        return false;
    }
    cr_assert_leq(size, m.count * sizeof *m.words);
    made->count = size / sizeof *made->words;
    return true;
}

static bool is_specialised(uint32_t opcode)
{
    return opcode >= OP_SPEC_CONSTANT_TRUE && opcode <= OP_SPEC_CONSTANT;
}

/* No constant waits for a value from outside, and the module is a valid one. */
static struct module frozen(struct module m, const struct spirv_constant *constants, size_t count)
{
    struct module made;
    cr_assert(is_valid(m), "the test's own module: %s", reason);
    cr_assert(freeze(m, constants, count, &made));
    for (size_t i = SPIRV_HEADER_WORDS; i < made.count; i += made.words[i] >> 16) {
        uint32_t opcode = made.words[i] & 0xffff;
        cr_assert(!is_specialised(opcode));
        cr_assert(opcode != OP_DECORATE || made.words[i + 2] != DECORATION_SPEC_ID);
    }
    cr_assert(is_valid_for_vulkan(m) ? is_valid_for_vulkan(made) : is_valid(made), "%s", reason);
    return made;
}

/* The constant `id`. */
static const uint32_t *constant(struct module m, uint32_t id)
{
    for (size_t i = SPIRV_HEADER_WORDS; i < m.count; i += m.words[i] >> 16) {
        uint32_t opcode = m.words[i] & 0xffff;
        if (opcode >= OP_CONSTANT_TRUE && opcode <= OP_SPEC_CONSTANT_OP && m.words[i + 2] == id) {
            return &m.words[i];
        }
    }
    cr_assert_fail("no constant %u", id);
    return NULL;
}

static uint32_t opcode_of(struct module m, uint32_t id)
{
    return constant(m, id)[0] & 0xffff;
}

static void expect_word(struct module m, uint32_t id, uint32_t value)
{
    const uint32_t *words = constant(m, id);
    cr_assert_eq(words[0], 4u << 16 | OP_CONSTANT, "%u is not a word", id);
    cr_assert_eq(words[3], value, "%u is %u, not %u", id, words[3], value);
}

static void expect_bool(struct module m, uint32_t id, bool value)
{
    cr_assert_eq(constant(m, id)[0], 3u << 16 | (value ? OP_CONSTANT_TRUE : OP_CONSTANT_FALSE),
                 "%u is not %d", id, value);
}

/* ---- operations ---- */

/* The operands of all operations: two words, two booleans. */
enum { A = FREE, B, P, Q, RESULT };

static void put_operands(void)
{
    PUT(OP_SPEC_CONSTANT, UINT, A, 1000);
    PUT(OP_SPEC_CONSTANT, UINT, B, 2000);
    PUT(OP_SPEC_CONSTANT_FALSE, BOOL, P);
    PUT(OP_SPEC_CONSTANT_FALSE, BOOL, Q);
}

static void begin_with_operands(void)
{
    begin();
    for (uint32_t i = 0; i < 4; ++i) {
        put_spec_id(A + i, 1 + i);
    }
    put_types();
    put_operands();
}

struct operation {
    uint32_t opcode;
    uint32_t type;
    uint32_t operands[3];
    uint32_t count;
    bool undefined; /* for these operands: it must be left alone */
    uint32_t result;
};

#define WORDS2(opcode_, result_) \
    { \
        .opcode = opcode_, .type = UINT, .operands = {A, B}, .count = 2, .result = (result_) \
    }
#define TEST2(opcode_, result_) \
    { \
        .opcode = opcode_, .type = BOOL, .operands = {A, B}, .count = 2, .result = (result_) \
    }
#define LOGIC2(opcode_, result_) \
    { \
        .opcode = opcode_, .type = BOOL, .operands = {P, Q}, .count = 2, .result = (result_) \
    }

#define OPERATIONS 30

/* Every operation that is known, with what the specification says of it. */
static void all_operations(struct operation list[OPERATIONS], uint32_t a, uint32_t b, bool p,
                           bool q)
{
    const int64_t sa = a < 0x80000000 ? (int64_t)a : (int64_t)a - 0x100000000;
    const int64_t sb = b < 0x80000000 ? (int64_t)b : (int64_t)b - 0x100000000;
    const uint64_t wide = a;
    const struct operation operations[] = {
        WORDS2(OP_I_ADD, (uint32_t)(wide + b)),
        WORDS2(OP_I_SUB, (uint32_t)(sa - sb)),
        WORDS2(OP_I_MUL, (uint32_t)(wide * b)),
        {OP_U_DIV, UINT, {A, B}, 2, b == 0, b ? a / b : 0},
        {OP_U_MOD, UINT, {A, B}, 2, b == 0, b ? a % b : 0},
        {OP_SHIFT_LEFT_LOGICAL, UINT, {A, B}, 2, b > 31, (uint32_t)(wide << (b & 31))},
        {OP_SHIFT_RIGHT_LOGICAL, UINT, {A, B}, 2, b > 31, a >> (b & 31)},
        WORDS2(OP_BITWISE_OR, a | b),
        WORDS2(OP_BITWISE_XOR, a ^ b),
        WORDS2(OP_BITWISE_AND, a & b),
        {OP_NOT, UINT, {A}, 1, false, UINT32_MAX - a},
        {OP_SELECT, UINT, {P, A, B}, 3, false, p ? a : b},
        {OP_SELECT, BOOL, {P, Q, P}, 3, false, p && q},
        {OP_I_ADD, INT, {A, B}, 2, false, (uint32_t)(wide + b)},
        LOGIC2(OP_LOGICAL_EQUAL, p == q),
        LOGIC2(OP_LOGICAL_NOT_EQUAL, p != q),
        LOGIC2(OP_LOGICAL_OR, p || q),
        LOGIC2(OP_LOGICAL_AND, p && q),
        {OP_LOGICAL_NOT, BOOL, {P}, 1, false, !p},
        TEST2(OP_I_EQUAL, a == b),
        TEST2(OP_I_NOT_EQUAL, a != b),
        TEST2(OP_U_GREATER_THAN, a > b),
        TEST2(OP_S_GREATER_THAN, sa > sb),
        TEST2(OP_U_GREATER_THAN_EQUAL, a >= b),
        TEST2(OP_S_GREATER_THAN_EQUAL, sa >= sb),
        TEST2(OP_U_LESS_THAN, a < b),
        TEST2(OP_S_LESS_THAN, sa < sb),
        TEST2(OP_U_LESS_THAN_EQUAL, a <= b),
        TEST2(OP_S_LESS_THAN_EQUAL, sa <= sb),
        /* An operation on the result of another. */
        {OP_BITWISE_XOR,
         UINT,
         {RESULT, RESULT + 2},
         2,
         false,
         (uint32_t)(wide + b) ^ (uint32_t)(wide * b)},
    };
    _Static_assert(LENGTH(operations) == OPERATIONS, "one is missing");
    memcpy(list, operations, sizeof operations);
}

static void put_operation(const struct operation *operation, uint32_t id)
{
    uint32_t words[6] = {operation->type, id, operation->opcode};
    memcpy(words + 3, operation->operands, operation->count * sizeof *words);
    put(OP_SPEC_CONSTANT_OP, words, 3 + operation->count);
}

static void compute_all(uint32_t a, uint32_t b, bool p, bool q)
{
    struct operation list[OPERATIONS];
    all_operations(list, a, b, p, q);
    begin_with_operands();
    for (uint32_t i = 0; i < OPERATIONS; ++i) {
        put_operation(&list[i], RESULT + i);
    }
    const struct spirv_constant constants[] = {{1, a}, {2, b}, {3, p}, {4, q}};
    struct module made = frozen(end(), constants, LENGTH(constants));
    for (uint32_t i = 0; i < OPERATIONS; ++i) {
        if (list[i].undefined) {
            cr_assert_eq(opcode_of(made, RESULT + i), OP_SPEC_CONSTANT_OP);
        } else if (list[i].type == BOOL) {
            expect_bool(made, RESULT + i, list[i].result != 0);
        } else {
            expect_word(made, RESULT + i, list[i].result);
        }
        cr_assert_eq(constant(made, RESULT + i)[1], list[i].type);
    }
    free(made.words);
}

Test(spirv_freeze, computes_every_operation)
{
    static const uint32_t values[] = {0,  1,          2,          7,          31,        32,
                                      33, 0x7fffffff, 0x80000000, 0x80000001, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(values); ++i) {
        for (size_t k = 0; k < LENGTH(values); ++k) {
            compute_all(values[i], values[k], i % 2 != 0, k % 2 != 0);
        }
    }
}

/* Operations that it does not know, or not on such types: they stay, and so does what is computed
 * from them; their operands are plain constants all the same. */
Test(spirv_freeze, leaves_what_it_does_not_know)
{
    enum { LONG = RESULT, SHORT, REAL, VECTOR, UNKNOWN };
    begin_with_operands();
    PUT(OP_SPEC_CONSTANT, ULONG, LONG, 5, 1);
    PUT(OP_SPEC_CONSTANT, USHORT, SHORT, 5);
    PUT(OP_SPEC_CONSTANT, FLOAT, REAL, 0x3f800000);
    PUT(OP_SPEC_CONSTANT_COMPOSITE, UVEC3, VECTOR, A, B, A);
    const struct operation unknown[] = {
        {.opcode = OP_S_DIV, .type = UINT, .operands = {A, B}, .count = 2},
        {.opcode = OP_S_REM, .type = INT, .operands = {A, B}, .count = 2},
        {.opcode = OP_S_MOD, .type = INT, .operands = {A, B}, .count = 2},
        {.opcode = OP_S_NEGATE, .type = INT, .operands = {A}, .count = 1},
        {.opcode = OP_SHIFT_RIGHT_ARITHMETIC, .type = UINT, .operands = {A, B}, .count = 2},
        {.opcode = OP_U_CONVERT, .type = ULONG, .operands = {A}, .count = 1},
        {.opcode = OP_S_CONVERT, .type = USHORT, .operands = {A}, .count = 1},
        {.opcode = OP_F_CONVERT, .type = DOUBLE, .operands = {REAL}, .count = 1},
        {.opcode = OP_I_ADD, .type = ULONG, .operands = {LONG, LONG}, .count = 2},
        {.opcode = OP_I_ADD, .type = USHORT, .operands = {SHORT, SHORT}, .count = 2},
        {.opcode = OP_I_ADD, .type = UVEC3, .operands = {VECTOR, VECTOR}, .count = 2},
        {.opcode = OP_U_LESS_THAN, .type = BOOL, .operands = {LONG, LONG}, .count = 2},
        {.opcode = OP_SELECT, .type = ULONG, .operands = {P, LONG, LONG}, .count = 3},
        {.opcode = OP_COMPOSITE_EXTRACT, .type = UINT, .operands = {VECTOR, 1}, .count = 2},
        /* Of an unknown one and a known one. */
        {.opcode = OP_I_ADD, .type = UINT, .operands = {UNKNOWN, A}, .count = 2},
    };
    for (uint32_t i = 0; i < LENGTH(unknown); ++i) {
        put_operation(&unknown[i], UNKNOWN + i);
    }
    struct module made = frozen(end(), (struct spirv_constant[]){{1, 30}, {2, 7}}, 2);
    for (uint32_t i = 0; i < LENGTH(unknown); ++i) {
        const uint32_t *words = constant(made, UNKNOWN + i);
        cr_assert_eq(words[0] & 0xffff, OP_SPEC_CONSTANT_OP, "operation %u", unknown[i].opcode);
        cr_assert_eq(words[3], unknown[i].opcode);
        cr_assert_arr_eq(words + 4, unknown[i].operands, unknown[i].count * sizeof *words);
    }
    expect_word(made, A, 30);
    expect_word(made, B, 7);
    free(made.words);
}

/* A literal that looks like the id of a constant is none. */
Test(spirv_freeze, takes_no_literal_for_an_id)
{
    enum { NUMBER_TWO = 2, WHOLE = FREE, PART };
    begin();
    put_spec_id(NUMBER_TWO, 1);
    put_types();
    PUT(OP_SPEC_CONSTANT, UINT, NUMBER_TWO, 9);
    PUT(OP_SPEC_CONSTANT_COMPOSITE, UVEC3, WHOLE, NUMBER_TWO, NUMBER_TWO, NUMBER_TWO);
    PUT(OP_SPEC_CONSTANT_OP, UINT, PART, OP_COMPOSITE_EXTRACT, WHOLE, 2);
    struct module made = frozen(end(), NULL, 0);
    cr_assert_eq(opcode_of(made, PART), OP_SPEC_CONSTANT_OP);
    cr_assert_eq(constant(made, PART)[5], 2);
    free(made.words);
}

/* Damaged: the result is of another kind than the operation gives. */
Test(spirv_freeze, leaves_operations_whose_type_cannot_be)
{
    begin_with_operands();
    PUT(OP_SPEC_CONSTANT_OP, BOOL, RESULT, OP_I_ADD, A, B);
    PUT(OP_SPEC_CONSTANT_OP, UINT, RESULT + 1, OP_I_EQUAL, A, B);
    PUT(OP_SPEC_CONSTANT_OP, FLOAT, RESULT + 2, OP_I_ADD, A, B);
    struct module made;
    cr_assert(freeze(end(), NULL, 0, &made));
    for (uint32_t i = 0; i < 3; ++i) {
        cr_assert_eq(opcode_of(made, RESULT + i), OP_SPEC_CONSTANT_OP);
    }
    free(made.words);
}

/* ---- values ---- */

Test(spirv_freeze, a_constant_that_is_not_given_gets_its_default)
{
    enum { ONE = FREE, TWO, SAME, YES, NO, YES_GIVEN, NO_GIVEN, PLAIN, PLAIN_YES };
    begin();
    put_spec_id(ONE, 1);
    put_spec_id(TWO, 2);
    put_spec_id(SAME, 2);
    put_spec_id(YES, 3);
    put_spec_id(NO, 4);
    put_spec_id(YES_GIVEN, 5);
    put_spec_id(NO_GIVEN, 6);
    put_types();
    PUT(OP_SPEC_CONSTANT, UINT, ONE, 11);
    PUT(OP_SPEC_CONSTANT, INT, TWO, 12);
    PUT(OP_SPEC_CONSTANT, UINT, SAME, 13);
    PUT(OP_SPEC_CONSTANT_TRUE, BOOL, YES);
    PUT(OP_SPEC_CONSTANT_FALSE, BOOL, NO);
    PUT(OP_SPEC_CONSTANT_TRUE, BOOL, YES_GIVEN);
    PUT(OP_SPEC_CONSTANT_FALSE, BOOL, NO_GIVEN);
    PUT(OP_CONSTANT, UINT, PLAIN, 14);
    PUT(OP_CONSTANT_TRUE, BOOL, PLAIN_YES);
    struct module m = end();

    struct module made = frozen(m, NULL, 0);
    expect_word(made, ONE, 11);
    expect_word(made, TWO, 12);
    expect_word(made, SAME, 13);
    expect_bool(made, YES, true);
    expect_bool(made, NO, false);
    free(made.words);

    /* 0: where a decoration that is not there would be found. */
    const struct spirv_constant given[] = {{2, UINT32_MAX}, {5, 0}, {6, 77}, {0, 99}, {1999, 5}};
    made = frozen(m, given, LENGTH(given));
    expect_word(made, ONE, 11);
    expect_word(made, TWO, UINT32_MAX);
    expect_word(made, SAME, UINT32_MAX);
    expect_bool(made, YES, true);
    expect_bool(made, NO, false);
    expect_bool(made, YES_GIVEN, false);
    expect_bool(made, NO_GIVEN, true);
    expect_word(made, PLAIN, 14);
    expect_bool(made, PLAIN_YES, true);
    free(made.words);
}

Test(spirv_freeze, wide_and_real_constants_keep_their_bits)
{
    enum { LONG = FREE, REAL, WIDE_REAL, SHORT };
    begin();
    for (uint32_t i = 0; i < 4; ++i) {
        put_spec_id(LONG + i, i);
    }
    put_types();
    PUT(OP_SPEC_CONSTANT, ULONG, LONG, 0x55667788, 0x11223344);
    PUT(OP_SPEC_CONSTANT, FLOAT, REAL, 0x40490fdb);
    PUT(OP_SPEC_CONSTANT, DOUBLE, WIDE_REAL, 0x54442d18, 0x400921fb);
    PUT(OP_SPEC_CONSTANT, USHORT, SHORT, 0xffff);
    struct module made = frozen(end(), NULL, 0);
    const uint32_t expected[] = {
        5u << 16 | OP_CONSTANT, ULONG,  LONG,      0x55667788, 0x11223344,
        4u << 16 | OP_CONSTANT, FLOAT,  REAL,      0x40490fdb, /* pi */
        5u << 16 | OP_CONSTANT, DOUBLE, WIDE_REAL, 0x54442d18, 0x400921fb,
        4u << 16 | OP_CONSTANT, USHORT, SHORT,     0xffff,
    };
    cr_assert_arr_eq(constant(made, LONG), expected, sizeof expected);
    free(made.words);
}

/* ---- composites ---- */

Test(spirv_freeze, a_composite_is_frozen_if_all_of_it_is)
{
    enum { OPEN = RESULT, NOTHING, WHOLE, WITH_NOTHING, HALF, NEST, PAIR, WHOLE_NEST, HALF_NEST };
    begin_with_operands();
    PUT(OP_TYPE_STRUCT, PAIR, UVEC3, UVEC3);
    PUT(OP_SPEC_CONSTANT_OP, UINT, OPEN, OP_S_DIV, A, B);
    PUT(OP_CONSTANT_NULL, UINT, NOTHING);
    PUT(OP_SPEC_CONSTANT_COMPOSITE, UVEC3, WHOLE, A, B, A);
    PUT(OP_SPEC_CONSTANT_COMPOSITE, UVEC3, WITH_NOTHING, A, NOTHING, NOTHING);
    PUT(OP_SPEC_CONSTANT_COMPOSITE, UVEC3, HALF, A, OPEN, B);
    PUT(OP_SPEC_CONSTANT_COMPOSITE, PAIR, WHOLE_NEST, WHOLE, WITH_NOTHING);
    PUT(OP_SPEC_CONSTANT_COMPOSITE, PAIR, HALF_NEST, WHOLE, HALF);
    struct module made = frozen(end(), NULL, 0);
    cr_assert_eq(opcode_of(made, WHOLE), OP_CONSTANT_COMPOSITE);
    cr_assert_eq(opcode_of(made, WITH_NOTHING), OP_CONSTANT_COMPOSITE);
    cr_assert_eq(opcode_of(made, WHOLE_NEST), OP_CONSTANT_COMPOSITE);
    cr_assert_eq(opcode_of(made, HALF), OP_SPEC_CONSTANT_COMPOSITE);
    cr_assert_eq(opcode_of(made, HALF_NEST), OP_SPEC_CONSTANT_COMPOSITE);
    cr_assert_arr_eq(constant(made, HALF) + 1, ((uint32_t[]){UVEC3, HALF, A, OPEN, B}), 20);
    free(made.words);
}

/* ---- whole modules ---- */

/* What a module says once its constants have no ids: Gyre's version and number of answers were
 * such constants, and without them it is no kernel of Gyre. */
static void forget_ids(struct spirv_info *info)
{
    info->interface_version = 0;
    info->max_sends = 0;
    info->input = info->output = (struct spirv_slots){0};
    info->state.present = false;
    info->state.size = 0;
    info->local_size_specialised = false;
    for (int axis = 0; axis < 3; ++axis) {
        info->local_size_ids[axis] = SPIRV_NO_ID;
    }
}

Test(spirv_freeze, every_module_with_its_defaults_reads_as_before)
{
    DIR *folder = opendir(GYRE_TEST_MODULES);
    cr_assert_not_null(folder);
    uint32_t modules = 0;
    uint32_t for_vulkan = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        static struct spirv_info before;
        static struct spirv_info after;
        if (!strstr(entry->d_name, ".spv")) {
            continue;
        }
        struct module m = load(entry->d_name);
        if (read(m, &before) == SPIRV_OK) {
            struct module made = frozen(m, NULL, 0);
            cr_assert_eq(read(made, &after), SPIRV_OK, "%s: %s", entry->d_name, reason);
            forget_ids(&before);
            cr_assert_arr_eq(&after, &before, sizeof after, "%s", entry->d_name);
            modules += 1;
            for_vulkan += is_valid_for_vulkan(made);
            free(made.words);
        }
        free(m.words);
    }
    closedir(folder);
    cr_assert(modules > 30 && for_vulkan > 20, "%u modules, %u of them valid by Vulkan 1.2",
              modules, for_vulkan);
}

static void check_local_size(const char *name, struct spirv_constant given, uint32_t x, uint32_t y,
                             uint32_t z)
{
    static struct spirv_info info;
    struct module m = load(name);
    struct module made = frozen(m, &given, 1);
    cr_assert_eq(read(made, &info), SPIRV_OK, "%s: %s", name, reason);
    cr_assert_not(info.local_size_specialised);
    cr_assert(info.local_size[0] == x && info.local_size[1] == y && info.local_size[2] == z,
              "%s: %u, %u, %u", name, info.local_size[0], info.local_size[1], info.local_size[2]);
    free(made.words);
    free(m.words);
}

/* By a decorated constant, or by an execution mode; 9 and 49 are computed. */
Test(spirv_freeze, a_local_size_by_id_is_what_was_given)
{
    check_local_size("rich.spv", (struct spirv_constant){8, 17}, 17, 2, 1);
    check_local_size("rich.vulkan1.3.spv", (struct spirv_constant){8, 17}, 17, 2, 1);
    check_local_size("rich.spv", (struct spirv_constant){9, 17}, 1, 2, 1);
    check_local_size("local_size_id.spv", (struct spirv_constant){4, 7}, 16, 3, 9);
    check_local_size("local_size_id.spv", (struct spirv_constant){5, 7}, 16, 7, 49);
}

/* The lengths of arrays in blocks and in shared memory are what was given, too. */
Test(spirv_freeze, sizes_follow_what_was_given)
{
    static struct spirv_info before;
    static struct spirv_info after;
    struct module m = load("rich.spv");
    struct module made = frozen(m, &(struct spirv_constant){7, 3}, 1);
    cr_assert_eq(read(m, &before), SPIRV_OK);
    cr_assert_eq(read(made, &after), SPIRV_OK, "%s", reason);
    /* uint[side * side + 1], from 4 to 3 */
    cr_assert_eq(after.shared_memory_size, before.shared_memory_size - 4 * (16 - 9));
    free(made.words);
    free(m.words);
}

/* ---- damage ---- */

static void survive(struct module m)
{
    static struct spirv_info info;
    static const struct spirv_constant given[] = {{1, 0}, {5, 0}, {7, 3}, {8, UINT32_MAX}};
    struct module made;
    bool good = read(m, &info) == SPIRV_OK;
    if (freeze(m, given, LENGTH(given), &made)) {
        read(made, &info);
        free(made.words);
    }
    if (good) {
        cr_assert(freeze(m, NULL, 0, &made));
        cr_assert_eq(read(made, &info), SPIRV_OK, "%s", reason);
        free(made.words);
    }
}

/* Where its functions begin: behind that it copies. */
static size_t code_of(struct module m)
{
    size_t i = SPIRV_HEADER_WORDS;
    while (i < m.count && (m.words[i] & 0xffff) != OP_FUNCTION) {
        i += m.words[i] >> 16;
    }
    return i;
}

Test(spirv_freeze, survives_any_word_replaced)
{
    static const char *const names[] = {"plain.stripped.spv", "rich.stripped.spv",
                                        "local_size_id.spv", "foreign.stripped.spv"};
    for (size_t n = 0; n < LENGTH(names); ++n) {
        struct module m = load(names[n]);
        size_t code = code_of(m);
        for (size_t i = 0; i < code; ++i) {
            uint32_t kept = m.words[i];
            const uint32_t others[] = {0,        UINT32_MAX,        kept + 1,
                                       kept - 1, kept + (1u << 16), m.words[3] - 1};
            /* A bound is vouched for by the words, of which there are fewer then. */
            for (size_t k = 0; i != 3 && k < LENGTH(others); ++k) {
                m.words[i] = others[k];
                survive(m);
            }
            m.words[i] = kept;
        }
        free(m.words);
    }
}

Test(spirv_freeze, makes_no_whole_module_of_one_that_was_cut_off)
{
    static struct spirv_info info;
    struct module m = load("rich.stripped.spv");
    for (size_t count = 0; count < m.count; ++count) {
        struct module cut = {malloc(count * sizeof *m.words + 1), count};
        memcpy(cut.words, m.words, count * sizeof *m.words);
        struct module made;
        /* Cut between two instructions of its code it is not told from a whole one here. */
        if (freeze(cut, NULL, 0, &made)) {
            cr_assert_neq(read(made, &info), SPIRV_OK, "%zu words", count);
            free(made.words);
        }
        free(cut.words);
    }
    free(m.words);
}
