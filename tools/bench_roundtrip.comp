/* The kernel of `gyre bench`, case roundtrip-1. The work is bench_answer() of bench.h. */
#version 460
struct Message {
    uvec4 words[4];
};
#define GYRE_INPUT Message
#define GYRE_OUTPUT Message
#include "gyre/kernel.glsl"
layout(local_size_x = 1) in;

void main()
{
    while (gyre_receive()) {
        for (uint i = 0u; i < 4u; ++i) {
            GYRE_OUT.words[i] = GYRE_IN.words[i] * 2654435761u + (i * 4u + uvec4(0u, 1u, 2u, 3u));
        }
        gyre_send();
    }
}
