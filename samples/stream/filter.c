#include "filter.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double sinc(double x)
{
    return x == 0 ? 1 : sin(pi * x) / (pi * x);
}

static double blackman(double x) /* x: 0 to 1 */
{
    return 0.42 - 0.5 * cos(2 * pi * x) + 0.08 * cos(4 * pi * x);
}

void filter_design(float taps[FILTER_TAPS])
{
    double exact[FILTER_TAPS];
    double gain = 0;
    for (int i = 0; i < FILTER_TAPS; i++) {
        /* A window is 0 at both ends: the first and last tap lie within it. */
        exact[i] = sinc(2 * FILTER_CUTOFF * (i - FILTER_DELAY)) *
                   blackman((i + 1) / (double)(FILTER_TAPS + 1));
        gain += exact[i];
    }
    for (int i = 0; i < FILTER_TAPS; i++) {
        taps[i] = (float)(exact[i] / gain);
    }
}

void filter_run(const float taps[FILTER_TAPS], const float *in, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (size_t k = 0; k < FILTER_TAPS; k++) {
            sum += taps[k] * (k <= i ? in[i - k] : 0);
        }
        out[i] = sum;
    }
}
