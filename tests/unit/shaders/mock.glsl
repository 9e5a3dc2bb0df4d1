// The border of a Gyre kernel without its engine: the blocks as spirv_read() meets them.
#extension GL_GOOGLE_include_directive : require
#include "gyre/wire.h"

#ifndef GYRE_MAX_SENDS
#define GYRE_MAX_SENDS 1
#endif
#ifndef MOCK_VERSION
#define MOCK_VERSION GYRE_WIRE_VERSION
#endif
layout(constant_id = GYRE_SPEC_VERSION) const uint gyre_version = MOCK_VERSION;
layout(constant_id = GYRE_SPEC_MAX_SENDS) const uint gyre_max_sends = GYRE_MAX_SENDS;

struct gyre_InputSlot {
    gyre_Header header;
    GYRE_INPUT data;
};
struct gyre_OutputSlot {
    gyre_Header header;
    GYRE_OUTPUT data;
};

layout(std430, set = 0, binding = GYRE_BINDING_CONTROL) readonly buffer gyre_ControlBlock {
    gyre_Submission submission;
    gyre_ControlLine gyre_control_lines[];
};
layout(std430, set = 0, binding = GYRE_BINDING_INPUT) readonly buffer gyre_InputBlock {
    gyre_InputSlot gyre_input_slots[];
};
layout(std430, set = 0, binding = GYRE_BINDING_OUTPUT) buffer gyre_OutputBlock {
    gyre_OutputSlot gyre_output_slots[];
};
layout(std430, set = 0, binding = GYRE_BINDING_OUTPUT) buffer gyre_OutputWords {
    uint gyre_output_words[];
};
#ifdef GYRE_STATE
layout(std430, set = 0, binding = GYRE_BINDING_STATE) buffer gyre_StateBlock {
    GYRE_STATE gyre_state_copies[];
};
layout(std430, set = 0, binding = GYRE_BINDING_STATE) buffer gyre_StateWords {
    uint gyre_state_words[];
};
#endif

#define IN gyre_input_slots[gl_WorkGroupID.x].data
#define OUT gyre_output_slots[gl_WorkGroupID.x].data

// An optimiser must not find these unused.
bool mock_engine()
{
    gyre_output_words[0] = gyre_max_sends;
#ifdef GYRE_STATE
    gyre_state_words[1] = gyre_state_words[0];
#endif
    barrier();
    return submission.version == gyre_version;
}
