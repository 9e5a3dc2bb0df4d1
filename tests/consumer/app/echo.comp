#version 460
struct Request { uint value; };
struct Response { uint value; };
#define GYRE_INPUT Request
#define GYRE_OUTPUT Response
#include "gyre/kernel.glsl"
layout(local_size_x = 1) in;

void main()
{
    while (gyre_receive()) {
        GYRE_OUT.value = GYRE_IN.value;
        gyre_send();
    }
}
