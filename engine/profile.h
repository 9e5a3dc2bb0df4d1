/* What the engine measures of a device when it opens it, in bounded time, and what follows from it.
 */
#ifndef GYRE_PROFILE_H
#define GYRE_PROFILE_H

#include "memory.h"

/* Fills `profile`. Uses queue 0, alone. Results: OK, DEVICE_LOST, NO_MEMORY, UNSUPPORTED. */
gyre_result profile_measure(struct device *device, gyre_profile *profile);

#endif
