#include "latency.h"

/* Class i < 32 holds the time i; above, five bits below the leading one tell the class within a
 * power of two. */
static uint32_t class_of(uint64_t ns)
{
    if (ns < 32) {
        return (uint32_t)ns;
    }
    const uint32_t power = 63 - (uint32_t)__builtin_clzll(ns);
    return (power - 4) * 32 + (uint32_t)(ns >> (power - 5) & 31);
}

static uint64_t last_of(uint32_t number)
{
    if (number < 32) {
        return number;
    }
    const uint32_t shift = number / 32 - 1;
    return ((uint64_t)(32 + number % 32) << shift) + (((uint64_t)1 << shift) - 1);
}

void latency_add(struct latency *latency, uint64_t ns)
{
    latency->classes[class_of(ns)] += 1;
    latency->count += 1;
    latency->max = ns > latency->max ? ns : latency->max;
}

uint64_t latency_at(const struct latency *latency, double part)
{
    const uint64_t rank = (uint64_t)(part * (double)latency->count);
    uint64_t below = 0;
    for (uint32_t i = 0; i < LATENCY_CLASSES; i++) {
        below += latency->classes[i];
        if (below > rank || (below == latency->count && below > 0)) {
            const uint64_t last = last_of(i);
            return last < latency->max ? last : latency->max;
        }
    }
    return 0;
}
