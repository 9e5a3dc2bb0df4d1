/* The device's side of the rings: memory blocks, loads, stores and fences. Host side: engine/ring.c.
 *
 * Two dialects. With the Vulkan memory model (the default) every access that meets the host or another invocation says
 * so: `nonprivate` payloads, atomics for the words of wire.h, fences at Device scope. Without it (GYRE_NO_MEMORY_MODEL)
 * blocks are `coherent`, polled words `volatile`, and the fences are GLSL's own.
 */
#ifndef GYRE_RING_GLSL
#define GYRE_RING_GLSL

#ifdef GYRE_NO_MEMORY_MODEL
#define GYRE_SHARED_BLOCK coherent
#define GYRE_POLLED_BLOCK coherent volatile
#else
#define GYRE_SHARED_BLOCK nonprivate
#define GYRE_POLLED_BLOCK nonprivate
#endif

layout(constant_id = GYRE_SPEC_VERSION) const uint gyre_wire_version = GYRE_WIRE_VERSION;
layout(constant_id = GYRE_SPEC_MAX_SENDS) const uint gyre_max_sends = GYRE_MAX_SENDS;
layout(constant_id = GYRE_SPEC_LOCAL_COUNT) const uint gyre_local_count = 1u;
layout(constant_id = GYRE_SPEC_LOCAL_X) const uint gyre_local_x = 1u;
layout(constant_id = GYRE_SPEC_INPUT_SIZE) const uint gyre_input_size = 1u;
layout(constant_id = GYRE_SPEC_OUTPUT_SIZE) const uint gyre_output_size = 1u;
layout(constant_id = GYRE_SPEC_STATE_WORDS) const uint gyre_state_size = 0u;
layout(constant_id = GYRE_SPEC_WORKGROUPS) const uint gyre_workgroups = 2u;
layout(constant_id = GYRE_SPEC_LIVE) const uint gyre_is_live = 0u;
layout(constant_id = GYRE_SPEC_QUIRKS) const uint gyre_quirks = 0u;
layout(constant_id = GYRE_SPEC_LINKS) const uint gyre_links = 0u;
layout(constant_id = GYRE_SPEC_INPUT_STRIDE) const uint gyre_input_stride = 8u;
layout(constant_id = GYRE_SPEC_OUTPUT_STRIDE) const uint gyre_output_stride = 8u;
layout(constant_id = GYRE_SPEC_OUTPUT_WORDS) const uint gyre_output_words_count = 0u;
#ifdef GYRE_PER_INVOCATION
layout(constant_id = GYRE_SPEC_PER_INVOCATION) const uint gyre_per_invocation = 1u;
#else
const uint gyre_per_invocation = 0u;
#endif

struct gyre_InputSlot {
    gyre_Header header;
    GYRE_INPUT data;
};
struct gyre_OutputSlot {
    gyre_Header header;
    GYRE_OUTPUT data;
};

layout(std430, set = 0, binding = GYRE_BINDING_CONTROL) GYRE_POLLED_BLOCK buffer gyre_ControlBlock {
    gyre_Submission gyre_submission;
    gyre_ControlLine gyre_control[];
};
layout(std430, set = 0, binding = GYRE_BINDING_STATUS) GYRE_SHARED_BLOCK buffer gyre_StatusBlocks {
    gyre_StatusBlock gyre_status[];
};
layout(std430, set = 0, binding = GYRE_BINDING_INPUT) readonly GYRE_SHARED_BLOCK buffer gyre_InputBlock {
    gyre_InputSlot gyre_input_slots[];
};
/* What the host fills: the same without links. */
layout(std430, set = 0, binding = GYRE_BINDING_QUEUE) readonly GYRE_POLLED_BLOCK buffer gyre_QueueBlock {
    gyre_InputSlot gyre_polled_slots[];
};
layout(std430, set = 0, binding = GYRE_BINDING_QUEUE) readonly GYRE_SHARED_BLOCK buffer gyre_QueueWords {
    uint gyre_queue_words[];
};
layout(std430, set = 0, binding = GYRE_BINDING_OUTPUT) GYRE_SHARED_BLOCK buffer gyre_OutputBlock {
    gyre_OutputSlot gyre_output_slots[];
};
layout(std430, set = 0, binding = GYRE_BINDING_OUTPUT) readonly GYRE_SHARED_BLOCK buffer gyre_OutputWords {
    uint gyre_output_words[];
};
/* What the host reads: the same unless GYRE_OUT lies in a link. */
layout(std430, set = 0, binding = GYRE_BINDING_ANSWERS) GYRE_SHARED_BLOCK buffer gyre_AnswerBlock {
    gyre_OutputSlot gyre_answer_slots[];
};
layout(std430, set = 0, binding = GYRE_BINDING_ANSWERS) GYRE_SHARED_BLOCK buffer gyre_AnswerWords {
    uint gyre_answer_words[];
};
layout(std430, set = 0, binding = GYRE_BINDING_LOCAL) GYRE_SHARED_BLOCK buffer gyre_LocalBlock {
    gyre_LocalLine gyre_local[];
};
layout(std430, set = 0, binding = GYRE_BINDING_INDIRECT) GYRE_SHARED_BLOCK buffer gyre_IndirectBlock {
    gyre_Groups gyre_groups[];
};
layout(std430, set = 0, binding = GYRE_BINDING_ARENA) GYRE_SHARED_BLOCK buffer gyre_ArenaBlock {
    uint gyre_arena[];
};
/* The ring lines in it. */
layout(std430, set = 0, binding = GYRE_BINDING_ARENA) GYRE_POLLED_BLOCK buffer gyre_LineBlock {
    uint gyre_lines[];
};
layout(std430, set = 0, binding = GYRE_BINDING_ROUTES) readonly GYRE_SHARED_BLOCK buffer gyre_RoutesBlock {
    gyre_Routes gyre_routes;
};
layout(std430, set = 0, binding = GYRE_BINDING_ROUTES) readonly GYRE_SHARED_BLOCK buffer gyre_RouteWords {
    uint gyre_route_words[];
};
layout(std430, set = 0, binding = GYRE_BINDING_MIRROR) GYRE_SHARED_BLOCK buffer gyre_MirrorBlock {
    uint gyre_mirror[];
};
#ifdef GYRE_STATE
layout(std430, set = 0, binding = GYRE_BINDING_STATE) GYRE_SHARED_BLOCK buffer gyre_StateBlock {
    GYRE_STATE gyre_state_copies[];
};
layout(std430, set = 0, binding = GYRE_BINDING_STATE) GYRE_SHARED_BLOCK buffer gyre_StateWords {
    uint gyre_state_words[];
};
#endif
layout(push_constant) uniform gyre_Push {
    uint gyre_link; /* which dispatch of the chain this is */
};

/* The fences of the engine are marked with a kind of memory that no kernel of Gyre has (outputs; images), so that the host
 * can tell them from a handler's own: engine/spirv.c, for a fault of lavapipe before 23.0.1. */
#ifdef GYRE_NO_MEMORY_MODEL
#define GYRE_FENCE_MEMORY (gl_StorageSemanticsBuffer | gl_StorageSemanticsShared | gl_StorageSemanticsImage)
#define GYRE_FENCE_ORDER gl_SemanticsAcquireRelease
#define gyre_load(word) (word)
#define gyre_store(word, value) (word) = (value)
#else
#define GYRE_FENCE_MEMORY (gl_StorageSemanticsBuffer | gl_StorageSemanticsShared | gl_StorageSemanticsOutput)
#define GYRE_FENCE_ORDER (gl_SemanticsAcquireRelease | gl_SemanticsMakeAvailable | gl_SemanticsMakeVisible)
/* Volatile: a relaxed atomic load of the same word is hoisted out of a poll loop (Mesa's copy propagation). */
#define gyre_load(word) \
    atomicLoad(word, gl_ScopeDevice, gl_StorageSemanticsNone, gl_SemanticsRelaxed | gl_SemanticsVolatile)
#define gyre_store(word, value) \
    atomicStore(word, value, gl_ScopeDevice, gl_StorageSemanticsNone, gl_SemanticsRelaxed)
#endif
#define gyre_fence() memoryBarrier(gl_ScopeDevice, GYRE_FENCE_MEMORY, GYRE_FENCE_ORDER)
#define gyre_meet() controlBarrier(gl_ScopeWorkgroup, gl_ScopeDevice, GYRE_FENCE_MEMORY, GYRE_FENCE_ORDER)

/* All invocations of the workgroup arrive, and each sees what the others, and whoever the leader heard of, wrote before.
 * Alone, a workgroup needs the fence only. */
void gyre_synchronize()
{
    if (gyre_local_count > 1u) {
        gyre_meet();
    } else {
        gyre_fence();
    }
}

#endif
