/* What spirv_read() promises of any bytes at all. The unit test throws damaged modules at it, the
 * fuzzer everything else. */
#ifndef GYRE_TEST_SPIRV_SANE_H
#define GYRE_TEST_SPIRV_SANE_H

#include "spirv.h"

#include <string.h>

static inline bool sane_slots(const struct spirv_slots *slots)
{
    if (!slots->present) {
        return slots->stride == 0;
    }
    if (slots->data_size == 0 || slots->data_size > slots->padded_size ||
        slots->stride != slots->data_offset + slots->padded_size) {
        return false;
    }
    for (uint32_t i = 0; i < slots->member_count && i < SPIRV_MAX_MEMBERS; i++) {
        const struct spirv_member *member = &slots->members[i];
        if ((uint64_t)member->offset + member->size > slots->data_size) {
            return false;
        }
    }
    return true;
}

static inline bool sane_block(const struct spirv_block *block)
{
    bool plain = block->kind == SPIRV_OTHER_DESCRIPTOR;
    return block->set > 0 && memchr(block->name, 0, sizeof block->name) &&
           (!plain || (block->fixed_size == 0 && block->array_stride == 0));
}

static inline bool spirv_is_sane(enum spirv_result result, const struct spirv_info *info,
                                 const char reason[SPIRV_REASON_SIZE])
{
    if (!memchr(reason, 0, SPIRV_REASON_SIZE) || (result == SPIRV_OK) != (reason[0] == 0)) {
        return false;
    }
    if (result != SPIRV_OK) {
        /* A sentence that says what to do, and that was not cut. */
        return result <= SPIRV_NO_MEMORY && strlen(reason) < SPIRV_REASON_SIZE - 1;
    }
    bool sane = memchr(info->entry_point, 0, sizeof info->entry_point) && info->local_size[0] &&
                info->local_size[1] && info->local_size[2] &&
                info->capability_count <= SPIRV_MAX_CAPABILITIES &&
                info->user_block_count <= SPIRV_MAX_USER_BLOCKS &&
                info->state.present == (info->state.size > 0) && sane_slots(&info->input) &&
                sane_slots(&info->output);
    for (uint32_t i = 0; sane && i < info->user_block_count; i++) {
        sane = sane_block(&info->user_blocks[i]);
    }
    return sane;
}

#endif
