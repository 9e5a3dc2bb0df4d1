#version 460

// The third stage of pipeline.c: steep pixels are ink, less steep ones beside ink are grey, the others paper.

#define MARGIN 1u
#include "tile.glsl"

#define STEEP 80
#define LESS_STEEP 40

#define INK 0
#define GREY 96
#define PAPER 255

ivec4 largest(Row row)
{
    return max(max(row.left, row.middle), row.right);
}

ivec4 stage(Row above, Row here, Row below)
{
    ivec4 around = max(max(largest(above), largest(here)), largest(below));
    bvec4 beside = greaterThanEqual(around, ivec4(STEEP));
    bvec4 grey = greaterThanEqual(here.middle, mix(ivec4(256), ivec4(LESS_STEEP), beside));
    bvec4 ink = greaterThanEqual(here.middle, ivec4(STEEP));
    return mix(mix(ivec4(PAPER), ivec4(GREY), grey), ivec4(INK), ink);
}
