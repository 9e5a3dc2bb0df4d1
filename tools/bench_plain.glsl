/* The shaders of `gyre bench`, cases dispatch and dispatch-batched: the same work as bench_echo.glsl without Gyre, one
 * invocation for each message. BENCH_BYTES and BENCH_LOCAL as there. */
layout(local_size_x = BENCH_LOCAL) in;

struct Message {
    uvec4 words[BENCH_BYTES / 16];
};
layout(std430, set = 0, binding = 0) readonly buffer Input {
    Message messages[];
};
layout(std430, set = 0, binding = 1) writeonly buffer Output {
    Message answers[];
};

void main()
{
    uint at = gl_GlobalInvocationID.x;
    if (at < uint(messages.length())) {
        for (uint i = 0u; i < uint(BENCH_BYTES / 16); ++i) {
            answers[at].words[i] = messages[at].words[i] * 2654435761u + (i * 4u + uvec4(0u, 1u, 2u, 3u));
        }
    }
}
