#include <string.h>

#include "link.h"
#include "shared.h"

#define LINE_ALIGN_WORDS 32u

_Static_assert((int)GYRE_SPREAD_EACH == GYRE_TO_EACH && (int)GYRE_SPREAD_BY_KEY == GYRE_TO_KEY &&
                   (int)GYRE_SPREAD_ROUND_ROBIN == GYRE_TO_TURN,
               "the device reads gyre_spread as it is");

/* ---- tables ---- */

static bool is_out(const struct link *link, const struct gyre_kernel *kernel)
{
    return link->from == kernel && !link->closed;
}

struct route_sizes route_measure(struct links *links, const struct gyre_kernel *kernel)
{
    struct route_sizes sizes = {0};
    uint32_t widths[GYRE_PORTS_MAX] = {0};
    uint32_t widest = 0;
    for (const struct link *link = links->first; link; link = link->next) {
        if (is_out(link, kernel)) {
            sizes.ports = link->port + 1 > sizes.ports ? link->port + 1 : sizes.ports;
            sizes.targets += 1;
            sizes.rings += link->to_groups;
            widths[link->port] += 1;
            widest = widths[link->port] > widest ? widths[link->port] : widest;
        }
        if (link->to == kernel) {
            sizes.sources += link->from_groups;
        }
    }
    uint64_t groups = kernel->params.workgroups;
    sizes.entries = widest * kernel->build.program.info.max_sends;
    sizes.mirror_stride = (uint32_t)base_align(sizes.rings * 2 + sizes.sources, LINE_ALIGN_WORDS);
    sizes.mirror_bytes = groups * sizes.mirror_stride * 4;
    sizes.route_bytes = sizeof(struct gyre_Routes) + sizes.ports * sizeof(struct gyre_Port) +
                        sizes.targets * sizeof(struct gyre_Target) +
                        groups * sizes.rings * sizeof(struct gyre_OutRing) +
                        groups * sizes.sources * sizeof(struct gyre_InRing);
    return sizes;
}

/* Where the next entry of each table goes. */
struct writer {
    unsigned char *base;
    struct gyre_Routes *routes;
    struct gyre_Port *ports;
    struct gyre_Target *targets;
    struct gyre_OutRing *rings;
    struct gyre_InRing *sources;
    const struct build *build;
    uint32_t next_target;
    uint32_t next_ring;
    uint32_t next_source;
};

static uint32_t words_at(const struct writer *writer, const void *table)
{
    return (uint32_t)(((const unsigned char *)table - writer->base) / 4);
}

static struct writer writer_begin(struct gyre_kernel *kernel, const struct route_sizes *sizes)
{
    struct build *build = &kernel->build;
    struct writer writer = {.base = build->routes.mapped, .build = build};
    ASSERT(sizes->route_bytes <= build->routes.size && sizes->mirror_bytes <= build->mirror.size);
    uint32_t groups = kernel->params.workgroups;
    writer.routes = (void *)writer.base;
    writer.ports = (void *)(writer.routes + 1);
    writer.targets = (void *)(writer.ports + sizes->ports);
    writer.rings = (void *)(writer.targets + sizes->targets);
    writer.sources = (void *)(writer.rings + (size_t)groups * sizes->rings);
    *writer.routes = (struct gyre_Routes){
        .ports = sizes->ports,
        .ports_at = words_at(&writer, writer.ports),
        .targets_at = words_at(&writer, writer.targets),
        .rings = sizes->rings,
        .rings_at = words_at(&writer, writer.rings),
        .sources = sizes->sources,
        .sources_at = words_at(&writer, writer.sources),
        .mirror_out = 0,
        .mirror_in = sizes->rings * 2,
        .mirror_stride = sizes->mirror_stride,
        .journal = (uint32_t)(kernel->journal_at / 4),
        .journal_words = kernel->journal_words,
        .hand = (uint32_t)(kernel->hand_at / kernel->build.program.info.input.stride),
        .ended = kernel->ended_ports & 1,
        .scratch = (uint32_t)(kernel->scratch_at / kernel->build.program.info.output.stride),
    };
    return writer;
}

static uint32_t *mirror_of(const struct build *build, uint32_t group)
{
    const struct gyre_Routes *routes = build->routes.mapped;
    return (uint32_t *)build->mirror.mapped + (size_t)group * routes->mirror_stride;
}

static uint32_t line_words(const struct link *link, uint32_t from, uint32_t to)
{
    uint64_t ring = (uint64_t)from * link->to_groups + to;
    return (uint32_t)(link->lines_at / 4 + ring * GYRE_LINE_WORDS);
}

static void write_out(struct writer *writer, struct link *link)
{
    writer->targets[writer->next_target] = (struct gyre_Target){
        .first = writer->next_ring,
        .count = link->to_groups,
        .by_key = link->to->params.shards > 0,
    };
    for (uint32_t from = 0; from < link->from_groups; ++from) {
        for (uint32_t to = 0; to < link->to_groups; ++to) {
            const struct link_ring *ring = link_ring_of(link, from, to);
            uint64_t before = (uint64_t)from * link->to_groups + to;
            uint32_t index = writer->next_ring + to;
            writer->rings[(size_t)from * writer->routes->rings + index] = (struct gyre_OutRing){
                .line = line_words(link, from, to),
                .slots = (uint32_t)((link->slots_at + before * link->slots * link->stride) / 4),
                .stride = link->stride / 4,
                .size = link->slots,
                .flags = (link->lossy ? GYRE_RING_LOSSY : 0) | (link->cycle ? GYRE_RING_CYCLE : 0),
            };
            mirror_of(writer->build, from)[index * 2] = ring->tail;
            mirror_of(writer->build, from)[index * 2 + 1] = ring->lost;
        }
    }
    link->out_at = writer->next_ring;
    writer->next_target += 1;
    writer->next_ring += link->to_groups;
}

static void write_in(struct writer *writer, struct link *link)
{
    uint32_t mirror_in = writer->routes->mirror_in;
    for (uint32_t to = 0; to < link->to_groups; ++to) {
        for (uint32_t from = 0; from < link->from_groups; ++from) {
            uint64_t before = (uint64_t)from * link->to_groups + to;
            uint32_t index = writer->next_source + from;
            writer->sources[(size_t)to * writer->routes->sources + index] = (struct gyre_InRing){
                .line = line_words(link, from, to),
                .slots = (uint32_t)(link->slots_at / link->stride + before * link->slots),
                .size = link->slots,
                .flags = link->cycle ? GYRE_RING_CYCLE : 0,
            };
            mirror_of(writer->build, to)[mirror_in + index] = link_ring_of(link, from, to)->head;
        }
    }
    link->in_at = writer->next_source;
    writer->next_source += link->from_groups;
}

/* How many links out, or in, and one of them. */
static uint32_t count_links(struct links *links, const struct gyre_kernel *kernel, bool out,
                            const struct link **one)
{
    uint32_t count = 0;
    for (const struct link *link = links->first; link; link = link->next) {
        bool counts = out ? is_out(link, kernel) : link->to == kernel;
        count += counts;
        *one = counts ? link : *one;
    }
    return count;
}

uint32_t route_shape(struct links *links, const struct gyre_kernel *kernel)
{
    const struct link *in = NULL;
    const struct link *out = NULL;
    uint32_t ins = count_links(links, kernel, false, &in);
    uint32_t outs = count_links(links, kernel, true, &out);
    uint32_t shape = (ins > 0 ? GYRE_LINKS_IN : 0) |
                     (outs > 0 || kernel->ended_ports ? GYRE_LINKS_OUT : 0);
    if (kernel->params.workgroups > 1) {
        return shape;
    }
    if (ins == 1 && in->from_groups == 1) {
        shape |= GYRE_LINKS_ONE_IN;
    }
    const struct spirv_info *info = &kernel->build.program.info;
    if (outs == 1 && out->to_groups == 1 && out->port == 0 && !out->lossy && info->max_sends == 1 &&
        out->stride == info->output.stride) {
        shape |= GYRE_LINKS_ONE_OUT;
    }
    return shape;
}

void route_write(struct gyre_kernel *kernel)
{
    struct links *links = kernel->services.links;
    if (!kernel->links || !atomic_exchange(&kernel->rerouted, false)) {
        return;
    }
    pthread_mutex_lock(&links->lock);
    links_sweep(links, kernel);
    struct route_sizes sizes = route_measure(links, kernel);
    struct writer writer = writer_begin(kernel, &sizes);
    for (uint32_t port = 0; port < sizes.ports; ++port) {
        uint32_t first = writer.next_target;
        gyre_spread spread = GYRE_SPREAD_EACH;
        for (struct link *link = links->first; link; link = link->next) {
            if (is_out(link, kernel) && link->port == port) {
                spread = link->spread;
                write_out(&writer, link);
            }
        }
        writer.ports[port] = (struct gyre_Port){
            .first = first, .count = writer.next_target - first, .spread = (uint32_t)spread};
    }
    for (struct link *link = links->first; link; link = link->next) {
        if (link->to == kernel) {
            write_in(&writer, link);
        }
    }
    pthread_mutex_unlock(&links->lock);
}

/* ---- accounts ---- */

static uint32_t advance(uint32_t *known, const uint32_t *word)
{
    uint32_t now = shared_load_relaxed(word); /* the submission has ended */
    uint32_t by = now - *known;
    *known = now;
    return by;
}

static void account_out(struct gyre_kernel *kernel, struct link *link)
{
    for (uint32_t from = 0; from < link->from_groups; ++from) {
        const struct gyre_MirrorOut *mirror =
            (const void *)(mirror_of(&kernel->build, from) + (size_t)link->out_at * 2);
        for (uint32_t to = 0; to < link->to_groups; ++to) {
            struct link_ring *ring = link_ring_of(link, from, to);
            uint64_t sent = advance(&ring->tail, &mirror[to].tail);
            uint64_t lost = advance(&ring->lost, &mirror[to].lost);
            link->sent += sent;
            link->lost += lost;
            kernel->stats.forwarded += sent;
            kernel->stats.link_lost += lost;
        }
    }
    if (link->closed && link->to) {
        uint64_t late = link_waiting(link) - link->dropped;
        link->dropped += late;
        link->to->late += late;
    }
}

static void account_in(const struct gyre_kernel *kernel, struct link *link)
{
    const struct gyre_Routes *routes = kernel->build.routes.mapped;
    for (uint32_t to = 0; to < link->to_groups; ++to) {
        const uint32_t *mirror = mirror_of(&kernel->build, to) + routes->mirror_in + link->in_at;
        for (uint32_t from = 0; from < link->from_groups; ++from) {
            link->taken += advance(&link_ring_of(link, from, to)->head, &mirror[from]);
        }
    }
}

void route_account(struct gyre_kernel *kernel)
{
    struct links *links = kernel->services.links;
    if (!kernel->links) {
        return;
    }
    pthread_mutex_lock(&links->lock);
    for (struct link *link = links->first; link; link = link->next) {
        if (link->from == kernel && link->out_at != LINK_NOWHERE) {
            account_out(kernel, link);
        }
        if (link->to == kernel && link->in_at != LINK_NOWHERE) {
            account_in(kernel, link);
        }
    }
    pthread_mutex_unlock(&links->lock);
}

struct route_inflow route_inflow(struct gyre_kernel *kernel)
{
    struct links *links = kernel->services.links;
    struct route_inflow inflow = {0};
    if (!kernel->links) {
        return inflow;
    }
    pthread_mutex_lock(&links->lock);
    inflow.late = kernel->late;
    for (const struct link *link = links->first; link; link = link->next) {
        if (link->to == kernel && !link->closed) {
            inflow.waiting += link_waiting(link);
            inflow.missed += link->lost;
        }
    }
    pthread_mutex_unlock(&links->lock);
    return inflow;
}

/* What a workgroup could do: the rule of gyre_await_linked() in shaders/gyre/link.glsl. */
struct chance {
    bool enters; /* a message from the host, or of a link outside of the cycle */
    bool goes_on;
};

static struct chance chance_of(struct links *links, const struct gyre_kernel *kernel,
                               uint32_t group)
{
    struct chance chance = {true, true};
    uint32_t sends = kernel->build.program.info.max_sends;
    for (struct link *link = links->first; link; link = link->next) {
        if (!is_out(link, kernel) || link->lossy) {
            continue;
        }
        for (uint32_t to = 0; to < link->to_groups; ++to) {
            const struct link_ring *ring = link_ring_of(link, group, to);
            /* The consumer may be accounted for further than the producer. */
            int32_t used = (int32_t)(ring->tail - ring->head);
            uint32_t left = link->slots - (used > 0 ? (uint32_t)used : 0);
            chance.enters = chance.enters && left >= (link->cycle ? 2 : sends);
            chance.goes_on = chance.goes_on && left >= (link->cycle ? 1 : sends);
        }
    }
    return chance;
}

static bool group_can_run(struct links *links, const struct gyre_kernel *kernel, uint32_t group,
                          bool queued)
{
    struct chance chance = chance_of(links, kernel, group);
    bool can = queued && chance.enters;
    for (struct link *link = links->first; link && !can; link = link->next) {
        for (uint32_t from = 0; link->to == kernel && from < link->from_groups && !can; ++from) {
            const struct link_ring *ring = link_ring_of(link, from, group);
            bool waits = (int32_t)(ring->tail - ring->head) > 0;
            can = waits && (link->cycle ? chance.goes_on : chance.enters);
        }
    }
    return can;
}

bool route_can_run(struct gyre_kernel *kernel, uint32_t group, bool queued)
{
    struct links *links = kernel->services.links;
    pthread_mutex_lock(&links->lock);
    bool can = group_can_run(links, kernel, group, queued);
    pthread_mutex_unlock(&links->lock);
    return can;
}

/* ---- the others ---- */

static struct gyre_kernel *other_end(const struct link *link, const struct gyre_kernel *kernel)
{
    return link->from == kernel ? link->to : link->to == kernel ? link->from : NULL;
}

/* One that is to be kicked, pinned; NULL: none is. */
static struct gyre_kernel *next_to_kick(struct links *links)
{
    for (struct link *link = links->first; link; link = link->next) {
        struct gyre_kernel *const ends[] = {link->to, link->from};
        for (size_t i = 0; i < LENGTH(ends); ++i) {
            if (ends[i] && ends[i]->to_kick) {
                ends[i]->to_kick = false;
                ends[i]->pins += 1;
                return ends[i];
            }
        }
    }
    return NULL;
}

void route_kick(struct gyre_kernel *kernel)
{
    struct links *links = kernel->services.links;
    pthread_mutex_lock(&links->lock);
    for (struct link *link = links->first; link; link = link->next) {
        struct gyre_kernel *other = other_end(link, kernel);
        if (other && other != kernel) {
            other->to_kick = true;
        }
    }
    for (struct gyre_kernel *other = next_to_kick(links); other; other = next_to_kick(links)) {
        pthread_mutex_unlock(&links->lock);
        residency_stir(other);
        pthread_mutex_lock(&links->lock);
        other->pins -= 1;
        pthread_cond_broadcast(&links->changed);
    }
    pthread_mutex_unlock(&links->lock);
}
