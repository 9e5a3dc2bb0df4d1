#include "output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CAPACITY = 64 * 1024,
    MOMENT_MS = 100,
};

bool output_open(struct output *output, int fd)
{
    struct stat status;
    *output = (struct output){.fd = fd, .buffer = malloc(CAPACITY)};
    output->regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    return output->buffer != NULL;
}

void output_close(struct output *output)
{
    free(output->buffer);
    output->buffer = NULL;
}

void output_give_up(struct output *output)
{
    atomic_store(&output->given_up, true);
}

bool output_is_writing(const struct output *output)
{
    return atomic_load(&output->writing);
}

static bool fail(struct output *output, int error)
{
    output->state = error == EPIPE ? OUTPUT_CLOSED : OUTPUT_FAILED;
    output->error = error;
    return false;
}

/* False: given up, or failed. */
static bool wait_writable(struct output *output)
{
    struct pollfd wanted = {.fd = output->fd, .events = POLLOUT};
    for (;;) {
        const int ready = poll(&wanted, 1, atomic_load(&output->given_up) ? 0 : MOMENT_MS);
        if (ready > 0) {
            return true; /* also POLLERR: write() then says what it is */
        }
        if (ready < 0 && errno != EINTR) {
            return fail(output, errno);
        }
        if (atomic_load(&output->given_up)) {
            return fail(output, ETIMEDOUT);
        }
    }
}

static bool write_all(struct output *output, const char *text, size_t length)
{
    while (length > 0) {
        /* A pipe that polls writable takes PIPE_BUF bytes without blocking, and promises no
         * more. */
        const size_t most = output->regular || length < PIPE_BUF ? length : PIPE_BUF;
        if (!output->regular && !wait_writable(output)) {
            return false;
        }
        const ssize_t written = write(output->fd, text, most);
        if (written < 0 && errno != EINTR && errno != EAGAIN) {
            return fail(output, errno);
        }
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return true;
}

static bool put(struct output *output, const char *text, size_t length)
{
    if (output->state != OUTPUT_OPEN) {
        return false;
    }
    atomic_store(&output->writing, true);
    const bool done = write_all(output, text, length);
    atomic_store(&output->writing, false);
    return done;
}

bool output_flush(struct output *output)
{
    const size_t length = output->length;
    output->length = 0;
    return length == 0 ? output->state == OUTPUT_OPEN : put(output, output->buffer, length);
}

static void gather(struct output *output, const char *text, size_t length)
{
    if (length > CAPACITY - output->length) {
        output_flush(output);
    }
    if (length > CAPACITY) {
        put(output, text, length);
        return;
    }
    memcpy(output->buffer + output->length, text, length);
    output->length += length;
}

void output_line(struct output *output, const char *text, size_t length)
{
    gather(output, text, length);
    gather(output, "\n", 1);
}
