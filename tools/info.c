/* gyre info: the devices, and the profile of the one that would be used. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const char doc[] =
    "Lists every Vulkan device: whether Gyre can run on it and, if not, which "
    "requirements it lacks. Then opens the one that is chosen and shows what "
    "was measured of it.\v"
    "What was measured decides how kernels run: `live visibility` is whether a "
    "running shader sees what the host writes meanwhile, per memory type; "
    "`loop limit` is after how many iterations the driver ends loops by "
    "itself; `relaunch` is what one submission costs, and `quantum` follows from it; "
    "`overlap` is whether two dispatches run at the same time. It is kept in the cache directory "
    "($XDG_CACHE_HOME/gyre or ~/.cache/gyre) for this device, driver and "
    "machine, but for `relaunch` and so `quantum`, measured each time.\n\n"
    "With --json: {\"gyre\": version, \"devices\": [...], \"chosen\": index or "
    "null, \"profile\": {...} or null}.\n\n" COMMAND_EXIT_HELP;

struct options {
    struct command_common common;
    bool json;
    bool probe;
};

static const struct argp_option options_table[] = {
    {.name = "json", .key = 'j', .doc = "One JSON object on stdout"},
    {.name = "probe", .key = 'p', .doc = "Measure again, and keep that"},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->common;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case 'p':
        options->probe = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct {
    uint32_t bit; /* VkMemoryPropertyFlagBits, fixed by the specification */
    const char *name;
} memory_properties[] = {
    {0x1, "device-local"}, {0x2, "host-visible"},      {0x4, "host-coherent"},
    {0x8, "host-cached"},  {0x10, "lazily-allocated"}, {0x20, "protected"},
};
enum { MEMORY_PROPERTY_COUNT = sizeof memory_properties / sizeof *memory_properties };

/* ---- for machines ---- */

static json_t *json_of_device(const gyre_device_info *device)
{
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:[I,I,I], s:I, s:I}", "index",
        (json_int_t)device->index, "name", device->name, "uuid", command_uuid(device->uuid).text,
        "type", device->type, "driver", device->driver, "api_version", device->api_version,
        "usable", (int)device->usable, "missing", device->missing, "max_workgroup_invocations",
        (json_int_t)device->max_workgroup_invocations, "max_workgroup_size",
        (json_int_t)device->max_workgroup_size[0], (json_int_t)device->max_workgroup_size[1],
        (json_int_t)device->max_workgroup_size[2], "subgroup_size",
        (json_int_t)device->subgroup_size, "compute_queues", (json_int_t)device->compute_queues);
}

static json_t *json_of_memory(const gyre_profile *profile)
{
    json_t *types = json_array();
    for (uint32_t i = 0; i < profile->memory_type_count; i++) {
        json_t *names = json_array();
        for (size_t bit = 0; bit < MEMORY_PROPERTY_COUNT; bit++) {
            if (profile->memory_types[i].flags & memory_properties[bit].bit) {
                json_array_append_new(names, json_string(memory_properties[bit].name));
            }
        }
        const bool probed = profile->memory_types[i].probed;
        json_array_append_new(
            types,
            json_pack("{s:I, s:o, s:b, s:o, s:o}", "index", (json_int_t)i, "properties", names,
                      "probed", (int)probed, "live_to_device",
                      probed ? json_boolean(profile->memory_types[i].live_to_device) : json_null(),
                      "live_to_host",
                      probed ? json_boolean(profile->memory_types[i].live_to_host) : json_null()));
    }
    return types;
}

static json_t *json_of_profile(const gyre_profile *profile)
{
    return json_pack(
        "{s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:f, s:I, s:b, s:I}", "live",
        (int)profile->live, "memory_types", json_of_memory(profile), "memory_to_device",
        (json_int_t)profile->memory_to_device, "memory_to_host",
        (json_int_t)profile->memory_to_host, "relaunch_ns", (json_int_t)profile->relaunch_ns,
        "quantum_ns", (json_int_t)profile->quantum_ns, "loop_limit",
        (json_int_t)profile->loop_limit, "resident_workgroups",
        (json_int_t)profile->resident_workgroups, "resident_at_least",
        (int)profile->resident_at_least, "overlap_queue", (int)profile->overlap_queue,
        "overlap_queues", (int)profile->overlap_queues, "overlap_families",
        (int)profile->overlap_families, "timestamp_period", (double)profile->timestamp_period,
        "timestamp_valid_bits", (json_int_t)profile->timestamp_valid_bits, "cached",
        (int)profile->cached, "probe_ns", (json_int_t)profile->probe_ns);
}

static bool print_json(const gyre_device_info *devices, uint32_t count,
                       const gyre_device_info *chosen, const gyre_profile *profile)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(list, json_of_device(&devices[i]));
    }
    json_t *root = json_pack("{s:s, s:o, s:o, s:o}", "gyre", gyre_version(), "devices", list,
                             "chosen", chosen ? json_integer(chosen->index) : json_null(),
                             "profile", chosen ? json_of_profile(profile) : json_null());
    bool printed = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return printed;
}

/* ---- for humans ---- */

static void print_device(const gyre_device_info *device, bool chosen)
{
    printf("%c %u  %s\n", chosen ? '*' : ' ', device->index, device->name);
    printf("     type      %s\n", device->type);
    printf("     driver    %s\n", device->driver);
    printf("     Vulkan    %s\n", device->api_version);
    printf("     uuid      %s\n", command_uuid(device->uuid).text);
    printf("     compute   %u queue%s, workgroups of up to %u, subgroups of %u\n",
           device->compute_queues, device->compute_queues == 1 ? "" : "s",
           device->max_workgroup_invocations, device->subgroup_size);
    printf("     usable    %s%s\n",
           device->usable ? "yes" : "no, it lacks: ", device->usable ? "" : device->missing);
}

static const char *word(bool yes)
{
    return yes ? "yes" : "no";
}

static void print_memory(const gyre_profile *profile)
{
    printf("\n  memory  live to device  live to host  properties\n");
    for (uint32_t i = 0; i < profile->memory_type_count; i++) {
        const bool probed = profile->memory_types[i].probed;
        printf("  %6u  %-14s  %-12s ", i,
               probed ? word(profile->memory_types[i].live_to_device) : "-",
               probed ? word(profile->memory_types[i].live_to_host) : "-");
        for (size_t bit = 0; bit < MEMORY_PROPERTY_COUNT; bit++) {
            if (profile->memory_types[i].flags & memory_properties[bit].bit) {
                printf(" %s", memory_properties[bit].name);
            }
        }
        printf("%s%s\n", i == profile->memory_to_device ? "  <- messages" : "",
               i == profile->memory_to_host ? "  <- answers" : "");
    }
}

static void print_profile(const gyre_device_info *device, const gyre_profile *profile)
{
    printf("\nMeasured of device %u in %s%s:\n", device->index,
           command_duration(profile->probe_ns).text,
           profile->cached ? ", the rest as kept from before (--probe measures it again)" : "");
    printf("  live visibility       %s\n",
           profile->live ? "yes: a running kernel sees new messages"
                         : "no: a kernel sees what was sent before it was submitted (strict)");
    printf("  relaunch              %s\n", command_duration(profile->relaunch_ns).text);
    printf("  quantum               %s, the turn of a kernel while others wait\n",
           command_duration(profile->quantum_ns).text);
    if (profile->loop_limit) {
        printf("  loop limit            %u iterations, then the driver ends all loops\n",
               profile->loop_limit);
    } else {
        printf("  loop limit            none found\n");
    }
    printf("  resident workgroups   %s%u\n", profile->resident_at_least ? "at least " : "",
           profile->resident_workgroups);
    printf("  overlap               on a queue: %s, on two queues: %s, on two families: %s\n",
           word(profile->overlap_queue), word(profile->overlap_queues),
           word(profile->overlap_families));
    if (profile->timestamp_valid_bits) {
        printf("  timestamps            %g ns a tick, %u bits\n", (double)profile->timestamp_period,
               profile->timestamp_valid_bits);
    } else {
        printf("  timestamps            none\n");
    }
    print_memory(profile);
}

static void print_text(const gyre_device_info *devices, uint32_t count,
                       const gyre_device_info *chosen, const gyre_profile *profile)
{
    for (uint32_t i = 0; i < count; i++) {
        print_device(&devices[i], chosen && chosen->index == devices[i].index);
    }
    if (chosen) {
        print_profile(chosen, profile);
    }
}

/* ---- */

static gyre_result list_devices(const gyre_runtime_params *params, gyre_device_info **devices,
                                uint32_t *count)
{
    gyre_result result = gyre_device_list(params, NULL, count);
    if (result != GYRE_OK) {
        return result;
    }
    *devices = calloc(*count + 1, sizeof **devices);
    return *devices ? gyre_device_list(params, *devices, count) : GYRE_ERROR_NO_MEMORY;
}

int command_info(int argc, char **argv)
{
    static const struct argp_child children[] = {{&command_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options_table, parse, "", doc, children, NULL, NULL};
    struct options options = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &options);

    gyre_runtime_params params = command_runtime_params(&options.common);
    params.flags = options.probe ? GYRE_RUNTIME_PROBE : 0;
    gyre_device_info *devices = NULL, chosen = {0};
    gyre_profile profile = {0};
    gyre_runtime *runtime = NULL;
    uint32_t count = 0;
    gyre_result result = list_devices(&params, &devices, &count);
    if (result == GYRE_OK) {
        result = gyre_runtime_create(&params, &runtime);
    }
    if (result == GYRE_OK) {
        result = gyre_runtime_device(runtime, &chosen, &profile);
    }
    const gyre_device_info *shown = result == GYRE_OK ? &chosen : NULL;
    bool printed = true;
    if (options.json) {
        printed = print_json(devices, count, shown, &profile);
    } else {
        print_text(devices, count, shown, &profile);
    }
    gyre_runtime_destroy(runtime);
    free(devices);
    if (fflush(stdout) != 0 || !printed) {
        command_say("cannot write to stdout");
        return COMMAND_FAILED;
    }
    return result == GYRE_OK ? COMMAND_OK : (int)command_fail(result, "no device to use");
}
