/* Grey pictures in PNG files, through libpng. */
#ifndef PIPELINE_PICTURE_H
#define PIPELINE_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#define PICTURE_SIDE_MAX 4096u

struct picture {
    uint32_t width;
    uint32_t height;
    uint8_t *pixels; /* height rows of width bytes; of malloc() */
};

/* Colours are made grey. These say on stderr why not before they return false. */
bool picture_read(const char *path, struct picture *picture);
bool picture_write(const char *path, const struct picture *picture);

#endif
