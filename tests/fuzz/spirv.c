/* Any bytes: no crash, no read out of bounds, and what is reported keeps its promises. The input is
 * copied to memory of its own size, so that AddressSanitizer sees one byte too far. */
#include "spirv.h"
#include "spirv_sane.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spirv_info info;
    char reason[SPIRV_REASON_SIZE];
    uint8_t *copy = malloc(size);
    if (!copy) {
        return 0;
    }
    memcpy(copy, data, size);
    enum spirv_result result = spirv_read(copy, size, &info, reason);
    free(copy);
    if (!spirv_is_sane(result, &info, reason)) {
        abort();
    }
    return 0;
}
