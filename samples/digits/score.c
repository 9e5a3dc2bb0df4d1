/*
 * digits-score: holds the answers of `gyre run` against the labels and the CPU reference.
 *
 *     digits-score answers.jsonl digits.jsonl model.f32
 *
 * Exit status: 0 all digits answered once, in order, and as the reference does; 1 not so; 2 usage
 * or a file that cannot be read. Wrong guesses are the model's, so they are no failure here.
 */
#define _POSIX_C_SOURCE 200809L

#include "digits.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
    size_t line; /* of digits.jsonl, from 1: the answer's _correlation */
    int digit;
    float scores[DIGITS_CLASSES];
};

struct tally {
    size_t answered, strange, out_of_order, same_class, far_scores;
    size_t right_trained, right_held_out;
    size_t last_line;
    float largest_difference;
};

static bool parse_answer(const char *text, size_t length, size_t lines, struct answer *answer)
{
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    json_t *line = json_object_get(object, "_correlation");
    json_t *digit = json_object_get(object, "digit");
    json_t *scores = json_object_get(object, "scores");

    bool good = json_integer_value(line) >= 1 && (size_t)json_integer_value(line) <= lines &&
                json_is_integer(digit) && json_integer_value(digit) >= 0 &&
                json_integer_value(digit) < DIGITS_CLASSES &&
                json_array_size(scores) == DIGITS_CLASSES;
    for (size_t i = 0; good && i < DIGITS_CLASSES; i++) {
        json_t *score = json_array_get(scores, i);
        good = json_is_number(score);
        answer->scores[i] = (float)json_number_value(score);
    }
    answer->line = (size_t)json_integer_value(line);
    answer->digit = (int)json_integer_value(digit);

    json_decref(object);
    return good;
}

static void count_answer(struct tally *tally, const struct answer *answer,
                         const struct digits_model *model, const struct digits_image *image)
{
    float scores[DIGITS_CLASSES];
    int reference = digits_classify(model, image, scores);

    float difference = 0.0f;
    for (size_t i = 0; i < DIGITS_CLASSES; i++) {
        difference = fmaxf(difference, fabsf(answer->scores[i] - scores[i]));
    }
    tally->largest_difference = fmaxf(tally->largest_difference, difference);
    tally->far_scores += difference > DIGITS_TOLERANCE;

    if (answer->digit != reference) {
        fprintf(stderr, "line %zu: answered %d, the reference says %d\n", answer->line,
                answer->digit, reference);
    }
    tally->same_class += answer->digit == reference;
    tally->out_of_order += answer->line < tally->last_line;
    tally->last_line = answer->line;
    tally->answered++;

    bool right = answer->digit == image->label;
    tally->right_trained += right && answer->line <= DIGITS_TRAINED_LINES;
    tally->right_held_out += right && answer->line > DIGITS_TRAINED_LINES;
}

static bool count_answers(const char *path, const struct digits_model *model,
                          const struct digits_set *set, struct tally *tally)
{
    FILE *file = fopen(path, "r");
    bool *seen = calloc(set->count + 1, sizeof *seen);
    char *text = NULL;
    size_t text_size = 0;
    bool read = false;

    if (!file || !seen) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        goto done;
    }

    ssize_t length;
    for (size_t number = 1; (length = getline(&text, &text_size, file)) >= 0; number++) {
        struct answer answer;
        if (!parse_answer(text, (size_t)length, set->count, &answer)) {
            fprintf(stderr, "%s:%zu: not an answer to one of the digits\n", path, number);
            tally->strange++;
        } else if (seen[answer.line]) {
            fprintf(stderr, "%s:%zu: line %zu answered again\n", path, number, answer.line);
            tally->strange++;
        } else {
            seen[answer.line] = true;
            count_answer(tally, &answer, model, &set->images[answer.line - 1]);
        }
    }
    read = !ferror(file);
    if (!read) {
        fprintf(stderr, "%s: cannot be read\n", path);
    }

done:
    free(text);
    free(seen);
    if (file) {
        fclose(file);
    }
    return read;
}

static void print_accuracy(const char *name, size_t right, size_t total)
{
    printf("%-22s %zu/%zu  %.2f %%\n", name, right, total,
           total ? 100.0 * (double)right / (double)total : 0.0);
}

/* Returns whether all went as it must. */
static bool report(const struct tally *tally, size_t total)
{
    size_t trained = total < DIGITS_TRAINED_LINES ? total : DIGITS_TRAINED_LINES;
    bool in_order = tally->out_of_order == 0;

    printf("%-22s %zu/%zu\n", "answered", tally->answered, total);
    printf("%-22s %s\n", "in order", in_order ? "yes" : "no");
    printf("%-22s %zu/%zu\n", "same as the reference", tally->same_class, total);
    printf("%-22s %g at most, %g allowed\n", "scores differ by", (double)tally->largest_difference,
           (double)DIGITS_TOLERANCE);
    print_accuracy("right, all", tally->right_trained + tally->right_held_out, total);
    print_accuracy("right, trained on", tally->right_trained, trained);
    print_accuracy("right, held out", tally->right_held_out, total - trained);

    return tally->answered == total && tally->same_class == total && in_order &&
           tally->strange == 0 && tally->far_scores == 0;
}

int main(int argc, char **argv)
{
    struct digits_model model;
    struct digits_set set;
    struct tally tally = {0};

    if (argc != 4) {
        fprintf(stderr, "usage: digits-score ANSWERS.jsonl DIGITS.jsonl MODEL.f32\n");
        return 2;
    }
    if (!digits_load_model(argv[3], &model) || !digits_load_set(argv[2], &set)) {
        return 2;
    }

    bool read = count_answers(argv[1], &model, &set, &tally);
    bool good = read && report(&tally, set.count);
    free(set.images);

    if (fflush(stdout) != 0) {
        perror("digits-score");
        return 2;
    }
    return !read ? 2 : good ? 0 : 1;
}
