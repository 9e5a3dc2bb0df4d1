#include "books.h"

#include <stdlib.h>

struct book {
    uint64_t submissions;
    uint64_t accepted;
    uint64_t received;
};

struct books {
    gyre_kernel *const *kernels;
    size_t count;
    uint64_t moves;
    struct book *pages;
};

struct books *books_open(gyre_kernel *const *kernels, size_t count)
{
    struct books *books = calloc(1, sizeof *books);
    struct book *pages = calloc(count + 1, sizeof *pages);
    if (!books || !pages) {
        free(books);
        free(pages);
        return NULL;
    }
    *books = (struct books){.kernels = kernels, .count = count, .pages = pages};
    return books;
}

void books_close(struct books *books)
{
    if (books) {
        free(books->pages);
        free(books);
    }
}

/* Where a submission is on the device, what it sent is not counted yet. */
static bool is_idle(const gyre_stats *stats)
{
    return !stats->in_flight && stats->staged + stats->window + stats->link_waiting == 0 &&
           stats->unread == 0;
}

/* `same`: every kernel was idle, and has had no submission since the look before this one. */
static bool look(struct books *books, bool *same)
{
    bool idle = true;
    uint64_t moves = 0;
    *same = true;
    for (size_t i = 0; i < books->count; i++) {
        struct book *book = &books->pages[i];
        gyre_stats stats;
        if (gyre_kernel_stats(books->kernels[i], &stats) != GYRE_OK) {
            *same = false;
            return false;
        }
        *same = *same && book->submissions == stats.submissions && book->accepted == stats.accepted;
        *book = (struct book){stats.submissions, stats.accepted, stats.received};
        moves += stats.accepted + stats.processed + stats.failed + stats.forwarded + stats.received;
        idle = idle && is_idle(&stats);
    }
    books->moves = moves;
    return idle;
}

/* Between two such looks every kernel was idle all the time, so nothing could go into a link after
 * the first one; what had gone into one before, the second one would have found there. */
bool books_are_quiet(struct books *books)
{
    bool same;
    return look(books, &same) && look(books, &same) && same;
}

uint64_t books_received(const struct books *books, size_t kernel)
{
    return books->pages[kernel].received;
}

uint64_t books_moves(const struct books *books)
{
    return books->moves;
}
