/* What the engine measures of a device when it opens it, in bounded time, and keeps on disk.
 *
 * The file `profile-....bin` holds a gyre_profile. Its key is all that the answers depend on, as
 * far as is known: device, driver, processors, kernel, and the layout of the struct.
 */
#ifndef GYRE_PROFILE_H
#define GYRE_PROFILE_H

#include "memory.h"

struct profile_request {
    const char *directory; /* where profiles are kept; NULL: nowhere */
    bool anew;             /* measure, whatever is kept */
    VkPipelineCache cache;
};

/* Fills `profile`. Uses the device's queues, alone. Results: OK, DEVICE_LOST, NO_MEMORY,
 * UNSUPPORTED. */
gyre_result profile_open(struct device *device, const struct profile_request *request,
                         gyre_profile *profile);

#endif
