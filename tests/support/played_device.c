#include "played_device.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "shared.h"

#define SERIAL 1u

/* A residency: what kernel.glsl keeps in the leader's variables. */
struct residency {
    struct played_device *device;
    const struct played_submission *submission;
    struct gyre_WindowLine window;
    uint32_t input_head[GYRE_LANES];
    uint32_t input_tail[GYRE_LANES]; /* as last seen */
    uint32_t output_tail;
    uint32_t output_head;
    uint32_t lane;
    uint32_t fuel;
    uint32_t left;
    uint32_t idle;
    uint32_t redo; /* as gyre_Exit.claimed */
    struct gyre_Exit *exit;
};

static struct gyre_Header *slot(unsigned char *slots, size_t stride, uint32_t size, uint32_t index)
{
    return (void *)(slots + (size_t)(index & (size - 1)) * stride);
}

static struct gyre_Header *input_slot(const struct played_device *device, uint32_t lane,
                                      uint32_t index)
{
    uint32_t size = device->params.input_size;
    return slot(device->input_slots + (size_t)lane * size * device->stride, device->stride, size,
                index);
}

static struct gyre_Header *output_slot(const struct played_device *device, uint32_t index)
{
    return slot(device->output_slots, device->stride, device->params.output_size, index);
}

static void connect(struct played_device *device)
{
    const struct played_params *params = &device->params;
    struct gyre_HostLine *host = &device->control->host;
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        device->input[lane] = (struct ring_input){
            .slots = (void *)input_slot(device, lane, 0),
            .stride = device->stride,
            .size = params->input_size,
            .tail = params->first_index,
            .head = params->first_index,
            .tail_word = &host->input_tail[lane],
            .head_word = &device->status->input_head[lane],
        };
        host->input_tail[lane] = params->first_index;
        device->status->input_head[lane] = params->first_index;
    }
    device->output = (struct ring_output){
        .slots = device->output_slots,
        .stride = device->stride,
        .size = params->output_size,
        .head = params->first_index,
        .tail = params->first_index,
        .head_word = &device->control->reader.output_head,
        .tail_word = &device->status->output_tail,
    };
    device->control->reader.output_head = params->first_index;
    device->status->output_tail = params->first_index;
}

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(128, (size_t)base_align(size, 128));
    if (memory) {
        memset(memory, 0, (size_t)base_align(size, 128));
    }
    return memory;
}

bool played_open(struct played_device *device, const struct played_params *params)
{
    size_t stride = sizeof(struct gyre_Header) + params->payload_size;
    *device = (struct played_device){
        .params = *params,
        .stride = stride,
        .input_slots = allocate(GYRE_LANES * params->input_size * stride),
        .output_slots = allocate(params->output_size * stride),
        .control = allocate(sizeof *device->control),
        .status = allocate(sizeof *device->status),
    };
    if (!device->input_slots || !device->output_slots || !device->control || !device->status) {
        return false;
    }
    /* A sequence of 0 would make a slot never written look whole at index 2^32 - 1. */
    for (uint32_t i = 0; i < GYRE_LANES * params->input_size; ++i) {
        ((struct gyre_Header *)(void *)(device->input_slots + i * stride))->sequence =
            params->first_index;
    }
    for (uint32_t i = 0; i < params->output_size; ++i) {
        output_slot(device, i)->sequence = params->first_index;
    }
    connect(device);
    return true;
}

void played_close(struct played_device *device)
{
    free(device->input_slots);
    free(device->output_slots);
    free(device->control);
    free(device->status);
}

/* gyre_claim()'s choice. */
static uint32_t find(const struct residency *residency)
{
    for (uint32_t lane = GYRE_LANES; lane-- > 0;) {
        if (residency->input_tail[lane] != residency->input_head[lane]) {
            return lane;
        }
    }
    return GYRE_LANES;
}

static bool has_room(struct residency *residency)
{
    uint32_t size = residency->device->params.output_size;
    uint32_t end = residency->output_tail + residency->device->params.max_sends;
    if (end - residency->output_head > size && residency->submission->live) {
        /* A4: what was released may be overwritten; pairs with R4 in engine/ring.c. */
        residency->output_head =
            shared_load_acquire(&residency->device->control->reader.output_head);
    }
    return end - residency->output_head <= size;
}

/* gyre_away(): 0, or why to leave. */
static uint32_t called_away(const struct gyre_HostLine *host)
{
    uint32_t command = shared_load_relaxed(&host->command);
    switch (command) {
    case GYRE_COMMAND_PAUSE:
        return GYRE_EXIT_PAUSE;
    case GYRE_COMMAND_TERMINATE:
        return GYRE_EXIT_TERMINATE;
    case GYRE_COMMAND_YIELD:
        return GYRE_EXIT_YIELD;
    default:
        return 0;
    }
}

static void read_tails(struct residency *residency)
{
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        /* Relaxed: the slot's sequence decides. */
        residency->input_tail[lane] =
            shared_load_relaxed(&residency->device->control->host.input_tail[lane]);
    }
}

enum look { LOOK_MESSAGE, LOOK_AGAIN, LOOK_LEAVE };

/* One turn of gyre_await(), and gyre_is_whole() */
static enum look look(struct residency *residency, uint32_t *reason)
{
    bool live = residency->submission->live;
    if (live) {
        *reason = called_away(&residency->device->control->host);
        if (*reason != 0) {
            return LOOK_LEAVE;
        }
        read_tails(residency);
    }
    *reason = GYRE_EXIT_IDLE;
    uint32_t lane = find(residency);
    if (lane != GYRE_LANES) {
        uint32_t index = residency->input_head[lane];
        const struct gyre_Header *header = input_slot(residency->device, lane, index);
        if (!has_room(residency)) {
            *reason = GYRE_EXIT_OUTPUT;
        } else if (shared_load_acquire(&header->sequence) == index + 1) {
            /* A1: the slot is whole; pairs with R1 in engine/ring.c. */
            residency->lane = lane;
            return LOOK_MESSAGE;
        }
    }
    if (!live || residency->idle == 0) {
        return LOOK_LEAVE;
    }
    residency->idle -= 1;
    base_pause();
    return LOOK_AGAIN;
}

/* gyre_decide(): 0, or why to leave. */
static uint32_t decide(struct residency *residency)
{
    if (residency->left == 0) {
        return GYRE_EXIT_BUDGET;
    }
    for (;;) {
        if (residency->fuel == 0) {
            return GYRE_EXIT_FUEL;
        }
        residency->fuel -= 1;
        residency->exit->looks += 1;
        uint32_t reason = 0;
        enum look seen = look(residency, &reason);
        if (seen != LOOK_AGAIN) {
            return seen == LOOK_MESSAGE ? 0 : reason;
        }
    }
}

static void write_header(struct residency *residency, const struct played_message *message,
                         uint32_t index, uint32_t flags, uint32_t extra)
{
    struct gyre_Header *header = output_slot(residency->device, index);
    header->info = (message->header->info & 0xffffffu) | (flags | message->flags)
                                                             << GYRE_INFO_FLAGS_SHIFT;
    header->id_low = message->header->id_low;
    header->id_high = message->header->id_high;
    header->extra = extra;
    header->position = residency->input_head[residency->lane];
    if (index != residency->output_tail || residency->device->params.tail_first) {
        shared_store_release(&header->sequence, index + 1);
    } /* else publish() does */
}

/* gyre_publish() */
static void publish(struct residency *residency, uint32_t answers)
{
    struct played_device *device = residency->device;
    uint32_t lane = residency->lane;
    if (answers > 0) {
        /* R2: publishes the answers; pairs with A2 in engine/ring.c. */
        shared_store_release(&output_slot(device, residency->output_tail)->sequence,
                             residency->output_tail + 1);
    }
    residency->output_tail += answers;
    residency->input_head[lane] += 1;
    /* R2 as well, for who reads the tail. */
    shared_store_release(&device->status->output_tail, residency->output_tail);
    /* R3: gives the input slot back; pairs with A3 in engine/ring.c. */
    shared_store_release(&device->status->input_head[lane], residency->input_head[lane]);
    residency->exit->messages += 1;
    residency->left -= 1;
}

/* The headers of a message's answers. */
static uint32_t answer(struct residency *residency, const struct played_message *message,
                       const struct played_outcome *outcome)
{
    bool oversent = outcome->sends > residency->device->params.max_sends;
    if (outcome->failed || oversent) {
        uint32_t flags = GYRE_FLAG_FAILED | (outcome->failed ? 0 : GYRE_FLAG_OVERSENT);
        write_header(residency, message, residency->output_tail, flags, outcome->code);
        residency->exit->failed += 1;
        return 1;
    }
    for (uint32_t i = 0; i < outcome->sends; ++i) {
        write_header(residency, message, residency->output_tail + i, 0, 0);
    }
    return outcome->sends;
}

static struct played_message claim(struct residency *residency)
{
    struct played_device *device = residency->device;
    uint32_t index = residency->input_head[residency->lane];
    const struct gyre_Header *header = input_slot(device, residency->lane, index);
    struct played_message message = {.header = header, .in = header + 1};
    message.flags = header->info >> GYRE_INFO_FLAGS_SHIFT;
    uint32_t begun = GYRE_CLAIMED_BEGUN << residency->lane;
    if (residency->redo & begun) {
        message.flags |= GYRE_FLAG_REDELIVERED;
        residency->redo &= ~begun;
        residency->exit->redone += 1;
    }
    if ((int32_t)(index - residency->window.input_tail[residency->lane]) >= 0) {
        device->seen_live += 1;
    }
    for (uint32_t i = 0; i < device->params.max_sends; ++i) {
        message.out[i] = output_slot(device, residency->output_tail + i) + 1;
    }
    return message;
}

/* gyre_refuse() */
static void refuse(struct residency *residency, const struct played_message *message)
{
    if (residency->exit->messages == 0 && residency->exit->looks <= 1) {
        write_header(residency, message, residency->output_tail, GYRE_FLAG_FAILED | GYRE_FLAG_CUT,
                     0);
        residency->exit->failed += 1;
        publish(residency, 1);
    } else {
        residency->redo |= GYRE_CLAIMED_BEGUN << residency->lane;
    }
}

/* Answers one message; false when the driver cut it. */
static bool serve(struct residency *residency)
{
    struct played_device *device = residency->device;
    struct played_message message = claim(residency);
    if (device->params.tail_first) {
        /* The host may look at these slots from now on and must not find them whole. */
        shared_store_release(&device->status->output_tail, residency->output_tail + 1);
        sched_yield();
    }
    struct played_outcome outcome = device->params.handler(device->params.user, &message);
    if (outcome.cut) {
        refuse(residency, &message);
        return false;
    }
    publish(residency, answer(residency, &message, &outcome));
    return true;
}

static void begin(struct residency *residency)
{
    struct played_device *device = residency->device;
    const struct gyre_HostLine *host = &device->control->host;
    /* What the host's carrier does when it submits. */
    for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
        residency->window.input_tail[lane] = shared_load_acquire(&host->input_tail[lane]);
        residency->input_tail[lane] = residency->window.input_tail[lane];
        residency->input_head[lane] = shared_load_relaxed(&device->status->input_head[lane]);
    }
    residency->window.output_head = shared_load_acquire(&device->control->reader.output_head);
    residency->output_head = residency->window.output_head;
    residency->output_tail = shared_load_relaxed(&device->status->output_tail);
    residency->redo = residency->submission->forget ? 0 : device->local.claimed;
    residency->exit->began = SERIAL;
}

uint32_t played_run(struct played_device *device, const struct played_submission *submission,
                    struct gyre_Exit *exit)
{
    *exit = (struct gyre_Exit){0};
    struct residency residency = {
        .device = device,
        .submission = submission,
        .fuel = submission->fuel,
        .left = submission->budget,
        .idle = submission->idle_polls,
        .exit = exit,
    };
    begin(&residency);
    uint32_t reason = 0;
    while (reason == 0) {
        reason = decide(&residency);
        if (reason == 0 && !serve(&residency)) {
            reason = GYRE_EXIT_CUT;
        }
    }
    device->local.claimed = residency.redo;
    exit->claimed = residency.redo;
    exit->stamp = SERIAL << 8 | reason;
    return reason;
}
