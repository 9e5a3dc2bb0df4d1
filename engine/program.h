/* A kernel's module: where it comes from, what it says of itself, whether this device may run it.
 */
#ifndef GYRE_PROGRAM_H
#define GYRE_PROGRAM_H

#include <gyre/compiler.h>
#include <gyre/kernel.h>

#include "device.h"
#include "spirv.h"
#include "spirv_freeze.h"

struct program {
    uint32_t *words; /* ours */
    size_t size;
    struct spirv_info info;
    uint32_t local_count; /* invocations of a workgroup */
    uint32_t quirks;      /* GYRE_QUIRK_... */
};

/* Compiles or copies the module and checks it against the device, the loop limit that was measured,
 * and what the host states in `params`. Results: OK, COMPILE, IO, SPIRV, INTERFACE, LIMIT,
 * UNSUPPORTED, DRIVER_FAULT, NO_MEMORY. */
gyre_result program_load(struct program *program, const struct device *device,
                         const gyre_compiler *compiler, const gyre_kernel_params *params,
                         uint32_t loop_limit);

/* The module with the engine's constants put in for good; the caller frees *words. Results: OK,
 * NO_MEMORY. */
gyre_result program_freeze(const struct program *program, const struct spirv_constant *constants,
                           size_t count, uint32_t **words, size_t *size);
void program_unload(struct program *program);

#endif
