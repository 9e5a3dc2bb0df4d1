#include "bench_compare.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base.h"

/* ---- reading ---- */

static bool is_positive(const json_t *value)
{
    return json_number_value(value) > 0;
}

/* What is wrong with it; NULL: nothing. */
static const char *find_fault(const json_t *root)
{
    const json_t *cases = json_object_get(root, "cases");
    if (!json_is_string(json_object_get(root, "gyre"))) {
        return "no \"gyre\" in it";
    }
    if (!json_is_array(cases)) {
        return "no list \"cases\" in it";
    }
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        if (!json_is_string(json_object_get(one, "name")) ||
            !is_positive(json_object_get(one, "p50_ns")) ||
            !is_positive(json_object_get(one, "rate_per_s"))) {
            return "a case without \"name\", \"p50_ns\" or \"rate_per_s\"";
        }
    }
    return NULL;
}

/* NULL: said on stderr. */
static json_t *read_run(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    const char *fault = root ? find_fault(root) : error.text;
    if (fault) {
        command_say("%s: not the JSON of gyre bench: %s", path, fault);
        json_decref(root);
        return NULL;
    }
    return root;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static const json_t *find_case(const json_t *root, const json_t *like)
{
    const json_t *cases = json_object_get(root, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        if (strcmp(text_of(one, "name"), text_of(like, "name")) == 0 &&
            strcmp(text_of(one, "variant"), text_of(like, "variant")) == 0) {
            return one;
        }
    }
    return NULL;
}

/* ---- printing ---- */

static void print_run(char letter, const char *path, const json_t *root)
{
    const json_t *device = json_object_get(root, "device");
    printf("%c: %s, gyre %s, %s", letter, path, text_of(root, "gyre"), text_of(root, "date"));
    if (json_is_object(device)) {
        printf(", %s (%s)", text_of(device, "name"), text_of(device, "driver"));
    }
    printf("\n");
}

/* Whether the middle halves of the rounds have something in common. */
static const char *overlap_of(const json_t *a, const json_t *b, const char *key)
{
    double low[2], high[2];
    if (json_unpack((json_t *)(uintptr_t)json_object_get(a, key), "[F, F]", &low[0], &high[0]) ||
        json_unpack((json_t *)(uintptr_t)json_object_get(b, key), "[F, F]", &low[1], &high[1])) {
        return "-";
    }
    return low[0] <= high[1] && low[1] <= high[0] ? "overlap" : "apart";
}

static double value_of(const json_t *one, const char *key)
{
    return json_number_value(json_object_get(one, key));
}

static void print_name(const json_t *one)
{
    char name[64];
    const char *variant = text_of(one, "variant");
    snprintf(name, sizeof name, "%s%s%s", text_of(one, "name"), *variant ? " " : "", variant);
    printf("%-30s", name);
}

static void print_pair(const json_t *a, const json_t *b)
{
    const double p50_a = value_of(a, "p50_ns"), p50_b = value_of(b, "p50_ns");
    const double rate_a = value_of(a, "rate_per_s"), rate_b = value_of(b, "rate_per_s");
    print_name(a);
    printf(" %8s %8s %7.3gx %-7s", command_duration((uint64_t)p50_a).text,
           command_duration((uint64_t)p50_b).text, p50_b / p50_a,
           overlap_of(a, b, "p50_spread_ns"));
    printf(" %10.0f %10.0f %7.3gx %-7s\n", rate_a, rate_b, rate_b / rate_a,
           overlap_of(a, b, "rate_spread_per_s"));
}

static size_t print_pairs(const json_t *a, const json_t *b)
{
    const json_t *cases = json_object_get(a, "cases");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i), *other = find_case(b, one);
        if (!other) {
            continue;
        }
        if (count++ == 0) {
            printf("%-30s %8s %8s %8s %-7s %10s %10s %8s %-7s\n", "case", "p50 of A", "of B", "B/A",
                   "spreads", "per s of A", "of B", "B/A", "spreads");
        }
        print_pair(one, other);
    }
    return count;
}

static void print_rest(char letter, const json_t *a, const json_t *b)
{
    const json_t *cases = json_object_get(a, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        if (!find_case(b, one)) {
            print_name(one);
            printf(" only in %c\n", letter);
        }
    }
}

enum command_exit bench_compare(const char *path_a, const char *path_b)
{
    enum command_exit code = COMMAND_USAGE;
    json_t *a = read_run(path_a);
    json_t *b = a ? read_run(path_b) : NULL;
    if (b) {
        print_run('A', path_a, a);
        print_run('B', path_b, b);
        code = print_pairs(a, b) > 0 ? COMMAND_OK : COMMAND_USAGE;
        print_rest('A', a, b);
        print_rest('B', b, a);
        if (code != COMMAND_OK) {
            command_say("%s and %s have no case in common", path_a, path_b);
        }
    }
    json_decref(a);
    json_decref(b);
    return code;
}
