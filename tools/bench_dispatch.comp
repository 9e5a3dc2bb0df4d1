/* The kernel of `gyre bench`, case dispatch: the same work as bench_roundtrip.comp, one dispatch for each message. */
#version 460
layout(local_size_x = 1) in;

layout(std430, set = 0, binding = 0) readonly buffer Input {
    uvec4 message[4];
};
layout(std430, set = 0, binding = 1) writeonly buffer Output {
    uvec4 answer[4];
};

void main()
{
    for (uint i = 0u; i < 4u; ++i) {
        answer[i] = message[i] * 2654435761u + (i * 4u + uvec4(0u, 1u, 2u, 3u));
    }
}
