/* The kernel of `gyre bench`, case priority: the first word costs some microseconds, so that the device and not the host
 * is what is waited for. The same as bench_chain() in bench_priority.c. */
#version 460
struct Message {
    uint words[16];
};
#define GYRE_INPUT Message
#define GYRE_OUTPUT Message
#include "gyre/kernel.glsl"
layout(local_size_x = 1) in;

#define STEP x = (x ^ (x >> 15)) * 2654435761u + 12345u;

void main()
{
    while (gyre_receive()) {
        uint x = GYRE_IN.words[0];
        for (uint i = 0u; i < 128u; ++i) {
            STEP STEP STEP STEP STEP STEP STEP STEP
        }
        GYRE_OUT.words[0] = x;
        for (uint i = 1u; i < 16u; ++i) {
            GYRE_OUT.words[i] = GYRE_IN.words[i] * 2654435761u + i;
        }
        gyre_send();
    }
}
