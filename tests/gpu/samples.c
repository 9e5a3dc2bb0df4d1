/* The small samples do what their header comments say. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

/* What the program beside `gyre` prints, and that it returns 0. */
static void run(const char *program, char *output, size_t size)
{
    static const char tool[] = GYRE_TOOL;
    char path[512];
    snprintf(path, sizeof path, "%.*s%s", (int)(sizeof tool - sizeof "gyre"), tool, program);
    FILE *pipe = popen(path, "r");
    cr_assert_not_null(pipe);
    size_t length = fread(output, 1, size - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    cr_assert(status == 0, "%s: status %d, output %s", path, status, output);
}

Test(samples, hello_adds)
{
    char output[256];
    run("hello", output, sizeof output);
    cr_assert(strstr(output, "100 + 23 = 123\n"), "%s", output);
}

Test(samples, counter_counts_over_many_residencies)
{
    char output[256];
    unsigned long long residencies = 0;
    run("counter", output, sizeof output);
    const char *line = strstr(output, "1000 messages: ");
    cr_assert(
        line && sscanf(line, "1000 messages: total 501500, in %llu residencies", &residencies) == 1,
        "%s", output);
    cr_assert(residencies > 1000 / 7, "%s", output);
}
