/* The codec of layout.h: JSON to the bytes of a message and back. */
#include "layout.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what went wrong, and where ---- */

/* The way down to a value, built on the stack while encoding. */
struct place {
    const struct place *up;
    const char *name; /* of a member, else the index counts */
    size_t index;
};

struct complaint {
    char *text;
    size_t size;
    size_t length;
};

static void append(struct complaint *why, const char *format, va_list list)
    __attribute__((format(printf, 2, 0)));
static void say(struct complaint *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool refuse(struct complaint *why, const struct place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(struct complaint *why, const char *format, va_list list)
{
    if (why->length + 1 >= why->size) {
        return;
    }
    int added = vsnprintf(why->text + why->length, why->size - why->length, format, list);
    size_t room = why->size - why->length - 1;
    size_t length = added < 0 ? 0 : (size_t)added;
    /* Keys come from strangers and end on a terminal. */
    for (size_t i = 0; i < (length < room ? length : room); i++) {
        char *c = &why->text[why->length + i];
        *c = *c >= 0x20 && *c < 0x7f ? *c : '?';
    }
    why->length += length < room ? length : room;
}

static void say(struct complaint *why, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    append(why, format, list);
    va_end(list);
}

static void say_place(struct complaint *why, const struct place *place)
{
    if (!place) {
        return;
    }
    say_place(why, place->up);
    if (place->name) {
        say(why, "%s%s", place->up ? "." : "", place->name);
    } else {
        say(why, "[%zu]", place->index);
    }
}

static bool refuse(struct complaint *why, const struct place *place, const char *format, ...)
{
    va_list list;
    say_place(why, place);
    say(why, "%s", place ? ": " : "");
    va_start(list, format);
    append(why, format, list);
    va_end(list);
    return false;
}

static const char *kind_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

json_t *layout_parse(const char *text, size_t length, char *why, size_t why_size)
{
    struct complaint complaint = {.text = why, .size = why_size};
    json_error_t error;
    /* To jansson it would be the end, with anything allowed behind it. */
    const char *zero = length > 0 ? memchr(text, '\0', length) : NULL;
    if (zero) {
        say(&complaint, "not JSON: a zero byte (at byte %zu)", (size_t)(zero - text) + 1);
        return NULL;
    }
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!value) {
        if (json_error_code(&error) == json_error_premature_end_of_input) {
            say(&complaint, "the line ends in the middle of its JSON object");
        } else {
            say(&complaint, "not JSON: %s (at byte %d)", error.text, error.position);
        }
        return NULL;
    }
    if (!json_is_object(value)) {
        say(&complaint, "expected an object, got %s", kind_of(value));
        json_decref(value);
        return NULL;
    }
    return value;
}

/* ---- numbers ---- */

/* A whole number of up to 64 bits and its sign. */
struct whole {
    bool negative;
    uint64_t magnitude;
};

static bool whole_of_digits(const char *text, size_t length, struct whole *out)
{
    uint64_t magnitude = 0;
    bool negative = length > 0 && text[0] == '-';
    if (length == (negative ? 1 : 0)) {
        return false;
    }
    for (size_t i = negative ? 1 : 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        unsigned digit = (unsigned)(text[i] - '0');
        if (magnitude > (UINT64_MAX - digit) / 10) {
            return false;
        }
        magnitude = magnitude * 10 + digit;
    }
    *out = (struct whole){.negative = negative && magnitude > 0, .magnitude = magnitude};
    return true;
}

static bool whole_of(const json_t *value, struct whole *out)
{
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        out->negative = number < 0;
        out->magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
        return true;
    }
    double number = json_real_value(value);
    double magnitude = fabs(number);
    if (magnitude >= 0x1p64 || (double)(uint64_t)magnitude != magnitude) {
        return false;
    }
    out->magnitude = (uint64_t)magnitude;
    out->negative = number < 0;
    return true;
}

static void write_whole(uint32_t width, uint64_t bits, void *at)
{
    uint8_t bits8 = (uint8_t)bits;
    uint16_t bits16 = (uint16_t)bits;
    uint32_t bits32 = (uint32_t)bits;
    switch (width) {
    case 1:
        memcpy(at, &bits8, sizeof bits8);
        break;
    case 2:
        memcpy(at, &bits16, sizeof bits16);
        break;
    case 4:
        memcpy(at, &bits32, sizeof bits32);
        break;
    default:
        memcpy(at, &bits, sizeof bits);
    }
}

static uint64_t read_whole(uint32_t width, const void *at)
{
    uint8_t bits8;
    uint16_t bits16;
    uint32_t bits32;
    uint64_t bits64;
    switch (width) {
    case 1:
        memcpy(&bits8, at, sizeof bits8);
        return bits8;
    case 2:
        memcpy(&bits16, at, sizeof bits16);
        return bits16;
    case 4:
        memcpy(&bits32, at, sizeof bits32);
        return bits32;
    default:
        memcpy(&bits64, at, sizeof bits64);
        return bits64;
    }
}

static bool encode_whole(struct complaint *why, const struct layout_field *field,
                         const json_t *value, void *at, const struct place *place)
{
    bool is_signed = field->base == LAYOUT_INT;
    unsigned bits = field->width * 8;
    uint64_t max = UINT64_MAX >> (64 - bits + (is_signed ? 1 : 0));
    struct whole number;

    if (json_is_string(value) && field->width == 8) {
        if (!whole_of_digits(json_string_value(value), json_string_length(value), &number)) {
            return refuse(why, place, "expected a 64-bit integer in digits, got \"%.40s\"",
                          json_string_value(value));
        }
    } else if (!json_is_number(value)) {
        return refuse(why, place, "expected a number, got %s", kind_of(value));
    } else if (!whole_of(value, &number)) {
        return refuse(why, place, "expected an integer, got %.17g", json_number_value(value));
    }
    if (number.magnitude > (number.negative ? (is_signed ? max + 1 : 0) : max)) {
        return refuse(why, place, "%s%" PRIu64 " does not fit %s of %u bits",
                      number.negative ? "-" : "", number.magnitude,
                      is_signed ? "a signed integer" : "an unsigned integer", bits);
    }
    write_whole(field->width, number.negative ? 0 - number.magnitude : number.magnitude, at);
    return true;
}

/* IEEE 754 binary16, rounded to nearest, ties to even; 0x7c00 and up is beyond its range. */
static uint16_t half_magnitude(double magnitude)
{
    if (magnitude >= 65520) {
        return 0x7c00;
    }
    if (magnitude < 0x1p-14) {
        return (uint16_t)nearbyint(magnitude * 0x1p24);
    }
    int exponent;
    double fraction = nearbyint(frexp(magnitude, &exponent) * 0x1p11);
    /* A fraction rounded up to 2048 carries into the exponent as it should. */
    return (uint16_t)(((exponent + 14) << 10) + (int)fraction - 1024);
}

static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    int fraction = bits & 1023;
    double magnitude = exponent == 0 ? fraction * 0x1p-24 : ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) {
        magnitude = fraction ? (double)NAN : (double)INFINITY;
    }
    return bits >> 15 ? -magnitude : magnitude;
}

static float float_value(double number)
{
    /* Up to half a step beyond FLT_MAX it is FLT_MAX that is meant: its shortest text is there. */
    return number > (double)FLT_MAX    ? FLT_MAX
           : number < -(double)FLT_MAX ? -FLT_MAX
                                       : (float)number;
}

static bool encode_float(struct complaint *why, const struct layout_field *field,
                         const json_t *value, void *at, const struct place *place)
{
    if (!json_is_number(value)) {
        return refuse(why, place, "expected a number, got %s", kind_of(value));
    }
    double number = json_number_value(value);
    double limit = field->width == 2 ? 65520 : field->width == 4 ? 0x1.ffffffp+127 : INFINITY;
    if (fabs(number) >= limit) {
        return refuse(why, place, "%.9g does not fit a float of %u bits", number, field->width * 8);
    }
    if (field->width == 8) {
        memcpy(at, &number, sizeof number);
    } else if (field->width == 4) {
        float single = float_value(number);
        memcpy(at, &single, sizeof single);
    } else {
        uint16_t half = (uint16_t)(half_magnitude(fabs(number)) | (signbit(number) ? 0x8000 : 0));
        memcpy(at, &half, sizeof half);
    }
    return true;
}

/* ---- JSON to bytes ---- */

static bool encode_struct(struct complaint *why, const struct layout_struct *type, json_t *value,
                          unsigned char *at, const struct place *place);

static bool is_padding(const char *name)
{
    return name[0] == '_';
}

static bool encode_value(struct complaint *why, const struct layout_field *field,
                         uint32_t dimension, json_t *value, unsigned char *at,
                         const struct place *place)
{
    if (dimension < field->dimension_count) {
        const struct layout_dimension *d = &field->dimensions[dimension];
        if (!json_is_array(value)) {
            return refuse(why, place, "expected an array of %u, got %s", d->length, kind_of(value));
        }
        if (json_array_size(value) != d->length) {
            return refuse(why, place, "expected an array of %u, got %zu", d->length,
                          json_array_size(value));
        }
        for (uint32_t i = 0; i < d->length; i++) {
            const struct place element = {.up = place, .index = i};
            if (!encode_value(why, field, dimension + 1, json_array_get(value, i),
                              at + (size_t)i * d->stride, &element)) {
                return false;
            }
        }
        return true;
    }
    switch (field->base) {
    case LAYOUT_STRUCT:
        return encode_struct(why, field->type, value, at, place);
    case LAYOUT_FLOAT:
        return encode_float(why, field, value, at, place);
    case LAYOUT_INT:
    case LAYOUT_UINT:
        return encode_whole(why, field, value, at, place);
    }
    return false;
}

static bool has_member(const struct layout_struct *type, const char *key)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (strcmp(type->fields[i].name, key) == 0) {
            return true;
        }
    }
    return false;
}

/* The keys and the members differ: an unknown key tells more than a missing one, it may be that
 * one misspelt. */
static bool refuse_keys(struct complaint *why, const struct layout_struct *type, json_t *object,
                        const struct place *place)
{
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        if (!is_padding(key) && !has_member(type, key)) {
            struct place here = {.up = place, .name = key};
            refuse(why, &here, "no such member; there is");
            const char *separator = " ";
            for (uint32_t i = 0; i < type->field_count; i++) {
                if (!is_padding(type->fields[i].name)) {
                    say(why, "%s%s", separator, type->fields[i].name);
                    separator = ", ";
                }
            }
            return false;
        }
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        const char *name = type->fields[i].name;
        if (!is_padding(name) && !json_object_get(object, name)) {
            struct place here = {.up = place, .name = name};
            return refuse(why, &here, "missing");
        }
    }
    return false;
}

static size_t count_keys(json_t *object)
{
    size_t count = 0;
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        count += !is_padding(json_object_iter_key(at));
    }
    return count;
}

static bool encode_struct(struct complaint *why, const struct layout_struct *type, json_t *value,
                          unsigned char *at, const struct place *place)
{
    size_t taken = 0;
    if (!json_is_object(value)) {
        return refuse(why, place, "expected an object, got %s", kind_of(value));
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct layout_field *field = &type->fields[i];
        if (is_padding(field->name)) {
            continue;
        }
        json_t *member = json_object_get(value, field->name);
        if (!member) {
            return refuse_keys(why, type, value, place);
        }
        const struct place here = {.up = place, .name = field->name};
        if (!encode_value(why, field, 0, member, at + field->offset, &here)) {
            return false;
        }
        taken++;
    }
    if (taken != json_object_size(value) && taken != count_keys(value)) {
        return refuse_keys(why, type, value, place);
    }
    return true;
}

bool layout_encode(const struct layout_message *in, json_t *object, void *bytes, char *why,
                   size_t why_size)
{
    struct complaint complaint = {.text = why, .size = why_size};
    memset(bytes, 0, in->size);
    return encode_struct(&complaint, in->type, object, bytes, NULL);
}

/* ---- bytes to JSON ---- */

struct text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

static void put(struct text *text, const char *data, size_t length)
{
    if (text->capacity - text->length < length) {
        size_t capacity = text->capacity * 2 + length;
        char *grown = text->failed ? NULL : realloc(text->data, capacity);
        if (!grown) {
            text->failed = true;
            return;
        }
        text->data = grown;
        text->capacity = capacity;
    }
    memcpy(text->data + text->length, data, length);
    text->length += length;
}

static void put_string(struct text *text, const char *string)
{
    put(text, string, strlen(string));
}

static void put_whole(struct text *text, const struct layout_field *field, const void *at)
{
    char digits[32];
    char *first = digits + sizeof digits;
    uint64_t bits = read_whole(field->width, at);
    uint64_t sign = (uint64_t)1 << (field->width * 8 - 1);
    bool negative = field->base == LAYOUT_INT && (bits & sign);
    uint64_t magnitude = negative ? sign - (bits & (sign - 1)) : bits;
    bool quoted = !negative && magnitude > INT64_MAX;

    if (quoted) {
        *--first = '"';
    }
    do {
        *--first = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude);
    if (negative || quoted) {
        *--first = negative ? '-' : '"';
    }
    put(text, first, (size_t)(digits + sizeof digits - first));
}

/* Whether a reader of doubles, as JSON's readers are, gets the same bits of `width` from this. */
static bool same_number(uint32_t width, const char *text, double number)
{
    double back = strtod(text, NULL);
    if (width == 8) {
        return back == number;
    }
    if (width == 4) {
        return float_value(back) == float_value(number);
    }
    return half_magnitude(fabs(back)) == half_magnitude(fabs(number));
}

static int shortest(char *buffer, size_t size, uint32_t width, double number)
{
    int digits = width == 8 ? DBL_DIG : width == 4 ? FLT_DIG : 3;
    int enough = width == 8 ? 17 : width == 4 ? 9 : 5;
    for (;; digits++) {
        int length = snprintf(buffer, size, "%.*g", digits, number);
        if (digits == enough || same_number(width, buffer, number)) {
            return length;
        }
    }
}

static void put_float(struct text *text, uint32_t width, const void *at)
{
    double number;
    float single;
    if (width == 8) {
        memcpy(&number, at, sizeof number);
    } else if (width == 4) {
        memcpy(&single, at, sizeof single);
        number = (double)single;
    } else {
        number = half_value((uint16_t)read_whole(width, at));
    }
    if (!isfinite(number)) {
        put_string(text, "null");
        return;
    }
    char buffer[40];
    int length;
    if (fabs(number) < 1e9 && nearbyint(number) == number) {
        /* A float stays one for readers that tell 1 from 1.0. */
        length = snprintf(buffer, sizeof buffer, "%.1f", number);
    } else {
        length = shortest(buffer, sizeof buffer, width, number);
    }
    put(text, buffer, (size_t)length);
}

static void put_struct(struct text *text, const struct layout_struct *type, const unsigned char *at,
                       const char *extra);

static void put_value(struct text *text, const struct layout_field *field, uint32_t dimension,
                      const unsigned char *at)
{
    if (dimension < field->dimension_count) {
        const struct layout_dimension *d = &field->dimensions[dimension];
        put(text, "[", 1);
        for (uint32_t i = 0; i < d->length && !text->failed; i++) {
            if (i > 0) {
                put(text, ", ", 2);
            }
            put_value(text, field, dimension + 1, at + (size_t)i * d->stride);
        }
        put(text, "]", 1);
    } else if (field->base == LAYOUT_STRUCT) {
        put_struct(text, field->type, at, NULL);
    } else if (field->base == LAYOUT_FLOAT) {
        put_float(text, field->width, at);
    } else {
        put_whole(text, field, at);
    }
}

static void put_struct(struct text *text, const struct layout_struct *type, const unsigned char *at,
                       const char *extra)
{
    const char *separator = "";
    put(text, "{", 1);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct layout_field *field = &type->fields[i];
        if (is_padding(field->name)) {
            continue;
        }
        put_string(text, separator);
        put(text, "\"", 1);
        put_string(text, field->name);
        put(text, "\": ", 3);
        put_value(text, field, 0, at + field->offset);
        separator = ", ";
    }
    if (extra) {
        put_string(text, separator);
        put_string(text, extra);
    }
    put(text, "}", 1);
}

char *layout_decode(const struct layout_message *in, const void *bytes, const char *extra)
{
    struct text text = {.data = malloc(256)};
    if (!text.data) {
        return NULL;
    }
    text.capacity = 256;
    put_struct(&text, in->type, bytes, extra);
    put(&text, "", 1);
    if (text.failed) {
        free(text.data);
        return NULL;
    }
    return text.data;
}
