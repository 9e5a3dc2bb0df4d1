/* The public functions: check, find, lock, call down. */
#include <stdlib.h>
#include <string.h>

#include <gyre/gyre.h>

#include "kernel.h"
#include "link.h"
#include "profile.h"
#include "topic.h"

#define BOUND_NS 10000000u
#define LINK_MEMORY (64u << 20)
#define QUANTUM_RELAUNCHES 20u /* so that changing turns costs 5 % */
#define DESTROY_TIMEOUT_NS 2000000000u

struct gyre_runtime {
    struct log log;
    struct device device;
    gyre_profile profile;
    struct worker *worker;
    struct carrier *carriers[DEVICE_QUEUES_MAX];
    uint32_t carrier_count;
    struct pipeline_store store;
    struct timers *timers;
    struct links links;
    struct topics topics;
    struct ticks_scale ticks;
    VkSemaphore go; /* signalled by the host only */
    gyre_visibility visibility;
    gyre_wait wait;
    bool blind;            /* GYRE_RUNTIME_BLIND */
    struct base_cpus cpus; /* the list is ours */
    const gyre_compiler *compiler;
    uint64_t bound_ns;
    uint64_t destroy_timeout_ns;
    atomic_uint_fast64_t next_id;

    pthread_mutex_t lock; /* before any kernel's */
    struct gyre_kernel *kernels;
    uint64_t next_kernel;
    uint64_t go_value;
};

const char *gyre_version(void)
{
    return GYRE_VERSION_STRING;
}

static struct log log_of(const gyre_runtime_params *params)
{
    if (!params) {
        return (struct log){0};
    }
    return (struct log){
        .callback = params->log, .user = params->log_user, .level = params->log_level};
}

gyre_result gyre_device_list(const gyre_runtime_params *params, gyre_device_info *infos,
                             uint32_t *count)
{
    struct log log = log_of(params);
    return count ? device_list(&log, infos, count)
                 : log_fail(&log, GYRE_ERROR_INVALID, "count is NULL");
}

static gyre_result check_params(const struct log *log, const gyre_runtime_params *params)
{
    if (params->flags & ~(uint32_t)(GYRE_RUNTIME_PROBE | GYRE_RUNTIME_BLIND)) {
        return log_fail(log, GYRE_ERROR_INVALID,
                        "flags 0x%x: there are GYRE_RUNTIME_PROBE and "
                        "GYRE_RUNTIME_BLIND",
                        params->flags);
    }
    if (params->reserved) {
        return log_fail(log, GYRE_ERROR_INVALID, "reserved must be 0");
    }
    if (params->visibility < GYRE_VISIBILITY_AUTO || params->visibility > GYRE_VISIBILITY_LIVE) {
        return log_fail(log, GYRE_ERROR_INVALID, "no such visibility");
    }
    if (params->wait < GYRE_WAIT_DEFAULT || params->wait > GYRE_WAIT_FRUGAL) {
        return log_fail(log, GYRE_ERROR_INVALID, "no such wait");
    }
    const struct base_cpus cpus = {params->cpus, params->cpu_count};
    if (cpus.count > 0 && !cpus.list) {
        return log_fail(log, GYRE_ERROR_INVALID, "cpu_count without cpus");
    }
    if (base_cpus_missing(&cpus) != UINT32_MAX) {
        return log_fail(log, GYRE_ERROR_INVALID,
                        "cpus: this machine has no processor %u that threads can be bound to",
                        base_cpus_missing(&cpus));
    }
    if (params->compiler && params->compiler->version != 1) {
        return log_fail(log, GYRE_ERROR_INVALID,
                        "gyre-compiler is of another version than this library");
    }
    return GYRE_OK;
}

static gyre_result create_go(struct gyre_runtime *runtime)
{
    struct device *device = &runtime->device;
    VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext =
            &(VkSemaphoreTypeCreateInfo){
                .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
            },
    };
    return device_check(device, VK(&runtime->log, device->vk.vkCreateSemaphore(
                                                      device->handle, &info, NULL, &runtime->go)));
}

static gyre_result start(struct gyre_runtime *runtime, const gyre_runtime_params *params)
{
    gyre_result result = device_open(&runtime->device, &runtime->log, params->device);
    if (result == GYRE_OK) {
        result = pipeline_store_open(&runtime->device, &runtime->store, params->cache_directory);
    }
    if (result == GYRE_OK) {
        result = profile_open(&runtime->device,
                              &(struct profile_request){
                                  .directory = runtime->store.directory,
                                  .anew = params->flags & GYRE_RUNTIME_PROBE,
                                  .cache = runtime->store.cache,
                              },
                              &runtime->profile);
        runtime->blind = params->flags & GYRE_RUNTIME_BLIND;
        runtime->profile.live = runtime->profile.live || runtime->blind;
    }
    uint64_t quantum_ns = runtime->profile.relaunch_ns * QUANTUM_RELAUNCHES;
    uint64_t most_ns = runtime->bound_ns / 4 + 1;
    runtime->profile.quantum_ns = quantum_ns < most_ns ? quantum_ns : most_ns;
    if (result == GYRE_OK && params->visibility == GYRE_VISIBILITY_LIVE && !runtime->profile.live) {
        result = log_fail(
            &runtime->log, GYRE_ERROR_UNSUPPORTED,
            "LIVE is not possible: %s does not see the host's writes while it runs; ask for STRICT or AUTO",
            runtime->device.info.name);
    }
    if (result == GYRE_OK) {
        result = create_go(runtime);
    }
    if (result == GYRE_OK) {
        links_init(&runtime->links, &runtime->device,
                   params->link_memory ? params->link_memory : LINK_MEMORY);
        topics_init(&runtime->topics, &runtime->links, &runtime->log);
        ticks_calibrate(&runtime->ticks);
        runtime->timers = timers_create(&runtime->cpus);
        runtime->worker = worker_create(&runtime->cpus);
        result = runtime->worker && runtime->timers ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < runtime->device.queue_count && result == GYRE_OK; ++i) {
        runtime->carriers[i] = carrier_create(&(struct carrier_params){
            .device = &runtime->device,
            .timers = runtime->timers,
            .queue = i,
            .serial = !runtime->profile.overlap_queue,
            .bound_ns = runtime->bound_ns,
            .quantum_ns = runtime->profile.quantum_ns,
            .relaunch_ns = runtime->profile.relaunch_ns,
            .cpus = &runtime->cpus,
        });
        runtime->carrier_count += 1;
        result = runtime->carriers[i] ? GYRE_OK : GYRE_ERROR_NO_MEMORY;
    }
    return result;
}

gyre_result gyre_runtime_create(const gyre_runtime_params *params, gyre_runtime **runtime)
{
    static const gyre_runtime_params defaults = {0};
    struct log log = log_of(params);
    params = params ? params : &defaults;
    if (!runtime) {
        return log_fail(&log, GYRE_ERROR_INVALID, "runtime is NULL");
    }
    gyre_result result = check_params(&log, params);
    if (result != GYRE_OK) {
        return result;
    }
    struct gyre_runtime *made = calloc(1, sizeof *made);
    if (!made) {
        return GYRE_ERROR_NO_MEMORY;
    }
    made->log = log;
    made->visibility = params->visibility;
    made->wait = params->wait ? params->wait : GYRE_WAIT_BALANCED;
    made->compiler = params->compiler;
    made->bound_ns = params->submission_bound_ns ? params->submission_bound_ns : BOUND_NS;
    made->destroy_timeout_ns = params->destroy_timeout_ns ? params->destroy_timeout_ns
                                                          : DESTROY_TIMEOUT_NS;
    made->next_id = 1;
    pthread_mutex_init(&made->lock, NULL);
    made->cpus.count = params->cpu_count;
    made->cpus.list = base_copy(params->cpus, params->cpu_count * sizeof *params->cpus);
    result = made->cpus.list || !made->cpus.count ? start(made, params) : GYRE_ERROR_NO_MEMORY;
    if (result != GYRE_OK) {
        gyre_runtime_destroy(made);
        return result;
    }
    *runtime = made;
    return GYRE_OK;
}

/* On the worker's thread: all that is left of Vulkan. */
static void close_device(void *argument)
{
    struct gyre_runtime *runtime = argument;
    struct device *device = &runtime->device;
    if (device->handle) {
        if (runtime->links.device) {
            topics_finish(&runtime->topics);
            links_finish(&runtime->links);
        }
        device->vk.vkDestroySemaphore(device->handle, runtime->go, NULL);
        pipeline_store_close(device, &runtime->store);
    }
    device_close(device);
}

/* False: something holds the device. */
static bool stop(struct gyre_runtime *runtime, uint64_t deadline)
{
    bool free_of_it = true;
    while (runtime->kernels) {
        struct gyre_kernel *kernel = runtime->kernels;
        runtime->kernels = kernel->next;
        free_of_it = kernel_destroy(kernel, deadline) && free_of_it;
    }
    for (uint32_t i = 0; i < runtime->carrier_count; ++i) {
        free_of_it = carrier_destroy(runtime->carriers[i],
                                     free_of_it ? deadline : base_deadline(200000000)) &&
                     free_of_it;
    }
    free_of_it = timers_destroy(runtime->timers, deadline) && free_of_it;
    if (!runtime->worker) {
        close_device(runtime);
        return free_of_it;
    }
    struct worker_job *job = free_of_it ? worker_start(runtime->worker, close_device, runtime)
                                        : NULL;
    if (job && !worker_wait(runtime->worker, job, deadline)) {
        worker_forget(runtime->worker, job);
        free_of_it = false;
    }
    return worker_destroy(runtime->worker, free_of_it ? deadline : base_deadline(0)) &&
           free_of_it && job;
}

void gyre_runtime_destroy(gyre_runtime *runtime)
{
    if (!runtime) {
        return;
    }
    if (!stop(runtime, base_deadline(runtime->destroy_timeout_ns))) {
        log_say(
            &runtime->log, GYRE_LOG_ERROR,
            "%s is still held by a shader or its driver after %llu ms: given up, with its memory",
            runtime->device.info.name, (unsigned long long)(runtime->destroy_timeout_ns / 1000000));
        return;
    }
    pthread_mutex_destroy(&runtime->lock);
    free((void *)runtime->cpus.list);
    free(runtime);
}

gyre_result gyre_runtime_device(const gyre_runtime *runtime, gyre_device_info *info,
                                gyre_profile *profile)
{
    if (!runtime) {
        return GYRE_ERROR_INVALID;
    }
    if (info) {
        *info = runtime->device.info;
    }
    if (profile) {
        *profile = runtime->profile;
    }
    return GYRE_OK;
}

/* A kernel that was given up has no id. */
static struct gyre_kernel *find(struct gyre_runtime *runtime, const char *id)
{
    for (struct gyre_kernel *kernel = runtime->kernels; kernel; kernel = kernel->next) {
        if (*id && strcmp(kernel->id, id) == 0) {
            return kernel;
        }
    }
    return NULL;
}

static uint32_t load_of(struct gyre_runtime *runtime, const struct carrier *carrier)
{
    uint32_t load = 0;
    for (struct gyre_kernel *each = runtime->kernels; each; each = each->next) {
        pthread_mutex_lock(&each->lock);
        load += each->services.carrier == carrier && each->state != GYRE_TERMINATED;
        pthread_mutex_unlock(&each->lock);
    }
    return load;
}

/* `wanted` counts from 1; 0: the one with the fewest kernels. NULL: there is none. */
static struct carrier *choose_carrier(struct gyre_runtime *runtime, uint32_t wanted)
{
    if (wanted > runtime->carrier_count) {
        log_say(&runtime->log, GYRE_LOG_ERROR, "no carrier %u: %s has %u", wanted,
                runtime->device.info.name, runtime->carrier_count);
        return NULL;
    }
    struct carrier *best = runtime->carriers[wanted ? wanted - 1 : 0];
    for (uint32_t i = 1; wanted == 0 && i < runtime->carrier_count; ++i) {
        struct carrier *other = runtime->carriers[i];
        best = load_of(runtime, other) < load_of(runtime, best) ? other : best;
    }
    return best;
}

gyre_result gyre_kernel_create(gyre_runtime *runtime, const gyre_kernel_params *params,
                               gyre_kernel **kernel)
{
    if (!runtime || !kernel) {
        return GYRE_ERROR_INVALID;
    }
    pthread_mutex_lock(&runtime->lock);
    struct kernel_services services = {
        .device = &runtime->device,
        .log = &runtime->log,
        .profile = &runtime->profile,
        .compiler = runtime->compiler,
        .worker = runtime->worker,
        .carrier = choose_carrier(runtime, params ? params->carrier : 0),
        .store = &runtime->store,
        .timers = runtime->timers,
        .links = &runtime->links,
        .ticks = &runtime->ticks,
        .go = runtime->go,
        .bound_ns = runtime->bound_ns,
        .visibility = runtime->visibility,
        .wait = runtime->wait,
        .blind = runtime->blind,
        .next_id = &runtime->next_id,
    };
    gyre_result result = services.carrier ? GYRE_OK : GYRE_ERROR_INVALID;
    if (result == GYRE_OK && params && params->id && find(runtime, params->id)) {
        result =
            log_fail(&runtime->log, GYRE_ERROR_ALREADY_EXISTS, "a kernel %s exists", params->id);
    }
    struct gyre_kernel *made = NULL;
    if (result == GYRE_OK) {
        result = kernel_create(&services, params, runtime->next_kernel, &made);
    }
    if (result == GYRE_OK) {
        runtime->next_kernel += 1;
        made->runtime = runtime;
        made->next = runtime->kernels;
        runtime->kernels = made;
        *kernel = made;
    }
    pthread_mutex_unlock(&runtime->lock);
    return result;
}

gyre_result gyre_kernel_find(gyre_runtime *runtime, const char *id, gyre_kernel **kernel)
{
    if (!runtime || !id || !kernel) {
        return GYRE_ERROR_INVALID;
    }
    pthread_mutex_lock(&runtime->lock);
    struct gyre_kernel *found = find(runtime, id);
    gyre_result result = GYRE_OK;
    if (found) {
        *kernel = found;
    } else {
        result = log_fail(&runtime->log, GYRE_ERROR_NOT_FOUND, "no kernel %s; there %s", id,
                          runtime->kernels ? "are:" : "is none");
        for (const struct gyre_kernel *each = runtime->kernels; each; each = each->next) {
            if (each->id[0]) {
                log_say(&runtime->log, GYRE_LOG_ERROR, "kernel %s", each->id);
            }
        }
    }
    pthread_mutex_unlock(&runtime->lock);
    return result;
}

static void unlink_kernel(struct gyre_runtime *runtime, struct gyre_kernel *kernel)
{
    struct gyre_kernel **at = &runtime->kernels;
    while (*at && *at != kernel) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = kernel->next;
    }
}

void gyre_kernel_destroy(gyre_kernel *kernel)
{
    if (!kernel) {
        return;
    }
    struct gyre_runtime *runtime = kernel->runtime;
    pthread_mutex_lock(&runtime->lock);
    unlink_kernel(runtime, kernel);
    pthread_mutex_unlock(&runtime->lock);
    topics_forget(&runtime->topics, kernel);
    if (kernel_destroy(kernel, base_deadline(runtime->destroy_timeout_ns))) {
        return;
    }
    log_say(&runtime->log, GYRE_LOG_ERROR,
            "kernel %s is still on the device: left to gyre_runtime_destroy", kernel->id);
    pthread_mutex_lock(&runtime->lock);
    kernel->id[0] = '\0';
    kernel->next = runtime->kernels;
    runtime->kernels = kernel;
    pthread_mutex_unlock(&runtime->lock);
}

gyre_result gyre_kernel_launch(gyre_kernel *kernel)
{
    return kernel ? kernel_launch(kernel) : GYRE_ERROR_INVALID;
}

/* Locks of several kernels are taken in the order of their numbers. */
static int by_number(const void *a, const void *b)
{
    const struct gyre_kernel *left = *(struct gyre_kernel *const *)a;
    const struct gyre_kernel *right = *(struct gyre_kernel *const *)b;
    return (left->number > right->number) - (left->number < right->number);
}

/* Kernels of one runtime, each once, in the order of their numbers; the caller frees. */
static gyre_result sort_group(gyre_kernel *const *kernels, uint32_t count, gyre_kernel ***sorted)
{
    *sorted = NULL;
    for (uint32_t i = 0; i < count; ++i) {
        if (!kernels || !kernels[i]) {
            return GYRE_ERROR_INVALID;
        }
    }
    if (!kernels || !count) {
        return GYRE_ERROR_INVALID;
    }
    gyre_kernel **copy = base_copy(kernels, count * sizeof *copy);
    if (!copy) {
        return GYRE_ERROR_NO_MEMORY;
    }
    qsort(copy, count, sizeof *copy, by_number);
    for (uint32_t i = 0; i < count; ++i) {
        if (copy[i]->runtime != copy[0]->runtime || (i > 0 && copy[i] == copy[i - 1])) {
            free(copy);
            return GYRE_ERROR_INVALID;
        }
    }
    *sorted = copy;
    return GYRE_OK;
}

static void lock_group(gyre_kernel *const *sorted, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        pthread_mutex_lock(&sorted[i]->lock);
    }
}

static void unlock_group(gyre_kernel *const *sorted, uint32_t count)
{
    for (uint32_t i = count; i > 0; --i) {
        pthread_mutex_unlock(&sorted[i - 1]->lock);
    }
}

static gyre_result start_group(struct gyre_runtime *runtime, gyre_kernel *const *kernels,
                               uint32_t count)
{
    gyre_result result = GYRE_OK;
    for (uint32_t i = 0; i < count && result == GYRE_OK; ++i) {
        result = kernel_allows(kernels[i], LIFECYCLE_ACTIVATE);
        if (result == GYRE_OK && kernels[i]->linking) {
            result = log_fail(&runtime->log, GYRE_ERROR_STATE, "kernel %s is being linked",
                              kernels[i]->id);
        }
    }
    if (result != GYRE_OK) {
        return result;
    }
    /* The signal first: nobody arms ahead, and when a submission is done before the
     * vkSignalSemaphore that it waited for has returned, the validation layer stalls for 10 s and
     * complains of itself (1.3.239 on lavapipe 22.3.6 and 25.0.7 under load:
     * UNASSIGNED-VkSemaphore-state-timeout). */
    uint64_t value = runtime->go_value + 1;
    VkSemaphoreSignalInfo signal = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
        .semaphore = runtime->go,
        .value = value,
    };
    struct device *device = &runtime->device;
    result = device_check(device,
                          VK(&runtime->log, device->vk.vkSignalSemaphore(device->handle, &signal)));
    if (result != GYRE_OK) {
        return result;
    }
    runtime->go_value = value;
    for (uint32_t i = 0; i < count; ++i) {
        gyre_result started = kernel_start(kernels[i], value);
        result = result == GYRE_OK ? started : result;
    }
    return result;
}

gyre_result gyre_kernels_activate(gyre_kernel *const *kernels, uint32_t count)
{
    gyre_kernel **sorted = NULL;
    gyre_result result = sort_group(kernels, count, &sorted);
    if (result == GYRE_OK) {
        struct gyre_runtime *runtime = sorted[0]->runtime;
        pthread_mutex_lock(&runtime->lock);
        lock_group(sorted, count);
        result = start_group(runtime, sorted, count);
        unlock_group(sorted, count);
        pthread_mutex_unlock(&runtime->lock);
    }
    free(sorted);
    return result;
}

gyre_result gyre_kernel_activate(gyre_kernel *kernel)
{
    return gyre_kernels_activate(&kernel, 1);
}

gyre_result gyre_kernel_deactivate(gyre_kernel *kernel, uint64_t timeout_ns)
{
    return kernel ? kernel_deactivate(kernel, base_deadline(timeout_ns)) : GYRE_ERROR_INVALID;
}

gyre_result gyre_kernels_deactivate(gyre_kernel *const *kernels, uint32_t count,
                                    uint64_t timeout_ns)
{
    uint64_t deadline = base_deadline(timeout_ns);
    gyre_kernel **sorted = NULL;
    gyre_result result = sort_group(kernels, count, &sorted);
    if (result != GYRE_OK) {
        return result;
    }
    lock_group(sorted, count);
    for (uint32_t i = 0; i < count && result == GYRE_OK; ++i) {
        result = kernel_allows(sorted[i], LIFECYCLE_DEACTIVATE);
    }
    bool begun = result == GYRE_OK;
    for (uint32_t i = 0; i < count && begun; ++i) {
        kernel_begin_deactivation(sorted[i]);
    }
    unlock_group(sorted, count);
    for (uint32_t i = 0; i < count && begun; ++i) {
        gyre_result ended = kernel_await_deactivation(sorted[i], deadline);
        result = result == GYRE_OK ? ended : result;
    }
    free(sorted);
    return result;
}

gyre_result gyre_kernel_reactivate(gyre_kernel *kernel)
{
    return kernel ? kernel_reactivate(kernel) : GYRE_ERROR_INVALID;
}

gyre_result gyre_kernel_terminate(gyre_kernel *kernel, gyre_terminate_mode mode,
                                  uint64_t timeout_ns, uint64_t *dropped)
{
    if (!kernel || (mode != GYRE_DROP && mode != GYRE_DRAIN)) {
        return GYRE_ERROR_INVALID;
    }
    return kernel_terminate(kernel, mode, base_deadline(timeout_ns), dropped);
}

gyre_result gyre_kernels_terminate(gyre_kernel *const *kernels, uint32_t count,
                                   gyre_terminate_mode mode, uint64_t timeout_ns, uint64_t *dropped)
{
    uint64_t deadline = base_deadline(timeout_ns);
    gyre_kernel **sorted = NULL;
    if (mode != GYRE_DROP && mode != GYRE_DRAIN) {
        return GYRE_ERROR_INVALID;
    }
    gyre_result result = sort_group(kernels, count, &sorted);
    if (result != GYRE_OK) {
        return result;
    }
    lock_group(sorted, count);
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; ++i) {
        before += sorted[i]->stats.dropped_terminated;
        kernel_begin_termination(sorted[i], mode);
    }
    unlock_group(sorted, count);
    uint64_t after = 0;
    for (uint32_t i = 0; i < count; ++i) {
        uint64_t of_it = 0;
        gyre_result ended = kernel_await_termination(sorted[i], deadline, &of_it);
        result = result == GYRE_OK ? ended : result;
        after += of_it;
    }
    if (result == GYRE_OK && dropped) {
        *dropped = after - before;
    }
    free(sorted);
    return result;
}

gyre_state gyre_kernel_state(const gyre_kernel *kernel)
{
    if (!kernel) {
        return GYRE_TERMINATED;
    }
    struct gyre_kernel *it = (struct gyre_kernel *)(uintptr_t)kernel; /* to lock it */
    pthread_mutex_lock(&it->lock);
    gyre_state state = it->state;
    pthread_mutex_unlock(&it->lock);
    return state;
}

const char *gyre_kernel_id(const gyre_kernel *kernel)
{
    return kernel ? kernel->id : "";
}

static uint32_t size_of(const gyre_kernel *kernel, bool input)
{
    if (!kernel || gyre_kernel_state(kernel) == GYRE_CREATED) {
        return 0;
    }
    const struct spirv_info *info = &kernel->build.program.info;
    return input ? info->input.data_size : info->output.data_size;
}

uint32_t gyre_kernel_input_size(const gyre_kernel *kernel)
{
    return size_of(kernel, true);
}

uint32_t gyre_kernel_output_size(const gyre_kernel *kernel)
{
    return size_of(kernel, false);
}

gyre_result gyre_send(gyre_kernel *kernel, const gyre_message *message, uint64_t timeout_ns)
{
    return gyre_send_batch(kernel, message, 1, timeout_ns, NULL);
}

gyre_result gyre_try_send(gyre_kernel *kernel, const gyre_message *message)
{
    uint32_t sent;
    return kernel && message
               ? send_messages(kernel, message, 1, (struct patience){.never = true}, &sent)
               : GYRE_ERROR_INVALID;
}

gyre_result gyre_send_batch(gyre_kernel *kernel, const gyre_message *messages, uint32_t count,
                            uint64_t timeout_ns, uint32_t *sent)
{
    uint32_t unasked;
    return kernel && (messages || count == 0)
               ? send_messages(kernel, messages, count, (struct patience){.timeout_ns = timeout_ns},
                               sent ? sent : &unasked)
               : GYRE_ERROR_INVALID;
}

gyre_result gyre_reserve(gyre_kernel *kernel, const gyre_message *like, uint32_t count,
                         uint64_t timeout_ns, gyre_reservation *reservation)
{
    return kernel && like && count && reservation
               ? reserve_places(kernel, like, count, (struct patience){.timeout_ns = timeout_ns},
                                reservation)
               : GYRE_ERROR_INVALID;
}

gyre_result gyre_commit(gyre_kernel *kernel, const gyre_reservation *reservation, uint32_t used,
                        const uint64_t *correlations, uint64_t *ids)
{
    return kernel && reservation ? reserve_commit(kernel, reservation, used, correlations, ids)
                                 : GYRE_ERROR_INVALID;
}

gyre_result gyre_receive(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    return gyre_receive_batch(kernel, reply, 1, timeout_ns, NULL);
}

gyre_result gyre_try_receive(gyre_kernel *kernel, gyre_reply *reply)
{
    uint32_t received;
    return kernel && reply
               ? receive_answers(kernel, reply, 1, (struct patience){.never = true}, &received)
               : GYRE_ERROR_INVALID;
}

gyre_result gyre_receive_batch(gyre_kernel *kernel, gyre_reply *replies, uint32_t count,
                               uint64_t timeout_ns, uint32_t *received)
{
    uint32_t unasked;
    return kernel && (replies || count == 0)
               ? receive_answers(kernel, replies, count,
                                 (struct patience){.timeout_ns = timeout_ns},
                                 received ? received : &unasked)
               : GYRE_ERROR_INVALID;
}

gyre_result gyre_peek(gyre_kernel *kernel, gyre_reply *replies, uint32_t count, uint64_t timeout_ns,
                      uint32_t *peeked)
{
    uint32_t unasked;
    return kernel && replies && count
               ? receive_peek(kernel, replies, count, (struct patience){.timeout_ns = timeout_ns},
                              peeked ? peeked : &unasked)
               : GYRE_ERROR_INVALID;
}

gyre_result gyre_release(gyre_kernel *kernel)
{
    return kernel ? receive_release(kernel) : GYRE_ERROR_INVALID;
}

gyre_result gyre_request(gyre_kernel *kernel, const gyre_message *message, gyre_reply *reply,
                         uint64_t timeout_ns)
{
    return kernel && message && reply ? request_await(kernel, message, reply, timeout_ns)
                                      : GYRE_ERROR_INVALID;
}

gyre_result gyre_request_begin(gyre_kernel *kernel, const gyre_message *message,
                               uint64_t timeout_ns, gyre_request_callback callback, void *user)
{
    return kernel && message && callback
               ? request_begin(kernel, message, timeout_ns, callback, user)
               : GYRE_ERROR_INVALID;
}

gyre_result gyre_pump(gyre_kernel *kernel, uint64_t timeout_ns, uint32_t *called)
{
    return kernel ? request_pump(kernel, timeout_ns, called) : GYRE_ERROR_INVALID;
}

gyre_result gyre_dead_letter_take(gyre_kernel *kernel, gyre_dead_letter *letter)
{
    return kernel && letter ? failure_take(kernel, letter) : GYRE_ERROR_INVALID;
}

gyre_result gyre_dead_letter_resend(gyre_kernel *kernel, uint32_t most, uint32_t *count)
{
    return kernel ? failure_resend(kernel, most, count) : GYRE_ERROR_INVALID;
}

/* Linked kernels share a queue: what one leaves in a ring another one's next submission sees. */
gyre_result gyre_link(gyre_kernel *from, uint32_t port, gyre_kernel *to,
                      const gyre_link_params *params)
{
    if (!from || !to) {
        return GYRE_ERROR_INVALID;
    }
    struct gyre_runtime *runtime = from->runtime;
    return links_connect(&runtime->links, from, port, to, params, runtime->carriers[0]);
}

gyre_result gyre_unlink(gyre_kernel *from, uint32_t port, gyre_kernel *to, uint64_t *dropped)
{
    return from && to ? links_disconnect(&from->runtime->links, from, port, to, dropped)
                      : GYRE_ERROR_INVALID;
}

gyre_result gyre_link_get_stats(gyre_kernel *from, uint32_t port, gyre_kernel *to,
                                gyre_link_stats *stats)
{
    return from && to && stats ? links_stats(&from->runtime->links, from, port, to, stats)
                               : GYRE_ERROR_INVALID;
}

gyre_result gyre_topic_publish(gyre_kernel *from, uint32_t port, const char *topic)
{
    return from ? topics_publish(&from->runtime->topics, from, port, topic,
                                 from->runtime->carriers[0])
                : GYRE_ERROR_INVALID;
}

gyre_result gyre_topic_subscribe(gyre_kernel *to, const char *pattern, uint32_t slots)
{
    return to ? topics_subscribe(&to->runtime->topics, to, pattern, slots, to->runtime->carriers[0])
              : GYRE_ERROR_INVALID;
}

gyre_result gyre_topic_unsubscribe(gyre_kernel *to, const char *pattern)
{
    return to ? topics_unsubscribe(&to->runtime->topics, to, pattern) : GYRE_ERROR_INVALID;
}

gyre_result gyre_topic_send(gyre_runtime *runtime, const char *topic, const gyre_message *message,
                            uint32_t *delivered, uint32_t *lost)
{
    return runtime && message ? topics_send(&runtime->topics, topic, message, delivered, lost)
                              : GYRE_ERROR_INVALID;
}

gyre_result gyre_kernel_stats(gyre_kernel *kernel, gyre_stats *stats)
{
    if (!kernel || !stats) {
        return GYRE_ERROR_INVALID;
    }
    return kernel_stats(kernel, stats);
}
