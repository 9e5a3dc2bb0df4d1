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
        net_take_failure(k[0], GYRE_ERROR_NO_ROUTE);
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

static bool is_over(gyre_kernel *kernel, uint64_t messages, gyre_stats *stats)
{
    *stats = net_books(kernel);
    return stats->processed + stats->failed == messages;
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
    await(is_over(k[0], MANY, &from));
    gyre_stats to = net_books(k[1]);
    cr_assert(from.forwarded == to.linked, "%llu were sent, %llu accounted for",
              (unsigned long long)from.forwarded, (unsigned long long)to.linked);
    cr_assert(from.processed + from.failed == MANY && from.forwarded == from.processed);
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
    gyre_kernel *from = net_launch(
        rig, 1, (struct net_text){.sends = SENDS, .body = MANY_SENDS},
        (gyre_kernel_params){.chain = 1, .fuel = 0x7fffffff, .message_budget = 0x7fffffff});
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

/* ---- a slow stage ---- */

/* All that the pipeline holds is taken, the sender is told, and then all of it comes out in order.
 */
static void press_back(struct rig *rig)
{
    enum { MANY = 400 };
    gyre_kernel *k[3];
    for (uint32_t i = 0; i < 3; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){0},
                          (gyre_kernel_params){
                              .queue_size = 4,
                              .window = 2,
                              .output_queue_size = 4,
                              .output_window = 2,
                              .backpressure = i == 0 ? GYRE_REJECT : GYRE_BLOCK,
                          });
    }
    ok(gyre_link(k[0], 0, k[1], &(gyre_link_params){.slots = 4}));
    ok(gyre_link(k[1], 0, k[2], &(gyre_link_params){.slots = 2}));
    net_activate(k, 3);
    uint32_t full = 0;
    uint32_t taken = 0;
    for (uint32_t sent = 0; sent < MANY;) {
        struct hop hop = {.tag = sent, .turns = 5000};
        gyre_result result = gyre_try_send(
            k[0], &(gyre_message){.data = &hop, .size = sizeof hop, .correlation = sent});
        cr_assert(result == GYRE_OK || result == GYRE_ERROR_FULL, "%s", gyre_result_name(result));
        sent += result == GYRE_OK;
        full += result != GYRE_OK;
        if (result != GYRE_OK) {
            /* Nobody takes answers until now: the last stage's are full, and the first sender
             * knows. */
            cr_assert(net_take(k[2]).tag == taken);
            taken += 1;
        }
    }
    cr_assert(full > 0);
    for (; taken < MANY; ++taken) {
        cr_assert(net_take(k[2]).tag == taken);
    }
    for (uint32_t i = 0; i < 3; ++i) {
        gyre_stats stats = flow_rest(k[i]);
        net_books(k[i]);
        cr_assert(stats.processed == MANY && stats.forwarded == (i < 2 ? MANY : 0));
        net_is_empty(k[i]);
    }
}

Test(links, a_slow_last_stage_holds_the_first_sender_back)
{
    net_in_both_modes(press_back);
}

/* ---- what a handler may do wrong ---- */

/* mode: how many sends; limit: fail after that many. */
#define SEND_AND_FAIL \
    "PASS for (uint i = 0u; i < GYRE_IN.mode; ++i) {" \
    "    if (GYRE_IN.limit == i) { gyre_fail(77u); }" \
    "    gyre_send_to(GYRE_IN.mode == 100u ? 9u : i == 3u ? GYRE_HOST : i % 4u);" \
    "}"

static void fail_after_sends(struct rig *rig)
{
    gyre_kernel *k[4];
    k[0] = net_launch(rig, 1, (struct net_text){.sends = 4, .body = SEND_AND_FAIL},
                      (gyre_kernel_params){0});
    for (uint32_t i = 1; i < 4; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){0}, (gyre_kernel_params){0});
        link_to(k[0], 0, k[i], GYRE_SPREAD_EACH);
    }
    link_to(k[0], 1, k[1], GYRE_SPREAD_EACH);
    link_to(k[0], 2, k[2], GYRE_SPREAD_EACH);
    net_activate(k, 4);
    static const struct {
        uint32_t sends;
        uint32_t fail;
        gyre_result result;
    } cases[] = {
        {4, 9, GYRE_OK},
        {4, 1, GYRE_ERROR_HANDLER},
        {4, 3, GYRE_ERROR_HANDLER},
        {5, 9, GYRE_ERROR_OVERSENT},
        {1, 9, GYRE_OK},
        {3, 0, GYRE_ERROR_HANDLER},
        {100, 200, GYRE_ERROR_NO_ROUTE},
    };
    for (uint32_t i = 0; i < LENGTH(cases); ++i) {
        net_send(k[0], (struct hop){.tag = i, .mode = cases[i].sends, .limit = cases[i].fail});
    }
    cr_assert(net_take(k[0]).tag == 0);
    for (uint32_t i = 0; i < LENGTH(cases); ++i) {
        if (cases[i].result != GYRE_OK) {
            gyre_reply reply = net_take_failure(k[0], cases[i].result);
            cr_assert(reply.correlation == i &&
                      reply.code == (reply.result == GYRE_ERROR_HANDLER ? 77 : 0));
        }
    }
    /* Message 0 by port 0 and the port of its own, message 4 by port 0; nothing of the others. */
    for (uint32_t i = 1; i < 4; ++i) {
        for (uint32_t n = 0; n < (i < 3 ? 2 : 1); ++n) {
            cr_assert(net_take(k[i]).tag == 0);
        }
        cr_assert(net_take(k[i]).tag == 4);
        flow_rest(k[i]);
        net_is_empty(k[i]);
        net_books(k[i]);
    }
    cr_assert(flow_rest(k[0]).forwarded == 3 + 1 + 1 + 3);
}

Test(links, nothing_arrives_of_a_message_that_failed)
{
    net_in_both_modes(fail_after_sends);
}

/* ---- what is carried along ---- */

#define SET_KEY "PASS gyre_set_key(GYRE_IN.mode); gyre_send();"

static void carry(struct rig *rig)
{
    gyre_kernel *k[3] = {
        net_launch(rig, 1, (struct net_text){0}, (gyre_kernel_params){0}),
        net_launch(rig, 2, (struct net_text){.body = SET_KEY}, (gyre_kernel_params){0}),
        net_launch(rig, 3, (struct net_text){0}, (gyre_kernel_params){0}),
    };
    link_to(k[0], 0, k[1], GYRE_SPREAD_EACH);
    link_to(k[1], 0, k[2], GYRE_SPREAD_EACH);
    net_activate(k, 3);
    uint64_t id = 0;
    struct hop hop = {.tag = 5, .mode = 0xdeadbeef};
    ok(gyre_send(k[0],
                 &(gyre_message){.data = &hop,
                                 .size = sizeof hop,
                                 .key = 42,
                                 .priority = 201,
                                 .correlation = 0x123456789abcdefull,
                                 .id = &id},
                 PATIENCE));
    gyre_reply reply = {.data = &hop, .capacity = sizeof hop};
    ok(gyre_receive(k[2], &reply, PATIENCE));
    cr_assert(reply.id == id && reply.priority == 201 && reply.correlation == 0x123456789abcdefull);
    cr_assert(hop.key == 0xdeadbeef && hop.hops == 2 && hop.path == 0x123);
    /* A request to the first: processed there without an answer. */
    reply = (gyre_reply){.data = &hop, .capacity = sizeof hop};
    ok(gyre_request(k[0], &(gyre_message){.data = &hop, .size = sizeof hop}, &reply, PATIENCE));
    cr_assert(reply.flags & GYRE_REPLY_SILENT);
}

Test(links, priority_id_correlation_and_key_are_carried)
{
    net_in_both_modes(carry);
}

/* ---- undone and made anew ---- */

static void relink(struct rig *rig)
{
    enum { SLOTS = 8, MANY = 30 };
    gyre_kernel *k[3];
    for (uint32_t i = 0; i < 3; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){0}, (gyre_kernel_params){.window = 64});
    }
    ok(gyre_link(k[0], 0, k[1], &(gyre_link_params){.slots = SLOTS}));
    for (uint32_t i = 0; i < MANY; ++i) {
        net_send(k[0], (struct hop){.tag = i});
    }
    net_activate(k, 1);
    await(net_link(k[0], 0, k[1]).waiting == SLOTS);
    gives(GYRE_ERROR_STATE, gyre_unlink(k[0], 0, k[1], NULL));
    ok(gyre_kernel_deactivate(k[0], PATIENCE));
    uint64_t dropped = 0;
    gives(GYRE_ERROR_NOT_FOUND, gyre_unlink(k[0], 1, k[1], &dropped));
    gives(GYRE_ERROR_NOT_FOUND, gyre_unlink(k[1], 0, k[0], &dropped));
    ok(gyre_unlink(k[0], 0, k[1], &dropped));
    cr_assert(dropped == SLOTS && net_books(k[1]).dropped_unlinked == SLOTS);
    ok(gyre_link(k[0], 0, k[2], &(gyre_link_params){.slots = SLOTS}));
    net_activate(k + 1, 2);
    ok(gyre_kernel_reactivate(k[0]));
    for (uint32_t i = SLOTS; i < MANY; ++i) {
        struct hop hop = net_take(k[2]);
        cr_assert(hop.tag == i && hop.n == i - SLOTS + 1);
    }
    /* In any order: what the gone one has sent is still there. */
    ok(gyre_kernel_deactivate(k[2], PATIENCE));
    net_send(k[0], (struct hop){.tag = 99});
    await(net_link(k[0], 0, k[2]).waiting == 1);
    gyre_kernel_destroy(k[0]);
    ok(gyre_kernel_reactivate(k[2]));
    cr_assert(net_take(k[2]).tag == 99);
    gyre_kernel_destroy(k[1]);
}

Test(links, a_link_undone_and_made_to_another_kernel)
{
    net_in_both_modes(relink);
}

/* ---- refused ---- */

static void refuse(struct rig *rig)
{
    gyre_kernel *a = net_launch(rig, 1, (struct net_text){0}, (gyre_kernel_params){0});
    gyre_kernel *b = net_launch(rig, 2, (struct net_text){0}, (gyre_kernel_params){0});
    gyre_kernel *c = net_launch(rig, 3, (struct net_text){0}, (gyre_kernel_params){0});
    gyre_kernel *narrow = rig_launch(rig, counting_params("narrow"));
    gyre_kernel_params params = counting_params("created");
    gyre_kernel *created = NULL;
    ok(gyre_kernel_create(rig->runtime, &params, &created));
    struct rig other;
    rig_open(&other, RIG_STRICT);
    gyre_kernel *elsewhere = net_launch(&other, 1, (struct net_text){0}, (gyre_kernel_params){0});
    gives(GYRE_ERROR_INVALID, gyre_link(a, 0, elsewhere, NULL));
    cr_assert(rig_said(rig, "belong to different runtimes"), "%s", rig->log);
    rig_close(&other);

    gives(GYRE_ERROR_INVALID, gyre_link(NULL, 0, b, NULL));
    gives(GYRE_ERROR_INVALID, gyre_link(a, 0, NULL, NULL));
    gives(GYRE_ERROR_INVALID, gyre_link(a, GYRE_PORTS_MAX, b, NULL));
    cr_assert(rig_said(rig, "ports 0 to 63"), "%s", rig->log);
    gives(GYRE_ERROR_INVALID, gyre_link(a, 0, b, &(gyre_link_params){.flags = 1}));
    gives(GYRE_ERROR_INVALID, gyre_link(a, 0, b, &(gyre_link_params){.reserved = 1}));
    gives(GYRE_ERROR_INVALID, gyre_link(a, 0, b, &(gyre_link_params){.spread = (gyre_spread)3}));
    gives(GYRE_ERROR_INVALID, gyre_link(a, 0, b, &(gyre_link_params){.slots = UINT32_MAX}));
    gives(GYRE_ERROR_LIMIT, gyre_link(a, 0, b, &(gyre_link_params){.slots = 1u << 20}));
    gives(GYRE_ERROR_INTERFACE, gyre_link(a, 0, narrow, NULL));
    cr_assert(rig_said(rig, "kernel 1 sends 32 bytes (GYRE_OUTPUT), kernel narrow takes 8"), "%s",
              rig->log);
    gives(GYRE_ERROR_STATE, gyre_link(a, 0, created, NULL));
    cr_assert(rig_said(rig, "kernel created is CREATED"), "%s", rig->log);
    ok(gyre_link(a, 63, b, NULL));
    gives(GYRE_ERROR_ALREADY_EXISTS, gyre_link(a, 63, b, NULL));
    gives(GYRE_ERROR_INVALID,
          gyre_link(a, 63, c, &(gyre_link_params){.spread = GYRE_SPREAD_ROUND_ROBIN}));
    ok(gyre_link(a, 63, c, NULL));
    ok(gyre_kernel_activate(b));
    gives(GYRE_ERROR_STATE, gyre_link(a, 0, b, NULL));
    gives(GYRE_ERROR_INVALID, gyre_unlink(NULL, 0, b, NULL));
    gyre_link_stats stats;
    gives(GYRE_ERROR_INVALID, gyre_link_get_stats(a, 63, b, NULL));
    gives(GYRE_ERROR_INVALID, gyre_link_get_stats(NULL, 63, b, &stats));
    gives(GYRE_ERROR_NOT_FOUND, gyre_link_get_stats(a, 62, b, &stats));
    ok(gyre_kernel_terminate(b, GYRE_DROP, PATIENCE, NULL));
    gives(GYRE_ERROR_STATE, gyre_link(a, 1, b, NULL));
    net_send(a, (struct hop){.tag = 3});
    ok(gyre_kernel_activate(a));
    cr_assert(net_take(a).tag == 3); /* port 0 is the host still */
}

Test(links, what_cannot_be_linked_is_refused_by_name)
{
    net_in_both_modes(refuse);
}

/* ---- a handler that writes where it should not ---- */

#define SCRIBBLE \
    "PASS gyre_send();" \
    "if (GYRE_IN.mode == 1u) {" \
    "    for (uint i = 0u; i < 4096u; ++i) { gyre_arena[i] = i * 2654435761u; }" \
    "}" \
    "if (GYRE_IN.mode == 2u) {" \
    "    for (uint i = 0u; i < 32u; ++i) { gyre_mirror[i] = i * 2654435761u; }" \
    "}"

/* Without work: what it finds in a link may say anything. */
#define TAG_ONLY "GYRE_OUT.tag = GYRE_IN.tag; gyre_send();"

/* Its own messages may be lost, and what is linked to it may fail; the host goes on, and so does a
 * kernel without links. */
static void scribble(struct rig *rig)
{
    for (uint32_t harm = 1; harm <= 2; ++harm) {
        gyre_kernel *k[3] = {
            net_launch(rig, 1, (struct net_text){.body = SCRIBBLE}, (gyre_kernel_params){0}),
            net_launch(rig, 2, (struct net_text){.body = TAG_ONLY}, (gyre_kernel_params){0}),
            net_launch(rig, 3, (struct net_text){0}, (gyre_kernel_params){0}),
        };
        link_to(k[0], 0, k[1], GYRE_SPREAD_EACH);
        net_activate(k, 3);
        for (uint32_t i = 0; i < 40; ++i) {
            struct hop hop = {.tag = i, .mode = i == 20 ? harm : 0};
            gyre_result result =
                gyre_send(k[0], &(gyre_message){.data = &hop, .size = sizeof hop}, 100 * MS);
            cr_assert(result == GYRE_OK || result == GYRE_ERROR_TIMEOUT ||
                      result == GYRE_ERROR_CORRUPT);
            net_send(k[2], (struct hop){.tag = i});
            cr_assert(net_take(k[2]).tag == i);
        }
        counting_sleep(20 * MS);
        for (uint32_t i = 0; i < 2; ++i) {
            gyre_reply reply = {0};
            while (gyre_try_receive(k[i], &reply) == GYRE_OK) {}
            gyre_result result = gyre_kernel_deactivate(k[i], PATIENCE);
            cr_assert(result == GYRE_OK || result == GYRE_ERROR_CORRUPT, "%s",
                      gyre_result_name(result));
            ok(gyre_kernel_terminate(k[i], GYRE_DROP, PATIENCE, NULL));
        }
        for (uint32_t i = 0; i < 3; ++i) {
            gyre_kernel_destroy(k[i]);
        }
    }
}

Test(links, a_handler_that_scribbles_over_the_links_harms_those_only)
{
    net_in_both_modes(scribble);
}

/* ---- payloads ---- */

enum { WORDS_MOST = 15360 };

/* Lane by lane, from the host into one kernel, along a link, and out of the other. */
static void carry_payload(struct rig *rig, uint32_t words, uint32_t lanes)
{
    static uint32_t sent[WORDS_MOST];
    static uint32_t got[WORDS_MOST];
    char structs[256];
    snprintf(structs, sizeof structs,
             "struct Words { uint words[%u]; };\n#define GYRE_INPUT Words\n"
             "#define GYRE_OUTPUT Words\n",
             words);
    char body[512];
    snprintf(body, sizeof body,
             "void main() { while (gyre_receive()) {\n"
             "    for (uint i = gl_LocalInvocationIndex; i < %uu; i += gl_WorkGroupSize.x) {\n"
             "        GYRE_OUT.words[i] = GYRE_IN.words[i] * 3u + i; }\n"
             "    gyre_send(); } }\n",
             words);
    gyre_kernel *k[2];
    static const char *const ids[] = {"first", "second"};
    for (uint32_t i = 0; i < 2; ++i) {
        k[i] = rig_launch(rig, (gyre_kernel_params){.id = ids[i],
                                                    .window = 4,
                                                    .queue_size = 16,
                                                    .output_window = 8,
                                                    .glsl = rig_glsl(structs, lanes, body)});
    }
    ok(gyre_link(k[0], 0, k[1], &(gyre_link_params){.slots = 4}));
    net_activate(k, 2);
    for (uint32_t n = 0; n < 10; ++n) {
        for (uint32_t i = 0; i < words; ++i) {
            sent[i] = (n + 1) * 2654435761u ^ i;
        }
        ok(gyre_send(k[0], &(gyre_message){.data = sent, .size = words * 4}, PATIENCE));
        gyre_reply reply = {.data = got, .capacity = sizeof got};
        ok(gyre_receive(k[1], &reply, PATIENCE));
        cr_assert(reply.result == GYRE_OK && reply.size == words * 4, "%s",
                  gyre_result_name(reply.result));
        for (uint32_t i = 0; i < words; ++i) {
            cr_assert(got[i] == (sent[i] * 3 + i) * 3 + i, "word %u of %u, %u lanes", i, words,
                      lanes);
        }
    }
    gyre_kernel_destroy(k[0]);
    gyre_kernel_destroy(k[1]);
}

static void carry_payloads(struct rig *rig)
{
    static const struct {
        uint32_t words;
        uint32_t lanes;
    } cases[] = {{1, 1}, {1, 32}, {16, 1}, {16, 64}, {1024, 32}, {WORDS_MOST, 1}, {WORDS_MOST, 64}};
    for (size_t i = 0; i < LENGTH(cases); ++i) {
        carry_payload(rig, cases[i].words, cases[i].lanes);
    }
}

Test(links, payloads_of_all_sizes_are_carried_by_all_lanes)
{
    net_in_both_modes(carry_payloads);
}

/* ---- many into one ---- */

static void fan_in(struct rig *rig)
{
    enum { FROM = 4, EACH = 120 };
    gyre_kernel *from[FROM];
    gyre_kernel *to = net_launch(rig, 9, (struct net_text){0},
                                 (gyre_kernel_params){.output_queue_size = FROM * EACH});
    for (uint32_t i = 0; i < FROM; ++i) {
        from[i] = net_launch(rig, i + 1, (struct net_text){0}, (gyre_kernel_params){.window = 128});
        ok(gyre_link(from[i], 0, to, &(gyre_link_params){.slots = i == 0 ? 1 : 8}));
    }
    net_activate(&to, 1);
    net_activate(from, FROM);
    for (uint32_t n = 0; n < EACH; ++n) {
        for (uint32_t i = 0; i < FROM; ++i) {
            net_send(from[i], (struct hop){.tag = n, .mode = i});
        }
    }
    uint32_t next[FROM] = {0};
    for (uint32_t i = 0; i < FROM * EACH; ++i) {
        struct hop hop = net_take(to);
        cr_assert(hop.mode < FROM && hop.tag == next[hop.mode] && hop.n == i + 1);
        next[hop.mode] += 1;
    }
    gyre_stats stats = flow_rest(to);
    net_books(to);
    cr_assert(stats.linked == FROM * EACH && stats.link_waiting == 0);
    for (uint32_t i = 0; i < FROM; ++i) {
        await(net_link(from[i], 0, to).sent == EACH);
    }
}

Test(links, four_producers_into_one_consumer)
{
    net_in_both_modes(fan_in);
}
