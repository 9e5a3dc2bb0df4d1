#define _POSIX_C_SOURCE 200809L

#include "digits.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool digits_load_model(const char *path, struct digits_model *model)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }

    bool whole = fread(model, sizeof *model, 1, file) == 1 && fgetc(file) == EOF && !ferror(file);
    fclose(file);
    if (!whole) {
        fprintf(stderr, "%s: not a file of %zu bytes\n", path, sizeof *model);
    }
    return whole;
}

static bool parse_image(const char *line, size_t length, struct digits_image *image)
{
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    json_t *pixels = json_object_get(object, "pixels");
    json_t *label = json_object_get(object, "_label");

    bool good = json_array_size(pixels) == DIGITS_PIXELS && json_is_integer(label) &&
                json_integer_value(label) >= 0 && json_integer_value(label) < DIGITS_CLASSES;
    for (size_t i = 0; good && i < DIGITS_PIXELS; i++) {
        json_t *pixel = json_array_get(pixels, i);
        good = json_is_number(pixel);
        image->pixels[i] = (float)json_number_value(pixel);
    }
    image->label = (int)json_integer_value(label);

    json_decref(object);
    return good;
}

static bool append(struct digits_set *set, size_t *capacity, const struct digits_image *image)
{
    if (set->count == *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 256;
        struct digits_image *images = realloc(set->images, larger * sizeof *images);
        if (!images) {
            return false;
        }
        set->images = images;
        *capacity = larger;
    }
    set->images[set->count++] = *image;
    return true;
}

bool digits_load_set(const char *path, struct digits_set *set)
{
    struct digits_set loaded = {0};
    size_t capacity = 0;
    char *line = NULL;
    size_t line_size = 0;
    bool good = true;

    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }

    ssize_t length;
    while (good && (length = getline(&line, &line_size, file)) >= 0) {
        struct digits_image image;
        if (!parse_image(line, (size_t)length, &image)) {
            fprintf(stderr, "%s:%zu: not a digit with 64 pixels and its _label\n", path,
                    loaded.count + 1);
            good = false;
        } else if (!append(&loaded, &capacity, &image)) {
            fprintf(stderr, "%s: out of memory\n", path);
            good = false;
        }
    }
    if (good && (ferror(file) || loaded.count == 0)) {
        fprintf(stderr, "%s: %s\n", path, loaded.count ? "cannot be read" : "no digits in it");
        good = false;
    }
    free(line);
    fclose(file);

    if (!good) {
        free(loaded.images);
        return false;
    }
    *set = loaded;
    return true;
}

int digits_classify(const struct digits_model *model, const struct digits_image *image,
                    float scores[DIGITS_CLASSES])
{
    float hidden[DIGITS_HIDDEN];
    for (size_t unit = 0; unit < DIGITS_HIDDEN; unit++) {
        float sum = model->b1[unit];
        for (size_t i = 0; i < DIGITS_PIXELS; i++) {
            sum += model->w1[unit][i] * (image->pixels[i] * 0.0625f);
        }
        hidden[unit] = sum > 0.0f ? sum : 0.0f;
    }

    int best = 0;
    for (int digit = 0; digit < DIGITS_CLASSES; digit++) {
        float sum = model->b2[digit];
        for (size_t i = 0; i < DIGITS_HIDDEN; i++) {
            sum += model->w2[digit][i] * hidden[i];
        }
        scores[digit] = sum;
        best = sum > scores[best] ? digit : best;
    }
    return best;
}
