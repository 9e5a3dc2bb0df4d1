/* A handler that writes where only the engine should: its own messages pay for it, never the host
 * (A21). */
#include "flow.h"

#include "counting.h"

#define STRUCTS \
    "struct Request { uint value; uint harm; };\n" \
    "struct Response { uint value; };\n" \
    "#define GYRE_INPUT Request\n" \
    "#define GYRE_OUTPUT Response\n"

/* After its answer, so that the engine's own header is overwritten. */
#define HANDLER(harm) \
    "void main() {\n" \
    "    while (gyre_receive()) {\n" \
    "        GYRE_OUT.value = GYRE_IN.value * 7u;\n" \
    "        gyre_send();\n" harm "    }\n" \
    "}\n"

struct request {
    uint32_t value;
    uint32_t harm;
};

/* One word of the answer's header at a time. The first answer's sequence is harmed in vain: it says
 * that the slot is whole, so the engine writes it after the handler is done. */
enum harm { NO_HARM, TO_ID, TO_POSITION, TO_SEQUENCE, TO_FLAGS, TO_PRIORITY, HARMS };

static const char ANSWER_HEADER[] = HANDLER(
    "        uint harm = GYRE_IN.harm;\n"
    "        if (harm == 1u) { gyre_output_slots[gyre_output_slot].header.id_low ^= 0x10u; }\n"
    "        if (harm == 2u) { gyre_output_slots[gyre_output_slot].header.position += 1000u; }\n"
    "        if (harm == 3u) { gyre_output_slots[gyre_output_slot].header.sequence += 1u; }\n"
    "        if (harm == 4u) { gyre_output_slots[gyre_output_slot].header.info |= 0xf0000000u; }\n"
    "        if (harm == 5u) { gyre_output_slots[gyre_output_slot].header.info ^= 0x00ff0000u; }\n");

static gyre_kernel *begin(struct rig *rig, const char *handler)
{
    return rig_active(rig, (gyre_kernel_params){
                               .id = "hostile",
                               .glsl = rig_glsl(STRUCTS, 1, handler),
                               .report_all = true,
                           });
}

/* Another kernel of the runtime does not notice. */
static void check_neighbour(struct rig *rig)
{
    gyre_kernel *kernel = rig_active(
        rig, (gyre_kernel_params){.id = "neighbour", .glsl = rig_glsl(STRUCTS, 1, HANDLER(""))});
    struct request request = {.value = 6};
    uint32_t answer = 0;
    gyre_reply reply = flow_ask(kernel, &request, sizeof request, &answer, sizeof answer);
    cr_assert(reply.result == GYRE_OK && answer == 42);
}

static void end(struct rig *rig, gyre_kernel *kernel)
{
    ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
    gyre_stats stats = flow_stats(kernel);
    cr_assert(stats.accepted == stats.processed + stats.failed + stats.dropped);
    check_neighbour(rig);
    rig_close(rig);
}

static uint32_t harm_of(uint32_t index)
{
    uint32_t mixed = index * 2654435761u >> 16;
    return mixed % 3 == 0 ? mixed / 3 % HARMS : NO_HARM;
}

static void fill(void *user, uint32_t index, void *message)
{
    (void)user;
    *(struct request *)message = (struct request){.value = index, .harm = harm_of(index)};
}

static bool is_lost(const gyre_reply *reply)
{
    return reply->size == 0 &&
           (reply->result == GYRE_ERROR_CORRUPT || (reply->flags & GYRE_REPLY_SILENT) != 0);
}

static bool check_each(void *user, uint32_t index, const gyre_reply *reply)
{
    uint64_t *lost = user;
    *lost += is_lost(reply);
    const uint32_t *answer = reply->data;
    bool harmed = harm_of(index) != NO_HARM && harm_of(index) != TO_SEQUENCE;
    return harmed ? is_lost(reply) : reply->result == GYRE_OK && *answer == index * 7;
}

Test(hostile, an_answer_with_a_damaged_header_is_rejected_and_counted)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = begin(&rig, ANSWER_HEADER);
        uint64_t lost = 0;
        flow_run(&(struct flow){
            .kernel = kernel,
            .count = 3000,
            .unordered = true,
            .message_size = sizeof(struct request),
            .answer_size = sizeof(uint32_t),
            .fill = fill,
            .check = check_each,
            .user = &lost,
        });
        gyre_stats stats = flow_rest(kernel);
        cr_assert(lost > 0 && stats.corrupt == lost, "%llu corrupt, %llu lost",
                  (unsigned long long)stats.corrupt, (unsigned long long)lost);
        cr_assert(rig_said(&rig, "header cannot be"), "%s", rig.log);
        ok(gyre_kernel_reactivate(kernel));
        end(&rig, kernel);
    }
}

/* Whatever answers lie unread are damaged with it: none of them comes out wrong. */
static const char ALL_SLOTS[] =
    HANDLER("        if (GYRE_IN.harm == 3u) {\n"
            "            for (uint i = 0u; i < uint(gyre_output_slots.length()); ++i) {\n"
            "                gyre_output_slots[i].header.sequence = 0xffffffffu;\n"
            "                gyre_output_slots[i].header.info = 0xffffffffu;\n"
            "                gyre_output_slots[i].header.id_low = i;\n"
            "                gyre_output_slots[i].header.position = i;\n"
            "                gyre_output_slots[i].header.extra = i;\n"
            "            }\n"
            "        }\n");

/* Records of residencies that were not. */
static const char EXITS[] =
    HANDLER("        if (GYRE_IN.harm == 3u) {\n"
            "            uint other = (gyre_link + 1u) % 16u;\n"
            "            gyre_status[0].exits[other].stamp = gyre_submission.serial << 8 | 5u;\n"
            "            gyre_status[0].exits[other].began = gyre_submission.serial;\n"
            "            gyre_status[0].exits[other].messages = 0xffffffffu;\n"
            "            gyre_status[0].exits[other].failed = 0xffffffffu;\n"
            "            gyre_status[0].exits[other].looks = 0xffffffffu;\n"
            "            gyre_status[0].exits[other].claimed = 0xffffffffu;\n"
            "        }\n");

static bool check_any(void *user, uint32_t index, const gyre_reply *reply)
{
    (void)user;
    const uint32_t *answer = reply->data;
    return is_lost(reply) || (reply->result == GYRE_OK && *answer == index * 7);
}

static bool check_right(void *user, uint32_t index, const gyre_reply *reply)
{
    (void)user;
    const uint32_t *answer = reply->data;
    return reply->result == GYRE_OK && *answer == index * 7;
}

static void harm_at_large(const char *handler, bool (*check)(void *, uint32_t, const gyre_reply *))
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = begin(&rig, handler);
        flow_run(&(struct flow){
            .kernel = kernel,
            .count = 3000,
            .unordered = true,
            .message_size = sizeof(struct request),
            .answer_size = sizeof(uint32_t),
            .fill = fill,
            .check = check,
        });
        end(&rig, kernel);
    }
}

Test(hostile, a_ring_written_all_over_gives_no_wrong_answer)
{
    harm_at_large(ALL_SLOTS, check_any);
}

Test(hostile, invented_records_of_residencies_do_no_harm)
{
    harm_at_large(EXITS, check_right);
}

/* The slot of the next answer looks whole before there is one: LIVE takes answers by that word.
 * What lies in it is an old answer, or none. */
static const char TOO_EARLY[] = HANDLER(
    "        if (GYRE_IN.harm == 3u) {\n"
    "            uint next = gyre_output_tail + 1u;\n"
    "            gyre_output_slots[gyre_output_slot_of(next)].header.sequence = next + 1u;\n"
    "        }\n");

/* Takes what there is for the messages up to `sent`. False: the kernel has failed, by name. */
static bool take_all(gyre_kernel *kernel, uint32_t sent, uint32_t *taken, uint64_t timeout_ns)
{
    gyre_result result = GYRE_OK;
    while (result == GYRE_OK && *taken < sent) {
        uint32_t answer;
        gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
        result = gyre_receive(kernel, &reply, timeout_ns);
        if (result == GYRE_OK) {
            *taken += 1;
            cr_assert(reply.correlation < sent &&
                          check_any(NULL, (uint32_t)reply.correlation, &reply),
                      "a wrong answer to message %llu", (unsigned long long)reply.correlation);
        }
    }
    cr_assert(result == GYRE_OK || result == GYRE_ERROR_CORRUPT || timeout_ns == 0, "%s",
              gyre_result_name(result));
    return result != GYRE_ERROR_CORRUPT;
}

Test(hostile, a_slot_that_looks_whole_too_early_gives_no_wrong_answer)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = begin(&rig, TOO_EARLY);
        bool works = true;
        uint32_t taken = 0;
        for (uint32_t sent = 0; works && sent < 3000;) {
            struct request request;
            fill(NULL, sent, &request);
            gyre_result result = gyre_send(
                kernel,
                &(gyre_message){.data = &request, .size = sizeof request, .correlation = sent},
                PATIENCE);
            cr_assert(result == GYRE_OK || result == GYRE_ERROR_CORRUPT, "%s",
                      gyre_result_name(result));
            sent += result == GYRE_OK;
            works = result == GYRE_OK &&
                    take_all(kernel, sent, &taken, sent % 100 == 0 ? PATIENCE : 0);
        }
        cr_assert(works || rig_said(&rig, "index cannot be"), "%s", rig.log);
        end(&rig, kernel);
    }
}

/* Indices that cannot be: nothing that follows can be trusted, so the kernel fails by name, and
 * every call returns. */
static const char INPUT_HEAD[] = HANDLER("        gyre_status[0].line.input_head[2] += 5u;\n");

static const char OUTPUT_TAIL[] =
    HANDLER("        gyre_output_tail += uint(gyre_output_slots.length()) + 1u;\n");

static void fail_whole(const char *handler, const char *sentence)
{
    for (BOTH_MODES(mode)) {
        struct rig rig;
        rig_open(&rig, mode);
        gyre_kernel *kernel = begin(&rig, handler);
        struct request request = {.value = 1};
        gyre_message message = {.data = &request, .size = sizeof request};
        ok(gyre_send(kernel, &message, PATIENCE));
        gyre_result result = GYRE_OK;
        uint32_t answer;
        while (result == GYRE_OK) { /* the first answer may have come whole */
            gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
            result = gyre_receive(kernel, &reply, PATIENCE);
        }
        gives(GYRE_ERROR_CORRUPT, result);
        cr_assert(rig_said(&rig, sentence), "%s", rig.log);
        gives(GYRE_ERROR_CORRUPT, gyre_send(kernel, &message, PATIENCE));
        gives(GYRE_ERROR_CORRUPT, flow_stats(kernel).fault);
        ok(gyre_kernel_deactivate(kernel, PATIENCE));
        ok(gyre_kernel_terminate(kernel, GYRE_DRAIN, PATIENCE, NULL));
        check_neighbour(&rig);
        rig_close(&rig);
    }
}

Test(hostile, an_input_index_that_cannot_be_fails_the_kernel)
{
    fail_whole(INPUT_HEAD, "the device's input index cannot be");
}

Test(hostile, an_output_index_that_cannot_be_fails_the_kernel)
{
    fail_whole(OUTPUT_TAIL, "the device's output index cannot be");
}
