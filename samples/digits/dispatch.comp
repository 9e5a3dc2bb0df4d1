#version 460

// digits.comp without Gyre: one dispatch reads one image and is over. compare.c runs both.

#define MODEL_SET 0
#include "network.glsl"

layout(local_size_x = HIDDEN) in;

layout(std430, set = 0, binding = 1) readonly buffer Request {
    float pixels[PIXELS];
} request;

layout(std430, set = 0, binding = 2) writeonly buffer Response {
    uint digit;
    float scores[DIGITS];
} response;

float pixel(uint i)
{
    return request.pixels[i];
}

void main()
{
    const uint lane = gl_LocalInvocationIndex;

    const uint digit = classify(lane);
    if (lane < DIGITS) {
        response.scores[lane] = scores[lane];
    }
    if (lane == 0u) {
        response.digit = digit;
    }
}
