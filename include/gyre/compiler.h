/* Run-time GLSL, in a library of its own (gyre-compiler): the core needs none of it for SPIR-V. */
#ifndef GYRE_COMPILER_H
#define GYRE_COMPILER_H

#include <gyre/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_compile_request {
    const char *file;   /* where the text is, or is said to be: names it in messages, and its folder
                           is an include root */
    const char *source; /* the text; NULL: read `file` */
    const char *const *include_directories;
    uint32_t include_directory_count;
    bool no_memory_model; /* for a device without the Vulkan memory model */
    gyre_log_callback log;
    void *log_user;
} gyre_compile_request;

/* A compiler. `compile` gives words in the compiler's memory, to be released by it; it says why not
 * through the request's log, as "file:line: ...". `size` is in bytes. Results: OK, COMPILE, IO,
 * INVALID, NO_MEMORY. `validate` says whether a module is whole: OK, SPIRV.
 * Thread-safety: both may be called from several threads. */
struct gyre_compiler {
    uint32_t version; /* 1 */
    gyre_result (*compile)(const gyre_compile_request *request, uint32_t **words, size_t *size);
    void (*release)(uint32_t *words);
    gyre_result (*validate)(const uint32_t *words, size_t size, gyre_log_callback log,
                            void *log_user);
};

/* shaderc and SPIRV-Tools. Thread-safety: safe. */
GYRE_API const gyre_compiler *gyre_compiler_shaderc(void);

#ifdef __cplusplus
}
#endif

#endif
