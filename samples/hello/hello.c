/* hello: a kernel that stays on the GPU adds two vectors.
 *
 *     cc hello.c -o hello $(pkg-config --cflags --libs gyre gyre-compiler) && ./hello
 *
 * In a build of Gyre itself it is bin/hello. It prints "100 + 23 = 123" and returns 0. */
#include <stdio.h>
#include <stdlib.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#ifndef SAMPLE_DIR
#define SAMPLE_DIR "." /* where hello.comp is */
#endif

struct request { /* as in hello.comp */
    float a[256];
    float b[256];
};

struct response {
    float sum[256];
};

/* The log has said why. */
static void must(gyre_result result)
{
    if (result != GYRE_OK) {
        fprintf(stderr, "hello: %s\n", gyre_result_text(result));
        exit(1);
    }
}

int main(void)
{
    gyre_runtime *runtime = NULL;
    gyre_runtime_params params = {.log = gyre_log_stderr, .compiler = gyre_compiler_shaderc()};
    must(gyre_runtime_create(&params, &runtime));

    gyre_kernel *add = NULL;
    gyre_kernel_params kernel = {.id = "add", .glsl_file = SAMPLE_DIR "/hello.comp"};
    must(gyre_kernel_create(runtime, &kernel, &add));
    must(gyre_kernel_launch(add));
    must(gyre_kernel_activate(add));

    struct request request = {.a = {[100] = 100}, .b = {[100] = 23}};
    must(gyre_send(add, &(gyre_message){.data = &request, .size = sizeof request}, GYRE_FOREVER));

    struct response response = {0};
    gyre_reply reply = {.data = &response, .capacity = sizeof response};
    must(gyre_receive(add, &reply, GYRE_FOREVER));
    must(reply.result);
    printf("%g + %g = %g\n", request.a[100], request.b[100], response.sum[100]);

    gyre_runtime_destroy(runtime); /* and its kernel */
    return response.sum[100] == 123 ? 0 : 1;
}
