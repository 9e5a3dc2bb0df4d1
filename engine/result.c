#include <gyre/result.h>

const char *gyre_result_name(gyre_result result)
{
    switch (result) {
#define X(name, value, sentence) \
    case GYRE_##name: \
        return "GYRE_" #name;
        GYRE_RESULTS(X)
#undef X
    }
    return "GYRE_RESULT_UNKNOWN";
}

const char *gyre_result_text(gyre_result result)
{
    switch (result) {
#define X(name, value, sentence) \
    case GYRE_##name: \
        return sentence;
        GYRE_RESULTS(X)
#undef X
    }
    return "no such result";
}
