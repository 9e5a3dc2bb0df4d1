/*
 * The digit classifier on the CPU: what the shaders are held against.
 *
 * digits_classify() does the same additions and multiplications in the same order as network.glsl,
 * all in float. Build it with -ffp-contract=off: a fused multiply-add rounds once where the
 * shader rounds twice.
 */
#ifndef DIGITS_H
#define DIGITS_H

#include <stdbool.h>
#include <stddef.h>

#define DIGITS_PIXELS 64
#define DIGITS_HIDDEN 32
#define DIGITS_CLASSES 10

/* Lines 1 to this one of digits.jsonl were trained on (train.py: TRAINED), the rest were not. */
#define DIGITS_TRAINED_LINES 1287

/* By so much a score may differ: `precise` makes equal ones likely, but Vulkan lets a device choose
 * how it rounds. */
#define DIGITS_TOLERANCE 0.001f

/* The bytes of model.f32 (little endian), and the block Model of digits.comp. */
struct digits_model {
    float w1[DIGITS_HIDDEN][DIGITS_PIXELS];
    float b1[DIGITS_HIDDEN];
    float w2[DIGITS_CLASSES][DIGITS_HIDDEN];
    float b2[DIGITS_CLASSES];
};

_Static_assert(sizeof(struct digits_model) == 9640, "model.f32 has 2410 floats without padding");

struct digits_image {
    float pixels[DIGITS_PIXELS];
    int label;
};

struct digits_set {
    struct digits_image *images; /* images[i] is line i + 1 of the file */
    size_t count;
};

/* Both say on stderr what is wrong with the file before they return false. */
bool digits_load_model(const char *path, struct digits_model *model);

/* On true, free set->images when done with it. */
bool digits_load_set(const char *path, struct digits_set *set);

/* The most likely digit, the lower one in a tie; writes the logits of all ten. */
int digits_classify(const struct digits_model *model, const struct digits_image *image,
                    float scores[DIGITS_CLASSES]);

#endif
