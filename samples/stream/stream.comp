#version 460

// The handler of stream.c: a low-pass filter over a stream that comes in blocks. Each message is
// its next block, each answer that block filtered.
//
// An output is made of the 256 samples before it and the sample itself. For most of a block some of
// those lie in the block before: that one is the state, which outlives every stay on the GPU.

const uint BLOCK = 256u;
const uint TAPS = BLOCK + 1u; // so the block before is all that must be remembered

struct Samples {
    float at[BLOCK];
};

#define GYRE_INPUT Samples
#define GYRE_OUTPUT Samples
#define GYRE_STATE Samples // the block before; zero at first
#include "gyre/kernel.glsl"

const uint LANES = 64u;
layout(local_size_x = LANES) in;

layout(std430, set = 1, binding = 0) readonly buffer Filter {
    float taps[TAPS];
};

shared float line[2u * BLOCK]; // the block before and this one

// Lane i takes samples i, i + 64, ... of all blocks. So it alone reads and writes its part of the
// state, and no memory barrier is needed between one message and the next.
void shift_in(uint lane)
{
    for (uint i = lane; i < BLOCK; i += LANES) {
        line[i] = GYRE_SELF.at[i];
        line[BLOCK + i] = GYRE_IN.at[i];
        GYRE_SELF.at[i] = GYRE_IN.at[i];
    }
}

// Four outputs next to each other, so that three of the four samples that a turn needs are at hand
// from the turn before. `precise` forbids fused multiply-adds: devices and filter.c round alike.
void filter_block(uint lane)
{
    const uint first = 4u * lane;
    const uint at = BLOCK + first;
    vec4 window = vec4(line[at + 1u], line[at + 2u], line[at + 3u], 0.0);
    precise vec4 sum = vec4(0.0);
    for (uint k = 0u; k < TAPS; k++) {
        window = vec4(line[at - k], window.xyz);
        sum += taps[k] * window;
    }
    GYRE_OUT.at[first] = sum.x;
    GYRE_OUT.at[first + 1u] = sum.y;
    GYRE_OUT.at[first + 2u] = sum.z;
    GYRE_OUT.at[first + 3u] = sum.w;
}

void main()
{
    const uint lane = gl_LocalInvocationIndex;

    while (gyre_receive()) { // no lane returns from it while another one still reads `line`
        shift_in(lane);
        barrier();
        filter_block(lane);
        gyre_send();
    }
}
