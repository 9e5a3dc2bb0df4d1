#include "rig.h"

#include <stdio.h>
#include <time.h>

static void keep(void *user, gyre_log_level level, const char *message)
{
    struct rig *rig = user;
    (void)level;
    pthread_mutex_lock(&rig->lock);
    size_t room = sizeof rig->log - rig->log_size;
    int length = snprintf(rig->log + rig->log_size, room, "%s\n", message);
    rig->log_size += length > 0 && (size_t)length < room ? (size_t)length : 0;
    pthread_mutex_unlock(&rig->lock);
}

void rig_open_with(struct rig *rig, gyre_runtime_params params)
{
    *rig = (struct rig){.lock = PTHREAD_MUTEX_INITIALIZER};
    params.log = keep;
    params.log_user = rig;
    params.log_level = GYRE_LOG_INFO;
    params.compiler = gyre_compiler_shaderc();
    ok(gyre_runtime_create(&params, &rig->runtime));
    ok(gyre_runtime_device(rig->runtime, NULL, &rig->profile));
}

void rig_open(struct rig *rig, enum rig_mode mode)
{
    rig_open_with(rig, (gyre_runtime_params){.visibility = (gyre_visibility)mode});
}

void rig_close(struct rig *rig)
{
    gyre_runtime_destroy(rig->runtime);
    rig->runtime = NULL;
}

bool rig_said(struct rig *rig, const char *part)
{
    pthread_mutex_lock(&rig->lock);
    bool said = strstr(rig->log, part) != NULL;
    pthread_mutex_unlock(&rig->lock);
    return said;
}

gyre_kernel *rig_launch(struct rig *rig, gyre_kernel_params params)
{
    gyre_kernel *kernel = NULL;
    ok(gyre_kernel_create(rig->runtime, &params, &kernel));
    gyre_result result = gyre_kernel_launch(kernel);
    cr_assert(result == GYRE_OK, "launch: %s\n%s", gyre_result_name(result), rig->log);
    return kernel;
}

gyre_kernel *rig_active(struct rig *rig, gyre_kernel_params params)
{
    gyre_kernel *kernel = rig_launch(rig, params);
    ok(gyre_kernel_activate(kernel));
    return kernel;
}

const char *rig_glsl(const char *structs_and_defines, uint32_t local_size, const char *rest)
{
    static _Thread_local char text[16384];
    int length = snprintf(
        text, sizeof text,
        "#version 460\n%s\n#include \"gyre/kernel.glsl\"\nlayout(local_size_x = %u) in;\n%s\n",
        structs_and_defines, local_size, rest);
    cr_assert(length > 0 && (size_t)length < sizeof text);
    return text;
}

uint64_t rig_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * S + (uint64_t)now.tv_nsec;
}
