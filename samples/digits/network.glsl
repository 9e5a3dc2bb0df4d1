// The network, for both ways to run it: digits.comp stays on the GPU, dispatch.comp is started anew
// for each image.
//
// Who includes this says in which descriptor set the weights are (#define MODEL_SET), defines
// pixel(), and gives each workgroup HIDDEN lanes: one lane works out one hidden unit.

const uint PIXELS = 64u;
const uint HIDDEN = 32u;
const uint DIGITS = 10u;

// Pixel i of the image, row by row, 0 (paper) to 16 (ink).
float pixel(uint i);

// The layout of model.f32: one row of w1 per hidden unit, one row of w2 per digit.
layout(std430, set = MODEL_SET, binding = 0) readonly buffer Model {
    float w1[HIDDEN * PIXELS];
    float b1[HIDDEN];
    float w2[DIGITS * HIDDEN];
    float b2[DIGITS];
};

shared float hidden[HIDDEN];
shared float scores[DIGITS]; // for all lanes once classify() has returned

// `precise` forbids fused multiply-adds, so that all devices and digits.c round alike.
float hidden_unit(uint unit)
{
    precise float sum = b1[unit];
    for (uint i = 0u; i < PIXELS; i++) {
        sum += w1[unit * PIXELS + i] * (pixel(i) * 0.0625);
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

// The digit in the image, to all lanes, all of which must call it. They all run all loops, for the
// same number of rounds, and only the store is conditional: loops in which lanes part are where
// drivers differ most.
uint classify(uint lane)
{
    hidden[lane] = hidden_unit(lane);
    barrier();

    const float mine = score(min(lane, DIGITS - 1u));
    if (lane < DIGITS) {
        scores[lane] = mine;
    }
    barrier();

    return best_digit();
}
