#include "reference.h"

#include <stdlib.h>
#include <string.h>

#define STAGES 3u

/* As in threshold.comp. */
#define STEEP 80
#define LESS_STEEP 40
#define INK 0
#define GREY 96
#define PAPER 255

/* The nine pixels of which one is made, by row and column. */
typedef int window[3][3];

static uint8_t blur(window w)
{
    int corners = w[0][0] + w[0][2] + w[2][0] + w[2][2];
    int sides = w[0][1] + w[1][0] + w[1][2] + w[2][1];
    return (uint8_t)((corners + 2 * sides + 4 * w[1][1] + 8) / 16);
}

static uint8_t edges(window w)
{
    int across = w[0][2] + 2 * w[1][2] + w[2][2] - w[0][0] - 2 * w[1][0] - w[2][0];
    int down = w[2][0] + 2 * w[2][1] + w[2][2] - w[0][0] - 2 * w[0][1] - w[0][2];
    int steep = (abs(across) + abs(down)) / 2;
    return (uint8_t)(steep < 255 ? steep : 255);
}

static uint8_t threshold(window w)
{
    bool beside = false;
    for (int i = 0; i < 9; i++) {
        beside = beside || w[i / 3][i % 3] >= STEEP;
    }
    return w[1][1] >= STEEP ? INK : beside && w[1][1] >= LESS_STEEP ? GREY : PAPER;
}

/* `to` is two pixels narrower and lower than `from`, and may be the same memory: what is written
 * lies before all that is still to be read. */
static void run_stage(uint8_t (*stage)(window), const uint8_t *from, uint8_t *to, size_t width,
                      size_t height)
{
    for (size_t y = 0; y < height - 2; y++) {
        for (size_t x = 0; x < width - 2; x++) {
            window w;
            for (size_t i = 0; i < 9; i++) {
                w[i / 3][i % 3] = from[(y + i / 3) * width + x + i % 3];
            }
            *to++ = stage(w);
        }
    }
}

/* What lies beyond the picture is like the pixel of the picture next to it. */
static void widen(const struct picture *from, uint8_t *to)
{
    for (size_t y = 0; y < from->height + 2 * STAGES; y++) {
        size_t below = y < STAGES ? 0 : y - STAGES;
        size_t row = below < from->height ? below : from->height - 1;
        const uint8_t *pixels = from->pixels + row * from->width;
        memset(to, pixels[0], STAGES);
        memcpy(to + STAGES, pixels, from->width);
        memset(to + STAGES + from->width, pixels[from->width - 1], STAGES);
        to += from->width + 2 * STAGES;
    }
}

bool reference_run(const struct picture *from, struct picture *to)
{
    size_t width = from->width + 2 * STAGES;
    size_t height = from->height + 2 * STAGES;
    uint8_t *wide = malloc(width * height);
    if (!wide) {
        return false;
    }
    widen(from, wide);
    run_stage(blur, wide, wide, width, height);
    run_stage(edges, wide, wide, width - 2, height - 2);
    run_stage(threshold, wide, to->pixels, width - 4, height - 4);
    free(wide);
    return true;
}
