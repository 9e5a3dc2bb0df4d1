/* tools/lines: lines out of a pipe, whole, numbered, in bounded memory and bounded time. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "../../tools/lines.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct pipe {
    int read_end;
    int write_end;
    struct lines *lines;
};

static struct pipe open_pipe(size_t max_length)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct pipe p = {.read_end = ends[0], .write_end = ends[1]};
    p.lines = lines_open(p.read_end, max_length);
    cr_assert_not_null(p.lines);
    return p;
}

static void feed(const struct pipe *p, const char *text)
{
    cr_assert_eq(write(p->write_end, text, strlen(text)), (ssize_t)strlen(text));
}

static void finish(struct pipe *p)
{
    close(p->write_end);
    p->write_end = -1;
}

static void close_pipe(struct pipe *p)
{
    lines_close(p->lines);
    close(p->read_end);
    if (p->write_end >= 0) {
        close(p->write_end);
    }
}

static void expect(const struct pipe *p, enum lines_result result)
{
    struct line line = {0};
    enum lines_result got = lines_next(p->lines, result == LINES_TIMEOUT ? 0 : 1000, &line);
    cr_assert_eq(got, result, "got %d instead of %d", (int)got, (int)result);
}

static void expect_line(const struct pipe *p, uint64_t number, const char *text)
{
    struct line line = {0};
    enum lines_result got = lines_next(p->lines, 1000, &line);
    cr_assert_eq(got, LINES_LINE, "got %d for line %d", (int)got, (int)number);
    cr_assert_eq(line.number, number, "number %d instead of %d", (int)line.number, (int)number);
    cr_assert_eq(line.length, strlen(text), "length %zu instead of %zu", line.length, strlen(text));
    cr_assert_eq(memcmp(line.text, text, line.length), 0);
}

static void expect_too_long(const struct pipe *p, uint64_t number)
{
    struct line line = {0};
    cr_assert_eq(lines_next(p->lines, 1000, &line), LINES_TOO_LONG);
    cr_assert_eq(line.number, number);
}

Test(lines, a_line_is_given_once_it_is_complete_while_the_pipe_stays_open)
{
    struct pipe p = open_pipe(0);
    expect(&p, LINES_TIMEOUT);
    feed(&p, "{\"a\":");
    expect(&p, LINES_TIMEOUT);
    feed(&p, " 1}\n{\"a\": 2}\n{");
    expect_line(&p, 1, "{\"a\": 1}");
    expect_line(&p, 2, "{\"a\": 2}");
    expect(&p, LINES_TIMEOUT);
    feed(&p, "}\n");
    expect_line(&p, 3, "{}");
    expect(&p, LINES_TIMEOUT);
    finish(&p);
    expect(&p, LINES_END);
    expect(&p, LINES_END);
    close_pipe(&p);
}

Test(lines, byte_by_byte_gives_the_same_lines)
{
    static const char text[] = "one\r\ntwo\n\nfour\n";
    struct pipe p = open_pipe(0);
    struct line line;
    char seen[64] = "";
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        cr_assert_eq(write(p.write_end, &text[i], 1), 1);
        if (lines_next(p.lines, 0, &line) == LINES_LINE) {
            size_t length = strlen(seen);
            snprintf(seen + length, sizeof seen - length, "%d=%.*s;", (int)line.number,
                     (int)line.length, line.text);
        }
    }
    cr_assert_str_eq(seen, "1=one;2=two;4=four;");
    close_pipe(&p);
}

Test(lines, blank_lines_are_counted_and_passed_over)
{
    struct pipe p = open_pipe(0);
    feed(&p, "\n  \t\n\r\nx\n\n");
    finish(&p);
    expect_line(&p, 4, "x");
    expect(&p, LINES_END);
    close_pipe(&p);
}

Test(lines, the_last_line_needs_no_newline)
{
    struct pipe p = open_pipe(0);
    feed(&p, "a\n{\"half\": ");
    finish(&p);
    expect_line(&p, 1, "a");
    expect_line(&p, 2, "{\"half\": ");
    expect(&p, LINES_END);
    close_pipe(&p);
}

Test(lines, an_empty_input_ends_at_once)
{
    struct pipe p = open_pipe(0);
    finish(&p);
    expect(&p, LINES_END);
    close_pipe(&p);
}

Test(lines, bytes_that_are_no_text_come_through)
{
    struct pipe p = open_pipe(0);
    struct line line;
    cr_assert_eq(write(p.write_end, "a\0\xff\n", 4), 4);
    cr_assert_eq(lines_next(p.lines, 0, &line), LINES_LINE);
    cr_assert_eq(line.length, 3);
    cr_assert_eq(memcmp(line.text, "a\0\xff", 3), 0);
    close_pipe(&p);
}

Test(lines, a_line_of_the_longest_length_passes_and_one_byte_more_does_not)
{
    struct pipe p = open_pipe(8);
    feed(&p, "12345678\n12345678\r\n123456789\nx\n123456789\r\ny\n");
    finish(&p);
    expect_line(&p, 1, "12345678");
    expect_line(&p, 2, "12345678");
    expect_too_long(&p, 3);
    expect_line(&p, 4, "x");
    expect_too_long(&p, 5);
    expect_line(&p, 6, "y");
    expect(&p, LINES_END);
    close_pipe(&p);
}

Test(lines, a_line_too_long_is_reported_before_its_end_and_only_once)
{
    struct pipe p = open_pipe(8);
    feed(&p, "1234567890");
    expect_too_long(&p, 1);
    expect(&p, LINES_TIMEOUT);
    feed(&p, "1234567890");
    expect(&p, LINES_TIMEOUT);
    feed(&p, "90\nok\n0123456789");
    expect_line(&p, 2, "ok");
    expect_too_long(&p, 3);
    finish(&p);
    expect(&p, LINES_END);
    close_pipe(&p);
}

Test(lines, a_last_line_too_long_without_newline_is_reported)
{
    struct pipe p = open_pipe(8);
    feed(&p, "123456789");
    finish(&p);
    expect_too_long(&p, 1);
    expect(&p, LINES_END);
    close_pipe(&p);
}

/* Longer than the pipe and the first buffer, in a file, so that one thread can write and read. */
Test(lines, long_lines_of_a_file_come_whole)
{
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    enum { LENGTH = 3 * 1000 * 1000 };
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < LENGTH; i++) {
            putc('a' + k, file);
        }
        putc('\n', file);
    }
    fflush(file);
    cr_assert_eq(lseek(fileno(file), 0, SEEK_SET), 0);

    struct lines *lines = lines_open(fileno(file), 0);
    struct line line;
    for (int k = 0; k < 3; k++) {
        cr_assert_eq(lines_next(lines, -1, &line), LINES_LINE);
        cr_assert_eq(line.length, LENGTH);
        cr_assert_eq(line.text[0], 'a' + k);
        cr_assert_eq(line.text[LENGTH - 1], 'a' + k);
    }
    cr_assert_eq(lines_next(lines, -1, &line), LINES_END);
    lines_close(lines);

    cr_assert_eq(lseek(fileno(file), 0, SEEK_SET), 0);
    lines = lines_open(fileno(file), LENGTH - 1);
    for (uint64_t k = 1; k <= 3; k++) {
        cr_assert_eq(lines_next(lines, -1, &line), LINES_TOO_LONG);
        cr_assert_eq(line.number, k);
    }
    cr_assert_eq(lines_next(lines, -1, &line), LINES_END);
    lines_close(lines);
    fclose(file);
}

Test(lines, a_stream_without_an_end_of_line_does_not_outstay_the_timeout)
{
    int zero = open("/dev/zero", O_RDONLY);
    cr_assert_geq(zero, 0);
    struct lines *lines = lines_open(zero, 1000);
    struct line line;
    cr_assert_eq(lines_next(lines, 20, &line), LINES_TOO_LONG);
    cr_assert_eq(lines_next(lines, 20, &line), LINES_TIMEOUT);
    lines_close(lines);
    close(zero);
}

Test(lines, a_timeout_is_kept)
{
    struct pipe p = open_pipe(0);
    struct timespec before, after;
    struct line line;
    feed(&p, "half");
    clock_gettime(CLOCK_MONOTONIC, &before);
    cr_assert_eq(lines_next(p.lines, 50, &line), LINES_TIMEOUT);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long waited = (after.tv_sec - before.tv_sec) * 1000 +
                  (after.tv_nsec - before.tv_nsec) / 1000000;
    cr_assert_geq(waited, 49);
    cr_assert_lt(waited, 10000);
    close_pipe(&p);
}

Test(lines, a_descriptor_that_does_not_block_works_as_well)
{
    struct pipe p = open_pipe(0);
    cr_assert_eq(fcntl(p.read_end, F_SETFL, O_NONBLOCK), 0);
    expect(&p, LINES_TIMEOUT);
    feed(&p, "x\n");
    expect_line(&p, 1, "x");
    close_pipe(&p);
}

Test(lines, a_descriptor_that_cannot_be_read_is_an_error)
{
    int folder = open("/", O_RDONLY);
    struct lines *lines = lines_open(folder, 0);
    struct line line;
    cr_assert_eq(lines_next(lines, 0, &line), LINES_ERROR);
    cr_assert_eq(errno, EISDIR);
    lines_close(lines);
    close(folder);
}
