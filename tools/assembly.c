#include "assembly.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

/* ---- files ---- */

static bool allocate(struct assembly *assembly)
{
    const size_t kernels = assembly->plan->kernel_count;
    const size_t links = assembly->plan->link_count;
    assembly->files = calloc(kernels, sizeof *assembly->files);
    assembly->kernels = calloc(kernels, sizeof(gyre_kernel *));
    assembly->stats = calloc(kernels, sizeof *assembly->stats);
    assembly->stages = calloc(kernels, sizeof *assembly->stages);
    assembly->tags = calloc(kernels, sizeof(char *));
    assembly->link_stats = calloc(links + 1, sizeof *assembly->link_stats);
    return assembly->files && assembly->kernels && assembly->stats && assembly->stages &&
           assembly->tags && assembly->link_stats;
}

static enum command_exit open_file(struct assembly *assembly, size_t index,
                                   const struct command_common *common, bool zeroes)
{
    const struct plan_kernel *kernel = &assembly->plan->kernels[index];
    struct kernelfile *file = &assembly->files[index];
    enum command_exit code = kernelfile_open(file, kernel->path, kernel->asker, common);
    for (size_t i = 0; code == COMMAND_OK && i < kernel->bind_count; i++) {
        code = kernelfile_bind(file, kernel->binds[i].block, kernel->binds[i].path);
    }
    if (kernel->name) {
        snprintf(file->id, sizeof file->id, "%s", kernel->name);
    }
    return code == COMMAND_OK ? kernelfile_bind_rest(file, zeroes) : code;
}

/* Where several kernels answer, an answer says whose it is. False: out of memory. */
static bool make_tag(struct assembly *assembly, size_t index)
{
    const char *name = assembly->plan->kernels[index].name;
    if (!name || plan_answering(assembly->plan) < 2) {
        return true;
    }
    json_t *string = json_string(name); /* NULL: not UTF-8, which a JSON file cannot hold */
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    const bool good = quoted && asprintf(&assembly->tags[index], ", \"_kernel\": %s", quoted) >= 0;
    json_decref(string);
    free(quoted);
    return good;
}

enum command_exit assembly_open(struct assembly *assembly, const struct plan *plan,
                                const struct command_common *common, bool zeroes)
{
    *assembly = (struct assembly){.plan = plan};
    if (!allocate(assembly)) {
        return command_fail(GYRE_ERROR_NO_MEMORY, "cannot start");
    }
    for (size_t i = 0; i < plan->kernel_count; i++) {
        const enum command_exit code = open_file(assembly, i, common, zeroes);
        if (code != COMMAND_OK) {
            return code;
        }
        if (!make_tag(assembly, i)) {
            return command_fail(GYRE_ERROR_NO_MEMORY, "cannot start");
        }
    }
    return COMMAND_OK;
}

void assembly_close(struct assembly *assembly)
{
    const size_t count = assembly->plan ? assembly->plan->kernel_count : 0;
    for (size_t i = 0; i < count; i++) {
        if (assembly->files) {
            kernelfile_close(&assembly->files[i]);
        }
        if (assembly->tags) {
            free(assembly->tags[i]);
        }
    }
    free(assembly->files);
    free(assembly->kernels);
    free(assembly->stats);
    free(assembly->link_stats);
    free(assembly->stages);
    free(assembly->tags);
}

/* ---- kernels and links ---- */

/* Whatever a driver or the engine says of a kernel that it does not take. */
static enum command_exit refuse(gyre_result result, const char *what)
{
    const enum command_exit code = command_fail(result, "%s", what);
    return code == COMMAND_FAILED ? COMMAND_KERNEL : code;
}

static enum command_exit launch(struct assembly *assembly, size_t index, gyre_runtime *runtime,
                                const struct assembly_defaults *defaults)
{
    const struct plan_kernel *asked = &assembly->plan->kernels[index];
    const struct kernelfile *file = &assembly->files[index];
    const bool takes_lines = index == assembly->plan->input;
    gyre_kernel_params params = kernelfile_params(file);
    params.shards = asked->shards;
    params.visibility = asked->visibility;
    params.queue_size = asked->queue_size ? asked->queue_size : defaults->queue_size;
    params.window = defaults->window;
    params.weight = asked->weight;
    params.backpressure = takes_lines ? defaults->backpressure : GYRE_BLOCK;
    params.report_all = takes_lines;
    gyre_result result = gyre_kernel_create(runtime, &params, &assembly->kernels[index]);
    if (result == GYRE_OK) {
        result = gyre_kernel_launch(assembly->kernels[index]);
    }
    if (result != GYRE_OK) {
        return refuse(result, file->path);
    }
    assembly->stages[index] = (struct session_stage){
        .name = asked->name,
        .kernel = assembly->kernels[index],
        .output = &file->layout->output,
        .tag = assembly->tags[index] ? assembly->tags[index] : "",
        .answers = asked->answers,
    };
    return COMMAND_OK;
}

struct assembly_text assembly_link_name(const struct assembly *assembly, size_t link)
{
    const struct plan_link *asked = &assembly->plan->links[link];
    struct assembly_text out;
    char port[16] = "";
    if (asked->port) {
        snprintf(port, sizeof port, ".%u", asked->port);
    }
    snprintf(out.text, sizeof out.text, "%s%s -> %s", assembly->plan->kernels[asked->from].name,
             port, assembly->plan->kernels[asked->to].name);
    return out;
}

static enum command_exit link_up(struct assembly *assembly, size_t index)
{
    const struct plan_link *link = &assembly->plan->links[index];
    const gyre_result result = gyre_link(assembly->kernels[link->from], link->port,
                                         assembly->kernels[link->to], &link->params);
    if (result == GYRE_ERROR_INTERFACE) {
        command_say(
            "%s: link %s: GYRE_OUTPUT of %s has %u bytes, GYRE_INPUT of %s has %u: what is sent "
            "must be what is received",
            assembly->plan->path, assembly_link_name(assembly, index).text,
            assembly->plan->kernels[link->from].name,
            assembly->files[link->from].layout->output.size, assembly->plan->kernels[link->to].name,
            assembly->files[link->to].layout->input.size);
        return COMMAND_KERNEL;
    }
    return result == GYRE_OK ? COMMAND_OK
                             : refuse(result, assembly_link_name(assembly, index).text);
}

enum command_exit assembly_launch(struct assembly *assembly, gyre_runtime *runtime,
                                  const struct assembly_defaults *defaults)
{
    enum command_exit code = COMMAND_OK;
    for (size_t i = 0; code == COMMAND_OK && i < assembly->plan->kernel_count; i++) {
        code = launch(assembly, i, runtime, defaults);
    }
    for (size_t i = 0; code == COMMAND_OK && i < assembly->plan->link_count; i++) {
        code = link_up(assembly, i);
    }
    return code;
}

/* Links of one port that get every message, all of them. */
static bool multiplies(const struct plan *plan, size_t index)
{
    const struct plan_link *link = &plan->links[index];
    size_t width = 0;
    for (size_t i = 0; i < plan->link_count; i++) {
        width += plan->links[i].from == link->from && plan->links[i].port == link->port;
    }
    return link->params.spread == GYRE_SPREAD_EACH && width > 1;
}

enum session_over assembly_over(const struct assembly *assembly)
{
    const struct plan *plan = assembly->plan;
    if (plan->link_count == 0 && plan->kernel_count == 1) {
        return SESSION_OVER_LAST;
    }
    for (size_t i = 0; i < plan->kernel_count; i++) {
        if (assembly->files[i].info.max_sends > 1) {
            return SESSION_OVER_QUIET;
        }
    }
    for (size_t i = 0; i < plan->link_count; i++) {
        if (multiplies(plan, i)) {
            return SESSION_OVER_QUIET;
        }
    }
    return SESSION_OVER_FIRST;
}

/* ---- counts ---- */

void assembly_count(struct assembly *assembly)
{
    for (size_t i = 0; i < assembly->plan->kernel_count; i++) {
        gyre_kernel_stats(assembly->kernels[i], &assembly->stats[i]);
    }
}

void assembly_count_links(struct assembly *assembly)
{
    for (size_t i = 0; i < assembly->plan->link_count; i++) {
        const struct plan_link *link = &assembly->plan->links[i];
        gyre_link_get_stats(assembly->kernels[link->from], link->port, assembly->kernels[link->to],
                            &assembly->link_stats[i]);
    }
}

static json_t *link_json(const struct assembly *assembly, size_t index)
{
    const struct plan_link *link = &assembly->plan->links[index];
    const gyre_link_stats *stats = &assembly->link_stats[index];
    return json_pack("{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "from",
                     assembly->plan->kernels[link->from].name, "port", (int)link->port, "to",
                     assembly->plan->kernels[link->to].name, "sent", (json_int_t)stats->sent,
                     "taken", (json_int_t)stats->taken, "waiting", (json_int_t)stats->waiting,
                     "lost", (json_int_t)stats->lost, "rings", (json_int_t)stats->rings, "slots",
                     (json_int_t)stats->slots);
}

bool assembly_print_json(const struct assembly *assembly, FILE *file)
{
    const struct plan *plan = assembly->plan;
    if (!plan->path) {
        return stats_print_json(file, &assembly->stats[0]);
    }
    json_t *kernels = json_object(), *links = json_array();
    for (size_t i = 0; i < plan->kernel_count; i++) {
        json_object_set_new(kernels, plan->kernels[i].name, stats_json(&assembly->stats[i]));
    }
    for (size_t i = 0; i < plan->link_count; i++) {
        json_array_append_new(links, link_json(assembly, i));
    }
    json_t *root = json_pack("{s:o, s:o}", "kernels", kernels, "links", links);
    const bool printed = root && json_dumpf(root, file, 0) == 0 && fputc('\n', file) != EOF;
    json_decref(root);
    return fflush(file) == 0 && printed;
}

/* ---- what --check shows ---- */

static void print_link(const struct assembly *assembly, size_t index)
{
    static const char *const spreads[] = {"", ", spread by key", ", spread round-robin"};
    const struct plan_link *link = &assembly->plan->links[index];
    const gyre_link_stats *stats = &assembly->link_stats[index];
    const bool lossy = link->params.lossy;
    printf("link        %s: %u ring%s of %u slots of %u bytes%s%s\n",
           assembly_link_name(assembly, index).text, stats->rings, stats->rings == 1 ? "" : "s",
           stats->slots, assembly->files[link->to].layout->input.size, spreads[link->params.spread],
           lossy ? ", lossy" : "");
}

static void print_kernel(const struct assembly *assembly, size_t index)
{
    const struct plan_kernel *kernel = &assembly->plan->kernels[index];
    const bool takes_lines = assembly->plan->path && index == assembly->plan->input;
    if (kernel->name) {
        printf("%s%s:%s%s\n", index ? "\n" : "", kernel->name,
               takes_lines ? " takes the lines" : "",
               kernel->answers ? (takes_lines ? ", answers" : " answers") : "");
    }
    kernelfile_print(&assembly->files[index]);
    if (kernel->shards) {
        printf("shards      %u\n", kernel->shards);
    }
}

void assembly_print(struct assembly *assembly)
{
    assembly_count_links(assembly);
    for (size_t i = 0; i < assembly->plan->kernel_count; i++) {
        print_kernel(assembly, i);
    }
    if (assembly->plan->link_count) {
        printf("\n");
    }
    for (size_t i = 0; i < assembly->plan->link_count; i++) {
        print_link(assembly, i);
    }
}
