/* The three stages on the CPU, for the whole picture at once. */
#ifndef PIPELINE_REFERENCE_H
#define PIPELINE_REFERENCE_H

#include "picture.h"

/* Into `to`, of the same size. False: out of memory. */
bool reference_run(const struct picture *from, struct picture *to);

#endif
