#include "counting.h"

#include <time.h>

static const char structs[] = "struct Request { uint value; uint turns; };\n"
                              "struct Response { uint value; uint order; uint worked; };\n"
                              "struct Count { uint messages; };\n"
                              "#define GYRE_INPUT Request\n"
                              "#define GYRE_OUTPUT Response\n"
                              "#define GYRE_STATE Count\n"
                              "#define WORK x = x * 1664525u + 1013904223u;\n";

static const char body[] = "void main()\n"
                           "{\n"
                           "    while (gyre_receive()) {\n"
                           "        uint x = GYRE_IN.value;\n"
                           "        for (uint i = 0u; i < GYRE_IN.turns; ++i) {\n"
                           "            WORK WORK WORK WORK WORK WORK WORK WORK\n"
                           "        }\n"
                           "        GYRE_SELF.messages += 1u;\n"
                           "        GYRE_OUT.value = GYRE_IN.value;\n"
                           "        GYRE_OUT.order = GYRE_SELF.messages;\n"
                           "        GYRE_OUT.worked = x;\n"
                           "        gyre_send();\n"
                           "    }\n"
                           "}\n";

gyre_kernel_params counting_params(const char *id)
{
    return (gyre_kernel_params){
        .id = id,
        .glsl = rig_glsl(structs, 1, body),
        .queue_size = COUNTING_QUEUE,
    };
}

static gyre_result send(gyre_kernel *kernel, uint32_t value, uint32_t turns, uint64_t timeout_ns)
{
    struct counting_request request = {.value = value, .turns = turns};
    return gyre_send(kernel, &(gyre_message){.data = &request, .size = sizeof request}, timeout_ns);
}

gyre_result counting_try(gyre_kernel *kernel, uint32_t value, uint64_t timeout_ns)
{
    return send(kernel, value, 0, timeout_ns);
}

void counting_send(gyre_kernel *kernel, uint32_t first, uint32_t count, uint32_t turns)
{
    for (uint32_t i = 0; i < count; ++i) {
        ok(send(kernel, first + i, turns, PATIENCE));
    }
}

void counting_expect(gyre_kernel *kernel, uint32_t value, uint32_t order)
{
    struct counting_response response = {0};
    gyre_reply reply = {.data = &response, .capacity = sizeof response};
    ok(gyre_receive(kernel, &reply, PATIENCE));
    ok(reply.result);
    cr_assert(response.value == value && response.order == order,
              "message %u as number %u, not %u as %u", response.value, response.order, value,
              order);
}

void counting_expect_many(gyre_kernel *kernel, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        counting_expect(kernel, first + i, first + i + 1);
    }
}

void counting_sleep(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / S), .tv_nsec = (long)(ns % S)}, NULL);
}
