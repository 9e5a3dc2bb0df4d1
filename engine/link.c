#include "link.h"

#include <stdlib.h>
#include <string.h>

#include "cycle.h"

#define SLOTS_DEFAULT 256u
#define SLOTS_MOST (1u << 20)
#define RING_BYTES (1024u * 1024u) /* a ring whose size nobody asked for stays below */

void links_init(struct links *links, struct device *device, uint64_t bytes)
{
    uint64_t most = device->limits.maxStorageBufferRange & ~255u;
    *links = (struct links){.device = device, .bytes = base_align(bytes, 256)};
    links->bytes = links->bytes < most ? links->bytes : most;
    pthread_mutex_init(&links->change, NULL);
    pthread_mutex_init(&links->lock, NULL);
    ASSERT(base_cond_init(&links->changed));
    arena_init(&links->arena, links->bytes);
}

static void free_link(struct links *links, struct link *link)
{
    arena_give(&links->arena, link->lines_at);
    arena_give(&links->arena, link->slots_at);
    free(link->rings);
    free(link);
}

static void remove_link(struct links *links, struct link *link)
{
    struct link **at = &links->first;
    while (*at && *at != link) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = link->next;
    }
    free_link(links, link);
}

void links_finish(struct links *links)
{
    while (links->first) {
        remove_link(links, links->first);
    }
    arena_finish(&links->arena);
    buffer_destroy(links->device, &links->memory);
    pthread_mutex_destroy(&links->change);
    pthread_mutex_destroy(&links->lock);
    pthread_cond_destroy(&links->changed);
}

void link_reroute(struct gyre_kernel *kernel)
{
    if (kernel) {
        atomic_store(&kernel->rerouted, true);
    }
}

bool link_is_still(const struct gyre_kernel *kernel)
{
    return kernel->state == GYRE_LAUNCHED || kernel->state == GYRE_DEACTIVATED;
}

void link_let_go(struct gyre_kernel *kernel)
{
    pthread_mutex_lock(&kernel->lock);
    kernel->linking = false;
    kernel_wake(kernel);
    pthread_mutex_unlock(&kernel->lock);
}

static struct link *find(struct links *links, const struct gyre_kernel *from, uint32_t port,
                         const struct gyre_kernel *to)
{
    struct link *link = links->first;
    while (link && !(link->from == from && link->to == to && link->port == port && !link->closed)) {
        link = link->next;
    }
    return link;
}

/* ---- one more ---- */

/* What a link is made with. Shared by the caller, who may give up, and the worker's job. */
struct connection {
    struct links *links;
    struct link *link;
    struct gyre_kernel *from;
    struct gyre_kernel *to;
    struct carrier *carrier;
    gyre_result result; /* once it is done */

    struct carried carried;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool filled;
    gyre_result fill_result;
    bool done;
    uint32_t holders;
};

/* A change of the graph. */
struct proposal {
    /* All locks held: whether it may be, and what nobody else is to see half done. */
    gyre_result (*begin)(struct connection *it, const struct proposal *proposal);
    void (*work)(void *connection); /* on the worker's thread: what takes long */
    uint32_t port;
    const gyre_link_params *params;
    uint64_t *dropped;
};

static gyre_result check_params(struct links *links, const struct gyre_kernel *from, uint32_t port,
                                const struct gyre_kernel *to, const gyre_link_params *params)
{
    const struct log *log = links->device->log;
    if (from->runtime != to->runtime) {
        return log_fail(log, GYRE_ERROR_INVALID, "kernels %s and %s belong to different runtimes",
                        from->id, to->id);
    }
    if (port >= GYRE_PORTS_MAX) {
        return log_fail(log, GYRE_ERROR_INVALID, "port %u: there are ports 0 to %u", port,
                        GYRE_PORTS_MAX - 1);
    }
    if (params->flags || params->reserved || params->slots > SLOTS_MOST ||
        params->spread < GYRE_SPREAD_EACH || params->spread > GYRE_SPREAD_ROUND_ROBIN) {
        return log_fail(log, GYRE_ERROR_INVALID,
                        "a link has flags and reserved 0, at most %u slots and a spread of "
                        "EACH, BY_KEY or ROUND_ROBIN",
                        SLOTS_MOST);
    }
    return GYRE_OK;
}

/* Both kernels' locks held. */
static gyre_result check_ends(struct links *links, const struct gyre_kernel *from,
                              const struct gyre_kernel *to)
{
    const struct log *log = links->device->log;
    const struct gyre_kernel *const ends[] = {from, to};
    for (size_t i = 0; i < LENGTH(ends); ++i) {
        if (!link_is_still(ends[i]) || ends[i]->in_flight) {
            return log_fail(log, GYRE_ERROR_STATE,
                            "kernel %s is %s%s: linking needs it LAUNCHED or DEACTIVATED",
                            ends[i]->id, gyre_state_name(ends[i]->state),
                            ends[i]->in_flight ? " and still on the device" : "");
        }
    }
    uint32_t sent = from->build.program.info.output.data_size;
    uint32_t taken = to->build.program.info.input.data_size;
    if (sent != taken) {
        return log_fail(
            log, GYRE_ERROR_INTERFACE,
            "kernel %s sends %u bytes (GYRE_OUTPUT), kernel %s takes %u (GYRE_INPUT): a link "
            "needs the same struct at both ends",
            from->id, sent, to->id, taken);
    }
    return GYRE_OK;
}

/* The links' lock held. */
static gyre_result check_port(struct links *links, const struct gyre_kernel *from, uint32_t port,
                              const struct gyre_kernel *to, gyre_spread spread)
{
    const struct log *log = links->device->log;
    if (find(links, from, port, to)) {
        return log_fail(log, GYRE_ERROR_ALREADY_EXISTS, "port %u of kernel %s is linked to %s",
                        port, from->id, to->id);
    }
    for (const struct link *link = links->first; link; link = link->next) {
        if (link->from == from && link->port == port && !link->closed && link->spread != spread) {
            return log_fail(log, GYRE_ERROR_INVALID,
                            "port %u of kernel %s spreads its messages in another way already",
                            port, from->id);
        }
    }
    return GYRE_OK;
}

static uint32_t choose_slots(const gyre_link_params *params, uint32_t stride, uint32_t sends)
{
    uint32_t slots = base_round_up_power_of_two(params->slots ? params->slots : SLOTS_DEFAULT);
    while (!params->slots && slots > 2 && (uint64_t)slots * stride > RING_BYTES) {
        slots /= 2;
    }
    uint32_t least = base_round_up_power_of_two(sends);
    return slots < least ? least : slots;
}

/* With the first link. The links' lock held. */
static gyre_result make_memory(struct links *links)
{
    if (links->memory.handle) {
        return GYRE_OK;
    }
    return buffer_create(links->device, &links->memory, links->bytes,
                         VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                         memory_choose(links->device, MEMORY_LOCAL, UINT32_MAX));
}

static gyre_result say_full(struct links *links, const char *id)
{
    return log_fail(
        links->device->log, GYRE_ERROR_LIMIT,
        "kernel %s: its links do not fit the %llu bytes for links: take fewer slots or raise "
        "gyre_runtime_params.link_memory",
        id, (unsigned long long)links->bytes);
}

/* The links' lock held. */
static gyre_result make_link(struct links *links, struct gyre_kernel *from, uint32_t port,
                             struct gyre_kernel *to, const gyre_link_params *params,
                             struct link **made)
{
    gyre_result result = make_memory(links);
    if (result != GYRE_OK) {
        return result;
    }
    uint64_t count = (uint64_t)from->params.workgroups * to->params.workgroups;
    uint32_t stride = to->build.program.info.input.stride;
    struct link *link = calloc(1, sizeof *link);
    struct link_ring *rings = calloc(count, sizeof *rings);
    if (!link || !rings) {
        free(link);
        free(rings);
        return GYRE_ERROR_NO_MEMORY;
    }
    *link = (struct link){
        .from = from,
        .to = to,
        .from_groups = from->params.workgroups,
        .to_groups = to->params.workgroups,
        .port = port,
        .spread = params->spread,
        .slots = choose_slots(params, stride, from->build.program.info.max_sends),
        .stride = stride,
        .lossy = params->lossy,
        .rings = rings,
        .out_at = LINK_NOWHERE,
        .in_at = LINK_NOWHERE,
    };
    for (uint64_t i = 0; i < count; ++i) {
        uint32_t first = from->params.first_index;
        rings[i] = (struct link_ring){first, first, first};
    }
    link->lines_at = arena_take(&links->arena, count * GYRE_LINE_WORDS * 4, GYRE_LINE_WORDS * 4);
    link->slots_at = arena_take(&links->arena, count * link->slots * stride, stride);
    if (link->lines_at == ARENA_NONE || link->slots_at == ARENA_NONE) {
        free_link(links, link);
        return say_full(links, from->id);
    }
    struct link **last = &links->first;
    while (*last) {
        last = &(*last)->next;
    }
    *last = link;
    *made = link;
    return GYRE_OK;
}

/* Room in the arena for what a kernel itself needs there. The links' lock held. */
static gyre_result make_room(struct links *links, struct gyre_kernel *kernel, uint32_t bits,
                             const struct route_sizes *sizes)
{
    uint64_t groups = kernel->params.workgroups;
    uint32_t stride = kernel->build.program.info.input.stride;
    uint32_t words = (uint32_t)base_align(GYRE_JOURNAL_ENTRIES + sizes->entries * 2, 32);
    bool fits = true;
    if (bits & GYRE_LINKS_OUT && words > kernel->journal_words) {
        /* The old one is given back when there is a new one: other links may use it. */
        uint64_t at = arena_take(&links->arena, groups * words * 4, 128);
        fits = at != ARENA_NONE;
        if (fits) {
            arena_give(&links->arena, kernel->journal_at);
            kernel->journal_words = words;
            kernel->journal_at = at;
        }
    }
    if (bits & GYRE_LINKS_IN && kernel->hand_at == ARENA_NONE) {
        kernel->hand_at = arena_take(&links->arena, groups * stride, stride);
        fits = fits && kernel->hand_at != ARENA_NONE;
    }
    if (bits & GYRE_LINKS_OUT && kernel->scratch_at == ARENA_NONE) {
        uint32_t out_stride = kernel->build.program.info.output.stride;
        kernel->scratch_at = arena_take(&links->arena, out_stride, out_stride);
        fits = fits && kernel->scratch_at != ARENA_NONE;
    }
    return fits ? GYRE_OK : say_full(links, kernel->id);
}

/* On the worker's thread: a kernel's tables if they have become too small, and its pipeline if it
 * is made for other links. */
static gyre_result rebuild(struct links *links, struct gyre_kernel *kernel)
{
    pthread_mutex_lock(&links->lock);
    struct route_sizes sizes = route_measure(links, kernel);
    uint32_t shape = route_shape(links, kernel);
    uint32_t bits = shape & (GYRE_LINKS_IN | GYRE_LINKS_OUT);
    gyre_result result = make_room(links, kernel, bits, &sizes);
    pthread_mutex_unlock(&links->lock);
    if (result == GYRE_OK) {
        result = build_relink(kernel, shape, links->memory.handle, sizes.route_bytes,
                              sizes.mirror_bytes);
    }
    if (result == GYRE_OK) {
        kernel->links |= bits;
        atomic_store(&kernel->rerouted, true);
    }
    return result;
}

static void filled(struct carried *carried, gyre_result result)
{
    struct connection *it =
        (struct connection *)((char *)carried - offsetof(struct connection, carried));
    pthread_mutex_lock(&it->lock);
    it->fill_result = result;
    it->filled = true;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
}

/* It is over soon, and has nobody to tell. */
static void stay(struct carried *carried)
{
    (void)carried;
}

static uint64_t unmeasured(const struct carried *carried)
{
    (void)carried;
    return 0;
}

/* What came before is seen by what comes after it: copies and shaders, both ways. */
static void record_barrier(const struct device *device, VkCommandBuffer commands)
{
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_TRANSFER_BIT |
                                        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_READ_BIT |
                         VK_ACCESS_SHADER_WRITE_BIT,
    };
    device->vk.vkCmdPipelineBarrier(commands, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
}

static void record_fill(struct connection *it, VkCommandBuffer commands)
{
    struct links *links = it->links;
    const struct link *link = it->link;
    const struct VolkDeviceTable *vk = &links->device->vk;
    uint64_t count = (uint64_t)link->from_groups * link->to_groups;
    record_barrier(links->device, commands);
    build_touch(it->from, commands);
    record_barrier(links->device, commands);
    build_touch(it->to, commands);
    record_barrier(links->device, commands);
    vk->vkCmdFillBuffer(commands, links->memory.handle, link->lines_at, count * GYRE_LINE_WORDS * 4,
                        it->from->params.first_index);
    vk->vkCmdFillBuffer(commands, links->memory.handle, it->from->journal_at,
                        (uint64_t)it->from->params.workgroups * it->from->journal_words * 4, 0);
    record_barrier(links->device, commands);
}

/* The rings and the journal begin as nothing was in them. */
static gyre_result fill(struct connection *it)
{
    struct device *device = it->links->device;
    VkCommandPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = device->family,
    };
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkResult made =
        VK(device->log, device->vk.vkCreateCommandPool(device->handle, &info, NULL, &pool));
    if (made == VK_SUCCESS) {
        VkCommandBufferAllocateInfo one = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = pool,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            .commandBufferCount = 1,
        };
        made =
            VK(device->log, device->vk.vkAllocateCommandBuffers(device->handle, &one, &commands));
    }
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    if (made == VK_SUCCESS) {
        made = VK(device->log, device->vk.vkBeginCommandBuffer(commands, &begin));
    }
    if (made == VK_SUCCESS) {
        record_fill(it, commands);
        made = VK(device->log, device->vk.vkEndCommandBuffer(commands));
    }
    gyre_result result = device_check(device, made);
    if (result == GYRE_OK) {
        it->carried.completed = filled;
        it->carried.yield = stay;
        it->carried.measure = unmeasured;
        it->carried.weight = 1;
        it->carried.clock = &it->links->clock;
        result = carrier_submit(it->carrier, &it->carried, commands, VK_NULL_HANDLE, 0);
    }
    if (result == GYRE_OK) {
        pthread_mutex_lock(&it->lock);
        while (!it->filled) {
            base_cond_wait(&it->changed, &it->lock, BASE_FOREVER); /* or the device is lost */
        }
        result = it->fill_result;
        pthread_mutex_unlock(&it->lock);
        carrier_settle(it->carrier, &it->carried);
    }
    device->vk.vkDestroyCommandPool(device->handle, pool, NULL);
    return result;
}

static void drop_connection(struct connection *it)
{
    pthread_mutex_lock(&it->lock);
    it->holders -= 1;
    bool last = it->holders == 0;
    pthread_mutex_unlock(&it->lock);
    if (last) {
        pthread_mutex_destroy(&it->lock);
        pthread_cond_destroy(&it->changed);
        free(it);
    }
}

static void finish(struct connection *it, gyre_result result)
{
    link_let_go(it->from);
    if (it->to != it->from) {
        link_let_go(it->to);
    }
    pthread_mutex_lock(&it->lock);
    it->result = result;
    it->done = true;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
    drop_connection(it);
}

static gyre_result rebuild_both(struct connection *it)
{
    gyre_result result = rebuild(it->links, it->from);
    return result == GYRE_OK ? rebuild(it->links, it->to) : result;
}

/* On the worker's thread. */
static void connect(void *argument)
{
    struct connection *it = argument;
    gyre_result result = cycle_hold(it->links, it->link);
    if (result == GYRE_OK) {
        result = rebuild_both(it);
    }
    if (result == GYRE_OK) {
        result = fill(it);
    }
    pthread_mutex_lock(&it->links->lock);
    if (result == GYRE_OK) {
        cycle_set(it->links, it->link);
        it->from->ended_ports &= ~(UINT64_C(1) << it->link->port);
    }
    pthread_mutex_unlock(&it->links->lock);
    cycle_release(it->links);
    if (result != GYRE_OK) {
        pthread_mutex_lock(&it->links->lock);
        remove_link(it->links, it->link);
        pthread_mutex_unlock(&it->links->lock);
        rebuild_both(it); /* as they were */
    }
    finish(it, result);
}

/* Likewise, when the link is gone. */
static void disconnect(void *argument)
{
    struct connection *it = argument;
    finish(it, rebuild_both(it));
}

static void lock_both(struct gyre_kernel *a, struct gyre_kernel *b)
{
    pthread_mutex_lock(a->number <= b->number ? &a->lock : &b->lock);
    if (a != b) {
        pthread_mutex_lock(a->number <= b->number ? &b->lock : &a->lock);
    }
}

static void unlock_both(struct gyre_kernel *a, struct gyre_kernel *b)
{
    if (a != b) {
        pthread_mutex_unlock(&b->lock);
    }
    pthread_mutex_unlock(&a->lock);
}

/* Checks, and the link in the list: from here on nobody activates the two. */
static gyre_result begin(struct connection *it, const struct proposal *proposal)
{
    struct links *links = it->links;
    gyre_result result = check_ends(links, it->from, it->to);
    if (result == GYRE_OK) {
        /* What has ended since they ran last makes room. */
        links_sweep(links, it->from);
        links_sweep(links, it->to);
        link_reroute(it->from);
        link_reroute(it->to);
        result = check_port(links, it->from, proposal->port, it->to, proposal->params->spread);
    }
    if (result == GYRE_OK) {
        result = make_link(links, it->from, proposal->port, it->to, proposal->params, &it->link);
    }
    if (result == GYRE_OK) {
        result = cycle_check(links, it->link);
        if (result != GYRE_OK) {
            remove_link(links, it->link);
        }
    }
    struct gyre_kernel *const ends[] = {it->from, it->to};
    for (size_t i = 0; i < LENGTH(ends) && result == GYRE_OK; ++i) {
        ends[i]->linking = true;
        /* One queue for all that are linked: what a submission leaves in a ring, the next one on
         * the queue sees. */
        ends[i]->services.carrier = it->carrier;
        ends[i]->carried.clock = &links->clock;
    }
    return result;
}

static struct connection *new_connection(struct links *links, struct gyre_kernel *from,
                                         struct gyre_kernel *to, struct carrier *carrier)
{
    struct connection *it = calloc(1, sizeof *it);
    if (!it || !base_cond_init(&it->changed)) {
        free(it);
        return NULL;
    }
    it->links = links;
    it->from = from;
    it->to = to;
    it->carrier = carrier;
    it->holders = 2;
    pthread_mutex_init(&it->lock, NULL);
    return it;
}

/* The job, and its end or the deadline. */
static gyre_result run(struct connection *it, void (*work)(void *), uint64_t deadline)
{
    struct worker *worker = it->from->services.worker;
    struct worker_job *job = worker_start(worker, work, it);
    if (!job) {
        finish(it, GYRE_ERROR_NO_MEMORY);
        return GYRE_ERROR_NO_MEMORY;
    }
    worker_forget(worker, job);
    pthread_mutex_lock(&it->lock);
    bool in_time = true;
    while (!it->done && in_time) {
        in_time = base_cond_wait(&it->changed, &it->lock, deadline);
    }
    gyre_result result = it->done ? it->result : GYRE_ERROR_TIMEOUT;
    pthread_mutex_unlock(&it->lock);
    return result;
}

/* What begins a change under all locks, then its work; both by the deadline of `from`. */
static gyre_result change(struct connection *it, const struct proposal *proposal)
{
    if (!it) {
        return GYRE_ERROR_NO_MEMORY;
    }
    struct links *links = it->links;
    uint64_t deadline = base_deadline(it->from->params.launch_timeout_ns);
    pthread_mutex_lock(&links->change);
    lock_both(it->from, it->to);
    pthread_mutex_lock(&links->lock);
    gyre_result result = proposal->begin(it, proposal);
    pthread_mutex_unlock(&links->lock);
    unlock_both(it->from, it->to);
    if (result == GYRE_OK) {
        result = run(it, proposal->work, deadline);
    } else {
        drop_connection(it); /* the job's part */
    }
    pthread_mutex_unlock(&links->change);
    drop_connection(it);
    return result;
}

gyre_result links_connect(struct links *links, struct gyre_kernel *from, uint32_t port,
                          struct gyre_kernel *to, const gyre_link_params *params,
                          struct carrier *carrier)
{
    static const gyre_link_params defaults = {0};
    params = params ? params : &defaults;
    gyre_result result = check_params(links, from, port, to, params);
    if (result != GYRE_OK) {
        return result;
    }
    struct proposal proposal = {.begin = begin, .work = connect, .port = port, .params = params};
    return change(new_connection(links, from, to, carrier), &proposal);
}

/* ---- one less ---- */

static bool may_part(const struct gyre_kernel *kernel)
{
    return (link_is_still(kernel) || kernel->state == GYRE_TERMINATED) && !kernel->in_flight &&
           !kernel->linking;
}

static void drop_waiting(struct gyre_kernel *to, uint64_t waiting, uint64_t *reason)
{
    to->stats.accepted += waiting;
    to->stats.linked += waiting;
    *reason += waiting;
}

static gyre_result check_parting(struct links *links, const struct gyre_kernel *from,
                                 const struct gyre_kernel *to)
{
    if (may_part(from) && may_part(to)) {
        return GYRE_OK;
    }
    return log_fail(links->device->log, GYRE_ERROR_STATE,
                    "kernels %s (%s) and %s (%s): deactivate both to undo their link", from->id,
                    gyre_state_name(from->state), to->id, gyre_state_name(to->state));
}

static bool has_open(struct links *links, const struct gyre_kernel *from, uint32_t port)
{
    bool any = false;
    for (const struct link *link = links->first; link; link = link->next) {
        any = any || (link->from == from && link->port == port && !link->closed);
    }
    return any;
}

static gyre_result part(struct connection *it, const struct proposal *proposal)
{
    struct links *links = it->links;
    struct gyre_kernel *from = it->from;
    struct gyre_kernel *to = it->to;
    uint32_t port = proposal->port;
    struct link *link = find(links, from, port, to);
    bool ended = port < GYRE_PORTS_MAX && from->ended_ports >> port & 1;
    if (!link && !(ended && to->state == GYRE_TERMINATED)) {
        return log_fail(links->device->log, GYRE_ERROR_NOT_FOUND,
                        "port %u of kernel %s is not linked to %s", port, from->id, to->id);
    }
    gyre_result result = check_parting(links, from, to);
    if (result != GYRE_OK) {
        return result;
    }
    uint64_t waiting = link ? link_waiting(link) : 0;
    drop_waiting(to, waiting, &to->stats.dropped_unlinked);
    if (proposal->dropped) {
        *proposal->dropped = waiting;
    }
    if (link) {
        to->stats.link_missed += link->lost;
        remove_link(links, link);
    }
    if (!has_open(links, from, port)) {
        from->ended_ports &= ~(UINT64_C(1) << port);
    }
    link_reroute(from);
    link_reroute(to);
    cycle_forget(links);
    from->linking = from->state != GYRE_TERMINATED;
    to->linking = to->state != GYRE_TERMINATED;
    return GYRE_OK;
}

gyre_result links_disconnect(struct links *links, struct gyre_kernel *from, uint32_t port,
                             struct gyre_kernel *to, uint64_t *dropped)
{
    struct proposal proposal = {
        .begin = part, .work = disconnect, .port = port, .dropped = dropped};
    return change(new_connection(links, from, to, NULL), &proposal);
}

gyre_result links_may_disconnect(struct links *links, struct gyre_kernel *from,
                                 struct gyre_kernel *to)
{
    lock_both(from, to);
    gyre_result result = check_parting(links, from, to);
    unlock_both(from, to);
    return result;
}

gyre_result links_stats(struct links *links, struct gyre_kernel *from, uint32_t port,
                        struct gyre_kernel *to, gyre_link_stats *stats)
{
    pthread_mutex_lock(&links->lock);
    const struct link *link = find(links, from, port, to);
    if (link) {
        *stats = (gyre_link_stats){
            .sent = link->sent,
            .taken = link->taken,
            .waiting = link_waiting(link),
            .lost = link->lost,
            .rings = link->from_groups * link->to_groups,
            .slots = link->slots,
        };
    }
    pthread_mutex_unlock(&links->lock);
    return link ? GYRE_OK : GYRE_ERROR_NOT_FOUND;
}

void links_end(struct gyre_kernel *kernel)
{
    struct links *links = kernel->services.links;
    if (!kernel->links) {
        return;
    }
    pthread_mutex_lock(&links->lock);
    for (struct link *link = links->first; link; link = link->next) {
        if (link->to == kernel && !link->closed) {
            link->dropped = link_waiting(link);
            drop_waiting(kernel, link->dropped, &kernel->stats.dropped_terminated);
            kernel->stats.link_missed += link->lost;
            link->closed = true;
            link_reroute(link->from);
            if (link->from && !has_open(links, link->from, link->port)) {
                link->from->ended_ports |= UINT64_C(1) << link->port;
            }
        }
    }
    cycle_forget(links);
    pthread_mutex_unlock(&links->lock);
}

void links_sweep(struct links *links, struct gyre_kernel *kernel)
{
    for (struct link *link = links->first, *next = NULL; link; link = next) {
        next = link->next;
        bool refused = link->from == kernel && link->closed;
        bool emptied = link->to == kernel && !link->from && link_waiting(link) == 0;
        if (refused || emptied) {
            kernel->stats.link_missed += emptied ? link->lost : 0;
            remove_link(links, link);
        }
    }
}

void links_forget(struct gyre_kernel *kernel)
{
    struct links *links = kernel->services.links;
    pthread_mutex_lock(&links->lock);
    while (kernel->pins > 0) {
        base_cond_wait(&links->changed, &links->lock, BASE_FOREVER);
    }
    for (struct link *link = links->first, *next = NULL; link; link = next) {
        next = link->next;
        if (link->to == kernel) {
            /* The kernel before it may be writing there still: sweeping is left to that one. */
            if (link->from && link->from != kernel) {
                link->to = NULL;
            } else {
                remove_link(links, link);
            }
        } else if (link->from == kernel) {
            link->from = NULL;
            link_reroute(link->to);
        }
    }
    arena_give(&links->arena, kernel->journal_at);
    arena_give(&links->arena, kernel->hand_at);
    arena_give(&links->arena, kernel->scratch_at);
    pthread_mutex_unlock(&links->lock);
}
