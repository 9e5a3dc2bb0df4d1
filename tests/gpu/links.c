/* Links from kernel to kernel: who gets a message, how often and in which order; what holds whom
 * back; links that are made, undone and cut off under load; what is refused.
 */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>

static void link_to(gyre_kernel *from, uint32_t port, gyre_kernel *to, gyre_spread spread)
{
    ok(gyre_link(from, port, to, &(gyre_link_params){.spread = spread}));
}

/* ---- who gets it ---- */

enum { TURNS = 60 };

/* Every third message only goes to the port whose turns are counted. */
#define THIRD_TO_ONE "PASS gyre_send_to(GYRE_IN.tag % 3u == 0u ? 1u : GYRE_HOST);"

static void take_turns(struct rig *rig)
{
    gyre_kernel *k[4];
    k[0] = net_launch(rig, 1, (struct net_text){.body = THIRD_TO_ONE}, (gyre_kernel_params){0});
    for (uint32_t i = 1; i < 4; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){0}, (gyre_kernel_params){0});
        link_to(k[0], 1, k[i], GYRE_SPREAD_ROUND_ROBIN);
    }
    net_activate(k, 4);
    for (uint32_t i = 0; i < 3 * 3 * TURNS; ++i) {
        net_send(k[0], (struct hop){.tag = i});
    }
    uint32_t first[3];
    for (uint32_t i = 0; i < 3; ++i) {
        for (uint32_t n = 0; n < TURNS; ++n) {
            struct hop hop = net_take(k[i + 1]);
            first[i] = n == 0 ? hop.tag : first[i];
            cr_assert(hop.tag == first[i] + 9 * n, "kernel %u got %u as its %u.", i, hop.tag, n);
        }
    }
    cr_assert(first[0] < 9 && first[0] + first[1] + first[2] == 9);
}

Test(links, round_robin_gives_each_consumer_every_third_message_of_the_port)
{
    net_in_both_modes(take_turns);
}

/* The turns among the kernels and those among a kernel's workgroups do not fall together. */
static void reach_all_workgroups(struct rig *rig)
{
    gyre_kernel *k[3];
    k[0] = net_launch(rig, 1, (struct net_text){0}, (gyre_kernel_params){0});
    for (uint32_t i = 1; i < 3; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){0}, (gyre_kernel_params){.workgroups = 2});
        link_to(k[0], 0, k[i], GYRE_SPREAD_ROUND_ROBIN);
    }
    net_activate(k, 3);
    for (uint32_t i = 0; i < 40; ++i) {
        net_send(k[0], (struct hop){.tag = i});
    }
    for (uint32_t i = 1; i < 3; ++i) {
        uint32_t most = 0;
        for (uint32_t n = 0; n < 20; ++n) {
            struct hop hop = net_take(k[i]);
            most = hop.n > most ? hop.n : most;
        }
        cr_assert(most == 10, "a workgroup of kernel %u got %u of 20", i, most);
    }
}

Test(links, round_robin_reaches_all_workgroups_of_all_consumers)
{
    net_in_both_modes(reach_all_workgroups);
}

/* ---- taking turns with the host ---- */

static void share_with_host(struct rig *rig, gyre_kernel_params params)
{
    enum { MANY = 64 };
    gyre_kernel *idle = net_launch(rig, 1, (struct net_text){0}, (gyre_kernel_params){0});
    gyre_kernel *busy = net_launch(rig, 2, (struct net_text){0}, (gyre_kernel_params){0});
    gyre_kernel *to = net_launch(rig, 3, (struct net_text){0}, params);
    link_to(idle, 0, to, GYRE_SPREAD_EACH);
    link_to(busy, 0, to, GYRE_SPREAD_EACH);
    net_activate((gyre_kernel *[]){idle, busy}, 2);
    for (uint32_t i = 0; i < MANY; ++i) {
        net_send(busy, (struct hop){.tag = i});
        net_send(to, (struct hop){.tag = i});
    }
    await(net_link(busy, 0, to).sent == MANY);
    ok(gyre_kernel_activate(to));
    uint32_t from_host = 0;
    uint32_t worst = 0;
    uint32_t row = 0;
    for (uint32_t i = 0; i < 2 * MANY && from_host < MANY; ++i) {
        bool host = net_take(to).hops == 0;
        from_host += host;
        row = host ? row + 1 : 0;
        worst = row > worst ? row : worst;
    }
    cr_assert(worst <= 4, "%u messages from the host in a row while a link had some", worst);
}

static void share(struct rig *rig)
{
    share_with_host(rig, (gyre_kernel_params){.window = 64});
}

static void share_in_short_stays(struct rig *rig)
{
    share_with_host(rig, (gyre_kernel_params){.window = 64, .fuel = 2});
}

Test(links, a_link_is_not_starved_by_the_host_and_an_idle_link)
{
    net_in_both_modes(share);
}

Test(links, a_link_is_not_starved_either_where_a_residency_is_one_message)
{
    net_in_both_modes(share_in_short_stays);
}

static void wake_by_far_source(struct rig *rig)
{
    gyre_kernel *from =
        net_launch(rig, 1, (struct net_text){0}, (gyre_kernel_params){.shards = 200});
    gyre_kernel *to = net_launch(rig, 2, (struct net_text){0}, (gyre_kernel_params){.fuel = 1});
    link_to(from, 0, to, GYRE_SPREAD_EACH);
    net_activate((gyre_kernel *[]){from, to}, 2);
    static const uint32_t keys[] = {199, 198, 0, 100, 60, 20};
    for (uint32_t i = 0; i < LENGTH(keys); ++i) {
        net_send_keyed(from, (struct hop){.tag = i}, keys[i], 0);
        cr_assert(net_take(to).key == keys[i]);
    }
    net_books(to);
}

Test(links, a_residency_of_one_look_finds_a_message_among_200_rings)
{
    net_in_both_modes(wake_by_far_source);
}

/* ---- ends ---- */

static void go_on_without(struct rig *rig, gyre_terminate_mode mode)
{
    enum { MANY = 64, SLOTS = 8 };
    gyre_kernel *k[2] = {
        net_launch(rig, 1, (struct net_text){0}, (gyre_kernel_params){.window = MANY}),
        net_launch(rig, 2, (struct net_text){0}, (gyre_kernel_params){0}),
    };
    ok(gyre_link(k[0], 0, k[1], &(gyre_link_params){.slots = SLOTS}));
    net_activate(k, 1);
    for (uint32_t i = 0; i < MANY; ++i) {
        net_send(k[0], (struct hop){.tag = i});
    }
    await(net_link(k[0], 0, k[1]).waiting == SLOTS);
    uint64_t dropped = 0;
    ok(gyre_kernel_terminate(k[1], mode, PATIENCE, &dropped));
    cr_assert(dropped == SLOTS, "%llu", (unsigned long long)dropped);
    for (uint32_t i = SLOTS; i < MANY; ++i) {
        cr_assert(net_take(k[0]).tag == i);
    }
    gyre_link_stats stats;
    gives(GYRE_ERROR_NOT_FOUND, gyre_link_get_stats(k[0], 0, k[1], &stats));
    gyre_stats from = net_books(k[0]);
    gyre_stats to = net_books(k[1]);
    cr_assert(from.forwarded == SLOTS && to.linked == SLOTS && to.dropped_terminated == SLOTS);
}

static void go_on_without_consumer(struct rig *rig)
{
    go_on_without(rig, GYRE_DROP);
}

Test(links, a_producer_held_back_goes_on_when_its_consumer_terminates)
{
    net_in_both_modes(go_on_without_consumer);
}

/* What is under way while the consumer ends is counted by one of the two. */
static void end_under_load(struct rig *rig)
{
    enum { MANY = 3000 };
    gyre_kernel *k[2] = {
        net_launch(rig, 1, (struct net_text){0}, (gyre_kernel_params){.queue_size = MANY}),
        net_launch(rig, 2, (struct net_text){0},
                   (gyre_kernel_params){.output_window = 4096, .output_queue_size = MANY}),
    };
    ok(gyre_link(k[0], 0, k[1], &(gyre_link_params){.slots = 64}));
    net_activate(k, 2);
    for (uint32_t i = 0; i < MANY; ++i) {
        net_send(k[0], (struct hop){.tag = i, .turns = 50});
        if (i == MANY / 2) {
            uint64_t dropped;
            ok(gyre_kernel_terminate(k[1], GYRE_DROP, PATIENCE, &dropped));
        }
    }
    gyre_stats from;
    await((from = net_books(k[0])).processed == MANY);
    gyre_stats to = net_books(k[1]);
    cr_assert(from.forwarded == to.linked, "%llu were sent, %llu accounted for",
              (unsigned long long)from.forwarded, (unsigned long long)to.linked);
    cr_assert(from.forwarded + from.received + from.unread == MANY);
    uint32_t next = 0;
    for (uint64_t i = 0; i < to.processed; ++i) {
        cr_assert(net_take(k[1]).tag == next++);
    }
    gives(GYRE_ERROR_TERMINATED, gyre_receive(k[1], &(gyre_reply){0}, PATIENCE));
}

Test(links, what_is_under_way_to_a_kernel_that_terminates_is_counted)
{
    net_in_both_modes(end_under_load);
}

/* ---- memory ---- */

/* Cut off at any size, a link that does not fit leaves those that are there as they were. */
static void outgrow(struct rig *rig)
{
    (void)rig;
    for (uint64_t bytes = 2048; bytes <= 5120; bytes += 512) {
        struct rig small;
        rig_open_with(&small, (gyre_runtime_params){.link_memory = bytes});
        gyre_kernel *from =
            net_launch(&small, 1, (struct net_text){.sends = 16}, (gyre_kernel_params){0});
        gyre_kernel *to[4];
        uint32_t linked = 0;
        gyre_result result = GYRE_OK;
        for (uint32_t i = 0; i < LENGTH(to); ++i) {
            to[i] = net_launch(&small, i + 2, (struct net_text){0}, (gyre_kernel_params){0});
            if (result == GYRE_OK) {
                result = gyre_link(from, 0, to[i], &(gyre_link_params){.slots = 1});
                linked += result == GYRE_OK;
            }
        }
        cr_assert(result == GYRE_ERROR_LIMIT || result == GYRE_OK);
        net_activate(to, LENGTH(to));
        net_activate(&from, 1);
        if (linked) {
            for (uint32_t i = 0; i < 20; ++i) {
                net_send(from, (struct hop){.tag = i});
            }
        }
        for (uint32_t i = 0; i < linked; ++i) {
            for (uint32_t n = 0; n < 20; ++n) {
                cr_assert(net_take(to[i]).tag == n, "%u of %u at %u", i, linked, (uint32_t)bytes);
            }
        }
        rig_close(&small);
    }
}

Test(links, a_link_that_does_not_fit_leaves_the_others_working)
{
    outgrow(NULL);
}

/* Those that are gone leave nothing behind. */
static void come_and_go(struct rig *rig)
{
    (void)rig;
    struct rig small;
    rig_open_with(&small, (gyre_runtime_params){.link_memory = 32768});
    gyre_kernel *to = net_launch(&small, 1, (struct net_text){0}, (gyre_kernel_params){0});
    for (uint32_t i = 0; i < 12; ++i) {
        gyre_kernel *from = net_launch(&small, 2, (struct net_text){0}, (gyre_kernel_params){0});
        ok(gyre_link(from, 0, to, &(gyre_link_params){.slots = 256}));
        gyre_kernel_destroy(from);
    }
    rig_close(&small);
}

Test(links, kernels_that_come_and_go_do_not_use_up_the_memory_for_links)
{
    come_and_go(NULL);
}

/* ---- what the driver cuts ---- */

enum { SENDS = 16, WIDE = 3, BATCH = 50 };
#define MANY_SENDS "PASS for (uint i = 0u; i < 16u; ++i) { GYRE_OUT.limit = i; gyre_send(); }"
#define CHECK_AND_ANSWER_LAST \
    "PASS if (GYRE_IN.tag * 16u + GYRE_IN.limit + 1u != GYRE_SELF.n) { gyre_fail(GYRE_SELF.n); }" \
    "else if (GYRE_IN.limit == 15u) { gyre_send(); }"

/* A cut may fall between an acknowledgement and what it publishes: that is made up for, also after
 * the last message for the time being, and over a pause. */
static void publish_in_spite_of_cuts(struct rig *rig)
{
    uint32_t batches = rig->profile.loop_limit ? 60 : 10;
    gyre_kernel *from = net_launch(rig, 1, (struct net_text){.sends = SENDS, .body = MANY_SENDS},
                                   (gyre_kernel_params){.chain = 1, .fuel = 0x7fffffff});
    gyre_kernel *to[WIDE];
    for (uint32_t i = 0; i < WIDE; ++i) {
        to[i] = net_launch(rig, i + 2, (struct net_text){.body = CHECK_AND_ANSWER_LAST},
                           (gyre_kernel_params){0});
        ok(gyre_link(from, 0, to[i], &(gyre_link_params){.slots = 1024}));
    }
    net_activate(to, WIDE);
    net_activate(&from, 1);
    for (uint32_t batch = 0; batch < batches; ++batch) {
        for (uint32_t i = 0; i < BATCH; ++i) {
            net_send(from, (struct hop){.tag = batch * BATCH + i, .turns = i % 7});
        }
        if (batch % 4 == 3) {
            ok(gyre_kernel_deactivate(from, PATIENCE));
            ok(gyre_kernel_reactivate(from));
        }
        for (uint32_t i = 0; i < WIDE * BATCH; ++i) {
            struct hop hop = net_take(to[i % WIDE]);
            cr_assert(hop.tag == batch * BATCH + i / WIDE && hop.n == (hop.tag + 1) * SENDS);
        }
    }
    gyre_stats stats = net_books(from);
    cr_assert(!rig->profile.loop_limit || stats.redelivered > 0, "nothing was cut");
}

Test(links, what_a_message_sent_is_published_in_spite_of_cuts)
{
    net_in_both_modes(publish_in_spite_of_cuts);
}

/* Likewise where it is the only message, cut at any place of what comes after its own work: its
 * messages must not wait for the next one to be sent. */
static void publish_the_only_one(struct rig *rig)
{
    uint32_t limit = rig->profile.loop_limit ? rig->profile.loop_limit : 65535;
    gyre_kernel *k[2] = {
        net_launch(rig, 1, (struct net_text){.sends = SENDS, .body = MANY_SENDS},
                   (gyre_kernel_params){.chain = 1, .fuel = 0x7fffffff}),
        net_launch(rig, 2, (struct net_text){.body = NET_RELAY}, (gyre_kernel_params){0}),
    };
    ok(gyre_link(k[0], 0, k[1], NULL));
    net_activate(k, 2);
    uint32_t whole = 0;
    uint32_t failed = 0;
    for (uint32_t turns = limit - 1000; turns < limit + 20; turns += 5) {
        net_send(k[0], (struct hop){.tag = turns, .turns = turns});
        uint64_t ended = whole + failed + 1;
        gyre_stats stats;
        await((stats = net_books(k[0]), stats.processed + stats.failed == ended));
        if (stats.failed > failed) {
            net_take_failure(k[0], GYRE_ERROR_LOOP_LIMIT);
            failed += 1;
            continue;
        }
        whole += 1;
        for (uint32_t i = 0; i < SENDS; ++i) {
            struct hop hop = net_take(k[1]);
            cr_assert(hop.tag == turns && hop.limit == i);
        }
    }
    cr_assert(rig->profile.loop_limit ? failed > 0 && whole > 0 : failed == 0);
    net_is_empty(k[1]);
}

Test(links, the_only_message_is_published_wherever_it_is_cut)
{
    net_in_both_modes(publish_the_only_one);
}
