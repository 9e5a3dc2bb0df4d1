#version 460
// The same with a memory barrier of its own.
#extension GL_GOOGLE_include_directive : require
struct Request {
    uint values[12];
};
struct Response {
    uint values[12];
    vec2 mean;
};
struct Total {
    uint messages;
    uint sum[3];
};
#define GYRE_INPUT Request
#define GYRE_OUTPUT Response
#define GYRE_STATE Total
#define GYRE_MAX_SENDS 2
#include "gyre/kernel.glsl"
layout(local_size_x = 32) in;

layout(std430, set = 1, binding = 0) readonly buffer Table {
    uint table[];
};

void main()
{
    while (gyre_receive()) {
        for (uint i = gl_LocalInvocationIndex; i < 12; i += gl_WorkGroupSize.x) {
            GYRE_OUT.values[i] = 2 * GYRE_IN.values[i] + table[i];
        }
        memoryBarrierBuffer();
        barrier();
        GYRE_SELF.messages += 1;
        gyre_send();
    }
}
