/* Times of any range in little memory: counted in classes of 1/32 of their power of two, so that a
 * percentile is right within 3 %. The largest one is kept exactly. Not thread-safe.
 */
#ifndef GYRE_TOOLS_LATENCY_H
#define GYRE_TOOLS_LATENCY_H

#include <stdint.h>

enum { LATENCY_CLASSES = 60 * 32 };

struct latency {
    uint64_t count;
    uint64_t max;
    uint64_t classes[LATENCY_CLASSES];
};

void latency_add(struct latency *latency, uint64_t ns);

/* The upper end of the class in which that part (0 to 1) of all times lies, never above the
 * maximum; 0 if none. */
uint64_t latency_at(const struct latency *latency, double part);

#endif
