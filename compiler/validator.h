/* Whether a SPIR-V module is whole: a damaged one can crash a driver. */
#ifndef GYRE_COMPILER_VALIDATOR_H
#define GYRE_COMPILER_VALIDATOR_H

#include <gyre/result.h>
#include <stddef.h>
#include <stdint.h>

#include "report.h"

/* By the rules of SPIR-V and of Vulkan 1.2; the broken one goes to the report as "NAME: words".
 * `size` is in bytes. Results: OK, SPIRV, NO_MEMORY. */
gyre_result validator_run(const uint32_t *words, size_t size, const char *name,
                          const struct report *report);

#endif
