/* What the kernels of a pipeline have on their hands: whether anything is left that could still
 * send. The engine counts what goes along links when a submission ends, so one look at one kernel
 * after the other proves nothing: a message may pass by between two looks. Two equal looks do.
 * Thread-safety: one thread at a time.
 */
#ifndef GYRE_TOOLS_BOOKS_H
#define GYRE_TOOLS_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gyre/gyre.h>

struct books;

/* The array stays the caller's and must live as long. NULL: out of memory. */
struct books *books_open(gyre_kernel *const *kernels, size_t count);
void books_close(struct books *books);

/* True: there was a moment during the call in which no kernel had a message and no answer was
 * unread. */
bool books_are_quiet(struct books *books);

/* As the last look found them: answers that were taken from that kernel; and a number that changes
 * whenever a message moves. */
uint64_t books_received(const struct books *books, size_t kernel);
uint64_t books_moves(const struct books *books);

#endif
