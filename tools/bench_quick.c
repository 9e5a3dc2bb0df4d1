/* Ratios of cases of one run, never times: the machine may be any. They are to notice that
 * something has gone wrong altogether, on a machine that others use as well, so each is far from
 * what was measured, and the best round counts. The numbers measured are of 2026-11-26, two cores,
 * lavapipe 25.0.7 and SwiftShader, with other programs on both cores; without those a round trip
 * takes a 60th of a dispatch.
 */
#include "bench_quick.h"

#include "base.h"

static const struct bound {
    const char *name;
    const char *variant;
    const char *of;
    const char *of_variant;
    bool rate; /* at least, else p50 at most */
    double limit;
} bounds[] = {
    /* Twice what is asked for, as the two may meet different cores. Measured: 1 to 1.3. */
    {"floor", NULL, "line", NULL, false, 4},
    /* Slower only if the kernel, the host's thread and others share the cores. Measured: up to 6. A
     * message that is found by a timer and not at once would be 40. */
    {"roundtrip-1", NULL, "dispatch", NULL, false, 12},
    /* A wake is a submission, and two threads that wake up. Measured: 0.9 to 3. */
    {"wake", NULL, "dispatch", NULL, false, 20},
    /* Many under way must be worth more than one at a time without Gyre. Measured: 30 to 130. */
    {"stream-64B", "single, workgroup", "dispatch", NULL, true, 3},
    {"stream-64B", "batch, workgroup", "dispatch", NULL, true, 3},
    /* Drivers that run on the processor do a batch without any waiting. Measured: 0.1 to 0.3. */
    {"stream-64B", "batch, workgroup", "dispatch-batched", "64 B", true, 0.01},
};

static double best_ratio(const struct bench_record *record, const struct bench_record *of,
                         bool rate)
{
    double best = 0;
    for (uint32_t i = 0; i < record->round_count; i++) {
        const double ratio = rate ? record->rounds[i].rate / of->rounds[i].rate
                                  : record->rounds[i].p50 / of->rounds[i].p50;
        best = i == 0 || (rate ? ratio > best : ratio < best) ? ratio : best;
    }
    return best;
}

static bool is_within(const struct bench_run *run, const struct bound *bound)
{
    const struct bench_record *record = bench_find(run, bound->name, bound->variant);
    const struct bench_record *of = bench_find(run, bound->of, bound->of_variant);
    if (!record || !of) {
        command_say("quick: %s was not measured", record ? bound->of : bound->name);
        return false;
    }
    const double ratio = best_ratio(record, of, bound->rate);
    if (bound->rate ? ratio >= bound->limit : ratio <= bound->limit) {
        return true;
    }
    command_say(
        "quick: %s of %s is %.3g times that of %s in the best round, and should be at %s %g",
        bound->rate ? "the rate" : "p50", bound->name, ratio, bound->of,
        bound->rate ? "least" : "most", bound->limit);
    return false;
}

bool bench_is_within_bounds(const struct bench_run *run)
{
    bool within = true;
    for (size_t i = 0; i < LENGTH(bounds); i++) {
        within = is_within(run, &bounds[i]) && within;
    }
    return within;
}
