#include "lifecycle.h"

const char *gyre_state_name(gyre_state state)
{
    static const char *const names[] = {
        [GYRE_CREATED] = "CREATED",         [GYRE_LAUNCHED] = "LAUNCHED",
        [GYRE_ACTIVE] = "ACTIVE",           [GYRE_DEACTIVATED] = "DEACTIVATED",
        [GYRE_TERMINATING] = "TERMINATING", [GYRE_TERMINATED] = "TERMINATED",
    };
    return state >= GYRE_CREATED && state <= GYRE_TERMINATED ? names[state] : "UNKNOWN";
}

const char *lifecycle_operation_name(enum lifecycle_operation operation)
{
    static const char *const names[LIFECYCLE_OPERATIONS] = {
        "launch", "activate", "deactivate", "reactivate", "send", "receive", "terminate",
    };
    return names[operation];
}

gyre_result lifecycle_check(gyre_state state, enum lifecycle_operation operation)
{
    enum { YES = GYRE_OK, NO = GYRE_ERROR_STATE };
    /* launch, activate, deactivate, reactivate, send, receive, terminate */
    static const unsigned char allowed[][LIFECYCLE_OPERATIONS] = {
        [GYRE_CREATED] = {YES, NO, NO, NO, NO, NO, YES},
        [GYRE_LAUNCHED] = {NO, YES, NO, NO, YES, YES, YES},
        [GYRE_ACTIVE] = {NO, NO, YES, NO, YES, YES, YES},
        [GYRE_DEACTIVATED] = {NO, NO, NO, YES, YES, YES, YES},
        [GYRE_TERMINATING] = {NO, NO, NO, NO, NO, YES, YES},
        [GYRE_TERMINATED] = {NO, NO, NO, NO, NO, YES, YES},
    };
    return (gyre_result)allowed[state][operation];
}
