#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC 0x31455247u /* "GRE1" */
#define SIZE_MAX_KEPT ((size_t)256 << 20)

struct header {
    uint32_t magic;
    uint32_t reserved;
    uint64_t size;
    uint64_t key_hash;
    uint64_t data_hash;
};

/* Like mkdir -p. */
static bool make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!ok) {
            return false;
        }
    }
    struct stat existing;
    if (mkdir(path, 0700) == 0) {
        return true;
    }
    if (errno != EEXIST || stat(path, &existing) != 0) {
        return false;
    }
    errno = ENOTDIR; /* for the sentence, if so */
    return S_ISDIR(existing.st_mode);
}

static char *join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) {
        snprintf(path, size, "%s/%s", directory, name);
    }
    return path;
}

char *cache_directory(const struct log *log, const char *wanted)
{
    char *path = NULL;
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (wanted) {
        path = *wanted ? strdup(wanted) : NULL;
    } else if (xdg && xdg[0] == '/') {
        path = join(xdg, "gyre");
    } else if (home && home[0] == '/') {
        path = join(home, ".cache/gyre");
    }
    if (path && !make_directories(path)) {
        log_say(log, GYRE_LOG_WARNING, "no pipeline cache: %s cannot be made: %s", path,
                strerror(errno));
        free(path);
        path = NULL;
    }
    return path;
}

static void *read_checked(FILE *file, uint64_t key_hash, size_t *size)
{
    struct header header;
    if (fread(&header, sizeof header, 1, file) != 1 || header.magic != MAGIC ||
        header.size > SIZE_MAX_KEPT || header.key_hash != key_hash) {
        return NULL;
    }
    void *data = malloc(header.size ? header.size : 1);
    if (data && (fread(data, 1, header.size, file) != header.size || fgetc(file) != EOF ||
                 XXH3_64bits(data, header.size) != header.data_hash)) {
        free(data);
        data = NULL;
    }
    *size = header.size;
    return data;
}

void *cache_load(const struct log *log, const char *directory, const char *name, const void *key,
                 size_t key_size, size_t *size)
{
    char *path = directory ? join(directory, name) : NULL;
    FILE *file = path ? fopen(path, "rb") : NULL;
    void *data = NULL;
    if (file) {
        data = read_checked(file, XXH3_64bits(key, key_size), size);
        fclose(file);
        if (!data) {
            log_say(log, GYRE_LOG_INFO, "%s is not whole or not for this driver: made anew", path);
        }
    }
    free(path);
    return data;
}

static bool write_all(FILE *file, const struct header *header, const void *data, size_t size)
{
    return fwrite(header, sizeof *header, 1, file) == 1 && fwrite(data, 1, size, file) == size &&
           fflush(file) == 0;
}

void cache_store(const struct log *log, const char *directory, const char *name, const void *key,
                 size_t key_size, const void *data, size_t size)
{
    if (!directory || size > SIZE_MAX_KEPT) {
        return;
    }
    char *path = join(directory, name);
    char *temporary = path ? join(directory, ".gyre-XXXXXX") : NULL;
    int descriptor = temporary ? mkstemp(temporary) : -1;
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
    bool ok = false;
    if (file) {
        struct header header = {
            .magic = MAGIC,
            .size = size,
            .key_hash = XXH3_64bits(key, key_size),
            .data_hash = XXH3_64bits(data, size),
        };
        ok = write_all(file, &header, data, size);
        ok = fclose(file) == 0 && ok;
        ok = ok && rename(temporary, path) == 0;
    } else if (descriptor >= 0) {
        close(descriptor);
    }
    if (!ok) {
        log_say(log, GYRE_LOG_WARNING, "the pipeline cache %s is not kept: %s", path ? path : name,
                strerror(errno));
        if (descriptor >= 0) {
            unlink(temporary);
        }
    }
    free(temporary);
    free(path);
}
