#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_buffer_reference : require

layout(constant_id = 7) const uint side = 4;
layout(constant_id = 8) const uint width = 32;

layout(buffer_reference) buffer Node;
layout(buffer_reference, std430) buffer Node {
    Node next;
    uint value;
};

struct Point {
    vec3 place;
    float weight;
    uint16_t tags[3];
};
struct Request {
    uint8_t kind;
    Point points[5];
    mat3 turn;
    mat4x2 narrow[2];
    double exact;
    uint64_t key;
    int64_t table[side];
    Node list;
    dvec3 last;
};
struct Response {
    mat2x3 columns;
    f16vec4 halves;
    uint64_t big;
    float end;
};
struct State {
    dvec2 sum;
    uint runs;
};
#define GYRE_INPUT Request
#define GYRE_OUTPUT Response
#define GYRE_STATE State
#include "mock.glsl"
layout(local_size_x_id = 8, local_size_y = 2) in;

layout(std430, set = 1, binding = 0) readonly buffer Model {
    uint layers;
    layout(row_major) mat2x3 turns;
    vec4 weights[];
} model;
layout(std140, set = 1, binding = 3) uniform Settings {
    float gain;
    mat3 colour;
} settings;
layout(set = 2, binding = 1) uniform sampler2D pictures[6];
layout(std430, set = 3, binding = 9) writeonly buffer Log {
    uint lines[16];
} logs[2];
layout(push_constant) uniform Pushed {
    layout(offset = 16) uvec4 pushed;
};

shared vec3 corner[3];
shared uint cells[side * side + 1];
shared bool seen;

void main()
{
    seen = mock_engine();
    corner[0] = IN.points[0].place + settings.colour[1] * settings.gain;
    cells[0] = pushed.y + IN.list.value;
    barrier();
    OUT.columns[0] = corner[1] + model.turns[1] + model.weights[1].xyz;
    OUT.end = float(IN.exact) + texture(pictures[1], vec2(0)).x + float(IN.table[1]);
    OUT.big = IN.key + uint64_t(IN.narrow[1][1][1]) + uint64_t(IN.last.x);
    logs[1].lines[3] = cells[1];
    gyre_state_copies[0].runs += uint(seen);
}
