/* Processes of a test's own, for what needs another environment, or a way out that may not work:
 * the test program starts itself again. Criterion's asserts are not for such a child, it has
 * child_expect(). */
#ifndef GYRE_TEST_CHILD_H
#define GYRE_TEST_CHILD_H

#include <stdbool.h>
#include <stdint.h>

struct child {
    const char *name; /* NULL ends the list */
    void (*run)(int argument);
};

/* The main of a test program with children, at the end of its file: Criterion's, or that of the
 * child which it has been started for. Boxfort, which runs Criterion's tests, must find it among
 * the dynamic symbols. */
#define CHILD_MAIN(children) \
    __attribute__((visibility("default"))) int main(int argc, char **argv) \
    { \
        return child_main(argc, argv, children); \
    }

/* In a child its status: 0 if all it expected was so. */
int child_main(int argc, char **argv, const struct child *children);

/* In a child: says what was not so, and remembers it for the exit status. Gives `condition`. */
bool child_expect(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define CHILD_TOO_LATE (-1) /* still there at the deadline; it has been killed */

/* Starts this program again as the child `name` and waits for its end: its exit status, 128 + the
 * signal that ended it, or CHILD_TOO_LATE. `variables` is a list of "NAME=value", ended by NULL,
 * for its environment. */
int child_run(const char *name, int argument, const char *const *variables, uint64_t timeout_ns);

#endif
