/*
 * digits-reference: the classes a CPU gives, one per line.
 *
 *     digits-reference model.f32 digits.jsonl
 */
#include "digits.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct digits_model model;
    struct digits_set set;

    if (argc != 3) {
        fprintf(stderr, "usage: digits-reference MODEL.f32 DIGITS.jsonl\n");
        return 2;
    }
    if (!digits_load_model(argv[1], &model) || !digits_load_set(argv[2], &set)) {
        return 2;
    }

    for (size_t i = 0; i < set.count; i++) {
        float scores[DIGITS_CLASSES];
        printf("%d\n", digits_classify(&model, &set.images[i], scores));
    }
    free(set.images);

    if (fflush(stdout) != 0) {
        perror("digits-reference");
        return 2;
    }
    return 0;
}
