/* Timer messages: what a kernel gets when nothing was sent to it for tick_ns. */
#include <string.h>

#include "kernel.h"

static struct gyre_kernel *kernel_of(struct timer *timer)
{
    return (struct gyre_kernel *)(void *)((char *)timer - offsetof(struct gyre_kernel, tick));
}

static void send_tick(struct gyre_kernel *kernel)
{
    struct staging_entry *entry = staging_new(&kernel->staging);
    if (!entry) {
        return; /* the next one may find room */
    }
    entry->type = GYRE_TYPE_TICK;
    entry->size = kernel->build.program.info.input.data_size;
    memset(entry->payload, 0, entry->size);
    send_accept(kernel, entry, NULL);
    kernel->stats.ticks += 1;
    send_on(kernel);
}

/* From the timers' thread. */
static uint64_t fire(struct timer *timer)
{
    struct gyre_kernel *kernel = kernel_of(timer);
    uint64_t due = 0;
    pthread_mutex_lock(&kernel->lock);
    if (kernel->state == GYRE_ACTIVE && kernel->fault == GYRE_OK) {
        uint64_t now = base_now_ns();
        kernel_turn(kernel);
        bool busy = kernel->staging.count > 0 || window_count(kernel) > 0;
        if (!busy && now - kernel->quiet_since >= kernel->params.tick_ns) {
            send_tick(kernel);
            busy = true;
        }
        kernel->quiet_since = busy ? now : kernel->quiet_since;
        due = kernel->quiet_since + kernel->params.tick_ns;
    }
    pthread_mutex_unlock(&kernel->lock);
    return due;
}

void tick_start(struct gyre_kernel *kernel)
{
    if (!kernel->params.tick_ns) {
        return;
    }
    kernel->quiet_since = base_now_ns();
    kernel->tick.fire = fire;
    if (!timer_start(kernel->services.timers, &kernel->tick,
                     kernel->quiet_since + kernel->params.tick_ns)) {
        log_say(kernel->services.log, GYRE_LOG_ERROR,
                "kernel %s: no thread for its timer: it gets no ticks", kernel->id);
    }
}
