/* Links between kernels: which there are, where their rings lie, what is in them.
 *
 *   link.c   links made and undone
 *   cycle.c  what may be a cycle
 *   route.c  a kernel's tables for the device, and what its submissions have moved
 *
 * All rings are in one buffer of the device, the arena, made with the first link. The host never
 * sees it: it writes the tables of a kernel between its submissions, and reads how far the rings
 * are from the kernel's mirror when one has ended.
 *
 * Lock order: kernels' locks (of several in the order of their numbers), then the links' own.
 */
#ifndef GYRE_ENGINE_LINK_H
#define GYRE_ENGINE_LINK_H

#include <gyre/link.h>

#include "kernel.h"

/* As the host last saw it: the device may be further, but never behind. */
struct link_ring {
    uint32_t tail;
    uint32_t head;
    uint32_t lost;
};

struct link {
    struct link *next;
    struct gyre_kernel *from; /* NULL: it is gone, what it sent is not */
    struct gyre_kernel *to;
    uint32_t from_groups;
    uint32_t to_groups;
    uint32_t port;
    gyre_spread spread;
    uint32_t slots; /* of each ring */
    uint32_t stride;
    bool lossy;
    bool cycle;
    bool closed; /* `to` has terminated */
    uint64_t
        lines_at; /* in bytes of the arena: first ring from the first workgroup to the first, */
    uint64_t slots_at;       /* then to the second, ... */
    struct link_ring *rings; /* in the same order */
    uint32_t out_at;         /* where its rings are in the tables of `from` as written last, */
    uint32_t in_at;          /* and of `to`; or LINK_NOWHERE */
    uint64_t sent;
    uint64_t taken;
    uint64_t lost;
    uint64_t dropped; /* closed: of those sent and not taken, what is accounted for */
};

#define LINK_NOWHERE UINT32_MAX

struct links {
    struct device *device;
    uint64_t bytes; /* of the arena, at most */

    pthread_mutex_t change; /* before all kernels' locks: one change of the graph at a time */
    pthread_mutex_t lock;   /* the rest */
    pthread_cond_t changed; /* a kernel is not pinned any more */
    uint64_t clock;         /* of all that are linked */
    struct buffer memory;
    struct arena arena;
    struct link *first; /* in the order in which they were made */
};

/* How large a kernel's tables are. */
struct route_sizes {
    uint32_t ports;
    uint32_t targets;
    uint32_t rings;   /* out of a workgroup */
    uint32_t sources; /* into a workgroup */
    uint32_t entries; /* in a workgroup's journal */
    uint32_t mirror_stride;
    uint64_t route_bytes;
    uint64_t mirror_bytes;
};

static inline struct link_ring *link_ring_of(struct link *link, uint32_t from, uint32_t to)
{
    return &link->rings[(size_t)from * link->to_groups + to];
}

static inline uint64_t link_waiting(const struct link *link)
{
    return link->sent > link->taken ? link->sent - link->taken : 0;
}

void links_init(struct links *links, struct device *device, uint64_t bytes);

/* Its kernels are gone. */
void links_finish(struct links *links);

gyre_result links_connect(struct links *links, struct gyre_kernel *from, uint32_t port,
                          struct gyre_kernel *to, const gyre_link_params *params,
                          struct carrier *carrier);
gyre_result links_disconnect(struct links *links, struct gyre_kernel *from, uint32_t port,
                             struct gyre_kernel *to, uint64_t *dropped);
/* OK if links between the two could be undone now; STATE. */
gyre_result links_may_disconnect(struct links *links, struct gyre_kernel *from,
                                 struct gyre_kernel *to);
gyre_result links_stats(struct links *links, struct gyre_kernel *from, uint32_t port,
                        struct gyre_kernel *to, gyre_link_stats *stats);

/* The kernel's lock held, nothing in flight: it has terminated. What waits for it is dropped. */
void links_end(struct gyre_kernel *kernel);

/* No lock held, the kernel has terminated: nobody knows it any more after this. */
void links_forget(struct gyre_kernel *kernel);

/* Its tables are to be written anew before its next submission; NULL is fine. */
void link_reroute(struct gyre_kernel *kernel);

/* The kernel's lock held: LAUNCHED or DEACTIVATED. */
bool link_is_still(const struct gyre_kernel *kernel);

/* No lock held: `linking` ends. */
void link_let_go(struct gyre_kernel *kernel);

/* The kernel's and the links' lock held, nothing of the kernel in flight: what has ended at the
 * other side goes, if nothing is left in it. */
void links_sweep(struct links *links, struct gyre_kernel *kernel);

/* ---- route.c; the links' lock held ---- */

struct route_sizes route_measure(struct links *links, const struct gyre_kernel *kernel);

/* What its pipeline is to be made for: GYRE_LINKS_.... */
uint32_t route_shape(struct links *links, const struct gyre_kernel *kernel);

/* ---- route.c; the kernel's lock held, or nobody else knows the kernel ---- */

/* Nothing in flight: the tables as the next submission is to find them. */
void route_write(struct gyre_kernel *kernel);

/* At the end of a submission: what it moved. */
void route_account(struct gyre_kernel *kernel);

/* Could the workgroup take a message now: of a link, or, if some are `queued`, of the host's? */
bool route_can_run(struct gyre_kernel *kernel, uint32_t group, bool queued);

/* Of the links to a kernel. */
struct route_inflow {
    uint64_t waiting; /* messages in them; none once it has terminated */
    uint64_t missed;  /* that found one full, so far, of those links that are open */
    uint64_t late;    /* that were under way when it terminated */
};
struct route_inflow route_inflow(struct gyre_kernel *kernel);

/* No lock held, after route_account(): the kernels at the other ends may have work now. */
void route_kick(struct gyre_kernel *kernel);

#endif
