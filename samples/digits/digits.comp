#version 460

// A digit classifier that stays on the GPU: each message is one 8x8 image, each answer its digit.
//
// The weights are bound once (--bind Model=model.f32); a message carries the image alone. One lane
// works out one hidden unit. How to run it and what to expect: README.md.

const uint PIXELS = 64u;
const uint HIDDEN = 32u;
const uint DIGITS = 10u;

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

// The layout of model.f32: one row of w1 per hidden unit, one row of w2 per digit.
layout(std430, set = 1, binding = 0) readonly buffer Model {
    float w1[HIDDEN * PIXELS];
    float b1[HIDDEN];
    float w2[DIGITS * HIDDEN];
    float b2[DIGITS];
};

shared float hidden[HIDDEN];
shared float scores[DIGITS];

// `precise` forbids fused multiply-adds, so that all devices and digits.c round alike.
float hidden_unit(uint unit)
{
    precise float sum = b1[unit];
    for (uint i = 0u; i < PIXELS; i++) {
        sum += w1[unit * PIXELS + i] * (GYRE_IN.pixels[i] * 0.0625);
    }
    return max(sum, 0.0);
}

float score(uint digit)
{
    precise float sum = b2[digit];
    for (uint i = 0u; i < HIDDEN; i++) {
        sum += w2[digit * HIDDEN + i] * hidden[i];
    }
    return sum;
}

// The strict comparison gives a tie to the lower digit.
uint best_digit()
{
    uint best = 0u;
    for (uint i = 1u; i < DIGITS; i++) {
        best = scores[i] > scores[best] ? i : best;
    }
    return best;
}

// All lanes run all loops, for the same number of rounds, and only the stores are conditional:
// loops in which lanes part are where drivers differ most.
void main()
{
    const uint lane = gl_LocalInvocationIndex;

    while (gyre_receive()) {
        hidden[lane] = hidden_unit(lane);
        barrier();

        const float mine = score(min(lane, DIGITS - 1u));
        if (lane < DIGITS) {
            scores[lane] = mine;
            GYRE_OUT.scores[lane] = mine;
        }
        barrier();

        const uint digit = best_digit();
        if (lane == 0u) {
            GYRE_OUT.digit = digit;
        }
        gyre_send();
    }
}
