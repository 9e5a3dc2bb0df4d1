/* A device that sees nothing of what comes while it runs (GYRE_RUNTIME_BLIND plays one): every
 * message is answered all the same, and LIVE is dropped, by name. On one that sees, under the same
 * traffic, it never is. */
#include "flow.h"

#define MESSAGES 10000u

/* On a machine that is busy the device has often left before there is anything to miss: the traffic
 * goes on until LIVE is dropped, for so long. */
#define DROP_NS (60 * S)

static const char ECHO_STRUCTS[] = "struct Request { uint value; };\n"
                                   "struct Response { uint value; uint redelivered; };\n"
                                   "#define GYRE_INPUT Request\n"
                                   "#define GYRE_OUTPUT Response\n";

static const char ECHO[] = "void main() {\n"
                           "    while (gyre_receive()) {\n"
                           "        GYRE_OUT.value = GYRE_IN.value * 3u + 1u;\n"
                           "        GYRE_OUT.redelivered = gyre_redelivered() ? 1u : 0u;\n"
                           "        gyre_send();\n"
                           "    }\n"
                           "}\n";

struct response {
    uint32_t value;
    uint32_t redelivered;
};

struct scene {
    struct rig rig;
    gyre_kernel *kernel;
    bool blind;
    uint32_t workgroups;
};

static void open_scene(struct scene *scene, bool blind, uint32_t workgroups)
{
    scene->blind = blind;
    scene->workgroups = workgroups;
    rig_open_with(&scene->rig, (gyre_runtime_params){
                                   .visibility = GYRE_VISIBILITY_LIVE,
                                   .flags = blind ? GYRE_RUNTIME_BLIND : 0,
                               });
    cr_assert(scene->rig.profile.live);
    scene->kernel = rig_active(&scene->rig, (gyre_kernel_params){
                                                .id = "echo",
                                                .glsl = rig_glsl(ECHO_STRUCTS, 1, ECHO),
                                                .workgroups = workgroups,
                                            });
    cr_assert(flow_stats(scene->kernel).live);
}

static uint32_t count_drops(const struct rig *rig)
{
    uint32_t count = 0;
    for (const char *at = strstr(rig->log, "LIVE is dropped"); at;
         at = strstr(at + 1, "LIVE is dropped")) {
        count += 1;
    }
    return count;
}

static void close_scene(struct scene *scene, uint32_t messages)
{
    gyre_stats stats = flow_rest(scene->kernel);
    cr_assert(stats.accepted == messages && stats.processed == messages &&
              stats.received == messages);
    cr_assert(stats.failed == 0 && stats.corrupt == 0 && stats.staged == 0 && stats.window == 0);
    cr_assert(stats.live == !scene->blind, "live %d after %llu submissions, %llu seen live",
              stats.live, (unsigned long long)stats.submissions,
              (unsigned long long)stats.live_seen);
    cr_assert(!scene->blind || stats.live_seen == 0, "a blind device has seen %llu",
              (unsigned long long)stats.live_seen);
    /* More workgroups than there are places do not wait for messages. */
    bool waits = scene->workgroups <= scene->rig.profile.resident_workgroups;
    cr_assert(scene->blind || !waits || stats.live_seen > 0);
    cr_assert(count_drops(&scene->rig) == scene->blind, "%s", scene->rig.log);
    gyre_kernel_destroy(scene->kernel);
    rig_close(&scene->rig);
}

static void fill(void *user, uint32_t index, void *message)
{
    (void)user;
    *(uint32_t *)message = index;
}

static bool check(void *user, uint32_t index, const gyre_reply *reply)
{
    const struct response *response = reply->data;
    (void)user;
    return reply->result == GYRE_OK && response->value == index * 3 + 1 &&
           response->redelivered == (reply->flags & GYRE_REPLY_REDELIVERED);
}

static bool goes_on(const struct scene *scene, uint64_t until)
{
    return scene->blind && flow_stats(scene->kernel).live && rig_now_ns() < until;
}

static void stream(bool blind, uint32_t workgroups)
{
    struct scene scene;
    uint32_t messages = 0;
    open_scene(&scene, blind, workgroups);
    uint64_t until = rig_now_ns() + DROP_NS;
    do {
        flow_run(&(struct flow){
            .kernel = scene.kernel,
            .count = MESSAGES,
            .unordered = workgroups > 1,
            .message_size = sizeof(uint32_t),
            .answer_size = sizeof(struct response),
            .fill = fill,
            .check = check,
        });
        messages += MESSAGES;
    } while (goes_on(&scene, until));
    close_scene(&scene, messages);
}

static void ask(struct scene *scene, uint32_t value)
{
    struct response response = {0};
    gyre_reply reply = flow_ask(scene->kernel, &value, sizeof value, &response, sizeof response);
    cr_assert(reply.result == GYRE_OK && response.value == value * 3 + 1);
}

static void ping_pong(bool blind)
{
    struct scene scene;
    uint32_t messages = 0;
    open_scene(&scene, blind, 1);
    uint64_t until = rig_now_ns() + DROP_NS;
    do {
        for (uint32_t i = 0; i < MESSAGES; ++i) {
            ask(&scene, i);
        }
        messages += MESSAGES;
    } while (goes_on(&scene, until));
    close_scene(&scene, messages);
}

Test(blind, a_stream_to_a_blind_device_is_delivered_and_live_is_dropped)
{
    stream(true, 1);
}

Test(blind, a_stream_to_one_that_sees_keeps_live)
{
    stream(false, 1);
}

Test(blind, workgroups_that_are_blind_drop_live_together)
{
    stream(true, 2);
}

Test(blind, workgroups_that_see_keep_live)
{
    stream(false, 2);
}

Test(blind, ping_pong_with_a_blind_device_is_delivered_and_live_is_dropped)
{
    ping_pong(true);
}

Test(blind, ping_pong_with_one_that_sees_keeps_live)
{
    ping_pong(false);
}

/* Each message comes when the kernel is about to leave for want of them, or has just left: the
 * worst that a device that sees can be told. */
Test(blind, messages_at_the_last_moment_do_not_count_against_a_device_that_sees)
{
    struct scene scene;
    open_scene(&scene, false, 1);
    const uint32_t messages = 4000;
    for (uint32_t i = 0; i < messages; ++i) {
        uint64_t until = rig_now_ns() + scene.rig.profile.relaunch_ns * (80 + i % 160) / 100;
        while (rig_now_ns() < until) {}
        ask(&scene, i);
    }
    close_scene(&scene, messages);
}

Test(blind, a_kernel_that_dropped_live_can_be_paused_and_goes_on)
{
    struct scene scene;
    uint32_t messages = 0;
    open_scene(&scene, true, 1);
    uint64_t until = rig_now_ns() + DROP_NS;
    for (uint32_t dropped = 0; dropped < 200 && rig_now_ns() < until; ++messages) {
        ask(&scene, messages);
        if (messages % 50 == 49) {
            ok(gyre_kernel_deactivate(scene.kernel, 10 * S));
            ok(gyre_kernel_reactivate(scene.kernel));
        }
        dropped += !flow_stats(scene.kernel).live;
    }
    close_scene(&scene, messages);
}
