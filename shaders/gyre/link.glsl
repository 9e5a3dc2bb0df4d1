/* Links: what a workgroup takes from other kernels, and what it sends to them, without the host.
 *
 * A ring has one producing and one consuming workgroup, and nobody waits: a message is claimed only when there is room in
 * every ring that it might go to, and a residency that finds none ends. Part of a cycle, a ring keeps one slot free for what
 * goes around (bubble flow control: Carrion et al., HiPC 1997): to enter takes two free slots, to go on takes one.
 *
 * What a message sends lies in the slots behind the tails, and in the journal as stores that are due. Both are void until
 * the message is acknowledged; the stores can be made again, for a driver may cut the loop that makes them.
 */
#ifndef GYRE_LINK_GLSL
#define GYRE_LINK_GLSL

#define GYRE_TAKES_LINKS ((gyre_links & GYRE_LINKS_IN) != 0u)
#define GYRE_FORWARDS ((gyre_links & GYRE_LINKS_OUT) != 0u)
#define GYRE_ONE_IN ((gyre_links & GYRE_LINKS_ONE_IN) != 0u)
#define GYRE_ONE_OUT ((gyre_links & GYRE_LINKS_ONE_OUT) != 0u)

#define GYRE_FROM_NOBODY 0u
#define GYRE_FROM_HOST 1u
#define GYRE_FROM_LINK 2u

#define GYRE_PLENTY 0xffffffffu

shared uint gyre_shared_entries;
shared uint gyre_shared_from;

bool gyre_writes();
uint gyre_answers();

/* The same in every invocation. */
uint gyre_entries = 0u;  /* in the journal, of the message in hand */
uint gyre_forwards = 0u; /* of gyre_sends, those to links */
uint gyre_key = 0u;      /* of what is sent, */
bool gyre_key_set = false; /* if it is not that of the message in hand */
uint gyre_ports = 0u;
uint gyre_fault = 0u; /* GYRE_FLAG_..., of the message in hand */
uint gyre_in_slots = 0u;
uint gyre_in_size = 1u;
uint gyre_out_line = 0u; /* of the one ring out */
uint gyre_out_slots = 0u;
uint gyre_out_size = 1u;
uint gyre_out_tail = 0u;

/* The leader's. */
uint gyre_room = 0u;       /* messages to claim before the rings must be looked at again */
uint gyre_cycle_room = 0u; /* free slots in the ring that is part of a cycle */
uint gyre_source = 0u;     /* to look at next */
uint gyre_taken = 0u;      /* the one that the message in hand came from */
uint gyre_begun = 0u;      /* the one whose head gyre_redo speaks of */
uint gyre_from = GYRE_FROM_NOBODY;
uint gyre_linked = 0u;
uint gyre_linked_failed = 0u;
uint gyre_number_before = 0u;
bool gyre_unpublished = false;
uint gyre_sources = 0u;
/* Of the one ring in, and of the one out. */
uint gyre_in_line = 0u;
uint gyre_in_head = 0u;
uint gyre_in_tail = 0u;
bool gyre_in_cycle = false;
bool gyre_out_cycle = false;

uint gyre_own = 0u; /* per invocation: which of the messages in hand is this one's */

gyre_Port gyre_port_at(uint port)
{
    uint at = gyre_routes.ports_at + port * 4u;
    return gyre_Port(gyre_route_words[at], gyre_route_words[at + 1u], gyre_route_words[at + 2u], 0u);
}

gyre_Target gyre_target_at(uint target)
{
    uint at = gyre_routes.targets_at + target * 4u;
    return gyre_Target(gyre_route_words[at], gyre_route_words[at + 1u], gyre_route_words[at + 2u], 0u);
}

gyre_OutRing gyre_out_ring(uint ring)
{
    uint at = gyre_routes.rings_at + (gyre_group * gyre_routes.rings + ring) * 8u;
    return gyre_OutRing(gyre_route_words[at], gyre_route_words[at + 1u], gyre_route_words[at + 2u],
                        gyre_route_words[at + 3u], gyre_route_words[at + 4u], uint[3](0u, 0u, 0u));
}

gyre_InRing gyre_in_ring(uint source)
{
    uint at = gyre_routes.sources_at + (gyre_group * gyre_routes.sources + source) * 4u;
    return gyre_InRing(gyre_route_words[at], gyre_route_words[at + 1u], gyre_route_words[at + 2u],
                       gyre_route_words[at + 3u]);
}

uint gyre_journal_at()
{
    return gyre_routes.journal + gyre_group * gyre_routes.journal_words;
}

uint gyre_entry_at(uint entry)
{
    return gyre_journal_at() + GYRE_JOURNAL_ENTRIES + entry * 2u;
}

/* ---- sending ---- */

/* A4, as in gyre_has_room(): the slots before a head are free; pairs with R3 in gyre_leave_source(). The fence is in
 * gyre_receive(). Cut short it finds too much room: gyre_enter() looks again. */
void gyre_look_at_rooms()
{
    if (!GYRE_FORWARDS) {
        gyre_room = GYRE_PLENTY;
        gyre_cycle_room = GYRE_PLENTY;
        return;
    }
    if (gyre_room >= (GYRE_EACH ? gyre_local_count : 1u) && gyre_cycle_room >= 2u) {
        return;
    }
    gyre_room = GYRE_PLENTY;
    gyre_cycle_room = GYRE_PLENTY;
    if (GYRE_ONE_OUT) {
        uint left = gyre_out_size - min(gyre_out_tail - gyre_load(gyre_lines[gyre_out_line + GYRE_LINE_HEAD]), gyre_out_size);
        gyre_room = gyre_ports == 0u || gyre_out_cycle ? gyre_room : left;
        gyre_cycle_room = gyre_ports != 0u && gyre_out_cycle ? left : gyre_cycle_room;
        return;
    }
    uint rings = gyre_routes.rings;
    for (uint i = 0u; i < rings; ++i) {
        gyre_OutRing ring = gyre_out_ring(i);
        uint used = gyre_load(gyre_lines[ring.line + GYRE_LINE_TAIL]) - gyre_load(gyre_lines[ring.line + GYRE_LINE_HEAD]);
        uint left = ring.size - min(used, ring.size);
        bool lossy = (ring.flags & GYRE_RING_LOSSY) != 0u;
        bool cycle = (ring.flags & GYRE_RING_CYCLE) != 0u;
        gyre_cycle_room = cycle ? left : gyre_cycle_room;
        gyre_room = lossy || cycle ? gyre_room : min(gyre_room, left / gyre_max_sends);
    }
}

/* Where GYRE_OUT lies: it has room for one more, or nothing is linked any more. */
uint gyre_slot_for_out()
{
    uint index = gyre_out_tail + (GYRE_EACH ? gyre_own : 0u);
    return gyre_ports != 0u ? gyre_out_slots + (index & (gyre_out_size - 1u)) : gyre_routes.scratch;
}

/* Who copies a message: all of the workgroup, or the invocation whose it is. */
uint gyre_first_word()
{
    return GYRE_EACH ? 0u : gl_LocalInvocationIndex;
}

uint gyre_word_step()
{
    return GYRE_EACH ? 1u : gyre_local_count;
}

/* GYRE_OUT does not lie where the host reads. */
void gyre_copy_to_answer()
{
    if (!GYRE_EACH) {
        gyre_synchronize();
    }
    uint from = gyre_output_at * gyre_output_stride + 8u;
    uint to = gyre_output_slot * gyre_output_stride + 8u;
    for (uint i = gyre_first_word(); i < gyre_output_words_count; i += gyre_word_step()) {
        gyre_answer_words[to + i] = gyre_output_words[from + i];
    }
}

/* The leader's part of a send: one more entry in the journal. A ring that is not lossy is full only if the driver cuts
 * loops; then the message does not count. */
void gyre_enter(uint index)
{
    gyre_OutRing ring = gyre_out_ring(index);
    uint tail = gyre_load(gyre_lines[ring.line + GYRE_LINE_TAIL]);
    uint lost = gyre_load(gyre_lines[ring.line + GYRE_LINE_LOST]);
    if (gyre_max_sends > 1u) {
        for (uint i = 0u; i < gyre_entries; ++i) {
            uint at = gyre_entry_at(i);
            tail = gyre_arena[at] == index ? gyre_arena[at + 1u] : tail;
            lost = gyre_arena[at] == (index | GYRE_ENTRY_LOST) ? gyre_arena[at + 1u] : lost;
        }
    }
    bool full = tail - gyre_load(gyre_lines[ring.line + GYRE_LINE_HEAD]) >= ring.size;
    bool lossy = (ring.flags & GYRE_RING_LOSSY) != 0u;
    if (!full || lossy) {
        uint at = gyre_entry_at(gyre_entries);
        gyre_arena[at] = full ? index | GYRE_ENTRY_LOST : index;
        gyre_arena[at + 1u] = full ? lost + 1u : tail + 1u;
        gyre_entries += 1u;
    }
}

uint gyre_messages();

/* Messages that this workgroup has acknowledged in its life. */
uint gyre_number()
{
    return gyre_number_before + gyre_messages();
}

uint gyre_sent_key()
{
    return gyre_key_set ? gyre_key : gyre_input_slots[gyre_input_slot].header.extra;
}

/* Messages so far to some rings, those of the message in hand included: whose turn it is. */
uint gyre_turn(uint first, uint count)
{
    uint sum = 0u;
    for (uint i = 0u; i < count; ++i) {
        uint line = gyre_out_ring(first + i).line;
        sum += gyre_load(gyre_lines[line + GYRE_LINE_TAIL]) + gyre_load(gyre_lines[line + GYRE_LINE_LOST]);
    }
    for (uint i = 0u; i < gyre_entries; ++i) {
        uint ring = gyre_arena[gyre_entry_at(i)] & ~GYRE_ENTRY_LOST;
        sum += ring - first < count ? 1u : 0u;
    }
    return sum;
}

/* Which ring leads to the workgroup of a target that the message is for. */
uint gyre_ring_to(uint index)
{
    gyre_Target target = gyre_target_at(index);
    if (target.count == 1u) {
        return target.first;
    }
    uint which = target.by_key != 0u ? gyre_sent_key() : gyre_turn(target.first, target.count);
    return target.first + which % target.count;
}

void gyre_enter_all(uint index)
{
    gyre_Port port = gyre_port_at(index);
    if (port.spread == GYRE_TO_EACH) {
        for (uint i = 0u; i < port.count; ++i) {
            gyre_enter(gyre_ring_to(port.first + i));
        }
    } else {
        /* Of keys a hash (Knuth's multiplicative one): the workgroup of a target is chosen by the key itself. */
        uint which = gyre_sent_key() * 2654435761u >> 16;
        if (port.spread == GYRE_TO_TURN) {
            gyre_Target last = gyre_target_at(port.first + port.count - 1u);
            uint ring = gyre_target_at(port.first).first;
            which = gyre_turn(ring, last.first + last.count - ring);
        }
        gyre_enter(gyre_ring_to(port.first + which % port.count));
    }
}

/* In front of a message on its way: what came with the one that it was made from. */
void gyre_write_link_header(uint to)
{
    gyre_arena[to + 1u] = (gyre_message_info & 0x00ff0000u) | GYRE_FLAG_LINKED << GYRE_INFO_FLAGS_SHIFT;
    gyre_arena[to + 2u] = gyre_input_slots[gyre_input_slot].header.id_low;
    gyre_arena[to + 3u] = gyre_input_slots[gyre_input_slot].header.id_high;
    gyre_arena[to + 4u] = gyre_input_slots[gyre_input_slot].header.correlation_low;
    gyre_arena[to + 5u] = gyre_input_slots[gyre_input_slot].header.correlation_high;
    gyre_arena[to + 6u] = gyre_sent_key();
    gyre_arena[to + 7u] = gyre_message_hops() + 1u;
}

void gyre_copy_to_link(uint entry)
{
    uint index = gyre_arena[gyre_entry_at(entry)];
    if ((index & GYRE_ENTRY_LOST) != 0u) {
        return;
    }
    gyre_OutRing ring = gyre_out_ring(index);
    uint tail = gyre_arena[gyre_entry_at(entry) + 1u];
    uint to = ring.slots + ((tail - 1u) & (ring.size - 1u)) * ring.stride;
    if (gyre_writes()) {
        gyre_write_link_header(to);
    }
    uint out_words = gyre_output_at * gyre_output_stride + 8u;
    for (uint i = gyre_first_word(); i < gyre_output_words_count; i += gyre_word_step()) {
        gyre_arena[to + 8u + i] = gyre_output_words[out_words + i];
    }
}

/* GYRE_OUT to all that the port leads to. */
void gyre_forward(uint port)
{
    uint first = gyre_entries;
    if (gyre_writes()) {
        gyre_enter_all(port);
    }
    if (!GYRE_EACH && gyre_local_count > 1u) {
        if (gyre_leads()) {
            gyre_shared_entries = gyre_entries;
        }
        gyre_synchronize(); /* the entries, and what the others wrote to GYRE_OUT */
        gyre_entries = gyre_shared_entries;
    }
    for (uint i = first; i < gyre_entries; ++i) {
        gyre_copy_to_link(i);
    }
    if (!GYRE_EACH && gyre_local_count > 1u && gyre_max_sends > 1u) {
        gyre_synchronize(); /* GYRE_OUT may be written again */
    }
    gyre_forwards += 1u;
}

/* The stores that are due, in any order and as often as it takes. */
void gyre_settle_journal(uint due)
{
    for (uint i = 0u; i < due; ++i) {
        uint index = gyre_arena[gyre_entry_at(i)];
        uint value = gyre_arena[gyre_entry_at(i) + 1u];
        uint ring = index & ~GYRE_ENTRY_LOST;
        uint line = gyre_out_ring(ring).line;
        uint mirror = gyre_routes.mirror_out + gyre_group * gyre_routes.mirror_stride + ring * 2u;
        uint lost = index == ring ? 0u : 1u;
        /* R2: publishes the slots; pairs with A1 in gyre_look_at_source(). The fence is that of gyre_workgroup_is_whole(). */
        gyre_store(gyre_lines[line + (lost != 0u ? GYRE_LINE_LOST : GYRE_LINE_TAIL)], value);
        gyre_store(gyre_mirror[mirror + lost], value);
    }
    if (GYRE_CUTS && due != 0u) {
        gyre_unpublished = !gyre_loops_are_whole();
        gyre_redo |= GYRE_CLAIMED_UNPUBLISHED; /* the host must submit again, if only for that */
        if (!gyre_unpublished) {
            gyre_arena[gyre_journal_at()] = 0u;
            gyre_redo &= ~GYRE_CLAIMED_UNPUBLISHED;
        }
    }
}

/* What the message in hand sent, with its acknowledgement. Once the journal says that it is due it is, cut or not. */
void gyre_publish_links(uint due)
{
    if (GYRE_ONE_OUT) {
        if (due != 0u) {
            gyre_store(gyre_lines[gyre_out_line + GYRE_LINE_TAIL], gyre_out_tail); /* R2, as above */
        }
        return;
    }
    if (GYRE_CUTS && due != 0u) {
        gyre_arena[gyre_journal_at()] = due;
    }
    gyre_settle_journal(due);
}

/* ---- a message to each invocation ---- */

/* How many more may be claimed at once, the first one included. Where what is sent goes through the journal, where host and
 * link share the place of GYRE_IN, and in cycles they come one by one. */
uint gyre_claim_more_linked(uint there)
{
    bool single = GYRE_FORWARDS && (!GYRE_ONE_OUT || gyre_ports == 0u || gyre_out_cycle);
    single = single || (GYRE_TAKES_LINKS && (!GYRE_ONE_IN || gyre_in_cycle || gyre_lane != GYRE_LANE_LINK));
    there = GYRE_TAKES_LINKS ? gyre_in_tail - gyre_in_head : there;
    there = GYRE_FORWARDS ? min(there, gyre_room + 1u) : there; /* one has been claimed */
    return single ? 1u : there;
}

/* Of the messages in hand, those that were sent on. */
uint gyre_sent_each()
{
    return gyre_count - gyre_this_turn(gyre_shared_unsent);
}

uint gyre_out_slot_words(uint index)
{
    return (gyre_out_slots + (index & (gyre_out_size - 1u))) * gyre_output_stride;
}

void gyre_note_sent(bool sent)
{
    if (gyre_ports != 0u) {
        gyre_arena[gyre_out_slot_words(gyre_out_tail + gyre_own)] = sent ? 1u : 0u;
    }
}

/* The leader's: what was sent on lies in slots one behind the other. */
void gyre_close_up()
{
    uint next = gyre_out_tail;
    for (uint i = 0u; i < gyre_count && gyre_ports != 0u; ++i) {
        uint from = gyre_out_slot_words(gyre_out_tail + i);
        uint to = gyre_out_slot_words(next);
        bool sent = gyre_arena[from] != 0u;
        for (uint word = 1u; sent && to != from && word < 8u + gyre_output_words_count; ++word) {
            gyre_arena[to + word] = gyre_arena[from + word];
        }
        next += sent ? 1u : 0u;
    }
}

/* ---- receiving ---- */

/* Is there something in the link to look at? */
bool gyre_look_at_source(out uint flags, out uint head)
{
    flags = 0u;
    head = 0u;
    if (!GYRE_TAKES_LINKS || gyre_sources == 0u) {
        return false;
    }
    if (GYRE_ONE_IN) {
        flags = gyre_in_cycle ? GYRE_RING_CYCLE : 0u;
        head = gyre_in_head;
        if (gyre_in_tail == gyre_in_head) {
            gyre_in_tail = gyre_load(gyre_lines[gyre_in_line + GYRE_LINE_TAIL]); /* A1, as below */
        }
        return gyre_in_tail != gyre_in_head;
    }
    gyre_InRing ring = gyre_in_ring(gyre_source);
    flags = ring.flags;
    head = gyre_load(gyre_lines[ring.line + GYRE_LINE_HEAD]);
    /* A1: the slots before the tail are whole; pairs with R2 in gyre_settle_journal(). The fence is in gyre_receive(). */
    return gyre_load(gyre_lines[ring.line + GYRE_LINE_TAIL]) != head;
}

/* The head of the link just looked at. */
void gyre_claim_link(uint head)
{
    if (GYRE_ONE_IN) {
        gyre_input_slot = gyre_in_slots + (head & (gyre_in_size - 1u));
    } else {
        gyre_InRing ring = gyre_in_ring(gyre_source);
        gyre_taken = gyre_source;
        gyre_source = gyre_source + 1u < gyre_sources ? gyre_source + 1u : 0u;
        gyre_input_slot = ring.slots + (head & (ring.size - 1u));
    }
    gyre_lane = GYRE_LANE_LINK;
    gyre_head = head;
    gyre_output_slot = gyre_output_slot_of(gyre_output_tail);
}

/* R3: gives the slot back; pairs with A4 in gyre_look_at_rooms(). */
void gyre_leave_source(uint done)
{
    if (GYRE_ONE_IN) {
        gyre_in_head = gyre_head;
        gyre_store(gyre_lines[gyre_in_line + GYRE_LINE_HEAD], gyre_head);
    } else {
        gyre_store(gyre_lines[gyre_in_ring(gyre_taken).line + GYRE_LINE_HEAD], gyre_head);
        gyre_store(gyre_mirror[gyre_routes.mirror_in + gyre_group * gyre_routes.mirror_stride + gyre_taken], gyre_head);
    }
    gyre_linked += done;
    gyre_linked_failed += GYRE_EACH ? (done != 0u ? gyre_shared_failures : 0u) : done * gyre_failed;
}

/* What the host sent goes where the links are, for GYRE_IN is one place. */
void gyre_fetch()
{
    uint from = gyre_input_slot * gyre_input_stride;
    uint hand = gyre_routes.hand + gyre_group;
    for (uint i = gl_LocalInvocationIndex; i < gyre_input_stride; i += gyre_local_count) {
        gyre_arena[hand * gyre_input_stride + i] = gyre_queue_words[from + i];
    }
    gyre_synchronize();
    gyre_input_slot = hand;
}

/* As gyre_await(), for a kernel with links: one of them in each look. LIVE waits for news; STRICT looks at each link once.
 * Bands of priority first; among equals host and links take turns, and the links among themselves. */
uint gyre_await_linked(out bvec4 holds, out uint head, out uint reason)
{
    uint sources = GYRE_TAKES_LINKS ? gyre_sources : 0u;
    /* Once around the links at least, whatever the fuel: a kernel that is given little must find its messages. */
    uint turns = gyre_fuel == 0u ? 0u : max(GYRE_LIVE ? min(gyre_idle_polls, gyre_fuel) : 0u, sources);
    uint left = turns;
    uint command = GYRE_COMMAND_RUN;
    bool blocked = false;
    bool linked = false;
    bool enters = false;
    bool there = false;
    uint flags = 0u;
    bool room = false;
    for (;;) {
        holds = gyre_look();
        there = gyre_look_at_source(flags, head);
        room = gyre_has_room();
        enters = any(holds) && room && gyre_room != 0u && gyre_cycle_room >= 2u;
        linked = there && room && gyre_room != 0u && gyre_cycle_room >= ((flags & GYRE_RING_CYCLE) != 0u ? 1u : 2u);
        blocked = blocked || (any(holds) && !enters) || (there && !linked);
        if (GYRE_LIVE) {
            command = gyre_load(gyre_host.command);
        }
        if (enters || linked || command != GYRE_COMMAND_RUN || left == 0u || (blocked && turns - left >= sources)) {
            break;
        }
        if (GYRE_TAKES_LINKS && !GYRE_ONE_IN) {
            gyre_source = gyre_source + 1u < sources ? gyre_source + 1u : 0u;
        }
        left -= 1u;
    }
    gyre_fuel -= min(turns - left, max(gyre_fuel, 1u) - 1u);
    bool over = left == 0u || (blocked && turns - left >= sources);
    reason = !over ? 0u : !blocked ? GYRE_EXIT_IDLE : room ? GYRE_EXIT_LINK : GYRE_EXIT_OUTPUT; /* 0: the loop was cut */
    reason = enters || linked ? 0u : reason;
    uint away = gyre_away(command);
    reason = away != 0u ? away : reason;
    reason = gyre_left == 0u ? GYRE_EXIT_BUDGET : reason;
    reason = gyre_fuel == 0u ? GYRE_EXIT_FUEL : reason;
    if (enters && linked) {
        uint slot = gyre_in_slots + (head & (gyre_in_size - 1u));
        if (!GYRE_ONE_IN) {
            gyre_InRing ring = gyre_in_ring(gyre_source);
            slot = ring.slots + (head & (ring.size - 1u));
        }
        uint info = gyre_input_slots[slot].header.info;
        uint lane = holds.w ? 3u : holds.z ? 2u : holds.y ? 1u : 0u;
        uint band = (info >> GYRE_INFO_PRIORITY_SHIFT & 0xffu) / (256u / GYRE_LANES);
        /* Of a residency's first message the parity decides: each may have one only. */
        bool turn = gyre_from == GYRE_FROM_NOBODY ? (gyre_number() & 1u) != 0u : gyre_from == GYRE_FROM_HOST;
        linked = band > lane || (band == lane && turn);
    }
    if (enters && !there) {
        gyre_source = gyre_source + 1u < sources ? gyre_source + 1u : 0u; /* another one after the host's */
    }
    return linked ? GYRE_FROM_LINK : enters ? GYRE_FROM_HOST : GYRE_FROM_NOBODY;
}

/* ---- a residency ---- */

/* In every invocation. */
void gyre_find_links()
{
    if (GYRE_ONE_IN && gyre_routes.sources != 0u) {
        gyre_InRing ring = gyre_in_ring(0u);
        gyre_in_slots = ring.slots;
        gyre_in_size = ring.size;
    }
    if (GYRE_FORWARDS) {
        gyre_ports = gyre_routes.ports;
    }
    if (GYRE_ONE_OUT && gyre_ports != 0u) {
        gyre_OutRing ring = gyre_out_ring(0u);
        gyre_out_line = ring.line;
        gyre_out_slots = ring.slots / gyre_output_stride;
        gyre_out_tail = gyre_load(gyre_lines[gyre_out_line + GYRE_LINE_TAIL]);
        gyre_out_size = ring.size;
    }
}

void gyre_begin_links()
{
    gyre_number_before = gyre_local[gyre_group].number;
    if (GYRE_TAKES_LINKS) {
        gyre_sources = gyre_routes.sources;
        gyre_begun = gyre_local[gyre_group].begun;
        gyre_source = gyre_local[gyre_group].source;
        gyre_source = gyre_source < gyre_sources ? gyre_source : 0u;
    }
    if (GYRE_ONE_IN && gyre_sources != 0u) {
        gyre_InRing ring = gyre_in_ring(0u);
        gyre_in_line = ring.line;
        gyre_in_head = gyre_load(gyre_lines[gyre_in_line + GYRE_LINE_HEAD]);
        gyre_in_tail = gyre_in_head;
        gyre_in_cycle = (ring.flags & GYRE_RING_CYCLE) != 0u;
    }
    if (GYRE_ONE_OUT && gyre_ports != 0u) {
        gyre_out_cycle = (gyre_out_ring(0u).flags & GYRE_RING_CYCLE) != 0u;
    }
    if (GYRE_FORWARDS && !GYRE_ONE_OUT && GYRE_CUTS) {
        gyre_settle_journal(gyre_arena[gyre_journal_at()]);
    }
}

/* The host looks when the submission has ended. */
void gyre_end_links()
{
    if (GYRE_ONE_IN && gyre_sources != 0u) {
        gyre_store(gyre_mirror[gyre_routes.mirror_in], gyre_in_head);
    }
    if (GYRE_ONE_OUT && gyre_ports != 0u) {
        gyre_store(gyre_mirror[gyre_routes.mirror_out], gyre_out_tail);
    }
}

#endif
