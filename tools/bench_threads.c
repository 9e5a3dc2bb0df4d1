/* The cases without a device: what two threads of this machine need at least.
 *
 * line   one word to another thread and one word back, each on a cache line of its own
 * floor  the same over the engine's rings, the other thread doing as shaders/gyre/kernel.glsl does
 */
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "bench.h"
#include "ring.h"
#include "shared.h"

enum {
    LANE = 2, /* of priority 128 */
    INPUT_SIZE = 64,
    OUTPUT_SIZE = 256,
    SPINS = 1 << 14, /* before the thread lets another one run: there may be one core only */
};

/* ---- a thread that is there during a round ---- */

struct partner {
    pthread_t thread;
    alignas(128) atomic_bool leave;
};

static bool start(struct partner *partner, void *(*run)(void *), void *argument)
{
    atomic_store(&partner->leave, false);
    if (!base_thread_start(&partner->thread, run, argument)) {
        command_say("bench: cannot start a thread");
        return false;
    }
    return true;
}

static bool stop(struct partner *partner)
{
    atomic_store(&partner->leave, true);
    pthread_join(partner->thread, NULL);
    return true;
}

/* Once in a while of spinning: true when the awaited has been missing for too long. */
static bool is_lost(uint32_t *spins, uint64_t *since)
{
    if (++*spins % SPINS != 0) {
        return false;
    }
    sched_yield();
    const uint64_t now = base_now_ns();
    *since = *since ? *since : now;
    return now - *since > BENCH_LOST_NS;
}

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(128, (size_t)base_align(size, 128));
    if (memory) {
        memset(memory, 0, (size_t)base_align(size, 128));
    } else {
        command_say("bench: out of memory");
    }
    return memory;
}

static void close_memory(void *state)
{
    free(state);
}

/* ---- line ---- */

/* The serial number in the upper half tells the next word from the last one. */
struct line {
    alignas(128) _Atomic uint64_t there;
    alignas(128) _Atomic uint64_t back;
    alignas(128) uint32_t serial;
    struct partner partner;
};

static void *answer_line(void *argument)
{
    struct line *line = argument;
    uint64_t last =
        atomic_load_explicit(&line->back, memory_order_relaxed); /* of this thread's predecessor */
    for (uint32_t spins = 0; !atomic_load_explicit(&line->partner.leave, memory_order_relaxed);) {
        const uint64_t word = atomic_load_explicit(&line->there, memory_order_acquire);
        if (word >> 32 == last >> 32) {
            if (++spins % SPINS == 0) {
                sched_yield();
            }
            continue;
        }
        last = (word & ~(uint64_t)UINT32_MAX) | bench_answer((uint32_t)word, 0);
        atomic_store_explicit(&line->back, last, memory_order_release);
    }
    return NULL;
}

static enum bench_opening open_line(struct bench_setup *setup, const struct bench_case *bench,
                                    void **state)
{
    (void)setup;
    (void)bench;
    *state = allocate(sizeof(struct line));
    return *state ? BENCH_OPENED : BENCH_FAILED;
}

static bool begin_line(void *state)
{
    struct line *line = state;
    return start(&line->partner, answer_line, line);
}

static bool exchange_line(void *state, const uint32_t *in, uint32_t *out)
{
    struct line *line = state;
    uint32_t spins = 0;
    uint64_t since = 0, word;
    line->serial += 1;
    atomic_store_explicit(&line->there, (uint64_t)line->serial << 32 | in[0], memory_order_release);
    while ((word = atomic_load_explicit(&line->back, memory_order_acquire)) >> 32 != line->serial) {
        if (is_lost(&spins, &since)) {
            command_say("line: an answer is missing");
            return false;
        }
    }
    out[0] = (uint32_t)word;
    return true;
}

static bool end_line(void *state)
{
    struct line *line = state;
    return stop(&line->partner);
}

static const struct bench_ops line_ops = {
    .open = open_line,
    .begin = begin_line,
    .exchange = exchange_line,
    .end = end_line,
    .close = close_memory,
};

/* ---- floor ---- */

struct slot {
    struct gyre_Header header;
    uint32_t words[BENCH_WORDS];
};

/* The memory blocks of wire.h, for one workgroup. */
struct rings {
    alignas(128) struct gyre_ControlLine control;
    alignas(128) struct gyre_StatusLine status;
    alignas(128) struct slot input[GYRE_LANES][INPUT_SIZE];
    alignas(128) struct slot output[OUTPUT_SIZE];
    alignas(128) struct ring_input to_device; /* the host's; LANE is the only one it uses */
    struct ring_output to_host;
    uint64_t serial;
    struct partner partner;
};

/* What the leader of a workgroup keeps in its variables, as kernel.glsl names it. */
struct leader {
    struct rings *rings;
    uint32_t input_head[GYRE_LANES];
    uint32_t output_tail;
    uint32_t output_head;
    uint32_t input_tail[GYRE_LANES]; /* as last seen */
};

/* gyre_find() */
static uint32_t find(const struct leader *leader)
{
    for (uint32_t lane = GYRE_LANES; lane-- > 0;) {
        if (leader->input_tail[lane] != leader->input_head[lane]) {
            return lane;
        }
    }
    return GYRE_LANES;
}

/* gyre_read_tails() */
static void read_tails(struct leader *leader)
{
    for (uint32_t lane = 0; lane < GYRE_LANES; lane++) {
        /* Relaxed: the slot's sequence decides. */
        leader->input_tail[lane] =
            shared_load_relaxed(&leader->rings->control.host.input_tail[lane]);
    }
}

/* gyre_has_room() */
static bool has_room(struct leader *leader)
{
    if (leader->output_tail + 1 - leader->output_head > OUTPUT_SIZE) {
        /* A4: what was released may be overwritten; pairs with R4 in engine/ring.c. */
        leader->output_head = shared_load_acquire(&leader->rings->control.reader.output_head);
    }
    return leader->output_tail + 1 - leader->output_head <= OUTPUT_SIZE;
}

/* gyre_write_header() */
static void write_header(struct leader *leader, const struct gyre_Header *from,
                         struct gyre_Header *header, uint32_t position)
{
    header->info = from->info & 0x00ffffffu;
    header->id_low = from->id_low;
    header->id_high = from->id_high;
    header->extra = 0;
    header->position = position;
    /* Relaxed: R2 comes after it. */
    shared_store_relaxed(&header->sequence, leader->output_tail + 1);
}

/* The handler, and gyre_publish(). */
static void serve(struct leader *leader, uint32_t lane, const struct slot *from)
{
    struct rings *rings = leader->rings;
    struct slot *to = &rings->output[leader->output_tail % OUTPUT_SIZE];
    for (uint32_t i = 0; i < BENCH_WORDS; i++) {
        to->words[i] = bench_answer(from->words[i], i);
    }
    write_header(leader, &from->header, &to->header, leader->input_head[lane]);
    leader->output_tail += 1;
    leader->input_head[lane] += 1;
    /* R2: publishes the answers; pairs with A2 in engine/ring.c. */
    shared_store_release(&rings->status.output_tail, leader->output_tail);
    /* R3: gives the input slot back; pairs with A3 in engine/ring.c. */
    shared_store_release(&rings->status.input_head[lane], leader->input_head[lane]);
}

/* gyre_look(): true unless there was nothing. */
static bool look(struct leader *leader)
{
    struct rings *rings = leader->rings;
    read_tails(leader);
    const uint32_t lane = find(leader);
    if (lane == GYRE_LANES) {
        return false;
    }
    const struct slot *from = &rings->input[lane][leader->input_head[lane] % INPUT_SIZE];
    /* A1: the slot is whole; pairs with R1 in engine/ring.c. */
    if (!has_room(leader) ||
        shared_load_acquire(&from->header.sequence) != leader->input_head[lane] + 1) {
        return false;
    }
    serve(leader, lane, from);
    return true;
}

static void *play_device(void *argument)
{
    struct rings *rings = argument;
    struct leader leader = {.rings = rings, .output_tail = rings->status.output_tail};
    memcpy(leader.input_head, rings->status.input_head, sizeof leader.input_head);
    leader.output_head = shared_load_acquire(&rings->control.reader.output_head);
    /* Relaxed: a command carries no data. */
    for (uint32_t spins = 0;
         shared_load_relaxed(&rings->control.host.command) == GYRE_COMMAND_RUN;) {
        if (!look(&leader) && ++spins % SPINS == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static enum bench_opening open_floor(struct bench_setup *setup, const struct bench_case *bench,
                                     void **state)
{
    (void)setup;
    (void)bench;
    struct rings *rings = allocate(sizeof *rings);
    if (!rings) {
        return BENCH_FAILED;
    }
    rings->to_device = (struct ring_input){
        .slots = (unsigned char *)rings->input[LANE],
        .stride = sizeof(struct slot),
        .size = INPUT_SIZE,
        .tail_word = &rings->control.host.input_tail[LANE],
        .head_word = &rings->status.input_head[LANE],
    };
    rings->to_host = (struct ring_output){
        .slots = (unsigned char *)rings->output,
        .stride = sizeof(struct slot),
        .size = OUTPUT_SIZE,
        .head_word = &rings->control.reader.output_head,
        .tail_word = &rings->status.output_tail,
    };
    *state = rings;
    return BENCH_OPENED;
}

static bool begin_floor(void *state)
{
    struct rings *rings = state;
    shared_store_relaxed(&rings->control.host.command, GYRE_COMMAND_RUN); /* no thread yet */
    return start(&rings->partner, play_device, rings);
}

static bool end_floor(void *state)
{
    struct rings *rings = state;
    shared_store_release(&rings->control.host.command, GYRE_COMMAND_TERMINATE);
    return stop(&rings->partner);
}

static bool exchange_floor(void *state, const uint32_t *in, uint32_t *out)
{
    struct rings *rings = state;
    struct ring_message message = {
        .id = ++rings->serial, .correlation = rings->serial, .priority = 128};
    if (ring_input_room(&rings->to_device) == 0 && !ring_input_refresh(&rings->to_device, false)) {
        command_say("floor: the input ring is damaged");
        return false;
    }
    ring_input_write(&rings->to_device, &message, in, BENCH_WORDS * sizeof *in);
    ring_input_publish(&rings->to_device);
    const void *payload;
    enum ring_peek peek;
    uint32_t spins = 0;
    uint64_t since = 0;
    while ((peek = ring_output_peek_early(&rings->to_host, &message, &payload)) == RING_EMPTY) {
        if (is_lost(&spins, &since)) {
            command_say("floor: an answer is missing");
            return false;
        }
    }
    if (peek == RING_CORRUPT || message.id != rings->serial) {
        command_say("floor: an answer is damaged");
        return false;
    }
    memcpy(out, payload, BENCH_WORDS * sizeof *out);
    ring_output_release(&rings->to_host);
    return true;
}

static const struct bench_ops floor_ops = {
    .open = open_floor,
    .begin = begin_floor,
    .exchange = exchange_floor,
    .end = end_floor,
    .close = close_memory,
};

static const struct bench_case cases[] = {
    {.name = "line", .ops = &line_ops, .flags = BENCH_QUICK, .words = 1},
    {.name = "floor", .ops = &floor_ops, .flags = BENCH_QUICK, .words = BENCH_WORDS},
};
const struct bench_family bench_threads = {cases, LENGTH(cases)};
