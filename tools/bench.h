/* What a case of the benchmark is. The one loop in bench.c makes the messages, takes the times and
 * checks every answer, so that all cases are measured alike; a case only carries a message there
 * and an answer back.
 */
#ifndef GYRE_TOOLS_BENCH_H
#define GYRE_TOOLS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

enum { BENCH_WORDS = 16 }; /* of a message and of its answer: 64 bytes */

#define BENCH_LOST_NS UINT64_C(10000000000) /* after that long an answer is missing */

/* The work: what the other side makes of word i of a message. The same in bench_dispatch.comp and
 * bench_roundtrip.comp. */
static inline uint32_t bench_answer(uint32_t word, uint32_t i)
{
    return word * 2654435761u + i;
}

struct bench_setup {
    const struct command_common *common;
    gyre_runtime *runtime; /* NULL if no case needs a device */
    gyre_device_info device;
};

/* All of them say on stderr what went wrong when they give false. */
struct bench_case {
    const char *name;
    const char *variant; /* of cases with one name the fastest counts */
    const char *what;
    uint32_t words; /* of a message that it carries */
    bool needs_device;
    bool (*open)(const struct bench_setup *setup, void **state);
    bool (*begin)(void *state); /* a round */
    bool (*exchange)(void *state, const uint32_t *in, uint32_t *out);
    bool (*end)(void *state);
    void (*close)(void *state);
    const char *(*visibility)(void *state); /* may be NULL */
};

extern const struct bench_case bench_line;
extern const struct bench_case bench_floor;
extern const struct bench_case bench_dispatch_spin;
extern const struct bench_case bench_dispatch_block;
extern const struct bench_case bench_roundtrip_1;

#endif
