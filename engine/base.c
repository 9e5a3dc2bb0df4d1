#include "base.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void base_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "gyre: %s:%d: this must hold: %s\n", file, line, condition);
    abort();
}

uint64_t base_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t base_deadline(uint64_t timeout_ns)
{
    uint64_t now = base_now_ns();
    return timeout_ns > BASE_FOREVER - now ? BASE_FOREVER : now + timeout_ns;
}

uint64_t base_remaining_ns(uint64_t deadline)
{
    if (deadline == BASE_FOREVER) {
        return BASE_FOREVER;
    }
    uint64_t now = base_now_ns();
    return now >= deadline ? 0 : deadline - now;
}

uint32_t base_round_up_power_of_two(uint32_t value)
{
    uint64_t power = 1;
    while (power < value) {
        power *= 2;
    }
    return power > UINT32_MAX ? 0 : (uint32_t)power;
}

char *base_copy_string(const char *text)
{
    return text ? base_copy(text, strlen(text) + 1) : NULL;
}

void *base_copy(const void *data, size_t size)
{
    if (!data) {
        return NULL;
    }
    void *copy = malloc(size ? size : 1);
    if (copy) {
        memcpy(copy, data, size);
    }
    return copy;
}

bool base_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    bool ok = pthread_cond_init(cond, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return ok;
}

bool base_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline)
{
    if (deadline == BASE_FOREVER) {
        return pthread_cond_wait(cond, mutex) == 0;
    }
    struct timespec at = {
        .tv_sec = (time_t)(deadline / 1000000000u),
        .tv_nsec = (long)(deadline % 1000000000u),
    };
    return pthread_cond_timedwait(cond, mutex, &at) != ETIMEDOUT;
}

uint32_t base_cpus_missing(const struct base_cpus *cpus)
{
    uint32_t known = 0;
#ifdef __linux__
    long configured = sysconf(_SC_NPROCESSORS_CONF);
    known = configured < 0 ? 0 : configured < CPU_SETSIZE ? (uint32_t)configured : CPU_SETSIZE;
#endif
    for (uint32_t i = 0; i < cpus->count; ++i) {
        if (cpus->list[i] >= known) {
            return cpus->list[i];
        }
    }
    return UINT32_MAX;
}

static bool choose_cpus(pthread_attr_t *attributes, const struct base_cpus *cpus)
{
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t i = 0; i < cpus->count; ++i) {
        CPU_SET(cpus->list[i], &set);
    }
    return cpus->count == 0 || pthread_attr_setaffinity_np(attributes, sizeof set, &set) == 0;
#else
    (void)attributes;
    return cpus->count == 0;
#endif
}

bool base_thread_start_on(pthread_t *thread, const struct base_cpus *cpus, void *(*run)(void *),
                          void *argument)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = (!cpus || choose_cpus(&attributes, cpus)) &&
              pthread_create(thread, &attributes, run, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return ok;
}

bool base_thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    return base_thread_start_on(thread, NULL, run, argument);
}
