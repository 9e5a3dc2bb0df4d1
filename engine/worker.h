/* A thread for driver calls that may block for as long as a shader runs: building pipelines,
 * destroying. Whoever needs one done waits with a deadline; a call that never returns blocks this
 * thread and no other.
 *
 * Thread-safety: safe.
 */
#ifndef GYRE_WORKER_H
#define GYRE_WORKER_H

#include "base.h"

struct worker;
struct worker_job;

struct worker *worker_create(const struct base_cpus *cpus); /* which its thread runs on */

/* Stops after what is queued; false if it did not end by the deadline (it is then left alone for
 * good, with its memory). */
bool worker_destroy(struct worker *worker, uint64_t deadline);

/* Queues a call; NULL: out of memory. Every job must be waited for, or forgotten. */
struct worker_job *worker_start(struct worker *worker, void (*run)(void *), void *argument);

/* True: it is done, and the job is gone. False: the deadline passed; wait again. */
bool worker_wait(struct worker *worker, struct worker_job *job, uint64_t deadline);

/* Nobody will wait for it. */
void worker_forget(struct worker *worker, struct worker_job *job);

#endif
