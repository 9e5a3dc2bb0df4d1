#include "cycle.h"

static bool in_graph(const struct link *link)
{
    return link->from && !link->closed && !link->lossy;
}

/* Marks what can be reached from the kernels that are marked. */
static void spread_marks(struct links *links, bool forwards, uint32_t mark)
{
    bool more = true;
    while (more) {
        more = false;
        for (struct link *link = links->first; link; link = link->next) {
            if (!in_graph(link)) {
                continue;
            }
            struct gyre_kernel *here = forwards ? link->from : link->to;
            struct gyre_kernel *there = forwards ? link->to : link->from;
            if ((here->marks & mark) && !(there->marks & mark)) {
                there->marks |= mark;
                more = true;
            }
        }
    }
}

#define MARK_AFTER 1u  /* can be reached from the new link's end */
#define MARK_BEFORE 2u /* can reach its beginning */
#define MARK_BOTH (MARK_AFTER | MARK_BEFORE)

/* A link is part of a cycle through the new one if both its ends are. */
static void mark(struct links *links, const struct link *added)
{
    for (struct link *link = links->first; link; link = link->next) {
        struct gyre_kernel *const ends[] = {link->from, link->to};
        for (size_t i = 0; i < LENGTH(ends); ++i) {
            if (ends[i]) {
                ends[i]->marks = 0;
            }
        }
    }
    if (!in_graph(added)) {
        return;
    }
    added->to->marks |= MARK_AFTER;
    added->from->marks |= MARK_BEFORE;
    spread_marks(links, true, MARK_AFTER);
    spread_marks(links, false, MARK_BEFORE);
}

static bool on_cycle(const struct link *link)
{
    return in_graph(link) && link->from->marks == MARK_BOTH && link->to->marks == MARK_BOTH;
}

/* Bubble flow control holds on a ring of rings, and for one message in, one out. */
static gyre_result check_member(struct links *links, const struct gyre_kernel *kernel)
{
    uint32_t in = 0;
    uint32_t out = 0;
    uint32_t slots = UINT32_MAX;
    for (const struct link *link = links->first; link; link = link->next) {
        if (on_cycle(link)) {
            in += link->to == kernel;
            out += link->from == kernel;
            slots = link->from == kernel ? link->slots : slots;
        }
    }
    const char *why = NULL;
    if (in > 1 || out > 1) {
        why = "would be part of two cycles";
    } else if (kernel->params.workgroups > 1) {
        why = "has several workgroups";
    } else if (kernel->build.program.info.max_sends > 1) {
        why = "may send more than one message for one (GYRE_MAX_SENDS)";
    } else if (slots < 2) {
        why = "would have a ring of one slot";
    }
    if (!why) {
        return GYRE_OK;
    }
    return log_fail(
        links->device->log, GYRE_ERROR_CYCLE,
        "kernel %s %s: such a cycle of links can fill up for good; make one of them lossy, or leave "
        "the cycle through the host",
        kernel->id, why);
}

gyre_result cycle_check(struct links *links, const struct link *added)
{
    gyre_result result = GYRE_OK;
    mark(links, added);
    for (struct link *link = links->first; link && result == GYRE_OK; link = link->next) {
        result = on_cycle(link) ? check_member(links, link->from) : GYRE_OK;
    }
    return result;
}

void cycle_set(struct links *links, const struct link *added)
{
    mark(links, added); /* others may have marked since */
    for (struct link *link = links->first; link; link = link->next) {
        if (on_cycle(link)) {
            link->cycle = true;
            link_reroute(link->from);
            link_reroute(link->to);
        }
    }
}

/* ---- members ---- */

gyre_result cycle_hold(struct links *links, const struct link *added)
{
    for (;;) {
        struct gyre_kernel *member = NULL;
        pthread_mutex_lock(&links->lock);
        mark(links, added); /* others may have marked since */
        for (struct link *link = links->first; link && !member; link = link->next) {
            bool known = !on_cycle(link) || link->from->held_still || link->from == added->from ||
                         link->from == added->to;
            member = known ? NULL : link->from;
        }
        if (member) {
            member->held_still = true;
            member->pins += 1;
        }
        pthread_mutex_unlock(&links->lock);
        if (!member) {
            return GYRE_OK;
        }
        pthread_mutex_lock(&member->lock);
        bool still = link_is_still(member) && !member->in_flight;
        member->linking = still;
        pthread_mutex_unlock(&member->lock);
        if (!still) {
            return log_fail(
                links->device->log, GYRE_ERROR_STATE,
                "kernel %s is part of the cycle that this link would close: deactivate it first",
                member->id);
        }
    }
}

void cycle_release(struct links *links)
{
    pthread_mutex_lock(&links->lock);
    struct link *link = links->first;
    while (link) {
        struct gyre_kernel *member = link->from;
        if (!member || !member->held_still) {
            link = link->next;
            continue;
        }
        member->held_still = false;
        pthread_mutex_unlock(&links->lock);
        link_let_go(member);
        pthread_mutex_lock(&links->lock);
        member->pins -= 1;
        pthread_cond_broadcast(&links->changed);
        link = links->first;
    }
    pthread_mutex_unlock(&links->lock);
}

void cycle_forget(struct links *links)
{
    for (struct link *link = links->first; link; link = link->next) {
        if (link->cycle) {
            mark(links, link);
            link->cycle = on_cycle(link);
            if (!link->cycle) {
                link_reroute(link->from);
                link_reroute(link->to);
            }
        }
    }
}
