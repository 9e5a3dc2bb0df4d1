/* The kernel of `gyre bench`, case dispatch: the same work as bench_roundtrip.comp, one dispatch for each message. */
#version 460
layout(local_size_x = 1) in;

layout(std430, set = 0, binding = 0) readonly buffer Input {
    uint message[16];
};
layout(std430, set = 0, binding = 1) writeonly buffer Output {
    uint answer[16];
};

void main()
{
    for (uint i = 0u; i < 16u; ++i) {
        answer[i] = message[i] * 2654435761u + i;
    }
}
