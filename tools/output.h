/* Lines to a file descriptor, gathered until somebody asks for them to be written. Never blocks
 * longer than a moment without asking whether to give up: the reader at the other end of a pipe may
 * be slow, or stuck. Thread-safety: one thread writes; output_is_writing() and output_give_up() may
 * be called from others.
 */
#ifndef GYRE_TOOLS_OUTPUT_H
#define GYRE_TOOLS_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum output_state {
    OUTPUT_OPEN,
    OUTPUT_CLOSED, /* nobody reads it any more (EPIPE) */
    OUTPUT_FAILED, /* output.error says why */
};

struct output {
    int fd;
    bool regular; /* a file: writing never waits for anybody */
    char *buffer;
    size_t length;
    enum output_state state;
    int error;
    atomic_bool writing;
    atomic_bool given_up;
};

/* False: out of memory. The descriptor stays the caller's. */
bool output_open(struct output *output, int fd);
void output_close(struct output *output);

/* Adds text and a newline. What comes after the first failure is thrown away. */
void output_line(struct output *output, const char *text, size_t length);

/* Writes what is gathered. False once the state is no longer OUTPUT_OPEN. */
bool output_flush(struct output *output);

/* From now on writing does not wait: what cannot be written at once is thrown away. */
void output_give_up(struct output *output);

/* Writing waits for whoever reads. */
bool output_is_writing(const struct output *output);

#endif
