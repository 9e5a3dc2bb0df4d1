#include "kernel.h"
#include "link.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_DEFAULT 1024u
#define CHAIN_DEFAULT 8u
#define HOPS_DEFAULT (1u << 20)
#define LAUNCH_TIMEOUT_NS 60000000000u

static bool are_types(const gyre_kernel_params *params)
{
    if (params->type_count > GYRE_TYPES_MAX || (params->type_count && !params->types)) {
        return false;
    }
    for (uint32_t i = 0; i < params->type_count; ++i) {
        bool once = params->types[i].type <= GYRE_TYPE_MAX && params->types[i].size > 0;
        for (uint32_t k = 0; k < i; ++k) {
            once = once && params->types[k].type != params->types[i].type;
        }
        if (!once) {
            return false;
        }
    }
    return true;
}

static gyre_result check_params(const struct log *log, const gyre_kernel_params *params)
{
    if (!params || !params->id || !params->id[0] || strlen(params->id) >= KERNEL_ID_SIZE) {
        return log_fail(log, GYRE_ERROR_INVALID, "a kernel needs an id of 1 to %d bytes",
                        KERNEL_ID_SIZE - 1);
    }
    int sources = !!params->glsl_file + !!params->glsl + !!params->spirv;
    if (sources != 1 || (params->spirv && !params->spirv_size)) {
        return log_fail(log, GYRE_ERROR_INVALID,
                        "kernel %s: give one of glsl_file, glsl, or spirv with spirv_size",
                        params->id);
    }
    const struct {
        bool ok;
        const char *what;
    } rules[] = {
        {params->flags == 0 && params->reserved == 0, "flags and reserved must be 0"},
        {!params->shards || !params->workgroups || params->shards == params->workgroups,
         "give shards or workgroups"},
        {params->chain <= GYRE_CHAIN_MAX, "chain is at most 16"},
        {params->weight <= GYRE_WEIGHT_MAX, "weight is at most 1024"},
        {params->backpressure >= GYRE_BLOCK && params->backpressure <= GYRE_DROP_OLDEST,
         "no such backpressure"},
        {params->output_backpressure >= GYRE_BLOCK &&
             params->output_backpressure <= GYRE_DROP_OLDEST,
         "no such output_backpressure"},
        {params->on_failure >= GYRE_CONTINUE && params->on_failure <= GYRE_TERMINATE,
         "no such on_failure"},
        {!params->type_count || params->types, "types is missing"},
        {are_types(params), "types must be at most 64, from 0 to 0xfffe, each once and of a size"},
        {params->visibility >= GYRE_VISIBILITY_AUTO && params->visibility <= GYRE_VISIBILITY_LIVE,
         "no such visibility"},
        {params->wait >= GYRE_WAIT_DEFAULT && params->wait <= GYRE_WAIT_FRUGAL, "no such wait"},
        {params->window <= 1u << 24 && params->output_window <= 1u << 24,
         "a window is at most 2^24 slots"},
        {!params->binding_count || params->bindings, "bindings is missing"},
        {!params->input_field_count || params->input_fields, "input_fields is missing"},
        {!params->output_field_count || params->output_fields, "output_fields is missing"},
        {!params->include_directory_count || params->include_directories,
         "include_directories is missing"},
    };
    for (size_t i = 0; i < LENGTH(rules); ++i) {
        if (!rules[i].ok) {
            return log_fail(log, GYRE_ERROR_INVALID, "kernel %s: %s", params->id, rules[i].what);
        }
    }
    return GYRE_OK;
}

/* A copy of an array; fine if there is none. */
static bool copy_array(const void *from, size_t count, size_t size, const void **to)
{
    *to = count ? base_copy(from, count * size) : NULL;
    return !count || *to;
}

static bool copy_text(const char *from, const char **to)
{
    *to = base_copy_string(from);
    return !from || *to;
}

static bool copy_params(const gyre_kernel_params *from, gyre_kernel_params *to)
{
    *to = *from;
    to->id = NULL; /* kernel->id */
    to->bindings = NULL;
    to->include_directories = NULL;
    bool ok = copy_text(from->glsl_file, &to->glsl_file);
    ok = copy_text(from->glsl, &to->glsl) && ok;
    const void *words = NULL;
    ok = copy_array(from->spirv, from->spirv ? from->spirv_size : 0, 1, &words) && ok;
    to->spirv = words;
    const void *fields = NULL;
    ok = copy_array(from->input_fields, from->input_field_count, sizeof(gyre_field), &fields) && ok;
    to->input_fields = fields;
    ok = copy_array(from->output_fields, from->output_field_count, sizeof(gyre_field), &fields) &&
         ok;
    to->output_fields = fields;
    const void *types = NULL;
    ok = copy_array(from->types, from->type_count, sizeof(gyre_message_type), &types) && ok;
    to->types = types;
    gyre_binding *bindings = calloc(from->binding_count + 1u, sizeof *bindings);
    const char **directories = calloc(from->include_directory_count + 1u, sizeof *directories);
    to->bindings = bindings;
    to->include_directories = directories;
    for (uint32_t i = 0; ok && bindings && i < from->binding_count; ++i) {
        bindings[i] = from->bindings[i];
        bindings[i].data = base_copy(from->bindings[i].data, from->bindings[i].size);
        ok = !from->bindings[i].data || bindings[i].data;
    }
    for (uint32_t i = 0; ok && directories && i < from->include_directory_count; ++i) {
        ok = copy_text(from->include_directories[i], &directories[i]);
    }
    return ok && bindings && directories;
}

static void free_params(gyre_kernel_params *params)
{
    for (uint32_t i = 0; params->bindings && i < params->binding_count; ++i) {
        free((void *)(uintptr_t)params->bindings[i].data);
    }
    for (uint32_t i = 0; params->include_directories && i < params->include_directory_count; ++i) {
        free((void *)(uintptr_t)params->include_directories[i]);
    }
    const void *const all[] = {
        params->glsl_file,     params->glsl,     params->spirv,
        params->input_fields,  params->bindings, (const void *)params->include_directories,
        params->output_fields, params->types,
    };
    for (size_t i = 0; i < LENGTH(all); ++i) {
        free((void *)(uintptr_t)all[i]);
    }
}

static void set_defaults(gyre_kernel_params *params)
{
    params->queue_size = params->queue_size ? params->queue_size : QUEUE_DEFAULT;
    params->output_queue_size = params->output_queue_size ? params->output_queue_size
                                                          : params->queue_size;
    params->workgroups = params->workgroups ? params->workgroups : params->shards;
    params->workgroups = params->workgroups ? params->workgroups : 1;
    params->max_hops = params->max_hops ? params->max_hops : HOPS_DEFAULT;
    params->chain = params->chain ? params->chain : CHAIN_DEFAULT;
    params->weight = params->weight ? params->weight : 1;
    params->launch_timeout_ns = params->launch_timeout_ns ? params->launch_timeout_ns
                                                          : LAUNCH_TIMEOUT_NS;
}

static void release(struct gyre_kernel *kernel)
{
    staging_finish(&kernel->staging);
    staging_finish(&kernel->answers);
    free_params(&kernel->params);
    pthread_mutex_destroy(&kernel->lock);
    pthread_cond_destroy(&kernel->changed);
    free(kernel);
}

gyre_result kernel_create(const struct kernel_services *services, const gyre_kernel_params *params,
                          uint64_t number, struct gyre_kernel **kernel)
{
    gyre_result result = check_params(services->log, params);
    if (result != GYRE_OK) {
        return result;
    }
    struct gyre_kernel *made = calloc(1, sizeof *made);
    if (!made || !base_cond_init(&made->changed)) {
        free(made);
        return GYRE_ERROR_NO_MEMORY;
    }
    pthread_mutex_init(&made->lock, NULL);
    made->services = *services;
    made->number = number;
    made->journal_at = ARENA_NONE;
    made->hand_at = ARENA_NONE;
    made->scratch_at = ARENA_NONE;
    memcpy(made->id, params->id, strlen(params->id));
    if (!copy_params(params, &made->params)) {
        release(made);
        return GYRE_ERROR_NO_MEMORY;
    }
    made->params.id = made->id;
    set_defaults(&made->params);
    made->params.wait = params->wait ? params->wait : services->wait;
    *kernel = made;
    return GYRE_OK;
}

gyre_result kernel_allows(struct gyre_kernel *kernel, enum lifecycle_operation operation)
{
    gyre_result result = lifecycle_check(kernel->state, operation);
    if (result != GYRE_OK) {
        log_say(kernel->services.log, GYRE_LOG_ERROR, "kernel %s is %s: %s is not allowed",
                kernel->id, gyre_state_name(kernel->state), lifecycle_operation_name(operation));
    }
    return result;
}

bool kernel_runs(const struct gyre_kernel *kernel)
{
    bool runs = kernel->state == GYRE_ACTIVE ||
                (kernel->state == GYRE_TERMINATING && kernel->draining);
    return runs && kernel->fault == GYRE_OK;
}

gyre_result kernel_broken(const struct gyre_kernel *kernel)
{
    return kernel->fault == GYRE_OK && device_is_lost(kernel->services.device)
               ? GYRE_ERROR_DEVICE_LOST
               : kernel->fault;
}

void kernel_fail(struct gyre_kernel *kernel, gyre_result fault)
{
    if (kernel->fault == GYRE_OK) {
        kernel->fault = fault;
        kernel->stats.last_error = fault;
        request_end_all(kernel, fault);
    }
    kernel_wake(kernel);
}

/* LIVE or STRICT: what the kernel asks for, else what the runtime does. */
static gyre_result choose_visibility(struct gyre_kernel *kernel)
{
    gyre_visibility wanted = kernel->params.visibility ? kernel->params.visibility
                                                       : kernel->services.visibility;
    bool possible = kernel->services.profile->live;
    if (wanted == GYRE_VISIBILITY_LIVE && !possible) {
        return log_fail(
            kernel->services.log, GYRE_ERROR_UNSUPPORTED,
            "kernel %s: LIVE is not possible, this device does not see the host's writes while it runs: ask "
            "for STRICT or AUTO",
            kernel->id);
    }
    kernel->live = wanted == GYRE_VISIBILITY_STRICT ? false : possible;
    return GYRE_OK;
}

static void prepare(struct gyre_kernel *kernel)
{
    const struct spirv_info *info = &kernel->build.program.info;
    uint64_t in_windows = (uint64_t)kernel->build.input_slots * GYRE_LANES *
                          kernel->params.workgroups;
    staging_init(&kernel->staging, kernel->params.queue_size,
                 in_windows + kernel->params.dead_letters, info->input.padded_size);
    /* Beyond the capacity: what terminate takes off the device, and what requests wait behind. */
    staging_init(&kernel->answers, kernel->params.output_queue_size, UINT64_MAX / 2,
                 info->output.data_size);
    kernel->age_ticks = ticks_from_ns(kernel->services.ticks, kernel->params.age_ns);
    kernel->build.answers_early = kernel->live && kernel->build.program.info.max_sends == 1;
    residency_init(kernel);
}

/* On the worker's thread. Ends with the warm-up submitted, or with a result. */
static void launch(void *argument)
{
    struct gyre_kernel *kernel = argument;
    gyre_result result = build_create(kernel);
    pthread_mutex_lock(&kernel->lock);
    if (result == GYRE_OK) {
        prepare(kernel);
        result = residency_warm_up(kernel);
    }
    if (result != GYRE_OK) {
        kernel->launching = false;
        kernel->launch_result = result;
        kernel_wake(kernel);
    }
    pthread_mutex_unlock(&kernel->lock);
}

static gyre_result start_launch(struct gyre_kernel *kernel)
{
    gyre_result result = choose_visibility(kernel);
    if (result != GYRE_OK) {
        return result;
    }
    struct worker_job *job = worker_start(kernel->services.worker, launch, kernel);
    if (!job) {
        return GYRE_ERROR_NO_MEMORY;
    }
    worker_forget(kernel->services.worker, job);
    kernel->launching = true;
    return GYRE_OK;
}

/* Lock held. False when the deadline passed first. */
static bool await_launch(struct gyre_kernel *kernel, uint64_t deadline)
{
    bool in_time = true;
    while (kernel->launching && in_time) {
        kernel->waiters += 1;
        in_time = base_cond_wait(&kernel->changed, &kernel->lock, deadline);
        kernel->waiters -= 1;
    }
    return !kernel->launching;
}

gyre_result kernel_launch(struct gyre_kernel *kernel)
{
    uint64_t deadline = base_deadline(kernel->params.launch_timeout_ns);
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_LAUNCH);
    if (result == GYRE_OK && device_is_lost(kernel->services.device)) {
        result = GYRE_ERROR_DEVICE_LOST;
    }
    if (result == GYRE_OK && !kernel->launching) {
        result = start_launch(kernel);
    }
    if (result == GYRE_OK) {
        result = await_launch(kernel, deadline) ? kernel->launch_result : GYRE_ERROR_TIMEOUT;
    }
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

gyre_result kernel_start(struct gyre_kernel *kernel, uint64_t go_value)
{
    kernel->state = GYRE_ACTIVE;
    window_fill(kernel);
    gyre_result result = residency_submit(kernel, go_value);
    tick_start(kernel);
    kernel_wake(kernel);
    kernel_pass_watch(kernel);
    return result;
}

gyre_result kernel_reactivate(struct gyre_kernel *kernel)
{
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_REACTIVATE);
    if (result == GYRE_OK && kernel->linking) {
        result = log_fail(kernel->services.log, GYRE_ERROR_STATE, "kernel %s is being linked",
                          kernel->id);
    }
    if (result == GYRE_OK) {
        kernel->state = GYRE_ACTIVE;
        window_fill(kernel);
        residency_kick(kernel);
        tick_start(kernel);
        kernel_wake(kernel);
        kernel_pass_watch(kernel);
        result = kernel->fault;
    }
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

/* What may happen at once when the device does not hold the kernel; else when it lets go. */
static void settle(struct gyre_kernel *kernel)
{
    if (kernel->in_flight && !kernel_runs(kernel)) {
        residency_withdraw(kernel);
    }
    if (!kernel->in_flight) {
        answers_collect(kernel);
        residency_go_on(kernel);
    }
    kernel_wake(kernel);
}

void kernel_begin_deactivation(struct gyre_kernel *kernel)
{
    kernel->state = GYRE_DEACTIVATED;
    residency_command(kernel, GYRE_COMMAND_PAUSE);
    settle(kernel);
}

/* Lock held. */
static gyre_result await_rest(struct gyre_kernel *kernel, uint64_t deadline)
{
    bool in_time = true;
    while (kernel->in_flight && kernel->state == GYRE_DEACTIVATED && in_time) {
        in_time = kernel_wait(kernel, NULL, deadline);
    }
    kernel_pass_watch(kernel);
    return kernel->in_flight && kernel->state == GYRE_DEACTIVATED ? GYRE_ERROR_TIMEOUT : GYRE_OK;
}

gyre_result kernel_await_deactivation(struct gyre_kernel *kernel, uint64_t deadline)
{
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = await_rest(kernel, deadline);
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

gyre_result kernel_deactivate(struct gyre_kernel *kernel, uint64_t deadline)
{
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = kernel_allows(kernel, LIFECYCLE_DEACTIVATE);
    if (result == GYRE_OK) {
        kernel_begin_deactivation(kernel);
        result = await_rest(kernel, deadline);
    }
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

void kernel_begin_termination(struct gyre_kernel *kernel, gyre_terminate_mode mode)
{
    if (kernel->state == GYRE_TERMINATED) {
        return;
    }
    bool was_created = kernel->state == GYRE_CREATED;
    if (kernel->state != GYRE_TERMINATING) {
        kernel->draining = mode == GYRE_DRAIN && kernel->state == GYRE_ACTIVE;
        kernel->state = was_created ? GYRE_TERMINATED : GYRE_TERMINATING;
    }
    kernel->draining = kernel->draining && mode == GYRE_DRAIN;
    if (was_created) {
        kernel_wake(kernel);
        return;
    }
    if (!kernel->draining) {
        residency_command(kernel, GYRE_COMMAND_TERMINATE);
    }
    settle(kernel);
}

/* Lock held. */
static gyre_result await_end(struct gyre_kernel *kernel, uint64_t deadline)
{
    bool in_time = true;
    while (kernel->state != GYRE_TERMINATED && in_time) {
        if (kernel->draining) {
            kernel_turn(kernel);
        }
        in_time = kernel->state == GYRE_TERMINATED || kernel_wait(kernel, NULL, deadline);
    }
    kernel_pass_watch(kernel);
    return kernel->state == GYRE_TERMINATED ? GYRE_OK : GYRE_ERROR_TIMEOUT;
}

gyre_result kernel_await_termination(struct gyre_kernel *kernel, uint64_t deadline,
                                     uint64_t *dropped)
{
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = await_end(kernel, deadline);
    *dropped = kernel->stats.dropped_terminated;
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

gyre_result kernel_terminate(struct gyre_kernel *kernel, gyre_terminate_mode mode,
                             uint64_t deadline, uint64_t *dropped)
{
    pthread_mutex_lock(&kernel->lock);
    uint64_t before = kernel->stats.dropped_terminated;
    kernel_begin_termination(kernel, mode);
    gyre_result result = await_end(kernel, deadline);
    if (result == GYRE_OK && dropped) {
        *dropped = kernel->stats.dropped_terminated - before;
    }
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

/* Lock held. */
static void fill_stats(struct gyre_kernel *kernel, gyre_stats *stats)
{
    *stats = kernel->stats;
    struct route_inflow inflow = route_inflow(kernel);
    stats->accepted += inflow.late;
    stats->linked += inflow.late;
    stats->dropped_terminated += inflow.late;
    stats->dropped = stats->dropped_oldest + stats->dropped_newest + stats->dropped_terminated +
                     stats->dropped_unlinked;
    stats->rejected = stats->rejected_full + stats->rejected_invalid;
    stats->staged = kernel->staging.count;
    stats->window = kernel->launching ? 0 : window_count(kernel);
    stats->unread = kernel->answers.count;
    stats->awaited = kernel->awaited;
    stats->link_missed += inflow.missed;
    stats->link_waiting = inflow.waiting;
    stats->live = kernel->live;
    stats->in_flight = kernel->in_flight;
    stats->fault = kernel->fault;
    if (kernel->launched_ns) {
        stats->uptime_ns = (kernel->terminated_ns ? kernel->terminated_ns : base_now_ns()) -
                           kernel->launched_ns;
    }
}

gyre_result kernel_stats(struct gyre_kernel *kernel, gyre_stats *stats)
{
    struct histogram *copies = malloc(3 * sizeof *copies);
    if (!copies) {
        return GYRE_ERROR_NO_MEMORY;
    }
    pthread_mutex_lock(&kernel->lock);
    if (!kernel->launching) {
        kernel_turn(kernel);
        send_expire(kernel);
    }
    fill_stats(kernel, stats);
    copies[0] = kernel->queueing;
    copies[1] = kernel->processing;
    copies[2] = kernel->submission_time;
    pthread_mutex_unlock(&kernel->lock);
    /* Without the lock: there are thousands of classes to add up. */
    stats->queueing = histogram_summary(&copies[0]);
    stats->processing = histogram_summary(&copies[1]);
    stats->submission_time = histogram_summary(&copies[2]);
    free(copies);
    return GYRE_OK;
}

static void destroy_build(void *argument)
{
    build_destroy(argument);
}

bool kernel_destroy(struct gyre_kernel *kernel, uint64_t deadline)
{
    pthread_mutex_lock(&kernel->lock);
    bool launched = await_launch(kernel, deadline);
    pthread_mutex_unlock(&kernel->lock);
    if (!launched || kernel_terminate(kernel, GYRE_DROP, deadline, NULL) != GYRE_OK) {
        return false;
    }
    timer_stop(kernel->services.timers, &kernel->tick);
    request_discard(kernel);
    carrier_settle(kernel->services.carrier, &kernel->carried);
    links_forget(kernel);
    struct worker_job *job = worker_start(kernel->services.worker, destroy_build, kernel);
    if (!job) {
        return false;
    }
    if (!worker_wait(kernel->services.worker, job, deadline)) {
        worker_forget(kernel->services.worker, job);
        return false;
    }
    release(kernel);
    return true;
}
