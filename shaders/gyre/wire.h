/* What host and device share: one text for C and GLSL.
 *
 * Every ring has one producer and one consumer. Indices are free-running 32-bit counters, masked
 * only when a slot is touched; a ring of `size` slots (a power of two) is empty at tail == head and
 * full at tail - head == size.
 *
 * Each workgroup of a kernel has, of its own: GYRE_LANES input rings (one per priority band, filled
 * by the host), one output ring, and the lines below. A word is written by one side only; per
 * workgroup, but for gyre_Submission and the groups:
 *
 *   binding 0  control   host    gyre_Submission, then gyre_HostLine, gyre_ReaderLine,
 *                                gyre_WindowLine
 *   binding 1  status    device  gyre_StatusLine, GYRE_CHAIN_MAX gyre_Exit records
 *   binding 2  input     host    what GYRE_IN lies in: the rings of binding 7, or with links in
 *                                the arena of binding 8
 *   binding 3  output    device  what GYRE_OUT lies in: the ring of binding 11, or with a single
 *                                link out of the kernel in the arena of binding 8
 *   binding 4  local     device  (never mapped) gyre_LocalLine
 *   binding 5  state     device  (never mapped) two copies of GYRE_STATE, seen also as words
 *   binding 6  indirect  device  group counts of the chained dispatches
 *   binding 7  queue     host    GYRE_LANES * input_size slots
 *   binding 8  arena     device  (never mapped) the links of all kernels: ring lines, slots,
 *                                journals, and a slot per workgroup that takes links
 *   binding 9  routes    host    between submissions: gyre_Routes and its tables
 *   binding 11 answers   device  output_size slots
 *   binding 10 mirror    device  what the host must know of the links: gyre_MirrorOut,
 * gyre_MirrorIn
 *
 * Links: a ring for each pair of a producing and a consuming workgroup, in the arena. Its producer
 * writes slots, then the ring line's tail; its consumer gives them back through the line's head.
 * What a message sends is kept in a journal and published with its acknowledgement.
 *
 * STRICT: the device reads only what lay there before the submission (gyre_Submission,
 * gyre_WindowLine, slots below gyre_WindowLine.input_tail). LIVE: it polls gyre_HostLine as well,
 * which the host writes at any time.
 */
#ifndef GYRE_WIRE_H
#define GYRE_WIRE_H

/* Raised with every change in this file. Host and shader compare it before anything else. */
#define GYRE_WIRE_VERSION 4u

#define GYRE_LANES 4u
#define GYRE_CHAIN_MAX 16u

/* What the shared variables of kernel.glsl and link.glsl take: a module with more has its own. */
#define GYRE_SHARED_BYTES 68u

#define GYRE_BINDING_CONTROL 0
#define GYRE_BINDING_STATUS 1
#define GYRE_BINDING_INPUT 2
#define GYRE_BINDING_OUTPUT 3
#define GYRE_BINDING_LOCAL 4
#define GYRE_BINDING_STATE 5
#define GYRE_BINDING_INDIRECT 6
#define GYRE_BINDING_QUEUE 7
#define GYRE_BINDING_ARENA 8
#define GYRE_BINDING_ROUTES 9
#define GYRE_BINDING_MIRROR 10
#define GYRE_BINDING_ANSWERS 11
#define GYRE_BINDING_COUNT 12

/* Specialisation constants of the engine; a user's own may have any id below. */
#define GYRE_SPEC_VERSION 2000
#define GYRE_SPEC_MAX_SENDS 2001
#define GYRE_SPEC_LOCAL_COUNT 2002
#define GYRE_SPEC_INPUT_SIZE 2003
#define GYRE_SPEC_OUTPUT_SIZE 2004
#define GYRE_SPEC_STATE_WORDS 2005
#define GYRE_SPEC_QUIRKS 2006
#define GYRE_SPEC_LOCAL_X 2007
#define GYRE_SPEC_WORKGROUPS 2008
#define GYRE_SPEC_LIVE 2009         /* 1: poll gyre_HostLine */
#define GYRE_SPEC_LINKS 2010        /* GYRE_LINKS_... */
#define GYRE_SPEC_INPUT_STRIDE 2011 /* of a slot, in words, as the next one */
#define GYRE_SPEC_OUTPUT_STRIDE 2012
#define GYRE_SPEC_OUTPUT_WORDS 2013   /* of GYRE_OUTPUT */
#define GYRE_SPEC_PER_INVOCATION 2014 /* 1: a message to each invocation */

/* What a kernel is made for. */
#define GYRE_LINKS_IN 1u  /* it takes messages from links as well */
#define GYRE_LINKS_OUT 2u /* it sends some */
/* For a kernel of one workgroup, which need not look into the tables for each message. */
#define GYRE_LINKS_ONE_IN 4u /* all from one ring */
#define GYRE_LINKS_ONE_OUT \
    8u /* all to one ring at port 0, one send to a message; GYRE_OUT lies in it */

/* Quirks of a driver that the shader works around. */
#define GYRE_QUIRK_LOOPS_CUT \
    1u /* loops end by themselves: the loop guard and the second copy of the state */
#define GYRE_QUIRK_PHANTOM_LANES \
    2u /* lanes beyond the workgroup keep loops alive: keep them out of the handler */

/* gyre_Submission.flags */
#define GYRE_SUBMIT_WARM_UP 1u /* set the cursors, run no handler */
#define GYRE_SUBMIT_NOTHING 2u /* do nothing: some drivers compile at the first dispatch */
#define GYRE_SUBMIT_FORGET \
    4u /* the input rings were refilled: what was claimed before is not at their heads */

/* gyre_HostLine.command */
#define GYRE_COMMAND_RUN 0u
#define GYRE_COMMAND_PAUSE 1u
#define GYRE_COMMAND_TERMINATE 2u
#define GYRE_COMMAND_YIELD 3u /* make room for another kernel */

/* Why a residency ended. 0 is written by nobody: a dispatch without a reason was cut by the driver
 * before main's end. */
#define GYRE_EXIT_NONE 0u
#define GYRE_EXIT_WARM_UP 1u
#define GYRE_EXIT_IDLE \
    2u /* nothing to do: the window is done (STRICT) or nothing came for the idle time (LIVE) */
#define GYRE_EXIT_FUEL 3u   /* out of loop back-edges */
#define GYRE_EXIT_BUDGET 4u /* out of its message budget */
#define GYRE_EXIT_YIELD 5u  /* the host asked to make room for another kernel */
#define GYRE_EXIT_PAUSE 6u
#define GYRE_EXIT_TERMINATE 7u
#define GYRE_EXIT_OUTPUT 8u   /* no room for the next message's output */
#define GYRE_EXIT_RETURNED 9u /* the handler returned from main by itself */
#define GYRE_EXIT_CUT 10u     /* the driver cut a loop; the message in hand was not acknowledged */
#define GYRE_EXIT_VERSION 11u /* the shader was made with another version of this file */
#define GYRE_EXIT_LINK 12u    /* no room in a link for what the next message may send */
#define GYRE_EXIT_COUNT 13u

/* The lane of messages that came by a link. */
#define GYRE_LANE_LINK GYRE_LANES

/* gyre_Exit.claimed, shifted by the lane: the driver cut a loop while the message at its head was
 * in hand; per invocation, while gyre_Exit.begun of them were. */
#define GYRE_CLAIMED_BEGUN 0x001u
#define GYRE_CLAIMED_FIRST \
    0x100u /* ... as the first thing that the residency did, and ended it without a word */

#ifndef GYRE_TYPE_TICK
#define GYRE_TYPE_TICK 0xffffu /* as in gyre/kernel.h */
#endif

/* Of the whole workgroup: what an acknowledged message sent to links is still to be published. */
#define GYRE_CLAIMED_UNPUBLISHED 0x80000000u

/* gyre_Header.info: type in bits 0-15, priority in 16-23, flags in 24-31. */
#define GYRE_INFO_PRIORITY_SHIFT 16
#define GYRE_INFO_FLAGS_SHIFT 24
#define GYRE_FLAG_REDELIVERED 1u
#define GYRE_FLAG_FAILED 2u /* output: `extra` is the handler's code */
#define GYRE_FLAG_CUT \
    4u /* output: with FAILED; the handler's loops exceed what the driver runs \
        */
#define GYRE_FLAG_OVERSENT 8u  /* output: with FAILED; more than GYRE_MAX_SENDS answers */
#define GYRE_FLAG_LINKED 16u   /* the message came by a link */
#define GYRE_FLAG_NO_ROUTE 32u /* output: with FAILED; sent to a port without a link */
#define GYRE_FLAG_HOPS 64u     /* output: with FAILED; it has made too many hops */
#define GYRE_FLAG_VOID \
    128u /* output: no answer, a slot kept for one. Per invocation each message has \
            GYRE_MAX_SENDS slots, what it used of them first */

#ifdef __cplusplus
#error "wire.h is for C and GLSL"
#endif
#ifdef GYRE_WIRE_C
#include <stddef.h>
#include <stdint.h>
typedef uint32_t gyre_word;
#define GYRE_WIRE_STRUCT(name) struct name
#define GYRE_WIRE_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type);
#define GYRE_WIRE_AT(type, member, bytes) \
    _Static_assert(offsetof(struct type, member) == (bytes), #type "." #member);
#else
#define gyre_word uint
#define GYRE_WIRE_STRUCT(name) name
#define GYRE_WIRE_SIZE(type, bytes)
#define GYRE_WIRE_AT(type, member, bytes)
#endif

/* In front of every message, both ways. `sequence` is the slot's index + 1, written last, so that a
 * reader to whom the tail came before the payload sees that the slot is not there yet. */
struct gyre_Header {
    gyre_word sequence;
    gyre_word info;
    gyre_word id_low;
    gyre_word id_high;
    gyre_word correlation_low; /* input, and output of LINKED; else the host has it still */
    gyre_word correlation_high;
    gyre_word extra;    /* input: the key; output: the code of gyre_fail() */
    gyre_word position; /* output: which input it answers, index in its lane's ring; of LINKED the
                           workgroup's number for it; in a link: hops */
};
GYRE_WIRE_SIZE(gyre_Header, 32)

/* Written before a submission, untouched until it has ended. */
struct gyre_Submission {
    gyre_word version;
    gyre_word flags;
    gyre_word serial; /* of the submission, never 0, in 24 bits */
    gyre_word fuel;   /* loop back-edges per dispatch */
    gyre_word budget; /* messages per submission and workgroup */
    gyre_word idle_polls;
    gyre_word guard; /* trip count of the loop guard; its value must not be known to the compiler */
    gyre_word first_index; /* where the indices of all rings start (warm-up) */
    gyre_word workgroups;
    gyre_word kernel_low;
    gyre_word kernel_high;
    gyre_word max_hops;
    gyre_word reserved[20];
};
GYRE_WIRE_SIZE(gyre_Submission, 128)

/* Live words from the host. */
struct gyre_HostLine {
    gyre_word command; /* GYRE_COMMAND_...; RUN at each submission */
    gyre_word padding[3];
    gyre_word input_tail[GYRE_LANES];
    gyre_word reserved[24];
};
GYRE_WIRE_SIZE(gyre_HostLine, 128)
GYRE_WIRE_AT(gyre_HostLine, input_tail, 16)

/* Likewise, of the thread that takes answers: apart, so that giving a slot back does not take the
 * line away that the device polls. */
struct gyre_ReaderLine {
    gyre_word output_head;
    gyre_word reserved[31];
};
GYRE_WIRE_SIZE(gyre_ReaderLine, 128)

/* The same words as they were at the submission. */
struct gyre_WindowLine {
    gyre_word input_tail[GYRE_LANES];
    gyre_word output_head;
    gyre_word reserved[27];
};
GYRE_WIRE_SIZE(gyre_WindowLine, 128)

struct gyre_ControlLine {
    GYRE_WIRE_STRUCT(gyre_HostLine) host;
    GYRE_WIRE_STRUCT(gyre_ReaderLine) reader;
    GYRE_WIRE_STRUCT(gyre_WindowLine) window;
};
GYRE_WIRE_SIZE(gyre_ControlLine, 384)

/* From the device, one line: how far it is. output_tail is stored before input_head. */
struct gyre_StatusLine {
    gyre_word output_tail;
    gyre_word input_head[GYRE_LANES];
    gyre_word reserved[27];
};
GYRE_WIRE_SIZE(gyre_StatusLine, 128)

/* One per dispatch of a chain and workgroup. */
struct gyre_Exit {
    gyre_word
        stamp; /* serial << 8 | GYRE_EXIT_...; written at the exit, so an old serial says "cut" */
    gyre_word began;    /* serial, written first */
    gyre_word messages; /* acknowledged */
    gyre_word failed;   /* of these, by gyre_fail() or by the engine */
    gyre_word redone;   /* claimed before by a residency that was cut */
    gyre_word looks;    /* at the rings: fuel used */
    gyre_word claimed;  /* GYRE_CLAIMED_... bits of the lanes whose head has been begun, not done */
    gyre_word linked;   /* of `messages`, those that came by links */
    gyre_word linked_failed;     /* and of `failed` */
    gyre_word begun[GYRE_LANES]; /* per invocation: how many messages at the head of a lane */
    gyre_word reserved[3];
};
GYRE_WIRE_SIZE(gyre_Exit, 64)

struct gyre_StatusBlock {
    GYRE_WIRE_STRUCT(gyre_StatusLine) line;
    GYRE_WIRE_STRUCT(gyre_Exit) exits[GYRE_CHAIN_MAX];
};
GYRE_WIRE_SIZE(gyre_StatusBlock, 1152)

/* The device's own memory between residencies; its cursors are those of its gyre_StatusLine. */
struct gyre_LocalLine {
    gyre_word state_copy;             /* which copy of the state is committed */
    gyre_word ran;                    /* the handler has run before */
    gyre_word serial;                 /* of the submission that `left` counts for */
    gyre_word left;                   /* of its message budget */
    gyre_word claimed;                /* as gyre_Exit.claimed of the last residency */
    gyre_word number;                 /* messages acknowledged so far */
    gyre_word source;                 /* the link to look at next */
    gyre_word begun;                  /* the one whose head GYRE_CLAIMED_... speaks of */
    gyre_word lane_begun[GYRE_LANES]; /* as gyre_Exit.begun of the last residency */
    gyre_word link_begun;             /* likewise, of the messages of the link `begun` */
    gyre_word reserved[19];
};
GYRE_WIRE_SIZE(gyre_LocalLine, 128)

/* VkDispatchIndirectCommand, padded */
struct gyre_Groups {
    gyre_word x;
    gyre_word y;
    gyre_word z;
    gyre_word reserved;
};
GYRE_WIRE_SIZE(gyre_Groups, 16)

/* ---- links ---- */

/* Of a ring in the arena: two lines of words, one of its producer, one of its consumer. */
#define GYRE_LINE_TAIL 0u
#define GYRE_LINE_LOST 1u
#define GYRE_LINE_HEAD 32u
#define GYRE_LINE_WORDS 64u

/* Of a workgroup's journal in the arena: how many entries are to be published, then gyre_Entry. */
#define GYRE_JOURNAL_ENTRIES 4u

/* gyre_Port.spread */
#define GYRE_TO_EACH 0u
#define GYRE_TO_KEY 1u
#define GYRE_TO_TURN 2u

/* Where the tables begin, in words of binding 9, and what is one per workgroup. */
struct gyre_Routes {
    gyre_word ports;
    gyre_word ports_at;      /* gyre_Port */
    gyre_word targets_at;    /* gyre_Target */
    gyre_word rings;         /* out of a workgroup */
    gyre_word rings_at;      /* gyre_OutRing, those of workgroup 0 first */
    gyre_word sources;       /* into a workgroup */
    gyre_word sources_at;    /* gyre_InRing, likewise */
    gyre_word mirror_out;    /* gyre_MirrorOut of workgroup 0, in words of binding 10 */
    gyre_word mirror_in;     /* gyre_MirrorIn, likewise */
    gyre_word mirror_stride; /* words to the next workgroup */
    gyre_word journal;       /* of workgroup 0, in words of the arena */
    gyre_word journal_words;
    gyre_word hand;    /* slot of workgroup 0 for what the host sent, as an index in binding 2 */
    gyre_word scratch; /* slot for GYRE_OUT while nothing is linked, as an index in binding 3 */
    gyre_word ended;   /* 1: all that was linked to port 0 has terminated */
    gyre_word reserved;
};
GYRE_WIRE_SIZE(gyre_Routes, 64)

struct gyre_Port {
    gyre_word first;  /* target */
    gyre_word count;  /* 0: no route */
    gyre_word spread; /* GYRE_TO_... */
    gyre_word reserved;
};
GYRE_WIRE_SIZE(gyre_Port, 16)

/* A kernel at the other end: a ring to each of its workgroups. */
struct gyre_Target {
    gyre_word first; /* ring, of the workgroup's */
    gyre_word count;
    gyre_word by_key; /* which workgroup: by the key, or else in turn */
    gyre_word reserved;
};
GYRE_WIRE_SIZE(gyre_Target, 16)

#define GYRE_RING_LOSSY 1u /* what finds it full is lost, and counted */
#define GYRE_RING_CYCLE 2u /* part of a cycle */

struct gyre_OutRing {
    gyre_word line;  /* in words of the arena */
    gyre_word slots; /* likewise */
    gyre_word stride;
    gyre_word size;
    gyre_word flags; /* GYRE_RING_... */
    gyre_word reserved[3];
};
GYRE_WIRE_SIZE(gyre_OutRing, 32)

struct gyre_InRing {
    gyre_word line;
    gyre_word slots; /* an index in binding 2 */
    gyre_word size;
    gyre_word flags;
};
GYRE_WIRE_SIZE(gyre_InRing, 16)

/* A store that is due: the tail of an out ring, or with GYRE_ENTRY_LOST its count of losses. */
#define GYRE_ENTRY_LOST 0x80000000u
struct gyre_Entry {
    gyre_word ring;
    gyre_word value;
};
GYRE_WIRE_SIZE(gyre_Entry, 8)

/* The same words as in the ring lines, for the host. */
struct gyre_MirrorOut {
    gyre_word tail;
    gyre_word lost;
};
GYRE_WIRE_SIZE(gyre_MirrorOut, 8)

struct gyre_MirrorIn {
    gyre_word head;
};
GYRE_WIRE_SIZE(gyre_MirrorIn, 4)

#endif
