/* The reader of modules, over what glslc makes of tests/unit/shaders and over damaged copies of it.
 * GYRE_TEST_MODULES is the folder that shaders/compile.cmake filled. */
#include "spirv.h"
#include "spirv_sane.h"

#define GYRE_WIRE_C
#include "gyre/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef HAS_ADDRESS_SANITIZER
#define HAS_ADDRESS_SANITIZER 0
#endif

/* As numbered by the SPIR-V specification. */
enum { FLOAT64 = 10, INT64 = 11, VULKAN_MEMORY_MODEL = 5345 };
enum { OP_NOP = 0, OP_ENTRY_POINT = 15, OP_CAPABILITY = 17 };

struct module {
    uint32_t *words;
    size_t count;
};

static struct spirv_info info;
static char reason[SPIRV_REASON_SIZE];

static struct module load(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, GYRE_TEST_MODULES "/%s.spv", name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s is missing", path);
    struct module m = {.words = malloc(1 << 20)};
    m.count = fread(m.words, sizeof *m.words, (1 << 20) / sizeof *m.words, file);
    fclose(file);
    cr_assert_gt(m.count, 5);
    /* Of its own size, so that AddressSanitizer sees one byte too far. */
    m.words = realloc(m.words, m.count * sizeof *m.words);
    return m;
}

static enum spirv_result read_bytes(const void *bytes, size_t size)
{
    enum spirv_result result = spirv_read(bytes, size, &info, reason);
    if (!spirv_is_sane(result, &info, reason)) { /* a cr_assert() each time would cost seconds */
        cr_assert_fail("result %d: %s", result, reason);
    }
    return result;
}

static enum spirv_result read_module(struct module m)
{
    return read_bytes(m.words, m.count * sizeof *m.words);
}

static void read_good(const char *name)
{
    struct module m = load(name);
    enum spirv_result result = read_module(m);
    cr_assert_eq(result, SPIRV_OK, "%s: result %d: %s", name, result, reason);
    free(m.words);
}

static void read_bad(const char *name, enum spirv_result expected, const char *said)
{
    struct module m = load(name);
    enum spirv_result result = read_module(m);
    cr_assert_eq(result, expected, "%s: result %d: %s", name, result, reason);
    cr_assert(strstr(reason, said), "%s: %s", name, reason);
    free(m.words);
}

/* The first instruction of that opcode. */
static uint32_t *first_of(struct module m, uint32_t opcode)
{
    for (size_t at = 5; at < m.count; at += m.words[at] >> 16) {
        if ((m.words[at] & 0xffff) == opcode) {
            return &m.words[at];
        }
    }
    cr_assert_fail("no opcode %u", opcode);
    return NULL;
}

static void check_members(const struct spirv_slots *slots, const struct spirv_member *members,
                          uint32_t count)
{
    cr_assert_eq(slots->member_count, count);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(slots->members[i].offset, members[i].offset, "member %u", i);
        cr_assert_eq(slots->members[i].size, members[i].size, "member %u", i);
    }
}

static const char *const ways[] = {
    "", ".vulkan1.0", ".vulkan1.3", ".optimised", ".stripped",
};

/* Runs `check` over every way in which `name` was compiled. */
static void every_way(const char *name, void (*check)(bool has_names))
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char full[64];
        snprintf(full, sizeof full, "%s%s", name, ways[i]);
        read_good(full);
        check(i < 3);
    }
}

/* ---- what is read ---- */

static void check_plain(bool has_names)
{
    (void)has_names;
    cr_assert_str_eq(info.entry_point, "main");
    cr_assert_eq(info.local_size[0], 64);
    cr_assert_eq(info.local_size[1], 2);
    cr_assert_eq(info.local_size[2], 1);
    cr_assert_eq(info.local_size_ids[0], SPIRV_NO_ID);
    cr_assert_not(info.local_size_specialised);
    cr_assert_eq(info.interface_version, GYRE_WIRE_VERSION);
    cr_assert_eq(info.max_sends, 3);
    cr_assert_eq(info.capability_count, 1);
    cr_assert_not(info.vulkan_memory_model);
    cr_assert_not(info.memory_barriers);
    cr_assert(info.loops);
    cr_assert_not(info.state.present);
    cr_assert_eq(info.user_block_count, 0);
    cr_assert_eq(info.shared_memory_size, 0);
    cr_assert_eq(info.push_constant_size, 0);

    cr_assert_eq(info.input.data_offset, sizeof(struct gyre_Header));
    cr_assert_eq(info.input.stride, 80);
    cr_assert_eq(info.input.data_size, 44); /* a vec3 at the end: 4 bytes of padding follow */
    cr_assert_eq(info.input.padded_size, 48);
    check_members(&info.input, (struct spirv_member[]){{0, 16}, {16, 4}, {32, 12}}, 3);
    cr_assert_eq(info.output.stride, 52);
    cr_assert_eq(info.output.data_size, 20);
    check_members(&info.output, (struct spirv_member[]){{0, 16}, {16, 4}}, 2);
}

Test(spirv, reads_a_kernel_however_it_was_compiled)
{
    every_way("plain", check_plain);
}

static const struct spirv_block *block_at(uint32_t set, uint32_t binding)
{
    for (uint32_t i = 0; i < info.user_block_count; i++) {
        if (info.user_blocks[i].set == set && info.user_blocks[i].binding == binding) {
            return &info.user_blocks[i];
        }
    }
    cr_assert_fail("no block at set %u, binding %u", set, binding);
    return NULL;
}

static void check_block(const struct spirv_block *block, const struct spirv_block *expected)
{
    cr_assert_eq(block->kind, expected->kind, "%s", expected->name);
    cr_assert_eq(block->read_only, expected->read_only, "%s", expected->name);
    cr_assert_eq(block->fixed_size, expected->fixed_size, "%s", expected->name);
    cr_assert_eq(block->array_stride, expected->array_stride, "%s", expected->name);
    cr_assert_eq(block->count, expected->count, "%s", expected->name);
}

static void check_rich(bool has_names)
{
    static const struct spirv_block blocks[] = {
        {1, 0, SPIRV_STORAGE_BUFFER, true, 32, 16, 1, "Model"},
        {1, 3, SPIRV_UNIFORM_BUFFER, true, 64, 0, 1, "Settings"},
        {2, 1, SPIRV_OTHER_DESCRIPTOR, false, 0, 0, 6, "pictures"},
        {3, 9, SPIRV_STORAGE_BUFFER, false, 64, 0, 2, "Log"},
    };
    cr_assert_eq(info.user_block_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct spirv_block *block = block_at(blocks[i].set, blocks[i].binding);
        check_block(block, &blocks[i]);
        cr_assert_str_eq(block->name, has_names ? blocks[i].name : "");
    }
    cr_assert_eq(info.push_constant_size, 32);
    /* vec3[3] in 16-byte steps, 17 words by default, a bool: and padding, by their order */
    cr_assert_geq(info.shared_memory_size, 48 + 68 + 4);
    cr_assert_lt(info.shared_memory_size, 48 + 68 + 4 + 16);
    cr_assert(spirv_has_capability(&info, FLOAT64));
    cr_assert(spirv_has_capability(&info, INT64));
    cr_assert_not(spirv_has_capability(&info, VULKAN_MEMORY_MODEL));
}

Test(spirv, reads_the_users_blocks)
{
    every_way("rich", check_rich);
}

static void check_layout(bool has_names)
{
    (void)has_names;
    static const struct spirv_member request[] = {
        {0, 1},    /* uint8_t */
        {16, 160}, /* struct[5] */
        {176, 48}, /* mat3 */
        {224, 64}, /* mat4x2[2] */
        {288, 8},  /* double */
        {296, 8},  /* uint64_t */
        {304, 32}, /* int64_t[side], by its default */
        {336, 8},  /* a pointer to its own kind */
        {352, 24}, /* dvec3 */
    };
    cr_assert_eq(info.input.stride, 416);
    cr_assert_eq(info.input.data_size, 376);
    cr_assert_eq(info.input.padded_size, 384);
    check_members(&info.input, request, 9);
    static const struct spirv_member response[] = {{0, 32}, {32, 8}, {40, 8}, {48, 4}};
    cr_assert_eq(info.output.stride, 96);
    check_members(&info.output, response, 4);
    cr_assert(info.state.present);
    cr_assert_eq(info.state.size, 32);
}

Test(spirv, lays_out_nested_structs_matrices_and_wide_types)
{
    every_way("rich", check_layout);
}

static void check_local_size(bool has_names)
{
    (void)has_names;
    cr_assert(info.local_size_specialised);
    cr_assert_eq(info.local_size_ids[0], 8);
    cr_assert_eq(info.local_size_ids[1], SPIRV_NO_ID);
    cr_assert_eq(info.local_size[1], 2);
}

Test(spirv, reads_a_specialised_local_size)
{
    every_way("rich", check_local_size);
    read_good("local_size_id");
    cr_assert_str_eq(info.entry_point, "only");
    cr_assert_eq(info.local_size[0], 16);
    cr_assert_eq(info.local_size[1], 3);
    cr_assert_eq(info.local_size_ids[1], 5);
    cr_assert_eq(info.local_size[2], 9); /* computed from the second */
    cr_assert_eq(info.local_size_ids[2], SPIRV_NO_ID);
    cr_assert(info.local_size_specialised);
}

static void check_memory_model(bool has_names)
{
    (void)has_names;
    cr_assert(info.vulkan_memory_model);
    cr_assert(spirv_has_capability(&info, VULKAN_MEMORY_MODEL));
    cr_assert_not(info.memory_barriers); /* a relaxed atomic and barrier() */
    check_members(&info.input, (struct spirv_member[]){{0, 48}}, 1); /* a bare mat3 */
    check_members(&info.output, (struct spirv_member[]){{0, 4}}, 1);
    cr_assert_eq(info.state.size, 4);
}

Test(spirv, reads_messages_that_are_not_structs)
{
    every_way("memory_model", check_memory_model);
}

static void check_doubler(const char *name)
{
    read_good(name);
    cr_assert_eq(info.interface_version, GYRE_WIRE_VERSION, "%s", name);
    cr_assert_eq(info.max_sends, 2);
    cr_assert_eq(info.local_size[0], 32);
    cr_assert_eq(info.input.data_size, 48);
    check_members(&info.output, (struct spirv_member[]){{0, 48}, {48, 8}}, 2);
    cr_assert_eq(info.state.size, 16);
    cr_assert_eq(info.user_block_count, 1);
    cr_assert_eq(info.user_blocks[0].array_stride, 4);
    cr_assert(info.user_blocks[0].read_only);
}

Test(spirv, tells_what_is_the_users_from_the_engines)
{
    static const char *const kernels[][2] = {
        {"kernel_doubler", "kernel_fenced"},
        {"kernel_doubler.optimised", "kernel_fenced.optimised"},
        {"kernel_doubler.stripped", "kernel_fenced.stripped"},
        {"kernel_doubler.vulkan1.3", "kernel_fenced.vulkan1.3"},
    };
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        check_doubler(kernels[i][0]);
        cr_assert_not(info.memory_barriers, "%s", kernels[i][0]);
        cr_assert_not(info.coherent_accesses, "%s", kernels[i][0]);
        cr_assert_leq(info.shared_memory_size, GYRE_SHARED_BYTES, "%s", kernels[i][0]);
        check_doubler(kernels[i][1]);
        cr_assert(info.memory_barriers, "%s", kernels[i][1]);
    }
    read_good("kernel_doubler");
    cr_assert_eq(info.shared_memory_size, GYRE_SHARED_BYTES); /* of which -O may take some away */
    read_good("memory_barrier");
    cr_assert(info.memory_barriers);
}

/* Puts id `to` in place of id `from` at one place after the other; at all of them something orders
 * memory. */
static size_t swap_each(struct module m, uint32_t from, uint32_t to)
{
    size_t swapped = 0;
    size_t code = (size_t)(first_of(m, 54) - m.words); /* OpFunction */
    for (size_t i = code; i < m.count; i++) {
        if (m.words[i] == from) {
            m.words[i] = to;
            cr_assert_eq(read_module(m), SPIRV_OK, "%s", reason);
            cr_assert(info.memory_barriers, "word %zu", i);
            m.words[i] = from;
            swapped++;
        }
    }
    return swapped;
}

Test(spirv, sees_ordered_semantics_on_every_atomic)
{
    struct module m = load("atomics");
    cr_assert_eq(read_module(m), SPIRV_OK, "%s", reason);
    cr_assert_not(info.memory_barriers);
    cr_assert_eq(swap_each(m, 7777, 7778), 23); /* 21 atomics, two of them with two semantics */
    cr_assert_eq(swap_each(m, 7777, 9999), 23); /* no constant: may be anything */
    free(m.words);
}

Test(spirv, sees_a_control_barrier_beyond_the_workgroup)
{
    struct module m = load("atomics");
    uint32_t *barrier = first_of(m, 224);
    cr_assert_eq(barrier[1], 7779);
    barrier[1] = 12; /* Device */
    cr_assert_eq(read_module(m), SPIRV_OK);
    cr_assert(info.memory_barriers);
    free(m.words);
}

Test(spirv, chooses_the_compute_entry_named_main)
{
    read_good("main_of_two");
    cr_assert_str_eq(info.entry_point, "main");
    cr_assert_eq(info.local_size[0], 4);
    cr_assert_eq(info.local_size[2], 6);
    read_bad("two_entries", SPIRV_MULTIPLE_ENTRY_POINTS, "main");
}

Test(spirv, knows_a_module_that_is_no_gyre_kernel)
{
    read_good("foreign");
    cr_assert_eq(info.interface_version, 0);
    cr_assert_not(info.output.present);
    read_good("other_version");
    cr_assert_eq(info.interface_version, 0x7fff);
    cr_assert_not(info.input.present);
}

/* ---- what is refused ---- */

Test(spirv, refuses_other_stages)
{
    read_bad("picture", SPIRV_NOT_COMPUTE, "fragment");
    read_bad("opencl", SPIRV_NOT_COMPUTE, "OpenCL");
}

Test(spirv, refuses_a_users_block_in_the_engines_set)
{
    read_bad("misplaced", SPIRV_BAD_INTERFACE, "set 0, binding 3 (Mine)");
    read_bad("misplaced.stripped", SPIRV_BAD_INTERFACE, "set = 1");
}

Test(spirv, refuses_decoration_groups)
{
    read_bad("decoration_group", SPIRV_LIMIT, "--flatten-decorations");
}

Test(spirv, refuses_what_is_not_spirv)
{
    static const char text[] = "#version 460\nvoid main() {}\n";
    cr_assert_eq(read_bytes(text, sizeof text), SPIRV_NOT_SPIRV);
    cr_assert_eq(read_bytes(text, 3), SPIRV_NOT_SPIRV);
    cr_assert_eq(read_bytes(NULL, 0), SPIRV_NOT_SPIRV);
}

Test(spirv, refuses_swapped_bytes)
{
    struct module m = load("plain");
    for (size_t i = 0; i < m.count; i++) {
        m.words[i] = __builtin_bswap32(m.words[i]);
    }
    cr_assert_eq(read_module(m), SPIRV_BIG_ENDIAN);
    free(m.words);
}

Test(spirv, refuses_other_versions)
{
    static const uint32_t bad[] = {0, 0x00010700, 0x00020000, 0x00000900, 0x01010000, 0x00010001};
    struct module m = load("plain");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        m.words[1] = bad[i];
        cr_assert_eq(read_module(m), SPIRV_UNSUPPORTED_VERSION, "%08x", bad[i]);
    }
    free(m.words);
}

Test(spirv, refuses_an_id_bound_that_the_size_does_not_vouch_for)
{
    struct module m = load("plain");
    m.words[3] = 65536 + 4 * (uint32_t)m.count + 1;
    cr_assert_eq(read_module(m), SPIRV_LIMIT);
    m.words[3]--;
    cr_assert_eq(read_module(m), SPIRV_OK);
    m.words[3] = 0;
    cr_assert_eq(read_module(m), SPIRV_MALFORMED);
    m.words[3] = 2;
    cr_assert_eq(read_module(m), SPIRV_MALFORMED);
    free(m.words);
}

/* SPIRV-Tools lets it pass; lavapipe 25.0.7 crashes. */
Test(spirv, refuses_a_word_in_the_place_of_the_schema)
{
    struct module m = load("plain");
    m.words[4] = 1;
    cr_assert_eq(read_module(m), SPIRV_MALFORMED);
    free(m.words);
}

Test(spirv, refuses_more_capabilities_than_there_is_room_for)
{
    struct module m = load("foreign");
    size_t more = 2 * SPIRV_MAX_CAPABILITIES;
    uint32_t *words = malloc((m.count + more) * sizeof *words);
    memcpy(words, m.words, 5 * sizeof *words);
    for (uint32_t i = 0; i < SPIRV_MAX_CAPABILITIES; i++) {
        words[5 + 2 * i] = 2u << 16 | OP_CAPABILITY;
        words[6 + 2 * i] = 100; /* one and the same counts once */
    }
    memcpy(words + 5 + more, m.words + 5, (m.count - 5) * sizeof *words);
    struct module n = {words, m.count + more};
    cr_assert_eq(read_module(n), SPIRV_OK, "%s", reason);
    cr_assert_eq(info.capability_count, 2);
    for (uint32_t i = 0; i < SPIRV_MAX_CAPABILITIES; i++) {
        words[6 + 2 * i] = 100 + i;
    }
    cr_assert_eq(read_module(n), SPIRV_LIMIT);
    free(words);
    free(m.words);
}

Test(spirv, refuses_a_local_size_of_nothing)
{
    struct module m = load("main_of_two");
    for (size_t at = 5; at < m.count; at += m.words[at] >> 16) {
        if ((m.words[at] & 0xffff) == 16 && m.words[at + 3] == 4) {
            m.words[at + 4] = 0;
        }
    }
    cr_assert_eq(read_module(m), SPIRV_MALFORMED);
    cr_assert(strstr(reason, "local_size_x"));
    free(m.words);
}

Test(spirv, says_when_it_has_no_memory)
{
    if (HAS_ADDRESS_SANITIZER) {
        cr_skip_test("AddressSanitizer cannot live with a limit of address space");
    }
    /* OpNop all over: large enough to vouch for an id bound, too large for the limit. */
    size_t count = 1 << 20;
    uint32_t *words = calloc(count, sizeof *words);
    cr_assert_not_null(words);
    struct module m = load("plain");
    memcpy(words, m.words, m.count * sizeof *words);
    for (size_t i = m.count; i < count; i++) {
        words[i] = 1u << 16 | OP_NOP;
    }
    words[3] = 0x3fffff;
    struct module large = {words, count};
    cr_assert_eq(read_module(large), SPIRV_OK);
    struct rlimit before;
    getrlimit(RLIMIT_AS, &before);
    setrlimit(RLIMIT_AS, &(struct rlimit){1 << 20, before.rlim_max});
    enum spirv_result result = spirv_read(words, count * sizeof *words, &info, reason);
    setrlimit(RLIMIT_AS, &before);
    cr_assert_eq(result, SPIRV_NO_MEMORY);
    cr_assert(strstr(reason, "memory"));
    free(words);
    free(m.words);
}

/* ---- damage ---- */

Test(spirv, never_takes_a_module_that_was_cut_off)
{
    static const char *const names[] = {"plain", "rich.stripped", "kernel_doubler"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        struct module m = load(names[n]);
        for (size_t size = 0; size < m.count * 4; size++) {
            unsigned char *copy = malloc(size + !size);
            memcpy(copy, m.words, size);
            enum spirv_result result = read_bytes(copy, size);
            cr_assert_eq(result, size < 4 ? SPIRV_NOT_SPIRV : SPIRV_TRUNCATED, "%s at %zu: %d %s",
                         names[n], size, result, reason);
            free(copy);
        }
        free(m.words);
    }
}

Test(spirv, survives_any_word_replaced)
{
    static const char *const names[] = {"plain",          "rich",          "memory_model.optimised",
                                        "memory_barrier", "local_size_id", "atomics",
                                        "plain.optimised"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        struct module m = load(names[n]);
        size_t taken = 0;
        for (size_t i = 0; i < m.count; i++) {
            uint32_t kept = m.words[i];
            const uint32_t others[] = {0,
                                       UINT32_MAX,
                                       kept + 1,
                                       kept - 1,
                                       m.words[3] - 1,
                                       kept ^ 0x80000000,
                                       kept + (1u << 16),
                                       0x7fffffff};
            for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
                m.words[i] = others[k];
                taken += read_module(m) == SPIRV_OK;
            }
            m.words[i] = kept;
        }
        cr_assert_gt(taken, 0); /* or this tested no more than the first check */
        free(m.words);
    }
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

Test(spirv, survives_words_of_the_module_in_wrong_places)
{
    struct module m = load("rich");
    uint32_t *copy = malloc(m.count * sizeof *copy);
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, m.words, m.count * sizeof *copy);
        for (uint32_t k = 0; k <= random_word() % 4; k++) {
            copy[5 + random_word() % (m.count - 5)] = copy[random_word() % m.count];
        }
        read_module((struct module){copy, m.count});
    }
    free(copy);
    free(m.words);
}

Test(spirv, survives_random_bytes)
{
    uint32_t words[256];
    for (int round = 0; round < 20000; round++) {
        size_t count = 5 + random_word() % 251;
        for (size_t i = 0; i < count; i++) {
            words[i] = random_word();
        }
        cr_assert_eq(read_bytes(words, count * 4), SPIRV_NOT_SPIRV);
        words[0] = 0x07230203;
        words[1] = 0x00010000 | random_word() % 7 << 8;
        words[3] = 1 + random_word() % 1000;
        cr_assert_neq(read_bytes(words, count * 4), SPIRV_OK);
    }
}

/* ---- hostile on purpose ---- */

static size_t put(uint32_t *words, size_t at, uint32_t opcode, const uint32_t *operands,
                  uint32_t count)
{
    words[at] = (count + 1) << 16 | opcode;
    memcpy(words + at + 1, operands, count * sizeof *words);
    return at + 1 + count;
}

#define PUT(opcode, ...) \
    at = put(words, at, opcode, (uint32_t[]){__VA_ARGS__}, \
             sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* A whole module around declarations that begin at word `*from`. Ids from 10 up are free. */
static size_t begin_module(uint32_t *words)
{
    const uint32_t header[] = {0x07230203, 0x00010300, 0, 60000, 0};
    memcpy(words, header, sizeof header);
    size_t at = 5;
    PUT(OP_CAPABILITY, 1);
    PUT(14, 0, 1);                            /* OpMemoryModel Logical GLSL450 */
    PUT(OP_ENTRY_POINT, 5, 1, 0x6e69616d, 0); /* GLCompute %1 "main" */
    PUT(16, 1, 17, 1, 1, 1);                  /* LocalSize */
    PUT(71, 9, 34, 1);                        /* OpDecorate %9 DescriptorSet 1 */
    PUT(71, 9, 33, 0);                        /* Binding 0 */
    return at;
}

static enum spirv_result end_module(uint32_t *words, size_t at)
{
    PUT(19, 2);                   /* OpTypeVoid */
    PUT(33, 3, 2);                /* OpTypeFunction */
    PUT(54, 2, 1, 0, 3);          /* OpFunction */
    PUT(248, 4);                  /* OpLabel */
    words[at++] = 1u << 16 | 253; /* OpReturn */
    words[at++] = 1u << 16 | 56;  /* OpFunctionEnd */
    return read_bytes(words, at * sizeof *words);
}

Test(spirv, a_type_inside_itself_has_no_size)
{
    static uint32_t words[256];
    size_t at = begin_module(words);
    PUT(71, 11, 2);        /* Block */
    PUT(72, 11, 0, 35, 0); /* Offset 0 */
    PUT(21, 12, 32, 0);
    PUT(43, 12, 13, 4);
    PUT(28, 10, 11, 13); /* %10 = %11[4] */
    PUT(30, 11, 10);     /* %11 = struct { %10 } */
    PUT(32, 14, 12, 11); /* pointer, StorageBuffer */
    PUT(59, 14, 9, 12);  /* variable %9 */
    cr_assert_eq(end_module(words, at), SPIRV_LIMIT);
}

Test(spirv, a_constant_is_no_type)
{
    static uint32_t words[256];
    size_t at = begin_module(words);
    PUT(21, 10, 32, 0);
    PUT(43, 10, 11, 4);
    PUT(32, 12, 4, 11); /* pointer to the constant, Workgroup */
    PUT(59, 12, 9, 4);
    cr_assert_eq(end_module(words, at), SPIRV_LIMIT);
}

/* Each struct holds the one before twice: walked as a tree this is 2^2000 members. */
Test(spirv, takes_linear_time_for_types_that_share)
{
    static uint32_t words[40000];
    size_t at = begin_module(words);
    PUT(21, 10, 32, 0);
    for (uint32_t id = 11; id < 2011; id++) {
        PUT(30, id, id - 1, id - 1);
    }
    PUT(32, 5000, 4, 2010); /* pointer, Workgroup */
    PUT(59, 5000, 9, 4);
    cr_assert_eq(end_module(words, at), SPIRV_LIMIT);
    cr_assert(strstr(reason, "shared memory"), "%s", reason);
}

Test(spirv, takes_linear_time_for_constants_that_share)
{
    static uint32_t words[40000];
    size_t at = begin_module(words);
    PUT(21, 10, 32, 0);
    PUT(50, 10, 11, 1);
    for (uint32_t id = 12; id < 2012; id++) {
        PUT(52, 10, id, 128, id - 1, id - 1); /* OpSpecConstantOp IAdd */
    }
    PUT(28, 5000, 10, 2011);
    PUT(32, 5001, 4, 5000);
    PUT(59, 5001, 9, 4);
    cr_assert_eq(end_module(words, at), SPIRV_LIMIT); /* 2^2000 words */
}

Test(spirv, counts_no_size_twice_around_the_32_bits)
{
    static uint32_t words[256];
    size_t at = begin_module(words);
    PUT(71, 12, 6, 0x80000000); /* ArrayStride */
    PUT(71, 13, 2);             /* Block */
    PUT(72, 13, 0, 35, 0x10);   /* Offset */
    PUT(21, 10, 32, 0);
    PUT(43, 10, 11, 2);
    PUT(28, 12, 10, 11); /* 2 * 2 GiB = 0 in 32 bits */
    PUT(30, 13, 12);
    PUT(32, 14, 12, 13);
    PUT(59, 14, 9, 12);
    cr_assert_eq(end_module(words, at), SPIRV_LIMIT);
}

Test(spirv, keeps_control_characters_out_of_names)
{
    static uint32_t words[256];
    size_t at = begin_module(words);
    PUT(5, 13, 0x4a325b1b, 0x0a07); /* OpName "ESC[2J" BEL LF */
    PUT(71, 13, 2);
    PUT(72, 13, 0, 35, 0);
    PUT(21, 10, 32, 0);
    PUT(30, 13, 10);
    PUT(32, 14, 12, 13);
    PUT(59, 14, 9, 12);
    cr_assert_eq(end_module(words, at), SPIRV_OK, "%s", reason);
    cr_assert_eq(info.user_block_count, 1);
    cr_assert_str_eq(info.user_blocks[0].name, "?[2J??");
}

/* Declares variable `id`, a storage block of one word, in set 1. */
static size_t put_block(uint32_t *words, size_t at, uint32_t id, uint32_t binding)
{
    PUT(71, id, 34, 1);
    PUT(71, id, 33, binding);
    PUT(59, 14, id, 12);
    return at;
}

static size_t begin_blocks(uint32_t *words)
{
    size_t at = begin_module(words);
    PUT(71, 13, 2);
    PUT(72, 13, 0, 35, 0);
    PUT(21, 10, 32, 0);
    PUT(30, 13, 10);
    PUT(32, 14, 12, 13);
    PUT(59, 14, 9, 12);
    return at;
}

Test(spirv, has_room_for_32_blocks_of_the_users)
{
    static uint32_t words[2048];
    size_t at = begin_blocks(words);
    for (uint32_t i = 1; i < SPIRV_MAX_USER_BLOCKS; i++) {
        at = put_block(words, at, 100 + i, i);
    }
    size_t full = at;
    at = put_block(words, at, 200, 3); /* one that is there already */
    cr_assert_eq(end_module(words, at), SPIRV_OK, "%s", reason);
    cr_assert_eq(info.user_block_count, SPIRV_MAX_USER_BLOCKS);
    at = put_block(words, full, 200, 32);
    cr_assert_eq(end_module(words, at), SPIRV_LIMIT);
}

Test(spirv, refuses_one_binding_for_two_kinds)
{
    static uint32_t words[256];
    size_t at = begin_blocks(words);
    PUT(26, 20); /* OpTypeSampler */
    PUT(32, 21, 0, 20);
    PUT(71, 22, 34, 1);
    PUT(71, 22, 33, 0);
    PUT(59, 21, 22, 0);
    cr_assert_eq(end_module(words, at), SPIRV_MALFORMED);
    cr_assert(strstr(reason, "set 1, binding 0"), "%s", reason);
}

Test(spirv, refuses_a_module_that_is_too_large)
{
    size_t size = SPIRV_MAX_MODULE_BYTES + 4;
    uint32_t *words = calloc(1, size);
    cr_assert_not_null(words);
    words[0] = 0x07230203;
    cr_assert_eq(read_bytes(words, size), SPIRV_LIMIT);
    cr_assert(strstr(reason, "16 MiB"));
    free(words);
}

Test(spirv, refuses_an_entry_point_of_a_long_name)
{
    static uint32_t words[256];
    uint32_t entry[2 + SPIRV_NAME_SIZE / 4 + 1] = {5, 1};
    memset(entry + 2, 'm', SPIRV_NAME_SIZE);
    size_t at =
        put(words, begin_module(words), OP_ENTRY_POINT, entry, sizeof entry / sizeof *entry);
    cr_assert_eq(end_module(words, at), SPIRV_OK); /* the one named main goes before it */
    first_of((struct module){words, at}, OP_ENTRY_POINT)[1] = 0; /* a vertex shader */
    cr_assert_eq(end_module(words, at), SPIRV_LIMIT);
}
