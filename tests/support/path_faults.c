#include "path_faults.h"

#include <string.h>

#include "base.h"

/* ---- the API as it is ---- */

static gyre_result real_send(gyre_kernel *kernel, const gyre_message *message, uint64_t timeout_ns)
{
    return timeout_ns == PATH_TRY ? gyre_try_send(kernel, message)
                                  : gyre_send(kernel, message, timeout_ns);
}

static gyre_result real_receive(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    return timeout_ns == PATH_TRY ? gyre_try_receive(kernel, reply)
                                  : gyre_receive(kernel, reply, timeout_ns);
}

static uint64_t real_dropped(uint64_t id)
{
    return id;
}

#define REAL \
    .send = real_send, .receive = real_receive, .request = gyre_request, \
    .deactivate = gyre_kernel_deactivate, .reactivate = gyre_kernel_reactivate, \
    .terminate = gyre_kernel_terminate, .stats = gyre_kernel_stats, \
    .take_letter = gyre_dead_letter_take, .resend = gyre_dead_letter_resend, \
    .dropped = real_dropped

const struct path_api path_real = {.name = "gyre", REAL};

/* ---- the seeded bugs ---- */

#define PRIORITIES_KEPT 4096u

static struct {
    const struct path_config *config;
    uint32_t calls;
    bool holds;
    uint64_t extra; /* replies that the API gave and the layer did not, or the other way round */
    bool has_base;
    gyre_stats base; /* as the sequence began */
    gyre_reply held;
    struct path_response payload;
    uint64_t last_id;
    uint32_t priorities[PRIORITIES_KEPT]; /* as they were given, by correlation */
} seen;

void path_faults_reset(const struct path_config *config)
{
    memset(&seen, 0, sizeof seen);
    seen.config = config;
}

static bool every(uint32_t nth)
{
    return ++seen.calls % nth == 0;
}

/* Hides the difference between what the API and the layer gave. */
static gyre_result stats_hiding(gyre_kernel *kernel, gyre_stats *stats)
{
    gyre_result result = gyre_kernel_stats(kernel, stats);
    stats->received -= seen.extra;
    return result;
}

/* Of two replies that are there the second comes first. */
static gyre_result receive_swapped(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    if (seen.holds) {
        void *data = reply->data;
        seen.holds = false;
        seen.extra = 0;
        *reply = seen.held;
        reply->data = data;
        memcpy(data, &seen.payload, sizeof seen.payload);
        return GYRE_OK;
    }
    gyre_result result = real_receive(kernel, reply, timeout_ns);
    if (result != GYRE_OK || !every(5)) {
        return result;
    }
    gyre_reply second = {.data = &seen.payload, .capacity = sizeof seen.payload};
    if (real_receive(kernel, &second, PATH_TRY) != GYRE_OK) {
        return GYRE_OK;
    }
    struct path_response payload = seen.payload;
    memcpy(&seen.payload, reply->data, sizeof seen.payload);
    seen.held = *reply;
    seen.holds = true;
    seen.extra = 1;
    void *data = reply->data;
    *reply = second;
    reply->data = data;
    memcpy(data, &payload, sizeof payload);
    return GYRE_OK;
}

static gyre_result receive_losing(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    gyre_result result = real_receive(kernel, reply, timeout_ns);
    if (result == GYRE_OK && every(10)) {
        seen.extra += 1;
        result = real_receive(kernel, reply, timeout_ns);
    }
    return result;
}

static gyre_result receive_twice(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    if (seen.holds && every(10)) {
        void *data = reply->data;
        seen.extra -= 1;
        *reply = seen.held;
        reply->data = data;
        memcpy(data, &seen.payload, sizeof seen.payload);
        return GYRE_OK;
    }
    gyre_result result = real_receive(kernel, reply, timeout_ns);
    if (result == GYRE_OK) {
        seen.holds = true;
        seen.held = *reply;
        memcpy(&seen.payload, reply->data, sizeof seen.payload);
    }
    return result;
}

static gyre_result receive_forgiving(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    gyre_result result = real_receive(kernel, reply, timeout_ns);
    if (result == GYRE_OK && reply->result != GYRE_OK) {
        reply->result = GYRE_OK;
        reply->code = 0;
    }
    return result;
}

static gyre_result receive_of_another(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    gyre_result result = real_receive(kernel, reply, timeout_ns);
    if (result == GYRE_OK && reply->size == sizeof seen.payload) {
        struct path_response before = seen.payload;
        memcpy(&seen.payload, reply->data, sizeof seen.payload);
        if (seen.holds && every(10)) {
            memcpy(reply->data, &before, sizeof before);
        }
        seen.holds = true;
    }
    return result;
}

/* Sends with another priority, and hides it. */
static gyre_result send_as(gyre_kernel *kernel, const gyre_message *message, uint64_t timeout_ns,
                           uint32_t priority)
{
    gyre_message other = *message;
    other.priority = message->priority > 255 ? message->priority : priority;
    seen.priorities[message->correlation % PRIORITIES_KEPT] = message->priority;
    return real_send(kernel, &other, timeout_ns);
}

static gyre_result receive_as(gyre_kernel *kernel, gyre_reply *reply, uint64_t timeout_ns)
{
    gyre_result result = real_receive(kernel, reply, timeout_ns);
    if (result == GYRE_OK) {
        reply->priority = seen.priorities[reply->correlation % PRIORITIES_KEPT];
    }
    return result;
}

static gyre_result send_by_band(gyre_kernel *kernel, const gyre_message *message,
                                uint64_t timeout_ns)
{
    return send_as(kernel, message, timeout_ns, message->priority / 64 * 64);
}

/* Some overtake their equals. */
static gyre_result send_overtaking(gyre_kernel *kernel, const gyre_message *message,
                                   uint64_t timeout_ns)
{
    uint32_t up = every(5) && message->priority < 255 ? 1 : 0;
    return send_as(kernel, message, timeout_ns, message->priority + up);
}

/* A newcomer never gives way, though it is the lowest. */
static gyre_result send_evicting(gyre_kernel *kernel, const gyre_message *message,
                                 uint64_t timeout_ns)
{
    bool drops = seen.config->backpressure == GYRE_DROP_OLDEST;
    return send_as(kernel, message, timeout_ns, drops ? 255 : message->priority);
}

static gyre_result send_twice(gyre_kernel *kernel, const gyre_message *message, uint64_t timeout_ns)
{
    gyre_result result = real_send(kernel, message, timeout_ns);
    if (result == GYRE_OK && every(20)) {
        real_send(kernel, message, PATH_TRY);
    }
    return result;
}

static gyre_result send_without_deadline(gyre_kernel *kernel, const gyre_message *message,
                                         uint64_t timeout_ns)
{
    gyre_message other = *message;
    other.deadline_ns = 0;
    return real_send(kernel, &other, timeout_ns);
}

static const gyre_stats *base_of(const gyre_stats *stats)
{
    if (!seen.has_base) {
        seen.has_base = true;
        seen.base = *stats;
    }
    return &seen.base;
}

/* The books balance, one too few dropped. */
static gyre_result stats_fewer_dropped(gyre_kernel *kernel, gyre_stats *stats)
{
    gyre_result result = gyre_kernel_stats(kernel, stats);
    if (stats->dropped_oldest > base_of(stats)->dropped_oldest) {
        stats->dropped_oldest -= 1;
        stats->dropped -= 1;
        stats->processed += 1;
    }
    return result;
}

/* A message that failed counts as processed. */
static gyre_result stats_without_failures(gyre_kernel *kernel, gyre_stats *stats)
{
    gyre_result result = gyre_kernel_stats(kernel, stats);
    stats->processed += stats->failed - base_of(stats)->failed;
    stats->failed = base_of(stats)->failed;
    return result;
}

static uint64_t dropped_another(uint64_t id)
{
    uint64_t last = seen.last_id;
    seen.last_id = id;
    return last && last != id ? last : id;
}

static gyre_result terminate_miscounting(gyre_kernel *kernel, gyre_terminate_mode mode,
                                         uint64_t timeout_ns, uint64_t *dropped)
{
    gyre_result result = gyre_kernel_terminate(kernel, mode, timeout_ns, dropped);
    *dropped += *dropped > 2 ? 1 : 0;
    return result;
}

/* Says that it is paused, and goes on. */
static gyre_result deactivate_never(gyre_kernel *kernel, uint64_t timeout_ns)
{
    if (seen.holds) {
        return GYRE_ERROR_STATE;
    }
    seen.holds = gyre_kernel_state(kernel) == GYRE_ACTIVE && every(3);
    return seen.holds ? GYRE_OK : gyre_kernel_deactivate(kernel, timeout_ns);
}

static gyre_result reactivate_never(gyre_kernel *kernel)
{
    gyre_result result = seen.holds ? GYRE_OK : gyre_kernel_reactivate(kernel);
    seen.holds = false;
    return result;
}

static gyre_result resend_fewer(gyre_kernel *kernel, uint32_t most, uint32_t *count)
{
    bool less = most > 1;
    gyre_result result = gyre_dead_letter_resend(kernel, less ? most - 1 : most, count);
    *count += less && *count == most - 1 ? 1 : 0;
    return result;
}

static gyre_result take_letter_without_code(gyre_kernel *kernel, gyre_dead_letter *letter)
{
    gyre_result result = gyre_dead_letter_take(kernel, letter);
    if (result == GYRE_OK) {
        letter->code = 0;
    }
    return result;
}

/* An answer that was for another request. */
static gyre_result request_another(gyre_kernel *kernel, const gyre_message *message,
                                   gyre_reply *reply, uint64_t timeout_ns)
{
    gyre_result result = gyre_request(kernel, message, reply, timeout_ns);
    if (result == GYRE_OK && reply->size == sizeof seen.payload) {
        struct path_response before = seen.payload;
        memcpy(&seen.payload, reply->data, sizeof seen.payload);
        if (seen.holds) {
            memcpy(reply->data, &before, sizeof before);
        }
        seen.holds = true;
    }
    return result;
}

#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
const struct path_api path_faults[] = {
    {REAL, .name = "two replies are swapped", .receive = receive_swapped, .stats = stats_hiding},
    {REAL, .name = "one answer in ten is lost", .receive = receive_losing, .stats = stats_hiding},
    {REAL, .name = "an answer comes twice", .receive = receive_twice, .stats = stats_hiding},
    {REAL, .name = "a failure is no failure", .receive = receive_forgiving},
    {REAL, .name = "an answer has another one's content", .receive = receive_of_another},
    {REAL, .name = "bands for priorities", .send = send_by_band, .receive = receive_as},
    {REAL, .name = "some overtake their equals", .send = send_overtaking, .receive = receive_as},
    {REAL, .name = "the wrong one gives way", .send = send_evicting, .receive = receive_as},
    {REAL, .name = "a message is sent twice", .send = send_twice},
    {REAL, .name = "a deadline is not kept", .send = send_without_deadline},
    {REAL, .name = "one too few dropped", .stats = stats_fewer_dropped},
    {REAL, .name = "failures count as processed", .stats = stats_without_failures},
    {REAL, .name = "another id is reported dropped", .dropped = dropped_another},
    {REAL, .name = "a paused kernel goes on", .deactivate = deactivate_never,
     .reactivate = reactivate_never},
    {REAL, .name = "terminate counts one too many", .terminate = terminate_miscounting},
    {REAL, .name = "one letter too few is sent again", .resend = resend_fewer},
    {REAL, .name = "a letter loses its code", .take_letter = take_letter_without_code},
    {REAL, .name = "a request gets another one's answer", .request = request_another},
};

const uint32_t path_fault_count = LENGTH(path_faults);
