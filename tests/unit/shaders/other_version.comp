#version 460
#extension GL_GOOGLE_include_directive : require
#define MOCK_VERSION 0x7fff
#define GYRE_INPUT uint
#define GYRE_OUTPUT uint
#include "mock.glsl"
layout(local_size_x = 8) in;

// Set 0 of another version of the interface may look like anything.
layout(std430, set = 0, binding = 20) buffer gyre_Later {
    uint later;
};

void main()
{
    later = mock_engine() ? OUT : 0;
}
