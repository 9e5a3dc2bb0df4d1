// A tile on its way through the pipeline. Before including it: #define MARGIN, the pixels that come in around the tile (one
// fewer go out), and ivec4 stage(Row above, Row here, Row below) after it.

#define SIDE 64u // of the tile itself
#define ROWS(margin) (SIDE + 2u * (margin))
#define WORDS(margin) ((ROWS(margin) + 3u) / 4u) // in a row: four grey pixels each, the leftmost lowest

struct Wide {
    uint x; // where in the picture the tile itself begins
    uint y;
    uint words[ROWS(MARGIN) * WORDS(MARGIN)];
};

struct Narrow {
    uint x;
    uint y;
    uint words[ROWS(MARGIN - 1u) * WORDS(MARGIN - 1u)];
};

#define GYRE_INPUT Wide
#define GYRE_OUTPUT Narrow
#include "gyre/kernel.glsl"

layout(local_size_x = 64) in;

struct Row { // what lies to the left of four pixels that go out, on them, and to their right
    ivec4 left;
    ivec4 middle;
    ivec4 right;
};

ivec4 unpack(uint word)
{
    return ivec4(uvec4(word, word >> 8, word >> 16, word >> 24) & 255u);
}

uint pack(ivec4 pixels)
{
    uvec4 parts = uvec4(pixels) << uvec4(0u, 8u, 16u, 24u);
    return parts.x | parts.y | parts.z | parts.w;
}

// A row may end in pixels that only fill up its last word. Whatever they become, no pixel of the tile is made of them.
Row row_at(uint y, uint word)
{
    uint first = y * WORDS(MARGIN);
    ivec4 a = unpack(GYRE_IN.words[first + word]);
    ivec4 b = unpack(GYRE_IN.words[first + min(word + 1u, WORDS(MARGIN) - 1u)]);
    return Row(a, ivec4(a.yzw, b.x), ivec4(a.zw, b.xy));
}

ivec4 stage(Row above, Row here, Row below);

void main()
{
    while (gyre_receive()) {
        for (uint i = gl_LocalInvocationIndex; i < GYRE_OUT.words.length(); i += gl_WorkGroupSize.x) {
            uint y = i / WORDS(MARGIN - 1u);
            uint word = i % WORDS(MARGIN - 1u);
            GYRE_OUT.words[i] = pack(stage(row_at(y, word), row_at(y + 1u, word), row_at(y + 2u, word)));
        }
        if (gl_LocalInvocationIndex == 0u) {
            GYRE_OUT.x = GYRE_IN.x;
            GYRE_OUT.y = GYRE_IN.y;
        }
        gyre_send(); // to the next stage if one is linked, else to the host
    }
}
