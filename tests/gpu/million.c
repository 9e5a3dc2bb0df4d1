/* A million messages in, a million right answers out, over the wrap of all indices. */
#include <stdatomic.h>

#include "counting.h"
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

/* ---- A32 ---- */

enum { PRODUCERS = 4, CONSUMERS = 4, EACH = MILLION / PRODUCERS };

static const char COUNTED[] = "struct Request { uint index; };\n"
                              "struct Response { uint index; uint order; };\n"
                              "struct Count { uint n; };\n"
                              "#define GYRE_INPUT Request\n"
                              "#define GYRE_OUTPUT Response\n"
                              "#define GYRE_STATE Count\n";

static const char COUNTER[] = "void main() {\n"
                              "    while (gyre_receive()) {\n"
                              "        GYRE_SELF.n += 1u;\n"
                              "        GYRE_OUT.index = GYRE_IN.index;\n"
                              "        GYRE_OUT.order = GYRE_SELF.n;\n"
                              "        gyre_send();\n"
                              "    }\n"
                              "}\n";

struct ordered {
    uint32_t index;
    uint32_t order;
};

struct crowd {
    gyre_kernel *kernel;
    uint32_t orders[MILLION]; /* by message, 0: no answer yet; each written by one thread once */
    atomic_uint answers;
    atomic_uint wrong;
    atomic_uint next_producer;
};

static struct crowd crowd;

static void *produce(void *unused)
{
    uint32_t first = atomic_fetch_add(&crowd.next_producer, 1) * EACH;
    for (uint32_t i = first; i < first + EACH; ++i) {
        gyre_message message = {.data = &i, .size = sizeof i, .priority = i % 4 * 64};
        if (gyre_send(crowd.kernel, &message, PATIENCE) != GYRE_OK) {
            atomic_fetch_add(&crowd.wrong, 1);
        }
    }
    return unused;
}

static void *consume(void *unused)
{
    struct ordered answer = {0};
    gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
    while (gyre_receive(crowd.kernel, &reply, GYRE_FOREVER) == GYRE_OK) {
        bool right = reply.result == GYRE_OK && answer.index < MILLION && answer.order != 0 &&
                     crowd.orders[answer.index] == 0;
        if (right) {
            crowd.orders[answer.index] = answer.order;
        }
        atomic_fetch_add(right ? &crowd.answers : &crowd.wrong, 1);
    }
    return unused;
}

/* A32: exactly once, and first in first out for each producer and priority by the kernel's count.
 */
static void run_crowd(enum rig_mode mode)
{
    struct rig rig;
    rig_open(&rig, mode);
    memset(&crowd, 0, sizeof crowd);
    crowd.kernel = rig_active(&rig, (gyre_kernel_params){
                                        .id = "crowd",
                                        .glsl = rig_glsl(COUNTED, 1, COUNTER),
                                        .first_index = UINT32_MAX - 999u,
                                    });
    pthread_t threads[PRODUCERS + CONSUMERS];
    for (uint32_t i = 0; i < PRODUCERS + CONSUMERS; ++i) {
        void *(*play)(void *) = i < PRODUCERS ? produce : consume;
        cr_assert_eq(pthread_create(&threads[i], NULL, play, NULL), 0);
    }
    for (uint32_t i = 0; i < PRODUCERS; ++i) {
        pthread_join(threads[i], NULL);
    }
    ok(gyre_kernel_terminate(crowd.kernel, GYRE_DRAIN, PATIENCE, NULL));
    for (uint32_t i = PRODUCERS; i < PRODUCERS + CONSUMERS; ++i) {
        pthread_join(threads[i], NULL);
    }
    cr_assert(crowd.answers == MILLION && crowd.wrong == 0, "%u answers, %u wrong", crowd.answers,
              crowd.wrong);
    for (uint32_t i = 0; i < MILLION; ++i) {
        bool has_one_before = i % EACH >= 4; /* of its producer and priority */
        cr_assert(!has_one_before || crowd.orders[i] > crowd.orders[i - 4],
                  "message %u went before its elder", i);
    }
    gyre_stats stats = flow_stats(crowd.kernel);
    cr_assert(stats.accepted == MILLION && stats.processed == MILLION);
    rig_close(&rig);
}

Test(million, of_four_producers_to_four_consumers_live, .timeout = 300)
{
    run_crowd(RIG_LIVE);
}

Test(million, of_four_producers_to_four_consumers_strict, .timeout = 300)
{
    run_crowd(RIG_STRICT);
}
