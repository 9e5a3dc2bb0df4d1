/* engine/ring: the host's side of the rings, against a device that the test plays: first word by
 * word, honest and hostile, then one that takes the steps of shaders/gyre/kernel.glsl. */
#include "ring.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "played_device.h"

#define NEAR_WRAP (UINT32_MAX - 999) /* 2^32 - 1000 */
#define PAYLOAD 24u

static const uint32_t sizes[] = {1, 2, 8, 64};

static struct played_outcome no_handler(void *user, const struct played_message *message)
{
    (void)user;
    (void)message;
    return (struct played_outcome){0};
}

/* The words and rings of one workgroup; the tests below write the device's words themselves. */
static void open_rings(struct played_device *device, uint32_t size, uint32_t first_index)
{
    cr_assert(played_open(device, &(struct played_params){
                                      .input_size = size,
                                      .output_size = size,
                                      .payload_size = PAYLOAD,
                                      .max_sends = 1,
                                      .first_index = first_index,
                                      .handler = no_handler,
                                  }));
}

static struct gyre_Header *input_header(const struct ring_input *ring, uint32_t index)
{
    return (void *)(ring->slots + (index & (ring->size - 1)) * ring->stride);
}

static struct gyre_Header *output_header(const struct played_device *device, uint32_t index)
{
    return (void *)(device->output_slots + (index & (device->output.size - 1)) * device->stride);
}

static void write_one(struct ring_input *ring, uint64_t id)
{
    unsigned char payload[PAYLOAD];
    memset(payload, (int)(id & 0xff), sizeof payload);
    ring_input_write(ring, &(struct ring_message){.id = id}, payload, sizeof payload);
}

/* What an honest device does to answer with `id`. */
static void answer_one(struct played_device *device, uint64_t id)
{
    uint32_t index = device->status->output_tail;
    struct gyre_Header *header = output_header(device, index);
    memset(header + 1, (int)(id & 0xff), PAYLOAD);
    header->info = 0;
    header->id_low = (uint32_t)id;
    header->id_high = (uint32_t)(id >> 32);
    header->sequence = index + 1;
    device->status->output_tail = index + 1;
}

static void expect_one(struct played_device *device, uint64_t id)
{
    struct ring_message message = {0};
    const void *payload = NULL;
    cr_assert_eq(ring_output_peek(&device->output, false, &message, &payload), RING_MESSAGE);
    cr_assert_eq(message.id, id);
    cr_assert_eq(payload, output_header(device, device->output.head) + 1);
    unsigned char expected[PAYLOAD];
    memset(expected, (int)(id & 0xff), sizeof expected);
    cr_assert_arr_eq(payload, expected, PAYLOAD);
    ring_output_release(&device->output);
}

static void expect_peek(struct played_device *device, bool settled, enum ring_peek result,
                        bool has_payload)
{
    struct ring_message message = {0};
    const void *payload = &message;
    uint32_t head = device->output.head;
    cr_assert_eq(ring_output_peek(&device->output, settled, &message, &payload), result);
    cr_assert_eq(payload != NULL, has_payload);
    cr_assert_eq(device->output.head, head, "a peek must leave the message where it is");
    cr_assert_eq(device->control->reader.output_head, head);
}

static void expect_early(struct played_device *device, enum ring_peek result)
{
    struct ring_output *ring = &device->output;
    struct ring_message message = {0};
    const void *payload = &message;
    uint32_t head = ring->head;
    const uint32_t *sequence = ring_output_sequence(ring);
    cr_assert_eq(sequence, &output_header(device, head)->sequence);
    cr_assert_eq(*sequence == head + 1, result != RING_EMPTY);
    cr_assert_eq(ring_output_peek_early(ring, &message, &payload), result);
    cr_assert_eq(payload, result == RING_EMPTY ? NULL : output_header(device, head) + 1);
    cr_assert_eq(ring->head, head, "a peek must leave the message where it is");
    cr_assert_eq(device->control->reader.output_head, head);
    cr_assert_leq(ring->tail - ring->head, ring->size);
}

static void expect_one_early(struct played_device *device, uint64_t id)
{
    struct ring_message message = {0};
    const void *payload = NULL;
    expect_early(device, RING_MESSAGE);
    cr_assert_eq(ring_output_peek_early(&device->output, &message, &payload), RING_MESSAGE);
    cr_assert_eq(message.id, id);
    cr_assert_eq(*(const unsigned char *)payload, (unsigned char)id);
    ring_output_release(&device->output);
    cr_assert_eq(device->control->reader.output_head, device->output.head);
}

/* The device's tail, as it was before its last `late` answers. */
static void hold_tail_back(struct played_device *device, uint32_t late)
{
    device->status->output_tail -= late;
}

Test(ring, lanes_are_four_bands_of_64_priorities)
{
    for (uint32_t priority = 0; priority < 256; ++priority) {
        cr_assert_eq(ring_lane(priority), priority / 64);
    }
}

Test(ring_input, an_empty_ring_has_room_for_exactly_its_size)
{
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        struct played_device device;
        open_rings(&device, sizes[i], NEAR_WRAP);
        struct ring_input *ring = &device.input[0];
        for (uint32_t written = 0; written < sizes[i]; ++written) {
            cr_assert_eq(ring_input_room(ring), sizes[i] - written);
            write_one(ring, written);
        }
        cr_assert_eq(ring_input_room(ring), 0);
        cr_assert(ring_input_refresh(ring, true));
        cr_assert_eq(ring_input_room(ring), 0, "a device that has not moved frees nothing");
        played_close(&device);
    }
}

Test(ring_input, a_slot_carries_every_field_of_its_message)
{
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX);
    struct ring_input *ring = &device.input[2];
    unsigned char *slot = (unsigned char *)input_header(ring, UINT32_MAX);
    memset(slot + 32, 0xee, PAYLOAD);
    struct ring_message message = {
        .id = 0x1122334455667788u,
        .correlation = 0x99aabbccddeeff00u,
        .type = 0xfedc,
        .priority = 0xa5,
        .flags = GYRE_FLAG_REDELIVERED,
        .extra = 0xdeadbeef,
    };
    ring_input_write(ring, &message, "payload!", 8);
    const struct gyre_Header expected = {
        .sequence = 0, /* 2^32 - 1 + 1 */
        .info = 0x01a5fedc,
        .id_low = 0x55667788,
        .id_high = 0x11223344,
        .correlation_low = 0xddeeff00,
        .correlation_high = 0x99aabbcc,
        .extra = 0xdeadbeef,
        .position = UINT32_MAX,
    };
    cr_assert_arr_eq(slot, &expected, sizeof expected);
    cr_assert_arr_eq(slot + 32, "payload!", 8);
    for (size_t i = 8; i < PAYLOAD; ++i) {
        cr_assert_eq(slot[32 + i], 0xee, "behind the payload the slot keeps what it had");
    }
    played_close(&device);
}

Test(ring_input, a_message_without_payload_is_a_header)
{
    struct played_device device;
    open_rings(&device, 2, 7);
    struct gyre_Header *slot = input_header(&device.input[0], 7);
    memset(slot + 1, 0xee, PAYLOAD);
    ring_input_write(&device.input[0], &(struct ring_message){.id = 3}, "", 0);
    cr_assert_eq(slot->sequence, 8);
    cr_assert_eq(*(unsigned char *)(slot + 1), 0xee);
    played_close(&device);
}

Test(ring_input, nothing_is_published_before_publish)
{
    struct played_device device;
    open_rings(&device, 8, NEAR_WRAP);
    const struct gyre_HostLine *host = &device.control->host;
    write_one(&device.input[1], 1);
    write_one(&device.input[1], 2);
    cr_assert_eq(host->input_tail[1], NEAR_WRAP);
    ring_input_publish(&device.input[1]);
    cr_assert_eq(host->input_tail[1], NEAR_WRAP + 2);
    cr_assert_eq(host->input_tail[0], NEAR_WRAP, "lanes are published one by one");
    played_close(&device);
}

Test(ring_input, write_combined_memory_gets_the_same_words)
{
    struct played_device plain;
    struct played_device combined;
    open_rings(&plain, 4, NEAR_WRAP);
    open_rings(&combined, 4, NEAR_WRAP);
    combined.input[0].write_combined = true;
    for (uint32_t i = 0; i < 3; ++i) {
        write_one(&plain.input[0], i);
        write_one(&combined.input[0], i);
    }
    ring_input_publish(&plain.input[0]);
    ring_input_publish(&combined.input[0]);
    cr_assert_arr_eq(combined.input_slots, plain.input_slots, 4 * plain.stride);
    cr_assert_arr_eq(combined.control, plain.control, sizeof *plain.control);
    played_close(&plain);
    played_close(&combined);
}

Test(ring_input, slots_come_back_as_the_device_consumes_across_the_wrap)
{
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        struct played_device device;
        open_rings(&device, sizes[i], NEAR_WRAP);
        struct ring_input *ring = &device.input[3];
        for (uint32_t n = 0; n < 3000; ++n) {
            if (ring_input_room(ring) == 0) {
                device.status->input_head[3] += 1;
                cr_assert(ring_input_refresh(ring, true));
                cr_assert_eq(ring_input_room(ring), 1);
            }
            write_one(ring, n);
            cr_assert_eq(input_header(ring, NEAR_WRAP + n)->sequence, NEAR_WRAP + n + 1);
        }
        cr_assert_eq(ring->tail, NEAR_WRAP + 3000);
        cr_assert_lt(ring->tail, 3000, "the indices must have wrapped");
        device.status->input_head[3] = ring->tail;
        cr_assert(ring_input_refresh(ring, true));
        cr_assert_eq(ring_input_room(ring), sizes[i]);
        played_close(&device);
    }
}

/* Every head that a hostile device may write, for every fill of a small ring, where the indices
 * wrap. While a submission is in flight one behind what is known is late, not a lie. */
Test(ring_input, a_head_that_cannot_be_is_refused_and_changes_nothing)
{
    struct played_device device;
    open_rings(&device, 4, 0);
    struct ring_input *ring = &device.input[0];
    for (uint32_t head = UINT32_MAX - 6; head != 6; ++head) {
        for (uint32_t n = 0; n < 5 * 2; ++n) {
            uint32_t held = n / 2;
            bool settled = n % 2 != 0;
            for (uint32_t lie = UINT32_MAX - 20; lie != 20; ++lie) {
                ring->head = head;
                ring->tail = head + held;
                device.status->input_head[0] = lie;
                bool possible = lie - head <= held;
                bool late = !settled && (int32_t)(lie - head) < 0;
                cr_assert_eq(ring_input_refresh(ring, settled), possible || late);
                cr_assert_eq(ring->head, possible ? lie : head);
                cr_assert_eq(ring->tail, head + held);
                cr_assert_leq(ring_input_room(ring), 4);
            }
        }
    }
    played_close(&device);
}

Test(ring_input, a_head_far_away_is_refused)
{
    static const uint32_t distances[] = {5, 64, 0x7fffffff, 0x80000000, 0x80000001, UINT32_MAX};
    struct played_device device;
    open_rings(&device, 4, NEAR_WRAP);
    struct ring_input *ring = &device.input[0];
    for (uint32_t i = 0; i < 4; ++i) {
        write_one(ring, i);
    }
    for (size_t i = 0; i < LENGTH(distances); ++i) {
        device.status->input_head[0] = NEAR_WRAP + distances[i];
        cr_assert_not(ring_input_refresh(ring, true));
        cr_assert_eq(ring_input_refresh(ring, false), distances[i] > INT32_MAX,
                     "nearer from behind than from before: late, not a lie");
        cr_assert_eq(ring_input_room(ring), 0);
    }
    device.status->input_head[0] = NEAR_WRAP + 4;
    cr_assert(ring_input_refresh(ring, true), "the ring goes on with a head that can be");
    cr_assert_eq(ring_input_room(ring), 4);
    played_close(&device);
}

/* head .. tail - 1 at every distance and on both sides of the wrap. */
Test(ring_input, withdraw_takes_back_the_last_of_what_was_not_consumed)
{
    for (uint32_t first = UINT32_MAX - 9; first != 10; ++first) {
        for (uint32_t consumed = 0; consumed < 8; ++consumed) {
            struct played_device device;
            open_rings(&device, 8, first);
            struct ring_input *ring = &device.input[0];
            for (uint32_t i = 0; i < 8; ++i) {
                write_one(ring, i);
            }
            ring_input_publish(ring);
            device.status->input_head[0] = first + consumed;
            cr_assert(ring_input_refresh(ring, true));
            for (uint32_t left = 8; left-- > consumed;) {
                ring_input_withdraw(ring);
                cr_assert_eq(ring->tail, first + left);
                cr_assert_eq(device.control->host.input_tail[0], first + left);
                cr_assert_eq(ring_input_room(ring), 8 - (left - consumed));
                cr_assert_neq(input_header(ring, first + left)->sequence, first + left + 1,
                              "a slot taken back must not look whole");
                for (uint32_t i = consumed; i < left; ++i) {
                    cr_assert_eq(input_header(ring, first + i)->sequence, first + i + 1,
                                 "the others stay");
                    cr_assert_eq(input_header(ring, first + i)->id_low, i);
                }
            }
            cr_assert_eq(ring->head, ring->tail);
            played_close(&device);
        }
    }
}

Test(ring_input, a_slot_taken_back_can_be_written_again)
{
    struct played_device device;
    open_rings(&device, 1, UINT32_MAX);
    struct ring_input *ring = &device.input[0];
    for (uint32_t round = 0; round < 3; ++round) {
        write_one(ring, round);
        ring_input_publish(ring);
        ring_input_withdraw(ring);
        cr_assert_eq(ring_input_room(ring), 1);
    }
    write_one(ring, 77);
    ring_input_publish(ring);
    cr_assert_eq(input_header(ring, UINT32_MAX)->sequence, 0);
    cr_assert_eq(input_header(ring, UINT32_MAX)->id_low, 77);
    cr_assert_eq(device.control->host.input_tail[0], 0);
    played_close(&device);
}

Test(ring_output, an_empty_ring_says_so)
{
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        struct played_device device;
        open_rings(&device, sizes[i], NEAR_WRAP);
        expect_peek(&device, false, RING_EMPTY, false);
        expect_peek(&device, true, RING_EMPTY, false);
        played_close(&device);
    }
}

Test(ring_output, a_message_comes_with_every_field_of_its_header)
{
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX);
    struct gyre_Header *header = output_header(&device, UINT32_MAX);
    *header = (struct gyre_Header){
        .sequence = 0, /* 2^32 - 1 + 1 */
        .info = 0x02a5fedc,
        .id_low = 0x55667788,
        .id_high = 0x11223344,
        .extra = 0xdeadbeef,
        .position = 0x12345678,
    };
    device.status->output_tail = 0;
    struct ring_message message = {0};
    const void *payload = NULL;
    cr_assert_eq(ring_output_peek(&device.output, false, &message, &payload), RING_MESSAGE);
    cr_assert_eq(payload, header + 1);
    cr_assert_eq(message.id, 0x1122334455667788u);
    cr_assert_eq(message.type, 0xfedc);
    cr_assert_eq(message.priority, 0xa5);
    cr_assert_eq(message.lane, 2);
    cr_assert_eq(message.flags, GYRE_FLAG_FAILED);
    cr_assert_eq(message.extra, 0xdeadbeef);
    cr_assert_eq(message.position, 0x12345678);
    played_close(&device);
}

Test(ring_output, a_peek_leaves_the_message_and_a_release_gives_its_slot_back)
{
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX);
    answer_one(&device, 5);
    answer_one(&device, 6);
    expect_peek(&device, false, RING_MESSAGE, true);
    expect_peek(&device, false, RING_MESSAGE, true);
    expect_one(&device, 5);
    cr_assert_eq(device.control->reader.output_head, 0);
    expect_one(&device, 6);
    cr_assert_eq(device.control->reader.output_head, 1);
    expect_peek(&device, false, RING_EMPTY, false);
    played_close(&device);
}

Test(ring_output, full_rings_are_read_in_order_across_the_wrap)
{
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        struct played_device device;
        open_rings(&device, sizes[i], NEAR_WRAP);
        for (uint64_t n = 0; n < 3000; n += sizes[i]) {
            for (uint32_t k = 0; k < sizes[i]; ++k) {
                answer_one(&device, n + k);
            }
            for (uint32_t k = 0; k < sizes[i]; ++k) {
                expect_one(&device, n + k);
            }
            expect_peek(&device, true, RING_EMPTY, false);
        }
        cr_assert_lt(device.output.head, 3000, "the indices must have wrapped");
        played_close(&device);
    }
}

/* While a submission is in flight, answers taken early let the tail lag behind the head: that is
 * no lie, there is just nothing new. */
Test(ring_output, a_tail_that_cannot_be_is_refused_and_changes_nothing)
{
    struct played_device device;
    open_rings(&device, 4, 0);
    for (uint32_t head = UINT32_MAX - 6; head != 6; ++head) {
        device.output.head = head;
        device.control->reader.output_head = head;
        for (uint32_t lie = UINT32_MAX - 20; lie != 20; ++lie) {
            device.output.tail = head;
            device.status->output_tail = lie;
            if (lie - head > 4) {
                bool behind = (int32_t)(lie - head) < 0;
                expect_peek(&device, false, behind ? RING_EMPTY : RING_CORRUPT, false);
                cr_assert_eq(device.output.tail, head);
                expect_peek(&device, true, RING_CORRUPT, false);
                cr_assert_eq(device.output.tail, head);
            } else {
                struct ring_message message;
                const void *payload;
                ring_output_peek(&device.output, false, &message, &payload);
                cr_assert_eq(device.output.tail, lie);
            }
        }
    }
    played_close(&device);
}

Test(ring_output, a_tail_that_comes_to_its_senses_is_believed_again)
{
    static const uint32_t lies[] = {5, 0x7fffffff, 0x80000000, UINT32_MAX};
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX);
    answer_one(&device, 9);
    for (size_t i = 0; i < LENGTH(lies); ++i) {
        device.status->output_tail = UINT32_MAX + lies[i];
        expect_peek(&device, true, RING_CORRUPT, false);
    }
    device.status->output_tail = 0;
    expect_one(&device, 9);
    played_close(&device);
}

Test(ring_output, what_was_seen_of_the_tail_is_read_before_it_is_looked_at_again)
{
    struct played_device device;
    open_rings(&device, 4, 0);
    answer_one(&device, 1);
    answer_one(&device, 2);
    expect_one(&device, 1);
    device.status->output_tail = 1000;
    expect_one(&device, 2);
    expect_peek(&device, false, RING_CORRUPT, false);
    played_close(&device);
}

static void answer_input(struct played_device *device, uint32_t position, uint32_t priority)
{
    struct gyre_Header *header = output_header(device, device->status->output_tail);
    answer_one(device, 0);
    header->position = position;
    header->info = priority << GYRE_INFO_PRIORITY_SHIFT;
}

static void expect_last(struct played_device *device, bool settled, bool last)
{
    struct ring_message message = {0};
    const void *payload = NULL;
    cr_assert_eq(ring_output_peek(&device->output, settled, &message, &payload), RING_MESSAGE);
    cr_assert_eq(message.last, last, "answer %u", device->output.head);
    ring_output_release(&device->output);
}

Test(ring_output, the_last_answer_to_an_input_is_told_from_those_before_it)
{
    for (uint32_t first = UINT32_MAX - 5; first != 6; ++first) {
        struct played_device device;
        open_rings(&device, 8, first);
        answer_input(&device, 7, 0);
        answer_input(&device, 7, 0);
        answer_input(&device, 7, 0);
        answer_input(&device, 8, 63);
        answer_input(&device, 8, 64); /* of another lane */
        answer_input(&device, 9, 64);
        static const bool last[] = {false, false, true, true, true, true};
        for (size_t i = 0; i < LENGTH(last); ++i) {
            expect_last(&device, i % 2 != 0, last[i]);
        }
        played_close(&device);
    }
}

/* Whether it is the last one is not known before the slot behind it is whole. */
Test(ring_output, an_answer_waits_for_the_slot_behind_it_while_the_device_may_write)
{
    for (uint32_t first = UINT32_MAX - 2; first != 3; ++first) {
        struct played_device device;
        open_rings(&device, 4, first);
        answer_input(&device, 5, 0);
        answer_input(&device, 5, 0);
        output_header(&device, first + 1)->sequence -= 4; /* of a round ago */
        expect_peek(&device, false, RING_EMPTY, false);
        expect_peek(&device, true, RING_MESSAGE, true);
        output_header(&device, first + 1)->sequence += 4;
        expect_last(&device, false, false);
        expect_last(&device, false, true);
        played_close(&device);
    }
}

/* LIVE on a weakly ordered bus. */
Test(ring_output, a_slot_overtaken_by_the_tail_is_waited_for_while_the_device_may_write)
{
    for (uint32_t first = UINT32_MAX - 2; first != 3; ++first) {
        struct played_device device;
        open_rings(&device, 4, first);
        device.status->output_tail = first + 1;
        expect_peek(&device, false, RING_EMPTY, false);
        expect_peek(&device, false, RING_EMPTY, false);
        device.status->output_tail = first;
        answer_one(&device, 3);
        expect_one(&device, 3);
        played_close(&device);
    }
}

Test(ring_output, a_slot_overtaken_by_the_tail_is_corrupt_once_settled_and_can_be_skipped)
{
    for (uint32_t first = UINT32_MAX - 2; first != 3; ++first) {
        struct played_device device;
        open_rings(&device, 4, first);
        device.status->output_tail = first + 1;
        answer_one(&device, 4);
        expect_peek(&device, false, RING_EMPTY, false);
        expect_peek(&device, true, RING_CORRUPT, true);
        ring_output_release(&device.output);
        expect_one(&device, 4);
        played_close(&device);
    }
}

Test(ring_output, only_the_right_sequence_makes_a_slot_whole)
{
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX);
    answer_one(&device, 1);
    struct gyre_Header *header = output_header(&device, UINT32_MAX);
    for (uint32_t sequence = UINT32_MAX - 8; sequence != 9; ++sequence) {
        header->sequence = sequence;
        bool whole = sequence == 0;
        expect_peek(&device, false, whole ? RING_MESSAGE : RING_EMPTY, whole);
        expect_peek(&device, true, whole ? RING_MESSAGE : RING_CORRUPT, true);
    }
    played_close(&device);
}

Test(ring_output, A21_a_header_with_flags_that_cannot_be_is_corrupt_and_can_be_skipped)
{
    struct played_device device;
    open_rings(&device, 2, NEAR_WRAP);
    for (uint32_t flags = 0; flags < 256; ++flags) {
        struct gyre_Header *header = output_header(&device, device.output.head);
        answer_one(&device, flags);
        header->info = flags << GYRE_INFO_FLAGS_SHIFT;
        bool fine = !(flags & GYRE_FLAG_VOID && flags & GYRE_FLAG_FAILED);
        expect_peek(&device, true, fine ? RING_MESSAGE : RING_CORRUPT, true);
        ring_output_release(&device.output);
    }
    answer_one(&device, 8);
    expect_one(&device, 8);
    played_close(&device);
}

Test(ring_output, A21_any_header_gives_fields_in_their_range_or_is_corrupt)
{
    struct played_device device;
    open_rings(&device, 2, NEAR_WRAP);
    srand(1);
    for (uint32_t n = 0; n < 100000; ++n) {
        struct gyre_Header *header = output_header(&device, device.output.head);
        answer_one(&device, 0);
        unsigned char *bytes = (unsigned char *)header;
        for (size_t i = sizeof header->sequence; i < sizeof *header; ++i) {
            bytes[i] = (unsigned char)rand();
        }
        struct ring_message message;
        const void *payload;
        enum ring_peek result = ring_output_peek(&device.output, false, &message, &payload);
        cr_assert(result == RING_MESSAGE || result == RING_CORRUPT);
        cr_assert_eq(payload, header + 1);
        cr_assert_lt(message.priority, 256);
        cr_assert_lt(message.lane, GYRE_LANES + 1);
        cr_assert_leq(message.type, UINT16_MAX);
        ring_output_release(&device.output);
    }
    played_close(&device);
}

/* ---- answers taken by their slot's sequence alone ---- */

Test(ring_early, an_empty_ring_says_so_whatever_the_tail)
{
    static const uint32_t lies[] = {0, 1, 4, 5, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        for (size_t k = 0; k < LENGTH(lies); ++k) {
            struct played_device device;
            open_rings(&device, sizes[i], UINT32_MAX);
            device.status->output_tail = UINT32_MAX + lies[k];
            expect_early(&device, RING_EMPTY);
            cr_assert_eq(device.output.tail, UINT32_MAX, "the tail is not its business");
            played_close(&device);
        }
    }
}

Test(ring_early, an_answer_is_there_before_its_tail)
{
    for (uint32_t first = UINT32_MAX - 3; first != 4; ++first) {
        struct played_device device;
        open_rings(&device, 4, first);
        answer_one(&device, 7);
        hold_tail_back(&device, 1);
        expect_peek(&device, false, RING_EMPTY, false);
        expect_early(&device, RING_MESSAGE);
        expect_early(&device, RING_MESSAGE);
        expect_one_early(&device, 7);
        expect_early(&device, RING_EMPTY);
        played_close(&device);
    }
}

Test(ring_early, a_message_comes_with_every_field_of_its_header)
{
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX);
    struct gyre_Header *header = output_header(&device, UINT32_MAX);
    *header = (struct gyre_Header){
        .sequence = 0, /* 2^32 - 1 + 1 */
        .info = 0x02a5fedc,
        .id_low = 0x55667788,
        .id_high = 0x11223344,
        .extra = 0xdeadbeef,
        .position = 0x12345678,
    };
    struct ring_message message = {0};
    const void *payload = NULL;
    cr_assert_eq(ring_output_peek_early(&device.output, &message, &payload), RING_MESSAGE);
    cr_assert_eq(payload, header + 1);
    cr_assert_eq(message.id, 0x1122334455667788u);
    cr_assert_eq(message.type, 0xfedc);
    cr_assert_eq(message.priority, 0xa5);
    cr_assert_eq(message.lane, 2);
    cr_assert_eq(message.flags, GYRE_FLAG_FAILED);
    cr_assert_eq(message.extra, 0xdeadbeef);
    cr_assert_eq(message.position, 0x12345678);
    played_close(&device);
}

Test(ring_early, only_the_right_sequence_makes_a_slot_whole)
{
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX);
    answer_one(&device, 1);
    for (uint32_t sequence = UINT32_MAX - 8; sequence != 9; ++sequence) {
        output_header(&device, UINT32_MAX)->sequence = sequence;
        expect_early(&device, sequence == 0 ? RING_MESSAGE : RING_EMPTY);
    }
    played_close(&device);
}

/* What the slot held a round ago is no answer. */
Test(ring_early, full_rings_are_read_in_order_across_the_wrap)
{
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        struct played_device device;
        open_rings(&device, sizes[i], NEAR_WRAP);
        for (uint64_t n = 0; n < 3000; n += sizes[i]) {
            for (uint32_t k = 0; k < sizes[i]; ++k) {
                answer_one(&device, n + k);
            }
            hold_tail_back(&device, sizes[i]);
            for (uint32_t k = 0; k < sizes[i]; ++k) {
                expect_one_early(&device, n + k);
            }
            expect_early(&device, RING_EMPTY);
            expect_peek(&device, false, RING_EMPTY, false);
            device.status->output_tail += sizes[i];
            expect_peek(&device, true, RING_EMPTY, false);
        }
        cr_assert_lt(device.output.head, 3000, "the indices must have wrapped");
        played_close(&device);
    }
}

Test(ring_early, A21_a_header_with_flags_that_cannot_be_is_corrupt_and_can_be_skipped)
{
    struct played_device device;
    open_rings(&device, 2, NEAR_WRAP);
    answer_one(&device, 1);
    answer_one(&device, 2);
    output_header(&device, NEAR_WRAP)->info = (GYRE_FLAG_VOID | GYRE_FLAG_FAILED)
                                              << GYRE_INFO_FLAGS_SHIFT;
    expect_early(&device, RING_CORRUPT);
    ring_output_release(&device.output);
    expect_one_early(&device, 2);
    played_close(&device);
}

/* The tail says less than is known for a while: nothing new, until it is past what was taken. Once
 * nothing is in flight it can only be a lie. */
Test(ring_early, a_tail_that_lags_is_waited_for_while_the_device_may_write)
{
    for (uint32_t first = UINT32_MAX - 5; first != 6; ++first) {
        struct played_device device;
        open_rings(&device, 4, first);
        for (uint32_t id = 0; id < 3; ++id) {
            answer_one(&device, id);
        }
        hold_tail_back(&device, 3);
        for (uint32_t id = 0; id < 3; ++id) {
            expect_one_early(&device, id);
        }
        for (uint32_t lag = 3; lag > 0; --lag) {
            expect_peek(&device, false, RING_EMPTY, false);
            expect_peek(&device, true, RING_CORRUPT, false);
            device.status->output_tail += 1;
        }
        expect_peek(&device, false, RING_EMPTY, false);
        expect_peek(&device, true, RING_EMPTY, false);
        answer_one(&device, 3);
        expect_one(&device, 3);
        played_close(&device);
    }
}

/* By tail and by sequence in any order, each answer is seen once, with the tail as late as can be.
 */
Test(ring_early, answers_may_be_taken_by_turns_early_and_by_the_tail)
{
    for (uint32_t pattern = 0; pattern < 1u << 8; ++pattern) {
        struct played_device device;
        open_rings(&device, 4, UINT32_MAX - 3);
        for (uint32_t n = 0; n < 8; ++n) {
            bool early = (pattern >> n & 1) != 0;
            uint32_t ahead = device.status->output_tail - device.output.head;
            for (; ahead < 1 + n % 3; ++ahead) {
                answer_one(&device, n + ahead);
            }
            uint32_t late = early ? ahead : 0;
            hold_tail_back(&device, late);
            (early ? expect_one_early : expect_one)(&device, n);
            device.status->output_tail += late;
        }
        cr_assert_eq(device.output.head, 4);
        played_close(&device);
    }
}

/* A tail that was seen beyond the slot stays seen: nothing is looked up again. */
Test(ring_early, what_was_seen_of_the_tail_stays_seen)
{
    struct played_device device;
    open_rings(&device, 4, UINT32_MAX - 1);
    for (uint32_t id = 0; id < 3; ++id) {
        answer_one(&device, id);
    }
    expect_peek(&device, false, RING_MESSAGE, true);
    device.status->output_tail = 1000;
    expect_one_early(&device, 0);
    cr_assert_eq(device.output.tail, 1);
    expect_one(&device, 1);
    expect_one_early(&device, 2);
    expect_peek(&device, false, RING_CORRUPT, false);
    played_close(&device);
}

/* An answer says that its message is done, so the host moves its head; the device's word follows.
 */
Test(ring_early, a_head_that_lags_takes_nothing_back_while_the_device_may_write)
{
    for (uint32_t first = UINT32_MAX - 5; first != 6; ++first) {
        struct played_device device;
        open_rings(&device, 4, first);
        struct ring_input *ring = &device.input[1];
        for (uint32_t id = 0; id < 4; ++id) {
            write_one(ring, id);
        }
        ring->head = first + 3;
        for (uint32_t seen = 0; seen < 3; ++seen) {
            device.status->input_head[1] = first + seen;
            cr_assert(ring_input_refresh(ring, false));
            cr_assert_eq(ring_input_room(ring), 3);
            cr_assert_not(ring_input_refresh(ring, true), "with nothing in flight it is a lie");
            cr_assert_eq(ring_input_room(ring), 3);
        }
        for (uint32_t seen = 3; seen <= 4; ++seen) {
            device.status->input_head[1] = first + seen;
            cr_assert(ring_input_refresh(ring, seen % 2 != 0));
            cr_assert_eq(ring_input_room(ring), seen);
        }
        played_close(&device);
    }
}

/* The loop of host and device, on one thread, in random order: 4 lanes, withdrawals, cut messages.
 */

struct loop {
    struct played_device device;
    uint32_t random;
    uint64_t waiting[GYRE_LANES][128]; /* ids not answered, oldest first; 64 in each ring at most */
    uint32_t waiting_count[GYRE_LANES];
    uint64_t next_id;
    uint64_t answers;
    uint64_t redelivered;
    bool forget;
};

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

/* Cuts one message in eight, the first time; answers with the payload's complement. */
static struct played_outcome complement(void *user, const struct played_message *message)
{
    struct loop *loop = user;
    if (draw(&loop->random, 8) == 0 && (message->flags & GYRE_FLAG_REDELIVERED) == 0) {
        memset(message->out[0], 0xcc, PAYLOAD);
        return (struct played_outcome){.cut = true};
    }
    for (size_t i = 0; i < PAYLOAD; ++i) {
        ((unsigned char *)message->out[0])[i] =
            (unsigned char)~((const unsigned char *)message->in)[i];
    }
    return (struct played_outcome){.sends = 1};
}

static void send_some(struct loop *loop)
{
    uint32_t lane = draw(&loop->random, GYRE_LANES);
    struct ring_input *ring = &loop->device.input[lane];
    cr_assert(ring_input_refresh(ring, true));
    for (uint32_t count = draw(&loop->random, 4); count > 0 && ring_input_room(ring) > 0; --count) {
        unsigned char payload[PAYLOAD];
        memset(payload, (int)(loop->next_id & 0xff), sizeof payload);
        uint32_t priority = lane * 64 + draw(&loop->random, 64);
        ring_input_write(ring, &(struct ring_message){.id = loop->next_id, .priority = priority},
                         payload, sizeof payload);
        uint32_t held = loop->waiting_count[lane]++;
        cr_assert_lt(held, LENGTH(loop->waiting[lane]));
        loop->waiting[lane][held] = loop->next_id++;
    }
    ring_input_publish(ring);
}

static void read_some(struct loop *loop)
{
    struct ring_message message = {0};
    const void *payload = NULL;
    for (uint32_t count = draw(&loop->random, 6); count > 0; --count) {
        bool early = draw(&loop->random, 2) == 0;
        enum ring_peek result =
            early ? ring_output_peek_early(&loop->device.output, &message, &payload)
                  : ring_output_peek(&loop->device.output, true, &message, &payload);
        if (result == RING_EMPTY) {
            return;
        }
        cr_assert_eq(result, RING_MESSAGE);
        uint64_t *waiting = loop->waiting[message.lane];
        cr_assert_gt(loop->waiting_count[message.lane], 0, "an answer to nothing");
        cr_assert_eq(message.id, waiting[0], "lane %u: %llu came, %llu was next", message.lane,
                     (unsigned long long)message.id, (unsigned long long)waiting[0]);
        if ((message.flags & GYRE_FLAG_CUT) == 0) {
            cr_assert_eq(*(const unsigned char *)payload, (unsigned char)~message.id);
            cr_assert_eq(((const unsigned char *)payload)[PAYLOAD - 1], (unsigned char)~message.id);
        }
        loop->redelivered += message.flags & GYRE_FLAG_REDELIVERED ? 1 : 0;
        loop->waiting_count[message.lane] -= 1;
        memmove(waiting, waiting + 1, loop->waiting_count[message.lane] * sizeof *waiting);
        loop->answers += 1;
        ring_output_release(&loop->device.output);
    }
}

static void run_some(struct loop *loop)
{
    struct gyre_Exit exit;
    struct played_submission submission = {
        .live = draw(&loop->random, 2) == 0,
        .forget = loop->forget,
        .fuel = 1 + draw(&loop->random, 8),
        .budget = 1 + draw(&loop->random, 8),
        .idle_polls = draw(&loop->random, 3),
    };
    played_run(&loop->device, &submission, &exit);
    loop->forget = false;
}

/* Nothing is in flight: some of what was not consumed is forgotten by the ring, and by us. */
static void withdraw_some(struct loop *loop)
{
    uint32_t lane = draw(&loop->random, GYRE_LANES);
    struct ring_input *ring = &loop->device.input[lane];
    cr_assert(ring_input_refresh(ring, true));
    uint32_t count = draw(&loop->random, ring->tail - ring->head + 1);
    for (uint32_t i = 0; i < count; ++i) {
        ring_input_withdraw(ring);
        loop->waiting_count[lane] -= 1;
        loop->forget = true;
    }
}

static void run_loop(uint32_t size, uint32_t first_index, uint32_t seed)
{
    static struct loop state;
    struct loop *loop = &state;
    *loop = (struct loop){.random = seed};
    cr_assert(played_open(&loop->device, &(struct played_params){
                                             .input_size = size,
                                             .output_size = size,
                                             .payload_size = PAYLOAD,
                                             .max_sends = 1,
                                             .first_index = first_index,
                                             .handler = complement,
                                             .user = loop,
                                         }));
    for (uint32_t step = 0; step < 40000; ++step) {
        uint32_t kind = draw(&loop->random, 100);
        (kind < 40   ? send_some
         : kind < 75 ? run_some
         : kind < 98 ? read_some
                     : withdraw_some)(loop);
    }
    uint32_t left = UINT32_MAX;
    while (left > 0) {
        run_some(loop);
        read_some(loop);
        left = 0;
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            left += loop->waiting_count[lane];
        }
    }
    expect_peek(&loop->device, true, RING_EMPTY, false);
    cr_assert_gt(loop->answers, 1000);
    /* With one output slot a residency answers one message, and a cut one is its first: refused,
     * not done again. */
    cr_assert_eq(loop->redelivered > 0, size > 1);
    cr_assert_lt(loop->device.output.head, first_index, "the indices must have wrapped");
    played_close(&loop->device);
}

Test(ring, in_any_order_of_steps_each_message_is_answered_once_and_in_order)
{
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        for (uint32_t seed = 1; seed <= 5; ++seed) {
            run_loop(sizes[i], NEAR_WRAP, seed * 2654435761u);
        }
    }
}

/* ---- without a copy ---- */

Test(ring, a_payload_may_be_in_its_slot_already)
{
    for (size_t i = 0; i < LENGTH(sizes); ++i) {
        struct played_device device;
        open_rings(&device, sizes[i], UINT32_MAX - 1);
        struct ring_input *ring = &device.input[0];
        for (uint32_t at = 0; at < sizes[i]; ++at) {
            unsigned char *payload = ring_input_payload(ring, ring->tail + at);
            cr_assert_eq((void *)payload, (void *)(input_header(ring, ring->tail + at) + 1));
            memset(payload, (int)at, PAYLOAD);
        }
        for (uint32_t at = 0; at < sizes[i]; ++at) {
            uint32_t index = ring->tail;
            ring_input_write(ring, &(struct ring_message){.id = at}, NULL, PAYLOAD);
            const unsigned char *payload = ring_input_payload(ring, index);
            cr_assert(payload[0] == (unsigned char)at && payload[PAYLOAD - 1] == payload[0]);
            cr_assert_eq(input_header(ring, index)->sequence, index + 1);
        }
        played_close(&device);
    }
}

Test(ring, slots_that_are_kept_are_not_given_back)
{
    struct played_device device;
    open_rings(&device, 8, UINT32_MAX - 2);
    struct ring_output *ring = &device.output;
    uint32_t first = ring->head;
    ring->given = first;
    for (uint64_t id = 0; id < 6; ++id) {
        answer_one(&device, id);
    }
    expect_one(&device, 0);
    cr_assert_eq(*ring->head_word, first + 1);
    struct ring_message message;
    const void *payload;
    cr_assert_eq(ring_output_peek(ring, false, &message, &payload), RING_MESSAGE);
    ring_output_keep(ring);
    ring_output_skip(ring);
    expect_one(&device, 2);
    ring_output_keep(ring); /* it is already */
    expect_one(&device, 3);
    cr_assert(*ring->head_word == first + 1 && ring->given == first + 1);
    ring_output_let_go(ring);
    cr_assert(*ring->head_word == first + 4 && ring->given == first + 4);
    expect_one(&device, 4);
    cr_assert_eq(*ring->head_word, first + 5);
    ring_output_let_go(ring);
    cr_assert_eq(*ring->head_word, first + 5);
    played_close(&device);
}
