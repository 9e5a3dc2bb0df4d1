#version 460
#extension GL_GOOGLE_include_directive : require
#define GYRE_INPUT uint
#define GYRE_OUTPUT uint
#include "mock.glsl"
layout(local_size_x = 8) in;

void main()
{
    OUT = mock_engine() ? IN : 0;
    memoryBarrierBuffer();
}
