/* Staged messages into the device's input rings, and back. */
#include <string.h>

#include "kernel.h"
#include "link.h"
#include "shared.h"

uint32_t window_in_lane(const struct group *group, uint32_t lane)
{
    return group->input[lane].tail - group->acknowledged[lane];
}

static uint64_t in_group(const struct group *group)
{
    uint64_t sum = 0;
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        sum += window_in_lane(group, lane);
    }
    return sum;
}

uint64_t window_count(const struct gyre_kernel *kernel)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; kernel->build.groups && i < kernel->params.workgroups; ++i) {
        sum += in_group(&kernel->build.groups[i]);
    }
    return sum;
}

/* Messages for the device to take. What it has taken may not be acknowledged yet: its answers wait
 * for a reader. */
static uint64_t to_take(const struct group *group)
{
    uint64_t sum = 0;
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        sum += group->input[lane].tail - group->input[lane].head;
    }
    return sum;
}

/* The output tail, not as last peeked: what lies unread there, or is being read, holds the device
 * back. */
static bool has_output(const struct gyre_kernel *kernel, const struct group *group)
{
    uint32_t in_use = shared_load_relaxed(group->output.tail_word) - group->output.given;
    return (uint64_t)in_use + kernel->build.program.info.max_sends <= group->output.size;
}

bool window_can_run(struct gyre_kernel *kernel)
{
    bool any = false;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        const struct group *group = &kernel->build.groups[i];
        bool can = has_output(kernel, group);
        bool queued = can && to_take(group) > 0;
        any = any || (kernel->links ? can && route_can_run(kernel, i, queued) : queued);
    }
    return any;
}

/* Whether a lane takes one more. What is reserved there is in the way. */
static bool has_room(const struct gyre_kernel *kernel, const struct group *group, uint32_t lane)
{
    const struct reservation *open = &kernel->reservation;
    const struct ring_input *ring = &group->input[lane];
    bool reserved = open->group == group && open->lane == lane && open->first == ring->tail;
    return !reserved && window_in_lane(group, lane) < ring->size;
}

/* The workgroup that owns the key, or else the one with the least to do; NULL: its lane, or every
 * one, is full. */
static struct group *choose_group(struct gyre_kernel *kernel, uint32_t lane, uint32_t key)
{
    if (kernel->params.shards) {
        struct group *owner = &kernel->build.groups[key % kernel->params.shards];
        return has_room(kernel, owner, lane) ? owner : NULL;
    }
    struct group *best = NULL;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        if (has_room(kernel, group, lane) && (!best || in_group(group) < in_group(best))) {
            best = group;
        }
    }
    return best;
}

/* ---- what answers may come ---- */

static void count_in(struct gyre_kernel *kernel, const struct staging_entry *entry)
{
    kernel->priorities += kernel->of_priority[entry->priority]++ == 0;
}

void window_count_out(struct gyre_kernel *kernel, const struct staging_entry *entry)
{
    kernel->priorities -= --kernel->of_priority[entry->priority] == 0;
}

/* ---- into the window ---- */

/* Not for the device to see before publish(). */
static void put(struct gyre_kernel *kernel, struct group *group, uint32_t lane,
                struct staging_entry *entry)
{
    struct ring_input *ring = &group->input[lane];
    group->window[lane][ring->tail & (ring->size - 1)] = entry;
    count_in(kernel, entry);
    ring_input_write(ring,
                     &(struct ring_message){
                         .id = entry->id,
                         .correlation = entry->correlation,
                         .type = entry->type,
                         .priority = entry->counted,
                         .flags = entry->flags,
                         .extra = entry->extra,
                     },
                     entry->in_slot ? NULL : entry->payload, entry->size);
}

static void publish(struct gyre_kernel *kernel, struct group *group, uint32_t lane)
{
    ring_input_publish(&group->input[lane]);
    if (kernel->in_flight && kernel->live && !kernel->placed_in) {
        residency_note_placed(kernel, group);
    }
}

/* What lies behind the tails as last published, the most urgent lane first: the device may look in
 * between. */
static void publish_all(struct gyre_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        for (uint32_t lane = GYRE_LANES; lane-- > 0;) {
            if (!ring_input_is_published(&group->input[lane])) {
                publish(kernel, group, lane);
            }
        }
    }
}

bool window_place(struct gyre_kernel *kernel, struct staging_entry *entry)
{
    /* A deadline may have passed already: window_fill() looks. */
    if (kernel->staging.count > 0 || entry->deadline || !kernel_runs(kernel)) {
        return false;
    }
    uint32_t lane = ring_lane(entry->priority);
    struct group *group = choose_group(kernel, lane, entry->extra);
    if (!group) {
        return false;
    }
    entry->counted = entry->priority;
    put(kernel, group, lane, entry);
    publish(kernel, group, lane);
    entry->placed = ticks_now(kernel->services.ticks);
    if (entry == kernel->fresh) {
        entry->added = entry->placed;
        kernel->fresh = NULL;
    }
    return true;
}

struct window_batch window_open(struct gyre_kernel *kernel)
{
    struct window_batch batch = {.now = ticks_now(kernel->services.ticks)};
    batch.open = kernel->staging.count == 0 && kernel_runs(kernel);
    batch.only = kernel->params.workgroups == 1 && batch.open ? &kernel->build.groups[0] : NULL;
    return batch;
}

bool window_put(struct gyre_kernel *kernel, struct window_batch *batch, struct staging_entry *entry)
{
    if (!batch->open) {
        return false;
    }
    uint32_t lane = ring_lane(entry->priority);
    struct group *group = batch->only;
    if (!group) {
        group = choose_group(kernel, lane, entry->extra);
    } else if (!has_room(kernel, group, lane)) {
        group = NULL;
    }
    if (!group) {
        batch->open = false; /* what follows is staged behind it */
        return false;
    }
    entry->counted = entry->priority;
    entry->placed = batch->now;
    put(kernel, group, lane, entry);
    batch->any = true;
    return true;
}

void window_close(struct gyre_kernel *kernel, const struct window_batch *batch)
{
    if (batch->any) {
        publish_all(kernel);
    }
}

/* The next one to hand over, of the priorities less than `below`. */
static struct staging_entry *next(struct gyre_kernel *kernel, uint32_t below)
{
    if (kernel->age_ticks) {
        return staging_peek_aged(&kernel->staging, ticks_now(kernel->services.ticks),
                                 kernel->age_ticks);
    }
    struct staging_entry *entry = staging_peek_below(&kernel->staging, below);
    if (entry) {
        entry->counted = entry->priority;
    }
    return entry;
}

/* The time of all that is handed over now; and if the newest message had none yet, of that one. */
static uint64_t fresh_now(struct gyre_kernel *kernel)
{
    uint64_t now = ticks_now(kernel->services.ticks);
    if (kernel->fresh) {
        kernel->fresh->added = now;
        kernel->fresh = NULL;
    }
    return now;
}

/* Whether a lane waits for gyre_commit(), and others need not. With ageing the order of messages is
 * not that of lanes. */
static bool is_reserved(const struct gyre_kernel *kernel, uint32_t lane)
{
    const struct reservation *open = &kernel->reservation;
    return open->group && open->lane == lane && !kernel->age_ticks;
}

void window_fill(struct gyre_kernel *kernel)
{
    if (!kernel_runs(kernel)) {
        return;
    }
    send_expire(kernel);
    bool moved = false;
    uint64_t now = 0;
    uint32_t below = STAGING_PRIORITIES;
    for (;;) {
        struct staging_entry *entry = next(kernel, below);
        uint32_t lane = entry ? ring_lane(entry->counted) : 0;
        struct group *group = entry ? choose_group(kernel, lane, entry->extra) : NULL;
        if (entry && !group && is_reserved(kernel, lane)) {
            below = ring_lane_begin(lane); /* other lanes go on */
            continue;
        }
        if (!group) {
            break;
        }
        staging_remove(&kernel->staging, entry);
        now = now ? now : fresh_now(kernel);
        entry->placed = now;
        put(kernel, group, lane, entry);
        moved = true;
    }
    if (moved) {
        publish_all(kernel);
        kernel_wake(kernel);
    }
}

/* ---- reserved slots ---- */

bool window_reserve(struct gyre_kernel *kernel, uint32_t priority, uint32_t key, uint32_t count)
{
    uint32_t lane = ring_lane(priority);
    bool open = kernel->staging.count == 0 && kernel_runs(kernel);
    struct group *group = open ? choose_group(kernel, lane, key) : NULL;
    if (!group) {
        return false;
    }
    const struct ring_input *ring = &group->input[lane];
    uint32_t room = ring->size - window_in_lane(group, lane);
    uint32_t to_end = ring->size - (ring->tail & (ring->size - 1));
    uint32_t most = room < to_end ? room : to_end;
    kernel->reservation = (struct reservation){
        .group = group,
        .lane = lane,
        .first = ring->tail,
        .count = count < most ? count : most,
    };
    return true;
}

struct staging_entry **window_reserved(struct gyre_kernel *kernel, uint32_t at)
{
    const struct reservation *open = &kernel->reservation;
    uint32_t mask = open->group->input[open->lane].size - 1;
    return &open->group->window[open->lane][(open->first + at) & mask];
}

void window_commit(struct gyre_kernel *kernel, uint32_t count)
{
    const struct reservation *open = &kernel->reservation;
    ASSERT(open->group->input[open->lane].tail == open->first);
    uint64_t now = ticks_now(kernel->services.ticks);
    for (uint32_t at = 0; at < count; ++at) {
        struct staging_entry *entry = *window_reserved(kernel, at);
        entry->counted = entry->priority;
        entry->added = now;
        entry->placed = now;
        entry->in_slot = true;
        put(kernel, open->group, open->lane, entry);
    }
    publish(kernel, open->group, open->lane);
}

void window_keep_payload(const struct group *group, uint32_t lane, uint32_t at)
{
    const struct ring_input *ring = &group->input[lane];
    struct staging_entry *entry = group->window[lane][at & (ring->size - 1)];
    if (entry->in_slot) {
        memcpy(entry->payload, ring_input_payload(ring, at), entry->size);
        entry->in_slot = false;
    }
}

/* ---- out of the window ---- */

/* Two lists, each newest first by `next`, as one. */
static struct staging_entry *merge(struct staging_entry *a, struct staging_entry *b)
{
    struct staging_entry *first = NULL;
    struct staging_entry **last = &first;
    while (a && b) {
        struct staging_entry **newer = a->id > b->id ? &a : &b;
        *last = *newer;
        last = &(*newer)->next;
        *newer = *last;
    }
    *last = a ? a : b;
    return first;
}

/* A merge sort whose lists wait in bins by their size. */
#define BINS 40

static void sort_in(struct staging_entry *bins[BINS], struct staging_entry *entry)
{
    entry->next = NULL;
    uint32_t bin = 0;
    for (; bins[bin]; ++bin) {
        entry = merge(bins[bin], entry);
        bins[bin] = NULL;
    }
    bins[bin] = entry;
}

/* What the device has not consumed, newest first. Within a lane messages lie in the order of their
 * priorities as well, so each is sorted by itself. `whole`: with their payloads. */
static struct staging_entry *withdraw_all(struct gyre_kernel *kernel, bool whole)
{
    struct staging_entry *bins[BINS] = {0};
    for (uint32_t i = 0; i < kernel->params.workgroups * GYRE_LANES; ++i) {
        struct group *group = &kernel->build.groups[i / GYRE_LANES];
        uint32_t lane = i % GYRE_LANES;
        struct ring_input *ring = &group->input[lane];
        while (ring->tail != ring->head) {
            ring_input_withdraw(ring);
            if (whole) {
                window_keep_payload(group, lane, ring->tail);
            }
            struct staging_entry **slot = &group->window[lane][ring->tail & (ring->size - 1)];
            window_count_out(kernel, *slot);
            sort_in(bins, *slot);
            *slot = NULL;
        }
    }
    struct staging_entry *all = NULL;
    for (size_t bin = 0; bin < BINS; ++bin) {
        all = merge(bins[bin], all);
    }
    return all;
}

static void mark_lane(struct gyre_kernel *kernel, struct group *group, uint32_t lane)
{
    const struct ring_input *ring = &group->input[lane];
    bool each = kernel->build.program.info.per_invocation;
    uint32_t count = each ? group->lane_begun[lane] : 1;
    for (uint32_t at = ring->head; at != ring->tail && at - ring->head < count; ++at) {
        group->window[lane][at & (ring->size - 1)]->flags |= GYRE_FLAG_REDELIVERED;
        kernel->stats.redelivered += 1;
    }
}

/* What was in hand when the driver cut a loop has been begun: its next handler must know. */
static void mark_begun(struct gyre_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            if (group->begun & GYRE_CLAIMED_BEGUN << lane) {
                mark_lane(kernel, group, lane);
            }
        }
        group->begun = 0;
    }
}

void window_take_back(struct gyre_kernel *kernel)
{
    mark_begun(kernel);
    struct staging_entry *all = withdraw_all(kernel, true);
    kernel->refilled = kernel->refilled || all;
    kernel->reservation.overtaken = true;
    while (all) {
        struct staging_entry *entry = all;
        all = entry->next;
        staging_put_back(&kernel->staging, entry); /* newest first: each goes before its equals */
    }
}

void window_drop(struct gyre_kernel *kernel)
{
    struct staging_entry *all = kernel->build.groups ? withdraw_all(kernel, false) : NULL;
    while (all) {
        struct staging_entry *entry = all;
        all = entry->next;
        send_lose(kernel, entry, GYRE_ERROR_TERMINATED);
    }
    for (struct staging_entry *entry = staging_take(&kernel->staging); entry;
         entry = staging_take(&kernel->staging)) {
        send_lose(kernel, entry, GYRE_ERROR_TERMINATED);
    }
}
