#include "ticks.h"

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define SPAN_NS UINT64_C(2000000)
#define LONGEST_SPAN_NS (8 * SPAN_NS)
#define READINGS 32       /* one of which nothing interrupts */
#define PARTS 1000        /* of a span: as much as may be uncertain at its two ends together */
#define FEWEST_TICKS 4000 /* in a span; a coarser counter is of no use */

struct reading {
    uint64_t ns;
    uint64_t ticks;
    uint64_t width; /* in ticks: the moment of ns is no further than half of it from ticks */
};

static bool has_steady_counter(void)
{
#if defined(__x86_64__)
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && edx >> 8 & 1; /* invariant TSC */
#else
    return TICKS_HAVE_COUNTER;
#endif
}

/* The tightest of several, so that being preempted in some of them does no harm. */
static struct reading read_both(void)
{
    struct reading best = {.width = UINT64_MAX};
    for (int i = 0; i < READINGS; i++) {
        const uint64_t before = ticks_counter();
        const uint64_t ns = base_now_ns();
        const uint64_t width = ticks_counter() - before;
        if (width < best.width) {
            best = (struct reading){.ns = ns, .ticks = before + width / 2, .width = width};
        }
    }
    return best;
}

static void sleep_until(uint64_t moment)
{
    for (uint64_t now = base_now_ns(); now < moment; now = base_now_ns()) {
        nanosleep(&(struct timespec){.tv_nsec = (long)(moment - now)}, NULL);
    }
}

/* multiplier >> shift = dividend / divisor, in as many bits as there are room for. */
static void set_ratio(uint64_t *multiplier, uint32_t *shift, uint64_t dividend, uint64_t divisor)
{
    *shift = 63;
    while (((ticks_wide)dividend << *shift) / divisor > UINT64_MAX) {
        *shift -= 1;
    }
    *multiplier = (uint64_t)(((ticks_wide)dividend << *shift) / divisor);
}

void ticks_calibrate(struct ticks_scale *scale)
{
    *scale = (struct ticks_scale){.multiplier = 1, .inverse = 1};
    if (!has_steady_counter()) {
        return;
    }
    const struct reading start = read_both();
    for (uint64_t span = SPAN_NS; span <= LONGEST_SPAN_NS; span *= 2) {
        sleep_until(start.ns + span);
        const struct reading end = read_both();
        const uint64_t ticks = end.ticks - start.ticks;
        if (start.width + end.width <= ticks / PARTS && ticks >= FEWEST_TICKS) {
            set_ratio(&scale->multiplier, &scale->shift, end.ns - start.ns, ticks);
            set_ratio(&scale->inverse, &scale->inverse_shift, ticks, end.ns - start.ns);
            scale->counter = true;
            return;
        }
    }
}
