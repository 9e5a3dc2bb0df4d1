#version 460

// The handler of counter.c: a running total in the workgroup's own state.

struct Request {
    uint add;
};

struct Response {
    uint total; // of all messages so far
    uint count; // of messages so far
};

struct Totals { // lives as long as the kernel does; zero at first
    uint total;
    uint count;
};

#define GYRE_INPUT Request
#define GYRE_OUTPUT Response
#define GYRE_STATE Totals
#include "gyre/kernel.glsl"

layout(local_size_x = 1) in;

void main()
{
    if (gyre_first_run()) { // once in the kernel's life
        GYRE_SELF.total = 1000;
    }
    while (gyre_receive()) {
        GYRE_SELF.total += GYRE_IN.add;
        GYRE_SELF.count += 1;
        GYRE_OUT.total = GYRE_SELF.total;
        GYRE_OUT.count = GYRE_SELF.count;
        gyre_send();
    }
}
