/* Any bytes: no crash, no read out of bounds, and what is reported keeps its promises. The input is
 * copied to memory of its own size, so that AddressSanitizer sees one byte too far. What was read
 * can be frozen, and what was made is read again. */
#include "spirv.h"
#include "spirv_freeze.h"
#include "spirv_sane.h"

#include <stdlib.h>

static enum spirv_result read_sanely(const void *bytes, size_t size, struct spirv_info *info)
{
    char reason[SPIRV_REASON_SIZE];
    enum spirv_result result = spirv_read(bytes, size, info, reason);
    if (!spirv_is_sane(result, info, reason)) {
        abort();
    }
    return result;
}

/* With values that may be too large or too small for what is made of them; with the defaults it
 * must be a module as good as before. */
static void freeze(const uint32_t *words, size_t size)
{
    static const struct spirv_constant given[] = {{0, 0}, {1, UINT32_MAX}, {5, 0}, {7, 3}, {8, 64}};
    struct spirv_info info;
    uint32_t *made = NULL;
    size_t made_size = 0;
    if (spirv_freeze(words, size, given, sizeof given / sizeof *given, &made, &made_size)) {
        read_sanely(made, made_size, &info);
        free(made);
    }
    if (!spirv_freeze(words, size, NULL, 0, &made, &made_size) || made_size > size) {
        abort();
    }
    enum spirv_result result = read_sanely(made, made_size, &info);
    /* The id bound is vouched for by the module's size, which is less now. */
    bool vouched = made[3] <= 65536 + made_size;
    if (vouched ? result != SPIRV_OK : result != SPIRV_LIMIT) {
        abort();
    }
    free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spirv_info info;
    void *copy = malloc(size);
    if (!copy) {
        return 0;
    }
    memcpy(copy, data, size);
    if (read_sanely(copy, size, &info) == SPIRV_OK) {
        freeze(copy, size);
    }
    free(copy);
    return 0;
}
