#include "picture.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>

static bool fail(png_image *image, const char *path, const char *why)
{
    fprintf(stderr, "pipeline: %s: %s\n", path, why);
    png_image_free(image);
    return false;
}

bool picture_read(const char *path, struct picture *picture)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&image, path)) {
        return fail(&image, path, image.message);
    }
    if (image.width > PICTURE_SIDE_MAX || image.height > PICTURE_SIDE_MAX) {
        return fail(&image, path, "is larger than 4096 x 4096 pixels");
    }
    image.format = PNG_FORMAT_GRAY;
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    if (!pixels) {
        return fail(&image, path, "out of memory");
    }
    const png_color black = {0}; /* behind what is transparent */
    if (!png_image_finish_read(&image, &black, pixels, 0, NULL)) {
        free(pixels);
        return fail(&image, path, image.message);
    }
    *picture = (struct picture){.width = image.width, .height = image.height, .pixels = pixels};
    return true;
}

bool picture_write(const char *path, const struct picture *picture)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = picture->width,
        .height = picture->height,
        .format = PNG_FORMAT_GRAY,
    };
    return png_image_write_to_file(&image, path, 0, picture->pixels, 0, NULL) ||
           fail(&image, path, image.message);
}
