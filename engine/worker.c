#include "worker.h"

#include <stdlib.h>

struct worker_job {
    struct worker_job *next;
    void (*run)(void *);
    void *argument;
    bool done;
    bool forgotten;
};

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct worker_job *first;
    struct worker_job *last;
    bool stop;
    bool ended;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        struct worker_job *job = worker->first;
        if (!job && worker->stop) {
            break;
        }
        if (!job) {
            base_cond_wait(&worker->changed, &worker->lock, BASE_FOREVER);
            continue;
        }
        worker->first = job->next;
        worker->last = worker->first ? worker->last : NULL;
        pthread_mutex_unlock(&worker->lock);
        job->run(job->argument);
        pthread_mutex_lock(&worker->lock);
        job->done = true;
        if (job->forgotten) {
            free(job);
        }
        pthread_cond_broadcast(&worker->changed);
    }
    worker->ended = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

struct worker *worker_create(const struct base_cpus *cpus)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker || !base_cond_init(&worker->changed)) {
        free(worker);
        return NULL;
    }
    pthread_mutex_init(&worker->lock, NULL);
    if (!base_thread_start_on(&worker->thread, cpus, work, worker)) {
        pthread_mutex_destroy(&worker->lock);
        pthread_cond_destroy(&worker->changed);
        free(worker);
        return NULL;
    }
    return worker;
}

bool worker_destroy(struct worker *worker, uint64_t deadline)
{
    if (!worker) {
        return true;
    }
    pthread_mutex_lock(&worker->lock);
    worker->stop = true;
    pthread_cond_broadcast(&worker->changed);
    bool in_time = true;
    while (!worker->ended && in_time) {
        in_time = base_cond_wait(&worker->changed, &worker->lock, deadline);
    }
    bool ended = worker->ended;
    pthread_mutex_unlock(&worker->lock);
    if (!ended) {
        pthread_detach(worker->thread);
        return false;
    }
    pthread_join(worker->thread, NULL);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->changed);
    free(worker);
    return true;
}

struct worker_job *worker_start(struct worker *worker, void (*run)(void *), void *argument)
{
    struct worker_job *job = calloc(1, sizeof *job);
    if (!job) {
        return NULL;
    }
    job->run = run;
    job->argument = argument;
    pthread_mutex_lock(&worker->lock);
    *(worker->last ? &worker->last->next : &worker->first) = job;
    worker->last = job;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return job;
}

bool worker_wait(struct worker *worker, struct worker_job *job, uint64_t deadline)
{
    pthread_mutex_lock(&worker->lock);
    bool in_time = true;
    while (!job->done && in_time) {
        in_time = base_cond_wait(&worker->changed, &worker->lock, deadline);
    }
    bool done = job->done;
    pthread_mutex_unlock(&worker->lock);
    if (done) {
        free(job);
    }
    return done;
}

void worker_forget(struct worker *worker, struct worker_job *job)
{
    pthread_mutex_lock(&worker->lock);
    job->forgotten = true;
    bool done = job->done;
    pthread_mutex_unlock(&worker->lock);
    if (done) {
        free(job);
    }
}
