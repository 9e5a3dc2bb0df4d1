#version 460
#extension GL_GOOGLE_include_directive : require
struct Request {
    float a[4];
    uint count;
    vec3 v;
};
struct Response {
    float sum[4];
    float total;
};
#define GYRE_INPUT Request
#define GYRE_OUTPUT Response
#define GYRE_MAX_SENDS 3
#include "mock.glsl"
layout(local_size_x = 64, local_size_y = 2) in;

float twice(float x)
{
    return x + x;
}

void main()
{
    while (mock_engine()) {
        for (uint i = 0; i < IN.count; i++) {
            OUT.sum[i] = twice(IN.a[i]) + IN.v.x;
        }
        barrier();
    }
    OUT.total = IN.v.y;
}
