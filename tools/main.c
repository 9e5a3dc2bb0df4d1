/* gyre: runs GLSL handlers as ring kernels from the shell. `gyre COMMAND --help` is the manual. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

struct part {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct part parts[] = {
    {"info", command_info},
    {"run", command_run},
    {"bench", command_bench},
};
enum { PART_COUNT = sizeof parts / sizeof *parts };

static const char doc[] = "Gyre runs ring kernels: a GLSL compute shader that stays alive on a "
                          "Vulkan GPU, takes messages, and answers.\v"
                          "Commands:\n"
                          "  info    list the devices, and what was measured of the chosen one\n"
                          "  run     keep a kernel alive on the device and feed it messages\n"
                          "  bench   measure round trips, next to what they are to be compared "
                          "with\n\n"
                          "`gyre COMMAND --help` tells all about one.\n\n" COMMAND_EXIT_HELP;

struct chosen {
    const struct part *part;
    int first; /* index of the command's own name in argv */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct chosen *chosen = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < PART_COUNT; i++) {
            if (strcmp(argument, parts[i].name) == 0) {
                chosen->part = &parts[i];
            }
        }
        if (!chosen->part) {
            argp_error(state, "there is no command '%s'", argument);
        }
        chosen->first = state->next - 1;
        state->next = state->argc; /* the rest is the command's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "gyre %s\n", gyre_version());
}

/* A descriptor that is closed from the start would become that of the next file opened, a driver's
 * perhaps. The wrong direction, so that using it is still an error. */
static void reserve_standard_streams(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) {
            _exit(COMMAND_USAGE);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .args_doc = "COMMAND [ARGUMENT...]", .doc = doc};
    struct chosen chosen = {0};

    reserve_standard_streams();
    argp_program_version_hook = print_version;
    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &chosen);

    char name[32];
    snprintf(name, sizeof name, "gyre %s", chosen.part->name);
    argv[chosen.first] = name;
    return chosen.part->run(argc - chosen.first, argv + chosen.first);
}
