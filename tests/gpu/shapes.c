/* Handlers of every workgroup shape that the device runs, full subgroups or not: loops that end
 * differently in each lane, shared memory, barriers; and those that the driver would compute
 * wrongly are refused by name. */
#include "flow.h"

#include <stdio.h>
#include <stdlib.h>

#include "counting.h"
#include "refused.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define ITEMS 256u

static const char STRUCTS[] = "struct Request { uint value; };\n"
                              "struct Response { uint items[256]; };\n"
                              "#define GYRE_INPUT Request\n"
                              "#define GYRE_OUTPUT Response\n";

struct shape {
    uint32_t x;
    uint32_t y;
    uint32_t z;
};

static uint32_t size_of(struct shape shape)
{
    return shape.x * shape.y * shape.z;
}

static bool device_runs(struct rig *rig, struct shape shape)
{
    gyre_device_info info;
    ok(gyre_runtime_device(rig->runtime, &info, NULL));
    return size_of(shape) <= info.max_workgroup_invocations &&
           shape.x <= info.max_workgroup_size[0] && shape.y <= info.max_workgroup_size[1] &&
           shape.z <= info.max_workgroup_size[2];
}

static bool is_driver(const char *name)
{
    const char *driver = getenv("GYRE_TEST_DRIVER");
    return driver && strcmp(driver, name) == 0;
}

static const char *text_of(struct shape shape, const char *handler)
{
    char text[4096];
    int length = snprintf(text, sizeof text,
                          "layout(local_size_y = %u, local_size_z = %u) in;\n"
                          "const uint SIZE = %uu;\n%s",
                          shape.y, shape.z, size_of(shape), handler);
    cr_assert(length > 0 && (size_t)length < sizeof text);
    return rig_glsl(STRUCTS, shape.x, text);
}

static uint32_t value_of(uint32_t index)
{
    return index % 59 + 1;
}

static void fill_value(void *user, uint32_t index, void *message)
{
    (void)user;
    *(uint32_t *)message = value_of(index);
}

static void run(struct rig *rig, gyre_kernel_params params,
                bool (*check)(void *, uint32_t, const gyre_reply *), uint32_t messages)
{
    params.id = "shape";
    gyre_kernel *kernel = rig_active(rig, params);
    flow_run(&(struct flow){
        .kernel = kernel,
        .count = messages,
        .message_size = sizeof(uint32_t),
        .answer_size = ITEMS * sizeof(uint32_t),
        .fill = fill_value,
        .check = check,
    });
    gyre_stats stats = flow_rest(kernel);
    cr_assert(stats.processed == messages && stats.failed == 0);
    gyre_kernel_destroy(kernel);
}

/* Each lane runs as many steps as its own values want. Where a lane that is none took part
 * (lavapipe before 24.0.2), it would start from 0, and never come to 1. */
static const char COLLATZ[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        for (uint i = gl_LocalInvocationIndex; i < 256u; i += SIZE) {\n"
    "            uint steps = 0u;\n"
    "            for (uint x = GYRE_IN.value * (i + 1u); x != 1u; ++steps) {\n"
    "                x = (x & 1u) == 0u ? x / 2u : 3u * x + 1u;\n"
    "            }\n"
    "            GYRE_OUT.items[i] = steps;\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

static uint32_t collatz(uint32_t x)
{
    uint32_t steps = 0;
    for (; x != 1; ++steps) {
        x = x % 2 == 0 ? x / 2 : 3 * x + 1;
    }
    return steps;
}

static bool check_collatz(void *user, uint32_t index, const gyre_reply *reply)
{
    (void)user;
    const uint32_t *items = reply->data;
    bool right = reply->result == GYRE_OK;
    for (uint32_t i = 0; i < ITEMS; ++i) {
        right = right && items[i] == collatz(value_of(index) * (i + 1));
    }
    return right;
}

Test(shapes, loops_that_each_lane_ends_for_itself_are_right)
{
    static const struct shape shapes[] = {{1, 1, 1},    {3, 1, 1},  {7, 1, 1},  {8, 1, 1},
                                          {12, 1, 1},   {32, 1, 1}, {64, 1, 1}, {256, 1, 1},
                                          {1024, 1, 1}, {7, 2, 1},  {4, 4, 4},  {1, 3, 2}};
    struct rig rigs[2];
    rig_open(&rigs[0], RIG_STRICT);
    rig_open(&rigs[1], RIG_LIVE);
    for (size_t i = 0; i < LENGTH(shapes); ++i) {
        for (size_t mode = 0; mode < LENGTH(rigs); ++mode) {
            gyre_kernel_params params = {.glsl = text_of(shapes[i], COLLATZ)};
            if (device_runs(&rigs[mode], shapes[i])) {
                run(&rigs[mode], params, check_collatz, 100);
            } else {
                refused(&rigs[mode], params, GYRE_ERROR_LIMIT, "local_size");
            }
        }
    }
    rig_close(&rigs[1]);
    rig_close(&rigs[0]);
}

Test(shapes, one_invocation_more_than_the_device_runs_is_refused)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    gyre_device_info info;
    ok(gyre_runtime_device(rig.runtime, &info, NULL));
    struct shape wide = {info.max_workgroup_invocations + 1, 1, 1};
    refused(&rig, (gyre_kernel_params){.glsl = text_of(wide, COLLATZ)}, GYRE_ERROR_LIMIT,
            "local_size");
    struct shape flat = {2, info.max_workgroup_invocations / 2 + 1, 1};
    refused(&rig, (gyre_kernel_params){.glsl = text_of(flat, COLLATZ)}, GYRE_ERROR_LIMIT,
            "local_size");
    rig_close(&rig);
}

/* Sums of neighbours through shared memory, a barrier at every step, the number of steps told by
 * the message. */
static const char SUMS[] = "shared uint left[SIZE];\n"
                           "void main() {\n"
                           "    uint lane = gl_LocalInvocationIndex;\n"
                           "    while (gyre_receive()) {\n"
                           "        left[lane] = GYRE_IN.value + lane;\n"
                           "        barrier();\n"
                           "        for (uint step = 0u; step < GYRE_IN.value % 23u; ++step) {\n"
                           "            uint sum = left[lane] + left[(lane + 1u) % SIZE];\n"
                           "            barrier();\n"
                           "            left[lane] = sum;\n"
                           "            barrier();\n"
                           "        }\n"
                           "        for (uint i = lane; i < 256u; i += SIZE) {\n"
                           "            GYRE_OUT.items[i] = left[(i + 1u) % SIZE];\n"
                           "        }\n"
                           "        gyre_send();\n"
                           "    }\n"
                           "}\n";

static uint32_t sums_size;

static bool check_sums(void *user, uint32_t index, const gyre_reply *reply)
{
    (void)user;
    uint32_t value = value_of(index);
    uint32_t left[2][ITEMS];
    for (uint32_t lane = 0; lane < sums_size; ++lane) {
        left[0][lane] = value + lane;
    }
    uint32_t steps = value % 23;
    for (uint32_t step = 0; step < steps; ++step) {
        for (uint32_t lane = 0; lane < sums_size; ++lane) {
            left[(step + 1) % 2][lane] = left[step % 2][lane] +
                                         left[step % 2][(lane + 1) % sums_size];
        }
    }
    const uint32_t *items = reply->data;
    bool right = reply->result == GYRE_OK;
    for (uint32_t i = 0; i < ITEMS; ++i) {
        right = right && items[i] == left[steps % 2][(i + 1) % sums_size];
    }
    return right;
}

Test(shapes, shared_memory_and_uniform_barriers_are_right)
{
    static const struct shape shapes[] = {{1, 1, 1},  {7, 1, 1},  {8, 1, 1},
                                          {32, 1, 1}, {64, 1, 1}, {5, 3, 2}};
    struct rig rigs[2];
    rig_open(&rigs[0], RIG_STRICT);
    rig_open(&rigs[1], RIG_LIVE);
    for (size_t i = 0; i < LENGTH(shapes); ++i) {
        sums_size = size_of(shapes[i]);
        for (size_t mode = 0; mode < LENGTH(rigs); ++mode) {
            run(&rigs[mode], (gyre_kernel_params){.glsl = text_of(shapes[i], SUMS)}, check_sums,
                200);
        }
    }
    rig_close(&rigs[1]);
    rig_close(&rigs[0]);
}

/* As COLLATZ, with a memory barrier in each step: on lavapipe before 23.0.1 every barrier is a
 * switch between subgroups. */
static const char FENCED[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        for (uint i = gl_LocalInvocationIndex; i < 256u; i += SIZE) {\n"
    "            uint steps = 0u;\n"
    "            for (uint x = GYRE_IN.value * (i + 1u); x != 1u; ++steps) {\n"
    "                x = (x & 1u) == 0u ? x / 2u : 3u * x + 1u;\n"
    "                memoryBarrierBuffer();\n"
    "            }\n"
    "            GYRE_OUT.items[i] = steps;\n"
    "        }\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

Test(shapes, uneven_loops_with_memory_barriers_are_right_or_refused_by_name)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel_params params = {.glsl = text_of((struct shape){32, 1, 1}, FENCED)};
        if (is_driver("lavapipe-22")) {
            refused(&rig, params, GYRE_ERROR_DRIVER_FAULT, "memory barriers");
            params.id = "accepted";
            params.accept_driver_faults = true;
            rig_launch(&rig, params);
            cr_assert(rig_said(&rig, "wrong values for it (accepted)"), "%s", rig.log);
        } else {
            run(&rig, params, check_collatz, 50);
        }
        params = (gyre_kernel_params){.glsl = text_of((struct shape){8, 1, 1}, FENCED)};
        run(&rig, params, check_collatz, 50);
        rig_close(&rig);
    }
}

static gyre_kernel_params compile(struct shape shape, const char *handler, bool no_memory_model)
{
    uint32_t *words = NULL;
    size_t size = 0;
    ok(gyre_compiler_shaderc()->compile(
        &(gyre_compile_request){
            .file = "shape.comp",
            .source = text_of(shape, handler),
            .no_memory_model = no_memory_model,
        },
        &words, &size));
    return (gyre_kernel_params){.spirv = words, .spirv_size = size};
}

static void release(gyre_kernel_params params)
{
    gyre_compiler_shaderc()->release((uint32_t *)(uintptr_t)params.spirv);
}

/* A module for devices without the Vulkan memory model runs on all. */
Test(shapes, modules_without_the_memory_model_are_right)
{
    static const uint32_t sizes[] = {1, 8};
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        gyre_kernel_params params = compile((struct shape){sizes[i], 1, 1}, COLLATZ, true);
        for (BOTH_MODES(mode)) {
            struct rig rig;
            rig_open(&rig, mode);
            run(&rig, params, check_collatz, 1000);
            rig_close(&rig);
        }
        release(params);
    }
}

/* By the memory model every use of shared memory is a memory barrier to lavapipe before 23.0.1.
 * GLSL that the engine compiles does without it there, a module that was compiled elsewhere is
 * refused. */
Test(shapes, modules_with_the_memory_model_are_right_or_refused_by_name)
{
    gyre_kernel_params params = compile((struct shape){32, 1, 1}, SUMS, false);
    sums_size = 32;
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        if (is_driver("lavapipe-22")) {
            refused(&rig, params, GYRE_ERROR_DRIVER_FAULT,
                    "compile it with -DGYRE_NO_MEMORY_MODEL");
        } else {
            run(&rig, params, check_sums, 200);
        }
        rig_close(&rig);
    }
    release(params);
}
