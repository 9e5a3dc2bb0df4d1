/* For the programs of tests/stress, which have a main of their own: what is not so ends them, and a
 * pause between what their threads do. */
#ifndef GYRE_TEST_MUST_H
#define GYRE_TEST_MUST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

static inline void rest(uint32_t us)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

#endif
