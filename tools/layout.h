/* What the messages of a kernel look like, and the way from JSON to their bytes and back.
 *
 * layout_read() takes the member trees of GYRE_INPUT and GYRE_OUTPUT out of a SPIR-V module. The
 * codec below walks these trees; it knows scalars, structs and dimensions, nothing else: a vec3
 * is a dimension of 3, a mat4 two dimensions of 4 (columns first, also where the memory is
 * row-major), `vec3 a[2]` dimensions of 2 and 3.
 *
 *   GLSL                                JSON
 *   int, uint (8 to 64 bits)            whole number; where it has 64 bits "digits" as well
 *   bool                                0 or 1: in a buffer it is a uint, the module knows no more
 *   float, double, float16_t            number; on the way out null for NaN and the infinities
 *   vector, matrix, array               array, of columns for a matrix
 *   struct                              object
 *   member whose name begins with `_`   none: it is padding, zero on the way in, not printed
 *
 * Text to number and back depends on LC_NUMERIC, which must be "C".
 */
#ifndef GYRE_TOOLS_LAYOUT_H
#define GYRE_TOOLS_LAYOUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAYOUT_DIMENSIONS = 8, /* of one member, those of its vector or matrix included */
    LAYOUT_NESTING = 16,   /* structs in structs */
    LAYOUT_FIELDS = 4096,  /* members of one message, all levels together */
};

enum layout_base {
    LAYOUT_INT,
    LAYOUT_UINT,
    LAYOUT_FLOAT,
    LAYOUT_STRUCT,
};

struct layout_dimension {
    uint32_t length;
    uint32_t stride;
};

struct layout_field {
    char *name;
    uint32_t offset; /* in the struct it belongs to */
    enum layout_base base;
    uint32_t width; /* bytes of one scalar; 0 for a struct */
    uint32_t dimension_count;
    struct layout_dimension dimensions[LAYOUT_DIMENSIONS]; /* outermost first */
    struct layout_struct *type;                            /* of a struct, else NULL */
};

struct layout_struct {
    struct layout_field *fields;
    uint32_t field_count;
    uint32_t extent; /* end of the last member, tail padding left out */
};

/* One direction. Every scalar of the tree lies within `size`: layout_read() checked that. */
struct layout_message {
    struct layout_struct *type;
    uint32_t size;   /* bytes of a slot behind its header, as sizeof the same struct in C */
    uint32_t stride; /* from slot to slot */
};

/* A buffer of the user's own (set 1 and up). */
struct layout_block {
    char *name;     /* `Model` in `buffer Model {...} model;` */
    char *instance; /* `model`, or "" */
    uint32_t set;
    uint32_t binding;
    uint32_t count;  /* of an array of blocks, 0 if not fixed, else 1 */
    uint64_t size;   /* bytes without the run-time array at its end */
    uint32_t stride; /* of that run-time array, 0 where there is none */
    bool uniform;    /* a uniform block, else a storage block */
};

struct layout {
    struct layout_message input;
    struct layout_message output;
    struct layout_block *blocks;
    size_t block_count;
};

/* Reads a module that has passed the SPIR-V validator. On failure `*out` is untouched and `why`
 * a sentence. */
bool layout_read(const uint32_t *words, size_t count, struct layout **out, char *why,
                 size_t why_size);
void layout_free(struct layout *layout);

/* The block of that name, else the one block with that instance name, else NULL. */
const struct layout_block *layout_block(const struct layout *layout, const char *name);

/* One line of text to a JSON object (the caller's reference). NULL with a sentence in `why`
 * where it is none. */
json_t *layout_parse(const char *text, size_t length, char *why, size_t why_size);

/* Writes all `in->size` bytes at `bytes`, zero where no member lies. The keys of `object` must
 * be the members, no more and no fewer, keys that begin with `_` left aside. On failure `why`
 * names the place: `pixels[3]: expected a number, got a string`. Only printable ASCII stands in
 * `why`, whatever the keys hold. */
bool layout_encode(const struct layout_message *in, json_t *object, void *bytes, char *why,
                   size_t why_size);

/* `in->size` bytes to the text of one JSON object, without a newline, members in their order,
 * floats short (0.1) and such that they read back as the same bits. A uint64 beyond INT64_MAX is
 * printed as "digits", as layout_encode() takes it. `extra`, if not NULL, is put in as it stands
 * as last member (`"_correlation": 7`). The caller frees the text. NULL: out of memory. */
char *layout_decode(const struct layout_message *in, const void *bytes, const char *extra);

#endif
