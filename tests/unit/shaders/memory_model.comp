#version 460
#extension GL_GOOGLE_include_directive : require
#pragma use_vulkan_memory_model
#define GYRE_INPUT mat3
#define GYRE_OUTPUT uint
#define GYRE_STATE uint
#include "mock.glsl"
layout(local_size_x = 1) in;

void main()
{
    if (mock_engine()) {
        atomicAdd(OUT, uint(IN[0][0]));
    }
}
