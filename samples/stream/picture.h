/* Two spectra in one PNG picture, through cairo. */
#ifndef STREAM_PICTURE_H
#define STREAM_PICTURE_H

#include "spectrum.h"

struct picture {
    int rate;          /* samples per second */
    double pass, stop; /* where the bands end and begin, as parts of the sampling rate */
    const struct spectrum *before;
    const struct spectrum *after;
};

/* Says on stderr why not before it returns false. */
bool picture_write(const char *path, const struct picture *picture);

#endif
