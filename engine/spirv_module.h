/* spirv_module: the words of a SPIR-V module, and what they declare outside of functions. For
 * spirv.c and spirv_freeze.c only.
 *
 * A *thing* is a type, a constant, a global variable or a function. Opening a module finds all
 * things, then their names and decorations, then the sizes of types and the values of constants,
 * each in one pass and in the order of the module: SPIR-V declares before use, so there is nothing
 * to recurse into and no cycle to fall for.
 */
#ifndef GYRE_SPIRV_MODULE_H
#define GYRE_SPIRV_MODULE_H

#include "spirv.h"
#include "spirv_words.h"

#define HUGE_SIZE (1ull << 32) /* every size that 32 bits do not hold */

struct instruction {
    uint32_t at; /* its first word */
    uint16_t opcode;
    uint16_t length;
};

#define FIRST_INSTRUCTION ((struct instruction){.length = SPIRV_HEADER_WORDS})

enum flag {
    FLAG_KNOWN = 1 << 0, /* `value` and `align` are right */
    FLAG_SPECIALISED = 1 << 1,
    FLAG_BLOCK = 1 << 2,
    FLAG_BUFFER_BLOCK = 1 << 3,
    FLAG_ROW_MAJOR = 1 << 4,
    FLAG_NON_WRITABLE = 1 << 5,
    FLAG_WORKGROUP_SIZE = 1 << 6,
    FLAG_SPEC_ID = 1 << 7,
    FLAG_SET = 1 << 8,
    FLAG_BINDING = 1 << 9,
    FLAG_OFFSET = 1 << 10,
};

/* Hostile modules decorate anything with anything, so no two fields share memory. */
struct thing {
    struct instruction in;
    uint32_t flags;
    uint32_t name; /* word where its string begins, 0: none */
    uint32_t array_stride;
    uint32_t align; /* natural, as in std430 */
    uint32_t set;
    uint32_t binding;
    uint32_t spec_id;
    uint32_t first_member; /* of a struct, in module.members */
    uint64_t value;        /* of a constant; the size of a type, at most HUGE_SIZE */
};

struct member {
    uint32_t offset;
    uint32_t matrix_stride;
    uint32_t flags;
};

struct module {
    const unsigned char *bytes;
    uint32_t words;
    uint32_t id_bound;
    void *memory;    /* the three tables */
    uint32_t *index; /* id -> number of its thing + 1 */
    struct thing *things;
    uint32_t thing_count;
    uint32_t thing_capacity;
    struct member *members;
    uint32_t member_count;
    uint32_t member_capacity;
    enum spirv_result result; /* the first failure ends every loop over the module */
    char *reason;             /* SPIRV_REASON_SIZE bytes, never NULL */
};

/* All but `reason` is zero before. Whatever comes of it, module_close() follows. */
void module_open(struct module *m, const void *bytes, size_t size);
void module_close(struct module *m);

/* Only the first failure counts; `format` is a sentence for humans that says what to do. */
__attribute__((format(printf, 3, 4))) void module_fail(struct module *m, enum spirv_result result,
                                                       const char *format, ...);

/* Steps from FIRST_INSTRUCTION to the next one and on. False at the end and after a failure. */
bool module_next(struct module *m, struct instruction *in);

/* Word `i` of an instruction; 0, with a failure, when it is not that long. */
uint32_t module_operand(struct module *m, struct instruction in, uint32_t i);

/* The string at word `i` of an instruction; NULL, with a failure, when it does not end in it. */
const char *module_string(struct module *m, struct instruction in, uint32_t i);

/* NULL: `id` is no thing (of that opcode). */
struct thing *module_find(const struct module *m, uint32_t id);
struct thing *module_find_opcode(const struct module *m, uint32_t id, enum opcode opcode);

/* NULL also when its size or value could not be told. */
const struct thing *module_known_type(const struct module *m, uint32_t id);
const struct thing *module_known_constant(const struct module *m, uint32_t id);

/* Part `i` of a constant vector, NULL if there is none or its value is not known. */
bool module_is_composite(const struct thing *t);
const struct thing *module_constituent(struct module *m, const struct thing *t, uint32_t i);

/* The members of a struct. A matrix is as large as the struct that holds it says. */
uint32_t module_member_count(const struct thing *t);
struct member *module_member(const struct module *m, const struct thing *t, uint32_t i);
uint32_t module_member_type(struct module *m, const struct thing *t, uint32_t i);
uint64_t module_member_size(struct module *m, const struct member *member,
                            const struct thing *type);

/* Its OpName, cut to fit and without control characters: it may be printed. Empty: it has none. */
void module_copy_name(const struct module *m, const struct thing *t, char name[SPIRV_NAME_SIZE]);

uint64_t module_align_up(uint64_t size, uint32_t align);

#endif
