/* A module with the values of its specialisation constants put in for good.
 *
 * A driver may do that itself with VkSpecializationInfo, and SwiftShader does it after its
 * optimiser has run: it then keeps every branch that a constant rules out and runs it with no lane
 * active, loops and barriers included (1.5 us instead of 0.2 us to a message, bench handler with
 * an empty body, STRICT, 2026-11-25). */
#ifndef GYRE_SPIRV_FREEZE_H
#define GYRE_SPIRV_FREEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spirv_constant {
    uint32_t id; /* SpecId */
    uint32_t value;
};

/* `words` must have passed spirv_read(). Constants that are not named get their defaults; what is
 * computed from them is computed, where it is 32-bit integers and booleans. The words made are the
 * caller's to free(). False: out of memory, or damaged. */
bool spirv_freeze(const uint32_t *words, size_t size, const struct spirv_constant *constants,
                  size_t count, uint32_t **made, size_t *made_size);

#endif
