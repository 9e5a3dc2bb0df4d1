/* Publish and subscribe by name: who gets what, and what slow subscribers lose. */
#include "flow.h"
#include "rig.h"

#define BOTH(mode) \
    enum rig_mode mode = RIG_STRICT; \
    mode <= RIG_LIVE; \
    ++mode

struct note {
    uint32_t value;
    uint32_t hops;
};

#define STRUCTS \
    "struct Note { uint value; uint hops; };\n" \
    "#define GYRE_INPUT Note\n#define GYRE_OUTPUT Note\n"

/* A message goes on to the port that its value modulo 4 says; 3 is answered. */
static const char publisher[] = "void main()\n"
                                "{\n"
                                "    while (gyre_receive()) {\n"
                                "        GYRE_OUT.value = GYRE_IN.value;\n"
                                "        GYRE_OUT.hops = gyre_message_hops();\n"
                                "        uint port = GYRE_IN.value % 4u;\n"
                                "        gyre_send_to(port == 3u ? GYRE_HOST : port + 1u);\n"
                                "    }\n"
                                "}\n";

static const char listener[] = "void main()\n"
                               "{\n"
                               "    while (gyre_receive()) {\n"
                               "        GYRE_OUT.value = GYRE_IN.value;\n"
                               "        GYRE_OUT.hops = gyre_message_hops();\n"
                               "        gyre_send();\n"
                               "    }\n"
                               "}\n";

static gyre_kernel *launch(struct rig *rig, const char *id, const char *body)
{
    return rig_launch(rig, (gyre_kernel_params){.id = id, .glsl = rig_glsl(STRUCTS, 1, body)});
}

static void send(gyre_kernel *kernel, uint32_t value)
{
    struct note note = {.value = value};
    ok(gyre_send(kernel, &(gyre_message){.data = &note, .size = sizeof note, .correlation = value},
                 10 * S));
}

static struct note expect(gyre_kernel *kernel, uint32_t value)
{
    struct note note = {0};
    gyre_reply reply = {.data = &note, .capacity = sizeof note};
    ok(gyre_receive(kernel, &reply, 20 * S));
    gives(GYRE_OK, reply.result);
    cr_assert_eq(note.value, value, "%s has %u, not %u", gyre_kernel_id(kernel), note.value, value);
    cr_assert_eq(reply.correlation, value);
    return note;
}

static void expect_none(gyre_kernel *kernel)
{
    gyre_reply reply = {0};
    gives(GYRE_ERROR_EMPTY, gyre_try_receive(kernel, &reply));
}

/* Who publishes or subscribes first does not matter; a message comes once for two patterns. */
Test(topics, everybody_gets_what_matches_and_nothing_else)
{
    for (BOTH(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *sensor = launch(&rig, "sensor", publisher);
        gyre_kernel *all = launch(&rig, "all", listener);
        gyre_kernel *kitchen = launch(&rig, "kitchen", listener);
        gyre_kernel *heat = launch(&rig, "heat", listener);
        ok(gyre_topic_publish(sensor, 1, "house.kitchen.heat"));
        ok(gyre_topic_subscribe(kitchen, "house.kitchen.*", 0));
        ok(gyre_topic_subscribe(kitchen, "#.heat", 0));
        ok(gyre_topic_subscribe(all, "#", 0));
        ok(gyre_topic_subscribe(heat, "*.*.heat", 0));
        ok(gyre_topic_publish(sensor, 2, "house.kitchen.light"));
        ok(gyre_topic_publish(sensor, 3, "house.cellar.heat"));
        gyre_kernel *const group[] = {sensor, all, kitchen, heat};
        ok(gyre_kernels_activate(group, 4));
        for (uint32_t value = 0; value < 40; ++value) {
            send(sensor, value);
        }
        for (uint32_t value = 0; value < 40; ++value) {
            uint32_t port = value % 4;
            if (port == 3) {
                expect(sensor, value);
                continue;
            }
            cr_assert_eq(expect(all, value).hops, 1);
            expect(kitchen, value);
            if (port != 1) {
                cr_assert_eq(expect(heat, value).hops, 1);
            }
        }
        ok(gyre_kernels_terminate(group, 4, GYRE_DRAIN, 10 * S, NULL));
        for (size_t i = 0; i < 4; ++i) {
            gyre_reply reply = {0};
            gives(GYRE_ERROR_TERMINATED, gyre_try_receive(group[i], &reply));
        }
        rig_close(&rig);
    }
}

/* A subscriber that is paused holds nobody back: what does not fit its ring is lost, counted at
 * both ends, and the rest comes. */
Test(topics, what_a_slow_subscriber_loses_is_counted)
{
    enum { SENT = 200, SLOTS = 16 };
    for (BOTH(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *sensor = launch(&rig, "sensor", publisher);
        gyre_kernel *quick = launch(&rig, "quick", listener);
        gyre_kernel *slow = launch(&rig, "slow", listener);
        ok(gyre_topic_publish(sensor, 1, "news"));
        ok(gyre_topic_subscribe(quick, "news", 512));
        ok(gyre_topic_subscribe(slow, "*", SLOTS));
        ok(gyre_kernel_activate(sensor));
        ok(gyre_kernel_activate(quick));
        for (uint32_t i = 0; i < SENT; ++i) {
            send(sensor, i * 4);
        }
        for (uint32_t i = 0; i < SENT; ++i) {
            expect(quick, i * 4);
        }
        gyre_stats stats = flow_rest(sensor);
        cr_assert_eq(stats.processed, SENT);
        cr_assert_eq(stats.forwarded, SENT + SLOTS);
        cr_assert_eq(stats.link_lost, SENT - SLOTS);
        ok(gyre_kernel_stats(slow, &stats));
        cr_assert_eq(stats.link_missed, SENT - SLOTS);
        cr_assert_eq(stats.link_waiting, SLOTS);
        gyre_link_stats link;
        ok(gyre_link_get_stats(sensor, 1, slow, &link));
        cr_assert(link.sent == SLOTS && link.lost == SENT - SLOTS && link.waiting == SLOTS);
        ok(gyre_kernel_activate(slow));
        for (uint32_t i = 0; i < SLOTS; ++i) {
            expect(slow, i * 4);
        }
        expect_none(slow);
        rig_close(&rig);
    }
}

Test(topics, unsubscribing_takes_away_what_no_other_pattern_asks_for)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    gyre_kernel *sensor = launch(&rig, "sensor", publisher);
    gyre_kernel *to = launch(&rig, "to", listener);
    ok(gyre_topic_publish(sensor, 1, "a.b"));
    ok(gyre_topic_publish(sensor, 2, "a.c"));
    ok(gyre_topic_subscribe(to, "a.*", 0));
    ok(gyre_topic_subscribe(to, "*.c", 0));
    gyre_link_stats link;
    ok(gyre_link_get_stats(sensor, 1, to, &link));
    ok(gyre_link_get_stats(sensor, 2, to, &link));
    ok(gyre_kernel_activate(to));
    gives(GYRE_ERROR_STATE, gyre_topic_unsubscribe(to, "a.*"));
    ok(gyre_link_get_stats(sensor, 1, to, &link));
    ok(gyre_kernel_deactivate(to, 10 * S));
    ok(gyre_topic_unsubscribe(to, "a.*"));
    gives(GYRE_ERROR_NOT_FOUND, gyre_link_get_stats(sensor, 1, to, &link));
    ok(gyre_link_get_stats(sensor, 2, to, &link));
    gives(GYRE_ERROR_NOT_FOUND, gyre_topic_unsubscribe(to, "a.*"));
    ok(gyre_topic_unsubscribe(to, "*.c"));
    gives(GYRE_ERROR_NOT_FOUND, gyre_link_get_stats(sensor, 2, to, &link));
    gyre_kernel *const group[] = {sensor, to};
    ok(gyre_kernel_reactivate(to));
    ok(gyre_kernel_activate(group[0]));
    send(sensor, 4); /* port 1 leads nowhere now */
    gyre_reply reply = {0};
    ok(gyre_receive(sensor, &reply, 10 * S));
    gives(GYRE_ERROR_NO_ROUTE, reply.result);
    rig_close(&rig);
}

Test(topics, all_links_of_a_call_are_made_or_none)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    gyre_kernel *first = launch(&rig, "first", listener);
    gyre_kernel *second = launch(&rig, "second", listener);
    gyre_kernel *sensor = launch(&rig, "sensor", publisher);
    ok(gyre_topic_subscribe(first, "#", 0));
    ok(gyre_topic_subscribe(second, "#", 0));
    ok(gyre_kernel_activate(first));
    gives(GYRE_ERROR_STATE, gyre_topic_publish(sensor, 1, "a"));
    cr_assert(rig_said(&rig, "first"));
    gyre_link_stats link;
    gives(GYRE_ERROR_NOT_FOUND, gyre_link_get_stats(sensor, 1, second, &link));
    ok(gyre_kernel_deactivate(first, 10 * S));
    ok(gyre_topic_publish(sensor, 1, "a"));
    ok(gyre_link_get_stats(sensor, 1, first, &link));
    ok(gyre_link_get_stats(sensor, 1, second, &link));
    gyre_kernel_destroy(second);
    ok(gyre_link_get_stats(sensor, 1, first, &link));
    gyre_kernel *third = launch(&rig, "second", listener); /* the name is free again */
    gives(GYRE_ERROR_NOT_FOUND, gyre_link_get_stats(sensor, 1, third, &link));
    rig_close(&rig);
}

Test(topics, the_host_sends_to_all_that_listen)
{
    struct rig rig;
    rig_open(&rig, RIG_LIVE);
    gyre_kernel *a = launch(&rig, "a", listener);
    gyre_kernel_params small = {
        .id = "b", .glsl = rig_glsl(STRUCTS, 1, listener), .queue_size = 1, .window = 1};
    gyre_kernel *b = rig_launch(&rig, small);
    ok(gyre_topic_subscribe(a, "x.#", 0));
    ok(gyre_topic_subscribe(b, "x", 0));
    ok(gyre_topic_subscribe(b, "x.y", 0));
    struct note note = {.value = 7};
    gyre_message message = {.data = &note, .size = sizeof note, .correlation = 7};
    uint32_t delivered = 99;
    uint32_t lost = 99;
    ok(gyre_topic_send(rig.runtime, "nobody", &message, &delivered, &lost));
    cr_assert(delivered == 0 && lost == 0);
    ok(gyre_topic_send(rig.runtime, "x.y", &message, &delivered, &lost));
    cr_assert(delivered == 2 && lost == 0);
    ok(gyre_topic_send(rig.runtime, "x", &message, &delivered, &lost));
    cr_assert(delivered == 1 && lost == 1); /* b has room for one */
    gives(GYRE_ERROR_INVALID, gyre_topic_send(rig.runtime, "x.*", &message, NULL, NULL));
    message.size = 4;
    gives(GYRE_ERROR_SIZE, gyre_topic_send(rig.runtime, "x.z", &message, &delivered, &lost));
    cr_assert(delivered == 0 && lost == 1);
    ok(gyre_kernel_activate(a));
    cr_assert_eq(expect(a, 7).hops, 0);
    cr_assert_eq(expect(a, 7).hops, 0);
    rig_close(&rig);
}

Test(topics, names_that_cannot_be_are_refused)
{
    struct rig rig;
    rig_open(&rig, RIG_STRICT);
    gyre_kernel *kernel = launch(&rig, "kernel", listener);
    gives(GYRE_ERROR_INVALID, gyre_topic_publish(kernel, 0, "a.*"));
    cr_assert(rig_said(&rig, "words with dots"));
    gives(GYRE_ERROR_INVALID, gyre_topic_publish(kernel, 0, NULL));
    gives(GYRE_ERROR_INVALID, gyre_topic_publish(kernel, GYRE_PORTS_MAX, "a"));
    gives(GYRE_ERROR_INVALID, gyre_topic_subscribe(kernel, "a..b", 0));
    gives(GYRE_ERROR_INVALID, gyre_topic_subscribe(kernel, NULL, 0));
    gives(GYRE_ERROR_INVALID, gyre_topic_unsubscribe(kernel, "a#"));
    gives(GYRE_ERROR_INVALID, gyre_topic_publish(NULL, 0, "a"));
    ok(gyre_topic_publish(kernel, 0, "a"));
    gives(GYRE_ERROR_ALREADY_EXISTS, gyre_topic_publish(kernel, 0, "b"));
    ok(gyre_topic_subscribe(kernel, "x", 0));
    gives(GYRE_ERROR_ALREADY_EXISTS, gyre_topic_subscribe(kernel, "x", 0));
    rig_close(&rig);
}
