#version 460

// The handler of hello.c: the sum of two vectors. The workgroup shares the work on each message.

struct Request {
    float a[256];
    float b[256];
};

struct Response {
    float sum[256];
};

#define GYRE_INPUT Request
#define GYRE_OUTPUT Response
#include "gyre/kernel.glsl"

layout(local_size_x = 64) in;

void main()
{
    while (gyre_receive()) { // false: this stay on the GPU ends
        for (uint i = gl_LocalInvocationIndex; i < 256; i += gl_WorkGroupSize.x) {
            GYRE_OUT.sum[i] = GYRE_IN.a[i] + GYRE_IN.b[i];
        }
        gyre_send();
    }
}
