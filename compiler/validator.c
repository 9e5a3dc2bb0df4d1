#include "validator.h"

#include <spirv-tools/libspirv.h>

#define MAGIC 0x07230203u
#define HEADER_SIZE 20u

gyre_result validator_run(const uint32_t *words, size_t size, const char *name,
                          const struct report *report)
{
    if (words == NULL || size % sizeof *words != 0 || size < HEADER_SIZE) {
        report_line(report, GYRE_LOG_ERROR,
                    "%s: %zu bytes are not a SPIR-V module: that is whole 32-bit words, 5 at least",
                    name, words != NULL ? size : 0);
        return GYRE_ERROR_SPIRV;
    }
    if (words[0] != MAGIC) {
        report_line(report, GYRE_LOG_ERROR,
                    "%s: not a SPIR-V module: it begins with 0x%08x instead of 0x%08x", name,
                    words[0], MAGIC);
        return GYRE_ERROR_SPIRV;
    }
    spv_context context = spvContextCreate(SPV_ENV_VULKAN_1_2);
    if (context == NULL) {
        report_line(report, GYRE_LOG_ERROR, "%s: out of memory", name);
        return GYRE_ERROR_NO_MEMORY;
    }
    spv_diagnostic diagnostic = NULL;
    spv_result_t result = spvValidateBinary(context, words, size / sizeof *words, &diagnostic);
    if (result != SPV_SUCCESS) {
        report_line(report, GYRE_LOG_ERROR, "%s: %s", name,
                    diagnostic != NULL ? diagnostic->error : "not valid, without a reason given");
    }
    spvDiagnosticDestroy(diagnostic);
    spvContextDestroy(context);
    return result == SPV_SUCCESS               ? GYRE_OK
           : result == SPV_ERROR_OUT_OF_MEMORY ? GYRE_ERROR_NO_MEMORY
                                               : GYRE_ERROR_SPIRV;
}
