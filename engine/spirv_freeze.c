#include "spirv_freeze.h"

#include <stdlib.h>
#include <string.h>

#include "spirv_module.h"

/* What is known of an id. */
struct known {
    bool frozen; /* a constant, and no specialisation constant any more */
    bool valued; /* a 32-bit integer or a boolean, of this value */
    uint32_t value;
};

struct freezer {
    struct module m;
    const struct spirv_constant *constants;
    size_t constant_count;
    struct known *known; /* by id */
    uint32_t *words;     /* made: never more than there were */
    size_t count;
};

static void keep(struct freezer *f, struct instruction in)
{
    memcpy(f->words + f->count, f->m.bytes + (size_t)in.at * 4, (size_t)in.length * 4);
    f->count += in.length;
}

static void keep_as(struct freezer *f, struct instruction in, enum opcode opcode)
{
    keep(f, in);
    f->words[f->count - in.length] = (uint32_t)in.length << 16 | opcode;
}

/* False where ids are not what they should be. */
static struct known *known_of(struct freezer *f, uint32_t id)
{
    return id < f->m.id_bound ? &f->known[id] : NULL;
}

static bool is_word(const struct freezer *f, uint32_t type)
{
    const struct thing *t = module_known_type(&f->m, type);
    return t && t->in.opcode == OP_TYPE_INT && t->value == 4;
}

static bool is_bool(const struct freezer *f, uint32_t type)
{
    return module_find_opcode(&f->m, type, OP_TYPE_BOOL) != NULL;
}

/* Of a constant with a SpecId: the value given for it, else its default. */
static uint32_t given(const struct freezer *f, uint32_t id, uint32_t otherwise)
{
    const struct thing *t = module_find(&f->m, id);
    for (size_t i = 0; t && (t->flags & FLAG_SPEC_ID) && i < f->constant_count; ++i) {
        if (f->constants[i].id == t->spec_id) {
            return f->constants[i].value;
        }
    }
    return otherwise;
}

static void set_known(struct freezer *f, uint32_t id, bool valued, uint32_t value)
{
    struct known *known = known_of(f, id);
    if (known) {
        *known = (struct known){.frozen = true, .valued = valued, .value = value};
    }
}

static void freeze_bool(struct freezer *f, struct instruction in)
{
    uint32_t id = module_operand(&f->m, in, 2);
    bool is_true = in.opcode == OP_CONSTANT_TRUE || in.opcode == OP_SPEC_CONSTANT_TRUE;
    is_true = given(f, id, is_true) != 0;
    set_known(f, id, true, is_true);
    keep_as(f, in, is_true ? OP_CONSTANT_TRUE : OP_CONSTANT_FALSE);
}

static void freeze_number(struct freezer *f, struct instruction in)
{
    uint32_t id = module_operand(&f->m, in, 2);
    uint32_t value = given(f, id, module_operand(&f->m, in, 3));
    bool one_word = in.length == 4;
    set_known(f, id, one_word && is_word(f, module_operand(&f->m, in, 1)), value);
    keep_as(f, in, OP_CONSTANT);
    if (one_word) {
        f->words[f->count - 1] = value;
    }
}

/* One part that stays open keeps the whole open. */
static void freeze_composite(struct freezer *f, struct instruction in)
{
    bool frozen = true;
    for (uint32_t i = 3; i < in.length; ++i) {
        const struct known *part = known_of(f, module_operand(&f->m, in, i));
        frozen = frozen && part && part->frozen;
    }
    if (frozen) {
        set_known(f, module_operand(&f->m, in, 2), false, 0);
        keep_as(f, in, OP_CONSTANT_COMPOSITE);
    } else {
        keep(f, in);
    }
}

static bool compute(uint32_t opcode, const uint32_t v[3], uint32_t *result)
{
    const uint32_t a = v[0];
    const uint32_t b = v[1];
    const int32_t sa = (int32_t)a;
    const int32_t sb = (int32_t)b;
    switch (opcode) {
#define CASE(opcode_, expression) \
    case opcode_: \
        *result = (expression); \
        return true;
        CASE(OP_I_ADD, a + b)
        CASE(OP_I_SUB, a - b)
        CASE(OP_I_MUL, a * b)
        CASE(OP_BITWISE_OR, a | b)
        CASE(OP_BITWISE_XOR, a ^ b)
        CASE(OP_BITWISE_AND, a & b)
        CASE(OP_NOT, ~a)
        CASE(OP_LOGICAL_EQUAL, a == b)
        CASE(OP_LOGICAL_NOT_EQUAL, a != b)
        CASE(OP_LOGICAL_OR, a || b)
        CASE(OP_LOGICAL_AND, a && b)
        CASE(OP_LOGICAL_NOT, !a)
        CASE(OP_SELECT, a ? b : v[2])
        CASE(OP_I_EQUAL, a == b)
        CASE(OP_I_NOT_EQUAL, a != b)
        CASE(OP_U_GREATER_THAN, a > b)
        CASE(OP_S_GREATER_THAN, sa > sb)
        CASE(OP_U_GREATER_THAN_EQUAL, a >= b)
        CASE(OP_S_GREATER_THAN_EQUAL, sa >= sb)
        CASE(OP_U_LESS_THAN, a < b)
        CASE(OP_S_LESS_THAN, sa < sb)
        CASE(OP_U_LESS_THAN_EQUAL, a <= b)
        CASE(OP_S_LESS_THAN_EQUAL, sa <= sb)
#undef CASE
    case OP_U_DIV:
        *result = b ? a / b : 0;
        return b != 0;
    case OP_U_MOD:
        *result = b ? a % b : 0;
        return b != 0;
    case OP_SHIFT_LEFT_LOGICAL:
        *result = b < 32 ? a << b : 0;
        return b < 32;
    case OP_SHIFT_RIGHT_LOGICAL:
        *result = b < 32 ? a >> b : 0;
        return b < 32;
    default:
        return false;
    }
}

/* Whether an operation that compute() knows gives a boolean. A select gives what it is made of. */
static bool gives_bool(uint32_t opcode)
{
    return (opcode >= OP_LOGICAL_EQUAL && opcode <= OP_LOGICAL_NOT) ||
           (opcode >= OP_I_EQUAL && opcode <= OP_S_LESS_THAN_EQUAL);
}

/* The operands of an OpSpecConstantOp, if all are known words or booleans. */
static bool operands(struct freezer *f, struct instruction in, uint32_t values[3])
{
    if (in.length < 5 || in.length > 7) {
        return false;
    }
    for (uint32_t i = 4; i < in.length; ++i) {
        const struct known *known = known_of(f, module_operand(&f->m, in, i));
        if (!known || !known->valued) {
            return false;
        }
        values[i - 4] = known->value;
    }
    return true;
}

static void freeze_operation(struct freezer *f, struct instruction in)
{
    uint32_t type = module_operand(&f->m, in, 1);
    uint32_t id = module_operand(&f->m, in, 2);
    uint32_t values[3] = {0};
    uint32_t result = 0;
    uint32_t opcode = module_operand(&f->m, in, 3);
    bool known = operands(f, in, values) && compute(opcode, values, &result);
    if (known && is_bool(f, type) && (gives_bool(opcode) || opcode == OP_SELECT)) {
        set_known(f, id, true, result != 0);
        f->words[f->count++] = 3u << 16 | (result ? OP_CONSTANT_TRUE : OP_CONSTANT_FALSE);
        f->words[f->count++] = type;
        f->words[f->count++] = id;
    } else if (known && is_word(f, type) && !gives_bool(opcode)) {
        set_known(f, id, true, result);
        f->words[f->count++] = 4u << 16 | OP_CONSTANT;
        f->words[f->count++] = type;
        f->words[f->count++] = id;
        f->words[f->count++] = result;
    } else {
        keep(f, in);
    }
}

static void freeze(struct freezer *f, struct instruction in)
{
    switch (in.opcode) {
    case OP_DECORATE:
        if (module_operand(&f->m, in, 2) != DECORATION_SPEC_ID) {
            keep(f, in);
        }
        break;
    case OP_CONSTANT_TRUE:
    case OP_CONSTANT_FALSE:
    case OP_SPEC_CONSTANT_TRUE:
    case OP_SPEC_CONSTANT_FALSE:
        freeze_bool(f, in);
        break;
    case OP_CONSTANT:
    case OP_SPEC_CONSTANT:
        freeze_number(f, in);
        break;
    case OP_CONSTANT_COMPOSITE:
    case OP_SPEC_CONSTANT_COMPOSITE:
        freeze_composite(f, in);
        break;
    case OP_CONSTANT_NULL:
        set_known(f, module_operand(&f->m, in, 2), false, 0);
        keep(f, in);
        break;
    case OP_SPEC_CONSTANT_OP:
        freeze_operation(f, in);
        break;
    default:
        keep(f, in);
        break;
    }
}

bool spirv_freeze(const uint32_t *words, size_t size, const struct spirv_constant *constants,
                  size_t count, uint32_t **made, size_t *made_size)
{
    char reason[SPIRV_REASON_SIZE];
    struct freezer f = {.m = {.reason = reason}, .constants = constants, .constant_count = count};
    module_open(&f.m, words, size);
    if (f.m.result == SPIRV_OK) {
        f.known = calloc(f.m.id_bound, sizeof *f.known);
        f.words = malloc(size);
    }
    bool ok = f.known && f.words;
    if (ok) {
        memcpy(f.words, words, SPIRV_HEADER_WORDS * sizeof *words);
        f.count = SPIRV_HEADER_WORDS;
        struct instruction in = FIRST_INSTRUCTION;
        while (module_next(&f.m, &in)) {
            freeze(&f, in);
        }
        ok = f.m.result == SPIRV_OK;
    }
    module_close(&f.m);
    free(f.known);
    if (!ok) {
        free(f.words);
        return false;
    }
    *made = f.words;
    *made_size = f.count * sizeof *f.words;
    return true;
}
