/* Blobs kept in files: whole or not at all, and never worth a failure. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"

#define NAME "blob.bin"

static char folder[64];
static char said[4096];

static void keep(void *user, gyre_log_level level, const char *message)
{
    (void)user;
    (void)level;
    snprintf(said, sizeof said, "%s", message);
}

static const struct log logging = {.callback = keep, .level = GYRE_LOG_INFO};

static void open_folder(void)
{
    strcpy(folder, "/tmp/gyre-cache-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static const char *in(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* How many files lie there; they are removed if `away`. */
static size_t count_files(bool away)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    cr_assert_not_null(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count += 1;
            cr_assert(!away || remove(in(entry->d_name)) == 0);
        }
    }
    closedir(directory);
    return count;
}

static void close_folder(void)
{
    count_files(true);
    rmdir(folder);
}

TestSuite(cache, .init = open_folder, .fini = close_folder);

static void store(const char *data)
{
    cache_store(&logging, folder, NAME, "key", 3, data, strlen(data));
}

static void holds(const char *data)
{
    size_t size = 0;
    char *loaded = cache_load(&logging, folder, NAME, "key", 3, &size);
    cr_assert(data ? loaded && size == strlen(data) && memcmp(loaded, data, size) == 0 : !loaded);
    free(loaded);
}

Test(cache, gives_back_what_was_stored_last)
{
    holds(NULL);
    store("one");
    holds("one");
    store("another");
    holds("another");
    store("");
    holds("");
    cr_assert(count_files(false) == 1);
}

Test(cache, is_for_its_key_only)
{
    size_t size = 0;
    store("one");
    cr_assert_null(cache_load(&logging, folder, NAME, "yek", 3, &size));
    cr_assert(strstr(said, "made anew"), "%s", said);
    cr_assert_null(cache_load(&logging, folder, NAME, "key", 2, &size));
}

Test(cache, gives_nothing_of_a_file_that_is_not_whole)
{
    struct stat whole;
    store("a blob");
    cr_assert(stat(in(NAME), &whole) == 0);
    for (off_t size = 0; size < whole.st_size; ++size) {
        store("a blob");
        cr_assert(truncate(in(NAME), size) == 0);
        holds(NULL);
    }
    store("a blob");
    cr_assert(truncate(in(NAME), whole.st_size + 1) == 0);
    holds(NULL);
}

static void flip(long at)
{
    FILE *file = fopen(in(NAME), "r+b");
    cr_assert_not_null(file);
    fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 0x10, file);
    fclose(file);
}

Test(cache, gives_nothing_of_a_file_with_a_wrong_byte)
{
    struct stat whole;
    store("a blob");
    cr_assert(stat(in(NAME), &whole) == 0);
    for (long at = 0; at < whole.st_size; ++at) {
        if (at >= 4 && at < 8) {
            continue; /* a reserved word, which nobody reads */
        }
        store("a blob");
        flip(at);
        holds(NULL);
    }
}

/* What a full disk does to a write, a limit on file sizes does too. */
Test(cache, leaves_the_old_file_alone_when_the_disk_is_full)
{
    signal(SIGXFSZ, SIG_IGN);
    store("old");
    cr_assert(setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 40, .rlim_max = 40}) == 0);
    store("new and larger");
    cr_assert(strstr(said, "is not kept"), "%s", said);
    holds("old");
    cr_assert(count_files(false) == 1);
}

Test(cache, leaves_nothing_behind_when_the_disk_is_full)
{
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}) == 0);
    store("new");
    cr_assert(strstr(said, "is not kept"), "%s", said);
    cr_assert(count_files(false) == 0);
}

Test(cache, without_a_directory_keeps_nothing)
{
    size_t size = 0;
    cache_store(&logging, NULL, NAME, "key", 3, "one", 3);
    cr_assert_null(cache_load(&logging, NULL, NAME, "key", 3, &size));
    cr_assert_str_empty(said);
}

static void directory_is(const char *wanted, const char *expected)
{
    char *path = cache_directory(&logging, wanted);
    cr_assert(expected ? path && strcmp(path, expected) == 0 : !path, "%s", path ? path : "none");
    struct stat made;
    cr_assert(!path || (stat(path, &made) == 0 && S_ISDIR(made.st_mode)));
    free(path);
}

Test(cache, lies_where_asked_or_where_xdg_says)
{
    char below[128];
    snprintf(below, sizeof below, "%s/a", folder);
    directory_is(below, below);
    directory_is("", NULL);
    setenv("XDG_CACHE_HOME", folder, 1);
    directory_is(NULL, in("gyre"));
    setenv("HOME", folder, 1);
    setenv("XDG_CACHE_HOME", "relative", 1); /* which XDG forbids */
    directory_is(NULL, in(".cache/gyre"));
    remove(in(".cache/gyre"));
    unsetenv("XDG_CACHE_HOME");
    directory_is(NULL, in(".cache/gyre"));
    remove(in(".cache/gyre"));
    unsetenv("HOME");
    directory_is(NULL, NULL);
    cr_assert_str_empty(said);
}

Test(cache, says_why_its_directory_cannot_be)
{
    store("a file");
    directory_is(in(NAME), NULL);
    cr_assert(strstr(said, "no pipeline cache") && strstr(said, "Not a directory"), "%s", said);
    directory_is(in(NAME "/below"), NULL);
    directory_is("/proc/gyre", NULL);
}
