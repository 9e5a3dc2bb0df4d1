/* Random nets of kernels and random messages. Each message carries a script: to which ports every
 * kernel that it comes to is to send it. A model walks the net and says which answer comes out of
 * which kernel, how often, and which message fails; nothing else may come.
 *
 * GYRE_TEST_SEED chooses other nets, GYRE_TEST_NETS how many of them.
 */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>

enum { KERNELS_MOST = 6, PORTS = 4, NETS = 5, MESSAGES = 300, KEYS = 16, HOPS_MOST = 5 };
enum { BITS = 3, TO_HOST = 6, TO_NOTHING = 7, UNLINKED_PORT = 5 };

/* Two sends of BITS bits each to a hop, in `script`: a port, TO_HOST or TO_NOTHING. What has made
 * HOPS_MOST hops goes to the host. `path`: for each hop which send it was, and to which kernel. */
static const char STRUCTS[] = "struct Hop { uint tag; uint script; uint path; uint turns; };\n"
                              "struct Count { uint n; };\n"
                              "#define GYRE_INPUT Hop\n"
                              "#define GYRE_OUTPUT Hop\n"
                              "#define GYRE_STATE Count\n"
                              "#define GYRE_MAX_SENDS 2\n";

static const char HANDLER[] =
    "layout(std430, set = 1, binding = 0) readonly buffer Me { uint number; };\n"
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        uint done = 0u;\n"
    "        for (uint i = 0u; i < GYRE_IN.turns; ++i) { done = done * 5u + i % 3u; done ^= done >> 7; }\n"
    "        GYRE_SELF.n += 1u;\n"
    "        uint hops = gyre_message_hops();\n"
    "        uint sends = min(number + 2u, 2u); /* unknown to the compiler: a copy of the engine less */\n"
    "        for (uint i = 0u; i < sends; ++i) {\n"
    "            uint to = hops < 5u ? GYRE_IN.script >> ((hops * 2u + i) * 3u) & 7u : (i == 0u ? 6u : 7u);\n"
    "            if (to != 7u) {\n"
    "                GYRE_OUT.tag = GYRE_IN.tag;\n"
    "                GYRE_OUT.script = GYRE_IN.script;\n"
    "                GYRE_OUT.path = (GYRE_IN.path << 3 | number) << 1 | i;\n"
    "                GYRE_OUT.turns = done == 0xffffffffu ? 0u : GYRE_IN.turns;\n"
    "                gyre_send_to(to == 6u ? GYRE_HOST : to);\n"
    "            }\n"
    "        }\n"
    "    }\n"
    "}\n";

struct scripted {
    uint32_t tag;
    uint32_t script;
    uint32_t path;
    uint32_t turns;
};

struct port {
    uint32_t targets[KERNELS_MOST];
    uint32_t count;
    gyre_spread spread;
};

struct member {
    gyre_kernel *kernel;
    gyre_kernel_params params;
    struct port ports[PORTS];
    uint32_t entered; /* messages from the host */
    uint32_t answers; /* expected */
    uint32_t failures;
};

/* An answer that came out. */
struct seen {
    uint32_t kernel;
    uint32_t tag;
    uint32_t path;
    bool expected;
    struct seen *next; /* of the same message */
};

struct net {
    uint32_t seed;
    uint32_t count;
    struct member members[KERNELS_MOST];
    struct scripted messages[MESSAGES];
    uint32_t entry[MESSAGES];
    struct seen *seen;
    uint32_t seen_count;
    struct seen *of[MESSAGES];
    uint32_t failed[KERNELS_MOST][MESSAGES];
};

#define SEEN_MOST (MESSAGES * 4096u)

static uint32_t draw(struct net *net, uint32_t below)
{
    net->seed = net->seed * 1664525u + 1013904223u;
    return (net->seed >> 10) % below;
}

/* ---- made ---- */

static void choose_member(struct net *net, struct member *member)
{
    static const uint32_t fuels[] = {0, 0, 1, 2, 3, 7, 100};
    static const uint32_t indices[] = {0, 0, 0xfffffff0u, 0xffffffffu};
    /* Few shapes, for a driver compiles each of them in seconds. */
    static const gyre_kernel_params shapes[] = {
        {.window = 4, .output_window = 4},
        {.window = 16, .output_window = 8, .shards = 3},
        {.window = 2, .output_window = 32, .workgroups = 2},
    };
    member->params = shapes[draw(net, LENGTH(shapes))];
    member->params.fuel = fuels[draw(net, LENGTH(fuels))];
    member->params.first_index = indices[draw(net, LENGTH(indices))];
    member->params.message_budget = draw(net, 3) ? 0 : 1 + draw(net, 5);
    member->params.chain = draw(net, 3) ? 0 : 1;
    member->params.output_queue_size = draw(net, 2) ? 0 : 3;
}

/* Links lead to kernels of higher numbers only, so there is no cycle. */
static void link_members(struct net *net)
{
    for (uint32_t i = 0; i + 1 < net->count; ++i) {
        for (uint32_t p = 0; p < PORTS; ++p) {
            struct port *port = &net->members[i].ports[p];
            port->spread = (gyre_spread)draw(net, 3);
            for (uint32_t to = i + 1; to < net->count; ++to) {
                if (draw(net, net->count) > 1) {
                    continue;
                }
                ok(gyre_link(
                    net->members[i].kernel, p, net->members[to].kernel,
                    &(gyre_link_params){.spread = port->spread, .slots = 1u << draw(net, 5)}));
                port->targets[port->count++] = to;
            }
        }
    }
}

static uint32_t choose_script(struct net *net)
{
    uint32_t script = 0;
    for (uint32_t i = 0; i < 2 * HOPS_MOST; ++i) {
        uint32_t to = draw(net, 100) < 45  ? draw(net, PORTS)
                      : draw(net, 100) < 3 ? UNLINKED_PORT
                      : draw(net, 2)       ? TO_HOST
                                           : TO_NOTHING;
        script |= to << (i * BITS);
    }
    return script;
}

static void make(struct net *net, struct rig *rig)
{
    net->count = 3 + draw(net, KERNELS_MOST - 2);
    for (uint32_t i = 0; i < net->count; ++i) {
        static const char *const ids[] = {"a", "b", "c", "d", "e", "f"};
        struct member *member = &net->members[i];
        choose_member(net, member);
        gyre_binding me = {.set = 1, .binding = 0, .data = &i, .size = sizeof i};
        gyre_kernel_params params = member->params;
        params.id = ids[i];
        params.glsl = rig_glsl(STRUCTS, 1, HANDLER);
        params.bindings = &me;
        params.binding_count = 1;
        member->kernel = rig_launch(rig, params);
    }
    link_members(net);
    for (uint32_t i = 0; i < MESSAGES; ++i) {
        net->entry[i] = draw(net, net->count);
        net->messages[i] = (struct scripted){
            .tag = i,
            .script = choose_script(net),
            .path = 1,
            .turns = draw(net, 10) ? draw(net, 20) : draw(net, 15000),
        };
        net->members[net->entry[i]].entered += 1;
    }
}

/* ---- run ---- */

static void *send_all(void *argument)
{
    struct net *net = argument;
    for (uint32_t i = 0; i < MESSAGES; ++i) {
        gyre_message message = {
            .data = &net->messages[i],
            .size = sizeof net->messages[i],
            .key = i % KEYS,
            .priority = i * 37 % 256,
            .correlation = i,
        };
        if (gyre_send(net->members[net->entry[i]].kernel, &message, 2 * PATIENCE) != GYRE_OK) {
            return net;
        }
    }
    return NULL;
}

static void take_one(struct net *net, uint32_t from, const gyre_reply *reply)
{
    const struct scripted *answer = reply->data;
    cr_assert(reply->correlation < MESSAGES);
    uint32_t tag = (uint32_t)reply->correlation;
    cr_assert(reply->priority == tag * 37 % 256);
    if (reply->result == GYRE_ERROR_NO_ROUTE) {
        net->failed[from][tag] += 1;
        return;
    }
    cr_assert(reply->result == GYRE_OK, "%s", gyre_result_name(reply->result));
    cr_assert(answer->tag == tag && answer->script == net->messages[tag].script &&
              net->seen_count < SEEN_MOST);
    struct seen *seen = &net->seen[net->seen_count++];
    *seen = (struct seen){from, tag, answer->path, false, net->of[tag]};
    net->of[tag] = seen;
}

/* Everything has come to rest: all was taken that was sent. */
static bool is_done(struct net *net)
{
    uint64_t forwarded = 0;
    uint64_t linked = 0;
    bool idle = true;
    for (uint32_t i = 0; i < net->count; ++i) {
        gyre_stats stats = net_books(net->members[i].kernel);
        forwarded += stats.forwarded;
        linked += stats.linked;
        cr_assert(stats.corrupt == 0 && stats.output_dropped == 0);
        idle = idle && stats.accepted == net->members[i].entered + stats.linked &&
               stats.accepted == stats.processed + stats.failed && stats.unread == 0;
    }
    return idle && forwarded == linked;
}

static void describe(struct net *net)
{
    for (uint32_t i = 0; i < net->count; ++i) {
        gyre_stats s = flow_stats(net->members[i].kernel);
        const gyre_kernel_params *p = &net->members[i].params;
        cr_log_info("kernel %u: entered %u accepted %llu linked %llu processed %llu failed %llu "
                    "forwarded %llu waiting %llu staged %llu window %llu unread %llu fault %s; "
                    "shards %u workgroups %u fuel %u budget %u chain %u window %u/%u",
                    i, net->members[i].entered, (unsigned long long)s.accepted,
                    (unsigned long long)s.linked, (unsigned long long)s.processed,
                    (unsigned long long)s.failed, (unsigned long long)s.forwarded,
                    (unsigned long long)s.link_waiting, (unsigned long long)s.staged,
                    (unsigned long long)s.window, (unsigned long long)s.unread,
                    gyre_result_name(s.fault), p->shards, p->workgroups, p->fuel, p->message_budget,
                    p->chain, p->window, p->output_window);
    }
}

static void run(struct net *net)
{
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, send_all, net) == 0);
    uint64_t until = rig_now_ns() + PATIENCE;
    /* Twice: an answer may lie on the device still when the first look says that all are taken. */
    uint32_t done = 0;
    while (done < 2) {
        if (rig_now_ns() >= until) {
            describe(net);
            cr_assert_fail("it does not come to rest");
        }
        bool any = false;
        for (uint32_t i = 0; i < net->count; ++i) {
            struct scripted answer;
            gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
            while (gyre_try_receive(net->members[i].kernel, &reply) == GYRE_OK) {
                take_one(net, i, &reply);
                any = true;
            }
        }
        done = !any && is_done(net) ? done + 1 : 0;
        if (!any) {
            counting_sleep(200000);
        }
    }
    void *trouble = NULL;
    pthread_join(thread, &trouble);
    cr_assert_null(trouble);
}

/* ---- the model ---- */

/* Is there an answer that came this way? */
static void describe_message(const struct net *net, uint32_t tag)
{
    const struct scripted *message = &net->messages[tag];
    cr_log_info("message %u into kernel %u, script %o, turns %u", tag, net->entry[tag],
                message->script, message->turns);
    for (const struct seen *seen = net->of[tag]; seen; seen = seen->next) {
        cr_log_info("  out of kernel %u by %x%s", seen->kernel, seen->path,
                    seen->expected ? ", expected" : "");
    }
    for (uint32_t i = 0; i < net->count; ++i) {
        if (net->failed[i][tag]) {
            cr_log_info("  failed in kernel %u: %u", i, net->failed[i][tag]);
        }
        for (uint32_t p = 0; p < PORTS && tag < MESSAGES; ++p) {
            const struct port *port = &net->members[i].ports[p];
            cr_log_info("  %u port %u spread %u: %u of %u %u %u %u %u", i, p, port->spread,
                        port->count, port->targets[0], port->targets[1], port->targets[2],
                        port->targets[3], port->targets[4]);
        }
    }
}

static bool came_by(const struct net *net, uint32_t tag, uint32_t path, uint32_t bits)
{
    for (const struct seen *seen = net->of[tag]; seen; seen = seen->next) {
        uint32_t longer = seen->path;
        for (uint32_t hop = 0; hop <= HOPS_MOST && longer; ++hop) {
            if (longer == path) {
                return true;
            }
            longer >>= bits;
        }
    }
    return false;
}

static void expect(struct net *net, uint32_t at, uint32_t tag, uint32_t path)
{
    uint32_t found = 0;
    for (struct seen *seen = net->of[tag]; seen && !found; seen = seen->next) {
        if (seen->kernel == at && seen->path == path && !seen->expected) {
            seen->expected = true;
            found += 1;
        }
    }
    cr_assert(found == 1, "message %u did not come out of kernel %u by %x", tag, at, path);
}

static void walk(struct net *net, uint32_t at, uint32_t tag, uint32_t path, uint32_t hops);

/* Whose turn it is depends on the order of things: the one that has it is found by what came. When
 * nothing came by any of them, all those that could have been silent are. */
static void walk_turn(struct net *net, const struct port *port, uint32_t tag, uint32_t path,
                      uint32_t hops)
{
    uint32_t went = 0;
    for (uint32_t t = 0; t < port->count; ++t) {
        uint32_t next = (path << 3 | port->targets[t]);
        bool came = came_by(net, tag, next << 1, 4) || came_by(net, tag, next << 1 | 1, 4);
        if (came) {
            walk(net, port->targets[t], tag, path, hops);
            went += 1;
        }
    }
    cr_assert(went <= 1, "message %u took two turns", tag);
}

static void walk(struct net *net, uint32_t at, uint32_t tag, uint32_t path, uint32_t hops)
{
    uint32_t script = net->messages[tag].script;
    uint32_t to[2] = {TO_HOST, TO_NOTHING};
    for (uint32_t i = 0; i < 2 && hops < HOPS_MOST; ++i) {
        to[i] = script >> ((hops * 2 + i) * BITS) & 7;
    }
    for (uint32_t i = 0; i < 2; ++i) {
        bool to_link = to[i] < PORTS && net->members[at].ports[to[i]].count;
        if (to[i] != TO_HOST && to[i] != TO_NOTHING && !to_link && to[i] != 0) {
            if (net->failed[at][tag] == 0) {
                cr_log_info("walked to %u by %x", at, path);
                describe_message(net, tag);
                describe(net);
            }
            cr_assert(net->failed[at][tag] > 0, "message %u did not fail in kernel %u", tag, at);
            net->failed[at][tag] -= 1;
            return;
        }
    }
    for (uint32_t i = 0; i < 2; ++i) {
        uint32_t way = (path << 3 | at) << 1 | i;
        const struct port *port = to[i] < PORTS ? &net->members[at].ports[to[i]] : NULL;
        if (to[i] == TO_HOST || (to[i] == 0 && port->count == 0)) {
            expect(net, at, tag, way);
        } else if (port && port->spread == GYRE_SPREAD_EACH) {
            for (uint32_t t = 0; t < port->count; ++t) {
                walk(net, port->targets[t], tag, way, hops + 1);
            }
        } else if (port && port->spread == GYRE_SPREAD_BY_KEY) {
            uint32_t which = (tag % KEYS * 2654435761u >> 16) % port->count;
            walk(net, port->targets[which], tag, way, hops + 1);
        } else if (port) {
            walk_turn(net, port, tag, way, hops + 1);
        }
    }
}

static void compare(struct net *net)
{
    for (uint32_t tag = 0; tag < MESSAGES; ++tag) {
        walk(net, net->entry[tag], tag, 1, 0);
    }
    for (uint32_t i = 0; i < net->seen_count; ++i) {
        const struct seen *seen = &net->seen[i];
        cr_assert(seen->expected, "message %u came out of kernel %u by %x, which it should not",
                  seen->tag, seen->kernel, seen->path);
    }
}

static void try_net(uint32_t seed, enum rig_mode mode)
{
    static struct net net;
    struct seen *seen = net.seen ? net.seen : malloc(SEEN_MOST * sizeof *seen);
    cr_assert_not_null(seen);
    net = (struct net){.seed = seed, .seen = seen};
    struct rig rig;
    rig_open(&rig, mode);
    cr_log_info("GYRE_TEST_SEED=%u %s", seed, mode == RIG_LIVE ? "LIVE" : "STRICT");
    make(&net, &rig);
    for (uint32_t i = 0; i < net.count; ++i) {
        ok(gyre_kernel_activate(net.members[i].kernel));
    }
    uint64_t began = rig_now_ns();
    run(&net);
    uint64_t ran = rig_now_ns();
    compare(&net);
    cr_log_info("%u kernels, %u answers: %llu ms, and to compare %llu ms", net.count,
                net.seen_count, (unsigned long long)((ran - began) / MS),
                (unsigned long long)((rig_now_ns() - ran) / MS));
    rig_close(&rig);
}

Test(nets, messages_go_where_the_model_says)
{
    const char *seed = getenv("GYRE_TEST_SEED");
    const char *nets = getenv("GYRE_TEST_NETS");
    uint32_t first = seed ? (uint32_t)strtoul(seed, NULL, 0) : 1;
    uint32_t count = nets ? (uint32_t)strtoul(nets, NULL, 0) : NETS;
    for (uint32_t i = 0; i < count; ++i) {
        for (BOTH_MODES(mode)) {
            try_net(first + i, mode);
        }
    }
}
