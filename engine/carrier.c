#include "carrier.h"

#include <stdlib.h>

/* A submission has at least that long before another one's waiting makes it yield. */
#define SHARE_NS 2000000u
/* How long a wait may take that nothing else ends. */
#define SLICE_NS 50000000u

struct carrier {
    struct device *device;
    VkQueue queue;
    VkSemaphore done; /* signalled by the queue only */
    uint64_t bound_ns;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct carried *first; /* in flight, in order of submission */
    struct carried *last;
    uint64_t submitted;
    uint64_t first_since; /* when the first one became the first */
    bool stop;
    bool ended;
};

static uint64_t patience(const struct carrier *carrier)
{
    const struct carried *first = carrier->first;
    if (first->asked) {
        return SLICE_NS;
    }
    uint64_t share = first->next ? SHARE_NS : carrier->bound_ns;
    uint64_t had = base_now_ns() - carrier->first_since;
    return had >= share ? 0 : share - had;
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

static void complete(struct carrier *carrier, uint64_t reached, gyre_result result)
{
    while (carrier->first && (carrier->first->value <= reached || result != GYRE_OK)) {
        struct carried *carried = carrier->first;
        carrier->first = carried->next;
        carrier->last = carrier->first ? carrier->last : NULL;
        carrier->first_since = base_now_ns();
        call(carrier, carried, result);
    }
}

/* One wait for the first in flight. */
static void await(struct carrier *carrier)
{
    struct device *device = carrier->device;
    struct carried *first = carrier->first;
    uint64_t value = first->value;
    uint64_t timeout = patience(carrier);
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
    if (waited == VK_TIMEOUT) {
        if (!first->asked && patience(carrier) == 0) {
            first->asked = true;
            /* It is in flight, so it stays until this thread completes it. */
            pthread_mutex_unlock(&carrier->lock);
            first->yield(first);
            pthread_mutex_lock(&carrier->lock);
        }
    } else {
        complete(carrier, reached, waited == VK_SUCCESS ? GYRE_OK : device_check(device, waited));
    }
}

static void *carry(void *argument)
{
    struct carrier *carrier = argument;
    pthread_mutex_lock(&carrier->lock);
    while (!carrier->stop) {
        if (carrier->first) {
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
    carrier->device->vk.vkDestroySemaphore(carrier->device->handle, carrier->done, NULL);
    pthread_mutex_destroy(&carrier->lock);
    pthread_cond_destroy(&carrier->changed);
    free(carrier);
}

struct carrier *carrier_create(struct device *device, uint32_t queue, uint64_t bound_ns)
{
    struct carrier *carrier = calloc(1, sizeof *carrier);
    if (!carrier || !base_cond_init(&carrier->changed)) {
        free(carrier);
        return NULL;
    }
    pthread_mutex_init(&carrier->lock, NULL);
    carrier->device = device;
    carrier->queue = device->queues[queue];
    carrier->bound_ns = bound_ns;
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
    if (result != VK_SUCCESS || !base_thread_start(&carrier->thread, carry, carrier)) {
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
    pthread_mutex_lock(&carrier->lock);
    carrier->stop = true;
    pthread_cond_broadcast(&carrier->changed);
    bool in_time = true;
    while (!carrier->ended && in_time) {
        in_time = base_cond_wait(&carrier->changed, &carrier->lock, deadline);
    }
    bool ended = carrier->ended;
    bool idle = !carrier->first;
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

gyre_result carrier_submit(struct carrier *carrier, struct carried *carried,
                           VkCommandBuffer commands, VkSemaphore go, uint64_t go_value)
{
    struct device *device = carrier->device;
    pthread_mutex_lock(&carrier->lock);
    uint64_t value = carrier->submitted + 1;
    VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = go ? 1 : 0,
        .pWaitSemaphoreValues = &go_value,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value,
    };
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .waitSemaphoreCount = go ? 1 : 0,
        .pWaitSemaphores = &go,
        .pWaitDstStageMask = &(VkPipelineStageFlags){VK_PIPELINE_STAGE_ALL_COMMANDS_BIT},
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &carrier->done,
    };
    VkResult result =
        VK(device->log, device->vk.vkQueueSubmit(carrier->queue, 1, &info, VK_NULL_HANDLE));
    if (result == VK_SUCCESS) {
        carrier->submitted = value;
        carried->value = value;
        carried->asked = false;
        carried->next = NULL;
        bool asleep = !carrier->first;
        *(asleep ? &carrier->first : &carrier->last->next) = carried;
        carrier->last = carried;
        if (asleep) {
            carrier->first_since = base_now_ns();
            pthread_cond_broadcast(&carrier->changed);
        }
    }
    pthread_mutex_unlock(&carrier->lock);
    return device_check(device, result);
}

void carrier_settle(struct carrier *carrier, struct carried *carried)
{
    pthread_mutex_lock(&carrier->lock);
    while (carried->calling) {
        base_cond_wait(&carrier->changed, &carrier->lock, BASE_FOREVER);
    }
    pthread_mutex_unlock(&carrier->lock);
}
