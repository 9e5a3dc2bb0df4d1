#include "carrier.h"

#include <stdlib.h>

/* How long a wait may take that nothing else ends. */
#define SLICE_NS 50000000u
/* Resident and next: no host trip is between them. */
#define QUEUE_DEPTH 2u
/* A queue is taken to be shared that long after two kernels have taken turns on it. */
#define SHARED_NS 1000000000u

struct carrier {
    struct carrier_params params;
    VkQueue queue;
    VkSemaphore done; /* signalled by the queue only */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct carried
        *first; /* in the VkQueue, in order of submission; on a serial one, the resident */
    struct carried *last;
    uint32_t depth;         /* how many these are */
    struct carried *ready;  /* to be submitted, in the order in which they came */
    struct carried *failed; /* could not be submitted: the thread tells their owners */
    uint64_t submitted;
    uint64_t vtime_ns;   /* the most that a kernel has used: where one starts that finds none */
    uint64_t looks_at;   /* when the thread looks at the resident by itself */
    struct timer minder; /* looks earlier, for somebody came while the thread waited */
    const struct carried *latest;
    uint64_t shared_until;
    bool stop;
    bool ended;
};

/* Three quarters: host threads wake late. */
static uint64_t longest_ns(const struct carrier *carrier)
{
    return carrier->params.bound_ns - carrier->params.bound_ns / 4;
}

static uint64_t vtime_now(const struct carrier *carrier, const struct carried *carried,
                          uint64_t now)
{
    uint64_t running = carried == carrier->first ? now - carried->since_ns : 0;
    return *carried->clock + running / carried->weight;
}

static void lower(uint64_t *least, uint64_t vtime)
{
    *least = vtime < *least ? vtime : *least;
}

/* The least virtual time of all in flight and ready but `self`; UINT64_MAX if there are none. */
static uint64_t least_of_others(const struct carrier *carrier, const struct carried *self,
                                uint64_t now)
{
    uint64_t least = UINT64_MAX;
    for (const struct carried *each = carrier->first; each; each = each->next) {
        lower(&least, each != self ? vtime_now(carrier, each, now) : UINT64_MAX);
    }
    for (const struct carried *each = carrier->ready; each; each = each->next) {
        lower(&least, each != self ? *each->clock : UINT64_MAX);
    }
    return least;
}

/* How long one may stay while another waits whose virtual time is `rival`: a quantum, and more if
 * it lags further behind, for then it would be chosen again; less if it is ahead, for then the
 * other has slept, or was held up. */
static uint64_t turn_ns(const struct carrier *carrier, const struct carried *carried,
                        uint64_t rival)
{
    int64_t quantum = (int64_t)carrier->params.quantum_ns;
    int64_t lag = (int64_t)(rival - *carried->clock);
    int64_t turn = lag > quantum ? lag : lag >= 0 ? quantum : lag > -quantum ? quantum + lag : 0;
    uint64_t most = longest_ns(carrier);
    uint64_t wanted = (uint64_t)turn < most ? (uint64_t)turn * carried->weight : most;
    wanted = wanted > carrier->params.relaunch_ns ? wanted : carrier->params.relaunch_ns;
    return wanted < most ? wanted : most;
}

/* When one in the VkQueue is to be asked to yield. */
static uint64_t due_ns(const struct carrier *carrier, const struct carried *carried, uint64_t now)
{
    uint64_t rival = carrier->params.serial ? least_of_others(carrier, carried, now) : UINT64_MAX;
    return carried->since_ns +
           (rival == UINT64_MAX ? longest_ns(carrier) : turn_ns(carrier, carried, rival));
}

/* Asks who has had his turn. Gives when to look again. */
static uint64_t mind(struct carrier *carrier, uint64_t now)
{
    uint64_t next = now + SLICE_NS;
    for (struct carried *each = carrier->first; each; each = each->next) {
        uint64_t due = each->asked ? UINT64_MAX : due_ns(carrier, each, now);
        if (due <= now) {
            each->asked = true;
            each->yield(each);
        }
        next = due > now && due < next ? due : next;
        if (carrier->params.serial) {
            break; /* the others are not on the device yet */
        }
    }
    return next;
}

static uint64_t mind_later(struct timer *timer)
{
    struct carrier *carrier =
        (struct carrier *)(void *)((char *)timer - offsetof(struct carrier, minder));
    pthread_mutex_lock(&carrier->lock);
    mind(carrier, base_now_ns());
    pthread_mutex_unlock(&carrier->lock);
    return 0;
}

/* Somebody came: the resident may have to go sooner than when the thread looks next. */
static void mind_at_once(struct carrier *carrier)
{
    uint64_t next = carrier->first ? mind(carrier, base_now_ns()) : UINT64_MAX;
    if (next < carrier->looks_at) {
        /* Without a timer the thread still comes, late. */
        (void)timer_start(carrier->params.timers, &carrier->minder, next);
    }
}

static void submit_to_queue(struct carrier *carrier, struct carried *carried)
{
    struct device *device = carrier->params.device;
    uint64_t value = carrier->submitted + 1;
    VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = carried->go ? 1 : 0,
        .pWaitSemaphoreValues = &carried->go_value,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value,
    };
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .waitSemaphoreCount = carried->go ? 1 : 0,
        .pWaitSemaphores = &carried->go,
        .pWaitDstStageMask = &(VkPipelineStageFlags){VK_PIPELINE_STAGE_ALL_COMMANDS_BIT},
        .commandBufferCount = 1,
        .pCommandBuffers = &carried->commands,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &carrier->done,
    };
    carried->result =
        VK(device->log, device->vk.vkQueueSubmit(carrier->queue, 1, &info, VK_NULL_HANDLE));
    if (carried->result != VK_SUCCESS) {
        carried->next = carrier->failed;
        carrier->failed = carried;
        pthread_cond_broadcast(&carrier->changed);
        return;
    }
    carrier->submitted = value;
    carried->value = value;
    carried->asked = false;
    carried->since_ns = base_now_ns();
    carried->next = NULL;
    bool asleep = !carrier->first;
    *(asleep ? &carrier->first : &carrier->last->next) = carried;
    carrier->last = carried;
    carrier->depth += 1;
    if (asleep) {
        pthread_cond_broadcast(&carrier->changed);
    }
}

/* May it lie in the VkQueue behind the resident? Not if it is so far ahead that the resident would
 * be chosen once more before it. */
static bool may_follow(const struct carrier *carrier, const struct carried *carried)
{
    const struct carried *resident = carrier->first;
    return !resident || !carrier->params.serial ||
           (carrier->depth < QUEUE_DEPTH &&
            *carried->clock <= *resident->clock + 2 * carrier->params.quantum_ns);
}

/* Ready ones to the VkQueue, the least virtual time first. */
static void pump(struct carrier *carrier)
{
    while (carrier->ready) {
        struct carried **best = &carrier->ready;
        for (struct carried **at = best; *at; at = &(*at)->next) {
            best = *(*at)->clock < *(*best)->clock ? at : best;
        }
        struct carried *carried = *best;
        if (!may_follow(carrier, carried)) {
            return;
        }
        *best = carried->next;
        submit_to_queue(carrier, carried);
    }
}

/* Lock held on entry and return, not during the call. */
static void call(struct carrier *carrier, struct carried *carried, gyre_result completed)
{
    carried->calling = true;
    pthread_mutex_unlock(&carrier->lock);
    carried->completed(carried, completed);
    pthread_mutex_lock(&carrier->lock);
    carried->calling = false;
    pthread_cond_broadcast(&carrier->changed);
}

static void account(struct carrier *carrier, struct carried *carried, uint64_t now)
{
    uint64_t measured = carried->measure(carried);
    carried->measured = measured > 0;
    carried->took_ns = measured ? measured : now - carried->since_ns;
    *carried->clock += carried->took_ns / carried->weight;
    carrier->vtime_ns = *carried->clock > carrier->vtime_ns ? *carried->clock : carrier->vtime_ns;
}

static void complete(struct carrier *carrier, uint64_t reached, gyre_result result)
{
    while (carrier->first && (carrier->first->value <= reached || result != GYRE_OK)) {
        struct carried *carried = carrier->first;
        uint64_t now = base_now_ns();
        account(carrier, carried, now);
        carrier->first = carried->next;
        carrier->last = carrier->first ? carrier->last : NULL;
        carrier->depth -= 1;
        if (carrier->first && carrier->params.serial) {
            carrier->first->since_ns = now;
        }
        call(carrier, carried, result);
        pump(carrier); /* not before: its owner may have more, and lag */
    }
}

/* Those that could not be submitted. */
static void complete_failed(struct carrier *carrier)
{
    while (carrier->failed) {
        struct carried *carried = carrier->failed;
        carrier->failed = carried->next;
        carried->took_ns = 0;
        call(carrier, carried, device_check(carrier->params.device, carried->result));
    }
}

/* One wait for the first in flight. */
static void await(struct carrier *carrier)
{
    struct device *device = carrier->params.device;
    uint64_t value = carrier->first->value;
    uint64_t now = base_now_ns();
    carrier->looks_at = mind(carrier, now);
    uint64_t timeout = carrier->looks_at - now;
    pthread_mutex_unlock(&carrier->lock);
    VkSemaphoreWaitInfo wait = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &carrier->done,
        .pValues = &value,
    };
    VkResult waited = device->vk.vkWaitSemaphores(device->handle, &wait, timeout);
    uint64_t reached = value;
    if (waited == VK_SUCCESS) {
        waited = device->vk.vkGetSemaphoreCounterValue(device->handle, carrier->done, &reached);
    }
    pthread_mutex_lock(&carrier->lock);
    carrier->looks_at = 0; /* soon */
    if (waited != VK_TIMEOUT) {
        complete(carrier, reached, waited == VK_SUCCESS ? GYRE_OK : device_check(device, waited));
    }
}

static void *carry(void *argument)
{
    struct carrier *carrier = argument;
    pthread_mutex_lock(&carrier->lock);
    while (!carrier->stop) {
        if (carrier->failed) {
            complete_failed(carrier);
            pump(carrier);
        } else if (carrier->first) {
            await(carrier);
        } else {
            base_cond_wait(&carrier->changed, &carrier->lock, BASE_FOREVER);
        }
    }
    carrier->ended = true;
    pthread_cond_broadcast(&carrier->changed);
    pthread_mutex_unlock(&carrier->lock);
    return NULL;
}

static void release(struct carrier *carrier)
{
    struct device *device = carrier->params.device;
    device->vk.vkDestroySemaphore(device->handle, carrier->done, NULL);
    pthread_mutex_destroy(&carrier->lock);
    pthread_cond_destroy(&carrier->changed);
    free(carrier);
}

struct carrier *carrier_create(const struct carrier_params *params)
{
    struct carrier *carrier = calloc(1, sizeof *carrier);
    if (!carrier || !base_cond_init(&carrier->changed)) {
        free(carrier);
        return NULL;
    }
    struct device *device = params->device;
    pthread_mutex_init(&carrier->lock, NULL);
    carrier->params = *params;
    carrier->queue = device->queues[params->queue];
    carrier->minder.fire = mind_later;
    VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext =
            &(VkSemaphoreTypeCreateInfo){
                .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
            },
    };
    VkResult result =
        VK(device->log, device->vk.vkCreateSemaphore(device->handle, &info, NULL, &carrier->done));
    if (result != VK_SUCCESS ||
        !base_thread_start_on(&carrier->thread, carrier->params.cpus, carry, carrier)) {
        release(carrier);
        return NULL;
    }
    return carrier;
}

bool carrier_destroy(struct carrier *carrier, uint64_t deadline)
{
    if (!carrier) {
        return true;
    }
    timer_stop(carrier->params.timers, &carrier->minder);
    pthread_mutex_lock(&carrier->lock);
    carrier->stop = true;
    pthread_cond_broadcast(&carrier->changed);
    bool in_time = true;
    while (!carrier->ended && in_time) {
        in_time = base_cond_wait(&carrier->changed, &carrier->lock, deadline);
    }
    bool ended = carrier->ended;
    bool idle = !carrier->first && !carrier->ready && !carrier->failed;
    pthread_mutex_unlock(&carrier->lock);
    if (!ended) {
        pthread_detach(carrier->thread);
        return false;
    }
    pthread_join(carrier->thread, NULL);
    if (idle) {
        release(carrier);
    }
    return idle;
}

/* One that has slept has not saved up what it did not use, but for a quantum; one that goes on,
 * from its callback, has what it has. */
static void wake(struct carrier *carrier, struct carried *carried, uint64_t now)
{
    if (carried->calling) {
        return;
    }
    uint64_t least = least_of_others(carrier, carried, now);
    least = least == UINT64_MAX ? carrier->vtime_ns : least;
    uint64_t quantum = carrier->params.quantum_ns;
    uint64_t floor = least > quantum ? least - quantum : 0;
    *carried->clock = *carried->clock > floor ? *carried->clock : floor;
}

static bool unlink_from(struct carried **list, struct carried *carried)
{
    while (*list && *list != carried) {
        list = &(*list)->next;
    }
    bool found = *list != NULL;
    if (found) {
        *list = carried->next;
    }
    return found;
}

gyre_result carrier_submit(struct carrier *carrier, struct carried *carried,
                           VkCommandBuffer commands, VkSemaphore go, uint64_t go_value)
{
    pthread_mutex_lock(&carrier->lock);
    uint64_t now = base_now_ns();
    wake(carrier, carried, now);
    if (carrier->latest != carried) {
        carrier->shared_until = carrier->latest ? now + SHARED_NS : 0;
        carrier->latest = carried;
    }
    carried->commands = commands;
    carried->go = go;
    carried->go_value = go_value;
    carried->next = NULL;
    struct carried **end = &carrier->ready;
    while (*end) {
        end = &(*end)->next;
    }
    *end = carried;
    pump(carrier);
    gyre_result result = GYRE_OK;
    if (carrier->failed && unlink_from(&carrier->failed, carried)) {
        result = device_check(carrier->params.device, carried->result);
    }
    if (carrier->first != carried) {
        mind_at_once(carrier);
    }
    pthread_mutex_unlock(&carrier->lock);
    return result;
}

bool carrier_withdraw(struct carrier *carrier, struct carried *carried)
{
    pthread_mutex_lock(&carrier->lock);
    bool found = unlink_from(&carrier->ready, carried);
    pthread_mutex_unlock(&carrier->lock);
    return found;
}

struct carrier_turn carrier_turn(struct carrier *carrier, const struct carried *carried, bool hears)
{
    struct carrier_turn turn = {.ns = longest_ns(carrier)};
    if (!carrier->params.serial) {
        return turn;
    }
    pthread_mutex_lock(&carrier->lock);
    uint64_t now = base_now_ns();
    uint64_t rival = least_of_others(carrier, carried, now);
    bool shared = carrier->latest != carried ? carrier->latest != NULL
                                             : now < carrier->shared_until;
    turn.contended = rival != UINT64_MAX;
    if (turn.contended || (shared && !hears)) {
        /* It will not run before it is the least, however far ahead it is now. */
        bool lags = turn.contended && rival > *carried->clock;
        turn.ns = turn_ns(carrier, carried, lags ? rival : *carried->clock);
    }
    pthread_mutex_unlock(&carrier->lock);
    return turn;
}

void carrier_settle(struct carrier *carrier, struct carried *carried)
{
    pthread_mutex_lock(&carrier->lock);
    while (carried->calling) {
        base_cond_wait(&carrier->changed, &carrier->lock, BASE_FOREVER);
    }
    pthread_mutex_unlock(&carrier->lock);
}
