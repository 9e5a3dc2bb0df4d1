/* Submissions: what each is told, and what is learned when it has ended. */
#include <string.h>

#include "kernel.h"
#include "link.h"
#include "shared.h"

/* The loop guard counts to this; the value reaches the shader through memory so that no compiler
 * knows it. */
#define GUARD 2u

/* With loops that the driver cuts, each turn of the engine's loop costs up to five back-edges (the
 * loop itself, the handler's, the guard's), and the handler's own loops want the rest. */
#define CUT_SHARE 6u
#define FUEL_UNLIMITED 0x7fffffffu

#define TIMED_RELAUNCHES 200u /* half a percent for timestamps, at most */

/* Submissions that get nowhere, in a row, before the kernel is given up. */
#define STRIKES 3u

#define FIRST_BUDGET 1u /* nothing is known of a message then */

/* Submissions in a row that looked for messages, and did not see those that came: then LIVE does
 * not work, whatever the probe says. One may have left just before. */
#define BLIND_MOST 24u

#define POLLS_TO_JUDGE 64u
#define POLLS_LEAST 256u    /* so that there is something to judge */
#define POLL_LEAST_PS 1000u /* no device looks at its memory more often */
#define POLL_PS 10000u      /* a first guess, until a submission has polled */

/* Sums over the dispatches and workgroups of the submission that ended. */
struct outcome {
    uint64_t messages;
    uint64_t failed;
    uint64_t looks;
    uint32_t reason; /* of the last residency seen */
    bool cut;
    bool version;
};

static uint32_t default_fuel(const struct gyre_kernel *kernel)
{
    uint32_t limit = kernel->services.profile->loop_limit;
    return limit ? limit / CUT_SHARE + 1 : FUEL_UNLIMITED;
}

/* LIVE: so few turns that a chain of residencies which only polls ends by the bound, for the host
 * may be late to ask. */
static uint32_t fuel(const struct gyre_kernel *kernel)
{
    uint64_t polls = kernel->services.bound_ns * 1000 / kernel->poll_ps / kernel->params.chain + 1;
    bool many = !kernel->live || kernel->params.fuel || kernel->fuel <= polls;
    return many ? kernel->fuel : (uint32_t)polls;
}

static uint64_t idle_ns(const struct gyre_kernel *kernel)
{
    return kernel->params.idle_ns ? kernel->params.idle_ns : kernel->services.profile->relaunch_ns;
}

/* Whether polling would only hold others up, or nothing would come of it. */
static bool polls_in_vain(const struct gyre_kernel *kernel)
{
    const gyre_profile *profile = kernel->services.profile;
    bool crowded = kernel->params.workgroups > profile->resident_workgroups &&
                   !profile->resident_at_least; /* its own workgroups take turns */
    bool linked = kernel->links && !profile->overlap_queue;
    return !kernel->live || crowded || linked;
}

static uint32_t idle_polls(const struct gyre_kernel *kernel, bool contended)
{
    if (polls_in_vain(kernel)) {
        return 1;
    }
    bool asked_for = kernel->params.idle_ns > 0;
    uint64_t for_ns = idle_ns(kernel);
    for_ns = for_ns < kernel->services.bound_ns ? for_ns : kernel->services.bound_ns;
    uint64_t polls = for_ns / kernel->poll_ps * 1000 +
                     for_ns % kernel->poll_ps * 1000 / kernel->poll_ps;
    polls = contended && !asked_for ? POLLS_LEAST : polls; /* others have something to do */
    if (!asked_for) {
        /* More than there is fuel would go on in the next of the chain, and so on to its end. */
        uint32_t most = fuel(kernel) > 1 ? fuel(kernel) - 1 : 1;
        polls = polls < POLLS_LEAST ? POLLS_LEAST : polls;
        polls = polls > most ? most : polls;
    }
    return polls < 1 ? 1 : polls > UINT32_MAX ? UINT32_MAX : (uint32_t)polls;
}

/* From what a submission polled. Its time has that of its messages in it, whatever took the
 * processor away, and the relaunch if it is the host's: all of it is the most that its polls took.
 * What one took is told by a submission that did nothing else, if it was long enough. */
static void adapt_polls(struct gyre_kernel *kernel, const struct outcome *outcome, uint64_t took_ns)
{
    bool measured = kernel->carried.measured;
    uint64_t relaunch_ns = measured ? 0 : kernel->services.profile->relaunch_ns;
    uint64_t polls = outcome->looks > outcome->messages ? outcome->looks - outcome->messages : 0;
    polls /= kernel->params.workgroups;
    if (polls < POLLS_TO_JUDGE) {
        return;
    }
    uint64_t most = took_ns * 1000 / polls;
    most = most > POLL_LEAST_PS ? most : POLL_LEAST_PS;
    if (outcome->messages || took_ns < 2 * relaunch_ns) {
        kernel->poll_ps = most < kernel->poll_ps ? most : kernel->poll_ps;
        return;
    }
    uint64_t each = (took_ns - relaunch_ns) * 1000 / polls;
    each = each > POLL_LEAST_PS ? each : POLL_LEAST_PS;
    uint64_t weight = !kernel->poll_known ? 1 : measured ? 2 : 8;
    kernel->poll_ps = (kernel->poll_ps * (weight - 1) + each) / weight;
    kernel->poll_known = true;
}

/* Messages of a workgroup that fit into its turn. */
static uint32_t budget(const struct gyre_kernel *kernel, uint64_t turn_ns)
{
    if (kernel->params.message_budget) {
        return kernel->params.message_budget;
    }
    if (!kernel->message_ns) {
        return FIRST_BUDGET;
    }
    uint64_t messages = turn_ns / kernel->message_ns / kernel->params.workgroups;
    return messages < 1 ? 1 : messages > FUEL_UNLIMITED ? FUEL_UNLIMITED : (uint32_t)messages;
}

/* The words carry no data, so no more order is needed than with `wanted`: see yield(). */
static void store_command(const struct gyre_kernel *kernel, uint32_t command)
{
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        shared_store_sequential(&kernel->build.groups[i].host->command, command);
    }
}

void residency_command(struct gyre_kernel *kernel, uint32_t command)
{
    atomic_store(&kernel->wanted, command);
    store_command(kernel, command);
}

/* GYRE_RUNTIME_BLIND: what was held back becomes visible. */
static void pass_held_lines_on(struct gyre_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        if (group->held) {
            group->control->host = group->held->host;
            group->control->reader = group->held->reader;
        }
    }
}

static void fill_submission(struct gyre_kernel *kernel)
{
    uint32_t serial = (kernel->serial + 1) & 0xffffff;
    serial = serial ? serial : 1;
    kernel->serial = serial;
    residency_command(kernel, GYRE_COMMAND_RUN); /* a YIELD was for the one before */
    route_write(kernel);
    struct carrier_turn turn =
        carrier_turn(kernel->services.carrier, &kernel->carried, kernel->live);
    struct gyre_Submission *submission = kernel->build.control.mapped;
    *submission = (struct gyre_Submission){
        .version = GYRE_WIRE_VERSION,
        .flags = kernel->refilled ? GYRE_SUBMIT_FORGET : 0,
        .serial = serial,
        .fuel = fuel(kernel),
        .budget = kernel->settling ? 0 : budget(kernel, turn.ns),
        .idle_polls = idle_polls(kernel, turn.contended),
        .guard = GUARD,
        .workgroups = kernel->params.workgroups,
        .kernel_low = (uint32_t)kernel->number,
        .kernel_high = (uint32_t)(kernel->number >> 32),
        .max_hops = kernel->params.max_hops,
    };
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        struct group *group = &kernel->build.groups[i];
        struct gyre_WindowLine *window = &group->control->window;
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            group->submitted[lane] = group->input[lane].tail;
            window->input_tail[lane] = group->input[lane].tail;
        }
        window->output_head = group->output.given;
    }
    pass_held_lines_on(kernel);
    if (memory_is_write_combined(kernel->services.device,
                                 kernel->services.profile->memory_to_device)) {
        shared_drain_write_combining();
    }
}

/* Timestamps cost about a relaunch where each is a job for the rasterizer (lavapipe, 22.3 to 25.0:
 * 20 us each). So all submissions that are long are timed, and of the short ones some. */
static VkCommandBuffer choose_commands(struct gyre_kernel *kernel)
{
    uint64_t enough = kernel->services.profile->relaunch_ns * TIMED_RELAUNCHES;
    if (!kernel->build.timed || kernel->untimed_ns < enough) {
        return kernel->build.residency;
    }
    kernel->untimed_ns = 0;
    return kernel->build.timed;
}

gyre_result residency_submit(struct gyre_kernel *kernel, uint64_t go_value)
{
    ASSERT(!kernel->in_flight);
    fill_submission(kernel);
    kernel->found_work = !kernel->settling && window_can_run(kernel);
    /* What was in hand before a pause is begun anew: nothing got nowhere yet. */
    kernel->strikes = kernel->refilled ? 0 : kernel->strikes;
    kernel->refilled = false;
    kernel->in_flight = true;
    kernel->placed_in = NULL;
    kernel->stats.submissions += 1;
    gyre_result result = carrier_submit(kernel->services.carrier, &kernel->carried,
                                        choose_commands(kernel),
                                        go_value ? kernel->services.go : VK_NULL_HANDLE, go_value);
    if (result != GYRE_OK) {
        kernel->in_flight = false;
        kernel_fail(kernel, result);
    }
    return result;
}

gyre_result residency_warm_up(struct gyre_kernel *kernel)
{
    struct gyre_Submission *submission = kernel->build.control.mapped;
    kernel->serial = 1;
    *submission = (struct gyre_Submission){
        .version = GYRE_WIRE_VERSION,
        .flags = GYRE_SUBMIT_WARM_UP,
        .serial = 1,
        .first_index = kernel->params.first_index,
        .workgroups = kernel->params.workgroups,
    };
    kernel->in_flight = true;
    gyre_result result = carrier_submit(kernel->services.carrier, &kernel->carried,
                                        kernel->build.warm_up, VK_NULL_HANDLE, 0);
    if (result != GYRE_OK) {
        kernel->in_flight = false;
    }
    return result;
}

void residency_withdraw(struct gyre_kernel *kernel)
{
    if (!carrier_withdraw(kernel->services.carrier, &kernel->carried)) {
        return;
    }
    const struct gyre_Submission *submission = kernel->build.control.mapped;
    kernel->refilled = kernel->refilled || submission->flags & GYRE_SUBMIT_FORGET;
    kernel->in_flight = false;
    kernel->stats.submissions -= 1;
    atomic_fetch_add(&kernel->ends, 1);
}

void residency_kick(struct gyre_kernel *kernel)
{
    if (kernel_runs(kernel) && !kernel->in_flight && window_can_run(kernel)) {
        residency_submit(kernel, 0);
    }
}

static struct gyre_kernel *kernel_of(struct carried *carried)
{
    return (struct gyre_kernel *)((char *)carried - offsetof(struct gyre_kernel, carried));
}

/* From any thread, without the lock, but with the carrier's: it is in flight until that is given
 * up. STRICT does not hear it: its budget bounds it.
 *
 * A PAUSE at the same time must not be lost. residency_command() stores `wanted`, then the words;
 * here the words are stored, then `wanted` is read. In the one order of all these, either this
 * YIELD comes before the PAUSE in the word, or `wanted` is seen. */
static void yield(struct carried *carried)
{
    struct gyre_kernel *kernel = kernel_of(carried);
    if (!kernel->live) {
        return;
    }
    store_command(kernel, GYRE_COMMAND_YIELD);
    uint32_t wanted = (uint32_t)atomic_load(&kernel->wanted);
    if (wanted != GYRE_COMMAND_RUN) {
        store_command(kernel, wanted);
    }
}

/* From the carrier's thread, without the lock, when a submission has ended. */
static uint64_t measure(const struct carried *carried)
{
    const struct gyre_kernel *kernel =
        (const struct gyre_kernel *)((const char *)carried - offsetof(struct gyre_kernel, carried));
    const struct device *device = kernel->services.device;
    if (carried->commands != kernel->build.timed) {
        return 0;
    }
    const uint64_t *times = kernel->build.times.mapped;
    uint64_t ticks = times[1] - times[0];
    if (device->timestamp_valid_bits < 64) {
        ticks &= (UINT64_C(1) << device->timestamp_valid_bits) - 1;
    }
    return (uint64_t)((double)ticks * (double)device->limits.timestampPeriod);
}

static void count_reason(gyre_exits *exits, uint32_t reason)
{
    switch (reason) {
    case GYRE_EXIT_IDLE:
        exits->idle += 1;
        break;
    case GYRE_EXIT_FUEL:
        exits->fuel += 1;
        break;
    case GYRE_EXIT_BUDGET:
        exits->budget += 1;
        break;
    case GYRE_EXIT_YIELD:
        exits->yield += 1;
        break;
    case GYRE_EXIT_PAUSE:
        exits->pause += 1;
        break;
    case GYRE_EXIT_TERMINATE:
        exits->terminate += 1;
        break;
    case GYRE_EXIT_OUTPUT:
        exits->output_full += 1;
        break;
    case GYRE_EXIT_LINK:
        exits->link_full += 1;
        break;
    case GYRE_EXIT_RETURNED:
        exits->returned += 1;
        break;
    default:
        exits->cut += 1;
        break;
    }
}

/* Of messages that came by links the device's word is all there is. */
static void count_linked(struct gyre_kernel *kernel, const struct gyre_Exit *exit)
{
    if (!(kernel->links & GYRE_LINKS_IN)) {
        return;
    }
    uint32_t failed = exit->linked_failed < exit->linked ? exit->linked_failed : exit->linked;
    kernel->stats.accepted += exit->linked;
    kernel->stats.linked += exit->linked;
    kernel->stats.processed += exit->linked - failed;
    kernel->stats.failed += failed;
}

static void account_exit(struct gyre_kernel *kernel, struct group *group, uint32_t link,
                         struct outcome *outcome)
{
    uint32_t serial = kernel->serial;
    struct gyre_Exit exit = group->status->exits[link];
    bool stamped = exit.stamp >> 8 == serial;
    uint32_t reason = stamped ? exit.stamp & 0xff : GYRE_EXIT_CUT;
    if (stamped && reason == GYRE_EXIT_VERSION) {
        outcome->version = true;
        return;
    }
    if (exit.began != serial) {
        return; /* a dispatch that nobody asked for */
    }
    kernel->stats.residencies += 1;
    count_reason(&kernel->stats.exits, reason);
    outcome->reason = reason;
    outcome->cut = outcome->cut || reason == GYRE_EXIT_CUT;
    /* Where the driver can end a residency without a word, the device keeps the record while it
     * goes. */
    const struct program *program = &kernel->build.program;
    bool droppable = program->quirks & GYRE_QUIRK_LOOPS_CUT && program->local_count > 1;
    if (stamped || droppable) {
        outcome->messages += exit.messages;
        outcome->failed += exit.failed;
        outcome->looks += exit.looks;
        kernel->stats.redelivered += exit.redone;
        count_linked(kernel, &exit);
        group->begun = exit.claimed;
        memcpy(group->lane_begun, exit.begun, sizeof group->lane_begun);
    }
}

static struct outcome account(struct gyre_kernel *kernel)
{
    struct outcome outcome = {0};
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        for (uint32_t link = 0; link < kernel->params.chain; ++link) {
            account_exit(kernel, &kernel->build.groups[i], link, &outcome);
        }
    }
    return outcome;
}

/* What the device consumed of what was published after the submission. */
static uint64_t seen_live(const struct gyre_kernel *kernel)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        const struct group *group = &kernel->build.groups[i];
        for (uint32_t lane = 0; lane < GYRE_LANES; ++lane) {
            int32_t beyond = (int32_t)(group->input[lane].head - group->submitted[lane]);
            seen += beyond > 0 ? (uint64_t)beyond : 0;
        }
    }
    return seen;
}

/* Whether the workgroup's residency has left, as far as the host can tell. Relaxed: if the word
 * comes late, a submission counts as blind that was not, and one in a row is not enough. */
static bool has_left(const struct gyre_kernel *kernel, const struct group *group)
{
    const struct gyre_Exit *exits = group->status->exits;
    uint32_t idle = kernel->serial << 8 | GYRE_EXIT_IDLE;
    for (uint32_t link = 0; link < kernel->params.chain; ++link) {
        if (shared_load_relaxed(&exits[link].stamp) == idle) {
            return true;
        }
    }
    return shared_load_relaxed(&exits[kernel->params.chain - 1].stamp) >> 8 == kernel->serial;
}

/* Whether the last thing that it did was to look for messages, to no avail: until it had enough, or
 * until it was out of fuel. */
static bool looked_in_vain(const struct gyre_kernel *kernel, const struct group *group)
{
    const struct gyre_Exit *last = NULL;
    for (uint32_t link = 0; link < kernel->params.chain; ++link) {
        const struct gyre_Exit *exit = &group->status->exits[link];
        last = exit->began == kernel->serial ? exit : last;
    }
    uint32_t serial = kernel->serial << 8;
    return last && (last->stamp == (serial | GYRE_EXIT_IDLE) ||
                    (last->stamp == (serial | GYRE_EXIT_FUEL) && last->messages == 0));
}

void residency_note_placed(struct gyre_kernel *kernel, const struct group *group)
{
    if (!has_left(kernel, group)) { /* one that has could not see it */
        kernel->placed_in = group;
        kernel->placed_ns = base_now_ns();
    }
}

/* A submission that looked in vain to its end, though there was something for at least half of the
 * time for which it looks, is blind. */
static void judge_sight(struct gyre_kernel *kernel, uint64_t seen, uint64_t ended_ns)
{
    if (!kernel->live) {
        return;
    }
    if (seen > 0) {
        kernel->blind = 0;
        return;
    }
    bool looked = kernel->placed_in && looked_in_vain(kernel, kernel->placed_in) &&
                  ended_ns - kernel->placed_ns >= idle_ns(kernel) / 2;
    kernel->blind += looked;
    if (kernel->blind < BLIND_MOST) {
        return;
    }
    kernel->live = false;
    log_say(
        kernel->services.log, GYRE_LOG_WARNING,
        "kernel %s: LIVE is dropped: %u submissions in a row did not see the messages that came "
        "while they ran; from now on, as with STRICT, a message waits for the next submission",
        kernel->id, kernel->blind);
}

/* Fuel so that the driver's cut comes seldom: a message that it hits is worked on twice. */
static void adapt_fuel(struct gyre_kernel *kernel, const struct outcome *outcome)
{
    if (kernel->params.fuel || !(kernel->build.program.quirks & GYRE_QUIRK_LOOPS_CUT)) {
        return;
    }
    uint32_t most = default_fuel(kernel);
    if (outcome->cut) {
        uint64_t used = outcome->looks * 3 / 4;
        kernel->fuel = used < 1 ? 1 : used > kernel->fuel ? kernel->fuel : (uint32_t)used;
    } else if (outcome->reason == GYRE_EXIT_FUEL) {
        uint32_t more = kernel->fuel + kernel->fuel / 16 + 1;
        kernel->fuel = more > most ? most : more;
    }
}

static void adapt_budget(struct gyre_kernel *kernel, const struct outcome *outcome,
                         uint64_t took_ns)
{
    if (!outcome->messages) {
        return;
    }
    uint64_t each = took_ns / outcome->messages + 1;
    /* At most four times the messages of before: one quick submission proves little. */
    uint64_t least = kernel->message_ns ? kernel->message_ns / 4
                                        : kernel->services.bound_ns / FIRST_BUDGET / 4;
    kernel->message_ns = each > least ? each : least ? least : 1;
}

/* A kernel that gets nowhere though it has work would be submitted for ever. */
static void judge(struct gyre_kernel *kernel, const struct outcome *outcome)
{
    const struct log *log = kernel->services.log;
    if (outcome->version) {
        kernel_fail(kernel, log_fail(log, GYRE_ERROR_INTERFACE,
                                     "kernel %s: the shader and this library disagree about "
                                     "the interface version",
                                     kernel->id));
        return;
    }
    bool called = outcome->reason == GYRE_EXIT_PAUSE || outcome->reason == GYRE_EXIT_TERMINATE ||
                  outcome->reason == GYRE_EXIT_YIELD || outcome->reason == GYRE_EXIT_OUTPUT;
    if (outcome->messages || called || !kernel->found_work) {
        kernel->strikes = 0;
        return;
    }
    kernel->strikes += 1;
    if (kernel->strikes < STRIKES) {
        return;
    }
    if (outcome->reason == GYRE_EXIT_RETURNED) {
        kernel_fail(kernel, log_fail(log, GYRE_ERROR_HANDLER,
                                     "kernel %s: main() returns without taking a message: it "
                                     "must loop while gyre_receive() is true",
                                     kernel->id));
    } else if (outcome->cut || outcome->reason == GYRE_EXIT_NONE) {
        kernel_fail(kernel, log_fail(log, GYRE_ERROR_LOOP_LIMIT,
                                     "kernel %s: the driver ends its loops before it has "
                                     "taken a message",
                                     kernel->id));
    } else {
        kernel_fail(kernel, log_fail(log, GYRE_ERROR_CORRUPT,
                                     "kernel %s: the device does not see the messages that "
                                     "were submitted",
                                     kernel->id));
    }
}

static void finish_termination(struct gyre_kernel *kernel)
{
    window_drop(kernel);
    links_end(kernel);
    kernel->state = GYRE_TERMINATED;
    kernel->terminated_ns = base_now_ns();
    request_end_all(kernel, GYRE_ERROR_TERMINATED);
}

void residency_go_on(struct gyre_kernel *kernel)
{
    bool to_drain =
        kernel->draining && kernel->fault == GYRE_OK &&
        (kernel->staging.count > 0 || window_count(kernel) > 0 || route_inflow(kernel).waiting > 0);
    if (kernel->state == GYRE_TERMINATING && !to_drain) {
        finish_termination(kernel);
    } else if (kernel->state == GYRE_DEACTIVATED) {
        window_take_back(kernel);
    } else {
        window_fill(kernel);
        residency_kick(kernel);
    }
}

static bool is_unpublished(const struct gyre_kernel *kernel)
{
    bool any = false;
    for (uint32_t i = 0; i < kernel->params.workgroups; ++i) {
        any = any || (kernel->build.groups[i].begun & GYRE_CLAIMED_UNPUBLISHED) != 0;
    }
    return any;
}

/* A driver that cuts loops can do so between an acknowledgement and the stores that publish what
 * the message sent to links. These come before all else: a pause, an end, or new tables. */
static bool settle(struct gyre_kernel *kernel)
{
    bool again = kernel->settling;
    kernel->settling = kernel->fault == GYRE_OK && is_unpublished(kernel);
    if (kernel->settling && again) {
        kernel->settling = false;
        kernel_fail(kernel, log_fail(kernel->services.log, GYRE_ERROR_LOOP_LIMIT,
                                     "kernel %s: it has more links than the driver runs loops for",
                                     kernel->id));
    }
    return kernel->settling && residency_submit(kernel, 0) == GYRE_OK;
}

static void warm_up_completed(struct gyre_kernel *kernel, gyre_result result)
{
    for (uint32_t i = 0; i < kernel->params.workgroups && result == GYRE_OK; ++i) {
        uint32_t stamp = kernel->build.groups[i].status->exits[0].stamp;
        if (stamp != (kernel->serial << 8 | GYRE_EXIT_WARM_UP)) {
            result = log_fail(kernel->services.log, GYRE_ERROR_INTERFACE,
                              "kernel %s: its warm-up did not run (exit %u)", kernel->id,
                              stamp & 0xff);
        }
    }
    kernel->launching = false;
    kernel->launch_result = result;
    if (result == GYRE_OK && kernel->state == GYRE_CREATED) {
        kernel->state = GYRE_LAUNCHED;
        kernel->launched_ns = base_now_ns();
    }
}

static void completed(struct carried *carried, gyre_result result)
{
    struct gyre_kernel *kernel = kernel_of(carried);
    pthread_mutex_lock(&kernel->lock);
    uint64_t ended_ns = base_now_ns(); /* by the host's clock, as what was placed */
    uint64_t took_ns = kernel->carried.took_ns;
    kernel->in_flight = false;
    if (kernel->launching) {
        warm_up_completed(kernel, result);
        kernel_wake(kernel);
        pthread_mutex_unlock(&kernel->lock);
        return;
    }
    kernel->stats.resident_ns += took_ns;
    kernel->untimed_ns += took_ns;
    if (kernel->carried.measured && result == GYRE_OK) {
        histogram_add(&kernel->submission_time, took_ns);
    }
    if (result == GYRE_OK) {
        struct outcome outcome = account(kernel);
        route_account(kernel);
        answers_collect(kernel);
        uint64_t seen = seen_live(kernel);
        kernel->stats.live_seen += seen;
        judge_sight(kernel, seen, ended_ns);
        adapt_fuel(kernel, &outcome);
        adapt_budget(kernel, &outcome, took_ns);
        adapt_polls(kernel, &outcome, took_ns);
        judge(kernel, &outcome);
    } else {
        kernel_fail(kernel, result);
    }
    if (!settle(kernel)) {
        residency_go_on(kernel);
    }
    failure_act(kernel);
    atomic_fetch_add(&kernel->ends, 1);
    kernel_wake(kernel);
    kernel_pass_watch(kernel);
    bool linked = kernel->links != 0;
    pthread_mutex_unlock(&kernel->lock);
    if (linked) {
        route_kick(kernel);
    }
}

void residency_stir(struct gyre_kernel *kernel)
{
    pthread_mutex_lock(&kernel->lock);
    if (kernel_runs(kernel) && !kernel->in_flight) {
        residency_go_on(kernel);
        kernel_wake(kernel);
    }
    pthread_mutex_unlock(&kernel->lock);
}

void residency_init(struct gyre_kernel *kernel)
{
    kernel->carried.completed = completed;
    kernel->carried.yield = yield;
    kernel->carried.measure = measure;
    kernel->untimed_ns = UINT64_MAX / 2; /* the first one is */
    kernel->carried.weight = kernel->params.weight;
    kernel->carried.clock = &kernel->clock;
    kernel->poll_ps = POLL_PS;
    kernel->fuel = kernel->params.fuel ? kernel->params.fuel : default_fuel(kernel);
}
