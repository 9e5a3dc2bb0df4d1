/* The states of a kernel and what may be done in each: one table. */
#ifndef GYRE_LIFECYCLE_H
#define GYRE_LIFECYCLE_H

#include <stdbool.h>

#include <gyre/kernel.h>

enum lifecycle_operation {
    LIFECYCLE_LAUNCH,
    LIFECYCLE_ACTIVATE,
    LIFECYCLE_DEACTIVATE,
    LIFECYCLE_REACTIVATE,
    LIFECYCLE_SEND,
    LIFECYCLE_RECEIVE,
    LIFECYCLE_TERMINATE,
    LIFECYCLE_OPERATIONS,
};

const char *lifecycle_operation_name(enum lifecycle_operation operation);

/* GYRE_OK: allowed; else GYRE_ERROR_STATE. */
gyre_result lifecycle_check(gyre_state state, enum lifecycle_operation operation);

#endif
