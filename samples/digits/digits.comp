#version 460

// A digit classifier that stays on the GPU: each message is one 8x8 image, each answer its digit.
//
// The weights are bound once (--bind Model=model.f32); a message carries the image alone. How to
// run it and what to expect: README.md.

#define MODEL_SET 1 // set 0 is Gyre's
#include "network.glsl"

struct Request {
    float pixels[PIXELS]; // row by row, 0 (paper) to 16 (ink)
};

struct Response {
    uint digit;
    float scores[DIGITS]; // logits: the higher, the likelier; not probabilities
};

#define GYRE_INPUT Request
#define GYRE_OUTPUT Response
#include "gyre/kernel.glsl"

layout(local_size_x = HIDDEN) in;

float pixel(uint i)
{
    return GYRE_IN.pixels[i];
}

void main()
{
    const uint lane = gl_LocalInvocationIndex;

    while (gyre_receive()) {
        const uint digit = classify(lane);
        if (lane < DIGITS) {
            GYRE_OUT.scores[lane] = scores[lane];
        }
        if (lane == 0u) {
            GYRE_OUT.digit = digit;
        }
        gyre_send();
    }
}
