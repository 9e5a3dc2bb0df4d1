/* How loud a signal is at which frequency, through FFTW.
 *
 * The whole signal is one transform, without windows. With silence behind it, at least as long as a
 * filter's reach, the filter's effect on each frequency is then exactly what its design says, and
 * nothing of one band leaks into another. */
#ifndef STREAM_SPECTRUM_H
#define STREAM_SPECTRUM_H

#include <stdbool.h>
#include <stddef.h>

#define SPECTRUM_COLUMNS 256

struct spectrum {
    double *power; /* power[i] is that at i / (2 * (count - 1)) of the sampling rate; sum: energy */
    size_t count;
    double samples; /* over which the energy is spread: without the silence */
};

/* `count` is even and includes the silence behind `samples` of them. False: out of memory, and
 * stderr has it. On true, spectrum_free() it when done. */
bool spectrum_of(const float *signal, size_t count, size_t samples, struct spectrum *spectrum);
void spectrum_free(struct spectrum *spectrum);

/* The RMS of what lies between two parts of the sampling rate (0 to 0.5), in dB of full scale. */
double spectrum_level(const struct spectrum *spectrum, double low, double high);

/* The same for equal columns from 0 to half the sampling rate. */
void spectrum_levels(const struct spectrum *spectrum, double levels[SPECTRUM_COLUMNS]);

#endif
