/* How a call waits: for the device, or for what other calls do.
 *
 * While a LIVE submission is in flight one thread, the watcher, looks at the device's words and
 * collects; all others sleep until it, or the end of a submission, has something for them. A call
 * that ends passes the watch on. With nothing in flight, or in STRICT, everybody sleeps until
 * woken.
 */
#include <sched.h>

#include "kernel.h"
#include "shared.h"

#define LOOKS_TO_A_CLOCK 32u /* reading it takes longer than looking */

/* The watcher spins, then lets others have the processor, then sleeps for a slice; then all that
 * again. */
struct manner {
    uint64_t spin_ns;  /* since it began to look */
    uint64_t yield_ns; /* likewise; 0: it looks once */
    uint64_t slice_ns; /* 0: it does not sleep */
};

static const struct manner manners[] = {
    [GYRE_WAIT_BALANCED] = {.spin_ns = 20000, .yield_ns = 200000, .slice_ns = 100000},
    [GYRE_WAIT_LATENCY] = {.spin_ns = 200000, .yield_ns = 200000},
    [GYRE_WAIT_FRUGAL] = {.slice_ns = 200000},
};

void kernel_wake(struct gyre_kernel *kernel)
{
    if (kernel->waiters) {
        pthread_cond_broadcast(&kernel->changed);
    }
}

void kernel_turn(struct gyre_kernel *kernel)
{
    if (!kernel->build.groups || kernel->state == GYRE_CREATED) {
        return;
    }
    answers_collect(kernel);
    window_fill(kernel);
    residency_kick(kernel);
    failure_act(kernel);
}

/* What changes when the device moves. */
static uint64_t progress(const struct gyre_kernel *kernel)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        const struct gyre_StatusLine *line = &kernel->build.groups[i].status->line;
        sum += shared_load_relaxed(&line->output_tail);
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            sum += shared_load_relaxed(&line->input_head[lane]);
        }
    }
    return sum;
}

/* What a thread looks at while it waits without the lock. */
struct watch {
    const uint32_t *sequence; /* of the next answer's slot, where that tells all; else NULL */
    uint32_t whole;           /* its value once the answer is there */
    uint64_t progress;
    uint32_t ends;
};

/* Lock held. */
static struct watch watch_begin(const struct gyre_kernel *kernel)
{
    struct watch watch = {.ends = (uint32_t)atomic_load(&kernel->ends)};
    const struct ring_output *output = &kernel->build.groups[0].output;
    bool only_answers = kernel->build.answers_early && kernel->params.workgroups == 1 &&
                        kernel->staging.count == 0 && !kernel->params.report_all;
    if (only_answers) {
        watch.sequence = ring_output_sequence(output);
        watch.whole = output->head + 1;
    } else {
        watch.progress = progress(kernel);
    }
    return watch;
}

static bool watch_moved(const struct gyre_kernel *kernel, const struct watch *watch)
{
    /* Relaxed: who saw it looks again properly. */
    bool moved = watch->sequence ? shared_load_relaxed(watch->sequence) == watch->whole
                                 : progress(kernel) != watch->progress;
    return moved || atomic_load(&kernel->ends) != watch->ends;
}

/* Without the lock, for a while. */
static void spin(struct gyre_kernel *kernel, const struct watch *watch, uint64_t deadline)
{
    const struct manner *manner = &manners[kernel->params.wait];
    if (!manner->yield_ns) {
        return;
    }
    uint64_t begun = 0;
    for (uint32_t looks = 1; !watch_moved(kernel, watch); ++looks) {
        base_pause();
        if (looks % LOOKS_TO_A_CLOCK != 0) {
            continue;
        }
        uint64_t now = base_now_ns();
        begun = begun ? begun : now;
        if (now >= deadline || now - begun >= manner->yield_ns) {
            break;
        }
        if (now - begun >= manner->spin_ns) {
            sched_yield();
        }
    }
}

static bool may_watch(const struct gyre_kernel *kernel)
{
    return kernel->in_flight && kernel->live && !kernel->watched && !kernel->launching;
}

/* Somebody who sleeps takes the watch when he is woken. */
void kernel_pass_watch(struct gyre_kernel *kernel)
{
    if (!may_watch(kernel)) {
        return;
    }
    if (kernel->waiters) {
        pthread_cond_signal(&kernel->changed);
        return;
    }
    struct awaiter *awaiter = kernel->waiting.first;
    while (awaiter && !awaiter->sleeps) {
        awaiter = awaiter->next;
    }
    if (awaiter) {
        pthread_cond_signal(&awaiter->woken);
    }
}

static void sleep_until(struct gyre_kernel *kernel, struct awaiter *awaiter, uint64_t moment)
{
    if (!awaiter) {
        kernel->waiters += 1;
        base_cond_wait(&kernel->changed, &kernel->lock, moment);
        kernel->waiters -= 1;
        return;
    }
    awaiter->has_woken = awaiter->has_woken || base_cond_init(&awaiter->woken);
    if (awaiter->has_woken) {
        awaiter->sleeps = true;
        base_cond_wait(&awaiter->woken, &kernel->lock, moment);
        awaiter->sleeps = false;
    }
}

/* The watch of one thread, until something has moved or a slice is over. True if it moved. */
static bool watch_once(struct gyre_kernel *kernel, struct awaiter *awaiter, uint64_t moment)
{
    struct watch watch = watch_begin(kernel);
    kernel->watched = true;
    pthread_mutex_unlock(&kernel->lock);
    spin(kernel, &watch, moment);
    pthread_mutex_lock(&kernel->lock);
    bool moved = watch_moved(kernel, &watch);
    bool ended = awaiter && !awaiter->entry;
    uint64_t slice_ns = manners[kernel->params.wait].slice_ns;
    if (!moved && !ended && kernel->in_flight && slice_ns) {
        uint64_t slice = base_now_ns() + slice_ns;
        sleep_until(kernel, awaiter, slice < moment ? slice : moment);
    }
    kernel->watched = false;
    return moved;
}

bool kernel_wait(struct gyre_kernel *kernel, struct awaiter *awaiter, uint64_t deadline)
{
    if (base_remaining_ns(deadline) == 0) {
        return false;
    }
    uint64_t expires = staging_next_deadline(&kernel->staging);
    uint64_t moment = expires < deadline ? expires : deadline;
    bool moved = false;
    if (may_watch(kernel)) {
        moved = watch_once(kernel, awaiter, moment);
        kernel_turn(kernel);
    } else {
        sleep_until(kernel, awaiter, moment);
    }
    send_expire(kernel);
    return moved || base_remaining_ns(deadline) > 0;
}
