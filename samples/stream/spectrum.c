#include "spectrum.h"

#include <complex.h> /* before fftw3.h, which then takes its complex numbers */
#include <fftw3.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What each frequency adds to the sum of the signal's squares. */
static void take_powers(const fftw_complex *bins, size_t count, double *power)
{
    const size_t half = count / 2;
    for (size_t i = 0; i <= half; i++) {
        const double once = creal(bins[i]) * creal(bins[i]) + cimag(bins[i]) * cimag(bins[i]);
        const double both = i == 0 || i == half ? once : 2 * once; /* with the negative frequency */
        power[i] = both / (double)count;
    }
}

bool spectrum_of(const float *signal, size_t count, size_t samples, struct spectrum *spectrum)
{
    *spectrum = (struct spectrum){
        .power = malloc((count / 2 + 1) * sizeof *spectrum->power),
        .count = count / 2 + 1,
        .samples = (double)samples,
    };
    double *in = fftw_alloc_real(count);
    fftw_complex *bins = fftw_alloc_complex(count / 2 + 1);
    fftw_plan plan = in && bins ? fftw_plan_dft_r2c_1d((int)count, in, bins, FFTW_ESTIMATE) : NULL;
    bool done = spectrum->power && plan;
    if (done) {
        for (size_t i = 0; i < count; i++) {
            in[i] = (double)signal[i];
        }
        fftw_execute(plan);
        take_powers(bins, count, spectrum->power);
    } else {
        fprintf(stderr, "stream: out of memory for a spectrum\n");
        spectrum_free(spectrum);
    }
    fftw_destroy_plan(plan);
    fftw_free(bins);
    fftw_free(in);
    return done;
}

void spectrum_free(struct spectrum *spectrum)
{
    free(spectrum->power);
    *spectrum = (struct spectrum){0};
}

/* Silence is -300 dB. */
static double decibels(const struct spectrum *spectrum, double energy)
{
    return 10 * log10(energy / spectrum->samples + 1e-30);
}

double spectrum_level(const struct spectrum *spectrum, double low, double high)
{
    double energy = 0;
    for (size_t i = 0; i < spectrum->count; i++) {
        const double frequency = (double)i / (2.0 * (double)(spectrum->count - 1));
        if (frequency >= low && frequency <= high) {
            energy += spectrum->power[i];
        }
    }
    return decibels(spectrum, energy);
}

void spectrum_levels(const struct spectrum *spectrum, double levels[SPECTRUM_COLUMNS])
{
    double energy[SPECTRUM_COLUMNS] = {0};
    for (size_t i = 0; i + 1 < spectrum->count; i++) {
        energy[i * SPECTRUM_COLUMNS / (spectrum->count - 1)] += spectrum->power[i];
    }
    for (size_t column = 0; column < SPECTRUM_COLUMNS; column++) {
        levels[column] = decibels(spectrum, energy[column]);
    }
}
