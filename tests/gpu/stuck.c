/* A handler that never returns (A10): every call ends in its time, the runtime gives the device up,
 * and the process can go. Each run is a process of its own, for nobody can take such a device back.
 * Where the driver cuts loops, the handler ends by a named error instead. */
#include "counting.h"

#include <stdio.h>

#include "child.h"

#define DESTROY_NS (1 * S)
#define LEAVE_NS (60 * S) /* from the start of the process to its end */
#define SLACK_NS (5 * S)  /* a busy machine comes late */

#define STRUCTS \
    "#version 460\n" \
    "struct Request { uint value; };\n" \
    "struct Response { uint value; };\n" \
    "#define GYRE_INPUT Request\n" \
    "#define GYRE_OUTPUT Response\n" \
    "#include \"gyre/kernel.glsl\"\n" \
    "layout(local_size_x = 1) in;\n"

/* The compiler sees that it never ends; */
static const char endless[] = STRUCTS "void main()\n"
                                      "{\n"
                                      "    gyre_receive();\n"
                                      "    while (true) {\n"
                                      "        GYRE_OUT.value += 1u;\n"
                                      "    }\n"
                                      "}\n";

/* it sees nothing of the kind. */
static const char stubborn[] = STRUCTS "void main()\n"
                                       "{\n"
                                       "    while (gyre_receive()) {\n"
                                       "        while (GYRE_IN.value == 0u) {\n"
                                       "            GYRE_OUT.value += 1u;\n"
                                       "        }\n"
                                       "        gyre_send();\n"
                                       "    }\n"
                                       "}\n";

static const char willing[] = STRUCTS "void main()\n"
                                      "{\n"
                                      "    while (gyre_receive()) {\n"
                                      "        GYRE_OUT.value = GYRE_IN.value;\n"
                                      "        gyre_send();\n"
                                      "    }\n"
                                      "}\n";

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[65536];

static void keep(void *user, gyre_log_level level, const char *message)
{
    (void)user;
    (void)level;
    pthread_mutex_lock(&log_lock);
    size_t size = strlen(log_text);
    snprintf(log_text + size, sizeof log_text - size, "%s\n", message);
    pthread_mutex_unlock(&log_lock);
}

static bool said(const char *part)
{
    pthread_mutex_lock(&log_lock);
    bool found = strstr(log_text, part) != NULL;
    pthread_mutex_unlock(&log_lock);
    return found;
}

/* A call gave what it should, in its time. `also` is another result that is right. */
static void check(const char *what, gyre_result result, gyre_result expected, gyre_result also,
                  uint64_t began, uint64_t allowed_ns)
{
    uint64_t took = rig_now_ns() - began;
    child_expect(result == expected || result == also, "%s: %s, not %s", what,
                 gyre_result_name(result), gyre_result_name(expected));
    child_expect(took <= allowed_ns + SLACK_NS, "%s took %llu ms", what,
                 (unsigned long long)(took / MS));
}

#define either(expected, also, allowed_ns, call) \
    do { \
        uint64_t began_ = rig_now_ns(); \
        gyre_result result_ = (call); \
        check(#call, result_, (expected), (also), began_, (allowed_ns)); \
    } while (0)

#define within(expected, allowed_ns, call) either(expected, expected, allowed_ns, call)

struct scene {
    gyre_runtime *runtime;
    gyre_profile profile;
    gyre_kernel *stuck;
    gyre_kernel *resting;   /* LAUNCHED */
    gyre_kernel *running;   /* ACTIVE */
    gyre_kernel *untouched; /* CREATED */
};

static gyre_kernel *add(struct scene *scene, const char *id, const char *glsl)
{
    gyre_kernel *kernel = NULL;
    within(GYRE_OK, 0,
           gyre_kernel_create(scene->runtime,
                              &(gyre_kernel_params){
                                  .id = id,
                                  .glsl = glsl,
                                  .launch_timeout_ns = strcmp(id, "untouched") ? 0 : 200 * MS,
                              },
                              &kernel));
    return kernel;
}

static gyre_result send(gyre_kernel *kernel)
{
    uint32_t value = 0;
    return gyre_send(kernel, &(gyre_message){.data = &value, .size = sizeof value}, 50 * MS);
}

static gyre_result receive(gyre_kernel *kernel, uint64_t timeout_ns)
{
    gyre_reply reply = {0};
    gyre_result result = gyre_receive(kernel, &reply, timeout_ns);
    return result == GYRE_OK ? reply.result : result;
}

/* Ends with the handler on its way, from which it does not come back. False: the driver cut it. */
static bool set(struct scene *scene, enum rig_mode mode, const char *glsl)
{
    *scene = (struct scene){0};
    gyre_runtime_params params = {
        .log = keep,
        .log_level = GYRE_LOG_INFO,
        .visibility = (gyre_visibility)mode,
        .compiler = gyre_compiler_shaderc(),
        .destroy_timeout_ns = DESTROY_NS,
    };
    if (!child_expect(gyre_runtime_create(&params, &scene->runtime) == GYRE_OK, "%s", log_text)) {
        return false;
    }
    gyre_runtime_device(scene->runtime, NULL, &scene->profile);
    scene->stuck = add(scene, "stuck", glsl);
    scene->resting = add(scene, "resting", willing);
    scene->running = add(scene, "running", willing);
    scene->untouched = add(scene, "untouched", willing);
    within(GYRE_OK, PATIENCE, gyre_kernel_launch(scene->stuck));
    within(GYRE_OK, PATIENCE, gyre_kernel_launch(scene->resting));
    within(GYRE_OK, PATIENCE, gyre_kernel_launch(scene->running));
    within(GYRE_OK, 0, gyre_kernel_activate(scene->running));
    within(GYRE_OK, 0, gyre_kernel_activate(scene->stuck));
    within(GYRE_OK, 0, send(scene->stuck));
    if (scene->profile.loop_limit) {
        within(GYRE_ERROR_LOOP_LIMIT, PATIENCE, receive(scene->stuck, PATIENCE));
        return false;
    }
    /* Time to get there: to be submitted, and then for the handler to begin. */
    gyre_stats stats = {0};
    for (uint64_t began = rig_now_ns(); !stats.submissions && rig_now_ns() - began < PATIENCE;) {
        counting_sleep(5 * MS);
        within(GYRE_OK, 0, gyre_kernel_stats(scene->stuck, &stats));
    }
    within(GYRE_ERROR_TIMEOUT, 200 * MS, receive(scene->stuck, 200 * MS));
    return true;
}

/* Every call on the kernel that hangs, and on others of its queue. */
static void try_everything(struct scene *scene)
{
    gyre_kernel *found = NULL;
    gyre_stats stats;
    within(GYRE_OK, 0, gyre_kernel_stats(scene->stuck, &stats));
    within(GYRE_OK, 0, gyre_kernel_find(scene->runtime, "stuck", &found));
    within(GYRE_OK, 0, send(scene->stuck));
    within(GYRE_ERROR_TIMEOUT, 100 * MS, gyre_kernel_deactivate(scene->stuck, 100 * MS));
    child_expect(gyre_kernel_state(scene->stuck) == GYRE_DEACTIVATED, "paused, but not in name");
    within(GYRE_OK, 0, gyre_kernel_reactivate(scene->stuck));
    within(GYRE_ERROR_EMPTY, 0, gyre_try_receive(scene->stuck, &(gyre_reply){0}));

    within(GYRE_ERROR_TIMEOUT, 200 * MS, gyre_kernel_launch(scene->untouched));
    within(GYRE_ERROR_TIMEOUT, 200 * MS, gyre_kernel_launch(scene->untouched));
    within(GYRE_OK, 0, send(scene->running));
    either(GYRE_ERROR_TIMEOUT, GYRE_OK, 100 * MS, receive(scene->running, 100 * MS));
    within(GYRE_OK, 0, send(scene->resting));
    within(GYRE_OK, 0, gyre_kernel_activate(scene->resting));
    either(GYRE_ERROR_TIMEOUT, GYRE_OK, 100 * MS,
           gyre_kernel_terminate(scene->resting, GYRE_DRAIN, 100 * MS, NULL));

    within(GYRE_ERROR_TIMEOUT, 200 * MS,
           gyre_kernel_terminate(scene->stuck, GYRE_DROP, 200 * MS, NULL));
    child_expect(gyre_kernel_state(scene->stuck) == GYRE_TERMINATING, "not TERMINATING");
    within(GYRE_ERROR_TIMEOUT, 0, gyre_kernel_terminate(scene->stuck, GYRE_DROP, 0, NULL));
    within(GYRE_ERROR_TIMEOUT, 50 * MS, receive(scene->stuck, 50 * MS));
    within(GYRE_ERROR_STATE, 0, send(scene->stuck));
}

static void destroy(struct scene *scene, bool is_stuck)
{
    uint64_t began = rig_now_ns();
    gyre_runtime_destroy(scene->runtime);
    check("gyre_runtime_destroy", GYRE_OK, GYRE_OK, GYRE_OK, began, DESTROY_NS);
    child_expect(said("given up") == is_stuck, "the log: %s", log_text);
}

static void run_full(int mode)
{
    struct scene scene;
    bool is_stuck = set(&scene, (enum rig_mode)mode, endless);
    if (is_stuck) {
        try_everything(&scene);
    } else {
        within(GYRE_OK, PATIENCE, gyre_kernel_terminate(scene.stuck, GYRE_DROP, PATIENCE, NULL));
    }
    destroy(&scene, is_stuck);
}

/* The same with a loop that looks harmless, and the kernels destroyed one by one. */
static void run_destroy_kernels(int mode)
{
    struct scene scene;
    bool is_stuck = set(&scene, (enum rig_mode)mode, stubborn);
    gyre_kernel *kernels[] = {scene.stuck, scene.running, scene.untouched};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; ++i) {
        uint64_t began = rig_now_ns();
        gyre_kernel_destroy(kernels[i]);
        check("gyre_kernel_destroy", GYRE_OK, GYRE_OK, GYRE_OK, began, DESTROY_NS);
    }
    child_expect(said("kernel stuck is still on the device") == is_stuck, "the log: %s", log_text);
    gyre_kernel *found = NULL;
    within(GYRE_ERROR_NOT_FOUND, 0, gyre_kernel_find(scene.runtime, "stuck", &found));
    destroy(&scene, is_stuck);
}

/* No farewell at all. */
static void run_just_leave(int mode)
{
    struct scene scene;
    set(&scene, (enum rig_mode)mode, endless);
}

static const struct child children[] = {
    {"full", run_full},
    {"destroy_kernels", run_destroy_kernels},
    {"just_leave", run_just_leave},
    {NULL, NULL},
};

static void both_modes(const char *child)
{
    /* What is given up is lost, and is meant to be. The validation layer's own globals are gone
     * while our threads still wait in it, when a process leaves without gyre_runtime_destroy: it
     * crashes. */
    bool leaves = strcmp(child, "just_leave") == 0;
    const char *const variables[] = {"ASAN_OPTIONS=detect_leaks=0",
                                     leaves ? "VK_INSTANCE_LAYERS=" : NULL, NULL};
    for (BOTH_MODES(mode)) {
        int status = child_run(child, (int)mode, variables, LEAVE_NS);
        cr_assert(status != CHILD_TOO_LATE, "mode %d: the process did not end", (int)mode);
        cr_assert(status == 0, "mode %d: status %d, see above", (int)mode, status);
    }
}

Test(stuck, every_call_ends_in_its_time_and_so_does_the_process)
{
    both_modes("full");
}

Test(stuck, kernels_can_be_destroyed_one_by_one)
{
    both_modes("destroy_kernels");
}

Test(stuck, a_process_may_leave_without_a_word)
{
    both_modes("just_leave");
}

CHILD_MAIN(children)
