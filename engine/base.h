/* Small things that every unit needs: sizes, time, locks that can be waited on with a deadline. */
#ifndef GYRE_BASE_H
#define GYRE_BASE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gyre/result.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Ours to keep, in release builds too: a message with the place, then abort. */
#define ASSERT(condition) \
    ((condition) ? (void)0 : base_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void base_assert_failed(const char *condition, const char *file, int line);

#define BASE_FOREVER UINT64_MAX

uint64_t base_now_ns(void);

/* The moment `timeout_ns` from now; BASE_FOREVER stays forever. */
uint64_t base_deadline(uint64_t timeout_ns);

/* How long until `deadline`; 0 once it has passed. */
uint64_t base_remaining_ns(uint64_t deadline);

/* Next power of two, at least 1; 0 if there is none in 32 bits. */
uint32_t base_round_up_power_of_two(uint32_t value);

static inline uint64_t base_align(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

/* NULL for NULL. */
char *base_copy_string(const char *text);
void *base_copy(const void *data, size_t size);

/* A few nanoseconds of doing nothing, kind to the other hyper-thread. */
static inline void base_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A condition variable on the monotonic clock. */
bool base_cond_init(pthread_cond_t *cond);

/* False when `deadline` passed; the mutex is held either way. */
bool base_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline);

/* Processors, by their numbers; none: all. */
struct base_cpus {
    const uint32_t *list;
    uint32_t count;
};

/* The first of them that this machine has not, or that cannot be chosen; UINT32_MAX: none. */
uint32_t base_cpus_missing(const struct base_cpus *cpus);

/* A thread that takes no signals: those are the application's. It runs on `cpus` (may be NULL). */
bool base_thread_start_on(pthread_t *thread, const struct base_cpus *cpus, void *(*run)(void *),
                          void *argument);
bool base_thread_start(pthread_t *thread, void *(*run)(void *), void *argument);

/* Soon to be written, and maybe another processor's now. */
static inline void base_fetch_to_write(void *line)
{
#if defined(__x86_64__)
    /* The builtin asks for a copy to read, unless told of the processor; so it would be fetched
     * twice. */
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1);
#endif
}

#endif
