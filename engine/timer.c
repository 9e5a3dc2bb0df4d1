#include "timer.h"

#include <stdlib.h>

struct timers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    const struct base_cpus *cpus;
    struct timer *first; /* of a few, in no order */
    bool runs;
    bool stop;
    bool ended;
};

static struct timer *next_due(const struct timers *timers)
{
    struct timer *best = NULL;
    for (struct timer *timer = timers->first; timer; timer = timer->next) {
        if (timer->due && (!best || timer->due < best->due)) {
            best = timer;
        }
    }
    return best;
}

/* Lock held on entry and return, not during the call. */
static void fire(struct timers *timers, struct timer *timer)
{
    timer->due = 0;
    timer->firing = true;
    pthread_mutex_unlock(&timers->lock);
    uint64_t due = timer->fire(timer);
    pthread_mutex_lock(&timers->lock);
    timer->firing = false;
    /* It may have been started anew meanwhile. */
    timer->due = timer->due && (!due || timer->due < due) ? timer->due : due;
    pthread_cond_broadcast(&timers->changed);
}

static void *run(void *argument)
{
    struct timers *timers = argument;
    pthread_mutex_lock(&timers->lock);
    while (!timers->stop) {
        struct timer *timer = next_due(timers);
        uint64_t due = timer ? timer->due : BASE_FOREVER;
        if (timer && base_remaining_ns(due) == 0) {
            fire(timers, timer);
        } else {
            base_cond_wait(&timers->changed, &timers->lock, due);
        }
    }
    timers->ended = true;
    pthread_cond_broadcast(&timers->changed);
    pthread_mutex_unlock(&timers->lock);
    return NULL;
}

struct timers *timers_create(const struct base_cpus *cpus)
{
    struct timers *timers = calloc(1, sizeof *timers);
    if (!timers || !base_cond_init(&timers->changed)) {
        free(timers);
        return NULL;
    }
    pthread_mutex_init(&timers->lock, NULL);
    timers->cpus = cpus;
    return timers;
}

bool timers_destroy(struct timers *timers, uint64_t deadline)
{
    if (!timers) {
        return true;
    }
    pthread_mutex_lock(&timers->lock);
    timers->stop = true;
    pthread_cond_broadcast(&timers->changed);
    bool in_time = true;
    while (timers->runs && !timers->ended && in_time) {
        in_time = base_cond_wait(&timers->changed, &timers->lock, deadline);
    }
    bool ended = !timers->runs || timers->ended;
    pthread_mutex_unlock(&timers->lock);
    if (!ended) {
        pthread_detach(timers->thread);
        return false;
    }
    if (timers->runs) {
        pthread_join(timers->thread, NULL);
    }
    pthread_mutex_destroy(&timers->lock);
    pthread_cond_destroy(&timers->changed);
    free(timers);
    return true;
}

bool timer_start(struct timers *timers, struct timer *timer, uint64_t due)
{
    pthread_mutex_lock(&timers->lock);
    timers->runs = timers->runs || base_thread_start_on(&timers->thread, timers->cpus, run, timers);
    if (!timer->listed) {
        timer->listed = true;
        timer->next = timers->first;
        timers->first = timer;
    }
    timer->due = timer->due && timer->due < due ? timer->due : due;
    pthread_cond_broadcast(&timers->changed);
    bool runs = timers->runs;
    pthread_mutex_unlock(&timers->lock);
    return runs;
}

void timer_stop(struct timers *timers, struct timer *timer)
{
    pthread_mutex_lock(&timers->lock);
    while (timer->firing) {
        base_cond_wait(&timers->changed, &timers->lock, BASE_FOREVER);
    }
    struct timer **at = &timers->first;
    while (*at && *at != timer) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = timer->next;
    }
    timer->listed = false;
    pthread_mutex_unlock(&timers->lock);
}
