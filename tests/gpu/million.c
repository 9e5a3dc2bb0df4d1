/* A million messages in, a million right answers out, over the wrap of all indices. */
#include "flow.h"

#define MILLION 1000000u

static const char STRUCTS[] = "struct Request { uint value; uint index; };\n"
                              "struct Response { uint value; uint index; };\n"
                              "#define GYRE_INPUT Request\n"
                              "#define GYRE_OUTPUT Response\n";

static const char HANDLER[] = "void main() {\n"
                              "    while (gyre_receive()) {\n"
                              "        if (gl_LocalInvocationIndex == gl_WorkGroupSize.x - 1u) {\n"
                              "            GYRE_OUT.value = GYRE_IN.value * 2654435761u + 1u;\n"
                              "            GYRE_OUT.index = GYRE_IN.index;\n"
                              "        }\n"
                              "        gyre_send();\n"
                              "    }\n"
                              "}\n";

struct pair {
    uint32_t value;
    uint32_t index;
};

static void fill(void *user, uint32_t index, void *message)
{
    (void)user;
    *(struct pair *)message = (struct pair){.value = index ^ 0x5bd1e995u, .index = index};
}

static bool check(void *user, uint32_t index, const gyre_reply *reply)
{
    (void)user;
    const struct pair *answer = reply->data;
    return reply->result == GYRE_OK && answer->index == index &&
           answer->value == (index ^ 0x5bd1e995u) * 2654435761u + 1u;
}

static uint32_t of_all_lanes(uint32_t index)
{
    return index * 37u % 256u;
}

static void run(enum rig_mode mode, uint32_t local_size, uint32_t messages, bool priorities)
{
    struct rig rig;
    rig_open(&rig, mode);
    gyre_kernel *kernel = rig_active(&rig, (gyre_kernel_params){
                                               .id = "million",
                                               .glsl = rig_glsl(STRUCTS, local_size, HANDLER),
                                               .first_index = UINT32_MAX - 999u,
                                           });
    flow_run(&(struct flow){
        .kernel = kernel,
        .count = messages,
        .unordered = priorities,
        .priority = priorities ? of_all_lanes : NULL,
        .message_size = sizeof(struct pair),
        .answer_size = sizeof(struct pair),
        .fill = fill,
        .check = check,
    });
    gyre_stats stats = flow_rest(kernel);
    cr_assert_eq(stats.accepted, messages);
    cr_assert_eq(stats.processed, messages);
    cr_assert_eq(stats.received, messages);
    cr_assert_eq(stats.failed + stats.dropped + stats.corrupt + stats.rejected, 0);
    cr_assert_eq(stats.staged + stats.window + stats.unread, 0);
    cr_assert(stats.live == (mode == RIG_LIVE));
    cr_assert(mode != RIG_LIVE || stats.live_seen > 0, "nothing was seen live");
    rig_close(&rig);
}

Test(million, answers_live, .timeout = 300)
{
    run(RIG_LIVE, 1, MILLION, false);
}

Test(million, answers_strict, .timeout = 300)
{
    run(RIG_STRICT, 1, MILLION, false);
}

Test(million, answers_of_all_priorities, .timeout = 300)
{
    run(RIG_LIVE, 1, MILLION / 4, true);
    run(RIG_STRICT, 1, MILLION / 4, true);
}

Test(million, answers_of_a_wide_workgroup, .timeout = 300)
{
    run(RIG_LIVE, 64, MILLION / 10, false);
    run(RIG_STRICT, 64, MILLION / 10, false);
}
