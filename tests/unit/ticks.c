/* engine/ticks: a counter that agrees with CLOCK_MONOTONIC. */
#include "ticks.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static const struct ticks_scale plain = {.multiplier = 1, .inverse = 1};

/* 24 MHz, as on many a phone: 41 2/3 ns a tick. */
static const struct ticks_scale slow = {
    .multiplier = (UINT64_C(125) << 55) / 3, /* * 2^55 */
    .shift = 55,
    .inverse = (UINT64_C(3) << 62) / 125, /* * 2^62 */
    .inverse_shift = 62,
};

static struct ticks_scale calibrated(void)
{
    struct ticks_scale scale;
    ticks_calibrate(&scale);
    return scale;
}

static void sleep_for(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static double off_by(double value, double right)
{
    return (value > right ? value - right : right - value) / right;
}

struct span {
    uint64_t ns;
    uint64_t ticks;
};

static struct span span_of(const struct ticks_scale *scale, uint64_t ns)
{
    const uint64_t began_ns = base_now_ns();
    const uint64_t began = ticks_now(scale);
    sleep_for(ns);
    const uint64_t ended_ns = base_now_ns();
    return (struct span){.ns = ended_ns - began_ns, .ticks = ticks_now(scale) - began};
}

/* A try fails if the thread is preempted between the two clocks; not five in a row. */
Test(ticks, the_scale_is_right_within_a_thousandth)
{
    double off = 1;
    for (int i = 0; i < 5 && off > 1e-3; i++) {
        const struct ticks_scale scale = calibrated();
        const struct span span = span_of(&scale, 50 * MS);
        off = off_by((double)ticks_to_ns(&scale, span.ticks), (double)span.ns);
    }
    cr_assert_leq(off, 1e-3, "off by %g", off);
}

#define PERIOD_US 100

/* For any part of a period, so that what comes next is interrupted anywhere. */
static void be_elsewhere(int number)
{
    (void)number;
    static uint32_t random = 1;
    random = random * 1664525 + 1013904223;
    const uint64_t end = base_now_ns() + (uint64_t)random * PERIOD_US * 1000 / UINT32_MAX;
    while (base_now_ns() < end) {}
}

/* Interrupted for half the time: of 300 calibrations some are so between their two clocks, which
 * would spoil them by a hundredth. */
Test(ticks, being_interrupted_spoils_no_calibration)
{
    const struct ticks_scale calm = calibrated();
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = be_elsewhere}, NULL);
    const struct timeval period = {.tv_usec = PERIOD_US};
    setitimer(ITIMER_REAL, &(struct itimerval){period, period}, NULL);
    double worst = 0;
    for (int i = 0; i < 300; i++) {
        const struct ticks_scale scale = calibrated();
        const double off =
            off_by((double)ticks_to_ns(&scale, 100 * S), (double)ticks_to_ns(&calm, 100 * S));
        worst = off > worst ? off : worst;
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    cr_assert_leq(worst, 2e-3, "off by %g", worst);
}

Test(ticks, calibration_takes_milliseconds)
{
    uint64_t best = BASE_FOREVER;
    for (int i = 0; i < 5; i++) {
        const uint64_t began = base_now_ns();
        calibrated();
        const uint64_t took = base_now_ns() - began;
        best = took < best ? took : best;
    }
    cr_assert_leq(best, 30 * MS);
}

static void *read_often(void *argument)
{
    const struct ticks_scale *scale = argument;
    uint64_t before = ticks_now(scale);
    for (int i = 0; i < 2000000; i++) {
        const uint64_t now = ticks_now(scale);
        if (now < before) {
            return argument;
        }
        before = now;
    }
    return NULL;
}

Test(ticks, no_thread_sees_them_go_back)
{
    const struct ticks_scale scales[] = {calibrated(), plain};
    for (size_t i = 0; i < LENGTH(scales); i++) {
        pthread_t threads[4];
        for (size_t j = 0; j < LENGTH(threads); j++) {
            cr_assert(base_thread_start(&threads[j], read_often, (void *)&scales[i]));
        }
        for (size_t j = 0; j < LENGTH(threads); j++) {
            void *went_back;
            pthread_join(threads[j], &went_back);
            cr_assert_null(went_back);
        }
    }
}

/* A tick by rounding down, and what a multiplier of some 56 bits or more leaves away. */
Test(ticks, there_and_back_loses_next_to_nothing)
{
    const struct ticks_scale scales[] = {calibrated(), plain, slow};
    for (size_t i = 0; i < LENGTH(scales); i++) {
        const struct ticks_scale *scale = &scales[i];
        const uint64_t tick_ns = ticks_to_ns(scale, 1) + 2;
        for (uint64_t ns = 1; ns < UINT64_C(1) << 60; ns = ns * 3 + 1) {
            const uint64_t back = ticks_to_ns(scale, ticks_from_ns(scale, ns));
            cr_assert(back <= ns && ns - back <= tick_ns + (ns >> 55), "scale %zu: %llu, not %llu",
                      i, (unsigned long long)back, (unsigned long long)ns);
        }
    }
}

Test(ticks, zero_is_zero)
{
    const struct ticks_scale scale = calibrated();
    cr_assert_eq(ticks_to_ns(&scale, 0), 0);
    cr_assert_eq(ticks_from_ns(&scale, 0), 0);
}

Test(ticks, a_known_rate_gives_known_times)
{
    cr_assert_eq(ticks_from_ns(&slow, 1000), 23); /* rounded down: the inverse is a hair small */
    cr_assert_eq(ticks_from_ns(&slow, 1001), 24);
    cr_assert_eq(ticks_to_ns(&slow, 1), 41);
    cr_assert_eq(ticks_to_ns(&slow, 24 * 1000 * MS), 999999999999);
    cr_assert_eq(ticks_from_ns(&plain, 12345), 12345);
    cr_assert_eq(ticks_to_ns(&plain, UINT64_MAX), UINT64_MAX);
}

Test(ticks, what_is_too_much_saturates)
{
    const struct ticks_scale fast = {
        .multiplier = UINT64_C(1) << 62, /* 4 GHz */
        .shift = 64,
        .inverse = UINT64_C(1) << 62,
        .inverse_shift = 60,
    };
    cr_assert_eq(ticks_from_ns(&fast, UINT64_MAX), UINT64_MAX);
    cr_assert_eq(ticks_from_ns(&fast, UINT64_C(1) << 62), UINT64_MAX);
    cr_assert_eq(ticks_from_ns(&fast, (UINT64_C(1) << 62) - 1), UINT64_MAX - 3);
    cr_assert_eq(ticks_to_ns(&fast, UINT64_MAX), UINT64_MAX / 4);
    cr_assert_eq(ticks_to_ns(&slow, UINT64_MAX), UINT64_MAX);
    cr_assert_eq(ticks_from_ns(&plain, UINT64_MAX), UINT64_MAX);
}
