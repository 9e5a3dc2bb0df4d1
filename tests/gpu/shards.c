/* Shards: workgroups that each own a part of the keys, many more of them than the device runs at
 * once (S4). Every key's messages are worked on by one workgroup, in their order, on its own state.
 */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>

/* tag numbers the messages of a key; mode carries the key. What a shard keeps of each key is an
 * ordinary array: nobody else touches it. */
#define KEYS_PER_SHARD 4u
#define MANY_SHARDS 512u

static const char STRUCTS[] =
    "struct Hop { uint tag; uint mode; uint limit; uint turns; uint n; uint hops; uint key;"
    " uint path; };\n"
    "struct Keys { uint n; uint next[4]; };\n"
    "#define GYRE_INPUT Hop\n"
    "#define GYRE_OUTPUT Hop\n"
    "#define GYRE_STATE Keys\n";

static const char HANDLER[] =
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        uint key = gyre_message_key();\n"
    "        uint mine = key / gyre_shards() % 4u;\n"
    "        bool right = key % gyre_shards() == gyre_shard() && GYRE_SELF.next[mine] == GYRE_IN.tag\n"
    "            && GYRE_IN.mode == key;\n"
    "        GYRE_SELF.next[mine] += 1u;\n"
    "        GYRE_SELF.n += 1u;\n"
    "        GYRE_OUT.tag = GYRE_IN.tag;\n"
    "        GYRE_OUT.mode = GYRE_IN.mode;\n"
    "        GYRE_OUT.limit = right ? 1u : 0u;\n"
    "        GYRE_OUT.turns = 0u;\n"
    "        GYRE_OUT.n = GYRE_SELF.n;\n"
    "        GYRE_OUT.hops = gyre_message_hops();\n"
    "        GYRE_OUT.key = key;\n"
    "        GYRE_OUT.path = gyre_shard();\n"
    "        gyre_send();\n"
    "    }\n"
    "}\n";

static gyre_kernel *launch_sharded(struct rig *rig, uint32_t shards, gyre_kernel_params params)
{
    params.id = "sharded";
    params.shards = shards;
    params.glsl = rig_glsl(STRUCTS, 1, HANDLER);
    params.queue_size = 4096;
    params.output_queue_size = 1 << 16;
    return rig_launch(rig, params);
}

/* Messages 0 to `each` - 1 of every key, the keys interleaved. */
static void send_all(gyre_kernel *to, uint32_t keys, uint32_t each)
{
    for (uint32_t n = 0; n < each; ++n) {
        for (uint32_t key = 0; key < keys; ++key) {
            net_send_keyed(to, (struct hop){.tag = n, .mode = key}, key, 0);
        }
    }
}

static void take_all(gyre_kernel *from, uint32_t shards, uint32_t keys, uint32_t each,
                     uint32_t hops)
{
    uint32_t *next = calloc(keys, sizeof *next);
    uint32_t *done = calloc(shards, sizeof *done);
    cr_assert(next && done);
    for (uint32_t i = 0; i < keys * each; ++i) {
        struct hop hop = net_take(from);
        cr_assert(hop.key < keys && hop.key == hop.mode && hop.path == hop.key % shards &&
                      hop.limit == 1 && hop.hops == hops,
                  "key %u, message %u in shard %u", hop.key, hop.tag, hop.path);
        cr_assert(hop.tag == next[hop.key], "message %u of key %u, not %u", hop.tag, hop.key,
                  next[hop.key]);
        next[hop.key] += 1;
        done[hop.path] += 1;
        cr_assert(hop.n == done[hop.path]);
    }
    net_is_empty(from);
    gyre_stats stats = flow_rest(from);
    net_books(from);
    cr_assert(stats.processed == (uint64_t)keys * each && stats.link_waiting == 0);
    free(next);
    free(done);
}

static void feed_by_host(struct rig *rig, uint32_t shards, uint32_t each, gyre_kernel_params params)
{
    uint64_t began = rig_now_ns();
    gyre_kernel *kernel = launch_sharded(rig, shards, params);
    ok(gyre_kernel_activate(kernel));
    uint64_t launched = rig_now_ns();
    uint32_t keys = shards * KEYS_PER_SHARD;
    send_all(kernel, keys, each);
    uint64_t sent = rig_now_ns();
    take_all(kernel, shards, keys, each, 0);
    gyre_stats stats = flow_stats(kernel);
    cr_log_info("%u shards, %u messages: launch %llu ms, sent in %llu ms, taken after %llu ms; "
                "%llu submissions, %llu ms on the device",
                shards, keys * each, (unsigned long long)((launched - began) / MS),
                (unsigned long long)((sent - launched) / MS),
                (unsigned long long)((rig_now_ns() - sent) / MS),
                (unsigned long long)stats.submissions,
                (unsigned long long)(stats.resident_ns / MS));
    gyre_kernel_destroy(kernel);
}

static void feed_few(struct rig *rig)
{
    static const uint32_t counts[] = {1, 2, 3, 7};
    for (size_t i = 0; i < LENGTH(counts); ++i) {
        feed_by_host(rig, counts[i], 60, (gyre_kernel_params){0});
    }
    feed_by_host(rig, 3, 60, (gyre_kernel_params){.fuel = 3});
    feed_by_host(rig, 7, 60, (gyre_kernel_params){.message_budget = 1, .window = 2});
    feed_by_host(rig, 5, 60, (gyre_kernel_params){.first_index = 0xffffffe0u});
}

Test(shards, every_key_has_its_workgroup_and_keeps_its_order)
{
    net_in_both_modes(feed_few);
}

static void feed_many(struct rig *rig)
{
    feed_by_host(rig, MANY_SHARDS, 6, (gyre_kernel_params){.window = 8});
}

Test(shards, five_hundred_and_twelve_on_a_device_of_few_all_make_progress)
{
    net_in_both_modes(feed_many);
}

/* One key only has work: its shard is served, though 511 others have nothing. */
static void feed_one(struct rig *rig)
{
    gyre_kernel *kernel = launch_sharded(rig, MANY_SHARDS, (gyre_kernel_params){.window = 2});
    ok(gyre_kernel_activate(kernel));
    for (uint32_t i = 0; i < 20; ++i) {
        net_send_keyed(kernel, (struct hop){.tag = i, .mode = 509}, 509, 0);
        struct hop hop = net_take(kernel);
        cr_assert(hop.tag == i && hop.path == 509 && hop.n == i + 1);
    }
}

Test(shards, the_only_one_with_work_is_served)
{
    net_in_both_modes(feed_one);
}

/* ---- by a link ---- */

#define SPREAD_KEYS "PASS gyre_set_key(GYRE_IN.mode); gyre_send();"

static void feed_by_link(struct rig *rig, uint32_t producers, uint32_t shards, uint32_t each)
{
    uint64_t began = rig_now_ns();
    /* A key's messages must come one way to stay in order: the producers are shards as well. */
    gyre_kernel *from = net_launch(rig, 1, (struct net_text){.body = SPREAD_KEYS},
                                   (gyre_kernel_params){.shards = producers});
    gyre_kernel *to = launch_sharded(rig, shards, (gyre_kernel_params){.window = 2});
    ok(gyre_link(from, 0, to, &(gyre_link_params){.slots = 16}));
    net_activate((gyre_kernel *[]){from, to}, 2);
    uint32_t keys = shards * KEYS_PER_SHARD;
    send_all(from, keys, each);
    take_all(to, shards, keys, each, 1);
    gyre_stats stats = flow_rest(from);
    cr_assert(stats.forwarded == (uint64_t)keys * each);
    cr_assert(flow_stats(to).linked == stats.forwarded);
    cr_log_info("%u to %u shards, %u messages: %llu ms", producers, shards, keys * each,
                (unsigned long long)((rig_now_ns() - began) / MS));
    gyre_kernel_destroy(from);
    gyre_kernel_destroy(to);
}

static void feed_all_by_link(struct rig *rig)
{
    static const uint32_t counts[] = {1, 2, 3, 7};
    for (size_t i = 0; i < LENGTH(counts); ++i) {
        feed_by_link(rig, 1, counts[i], 30);
    }
    feed_by_link(rig, 3, 5, 30);
}

Test(shards, a_link_finds_the_workgroup_of_the_key)
{
    net_in_both_modes(feed_all_by_link);
}

static void feed_many_by_link(struct rig *rig)
{
    feed_by_link(rig, 1, MANY_SHARDS, 3);
}

Test(shards, a_link_feeds_five_hundred_and_twelve)
{
    net_in_both_modes(feed_many_by_link);
}

/* A pause in the middle, host's and links' messages together, keys far from 0. */
static void pause_and_go_on(struct rig *rig)
{
    enum { SHARDS = 7, EACH = 40, KEYS = SHARDS * 4 };
    gyre_kernel *kernel = launch_sharded(rig, SHARDS, (gyre_kernel_params){0});
    ok(gyre_kernel_activate(kernel));
    for (uint32_t n = 0; n < EACH; ++n) {
        for (uint32_t key = 0; key < KEYS; ++key) {
            net_send_keyed(kernel, (struct hop){.tag = n, .mode = key}, key, 0);
        }
        if (n % 5 == 0) {
            ok(gyre_kernel_deactivate(kernel, PATIENCE));
            ok(gyre_kernel_reactivate(kernel));
        }
    }
    take_all(kernel, SHARDS, KEYS, EACH, 0);
}

Test(shards, keys_keep_their_order_over_pauses)
{
    net_in_both_modes(pause_and_go_on);
}
