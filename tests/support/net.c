#include "net.h"

#include <stdio.h>

static const char structs[] =
    "struct Hop { uint tag; uint mode; uint limit; uint turns; uint n; uint hops; uint key;"
    " uint path; };\n"
    "struct Count { uint n; };\n"
    "#define GYRE_INPUT Hop\n"
    "#define GYRE_OUTPUT Hop\n"
    "#define GYRE_STATE Count\n";

/* The work comes first, and its result counts, so that a loop that was cut would show. */
static const char helpers[] =
    "layout(std430, set = 1, binding = 0) readonly buffer Me { uint number; };\n"
    "uint work(uint turns) {\n"
    "    uint done = 0u;\n"
    "    for (uint i = 0u; i < turns; ++i) { done = done * 5u + i % 3u; done ^= done >> 7; }\n"
    "    return done;\n"
    "}\n"
    "void pass() {\n"
    "    uint done = work(GYRE_IN.turns);\n"
    "    if (gl_LocalInvocationIndex == 0u) {\n"
    "        GYRE_SELF.n += 1u;\n"
    "        GYRE_OUT.tag = GYRE_IN.tag;\n"
    "        GYRE_OUT.mode = GYRE_IN.mode;\n"
    "        GYRE_OUT.limit = GYRE_IN.limit;\n"
    "        GYRE_OUT.turns = done == 0xffffffffu ? 0u : GYRE_IN.turns;\n"
    "        GYRE_OUT.n = GYRE_SELF.n;\n"
    "        GYRE_OUT.hops = gyre_message_hops();\n"
    "        GYRE_OUT.key = gyre_message_key();\n"
    "        GYRE_OUT.path = GYRE_IN.path << 4 | number;\n"
    "    }\n"
    "}\n"
    "#define PASS pass();\n";

gyre_kernel *net_launch(struct rig *rig, uint32_t number, struct net_text text,
                        gyre_kernel_params params)
{
    char defines[1024];
    char body[8192];
    char id[16];
    snprintf(defines, sizeof defines, "%s#define GYRE_MAX_SENDS %u\n", structs,
             text.sends ? text.sends : 1);
    int length = snprintf(body, sizeof body,
                          "%svoid main() {\n    while (gyre_receive()) {\n%s\n    }\n}\n", helpers,
                          text.body ? text.body : NET_RELAY);
    cr_assert(length > 0 && (size_t)length < sizeof body && number > 0 &&
              number < 1u << NET_PATH_BITS);
    snprintf(id, sizeof id, "%u", number);
    gyre_binding me = {.set = 1, .binding = 0, .data = &number, .size = sizeof number};
    params.id = id;
    params.glsl = rig_glsl(defines, text.lanes ? text.lanes : 1, body);
    params.bindings = &me;
    params.binding_count = 1;
    return rig_launch(rig, params);
}

void net_activate(gyre_kernel *const *kernels, uint32_t count)
{
    ok(gyre_kernels_activate(kernels, count));
}

void net_send_keyed(gyre_kernel *kernel, struct hop hop, uint32_t key, uint32_t priority)
{
    gyre_message message = {
        .data = &hop,
        .size = sizeof hop,
        .key = key,
        .priority = priority,
        .correlation = hop.tag,
    };
    ok(gyre_send(kernel, &message, PATIENCE));
}

void net_send(gyre_kernel *kernel, struct hop hop)
{
    net_send_keyed(kernel, hop, 0, 0);
}

struct hop net_take(gyre_kernel *kernel)
{
    struct hop hop = {0};
    gyre_reply reply = {.data = &hop, .capacity = sizeof hop};
    gyre_result result = gyre_receive(kernel, &reply, PATIENCE);
    cr_assert(result == GYRE_OK && reply.result == GYRE_OK && reply.size == sizeof hop,
              "kernel %s: gyre_receive: %s; the message: %s", gyre_kernel_id(kernel),
              gyre_result_name(result), gyre_result_name(reply.result));
    cr_assert(reply.correlation == hop.tag, "message %u came as %llu", hop.tag,
              (unsigned long long)reply.correlation);
    return hop;
}

gyre_reply net_take_failure(gyre_kernel *kernel, gyre_result expected)
{
    struct hop hop = {0};
    gyre_reply reply = {.data = &hop, .capacity = sizeof hop};
    ok(gyre_receive(kernel, &reply, PATIENCE));
    cr_assert(reply.result == expected && reply.size == 0, "%s, not %s",
              gyre_result_name(reply.result), gyre_result_name(expected));
    reply.data = NULL;
    return reply;
}

void net_is_empty(gyre_kernel *kernel)
{
    gyre_reply reply = {0};
    gyre_result result = gyre_try_receive(kernel, &reply);
    cr_assert(result == GYRE_ERROR_EMPTY || result == GYRE_ERROR_TERMINATED, "%s",
              gyre_result_name(result));
}

gyre_stats net_books(gyre_kernel *kernel)
{
    gyre_stats s = flow_stats(kernel);
    cr_assert(s.accepted == s.processed + s.failed + s.dropped + s.expired + s.staged + s.window,
              "kernel %s: accepted %llu, processed %llu failed %llu dropped %llu expired %llu "
              "staged %llu window %llu",
              gyre_kernel_id(kernel), (unsigned long long)s.accepted,
              (unsigned long long)s.processed, (unsigned long long)s.failed,
              (unsigned long long)s.dropped, (unsigned long long)s.expired,
              (unsigned long long)s.staged, (unsigned long long)s.window);
    return s;
}

gyre_link_stats net_link(gyre_kernel *from, uint32_t port, gyre_kernel *to)
{
    gyre_link_stats stats;
    ok(gyre_link_get_stats(from, port, to, &stats));
    cr_assert(stats.sent == stats.taken + stats.waiting);
    return stats;
}

void net_in_both_modes(void (*body)(struct rig *rig))
{
    for (BOTH_MODES(mode)) {
        uint64_t began = rig_now_ns();
        struct rig rig;
        rig_open(&rig, mode);
        body(&rig);
        rig_close(&rig);
        cr_log_info("%s: %llu ms", mode == RIG_LIVE ? "LIVE" : "STRICT",
                    (unsigned long long)((rig_now_ns() - began) / MS));
    }
}
