#version 460

// The first stage of pipeline.c: each pixel becomes a weighted mean of the nine around it.

#define MARGIN 3u
#include "tile.glsl"

ivec4 sum(Row row)
{
    return row.left + 2 * row.middle + row.right;
}

ivec4 stage(Row above, Row here, Row below)
{
    return (sum(above) + 2 * sum(here) + sum(below) + 8) / 16;
}
