/* What a case of the benchmark is, and what all of them share. bench_measure.c makes the rounds and
 * takes the times; a case only carries messages there and answers back.
 *
 * There are two kinds. An exchange is one message there and its answer back: the loop around it is
 * in bench_measure.c. A stream keeps many under way and has a loop of its own, which checks every
 * answer and times some.
 */
#ifndef GYRE_TOOLS_BENCH_H
#define GYRE_TOOLS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "device.h"

#define BENCH_LOST_NS UINT64_C(10000000000) /* after that long an answer is missing */

enum {
    BENCH_WORDS = 16,          /* of a message and of its answer, where nothing else is said */
    BENCH_WORDS_MAX = 1 << 14, /* 64 KiB */
    BENCH_BATCH = 1024,        /* messages at once, where cases are compared */
    BENCH_SAMPLE = 64,         /* of so many messages of a stream one is timed */
};

/* ---- messages ---- */

/* The work: what the other side makes of word i of a message. The same in bench_echo.glsl and
 * bench_plain.glsl. */
static inline uint32_t bench_answer(uint32_t word, uint32_t i)
{
    return word * 2654435761u + i;
}

static inline uint32_t bench_seed(uint64_t serial)
{
    const uint64_t x = (serial ^ serial >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(x >> 32);
}

/* No two messages in a row are alike, nor two words of one. Cheap, as it is part of what is timed:
 * the words do not depend on each other. */
static inline void bench_fill(uint32_t *words, uint32_t count, uint64_t serial)
{
    const uint32_t seed = bench_seed(serial);
    for (uint32_t i = 0; i < count; i++) {
        words[i] = seed + i * 0x9e3779b9u;
    }
}

/* Whether `words` answer the message of that serial number, from word `first` on. */
static inline bool bench_is_answer(const uint32_t *words, uint32_t first, uint32_t count,
                                   uint64_t serial)
{
    const uint32_t seed = bench_seed(serial);
    uint32_t wrong = 0;
    for (uint32_t i = first; i < count; i++) {
        wrong |= words[i] ^ bench_answer(seed + i * 0x9e3779b9u, i);
    }
    return wrong == 0;
}

/* The same after several kernels in a row. */
static inline bool bench_is_answer_of(const uint32_t *words, uint32_t count, uint64_t serial,
                                      uint32_t hops)
{
    if (hops <= 1) {
        return bench_is_answer(words, 0, count, serial);
    }
    const uint32_t seed = bench_seed(serial);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word = seed + i * 0x9e3779b9u;
        for (uint32_t hop = 0; hop < hops; hop++) {
            word = bench_answer(word, i);
        }
        wrong |= words[i] ^ word;
    }
    return wrong == 0;
}

/* ---- what was measured ---- */

struct bench_tally {
    const char *name;
    uint64_t *times; /* of some messages or all, in nanoseconds */
    size_t count;
    size_t capacity;
    uint64_t messages;
    uint64_t verified; /* of these, the ones with an answer that was checked and right */
};

/* False: out of memory, said on stderr. */
bool bench_time(struct bench_tally *tally, uint64_t ns);

/* The first wrong one is said on stderr. */
void bench_count(struct bench_tally *tally, bool right);

/* ---- cases ---- */

struct bench_setup {
    const struct command_common *common;
    gyre_runtime *runtime; /* NULL if no case needs a device */
    gyre_device_info device;
    struct log log;
    struct device plain; /* the same device without Gyre, for all cases that use it */
    bool plain_opened;
};

enum bench_opening {
    BENCH_OPENED,
    BENCH_SKIPPED, /* not on this device, or not in this build; said on stderr */
    BENCH_FAILED,  /* said on stderr */
};

struct bench_case;

/* Those that give false have said on stderr why. */
struct bench_ops {
    enum bench_opening (*open)(struct bench_setup *setup, const struct bench_case *bench,
                               void **state);
    bool (*begin)(void *state);   /* a round; may be NULL, as `end` */
    bool (*prepare)(void *state); /* before each exchange, not timed; may be NULL */
    bool (*exchange)(void *state, const uint32_t *in, uint32_t *out);
    bool (*stream)(void *state, struct bench_tally *tally, uint64_t deadline); /* or this one */
    bool (*end)(void *state);
    void (*close)(void *state);
    const char *(*visibility)(void *state); /* may be NULL */
};

enum bench_flags {
    BENCH_NEEDS_DEVICE = 1,
    BENCH_ON_DEMAND = 2,  /* not part of the run unless asked for */
    BENCH_EACH = 4,       /* a message for each invocation instead of each workgroup */
    BENCH_LINKED = 8,     /* a chain on the device, not through the host */
    BENCH_URGENT = 16,    /* times the urgent messages, not the load */
    BENCH_WIDE = 32,      /* a workgroup of 32 on one message */
    BENCH_QUICK = 64,     /* part of --quick */
    BENCH_SPINS = 128,    /* waits so, else it blocks */
    BENCH_OWN_WORK = 256, /* more than one dispatch does: not compared with it */
};

struct bench_case {
    const char *name;
    const char *variant; /* of those with one name; may be NULL */
    const char *wait;    /* of cases that differ in this alone the fastest counts; may be NULL */
    const struct bench_ops *ops;
    unsigned flags;
    uint32_t words;  /* of a message */
    uint32_t batch;  /* messages handed over at once; 0: not a stream */
    uint32_t hops;   /* kernels that a message goes through; 0: one */
    uint32_t window; /* gyre_kernel_params.window */
    uint32_t beside; /* idle kernels, or threads that send */
};

struct bench_family {
    const struct bench_case *cases;
    size_t count;
};

extern const struct bench_family bench_threads, bench_dispatch, bench_roundtrip, bench_streams,
    bench_wake, bench_priority, bench_pipeline, bench_scale, bench_producers;

static inline bool bench_is_stream(const struct bench_case *bench)
{
    return bench->batch != 0;
}

#endif
