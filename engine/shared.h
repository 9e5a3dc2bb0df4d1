/* Words that two sides touch: host and device, or two host threads that mirror them. The only place
 * with such atomics.
 *
 * To the device these are plain 32-bit words in mapped memory; on the host every access is atomic,
 * so that neither the compiler nor another host thread tears or reorders it. Each use names its
 * edge (R1, A1, ...) and the partner.
 */
#ifndef GYRE_SHARED_H
#define GYRE_SHARED_H

#include <stdatomic.h>
#include <stdint.h>

static inline uint32_t shared_load_relaxed(const uint32_t *word)
{
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_relaxed);
}

static inline uint32_t shared_load_acquire(const uint32_t *word)
{
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_acquire);
}

static inline void shared_store_relaxed(uint32_t *word, uint32_t value)
{
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_relaxed);
}

static inline void shared_store_release(uint32_t *word, uint32_t value)
{
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_release);
}

/* Where two words of two threads are to be seen in one order by both. */
static inline void shared_store_sequential(uint32_t *word, uint32_t value)
{
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_seq_cst);
}

/* Before a release into write-combined memory (a discrete GPU's BAR): such stores are not ordered
 * by the release alone. */
static inline void shared_drain_write_combining(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_sfence();
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
