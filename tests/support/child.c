#include "child.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* "name:argument" */
#define WHICH "GYRE_TEST_CHILD"
#define LOOK_NS 2000000

static bool failed;

bool child_expect(bool condition, const char *format, ...)
{
    if (!condition) {
        va_list arguments;
        va_start(arguments, format);
        fputs("child: ", stderr);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
        va_end(arguments);
        failed = true;
    }
    return condition;
}

static int run_tests(int argc, char **argv)
{
    struct criterion_test_set *tests = criterion_initialize();
    int status = 0;
    if (criterion_handle_args(argc, argv, true)) {
        status = !criterion_run_all_tests(tests);
    }
    criterion_finalize(tests);
    return status;
}

int child_main(int argc, char **argv, const struct child *children)
{
    const char *which = getenv(WHICH);
    if (!which) {
        return run_tests(argc, argv);
    }
    size_t length = strcspn(which, ":");
    for (; children->name; ++children) {
        if (strlen(children->name) == length && strncmp(children->name, which, length) == 0) {
            children->run(atoi(which + length + 1));
            return failed ? 1 : 0;
        }
    }
    return 2;
}

static void become(const char *name, int argument, const char *const *variables)
{
    char which[64];
    char *const arguments[] = {"child", NULL};
    snprintf(which, sizeof which, "%s:%d", name, argument);
    setenv(WHICH, which, 1);
    /* By this one Boxfort would take the child for one of its own. */
    unsetenv("BXFI_MAP");
    for (; variables && *variables; ++variables) {
        /* putenv keeps the text, which lives until the exec. */
        putenv((char *)(uintptr_t)*variables);
    }
    execv("/proc/self/exe", arguments);
    _exit(3);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int child_run(const char *name, int argument, const char *const *variables, uint64_t timeout_ns)
{
    uint64_t deadline = now_ns() + timeout_ns;
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) {
        become(name, argument, variables);
    }
    int status = 0;
    while (process > 0 && waitpid(process, &status, WNOHANG) == 0) {
        if (now_ns() > deadline) {
            kill(process, SIGKILL);
            waitpid(process, &status, 0);
            return CHILD_TOO_LATE;
        }
        /* Between two looks whether it has ended. */
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
