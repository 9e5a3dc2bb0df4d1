/* A clock that costs a few nanoseconds: x86's time stamp counter where it is invariant, aarch64's
 * virtual counter, elsewhere CLOCK_MONOTONIC.
 *
 * Ticks count from anywhere, at a steady rate that ticks_calibrate() measures; keep ticks, and turn
 * differences into nanoseconds. Within a thread ticks never go back. The counter is read without a
 * fence: what one thread stamps may lie some nanoseconds behind what another one stamped before,
 * so a difference between threads must be taken as 0 when it is negative.
 *
 * Thread-safety: a calibrated scale is only read.
 */
#ifndef GYRE_TICKS_H
#define GYRE_TICKS_H

#include "base.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define TICKS_HAVE_COUNTER 1
__extension__ typedef unsigned __int128 ticks_wide;
#else
#define TICKS_HAVE_COUNTER 0
typedef uint64_t ticks_wide; /* multipliers are 1 */
#endif

/* ns = ticks * multiplier >> shift; ticks = ns * inverse >> inverse_shift. */
struct ticks_scale {
    uint64_t multiplier;
    uint64_t inverse;
    uint32_t shift;
    uint32_t inverse_shift;
    bool counter; /* the processor's; else ticks are nanoseconds of CLOCK_MONOTONIC */
};

/* Against CLOCK_MONOTONIC, right within 1/1000. Sleeps about 2 ms; up to 16 ms where reading
 * the clocks itself takes microseconds. */
void ticks_calibrate(struct ticks_scale *scale);

/* Only if the scale has one. */
static inline uint64_t ticks_counter(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

static inline uint64_t ticks_now(const struct ticks_scale *scale)
{
    return TICKS_HAVE_COUNTER && scale->counter ? ticks_counter() : base_now_ns();
}

static inline uint64_t ticks_scaled(uint64_t value, uint64_t multiplier, uint32_t shift)
{
    const ticks_wide scaled = (ticks_wide)value * multiplier >> shift;
    return scaled == (uint64_t)scaled ? (uint64_t)scaled : UINT64_MAX;
}

/* Both round down, and saturate. */
static inline uint64_t ticks_to_ns(const struct ticks_scale *scale, uint64_t ticks)
{
    return ticks_scaled(ticks, scale->multiplier, scale->shift);
}

static inline uint64_t ticks_from_ns(const struct ticks_scale *scale, uint64_t ns)
{
    return ticks_scaled(ns, scale->inverse, scale->inverse_shift);
}

#endif
