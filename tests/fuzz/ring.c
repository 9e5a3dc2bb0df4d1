/* engine/ring against a hostile device: the input says what the device writes into its words, and
 * when, and what the host does in between. Whatever it is, nothing outside of the rings is touched,
 * and nothing that cannot be is believed. */
#include "ring.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"

struct bytes {
    const uint8_t *data;
    size_t size;
};

static uint32_t next_byte(struct bytes *bytes)
{
    if (bytes->size == 0) {
        return 0;
    }
    bytes->size -= 1;
    return *bytes->data++;
}

static uint32_t next_word(struct bytes *bytes)
{
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) {
        word = word << 8 | next_byte(bytes);
    }
    return word;
}

/* Words of which most are near an index: lies that are almost true. */
static uint32_t next_lie(struct bytes *bytes, uint32_t near)
{
    uint32_t kind = next_byte(bytes);
    return kind < 8 ? next_word(bytes) : near + kind - 128;
}

struct host {
    struct ring_input input;
    struct ring_output output;
    struct gyre_HostLine *host;
    struct gyre_ReaderLine *reader;
    struct gyre_StatusLine *status;
    size_t payload_size;
    unsigned char *payload;
};

/* Each on a heap block of exactly its size, so that AddressSanitizer sees a byte too far. */
static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory);
    return memory;
}

static void open_host(struct host *host, struct bytes *bytes)
{
    uint32_t size = 1u << next_byte(bytes) % 5;
    uint32_t first = next_lie(bytes, 0);
    size_t payload_size = next_byte(bytes) % 17 * 4;
    size_t stride = sizeof(struct gyre_Header) + payload_size;
    *host = (struct host){
        .host = allocate(sizeof *host->host),
        .reader = allocate(sizeof *host->reader),
        .status = allocate(sizeof *host->status),
        .payload_size = payload_size,
        .payload = allocate(payload_size + 1),
    };
    host->input = (struct ring_input){
        .slots = allocate(size * stride),
        .stride = stride,
        .size = size,
        .tail = first,
        .head = first,
        .write_combined = next_byte(bytes) % 2 != 0,
        .tail_word = &host->host->input_tail[0],
        .head_word = &host->status->input_head[0],
    };
    host->output = (struct ring_output){
        .slots = allocate(size * stride),
        .stride = stride,
        .size = size,
        .head = first,
        .tail = first,
        .head_word = &host->reader->output_head,
        .tail_word = &host->status->output_tail,
    };
}

static void close_host(struct host *host)
{
    free((void *)host->output.slots);
    free(host->input.slots);
    free(host->host);
    free(host->reader);
    free(host->status);
    free(host->payload);
}

/* The device scribbles: one word, or a whole header, into the output ring, which is its own; or a
 * word into the input. */
static void scribble(struct host *host, struct bytes *bytes)
{
    const struct ring_output *output = &host->output;
    uint32_t index = output->head + next_byte(bytes) % output->size;
    unsigned char *slot = (unsigned char *)output->slots +
                          (index & (output->size - 1)) * output->stride;
    struct gyre_Header *header = (void *)slot;
    switch (next_byte(bytes) % 4) {
    case 0:
        header->sequence = next_lie(bytes, index + 1);
        break;
    case 1:
        header->info = next_word(bytes);
        header->position = next_word(bytes);
        break;
    case 2:
        for (size_t at = 0; at < output->stride; ++at) {
            slot[at] = (unsigned char)next_byte(bytes);
        }
        break;
    default:
        /* Honest for once. */
        header->info = next_word(bytes) & 0x0fffffff;
        header->sequence = index + 1;
        break;
    }
}

static void check_input(const struct ring_input *ring)
{
    ASSERT(ring->tail - ring->head <= ring->size);
    ASSERT(ring_input_room(ring) <= ring->size);
}

static void refresh(struct host *host, bool settled)
{
    uint32_t head = host->input.head;
    uint32_t claimed = host->status->input_head[0];
    bool possible = claimed - head <= host->input.tail - head;
    bool late = !settled && (int32_t)(claimed - head) < 0;
    ASSERT(ring_input_refresh(&host->input, settled) == (possible || late));
    ASSERT(host->input.head == (possible ? claimed : head));
}

static void write_message(struct host *host, struct bytes *bytes)
{
    if (ring_input_room(&host->input) > 0) {
        struct ring_message message = {
            .id = next_word(bytes),
            .type = next_byte(bytes),
            .priority = next_byte(bytes),
        };
        size_t size = next_byte(bytes) % (host->payload_size + 1);
        ring_input_write(&host->input, &message, host->payload, size);
    }
}

enum way { IN_FLIGHT, SETTLED, EARLY };

/* Reads what is said to be there, all of it, and gives it back. */
static void read_answer(struct host *host, enum way way, bool drop)
{
    struct ring_output *ring = &host->output;
    struct ring_message message = {0};
    const void *payload = &message;
    uint32_t head = ring->head;
    const uint32_t *sequence = ring_output_sequence(ring);
    enum ring_peek result = way == EARLY
                                ? ring_output_peek_early(ring, &message, &payload)
                                : ring_output_peek(ring, way == SETTLED, &message, &payload);
    ASSERT(ring->head == head);
    ASSERT(ring->tail - ring->head <= ring->size);
    ASSERT(way != EARLY || (result == RING_EMPTY) == (*sequence != head + 1));
    if (result == RING_EMPTY) {
        ASSERT(!payload);
        ASSERT(way != SETTLED || ring->tail == ring->head);
        return;
    }
    if (!payload) {
        uint32_t ahead = host->status->output_tail - head;
        ASSERT(result == RING_CORRUPT && ahead > ring->size);
        ASSERT(way == SETTLED || (int32_t)ahead > 0);
        return;
    }
    const unsigned char *slot = ring->slots + (head & (ring->size - 1)) * ring->stride;
    ASSERT(sequence == &((const struct gyre_Header *)(const void *)slot)->sequence);
    ASSERT(payload == slot + sizeof(struct gyre_Header));
    memcpy(host->payload, payload, host->payload_size);
    if (result == RING_MESSAGE) {
        ASSERT(message.type <= UINT16_MAX && message.priority < 256);
        ASSERT(message.lane ==
               (message.flags & GYRE_FLAG_LINKED ? GYRE_LANE_LINK : ring_lane(message.priority)));
        ASSERT(*sequence == head + 1);
    }
    if (drop) {
        ring_output_release(ring);
        ASSERT(host->reader->output_head == head + 1);
    }
}

static void step(struct host *host, struct bytes *bytes)
{
    switch (next_byte(bytes) % 11) {
    case 0:
        host->status->output_tail = next_lie(bytes, host->output.head);
        break;
    case 1:
        host->status->input_head[0] = next_lie(bytes, host->input.head);
        break;
    case 2:
    case 3:
        scribble(host, bytes);
        break;
    case 4:
        refresh(host, next_byte(bytes) % 2 != 0);
        break;
    case 5:
        write_message(host, bytes);
        break;
    case 6:
        ring_input_publish(&host->input);
        ASSERT(host->host->input_tail[0] == host->input.tail);
        break;
    case 7:
        if (host->input.tail != host->input.head) {
            ring_input_withdraw(&host->input);
        }
        break;
    case 8:
        read_answer(host, next_byte(bytes) % 3, false);
        break;
    case 9:
        /* An answer told that one more input is done. */
        host->input.head += host->input.tail != host->input.head;
        break;
    default:
        read_answer(host, next_byte(bytes) % 3, true);
        break;
    }
    check_input(&host->input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {.data = data, .size = size};
    struct host host;
    open_host(&host, &bytes);
    while (bytes.size > 0) {
        step(&host, &bytes);
    }
    close_host(&host);
    return 0;
}
