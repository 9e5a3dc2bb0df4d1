/* gyre_reserve and gyre_commit: messages that are written where the device reads them. */
#include "kernel.h"

/* ---- places ---- */

static gyre_result check_none_open(const struct gyre_kernel *kernel)
{
    if (!kernel->reservation.number) {
        return GYRE_OK;
    }
    return log_fail(kernel->services.log, GYRE_ERROR_STATE,
                    "kernel %s: a reservation is open: gyre_commit() it first", kernel->id);
}

/* Gives slots up from the one `at` on. */
static void give_up_slots(struct gyre_kernel *kernel, uint32_t at)
{
    for (; at < kernel->reservation.count; ++at) {
        struct staging_entry **slot = window_reserved(kernel, at);
        staging_recycle(&kernel->staging, *slot);
        *slot = NULL;
    }
}

/* False: none, as there is no room, or no memory for a single entry. */
static bool take_slots(struct gyre_kernel *kernel, const gyre_message *like, uint32_t count)
{
    struct reservation *open = &kernel->reservation;
    if (!window_reserve(kernel, like->priority, like->key, count)) {
        return false;
    }
    uint64_t id = atomic_fetch_add(kernel->services.next_id, open->count);
    for (uint32_t at = 0; at < open->count; ++at) {
        struct staging_entry *entry = staging_new(&kernel->staging);
        if (!entry) {
            open->count = at;
            break;
        }
        send_describe(kernel, entry, like);
        entry->id = id + at;
        *window_reserved(kernel, at) = entry;
    }
    if (!open->count) {
        *open = (struct reservation){0};
    }
    return open->count > 0;
}

/* A place in staging is kept for it. */
static bool take_entry(struct gyre_kernel *kernel, const gyre_message *like, uint64_t expires)
{
    struct staging_entry *entry = staging_new(&kernel->staging);
    if (!entry) {
        return false;
    }
    send_describe(kernel, entry, like);
    entry->deadline = expires;
    kernel->staging.kept += 1;
    kernel->reservation = (struct reservation){.entry = entry, .count = 1};
    return true;
}

/* In the window if nothing is staged before it, and nothing has a deadline that may pass. */
static bool take_places(struct gyre_kernel *kernel, const gyre_message *like, uint64_t expires,
                        uint32_t count)
{
    if (!expires && take_slots(kernel, like, count)) {
        return true;
    }
    kernel_turn(kernel); /* there may be room now */
    return (!expires && take_slots(kernel, like, count)) || take_entry(kernel, like, expires);
}

static void show(struct gyre_kernel *kernel, gyre_reservation *reservation)
{
    struct reservation *open = &kernel->reservation;
    open->number = ++kernel->reservations;
    *reservation = (gyre_reservation){.count = open->count, .number = open->number};
    if (open->group) {
        const struct ring_input *ring = &open->group->input[open->lane];
        reservation->data = ring_input_payload(ring, open->first);
        reservation->stride = ring->stride;
    } else {
        reservation->data = open->entry->payload;
        reservation->stride = kernel->staging.payload_size;
    }
}

gyre_result reserve_places(struct gyre_kernel *kernel, const gyre_message *like, uint32_t count,
                           struct patience patience, gyre_reservation *reservation)
{
    gyre_message message = *like;
    message.data = like; /* any: it has a payload, which is not there yet */
    uint64_t expires = 0;
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = check_none_open(kernel);
    if (result == GYRE_OK) {
        result = send_admit(kernel, &message, &expires, &patience);
    }
    if (result == GYRE_OK) {
        result = check_none_open(kernel); /* it may have waited */
    }
    if (result == GYRE_OK && take_places(kernel, &message, expires, count)) {
        show(kernel, reservation);
    } else if (result == GYRE_OK) {
        result = log_fail(kernel->services.log, GYRE_ERROR_NO_MEMORY,
                          "kernel %s: no memory to stage a message", kernel->id);
    }
    kernel_pass_watch(kernel);
    pthread_mutex_unlock(&kernel->lock);
    return result;
}

/* ---- messages ---- */

static gyre_result check_open(const struct gyre_kernel *kernel, const gyre_reservation *reservation,
                              uint32_t used)
{
    const struct reservation *open = &kernel->reservation;
    if (!open->number || open->number != reservation->number) {
        return log_fail(kernel->services.log, GYRE_ERROR_STATE,
                        "kernel %s: this reservation is not open", kernel->id);
    }
    if (used > open->count) {
        return log_fail(kernel->services.log, GYRE_ERROR_INVALID,
                        "kernel %s: %u messages in a reservation of %u", kernel->id, used,
                        open->count);
    }
    return GYRE_OK;
}

/* Staged among their equals, from the newest on. */
static void stage_slots(struct gyre_kernel *kernel, uint32_t used)
{
    const struct reservation *open = &kernel->reservation;
    uint64_t now = ticks_now(kernel->services.ticks);
    for (uint32_t at = used; at-- > 0;) {
        struct staging_entry **slot = window_reserved(kernel, at);
        struct staging_entry *entry = *slot;
        entry->in_slot = true;
        entry->added = now;
        window_keep_payload(open->group, open->lane, open->first + at);
        *slot = NULL;
        staging_put_back(&kernel->staging, entry);
    }
}

static void commit_slots(struct gyre_kernel *kernel, uint32_t used, const uint64_t *correlations,
                         uint64_t *ids)
{
    give_up_slots(kernel, used);
    for (uint32_t at = 0; at < used; ++at) {
        struct staging_entry *entry = *window_reserved(kernel, at);
        entry->correlation = correlations ? correlations[at] : entry->correlation;
        if (ids) {
            ids[at] = entry->id;
        }
    }
    kernel->stats.accepted += used;
    if (kernel->reservation.overtaken || !kernel_runs(kernel)) {
        stage_slots(kernel, used);
    } else if (used) {
        window_commit(kernel, used);
    }
}

/* As a message just sent. */
static void commit_entry(struct gyre_kernel *kernel, uint32_t used, const uint64_t *correlations,
                         uint64_t *ids)
{
    struct staging_entry *entry = kernel->reservation.entry;
    kernel->staging.kept -= 1;
    if (!used) {
        staging_recycle(&kernel->staging, entry);
        return;
    }
    entry->correlation = correlations ? correlations[0] : entry->correlation;
    send_accept(kernel, entry, NULL);
    kernel->fresh_deadline = entry->deadline;
    if (ids) {
        ids[0] = entry->id;
    }
}

gyre_result reserve_commit(struct gyre_kernel *kernel, const gyre_reservation *reservation,
                           uint32_t used, const uint64_t *correlations, uint64_t *ids)
{
    pthread_mutex_lock(&kernel->lock);
    gyre_result result = check_open(kernel, reservation, used);
    if (result != GYRE_OK) {
        pthread_mutex_unlock(&kernel->lock);
        return result;
    }
    result = used ? send_allowed(kernel) : GYRE_OK;
    used = result == GYRE_OK ? used : 0;
    if (kernel->reservation.group) {
        commit_slots(kernel, used, correlations, ids);
    } else {
        commit_entry(kernel, used, correlations, ids);
    }
    kernel->reservation = (struct reservation){0};
    if (used && kernel->params.tick_ns) {
        kernel->quiet_since = base_now_ns();
    }
    kernel_wake(kernel); /* what waited for the places may have them */
    send_on(kernel);
    pthread_mutex_unlock(&kernel->lock);
    return result;
}
