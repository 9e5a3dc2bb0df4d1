/* Links that form cycles: tokens that go around, cycles with every slot taken, and the cycles that
 * are refused because they could fill up for good (A45, A46).
 */
#include "net.h"

#include <stdio.h>

enum { RING = 8, ROUNDS = 10000 };

/* ---- a token ---- */

static uint32_t count_of(gyre_kernel *kernel)
{
    net_send(kernel, (struct hop){.limit = 0});
    return net_take(kernel).n - 1;
}

static void make_ring(struct rig *rig, gyre_kernel **k, uint32_t count, uint32_t slots,
                      gyre_kernel_params params)
{
    for (uint32_t i = 0; i < count; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){.body = NET_ROUND}, params);
    }
    for (uint32_t i = 0; i < count; ++i) {
        ok(gyre_link(k[i], 0, k[(i + 1) % count], &(gyre_link_params){.slots = slots}));
    }
}

static void pass_token(struct rig *rig, uint32_t rounds)
{
    gyre_kernel *k[RING];
    make_ring(rig, k, RING, 4, (gyre_kernel_params){0});
    net_activate(k, RING);
    uint64_t began = rig_now_ns();
    net_send(k[0], (struct hop){.tag = 7, .limit = RING * rounds});
    struct hop token = net_take(k[0]);
    cr_log_info("%u hops: %llu ms", RING * rounds,
                (unsigned long long)((rig_now_ns() - began) / MS));
    cr_assert(token.tag == 7 && token.hops == RING * rounds && token.n == rounds + 1);
    for (uint32_t i = 0; i < RING; ++i) {
        uint32_t expected = rounds + (i == 0);
        cr_assert(count_of(k[i]) == expected, "kernel %u was there another number of times", i);
        gyre_stats stats = flow_rest(k[i]);
        net_books(k[i]);
        cr_assert(stats.forwarded == rounds && stats.linked == rounds &&
                  stats.processed == expected + 1);
        gyre_link_stats link = net_link(k[i], 0, k[(i + 1) % RING]);
        cr_assert(link.sent == rounds && link.waiting == 0 && link.lost == 0);
    }
}

Test(cycles, a_token_makes_ten_thousand_rounds)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        pass_token(&rig, mode == RIG_LIVE ? ROUNDS : ROUNDS / 8);
        rig_close(&rig);
    }
}

static void hop_too_far(struct rig *rig)
{
    gyre_kernel *k[3];
    make_ring(rig, k, 3, 2, (gyre_kernel_params){.max_hops = 5});
    net_activate(k, 3);
    net_send(k[0], (struct hop){.tag = 9, .limit = 5});
    cr_assert(net_take(k[2]).hops == 5); /* GYRE_HOST is not a link */
    net_send(k[0], (struct hop){.tag = 10, .limit = 6});
    gyre_reply reply = net_take_failure(k[2], GYRE_ERROR_HOPS);
    cr_assert(reply.correlation == 10);
    await(flow_stats(k[2]).failed == 1);
    cr_assert(flow_stats(k[2]).last_error == GYRE_ERROR_HOPS);
}

Test(cycles, a_message_that_comes_too_far_fails_by_name)
{
    net_in_both_modes(hop_too_far);
}

/* ---- full ---- */

enum { INJECTED = 60, MEMBERS_MOST = 5 };

struct injector {
    pthread_t thread;
    gyre_kernel *kernel;
    uint32_t first;
    uint32_t rounds;
    gyre_result result;
};

static void *inject(void *argument)
{
    struct injector *it = argument;
    for (uint32_t i = 0; i < INJECTED && it->result == GYRE_OK; ++i) {
        struct hop hop = {.tag = it->first + i, .limit = it->rounds + i % 3};
        it->result = gyre_send(
            it->kernel, &(gyre_message){.data = &hop, .size = sizeof hop, .correlation = hop.tag},
            PATIENCE);
    }
    return NULL;
}

/* Where it started and how far it went say where it comes out. */
static void take_all(gyre_kernel **k, uint32_t members, uint32_t rounds)
{
    bool seen[MEMBERS_MOST * INJECTED] = {false};
    uint32_t due[MEMBERS_MOST] = {0};
    for (uint32_t tag = 0; tag < members * INJECTED; ++tag) {
        due[(tag / INJECTED + rounds + tag % INJECTED % 3) % members] += 1;
    }
    for (uint32_t at = 0; at < members; ++at) {
        for (uint32_t i = 0; i < due[at]; ++i) {
            struct hop hop = net_take(k[at]);
            cr_assert(hop.tag < members * INJECTED && !seen[hop.tag] && hop.hops == hop.limit);
            cr_assert((hop.tag / INJECTED + hop.limit) % members == at);
            seen[hop.tag] = true;
        }
    }
    for (uint32_t at = 0; at < members; ++at) {
        gyre_stats stats = flow_rest(k[at]);
        net_books(k[at]);
        cr_assert(stats.link_waiting == 0 && stats.unread == 0);
        net_is_empty(k[at]);
    }
}

/* All members' queues, windows and links are as small as they can be: the host fills every place
 * there is before the first is let go. */
static void crowd(struct rig *rig, uint32_t members, uint32_t slots, gyre_kernel_params params)
{
    gyre_kernel *k[MEMBERS_MOST];
    params.window = 2;
    params.queue_size = 2;
    params.output_window = 1;
    params.output_queue_size = MEMBERS_MOST * INJECTED;
    make_ring(rig, k, members, slots, params);
    struct injector injectors[MEMBERS_MOST];
    uint32_t rounds = 3 * members + 1;
    for (uint32_t i = 0; i < members; ++i) {
        injectors[i] = (struct injector){.kernel = k[i], .first = i * INJECTED, .rounds = rounds};
        cr_assert(pthread_create(&injectors[i].thread, NULL, inject, &injectors[i]) == 0);
    }
    for (uint32_t i = 0; i < members; ++i) {
        await(flow_stats(k[i]).staged + flow_stats(k[i]).window >= 2);
    }
    net_activate(k, members);
    for (uint32_t i = 0; i < members; ++i) {
        pthread_join(injectors[i].thread, NULL);
        ok(injectors[i].result);
    }
    take_all(k, members, rounds);
    for (uint32_t i = 0; i < members; ++i) {
        gyre_kernel_destroy(k[i]);
    }
}

static void crowd_all(struct rig *rig)
{
    for (uint32_t slots = 2; slots <= 8; slots *= 2) {
        crowd(rig, 2, slots, (gyre_kernel_params){0});
    }
    crowd(rig, 1, 2, (gyre_kernel_params){0}); /* linked to itself */
    crowd(rig, 5, 2, (gyre_kernel_params){.fuel = 1});
    crowd(rig, 3, 2, (gyre_kernel_params){.message_budget = 1, .chain = 1});
    crowd(rig, 2, 2, (gyre_kernel_params){.first_index = 0xfffffff0u});
}

Test(cycles, a_cycle_with_every_slot_taken_goes_on)
{
    net_in_both_modes(crowd_all);
}

/* Pauses of members one after the other while the cycle is full. */
static void pause_members(struct rig *rig)
{
    enum { MEMBERS = 3 };
    gyre_kernel *k[MEMBERS];
    make_ring(rig, k, MEMBERS, 2, (gyre_kernel_params){.output_queue_size = MEMBERS * INJECTED});
    struct injector injectors[MEMBERS];
    net_activate(k, MEMBERS);
    for (uint32_t i = 0; i < MEMBERS; ++i) {
        injectors[i] = (struct injector){.kernel = k[i], .first = i * INJECTED, .rounds = 40};
        cr_assert(pthread_create(&injectors[i].thread, NULL, inject, &injectors[i]) == 0);
    }
    for (uint32_t i = 0; i < 30; ++i) {
        ok(gyre_kernel_deactivate(k[i % MEMBERS], PATIENCE));
        counting_sleep(1 * MS); /* the others run into its full ring */
        ok(gyre_kernel_reactivate(k[i % MEMBERS]));
    }
    for (uint32_t i = 0; i < MEMBERS; ++i) {
        pthread_join(injectors[i].thread, NULL);
        ok(injectors[i].result);
    }
    take_all(k, MEMBERS, 40);
}

Test(cycles, members_that_pause_lose_nothing)
{
    net_in_both_modes(pause_members);
}

/* A cycle closed over rings that are full already, opened again, and closed. */
static void close_over_full(struct rig *rig)
{
    enum { SLOTS = 4, MANY = 40 };
    gyre_kernel *k[3];
    for (uint32_t i = 0; i < 3; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){.body = NET_ROUND},
                          (gyre_kernel_params){.window = 64});
    }
    ok(gyre_link(k[0], 0, k[1], &(gyre_link_params){.slots = SLOTS}));
    ok(gyre_link(k[1], 0, k[2], &(gyre_link_params){.slots = SLOTS}));
    for (uint32_t i = 0; i < MANY; ++i) {
        net_send(k[0], (struct hop){.tag = i, .limit = 30});
        net_send(k[1], (struct hop){.tag = 100 + i, .limit = 30});
    }
    net_activate(k, 2);
    await(net_link(k[0], 0, k[1]).waiting == SLOTS && net_link(k[1], 0, k[2]).waiting == SLOTS);
    ok(gyre_kernel_deactivate(k[0], PATIENCE));
    ok(gyre_kernel_deactivate(k[1], PATIENCE));
    ok(gyre_link(k[2], 0, k[0], &(gyre_link_params){.slots = 2}));
    ok(gyre_kernel_activate(k[2]));
    ok(gyre_kernel_reactivate(k[0]));
    ok(gyre_kernel_reactivate(k[1]));
    bool seen[200] = {false};
    for (uint32_t i = 0; i < MANY; ++i) {
        struct hop first = net_take(k[0]);
        struct hop second = net_take(k[1]);
        cr_assert(first.tag < MANY && second.tag >= 100 && second.tag < 100 + MANY);
        cr_assert(!seen[first.tag] && !seen[second.tag]);
        seen[first.tag] = seen[second.tag] = true;
    }
}

Test(cycles, a_cycle_may_be_closed_over_rings_that_are_full)
{
    net_in_both_modes(close_over_full);
}

/* ---- refused ---- */

static void refuse(struct rig *rig)
{
    gyre_kernel *k[6];
    for (uint32_t i = 0; i < 6; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){.body = NET_ROUND, .sends = i == 4 ? 2 : 1},
                          (gyre_kernel_params){.workgroups = i == 5 ? 2 : 1});
    }
    ok(gyre_link(k[0], 0, k[1], NULL));
    ok(gyre_link(k[1], 0, k[0], NULL));
    ok(gyre_link(k[1], 1, k[2], NULL));
    gives(GYRE_ERROR_CYCLE, gyre_link(k[2], 0, k[1], NULL));
    cr_assert(rig_said(rig, "kernel 2 would be part of two cycles"), "%s", rig->log);
    gives(GYRE_ERROR_CYCLE, gyre_link(k[2], 0, k[0], NULL));
    gives(GYRE_ERROR_CYCLE, gyre_link(k[0], 1, k[0], NULL));
    gives(GYRE_ERROR_CYCLE, gyre_link(k[0], 1, k[1], NULL));
    ok(gyre_link(k[2], 0, k[1], &(gyre_link_params){.lossy = true, .slots = 1}));

    ok(gyre_link(k[3], 0, k[4], NULL));
    gives(GYRE_ERROR_CYCLE, gyre_link(k[4], 0, k[3], NULL));
    cr_assert(rig_said(rig, "kernel 5 may send more than one message for one"), "%s", rig->log);
    gives(GYRE_ERROR_CYCLE, gyre_link(k[4], 0, k[4], NULL));
    gives(GYRE_ERROR_CYCLE, gyre_link(k[5], 0, k[5], NULL));
    cr_assert(rig_said(rig, "kernel 6 has several workgroups"), "%s", rig->log);
    gives(GYRE_ERROR_CYCLE, gyre_link(k[3], 1, k[3], &(gyre_link_params){.slots = 1}));
    cr_assert(rig_said(rig, "kernel 4 would have a ring of one slot"), "%s", rig->log);
    ok(gyre_link(k[3], 1, k[3], &(gyre_link_params){.slots = 2}));

    /* A refused one leaves nothing behind. */
    gives(GYRE_ERROR_NOT_FOUND, gyre_unlink(k[2], 0, k[0], NULL));
    ok(gyre_unlink(k[1], 0, k[0], NULL));
    gives(GYRE_ERROR_CYCLE, gyre_link(k[0], 2, k[0], &(gyre_link_params){.slots = 1}));
    ok(gyre_link(k[2], 1, k[0], &(gyre_link_params){.slots = 2})); /* now the only one */
    gives(GYRE_ERROR_CYCLE, gyre_link(k[1], 0, k[0], NULL));
}

Test(cycles, those_that_could_fill_up_are_refused_with_a_reason)
{
    net_in_both_modes(refuse);
}

static void refuse_active(struct rig *rig)
{
    gyre_kernel *k[3];
    for (uint32_t i = 0; i < 3; ++i) {
        k[i] =
            net_launch(rig, i + 1, (struct net_text){.body = NET_ROUND}, (gyre_kernel_params){0});
    }
    ok(gyre_link(k[0], 0, k[1], NULL));
    ok(gyre_link(k[1], 0, k[2], NULL));
    ok(gyre_kernel_activate(k[1]));
    gives(GYRE_ERROR_STATE, gyre_link(k[2], 0, k[0], NULL));
    cr_assert(rig_said(rig, "kernel 2 is part of the cycle"), "%s", rig->log);
    ok(gyre_kernel_deactivate(k[1], PATIENCE));
    ok(gyre_link(k[2], 0, k[0], NULL));
    ok(gyre_kernel_reactivate(k[1]));
    net_activate((gyre_kernel *[]){k[0], k[2]}, 2);
    net_send(k[1], (struct hop){.tag = 1, .limit = 300});
    cr_assert(net_take(k[1]).hops == 300);
}

Test(cycles, an_active_member_is_named)
{
    net_in_both_modes(refuse_active);
}

/* With a lossy link nothing is held back: what finds it full is gone, the rest goes around. */
static void lose_around(struct rig *rig)
{
    enum { MANY = 50 };
    gyre_kernel *k[2];
    for (uint32_t i = 0; i < 2; ++i) {
        k[i] = net_launch(rig, i + 1, (struct net_text){.body = NET_ROUND, .sends = 2 - i},
                          (gyre_kernel_params){0});
    }
    ok(gyre_link(k[0], 0, k[1], &(gyre_link_params){.lossy = true, .slots = 2}));
    ok(gyre_link(k[1], 0, k[0], &(gyre_link_params){.slots = 2}));
    for (uint32_t i = 0; i < MANY; ++i) {
        net_send(k[0], (struct hop){.tag = i, .limit = 21});
    }
    net_activate(k, 1);
    await(flow_stats(k[0]).processed == MANY);
    await(flow_stats(k[0]).link_lost == MANY - 2);
    net_activate(k + 1, 1);
    gyre_stats a;
    gyre_stats b;
    await((a = flow_stats(k[0]), b = flow_stats(k[1]),
           a.processed == MANY + b.forwarded && b.processed == a.forwarded));
    ok(gyre_kernel_deactivate(k[0], PATIENCE));
    ok(gyre_kernel_deactivate(k[1], PATIENCE));
    a = net_books(k[0]);
    b = net_books(k[1]);
    cr_assert(b.unread + a.link_lost == MANY, "%llu came out, %llu were lost",
              (unsigned long long)b.unread, (unsigned long long)a.link_lost);
    cr_assert(a.forwarded + a.link_lost == a.processed);
    cr_assert(net_link(k[0], 0, k[1]).lost == a.link_lost);
}

Test(cycles, with_a_lossy_link_it_is_not_one)
{
    net_in_both_modes(lose_around);
}
