/* Include this after #define GYRE_INPUT and GYRE_OUTPUT (your structs), before your main():
 *
 *     void main()
 *     {
 *         while (gyre_receive()) {          // false: this residency must end, return from main
 *             GYRE_OUT.sum = GYRE_IN.a + GYRE_IN.b;
 *             gyre_send();
 *         }
 *     }
 *
 * GYRE_IN       the message, inside its ring slot; read-only
 * GYRE_OUT      the next answer, inside its ring slot; write every member, reads give anything
 * GYRE_SELF     with #define GYRE_STATE S: the workgroup's own S, kept across residencies, zero at first
 *
 * gyre_send() sends GYRE_OUT to port 0, gyre_send_to(p) to port p. Where a port leads is the host's matter (gyre/link.h): to
 * other kernels, or for port 0 without a link back to the host.
 *
 * With #define GYRE_PER_INVOCATION every invocation has a message of its own, or none:
 *
 *         while (gyre_receive()) {
 *             if (gyre_has_message()) {     // GYRE_IN, GYRE_OUT and the functions below are this invocation's
 *                 GYRE_OUT.sum = GYRE_IN.a + GYRE_IN.b;
 *                 gyre_send();
 *             }
 *         }
 *
 * As many messages as are there, up to the size of the workgroup, are worked on at once, and acknowledged together. Only
 * gyre_receive, gyre_should_terminate and gyre_is_active must then be reached by all; there is no GYRE_STATE.
 *
 * Else gyre_receive, gyre_send, gyre_send_to, gyre_set_key, gyre_fail, gyre_should_terminate and gyre_is_active must be reached
 * by all invocations of the workgroup (uniform control flow). A message is acknowledged, and its answers appear, what it
 * sent to links moves and its changes of GYRE_SELF count, at the next gyre_receive() or at the return from main. Changes to
 * your own buffers (set 1 and up) are not undone when a message is done again: gyre_redelivered() tells.
 */
#ifndef GYRE_KERNEL_GLSL
#define GYRE_KERNEL_GLSL

#ifndef GYRE_INPUT
#error "#define GYRE_INPUT (the struct of a message) before including gyre/kernel.glsl"
#define GYRE_INPUT uint
#endif
#ifndef GYRE_OUTPUT
#error "#define GYRE_OUTPUT (the struct of an answer) before including gyre/kernel.glsl"
#define GYRE_OUTPUT uint
#endif
#ifndef GYRE_MAX_SENDS
#define GYRE_MAX_SENDS 1 /* answers to one message and sends to links together, at most */
#endif
#if defined(GYRE_PER_INVOCATION) && defined(GYRE_STATE)
#error "GYRE_STATE is the workgroup's, whose messages come one after the other: GYRE_PER_INVOCATION cannot have it"
#endif
#define GYRE_HOST 0xffffffffu /* gyre_send_to(GYRE_HOST): an answer, whatever is linked */

#extension GL_KHR_memory_scope_semantics : require
#ifndef GYRE_NO_MEMORY_MODEL
#pragma use_vulkan_memory_model
#endif
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

#include "wire.h"
#include "ring.glsl"

/* What lies between two acknowledgements. */
#define GYRE_HAND_EMPTY 0u
#define GYRE_HAND_PROLOGUE 1u /* main before the first gyre_receive(): its state counts like a message's */
#define GYRE_HAND_MESSAGE 2u

#define GYRE_TAIL_LEAD_POLLS 256u

/* Decided by the leader alone, read by all: a loop that ends for one lane must end for all of them. Never touched inside a
 * loop that not every subgroup runs alike: with the Vulkan memory model each access is a memory barrier to Mesa, and
 * lavapipe before 23.0.1 takes a barrier for a meeting of the subgroups. */
shared uint gyre_shared_input;
shared uint gyre_shared_flags;
shared uint gyre_shared_output;
shared uint gyre_shared_goes_on;
shared uint gyre_shared_cut;
shared uint gyre_shared_command;
/* Per invocation. */
shared uint gyre_shared_count;
shared uint gyre_shared_lane;
shared uint gyre_shared_head;
shared uint gyre_shared_tail;
shared uint gyre_shared_failures;
shared uint gyre_shared_late;
/* Messages with answers where the rule is to have none, and those without a send to the one link out. The halves of the
 * words take turns: the leader clears the one while others may still read the other. */
shared uint gyre_shared_answers;
shared uint gyre_shared_unsent;
shared uint gyre_shared_number;

/* The same in every invocation. */
uint gyre_hand = GYRE_HAND_EMPTY;
uint gyre_input_slot = 0u;
uint gyre_output_slot = 0u; /* of the first answer */
uint gyre_output_at = 0u;   /* of the next one */
uint gyre_sends = 0u;
uint gyre_failed = 0u;
uint gyre_message_info = 0u; /* of the header of the message in hand */
uint gyre_message_flags = 0u;
uint gyre_state_at = 0u; /* index of the working copy */
uint gyre_first = 0u;
uint gyre_serial = 0u;
bool gyre_over = false; /* this residency has been told to end */

/* Per invocation, but for the tails: as many messages are in hand as this, one in each of the first invocations. */
uint gyre_count = 1u;
bool gyre_has = true; /* this one has one */
bool gyre_is_late = false; /* its slot is not there though the tail says so */
uvec4 gyre_tails = uvec4(0u); /* the leader's, as last looked at */
uvec4 gyre_lane_begun = uvec4(0u); /* likewise, as gyre_Exit.begun */
uint gyre_link_begun = 0u;
uint gyre_turn_at = 0u; /* first bit of the half of gyre_shared_answers and _unsent */
uint gyre_own_number = 0u; /* as gyre_number(), of the message in hand */

/* The leader's cursors: this workgroup is the only consumer of its input and the only producer of its output. */
uvec4 gyre_input_head = uvec4(0u);
uvec4 gyre_window_tail = uvec4(0u); /* as of the submission */
uint gyre_output_tail = 0u;
uint gyre_output_head = 0u;
uint gyre_lane = 0u;
uint gyre_head = 0u; /* that of gyre_lane */
uint gyre_fuel = 0u;
uint gyre_left = 0u;
uint gyre_idle_polls = 0u;
uint gyre_stamped = 0u;
uint gyre_goes_on = 0u;
uint gyre_claim_flags = 0u;
uint gyre_redo = 0u; /* as gyre_Exit.claimed */

/* The leader's counts for gyre_Exit; of the rest it knows what it began with: every variable that lives across the loop costs
 * a software driver at each branch. */
uint gyre_fuel_given = 0u;
uint gyre_left_before = 0u;
uint gyre_failures = 0u;
uint gyre_redone = 0u;

/* A constant for a kernel of one: accesses at constant places are cheaper on software drivers. */
#define gyre_group (gyre_workgroups == 1u ? 0u : gl_WorkGroupID.x)
#define gyre_host gyre_control[gyre_group].host
#define GYRE_LIVE (gyre_is_live != 0u)
#define GYRE_CUTS ((gyre_quirks & GYRE_QUIRK_LOOPS_CUT) != 0u)
#define GYRE_EACH (gyre_per_invocation != 0u)
/* What was claimed may have to be done again. */
#define GYRE_REDOES (GYRE_CUTS || (GYRE_EACH && GYRE_LIVE))
#define gyre_window gyre_control[gyre_group].window
#define gyre_exit gyre_status[gyre_group].exits[gyre_link]

#define GYRE_IN gyre_input_slots[gyre_input_slot].data
#define GYRE_OUT gyre_output_slots[gyre_output_at].data
#ifdef GYRE_STATE
#define GYRE_SELF gyre_state_copies[gyre_state_at]
#endif

void gyre_synchronize();
void gyre_write_failure(uint flags, uint code);
void gyre_write_header(uint slot, uint sequence, uint flags);
bool gyre_loops_are_whole();
uint gyre_message_hops();
uint gyre_away(uint command);
bool gyre_has_room();
bvec4 gyre_look();
uint gyre_output_slot_of(uint index);
uint gyre_answers();
bool gyre_may_be_dropped();
uint gyre_slot_of(uint lane, uint index);

bool gyre_leads()
{
    return gyre_local_count == 1u || gl_LocalInvocationIndex == 0u;
}

/* Who writes what concerns the message in hand. */
bool gyre_writes()
{
    return GYRE_EACH || gyre_leads();
}

/* A count by the invocations of this turn. */
uint gyre_this_turn(uint counts)
{
    return counts >> gyre_turn_at & 0xffffu;
}

#include "link.glsl"

/* lavapipe before 24.0.2 runs a row of the workgroup in full subgroups, and the lanes beyond it never leave a loop whose
 * exit depends on memory. A condition that they fail keeps them out; it uses the subgroup's lane, which no compiler
 * folds. Seen with 22.3.6 at local_size 1, 3, 4, 7, 12. */
bool gyre_lane_exists()
{
    if ((gyre_quirks & GYRE_QUIRK_PHANTOM_LANES) == 0u) {
        return true;
    }
    uint subgroups = (gyre_local_x + gl_SubgroupSize - 1u) / gl_SubgroupSize;
    return (gl_SubgroupID % subgroups) * gl_SubgroupSize + gl_SubgroupInvocationID < gyre_local_x;
}

/* The loop guard. Where the driver cuts loops (lavapipe before 25.0: after 65,535 back-edges of a subgroup, without a
 * sign), every later loop runs its body once, so a loop of two tells. It must be the last loop before an
 * acknowledgement. */
bool gyre_loops_are_whole()
{
    if (!GYRE_CUTS) {
        return true;
    }
    uint trips = gyre_submission.guard;
    uint count = 0u;
    for (uint i = 0u; i < trips; ++i) {
        count += 1u;
    }
    return count == trips;
}

/* As above, for the whole workgroup. What each invocation wrote is visible to the leader after it. */
bool gyre_workgroup_is_whole()
{
    bool whole = gyre_loops_are_whole() && !(GYRE_EACH && gyre_is_late);
    if (gyre_local_count > 1u) {
        if (!whole) {
            gyre_shared_cut = 1u;
        }
        gyre_synchronize();
        whole = gyre_shared_cut == 0u;
    } else {
        gyre_fence();
    }
    return whole;
}

/* The committed copy of the state into the working one. Only where a residency can be cut are there two. */
void gyre_restore_state()
{
#ifdef GYRE_STATE
    if (GYRE_CUTS) {
        uint working = gyre_state_at * gyre_state_size;
        uint committed = (gyre_state_at ^ 1u) * gyre_state_size;
        for (uint i = gl_LocalInvocationIndex; i < gyre_state_size; i += gyre_local_count) {
            gyre_state_words[working + i] = gyre_state_words[committed + i];
        }
        gyre_synchronize();
    }
#endif
}

void gyre_commit_state()
{
#ifdef GYRE_STATE
    if (GYRE_CUTS && gyre_hand != GYRE_HAND_EMPTY) {
        if (gyre_leads()) {
            gyre_local[gyre_group].state_copy = gyre_state_at & 1u;
        }
        gyre_state_at ^= 1u;
    }
#endif
}

/* Acknowledged by this residency. */
uint gyre_messages()
{
    return gyre_left_before - gyre_left;
}

/* The record of this residency, as it is to be found if the driver ends it from here on. */
void gyre_record(uint claimed)
{
    gyre_local[gyre_group].claimed = claimed;
    if (gyre_links != 0u) {
        gyre_local[gyre_group].begun = gyre_begun;
        gyre_local[gyre_group].number = gyre_number();
        gyre_exit.linked = gyre_linked;
        gyre_exit.linked_failed = gyre_linked_failed;
    }
    gyre_exit.messages = gyre_messages();
    gyre_exit.failed = gyre_failures;
    gyre_exit.redone = gyre_redone;
    gyre_exit.looks = gyre_fuel_given - gyre_fuel;
    gyre_exit.claimed = claimed;
    if (GYRE_EACH && GYRE_REDOES) {
        uint begun[GYRE_LANES] = uint[](gyre_lane_begun.x, gyre_lane_begun.y, gyre_lane_begun.z, gyre_lane_begun.w);
        gyre_local[gyre_group].lane_begun = begun;
        gyre_local[gyre_group].link_begun = gyre_link_begun;
        gyre_exit.begun = begun;
    }
}

/* lavapipe before 23.0.1 drops the other subgroups when one has ended, which one does early when its loops were cut
 * between two barriers. The leader may then come to no end: it keeps its record while it goes. */
bool gyre_may_be_dropped()
{
    return GYRE_CUTS && gyre_local_count > 1u;
}

/* 1 in component `lane`: without indexing, which software drivers do through memory. */
uvec4 gyre_one(uint lane)
{
    return uvec4(equal(uvec4(lane), uvec4(0u, 1u, 2u, 3u)));
}

/* Per invocation: so many of the messages that were begun are done. */
void gyre_forget_begun(uint done)
{
    if (gyre_lane == GYRE_LANE_LINK) {
        if (gyre_link_begun != 0u && gyre_taken == gyre_begun) {
            gyre_link_begun -= min(gyre_link_begun, done);
            gyre_redo &= gyre_link_begun == 0u ? ~(GYRE_CLAIMED_BEGUN << GYRE_LANE_LINK) : 0xffffffffu;
        }
        return;
    }
    uvec4 left = gyre_lane_begun - min(gyre_lane_begun, gyre_one(gyre_lane) * done);
    if (left != gyre_lane_begun && all(equal(left & gyre_one(gyre_lane) * 0xffffffffu, uvec4(0u)))) {
        gyre_redo &= ~(GYRE_CLAIMED_BEGUN << gyre_lane);
    }
    gyre_lane_begun = left;
}

/* Per invocation: headers for the slots that it has been given and not used, and the sequences of all but the first. */
void gyre_seal_own()
{
    if (!gyre_has || gyre_hand != GYRE_HAND_MESSAGE) {
        return;
    }
    uint used = gyre_failed != 0u ? 1u : gyre_answers();
    for (uint i = used; i < gyre_max_sends; ++i) {
        gyre_write_header(gyre_output_slot_of(gyre_output_tail + i), gyre_output_tail + i + 1u, GYRE_FLAG_VOID);
    }
}

/* Per invocation: what the leader must know of each message. Whether it was sent on by the one link is told by the first
 * word of its slot there, for gyre_close_up(). */
void gyre_note_own()
{
    if (!gyre_has || gyre_hand != GYRE_HAND_MESSAGE) {
        return;
    }
    if (gyre_fault != 0u) {
        gyre_write_failure(gyre_fault, 0u);
    }
    if (gyre_failed != 0u) {
        atomicAdd(gyre_shared_failures, 1u);
    }
    if (GYRE_ONE_OUT) {
        bool sent = gyre_failed == 0u && gyre_entries != 0u;
        gyre_note_sent(sent);
        if (!sent) {
            atomicAdd(gyre_shared_unsent, 1u << gyre_turn_at);
        }
        if (gyre_failed != 0u || gyre_answers() != 0u) {
            atomicAdd(gyre_shared_answers, 1u << gyre_turn_at);
        }
    }
}

/* How many slots each message publishes: all of its own, used or not; none if all go on by a link; and where they come one
 * by one, as without GYRE_PER_INVOCATION, the answers. */
uint gyre_slots_each()
{
    if (GYRE_FORWARDS && !GYRE_ONE_OUT) {
        return gyre_failed != 0u ? 1u : gyre_answers();
    }
    return GYRE_ONE_OUT && gyre_this_turn(gyre_shared_answers) == 0u ? 0u : gyre_max_sends;
}

/* Per invocation, after the handler: all that is to be published. The second half is seldom needed. */
bool gyre_seal()
{
    gyre_note_own();
    if (!GYRE_FORWARDS) {
        gyre_seal_own();
    }
    bool whole = gyre_workgroup_is_whole();
    uint unsent = gyre_this_turn(gyre_shared_unsent);
    uint answers = gyre_this_turn(gyre_shared_answers);
    if (GYRE_ONE_OUT && whole && (answers | unsent) != 0u) {
        if (gyre_leads() && gyre_hand == GYRE_HAND_MESSAGE && unsent != 0u) {
            gyre_close_up();
        }
        if (answers != 0u) {
            gyre_seal_own();
        }
        whole = gyre_workgroup_is_whole();
    }
    return whole;
}

/* R2, as in gyre_publish(), by each invocation. */
void gyre_publish_own()
{
    if (gyre_has && gyre_hand == GYRE_HAND_MESSAGE && gyre_slots_each() != 0u) {
        gyre_store(gyre_answer_slots[gyre_output_slot].header.sequence, gyre_output_tail + 1u);
    }
}

/* Answers of the message in hand, then its acknowledgement: both at once, or with `done` 0 neither. No loop, no wait: nothing
 * can come between. (With links there is a loop, over what is written down by then and can be done again.) */
void gyre_publish(uint done, uint answers)
{
    if (GYRE_ONE_OUT && !GYRE_EACH && done * gyre_fault != 0u) {
        gyre_write_failure(gyre_fault, 0u);
        if (!GYRE_CUTS) {
            gyre_fence();
        }
    }
    gyre_output_tail += done * answers;
    gyre_input_head += done * gyre_one(gyre_lane);
    gyre_head += done;
    /* R2: publishes the answers; pairs with A2 in engine/ring.c. The fence is that of gyre_workgroup_is_whole(), or the
     * one of gyre_refuse(). Per invocation each does so for its own, in gyre_publish_own(): the host does not believe the
     * tail before it has seen their slots. */
    if (!GYRE_EACH && done * answers != 0u) {
        gyre_store(gyre_answer_slots[gyre_output_slot].header.sequence, gyre_output_tail - answers + 1u);
    }
    gyre_store(gyre_status[gyre_group].line.output_tail, gyre_output_tail);
    if (GYRE_FORWARDS) {
        if (GYRE_EACH && GYRE_ONE_OUT) {
            gyre_publish_links(done != 0u ? gyre_sent_each() : 0u);
        } else {
            gyre_publish_links(done * (gyre_failed != 0u ? 0u : gyre_entries));
        }
    }
    /* R3: gives the input slot back; pairs with A3 in engine/ring.c. Not before its answers are there, or the message looks
     * silent to a host that is watching. (Drivers that cut loops run on processors that keep the order, and take a fence of
     * the leader's alone for a meeting.) */
    if (GYRE_LIVE && !GYRE_CUTS) {
        gyre_fence();
    }
    if (GYRE_TAKES_LINKS && gyre_lane == GYRE_LANE_LINK) {
        gyre_leave_source(done);
    } else {
        gyre_store(gyre_status[gyre_group].line.input_head[gyre_lane], gyre_head);
    }
    gyre_failures += GYRE_EACH ? (done != 0u ? gyre_shared_failures : 0u) : done * gyre_failed;
    gyre_left -= done;
    if (GYRE_EACH && GYRE_REDOES) {
        gyre_forget_begun(done);
    }
    if (gyre_may_be_dropped() && done != 0u) {
        gyre_record(gyre_redo);
    }
}

/* The host has the message and all that came with it; what it cannot do without is which one this answers, and the id's
 * lower half for a check. `extra` counts in a failure only. */
void gyre_write_header(uint slot, uint sequence, uint flags)
{
    gyre_answer_slots[slot].header.info =
        (gyre_message_info & 0x00ffffffu) | ((flags | gyre_message_flags) << GYRE_INFO_FLAGS_SHIFT);
    gyre_answer_slots[slot].header.id_low = gyre_input_slots[gyre_input_slot].header.id_low;
    gyre_answer_slots[slot].header.position = gyre_head;
    if (GYRE_TAKES_LINKS && (gyre_message_flags & GYRE_FLAG_LINKED) != 0u) {
        /* The host knows nothing of it. */
        gyre_Header from = gyre_input_slots[gyre_input_slot].header;
        gyre_answer_slots[slot].header.id_high = from.id_high;
        gyre_answer_slots[slot].header.correlation_low = from.correlation_low;
        gyre_answer_slots[slot].header.correlation_high = from.correlation_high;
        gyre_answer_slots[slot].header.position = GYRE_EACH ? gyre_own_number : gyre_number();
    }
    if (slot != gyre_output_slot) {
        gyre_answer_slots[slot].header.sequence = sequence;
    }
}

uint gyre_output_slot_of(uint index)
{
    return gyre_group * gyre_output_size + (index & (gyre_output_size - 1u));
}

/* The answer of a message that failed: a header with a code. */
void gyre_write_failure(uint flags, uint code)
{
    gyre_answer_slots[gyre_output_slot].header.extra = code;
    gyre_write_header(gyre_output_slot, gyre_output_tail + 1u, flags | GYRE_FLAG_FAILED);
}

/* Of gyre_sends, those to the host. */
uint gyre_answers()
{
    return GYRE_FORWARDS ? gyre_sends - gyre_forwards : gyre_sends;
}

/* Ends what is in hand: all of it counts, or (the driver cut a loop) none of it. */
bool gyre_finish()
{
    bool whole = GYRE_EACH ? gyre_seal() : gyre_workgroup_is_whole();
    if (GYRE_REDOES && !whole) {
        return false;
    }
    if (GYRE_EACH) {
        gyre_publish_own();
    }
    /* In every invocation. */
    if (GYRE_ONE_OUT && GYRE_EACH) {
        gyre_out_tail += gyre_goes_on != 0u ? gyre_sent_each() : 0u;
    } else if (GYRE_ONE_OUT && gyre_hand == GYRE_HAND_MESSAGE && gyre_failed == 0u) {
        gyre_out_tail += gyre_entries;
    }
    if (gyre_leads()) {
        uint done = gyre_hand == GYRE_HAND_MESSAGE ? 1u : 0u;
        if (GYRE_EACH) {
            gyre_publish(done * gyre_count, gyre_slots_each());
        } else {
            gyre_publish(done, gyre_failed != 0u ? 1u : gyre_answers());
        }
        if (gyre_may_be_dropped() && gyre_hand == GYRE_HAND_PROLOGUE) {
            gyre_local[gyre_group].ran = 1u; /* else at the end of the residency */
        }
    }
    gyre_commit_state();
    gyre_first = 0u;
    gyre_hand = GYRE_HAND_EMPTY;
    return true;
}

/* Must stand before the break that it explains: compilers fold what stands behind a loop, and a cut loop is left without
 * any break. */
void gyre_stamp(uint reason)
{
    gyre_store(gyre_exit.stamp, gyre_serial << 8 | reason);
    gyre_stamped = reason;
}

uint gyre_slot_of(uint lane, uint index)
{
    return (gyre_group * GYRE_LANES + lane) * gyre_input_size + (index & (gyre_input_size - 1u));
}

bool gyre_has_room()
{
    if (GYRE_LIVE && gyre_output_tail + gyre_max_sends - gyre_output_head > gyre_output_size) {
        /* A4: the slots before it are free; pairs with R4 in engine/ring.c. */
        gyre_output_head = gyre_load(gyre_control[gyre_group].reader.output_head);
    }
    return gyre_output_tail + gyre_max_sends - gyre_output_head <= gyre_output_size;
}

/* Nothing but the message in hand has cost this residency loops. */
bool gyre_is_fresh()
{
    return gyre_messages() == 0u && gyre_fuel_given - gyre_fuel <= 1u;
}

/* Per invocation: as many messages from the claimed one on as lie in its lane, find room for all they may answer, and are
 * within the budget. Those that were begun before come one by one: the one that the driver cuts must not take others with
 * it again. */
void gyre_claim_more()
{
    uvec4 ahead = (gyre_tails - gyre_input_head) * gyre_one(gyre_lane);
    uint there = ahead.x + ahead.y + ahead.z + ahead.w;
    if (gyre_links != 0u) {
        there = gyre_claim_more_linked(there);
    }
    uint most = min(min(there, gyre_local_count), gyre_left);
    if (GYRE_LIVE && gyre_output_tail + most * gyre_max_sends - gyre_output_head > gyre_output_size) {
        gyre_output_head = gyre_load(gyre_control[gyre_group].reader.output_head); /* A4, as in gyre_has_room() */
    }
    uint room = (gyre_output_size - (gyre_output_tail - gyre_output_head)) / gyre_max_sends;
    bool alone = (gyre_redo & GYRE_CLAIMED_BEGUN << gyre_lane) != 0u;
    gyre_count = alone ? 1u : min(most, room);
    if (GYRE_FORWARDS && gyre_goes_on != 0u) {
        gyre_room -= gyre_count - 1u; /* gyre_decide_linked() has seen to one */
    }
}

/* They are in hand, should the residency end without a word. */
void gyre_keep_begun()
{
    gyre_lane_begun = max(gyre_lane_begun, gyre_one(gyre_lane) * gyre_count);
    gyre_link_begun = gyre_lane == GYRE_LANE_LINK ? max(gyre_link_begun, gyre_count) : gyre_link_begun;
}

/* Per invocation: what is known of the messages of gyre_lane from residencies that were cut. */
void gyre_claim_each_again()
{
    uint begun = GYRE_CLAIMED_BEGUN << gyre_lane;
    uint first = GYRE_CLAIMED_FIRST << gyre_lane;
    gyre_claim_flags = 0u;
    bool known = !GYRE_TAKES_LINKS || gyre_lane != GYRE_LANE_LINK || gyre_taken == gyre_begun;
    if (known && (gyre_redo & begun) != 0u) {
        gyre_claim_flags = GYRE_FLAG_REDELIVERED | ((gyre_redo & first) != 0u ? GYRE_FLAG_CUT : 0u);
        gyre_redo &= ~first;
        gyre_redone += 1u;
    }
    if (gyre_may_be_dropped()) {
        uvec4 kept = gyre_lane_begun;
        uint kept_link = gyre_link_begun;
        if (gyre_lane == GYRE_LANE_LINK) {
            gyre_begun = gyre_taken;
        }
        gyre_keep_begun();
        gyre_record(gyre_redo | begun | (gyre_is_fresh() && gyre_count == 1u ? first : 0u));
        gyre_lane_begun = kept;
        gyre_link_begun = kept_link;
    }
}

/* What is known of the message at the head of gyre_lane from residencies that were cut. */
void gyre_claim_again()
{
    uint begun = GYRE_CLAIMED_BEGUN << gyre_lane;
    uint first = GYRE_CLAIMED_FIRST << gyre_lane;
    gyre_claim_flags = 0u;
    bool known = !GYRE_TAKES_LINKS || gyre_lane != GYRE_LANE_LINK || gyre_taken == gyre_begun;
    if (known && (gyre_redo & begun) != 0u) {
        gyre_claim_flags = GYRE_FLAG_REDELIVERED | ((gyre_redo & first) != 0u ? GYRE_FLAG_CUT : 0u);
        gyre_redo &= ~(begun | first);
        gyre_redone += 1u;
    }
    if (gyre_may_be_dropped()) {
        if (gyre_lane == GYRE_LANE_LINK) {
            gyre_begun = gyre_taken;
        }
        gyre_record(gyre_redo | begun | (gyre_is_fresh() ? first : 0u));
    }
}

/* What the host's command says: 0, or why to leave. Only LIVE hears it during a submission; the host sets it back to RUN
 * before it submits. */
uint gyre_away(uint command)
{
    uint away = mix(0u, GYRE_EXIT_PAUSE, command == GYRE_COMMAND_PAUSE);
    away = mix(away, GYRE_EXIT_TERMINATE, command == GYRE_COMMAND_TERMINATE);
    return mix(away, GYRE_EXIT_YIELD, command == GYRE_COMMAND_YIELD);
}

/* Which lanes have a message at their heads. */
bvec4 gyre_look()
{
    uvec4 tails = gyre_window_tail;
    if (GYRE_LIVE) {
        tails = uvec4(gyre_load(gyre_host.input_tail[0]), gyre_load(gyre_host.input_tail[1]),
                      gyre_load(gyre_host.input_tail[2]), gyre_load(gyre_host.input_tail[3]));
    }
    if (GYRE_EACH) {
        gyre_tails = tails;
    }
    return notEqual(tails, gyre_input_head);
}

/* The most urgent of these lanes' heads. */
void gyre_claim(bvec4 holds)
{
    gyre_lane = mix(mix(mix(0u, 1u, holds.y), 2u, holds.z), 3u, holds.w);
    gyre_head = mix(mix(mix(gyre_input_head.x, gyre_input_head.y, holds.y), gyre_input_head.z, holds.z),
                    gyre_input_head.w, holds.w);
    gyre_input_slot = gyre_slot_of(gyre_lane, gyre_head);
    gyre_output_slot = gyre_output_slot_of(gyre_output_tail);
}

/* A1: the slot is whole; pairs with R1 in engine/ring.c. The fence is in gyre_receive(). On a weakly ordered bus a tail may
 * come before its slot, by moments: one that takes longer is left to the next submission. */
bool gyre_is_whole()
{
    bool whole = gyre_load(gyre_polled_slots[gyre_input_slot].header.sequence) == gyre_head + 1u;
    for (uint i = 0u; i < GYRE_TAIL_LEAD_POLLS && !whole; ++i) {
        whole = gyre_load(gyre_polled_slots[gyre_input_slot].header.sequence) == gyre_head + 1u;
    }
    return whole;
}

/* LIVE: polls until there is a message with room for its answers, or a reason to leave; what it saw last. The loop has
 * nothing in it but that, for software drivers run all of a loop's code in every turn; where the driver cuts loops, it takes
 * several looks in a turn, for turns are what it runs out of. */
bvec4 gyre_await(out uint reason)
{
    uint turns = GYRE_LIVE ? min(gyre_idle_polls, gyre_fuel) : 0u;
    uint left = turns;
    uint command = GYRE_COMMAND_RUN;
    bool goes = false;
    bvec4 holds;
    for (;;) {
        holds = gyre_look();
        if (GYRE_CUTS && GYRE_LIVE) {
            holds = gyre_look();
            holds = gyre_look();
            holds = gyre_look();
        }
        goes = all(bvec2(any(holds), gyre_has_room()));
        if (GYRE_LIVE) {
            command = gyre_load(gyre_host.command);
        }
        if ((uint(goes) | command) != GYRE_COMMAND_RUN || left == 0u) {
            break;
        }
        left -= 1u;
    }
    gyre_fuel -= turns - left;
    reason = mix(0u, mix(GYRE_EXIT_IDLE, GYRE_EXIT_OUTPUT, any(holds)), left == 0u); /* 0: the loop was cut */
    reason = mix(reason, 0u, goes);
    uint away = gyre_away(command);
    reason = mix(reason, away, away != 0u);
    reason = mix(reason, GYRE_EXIT_BUDGET, gyre_left == 0u);
    reason = mix(reason, GYRE_EXIT_FUEL, gyre_fuel == 0u);
    return bvec4(uvec4(holds) & uint(goes));
}

/* Likewise, with links. */
uint gyre_decide_linked()
{
    bvec4 holds;
    uint head;
    uint reason;
    gyre_look_at_rooms();
    uint from = gyre_await_linked(holds, head, reason);
    if (from == GYRE_FROM_LINK && reason == 0u) {
        gyre_claim_link(head);
    } else {
        gyre_claim(holds);
    }
    bool whole = from != GYRE_FROM_HOST || gyre_is_whole();
    if (GYRE_CUTS && gyre_unpublished) {
        reason = GYRE_EXIT_CUT;
    }
    gyre_goes_on = from != GYRE_FROM_NOBODY && reason == 0u && whole ? 1u : 0u;
    if (gyre_goes_on != 0u) {
        gyre_from = from;
        gyre_fuel -= 1u;
        gyre_room -= GYRE_FORWARDS ? 1u : 0u;
        gyre_cycle_room -= GYRE_FORWARDS ? 1u : 0u;
    }
    return from == GYRE_FROM_HOST && reason == 0u && !whole ? GYRE_EXIT_IDLE : reason;
}

/* The leader's part of gyre_receive(): claims the head of the most urgent lane that has a message (gyre_goes_on), or says
 * why not. */
void gyre_decide()
{
    uint reason;
    if (gyre_links != 0u) {
        reason = gyre_decide_linked();
    } else {
        bvec4 holds = gyre_await(reason);
        gyre_claim(holds);
        bool whole = gyre_is_whole();
        gyre_goes_on = uint(all(bvec3(any(holds), reason == 0u, whole)));
        gyre_fuel -= gyre_goes_on;
        reason = mix(reason, GYRE_EXIT_IDLE, all(bvec3(any(holds), reason == 0u, !whole)));
    }
    if (reason != 0u) {
        gyre_stamp(reason);
    }
    if (GYRE_EACH) {
        gyre_claim_more();
        gyre_shared_failures = 0u;
        atomicAnd(gyre_shared_answers, 0xffffu << gyre_turn_at);
        atomicAnd(gyre_shared_unsent, 0xffffu << gyre_turn_at);
    }
    if (GYRE_REDOES && gyre_goes_on != 0u) {
        if (GYRE_EACH) {
            gyre_claim_each_again();
        } else {
            gyre_claim_again();
        }
    }
}

/* Per invocation: what the leader has claimed. */
void gyre_share_claims()
{
    if (gyre_leads()) {
        gyre_shared_count = gyre_count;
        gyre_shared_lane = gyre_lane;
        gyre_shared_head = gyre_head;
        gyre_shared_tail = gyre_output_tail;
        gyre_shared_number = gyre_links != 0u ? gyre_number() : 0u;
    }
}

/* Per invocation: which message is this one's. It waits for its slot as gyre_is_whole() does; if that takes longer, none of
 * the batch counts. The leader's is there: gyre_decide() has looked. */
void gyre_take_own()
{
    gyre_turn_at ^= 16u;
    gyre_count = gyre_shared_count;
    gyre_has = gl_LocalInvocationIndex < gyre_count;
    uint own = gyre_has ? gl_LocalInvocationIndex : 0u;
    gyre_lane = gyre_shared_lane;
    gyre_head = gyre_shared_head + own;
    gyre_output_tail = gyre_shared_tail + own * gyre_max_sends;
    gyre_output_slot = gyre_output_slot_of(gyre_output_tail);
    gyre_own_number = gyre_shared_number + own;
    gyre_own = own;
    if (GYRE_TAKES_LINKS) {
        bool one = GYRE_ONE_IN && gyre_from == GYRE_FROM_LINK; /* else there is but one, the leader's */
        gyre_input_slot = one ? gyre_in_slots + (gyre_head & (gyre_in_size - 1u)) : gyre_input_slot;
    } else {
        gyre_input_slot = gyre_slot_of(gyre_lane, gyre_head);
        if (GYRE_LIVE && gyre_goes_on != 0u && gyre_has && !gyre_is_whole()) {
            gyre_is_late = true;
            gyre_shared_late = 1u;
            gyre_has = false;
        }
    }
}

/* What the leader decided, for all. */
void gyre_share_decision()
{
    if (GYRE_EACH) {
        gyre_share_claims();
    }
    if (gyre_local_count == 1u) {
        gyre_synchronize();
        if (GYRE_EACH) {
            gyre_take_own();
        }
        return;
    }
    if (gyre_leads()) {
        gyre_shared_goes_on = gyre_goes_on;
        gyre_shared_flags = gyre_claim_flags;
        gyre_shared_input = gyre_input_slot;
        gyre_shared_output = gyre_output_slot;
        if (GYRE_TAKES_LINKS) {
            gyre_shared_from = gyre_from;
        }
    }
    gyre_synchronize();
    gyre_goes_on = gyre_shared_goes_on;
    gyre_claim_flags = gyre_shared_flags;
    gyre_input_slot = gyre_shared_input;
    gyre_output_slot = gyre_shared_output;
    if (GYRE_TAKES_LINKS) {
        gyre_from = gyre_shared_from;
    }
    if (GYRE_EACH) {
        gyre_take_own();
    }
}

/* The message failed: its answers so far are void, its sender gets `code`. The handler goes on. */
void gyre_fail(uint code)
{
    if (gyre_hand != GYRE_HAND_MESSAGE || gyre_failed != 0u) {
        return;
    }
    gyre_failed = 1u;
    if (gyre_writes()) {
        gyre_write_failure(0u, code);
    }
}

/* The message that gyre_decide() has claimed is in hand; if it has claimed none, nothing is. */
void gyre_take()
{
    gyre_hand = mix(GYRE_HAND_EMPTY, GYRE_HAND_MESSAGE, gyre_goes_on != 0u && (!GYRE_EACH || gyre_has));
    gyre_output_at = GYRE_ONE_OUT ? gyre_slot_for_out() : gyre_output_slot;
    gyre_message_info = gyre_input_slots[gyre_input_slot].header.info;
    gyre_message_flags = gyre_claim_flags | gyre_message_info >> GYRE_INFO_FLAGS_SHIFT;
    gyre_sends = 0u;
    gyre_failed = 0u;
    if (GYRE_FORWARDS) {
        gyre_entries = 0u;
        gyre_forwards = 0u;
        gyre_fault = 0u;
        gyre_key_set = false;
    }
}

/* Next message. False: return from main. Where no driver cuts loops there is no branch in it but the engine's loops: a
 * handler that calls it again after that is told again. */
bool gyre_receive()
{
    if (!(GYRE_REDOES && gyre_over)) {
        gyre_over = !gyre_finish();
    }
    if (!(GYRE_REDOES && gyre_over)) {
        if (gyre_leads()) {
            gyre_goes_on = 0u;
            gyre_decide();
        }
        gyre_share_decision();
        if (GYRE_TAKES_LINKS && gyre_goes_on != 0u && gyre_from == GYRE_FROM_HOST) {
            gyre_fetch();
        }
        gyre_take();
        gyre_over = gyre_goes_on == 0u;
    }
    if (GYRE_CUTS && !gyre_over) {
        gyre_restore_state();
        if (gyre_may_be_dropped() && (gyre_claim_flags & GYRE_FLAG_CUT) != 0u) {
            gyre_fail(0u);
            gyre_over = true;
            if (gyre_leads()) {
                gyre_stamp(GYRE_EXIT_CUT);
            }
        }
    }
    return !gyre_over;
}

/* GYRE_OUT is an answer; GYRE_OUT becomes the next one. One more than GYRE_MAX_SENDS, and the message has failed. */
void gyre_answer()
{
    bool over = gyre_sends == gyre_max_sends;
    uint answers = gyre_answers();
    if (gyre_writes()) {
        gyre_write_header(over || GYRE_ONE_OUT ? gyre_output_slot : gyre_output_at, gyre_output_tail + (over ? 0u : answers) + 1u,
                          over ? GYRE_FLAG_FAILED | GYRE_FLAG_OVERSENT : 0u);
    }
    if (GYRE_ONE_OUT) {
        gyre_copy_to_answer();
    }
    gyre_failed = over ? 1u : 0u;
    gyre_sends += 1u;
    if (gyre_max_sends > 1u) {
        /* After the last one GYRE_OUT stays on it: what lies behind may be unread. */
        uint next = min(answers + 1u, gyre_max_sends - 1u);
        uint first = gyre_output_slot - gyre_group * gyre_output_size;
        gyre_output_at = gyre_group * gyre_output_size + ((first + next) & (gyre_output_size - 1u));
    }
}

/* A failure that the engine finds. */
void gyre_fail_by(uint flag)
{
    gyre_failed = 1u;
    if (gyre_writes()) {
        gyre_write_failure(flag, 0u);
    }
}

/* To the only link that there is. A branch costs software drivers what lies on both of its sides, so a failure is only noted
 * here: gyre_publish() writes it. */
void gyre_forward_one()
{
    uint fault = gyre_ports == 0u ? GYRE_FLAG_NO_ROUTE : 0u;
    fault = gyre_message_hops() >= gyre_submission.max_hops ? GYRE_FLAG_HOPS : fault;
    fault = gyre_sends == gyre_max_sends ? GYRE_FLAG_OVERSENT : fault;
    if (gyre_hand == GYRE_HAND_MESSAGE && gyre_failed == 0u) {
        if (gyre_writes()) {
            gyre_write_link_header(gyre_output_at * gyre_output_stride);
        }
        gyre_fault = fault;
        gyre_failed = fault != 0u ? 1u : 0u;
        gyre_entries = 1u;
        gyre_forwards = 1u;
        gyre_sends = 1u;
    }
}

/* GYRE_OUT is a message for all that is linked to the port, or with GYRE_HOST an answer. Port 0 is the host as long as
 * nothing has been linked to it; any other port without a link fails the message, and so does one whose kernels have all
 * ended. After a send to a link GYRE_OUT stays the same memory and may be written again. */
void gyre_send_to(uint port)
{
    if (gyre_hand != GYRE_HAND_MESSAGE || gyre_failed != 0u) {
        return;
    }
    if (GYRE_ONE_OUT && port == 0u) {
        gyre_forward_one();
        return;
    }
    bool linked = false;
    bool ended = false;
    if (GYRE_FORWARDS && !GYRE_ONE_OUT) {
        linked = port < gyre_ports && gyre_port_at(port).count != 0u;
        ended = port == 0u && gyre_routes.ended != 0u;
    }
    if (linked && gyre_sends == gyre_max_sends) {
        gyre_fail_by(GYRE_FLAG_OVERSENT);
    } else if (linked && gyre_message_hops() >= gyre_submission.max_hops) {
        gyre_fail_by(GYRE_FLAG_HOPS);
    } else if (linked) {
        gyre_forward(port);
        gyre_sends += 1u;
    } else if ((port == 0u && !ended) || port == GYRE_HOST) {
        gyre_answer();
    } else {
        gyre_fail_by(GYRE_FLAG_NO_ROUTE);
    }
}

/* To port 0. */
void gyre_send()
{
    if (GYRE_ONE_OUT) {
        gyre_forward_one();
    } else if (GYRE_FORWARDS) {
        gyre_send_to(0u);
    } else if (gyre_hand == GYRE_HAND_MESSAGE && gyre_failed == 0u) {
        gyre_answer();
    }
}

/* The key of what is sent to links from here on; the message's own unless this is called. */
void gyre_set_key(uint key)
{
    gyre_key = key;
    gyre_key_set = true;
}

/* What the host wants, by now in LIVE, as of the submission in STRICT. */
uint gyre_command()
{
    uint command = GYRE_COMMAND_RUN;
    if (GYRE_LIVE && gyre_leads()) {
        command = gyre_load(gyre_host.command);
    }
    if (gyre_local_count > 1u) {
        if (gyre_leads()) {
            gyre_shared_command = command;
        }
        gyre_synchronize();
        command = gyre_shared_command;
        gyre_synchronize();
    }
    return command;
}

bool gyre_should_terminate()
{
    return gyre_command() == GYRE_COMMAND_TERMINATE;
}

bool gyre_is_active()
{
    uint command = gyre_command();
    return command == GYRE_COMMAND_RUN || command == GYRE_COMMAND_YIELD;
}

/* True before the first gyre_receive(), until what main did there has counted once in the kernel's life. */
bool gyre_first_run()
{
    return gyre_first != 0u;
}

/* With GYRE_PER_INVOCATION: this invocation has a message. */
bool gyre_has_message()
{
    return gyre_hand == GYRE_HAND_MESSAGE;
}

bool gyre_redelivered()
{
    return (gyre_message_flags & GYRE_FLAG_REDELIVERED) != 0u;
}

uint gyre_message_type()
{
    return gyre_message_info & 0xffffu;
}

/* A timer message (gyre_kernel_params.tick_ns): nothing was sent for that long. */
bool gyre_is_tick()
{
    return gyre_message_type() == GYRE_TYPE_TICK;
}

uint gyre_message_priority()
{
    return gyre_message_info >> GYRE_INFO_PRIORITY_SHIFT & 0xffu;
}

uint gyre_message_key()
{
    return gyre_input_slots[gyre_input_slot].header.extra;
}

uvec2 gyre_message_correlation()
{
    gyre_Header header = gyre_input_slots[gyre_input_slot].header;
    return uvec2(header.correlation_low, header.correlation_high);
}

/* Links that the message has come along; 0 from the host. */
uint gyre_message_hops()
{
    bool linked = GYRE_TAKES_LINKS && (gyre_message_flags & GYRE_FLAG_LINKED) != 0u;
    return linked ? gyre_input_slots[gyre_input_slot].header.position : 0u;
}

/* Which of the kernel's workgroups this is, and how many there are: in a kernel with shards, message keys modulo
 * gyre_shards() are gyre_shard(). */
uint gyre_shard()
{
    return gyre_group;
}

uint gyre_shards()
{
    return gyre_workgroups;
}

/* The kernel's number in its runtime. */
uvec2 gyre_kernel_id()
{
    return uvec2(gyre_submission.kernel_low, gyre_submission.kernel_high);
}

/* The warm-up: every binding is touched, no handler runs. */
void gyre_warm_up()
{
    if (gyre_leads()) {
        uint first = gyre_submission.first_index;
        gyre_store(gyre_status[gyre_group].line.output_tail, first);
        for (uint lane = 0u; lane < GYRE_LANES; ++lane) {
            gyre_store(gyre_status[gyre_group].line.input_head[lane], first);
        }
        for (uint link = 0u; link <= GYRE_CHAIN_MAX; ++link) {
            gyre_groups[link].x = 0u;
            gyre_groups[link].y = 1u;
            gyre_groups[link].z = 1u;
        }
        gyre_stamp(GYRE_EXIT_WARM_UP);
    }
}

void gyre_begin()
{
    gyre_first = gyre_local[gyre_group].ran == 0u ? 1u : 0u;
    gyre_state_at = gyre_group * 2u;
    if (GYRE_CUTS) {
        gyre_state_at += gyre_local[gyre_group].state_copy ^ 1u;
    }
    gyre_hand = GYRE_HAND_PROLOGUE;
    if (gyre_links != 0u) {
        gyre_find_links();
    }
    if (gyre_leads()) {
        gyre_shared_cut = 0u;
        if (GYRE_EACH) {
            gyre_shared_late = 0u;
            gyre_shared_failures = 0u;
            gyre_shared_answers = 0u;
            gyre_shared_unsent = 0u;
            uint begun[GYRE_LANES] = gyre_local[gyre_group].lane_begun;
            gyre_lane_begun = uvec4(begun[0], begun[1], begun[2], begun[3]);
            gyre_link_begun = gyre_local[gyre_group].link_begun;
        }
        gyre_input_head =
            uvec4(gyre_status[gyre_group].line.input_head[0], gyre_status[gyre_group].line.input_head[1],
                  gyre_status[gyre_group].line.input_head[2], gyre_status[gyre_group].line.input_head[3]);
        gyre_head = gyre_input_head.x; /* gyre_lane is 0 */
        gyre_window_tail = uvec4(gyre_window.input_tail[0], gyre_window.input_tail[1], gyre_window.input_tail[2],
                                 gyre_window.input_tail[3]);
        gyre_output_tail = gyre_status[gyre_group].line.output_tail;
        gyre_output_head = gyre_window.output_head;
        gyre_fuel_given = gyre_submission.fuel;
        gyre_fuel = gyre_fuel_given;
        gyre_idle_polls = gyre_submission.idle_polls;
        bool goes_on = gyre_local[gyre_group].serial == gyre_serial;
        gyre_left_before = goes_on ? gyre_local[gyre_group].left : gyre_submission.budget;
        gyre_left = gyre_left_before;
        bool forget = (gyre_submission.flags & GYRE_SUBMIT_FORGET) != 0u;
        gyre_redo = gyre_local[gyre_group].claimed;
        if (forget && gyre_link == 0u) {
            gyre_redo &= (GYRE_CLAIMED_BEGUN | GYRE_CLAIMED_FIRST) << GYRE_LANE_LINK; /* links are not refilled */
            gyre_lane_begun = uvec4(0u);
        }
        if (gyre_links != 0u) {
            gyre_begin_links();
        }
        if (gyre_may_be_dropped()) {
            gyre_record(gyre_redo);
        }
        gyre_exit.began = gyre_serial;
        if (gyre_link == 0u) {
            /* The rest of the chain runs only if a dispatch before it asks. A workgroup that starts late may take the
             * wish of another one back: the host submits again. */
            for (uint link = 1u; link < GYRE_CHAIN_MAX; ++link) {
                gyre_store(gyre_groups[link].x, 0u);
            }
        }
    }
    /* The copy of the state, and what the leader wrote. */
    gyre_synchronize();
    gyre_restore_state();
}

/* A message that the driver cut though the residency had done nothing else can never be whole: it fails by name. Any
 * other is done again by the next residency. */
void gyre_refuse()
{
    bool alone = !GYRE_EACH || (gyre_count == 1u && gyre_shared_late == 0u);
    if (gyre_is_fresh() && alone) {
        gyre_write_failure(GYRE_FLAG_CUT, 0u);
        gyre_fence();
        gyre_failed = 1u;
        if (GYRE_EACH) {
            gyre_shared_failures = 1u;
            gyre_shared_answers = 1u << gyre_turn_at;
            gyre_shared_unsent = 1u << gyre_turn_at; /* all of one */
            gyre_publish_own();
        }
        gyre_publish(1u, 1u);
    } else {
        gyre_redo |= GYRE_CLAIMED_BEGUN << gyre_lane;
        if (GYRE_EACH) {
            gyre_keep_begun();
        }
        if (GYRE_TAKES_LINKS && gyre_lane == GYRE_LANE_LINK) {
            gyre_begun = gyre_taken;
            gyre_source = gyre_taken; /* to be done again before its equals */
        }
    }
}

/* No loop in here: it must hold when the driver cuts them all. */
void gyre_end()
{
    bool whole = gyre_finish();
    if (gyre_leads()) {
        if (gyre_stamped == 0u) {
            if (!whole && gyre_hand == GYRE_HAND_MESSAGE) {
                gyre_refuse();
            }
            bool late = GYRE_EACH && gyre_shared_late != 0u;
            gyre_stamp(whole ? GYRE_EXIT_RETURNED : late ? GYRE_EXIT_IDLE : GYRE_EXIT_CUT);
        }
        if (gyre_hand != GYRE_HAND_PROLOGUE) {
            gyre_local[gyre_group].ran = 1u;
        }
        gyre_local[gyre_group].serial = gyre_serial;
        gyre_local[gyre_group].left = gyre_left;
        if (GYRE_TAKES_LINKS) {
            gyre_local[gyre_group].source = gyre_source;
        }
        gyre_end_links();
        gyre_record(gyre_redo);
        if (gyre_stamped == GYRE_EXIT_FUEL || gyre_stamped == GYRE_EXIT_CUT) {
            /* The same words from every workgroup that goes on. */
            gyre_store(gyre_groups[gyre_link + 1u].x, gyre_submission.workgroups);
        }
    }
}

void gyre_handler();

void main()
{
    gyre_serial = gyre_submission.serial;
    if (gyre_lane_exists()) {
        if (gyre_submission.version != gyre_wire_version) {
            if (gyre_leads()) {
                gyre_stamp(GYRE_EXIT_VERSION);
            }
        } else if ((gyre_submission.flags & GYRE_SUBMIT_WARM_UP) != 0u) {
            gyre_warm_up();
        } else if ((gyre_submission.flags & GYRE_SUBMIT_NOTHING) == 0u) {
            gyre_begin();
            gyre_handler();
            gyre_end();
        }
    }
}

#define main gyre_handler

#endif
