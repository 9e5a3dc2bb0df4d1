/* spirv: what the core must know of a compute module before it gives it to a driver.
 *
 * A module may come from anywhere, so every byte is suspect: nothing outside of it is read, nothing
 * recurses, the work is a fixed number of passes over the module, and the memory (freed before the
 * return) is at most ten times the module's size + 256 KiB. The reader does not validate: a module
 * that passes here may still be wrong for a driver.
 *
 * Values of specialisation constants are their defaults, and so is every size that depends on one.
 * Thread-safety: no state is kept; any number of threads may read at once.
 */
#ifndef GYRE_SPIRV_H
#define GYRE_SPIRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPIRV_MAX_USER_BLOCKS 32
#define SPIRV_MAX_MEMBERS 64
#define SPIRV_MAX_CAPABILITIES 64
#define SPIRV_MAX_MODULE_BYTES (16u << 20)
#define SPIRV_NAME_SIZE 64
#define SPIRV_REASON_SIZE 160
#define SPIRV_NO_ID UINT32_MAX

enum spirv_result {
    SPIRV_OK,
    SPIRV_TRUNCATED,
    SPIRV_NOT_SPIRV,
    SPIRV_BIG_ENDIAN,
    SPIRV_UNSUPPORTED_VERSION, /* of SPIR-V: 1.0 to 1.6 are read */
    SPIRV_NOT_COMPUTE,
    SPIRV_MULTIPLE_ENTRY_POINTS,
    SPIRV_MALFORMED,
    SPIRV_BAD_INTERFACE, /* made for Gyre, but something in descriptor set 0 is not the engine's */
    SPIRV_LIMIT, /* may be right, but is larger or stranger than the reader goes along with */
    SPIRV_NO_MEMORY,
};

enum spirv_block_kind {
    SPIRV_STORAGE_BUFFER,
    SPIRV_UNIFORM_BUFFER,
    SPIRV_OTHER_DESCRIPTOR, /* image, sampler, ... */
};

/* One descriptor of the user's, in set 1 or higher. Variables that share a binding are one block,
 * described as the first of them. `name` is the block's (of an image or the like: the variable's),
 * cut to fit, and empty in a module without names. */
struct spirv_block {
    uint32_t set;
    uint32_t binding;
    enum spirv_block_kind kind;
    bool read_only;
    uint32_t fixed_size;   /* bytes before the trailing runtime array, or all */
    uint32_t array_stride; /* of the trailing runtime array; 0: there is none */
    uint32_t count; /* descriptors in the array; 1 for no array, 0 for an array without a size */
    char name[SPIRV_NAME_SIZE];
};

struct spirv_member {
    uint32_t offset; /* from the beginning of `data` */
    uint32_t size;
};

/* The ring slots of one direction: a header, then `data` of the user's type. A host struct of the
 * same members has `data_size` bytes, or up to `padded_size` if its end is padded as in std430. */
struct spirv_slots {
    bool present;
    uint32_t stride;
    uint32_t data_offset;
    uint32_t data_size;    /* up to the end of its last member */
    uint32_t padded_size;  /* stride - data_offset */
    uint32_t member_count; /* of `data`, top level, even if more than fit below; 1 if no struct */
    struct spirv_member members[SPIRV_MAX_MEMBERS];
};

struct spirv_info {
    char entry_point[SPIRV_NAME_SIZE];
    uint32_t local_size[3];
    uint32_t local_size_ids[3]; /* the specialisation constants, SPIRV_NO_ID where there is none */
    bool local_size_specialised;

    uint32_t interface_version; /* 0: not a Gyre kernel */
    uint32_t max_sends;
    bool per_invocation; /* a message to each invocation */

    uint32_t capabilities[SPIRV_MAX_CAPABILITIES];
    uint32_t capability_count;
    bool vulkan_memory_model;
    /* In the user's part of the module: a memory barrier, an atomic that orders other accesses, a
     * control barrier of more than the workgroup. The engine's fences are known by a mark (see
     * ring.glsl). */
    bool memory_barriers;
    /* In the user's part: loads and stores that the Vulkan memory model makes visible or available
     * by themselves, which are memory barriers to some drivers: of `coherent` buffers, of shared
     * arrays and structs. Whole shared variables are not told from the engine's own: compare
     * shared_memory_size. */
    bool coherent_accesses;
    bool loops;

    /* Only if interface_version is the engine's own GYRE_WIRE_VERSION; else they are absent. */
    struct spirv_slots input;
    struct spirv_slots output;
    struct {
        bool present;
        uint32_t size; /* of one copy, padding to the next included */
    } state;

    struct spirv_block user_blocks[SPIRV_MAX_USER_BLOCKS];
    uint32_t user_block_count;
    uint32_t push_constant_size;
    uint32_t shared_memory_size;
};

/* Reads the module of `size` bytes at `bytes`, which may lie at any address. Its entry point is the
 * compute entry named "main", else the only compute entry.
 *
 * On SPIRV_OK `info` is filled in and `reason` empty. Else `reason` is a sentence for humans that
 * says what to do, and what stands in `info` means nothing. */
enum spirv_result spirv_read(const void *bytes, size_t size, struct spirv_info *info,
                             char reason[SPIRV_REASON_SIZE]);

/* `capability` as numbered by the SPIR-V specification. */
bool spirv_has_capability(const struct spirv_info *info, uint32_t capability);

#endif
