/* What must not launch, and what the log must say of it. */
#ifndef GYRE_TEST_REFUSED_H
#define GYRE_TEST_REFUSED_H

#include "rig.h"

/* A kernel from `params` (without an id: "wrong") is created, but its launch gives `expected`, and
 * the log has `sentence`. It stays CREATED. The log is empty before. */
void refused(struct rig *rig, gyre_kernel_params params, gyre_result expected,
             const char *sentence);

void refused_forget_log(struct rig *rig);

#endif
