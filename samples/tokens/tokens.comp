#version 460

// The handler of tokens.c, the same for all kernels of the ring.

#define KERNELS 8

struct Token {            // in and out: what comes along one link goes along the next
    uint left;            // hops still to make
    uint counts[KERNELS]; // each kernel's count when it last passed the token on
};

struct Counter { // each kernel's own
    uint count;
};

#define GYRE_INPUT Token
#define GYRE_OUTPUT Token
#define GYRE_STATE Counter
#include "gyre/kernel.glsl"

layout(local_size_x = 1) in;

void main()
{
    while (gyre_receive()) {
        bool arrived = GYRE_IN.left == 0;
        uint self = gyre_kernel_id().x % KERNELS; // they are numbered as they were made
        if (!arrived) {
            GYRE_SELF.count += 1;
        }
        for (uint i = 0; i < KERNELS; ++i) {
            GYRE_OUT.counts[i] = i == self ? GYRE_SELF.count : GYRE_IN.counts[i];
        }
        GYRE_OUT.left = arrived ? 0 : GYRE_IN.left - 1;
        gyre_send_to(arrived ? GYRE_HOST : 0); // port 0: the next kernel
    }
}
