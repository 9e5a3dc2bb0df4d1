#version 460

// The second stage of pipeline.c: how steep the picture is at each pixel, by Sobel's two masks.

#define MARGIN 2u
#include "tile.glsl"

ivec4 stage(Row above, Row here, Row below)
{
    ivec4 across = above.right + 2 * here.right + below.right - above.left - 2 * here.left - below.left;
    ivec4 down = below.left + 2 * below.middle + below.right - above.left - 2 * above.middle - above.right;
    return min((abs(across) + abs(down)) / 2, 255);
}
