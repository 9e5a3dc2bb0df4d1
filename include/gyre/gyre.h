/* Gyre: ring kernels on Vulkan. A GLSL compute shader that stays on the GPU, takes messages from a
 * ring, answers, until told to stop.
 *
 * Rules for all of it:
 * - Parameter structs live until the call returns. Zero is the default of every field; unknown
 * flags and reserved fields that are not 0 are refused with GYRE_ERROR_INVALID.
 * - Out-parameters are written on success only, unless the function says otherwise.
 * - A function that fails has changed nothing, unless it says otherwise. The reason in words is in
 * the log.
 * - Destroy functions take NULL. Kernels go before their runtime, or with it.
 * - Times are in nanoseconds of the monotonic clock. A timeout of 0 does not wait; GYRE_FOREVER
 * ends with the thing that is awaited, with terminate, or with the loss of the device.
 * - "Thread-safety: safe" means: from any number of threads at once. Nothing is global: two
 * runtimes in one process know nothing of each other.
 */
#ifndef GYRE_GYRE_H
#define GYRE_GYRE_H

#define GYRE_VERSION_MAJOR 0
#define GYRE_VERSION_MINOR 1
#define GYRE_VERSION_PATCH 0
#define GYRE_VERSION_STRING "0.1.0"

#include <gyre/kernel.h>
#include <gyre/link.h>
#include <gyre/log.h>
#include <gyre/message.h>
#include <gyre/result.h>
#include <gyre/runtime.h>
#include <gyre/telemetry.h>
#include <gyre/topic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, as in GYRE_VERSION_STRING. Thread-safety: safe. */
GYRE_API const char *gyre_version(void);

#ifdef __cplusplus
}
#endif

#endif
