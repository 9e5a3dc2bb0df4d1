/* A blob kept in a file: the pipeline cache between runs. A damaged or foreign file is ignored, a
 * file that cannot be written is only a pity. */
#ifndef GYRE_CACHE_H
#define GYRE_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "log.h"

/* The directory to keep caches in, made if need be: `wanted`, or by the rules of XDG. NULL: keep
 * none ("" was asked for, or there is no home). The caller frees it. */
char *cache_directory(const struct log *log, const char *wanted);

/* The content of `directory`/`name`, written by cache_store for the same `key`; NULL if there is
 * none that is whole. The caller frees it. */
void *cache_load(const struct log *log, const char *directory, const char *name, const void *key,
                 size_t key_size, size_t *size);

/* Writes to a temporary file and renames it. */
void cache_store(const struct log *log, const char *directory, const char *name, const void *key,
                 size_t key_size, const void *data, size_t size);

#endif
