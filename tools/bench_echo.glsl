/* The kernels of `gyre bench`: the answer to a message is bench_answer() of bench.h, word by word.
 *
 * BENCH_BYTES   of a message
 * BENCH_LOCAL   invocations of the workgroup; without BENCH_EACH all of them work on one message
 * BENCH_EACH    every invocation works on a message of its own
 */
#if BENCH_LOCAL == 1 || defined(BENCH_EACH)
struct Message {
    uvec4 words[BENCH_BYTES / 16];
};
#define ANSWER(i) GYRE_IN.words[i] * 2654435761u + (i * 4u + uvec4(0u, 1u, 2u, 3u))
#define COUNT uint(BENCH_BYTES / 16)
#else
struct Message {
    uint words[BENCH_BYTES / 4];
};
#define ANSWER(i) GYRE_IN.words[i] * 2654435761u + i
#define COUNT uint(BENCH_BYTES / 4)
#endif
#define GYRE_INPUT Message
#define GYRE_OUTPUT Message
#ifdef BENCH_EACH
#define GYRE_PER_INVOCATION
#endif
#include "gyre/kernel.glsl"
layout(local_size_x = BENCH_LOCAL) in;

void main()
{
    while (gyre_receive()) {
#ifdef BENCH_EACH
        if (gyre_has_message()) {
            for (uint i = 0u; i < COUNT; ++i) {
                GYRE_OUT.words[i] = ANSWER(i);
            }
            gyre_send();
        }
#else
        for (uint i = BENCH_LOCAL == 1 ? 0u : gl_LocalInvocationIndex; i < COUNT; i += BENCH_LOCAL) {
            GYRE_OUT.words[i] = ANSWER(i);
        }
        gyre_send();
#endif
    }
}
