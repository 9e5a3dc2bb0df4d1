#include "tasks.h"

#include <stdio.h>

#define STRUCTS(answers) \
    "struct Task { uint value; uint turns; uint silent; uint more; uint fail; uint heals; };\n" \
    "struct Done { uint value; uint which; uint order; uint priority; uint type; uint key; uint tick;\n" \
    "    uint worked; };\n" \
    "struct State { uint messages; };\n" \
    "#define GYRE_INPUT Task\n" \
    "#define GYRE_OUTPUT Done\n" \
    "#define GYRE_STATE State\n" \
    "#define GYRE_MAX_SENDS " answers "\n" \
    "#define WORK x = x * 1664525u + 1013904223u;\n"

static const char body[] =
    "void main()\n"
    "{\n"
    "    while (gyre_receive()) {\n"
    "        uint x = GYRE_IN.value;\n"
    "        for (uint i = 0u; i < GYRE_IN.turns; ++i) {\n"
    "            WORK WORK WORK WORK WORK WORK WORK WORK\n"
    "        }\n"
    "        GYRE_SELF.messages += 1u;\n"
    "        if (GYRE_IN.fail != 0u && (GYRE_IN.heals == 0u || GYRE_SELF.messages <= GYRE_IN.heals)) {\n"
    "            gyre_fail(GYRE_IN.fail);\n"
    "        }\n"
    "        uint sends = GYRE_IN.silent != 0u ? 0u : 1u + GYRE_IN.more;\n"
    "        for (uint i = 0u; i < sends; ++i) {\n"
    "            GYRE_OUT.value = GYRE_IN.value;\n"
    "            GYRE_OUT.which = i;\n"
    "            GYRE_OUT.order = GYRE_SELF.messages;\n"
    "            GYRE_OUT.priority = gyre_message_priority();\n"
    "            GYRE_OUT.type = gyre_message_type();\n"
    "            GYRE_OUT.key = gyre_message_key();\n"
    "            GYRE_OUT.tick = gyre_is_tick() ? 1u : 0u;\n"
    "            GYRE_OUT.worked = x;\n"
    "            gyre_send();\n"
    "        }\n"
    "    }\n"
    "}\n";

static gyre_kernel_params params_of(const char *id, const char *structs)
{
    return (gyre_kernel_params){
        .id = id,
        .glsl = rig_glsl(structs, 1, body),
        .queue_size = COUNTING_QUEUE,
    };
}

gyre_kernel_params tasks_params(const char *id)
{
    return params_of(id, STRUCTS("1"));
}

gyre_kernel_params tasks_params_many(const char *id)
{
    return params_of(id, STRUCTS("3"));
}

gyre_result task_try(gyre_kernel *kernel, struct task task, gyre_message message,
                     uint64_t timeout_ns)
{
    message.data = &task;
    message.size = sizeof task;
    return gyre_send(kernel, &message, timeout_ns);
}

uint64_t task_send(gyre_kernel *kernel, struct task task, uint32_t priority)
{
    uint64_t id = 0;
    ok(task_try(kernel, task, (gyre_message){.priority = priority, .id = &id}, PATIENCE));
    return id;
}

void tasks_send(gyre_kernel *kernel, uint32_t first, uint32_t count, uint32_t priority)
{
    for (uint32_t i = 0; i < count; ++i) {
        task_send(kernel, (struct task){.value = first + i}, priority);
    }
}

gyre_reply task_take(gyre_kernel *kernel, struct done *done)
{
    *done = (struct done){0};
    gyre_reply reply = {.data = done, .capacity = sizeof *done};
    gyre_result result = gyre_receive(kernel, &reply, PATIENCE);
    if (result != GYRE_OK) {
        gyre_stats stats = flow_stats(kernel);
        cr_assert_fail("gyre_receive: %s; %s", gyre_result_name(result), books_text(&stats));
    }
    return reply;
}

void task_expect(gyre_kernel *kernel, uint32_t value, uint32_t order)
{
    struct done done;
    gyre_reply reply = task_take(kernel, &done);
    ok(reply.result);
    cr_assert(done.value == value && done.order == order, "message %u as number %u, not %u as %u",
              done.value, done.order, value, order);
}

void tasks_expect_none(gyre_kernel *kernel)
{
    gyre_reply reply = {0};
    gyre_result result = gyre_try_receive(kernel, &reply);
    cr_assert(result == GYRE_ERROR_EMPTY || result == GYRE_ERROR_TERMINATED,
              "%s: a reply to message %llu, %s", gyre_result_name(result),
              (unsigned long long)reply.id, gyre_result_name(reply.result));
}

const char *task_path_name(enum task_path path)
{
    static const char *const names[] = {"gyre_send", "gyre_try_send", "gyre_request",
                                        "gyre_request_begin"};
    return names[path];
}

struct caught {
    gyre_reply *reply;
    gyre_result result;
    uint32_t calls;
};

static void catch (void *user, gyre_result result, const gyre_reply *reply)
{
    struct caught *caught = user;
    caught->result = result;
    caught->calls += 1;
    if (reply) {
        void *data = caught->reply->data;
        size_t capacity = caught->reply->capacity;
        *caught->reply = *reply;
        caught->reply->data = data;
        if (data && reply->size <= capacity) {
            memcpy(data, reply->data, reply->size);
        }
    }
}

static gyre_result begin_and_pump(gyre_kernel *kernel, const gyre_message *message,
                                  gyre_reply *reply)
{
    struct caught caught = {.reply = reply};
    gyre_result result = gyre_request_begin(kernel, message, PATIENCE, catch, &caught);
    uint32_t called = 0;
    ok(gyre_pump(kernel, PATIENCE, &called));
    cr_assert(called == (result == GYRE_OK) && caught.calls == called,
              "%u callbacks after a begin that gave %s", caught.calls, gyre_result_name(result));
    return result == GYRE_OK ? caught.result : result;
}

gyre_result task_by(enum task_path path, gyre_kernel *kernel, const gyre_message *message,
                    gyre_reply *reply)
{
    gyre_result result = GYRE_OK;
    switch (path) {
    case TASK_SEND:
        result = gyre_send(kernel, message, PATIENCE);
        break;
    case TASK_TRY_SEND:
        result = gyre_try_send(kernel, message);
        break;
    case TASK_REQUEST:
        return gyre_request(kernel, message, reply, PATIENCE);
    default:
        return begin_and_pump(kernel, message, reply);
    }
    return result == GYRE_OK ? gyre_receive(kernel, reply, PATIENCE) : result;
}

bool books_balance(const gyre_stats *s)
{
    return s->accepted ==
               s->processed + s->failed + s->dropped + s->expired + s->staged + s->window &&
           s->dropped == s->dropped_oldest + s->dropped_newest + s->dropped_terminated &&
           s->rejected == s->rejected_full + s->rejected_invalid && s->ticks <= s->accepted &&
           s->requests <= s->accepted;
}

const char *books_text(const gyre_stats *s)
{
    static _Thread_local char text[1024];
#define N(member) (unsigned long long)s->member
    snprintf(
        text, sizeof text,
        "accepted %llu = processed %llu + failed %llu + dropped %llu (oldest %llu, newest %llu, terminated %llu)"
        " + expired %llu + staged %llu + window %llu; rejected %llu (full %llu, invalid %llu); ticks %llu; "
        "corrupt %llu; received %llu; requests %llu; orphaned %llu; output_dropped %llu; dead_dropped %llu; "
        "unread %llu; awaited %llu; dead_letters %llu; queueing %llu; processing %llu; fault %s; last error %s",
        N(accepted), N(processed), N(failed), N(dropped), N(dropped_oldest), N(dropped_newest),
        N(dropped_terminated), N(expired), N(staged), N(window), N(rejected), N(rejected_full),
        N(rejected_invalid), N(ticks), N(corrupt), N(received), N(requests), N(orphaned),
        N(output_dropped), N(dead_dropped), N(unread), N(awaited), N(dead_letters),
        N(queueing.count), N(processing.count), gyre_result_name(s->fault),
        gyre_result_name(s->last_error));
#undef N
    return text;
}

uint32_t tasks_mix(uint32_t value)
{
    value = (value ^ value >> 16) * 0x7feb352du;
    value = (value ^ value >> 15) * 0x846ca68bu;
    return value ^ value >> 16;
}
