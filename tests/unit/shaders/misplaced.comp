#version 460
#extension GL_GOOGLE_include_directive : require
#define GYRE_INPUT uint
#define GYRE_OUTPUT uint
#include "mock.glsl"
layout(local_size_x = 8) in;

// No set: that is set 0, the engine's.
layout(std430, binding = GYRE_BINDING_OUTPUT) buffer Mine {
    float mine[];
};

void main()
{
    mine[0] = mock_engine() ? 1.0 : 2.0;
}
