#include "refused.h"

void refused_forget_log(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    rig->log[0] = '\0';
    rig->log_size = 0;
    pthread_mutex_unlock(&rig->lock);
}

void refused(struct rig *rig, gyre_kernel_params params, gyre_result expected, const char *sentence)
{
    gyre_kernel *kernel = NULL;
    params.id = params.id ? params.id : "wrong";
    refused_forget_log(rig);
    ok(gyre_kernel_create(rig->runtime, &params, &kernel));
    gyre_result result = gyre_kernel_launch(kernel);
    cr_assert(result == expected, "%s, not %s\n%s", gyre_result_name(result),
              gyre_result_name(expected), rig->log);
    cr_assert(rig_said(rig, sentence), "the log does not say \"%s\" but:\n%s", sentence, rig->log);
    cr_assert(gyre_kernel_state(kernel) == GYRE_CREATED);
    gyre_kernel_destroy(kernel);
}
