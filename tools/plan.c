#include "plan.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

enum {
    MAX_BYTES = 16 << 20,
    MAX_KERNELS = 1024,
    MAX_NUMBER = 1 << 24,
    WHERE_SIZE = 256,
};

static bool refuse(const struct plan *plan, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `where` is the way to the value, as in `links[2].port`. */
static bool refuse(const struct plan *plan, const char *where, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    command_say("%s: %s%s%s", plan->path, where, *where ? ": " : "", text);
    return false;
}

static bool refuse_memory(void)
{
    command_fail(GYRE_ERROR_NO_MEMORY, "cannot start");
    return false;
}

/* ---- values ---- */

static const char *kind_of(const json_t *value)
{
    static const char *const kinds[] = {"an object", "an array",  "a string",  "a number",
                                        "a number",  "a boolean", "a boolean", "null"};
    return kinds[json_typeof(value)];
}

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(*words, word) != 0) {
        words++;
    }
    return *words != NULL;
}

/* "a, b, c"; as much of it as there is room. */
static void list_words(const char *const *words, char *text, size_t size)
{
    size_t length = 0;
    text[0] = 0;
    for (size_t i = 0; words[i] && length < size; i++) {
        const int added = snprintf(text + length, size - length, "%s%s", i ? ", " : "", words[i]);
        length += added > 0 ? (size_t)added : 0;
    }
}

/* An object with no other keys than these. */
static bool check_object(const struct plan *plan, const char *where, json_t *value,
                         const char *const *keys)
{
    char known[256];
    list_words(keys, known, sizeof known);
    if (!json_is_object(value)) {
        return refuse(plan, where, "expected an object (%s), got %s", known, kind_of(value));
    }
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
        if (!is_one_of(json_object_iter_key(at), keys)) {
            return refuse(plan, where, "there is no key \"%s\" here; there is %s",
                          json_object_iter_key(at), known);
        }
    }
    return true;
}

/* The way to a member; longer ones are cut. */
struct where {
    char text[WHERE_SIZE];
};

static struct where member(const char *where, const char *key)
{
    struct where out;
    snprintf(out.text, sizeof out.text, "%.150s%s%.100s", where, *where ? "." : "", key);
    return out;
}

static struct where element(const char *where, size_t index)
{
    struct where out;
    snprintf(out.text, sizeof out.text, "%.220s[%zu]", where, index);
    return out;
}

/* The following leave `*out` as it is where there is no such key. */
static bool read_number(const struct plan *plan, const char *where, json_t *object, const char *key,
                        uint32_t least, uint32_t most, uint32_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value) {
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)least ||
        json_integer_value(value) > (json_int_t)most) {
        return refuse(plan, member(where, key).text, "expected a whole number from %u to %u%s%s",
                      least, most, json_is_number(value) ? "" : ", got ",
                      json_is_number(value) ? "" : kind_of(value));
    }
    *out = (uint32_t)json_integer_value(value);
    return true;
}

static bool read_bool(const struct plan *plan, const char *where, json_t *object, const char *key,
                      bool *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value) {
        return true;
    }
    if (!json_is_boolean(value)) {
        return refuse(plan, member(where, key).text, "expected true or false, got %s",
                      kind_of(value));
    }
    *out = json_is_true(value);
    return true;
}

/* The index of the word that is given. */
static bool read_word(const struct plan *plan, const char *where, json_t *object, const char *key,
                      const char *const *words, unsigned *out)
{
    const json_t *value = json_object_get(object, key);
    char known[128];
    if (!value) {
        return true;
    }
    for (unsigned i = 0; json_is_string(value) && words[i]; i++) {
        if (strcmp(words[i], json_string_value(value)) == 0) {
            *out = i;
            return true;
        }
    }
    list_words(words, known, sizeof known);
    return refuse(plan, member(where, key).text, "expected one of %s, got %s%s%s", known,
                  json_is_string(value) ? "\"" : "",
                  json_is_string(value) ? json_string_value(value) : kind_of(value),
                  json_is_string(value) ? "\"" : "");
}

/* A file's path as seen from the folder of the pipeline; "" stays "". NULL: out of memory. */
static char *resolve(const struct plan *plan, const char *path)
{
    const char *slash = strrchr(plan->path, '/');
    char *text = NULL;
    if (*path == 0 || *path == '/' || !slash) {
        return strdup(path);
    }
    return asprintf(&text, "%.*s%s", (int)(slash - plan->path + 1), plan->path, path) < 0 ? NULL
                                                                                          : text;
}

/* ---- kernels ---- */

static bool read_binds(const struct plan *plan, const char *where, json_t *object,
                       struct plan_kernel *kernel)
{
    json_t *binds = json_object_get(object, "bind");
    const struct where here = member(where, "bind");
    if (!binds) {
        return true;
    }
    if (!json_is_object(binds)) {
        return refuse(plan, here.text, "expected an object {\"BLOCK\": \"FILE\"}, got %s",
                      kind_of(binds));
    }
    kernel->binds = calloc(json_object_size(binds) + 1, sizeof *kernel->binds);
    if (!kernel->binds) {
        return refuse_memory();
    }
    for (void *at = json_object_iter(binds); at; at = json_object_iter_next(binds, at)) {
        const json_t *file = json_object_iter_value(at);
        if (!json_is_string(file)) {
            return refuse(plan, member(here.text, json_object_iter_key(at)).text,
                          "expected the name of a file, or \"\" for zeroes, got %s", kind_of(file));
        }
        struct plan_bind *bind = &kernel->binds[kernel->bind_count++];
        bind->block = strdup(json_object_iter_key(at));
        bind->path = resolve(plan, json_string_value(file));
        if (!bind->block || !bind->path) {
            return refuse_memory();
        }
    }
    return true;
}

static bool read_file(const struct plan *plan, const char *where, const json_t *file,
                      struct plan_kernel *kernel)
{
    if (!json_is_string(file) || !*json_string_value(file)) {
        return refuse(plan, where, "expected \"file\": the name of a .comp or .spv file");
    }
    kernel->path = resolve(plan, json_string_value(file));
    return kernel->path ? true : refuse_memory();
}

static bool read_kernel(const struct plan *plan, json_t *value, struct plan_kernel *kernel)
{
    static const char *const keys[] = {"file",   "bind",       "shards", "queue_size",
                                       "weight", "visibility", NULL};
    static const char *const modes[] = {"auto", "strict", "live", NULL}; /* as the enum */
    const struct where here = member("kernels", kernel->name);
    unsigned visibility = GYRE_VISIBILITY_AUTO;
    if (asprintf(&kernel->asker, "%s: %s.bind", plan->path, here.text) < 0) {
        kernel->asker = NULL;
        return refuse_memory();
    }
    if (json_is_string(value)) {
        return read_file(plan, here.text, value, kernel);
    }
    const bool good =
        check_object(plan, here.text, value, keys) &&
        read_file(plan, here.text, json_object_get(value, "file"), kernel) &&
        read_binds(plan, here.text, value, kernel) &&
        read_number(plan, here.text, value, "shards", 1, MAX_NUMBER, &kernel->shards) &&
        read_number(plan, here.text, value, "queue_size", 1, MAX_NUMBER, &kernel->queue_size) &&
        read_number(plan, here.text, value, "weight", 1, GYRE_WEIGHT_MAX, &kernel->weight) &&
        read_word(plan, here.text, value, "visibility", modes, &visibility);
    kernel->visibility = (gyre_visibility)visibility;
    return good;
}

static bool read_kernels(struct plan *plan, json_t *kernels)
{
    if (!json_is_object(kernels) || json_object_size(kernels) == 0) {
        return refuse(plan, "kernels", "expected at least one, as in {\"NAME\": \"FILE.comp\"}");
    }
    if (json_object_size(kernels) > MAX_KERNELS) {
        return refuse(plan, "kernels", "%zu are more than the %d that gyre run takes",
                      json_object_size(kernels), MAX_KERNELS);
    }
    plan->kernels = calloc(json_object_size(kernels), sizeof *plan->kernels);
    if (!plan->kernels) {
        return refuse_memory();
    }
    for (void *at = json_object_iter(kernels); at; at = json_object_iter_next(kernels, at)) {
        struct plan_kernel *kernel = &plan->kernels[plan->kernel_count++];
        const char *name = json_object_iter_key(at);
        if (!*name || strlen(name) > 63) {
            return refuse(plan, "kernels", "\"%s\": a kernel's name has 1 to 63 bytes", name);
        }
        kernel->name = strdup(name);
        if (!kernel->name) {
            return refuse_memory();
        }
        if (!read_kernel(plan, json_object_iter_value(at), kernel)) {
            return false;
        }
    }
    return true;
}

static bool refuse_name(const struct plan *plan, const char *where, const char *name)
{
    const char *names[17] = {0}; /* more would not help */
    char known[512];
    for (size_t i = 0; i < plan->kernel_count && i < LENGTH(names) - 1; i++) {
        names[i] = plan->kernels[i].name;
    }
    list_words(names, known, sizeof known);
    return refuse(plan, where, "there is no kernel \"%s\"; there is %s", name, known);
}

/* The index of the kernel that a value names. */
static bool read_name(const struct plan *plan, const char *where, const json_t *value, size_t *out)
{
    if (!json_is_string(value)) {
        return refuse(plan, where, "expected the name of a kernel%s%s", value ? ", got " : "",
                      value ? kind_of(value) : "");
    }
    const char *name = json_string_value(value);
    for (size_t i = 0; i < plan->kernel_count; i++) {
        if (strcmp(plan->kernels[i].name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return refuse_name(plan, where, name);
}

/* ---- links ---- */

static bool add_link(struct plan *plan, const char *where, const struct plan_link *link)
{
    for (size_t i = 0; i < plan->link_count; i++) {
        const struct plan_link *other = &plan->links[i];
        if (other->from != link->from || other->port != link->port) {
            continue;
        }
        const char *from = plan->kernels[link->from].name;
        if (other->to == link->to) {
            return refuse(plan, where, "port %u of %s is linked to %s already: leave one out",
                          link->port, from, plan->kernels[link->to].name);
        }
        if (other->params.spread != link->params.spread) {
            return refuse(plan, where,
                          "port %u of %s has another \"spread\" already: one port spreads its "
                          "messages in one way",
                          link->port, from);
        }
    }
    struct plan_link *grown = realloc(plan->links, (plan->link_count + 1) * sizeof *grown);
    if (!grown) {
        return refuse_memory();
    }
    plan->links = grown;
    plan->links[plan->link_count++] = *link;
    return true;
}

static bool read_link(struct plan *plan, const char *where, json_t *value)
{
    static const char *const keys[] = {"from", "port", "to", "spread", "slots", "lossy", NULL};
    static const char *const spreads[] = {"each", "key", "round-robin", NULL}; /* as the enum */
    struct plan_link link = {0};
    unsigned spread = GYRE_SPREAD_EACH;
    if (!check_object(plan, where, value, keys) ||
        !read_name(plan, member(where, "from").text, json_object_get(value, "from"), &link.from) ||
        !read_number(plan, where, value, "port", 0, GYRE_PORTS_MAX - 1, &link.port) ||
        !read_word(plan, where, value, "spread", spreads, &spread) ||
        !read_number(plan, where, value, "slots", 1, MAX_NUMBER, &link.params.slots) ||
        !read_bool(plan, where, value, "lossy", &link.params.lossy)) {
        return false;
    }
    link.params.spread = (gyre_spread)spread;
    const json_t *to = json_object_get(value, "to");
    const struct where here = member(where, "to");
    if (!json_is_array(to)) {
        return read_name(plan, here.text, to, &link.to) && add_link(plan, where, &link);
    }
    if (json_array_size(to) == 0) {
        return refuse(plan, here.text, "expected the name of a kernel, or several");
    }
    for (size_t i = 0; i < json_array_size(to); i++) {
        const struct where one = element(here.text, i);
        if (!read_name(plan, one.text, json_array_get(to, i), &link.to) ||
            !add_link(plan, one.text, &link)) {
            return false;
        }
    }
    return true;
}

static bool read_links(struct plan *plan, const json_t *links)
{
    if (links && !json_is_array(links)) {
        return refuse(plan, "links", "expected an array of {\"from\": .., \"to\": ..}, got %s",
                      kind_of(links));
    }
    for (size_t i = 0; links && i < json_array_size(links); i++) {
        if (!read_link(plan, element("links", i).text, json_array_get(links, i))) {
            return false;
        }
    }
    return true;
}

/* ---- ends ---- */

static bool has_link_to(const struct plan *plan, size_t kernel)
{
    for (size_t i = 0; i < plan->link_count; i++) {
        if (plan->links[i].to == kernel) {
            return true;
        }
    }
    return false;
}

static bool find_input(struct plan *plan)
{
    size_t count = 0, last = 0;
    for (size_t i = 0; i < plan->kernel_count; i++) {
        if (has_link_to(plan, i)) {
            continue;
        }
        if (++count == 2) {
            return refuse(plan, "input",
                          "nothing is linked to %s nor to %s: say which one takes the lines, as in "
                          "\"input\": \"%s\"",
                          plan->kernels[last].name, plan->kernels[i].name,
                          plan->kernels[last].name);
        }
        last = i;
    }
    plan->input = last;
    return count == 1
               ? true
               : refuse(plan, "input",
                        "every kernel has a link to it: say which one takes the lines, as in "
                        "\"input\": \"%s\"",
                        plan->kernels[0].name);
}

static bool read_input(struct plan *plan, const json_t *input)
{
    return input ? read_name(plan, "input", input, &plan->input) : find_input(plan);
}

/* Without a word about it: those whose gyre_send() goes to the host. */
static void find_outputs(struct plan *plan)
{
    for (size_t i = 0; i < plan->kernel_count; i++) {
        plan->kernels[i].answers = true;
    }
    for (size_t i = 0; i < plan->link_count; i++) {
        if (plan->links[i].port == 0) {
            plan->kernels[plan->links[i].from].answers = false;
        }
    }
}

static bool read_outputs(struct plan *plan, const json_t *output)
{
    size_t index = 0;
    if (!output) {
        find_outputs(plan);
        return true;
    }
    if (json_is_string(output)) {
        const bool found = read_name(plan, "output", output, &index);
        if (found) {
            plan->kernels[index].answers = true;
        }
        return found;
    }
    if (!json_is_array(output)) {
        return refuse(plan, "output", "expected an array of kernels' names, got %s",
                      kind_of(output));
    }
    for (size_t i = 0; i < json_array_size(output); i++) {
        const struct where here = element("output", i);
        if (!read_name(plan, here.text, json_array_get(output, i), &index)) {
            return false;
        }
        if (plan->kernels[index].answers) {
            return refuse(plan, here.text, "%s is there twice: leave one out",
                          plan->kernels[index].name);
        }
        plan->kernels[index].answers = true;
    }
    return true;
}

/* A kernel that no line can get to is a mistake more often than not. */
static void say_unreached(const struct plan *plan)
{
    bool reached[MAX_KERNELS] = {false};
    reached[plan->input] = true;
    for (bool grew = true; grew;) {
        grew = false;
        for (size_t i = 0; i < plan->link_count; i++) {
            const struct plan_link *link = &plan->links[i];
            grew = grew || (reached[link->from] && !reached[link->to]);
            reached[link->to] = reached[link->to] || reached[link->from];
        }
    }
    for (size_t i = 0; i < plan->kernel_count; i++) {
        if (!reached[i]) {
            command_say("warning: %s: no link leads from %s to %s, which gets no messages",
                        plan->path, plan->kernels[plan->input].name, plan->kernels[i].name);
        }
    }
}

/* ---- the whole ---- */

static json_t *parse(const struct plan *plan)
{
    size_t size;
    char *text = command_read_file(plan->path, MAX_BYTES, &size);
    json_error_t error;
    if (!text) {
        command_say("cannot read the pipeline %s: %s", plan->path, strerror(errno));
        return NULL;
    }
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!root) {
        command_say("%s: line %d, column %d: not JSON: %s", plan->path, error.line, error.column,
                    error.text);
    }
    return root;
}

static bool read_root(struct plan *plan, json_t *root)
{
    static const char *const keys[] = {"kernels", "links", "input", "output", NULL};
    return check_object(plan, "", root, keys) &&
           read_kernels(plan, json_object_get(root, "kernels")) &&
           read_links(plan, json_object_get(root, "links")) &&
           read_input(plan, json_object_get(root, "input")) &&
           read_outputs(plan, json_object_get(root, "output"));
}

enum command_exit plan_read(struct plan *plan, const char *path,
                            const struct command_common *common)
{
    *plan = (struct plan){.path = path};
    json_t *root = parse(plan);
    const bool good = root && read_root(plan, root);
    json_decref(root);
    if (good && common->verbosity >= 0) {
        say_unreached(plan);
    }
    return good ? COMMAND_OK : COMMAND_USAGE;
}

static enum command_exit add_bind(struct plan_kernel *kernel, const char *argument)
{
    const char *equals = strchr(argument, '=');
    if (!equals || equals == argument) {
        command_say("--bind wants BLOCK=FILE, got '%s'", argument);
        return COMMAND_USAGE;
    }
    struct plan_bind *bind = &kernel->binds[kernel->bind_count++];
    bind->block = strndup(argument, (size_t)(equals - argument));
    bind->path = strdup(equals + 1);
    return bind->block && bind->path ? COMMAND_OK
                                     : command_fail(GYRE_ERROR_NO_MEMORY, "cannot start");
}

enum command_exit plan_of_kernel(struct plan *plan, const char *path, char *const *binds,
                                 size_t bind_count)
{
    *plan = (struct plan){.kernels = calloc(1, sizeof *plan->kernels)};
    if (!plan->kernels) {
        return command_fail(GYRE_ERROR_NO_MEMORY, "cannot start");
    }
    plan->kernel_count = 1;
    struct plan_kernel *kernel = &plan->kernels[0];
    kernel->answers = true;
    kernel->path = strdup(path);
    kernel->binds = calloc(bind_count + 1, sizeof *kernel->binds);
    if (!kernel->path || !kernel->binds) {
        return command_fail(GYRE_ERROR_NO_MEMORY, "cannot start");
    }
    enum command_exit code = COMMAND_OK;
    for (size_t i = 0; code == COMMAND_OK && i < bind_count; i++) {
        code = add_bind(kernel, binds[i]);
    }
    return code;
}

bool plan_is(const char *path)
{
    const size_t length = strlen(path);
    return length >= 5 && strcmp(path + length - 5, ".json") == 0;
}

size_t plan_answering(const struct plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->kernel_count; i++) {
        count += plan->kernels[i].answers;
    }
    return count;
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->kernel_count; i++) {
        struct plan_kernel *kernel = &plan->kernels[i];
        for (size_t k = 0; k < kernel->bind_count; k++) {
            free(kernel->binds[k].block);
            free(kernel->binds[k].path);
        }
        free(kernel->binds);
        free(kernel->name);
        free(kernel->path);
        free(kernel->asker);
    }
    free(plan->kernels);
    free(plan->links);
}
