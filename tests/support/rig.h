/* What the GPU tests share: a runtime whose log is kept, kernels from GLSL text, checked calls.
 *
 * A test runs once per driver (ctest sets VK_DRIVER_FILES) and loops over both visibilities itself:
 *     for (enum rig_mode mode = RIG_STRICT; mode <= RIG_LIVE; ++mode) { struct rig rig;
 * rig_open(&rig, mode); ... }
 */
#ifndef GYRE_TEST_RIG_H
#define GYRE_TEST_RIG_H

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#define MS 1000000ull
#define S 1000000000ull

#define ok(call) \
    do { \
        gyre_result result_ = (call); \
        cr_assert(result_ == GYRE_OK, "%s: %s", #call, gyre_result_name(result_)); \
    } while (0)

#define gives(expected, call) \
    do { \
        gyre_result result_ = (call); \
        cr_assert(result_ == (expected), "%s: %s, not %s", #call, gyre_result_name(result_), \
                  gyre_result_name(expected)); \
    } while (0)

enum rig_mode { RIG_STRICT = GYRE_VISIBILITY_STRICT, RIG_LIVE = GYRE_VISIBILITY_LIVE };

struct rig {
    gyre_runtime *runtime;
    gyre_profile profile;
    pthread_mutex_t lock;
    char log[65536]; /* every line the runtime said, each ended by a newline */
    size_t log_size;
};

void rig_open(struct rig *rig, enum rig_mode mode);
void rig_open_with(struct rig *rig,
                   gyre_runtime_params params); /* log and compiler are the rig's */
void rig_close(struct rig *rig);

bool rig_said(struct rig *rig, const char *part);

/* Created and launched. `rig_active` activated, too. */
gyre_kernel *rig_launch(struct rig *rig, gyre_kernel_params params);
gyre_kernel *rig_active(struct rig *rig, gyre_kernel_params params);

/* "#version ... local_size": a kernel from its structs, state and body. `state` may be NULL. Text
 * lives until the next call from the same thread. */
const char *rig_glsl(const char *structs_and_defines, uint32_t local_size, const char *rest);

uint64_t rig_now_ns(void);

#endif
