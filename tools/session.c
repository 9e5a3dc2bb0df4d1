#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "books.h"
#include "lines.h"
#include "message.h"
#include "output.h"
#include "reorder.h"

enum {
    BUSY_MS = 100,  /* how often the sender looks around while messages wait */
    IDLE_MS = 1000, /* and while none does */
    HURRY_MS = 5,   /* the keeper, while somebody waits for what it finds */
    PROGRESS_MS = 250,
};
#define MS_NS UINT64_C(1000000)
#define TERMINATE_NS (3000 * MS_NS)
#define LAST_WRITE_NS (2000 * MS_NS) /* for a reader that does not read, once told to end */

struct receiver {
    struct session *session;
    const struct session_stage *stage;
    pthread_t thread;
    void *answer;
    atomic_uint_fast64_t taken; /* replies, and done with them */
};

/* Finds out that messages are over. Its own lock. */
struct keeper {
    pthread_t thread;
    bool runs;
    struct books *books;
    gyre_kernel **kernels;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    bool hurry;
    bool sleeps;    /* nothing is under way */
    uint64_t quiet; /* all before this mark is over */
};

struct session {
    struct session_params params;
    struct session_report *report;
    struct reorder *reorder;
    struct output output;
    struct lines *lines;

    /* The sender's. */
    void *message;
    uint64_t sent;
    uint64_t first_sent_ns;
    uint64_t progress_ns;   /* when the line was last shown */
    uint64_t progress_seen; /* finished messages that it showed */

    /* Both threads'. */
    atomic_int end;                /* enum session_end */
    atomic_int kernel_result;      /* gyre_result, of SESSION_KERNEL_FAILED */
    atomic_size_t kernel;          /* likewise */
    atomic_uint_fast64_t finished; /* messages that are over */
    atomic_uint_fast64_t
        moved_ns; /* when last something happened that params.timeout_ns waits for */
    pthread_mutex_t latency_lock; /* report->latency */

    struct receiver *receivers;
    size_t receiver_count; /* that run */
    struct keeper keeper;

    /* The receivers' and the keeper's: output, replies to `reorder`, what `report` says of them. */
    pthread_mutex_t lock;
    uint64_t last_reply_ns;
};

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    if (signals) {
        _exit(COMMAND_INTERRUPTED);
    }
    signals = 1;
}

void session_catch_signals(void)
{
    /* No SA_RESTART: a read that waits must end. */
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* The first reason counts. */
static void stop(struct session *session, enum session_end end)
{
    int none = SESSION_DONE;
    atomic_compare_exchange_strong(&session->end, &none, (int)end);
}

static void stop_failed(struct session *session, const struct session_stage *stage,
                        gyre_result result)
{
    int none = GYRE_OK;
    if (atomic_compare_exchange_strong(&session->kernel_result, &none, (int)result)) {
        atomic_store(&session->kernel, (size_t)(stage - session->params.stages));
    }
    stop(session, SESSION_KERNEL_FAILED);
}

/* ---- the receivers ---- */

static void emit(void *user, const char *text, size_t length)
{
    struct session *session = user;
    output_line(&session->output, text, length);
}

static void check_output(struct session *session)
{
    if (session->output.state != OUTPUT_OPEN) {
        stop(session,
             session->output.state == OUTPUT_CLOSED ? SESSION_NO_READER : SESSION_OUTPUT_FAILED);
    }
}

/* What an answer has besides its members; the caller frees it. NULL: out of memory. */
static char *format_extra(const struct session_stage *stage, uint64_t correlation)
{
    /* JSON's numbers are signed 64-bit ones to most readers. */
    const char *quote = correlation > INT64_MAX ? "\"" : "";
    char *text = NULL;
    const int length = asprintf(&text, "\"_correlation\": %s%" PRIu64 "%s%s", quote, correlation,
                                quote, stage->tag);
    return length < 0 ? NULL : text;
}

static char *format_answer(const struct session_stage *stage, const gyre_reply *reply)
{
    char *extra = format_extra(stage, reply->correlation);
    char *text = extra ? layout_decode(stage->output, reply->data, extra) : NULL;
    free(extra);
    return text;
}

static void say_failed(const struct session_stage *stage, uint64_t line, const gyre_reply *reply)
{
    char code[24] = "";
    if (reply->result == GYRE_ERROR_HANDLER) {
        snprintf(code, sizeof code, " (code %u)", reply->code);
    }
    command_say("line %" PRIu64 ": %s%s%s%s%s", line, stage->name ? "kernel " : "",
                stage->name ? stage->name : "", stage->name ? ": " : "",
                gyre_result_text(reply->result), code);
}

static void count_reply(struct session *session, const gyre_reply *reply, bool last,
                        const struct reorder_match *match, uint64_t now)
{
    session->last_reply_ns = now;
    atomic_store(&session->moved_ns, now);
    const bool lost = reply->result == GYRE_ERROR_DROPPED || reply->result == GYRE_ERROR_EXPIRED;
    session->report->lost += lost ? 1 : 0;
    if (match->first && !lost) {
        pthread_mutex_lock(&session->latency_lock);
        histogram_add(&session->report->latency, now - match->sent_ns);
        pthread_mutex_unlock(&session->latency_lock);
    }
    if (last) {
        atomic_fetch_add(&session->finished, 1);
    }
}

static bool is_silent(const gyre_reply *reply)
{
    return (reply->flags & GYRE_REPLY_SILENT) != 0;
}

static bool is_last(const struct session *session, const gyre_reply *reply)
{
    switch (session->params.over) {
    case SESSION_OVER_LAST:
        return (reply->flags & GYRE_REPLY_LAST) != 0;
    case SESSION_OVER_FIRST:
        return true;
    case SESSION_OVER_QUIET:
        break;
    }
    return reply->result == GYRE_ERROR_DROPPED || reply->result == GYRE_ERROR_EXPIRED;
}

/* Lock held. `text` is its answer, NULL if there is none to print. */
static void file_reply(struct session *session, const struct session_stage *stage,
                       const gyre_reply *reply, const char *text)
{
    struct session_report *report = session->report;
    const uint64_t now = base_now_ns();
    const bool wanted = reply->result == GYRE_OK && !is_silent(reply);
    const bool lost = wanted && stage->answers && !text;
    const bool last = is_last(session, reply);
    struct reorder_match match;
    if (!reorder_reply(session->reorder, reply->id, text, text ? strlen(text) : 0, last, &match)) {
        command_say("a reply of the device belongs to no message (correlation %" PRIu64 ")",
                    reply->correlation);
        report->failed += 1;
        return;
    }
    if (reply->result != GYRE_OK) {
        say_failed(stage, match.line, reply);
    } else if (lost) {
        command_say("line %" PRIu64 ": out of memory", match.line);
    }
    report->failed += reply->result != GYRE_OK || lost ? 1 : 0;
    report->silent += is_silent(reply) ? 1 : 0;
    report->answers += text ? 1 : 0;
    report->unprinted += wanted && !stage->answers ? 1 : 0;
    count_reply(session, reply, last, &match, now);
}

static void take(struct receiver *receiver, const gyre_reply *reply)
{
    struct session *session = receiver->session;
    const struct session_stage *stage = receiver->stage;
    if (reply->result == GYRE_ERROR_DROPPED && atomic_load(&session->end) != SESSION_DONE) {
        return; /* by our own terminate: say_end() tells of all that were not finished at once */
    }
    if (is_silent(reply) && session->params.over != SESSION_OVER_LAST) {
        return; /* it may have gone on to other kernels */
    }
    char *text = NULL;
    if (reply->result == GYRE_OK && !is_silent(reply) && stage->answers) {
        text = format_answer(stage, reply);
    }
    pthread_mutex_lock(&session->lock);
    file_reply(session, stage, reply, text);
    check_output(session);
    pthread_mutex_unlock(&session->lock);
    free(text);
}

static void flush(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    output_flush(&session->output);
    check_output(session);
    pthread_mutex_unlock(&session->lock);
}

/* Writes what there is before it waits, and only then: somebody who types sees the answer at
 * once. */
static gyre_result next_reply(struct receiver *receiver, gyre_reply *reply)
{
    gyre_result result = gyre_try_receive(receiver->stage->kernel, reply);
    if (result == GYRE_ERROR_EMPTY) {
        flush(receiver->session);
        result = gyre_receive(receiver->stage->kernel, reply, GYRE_FOREVER);
    }
    return result;
}

static void *receive(void *argument)
{
    struct receiver *receiver = argument;
    gyre_reply reply = {.data = receiver->answer,
                        .capacity = gyre_kernel_output_size(receiver->stage->kernel)};
    gyre_result result = next_reply(receiver, &reply);
    while (result == GYRE_OK) {
        take(receiver, &reply);
        atomic_fetch_add(&receiver->taken, 1);
        result = next_reply(receiver, &reply);
    }
    if (result != GYRE_ERROR_TERMINATED) {
        stop_failed(receiver->session, receiver->stage, result);
    }
    return NULL;
}

/* ---- the keeper ---- */

static bool all_taken(const struct session *session)
{
    for (size_t i = 0; i < session->params.stage_count; i++) {
        if (atomic_load(&session->receivers[i].taken) != books_received(session->keeper.books, i)) {
            return false;
        }
    }
    return true;
}

static void settle_until(struct session *session, uint64_t mark)
{
    uint64_t silent;
    pthread_mutex_lock(&session->lock);
    atomic_fetch_add(&session->finished, reorder_finish(session->reorder, mark, &silent));
    session->report->silent += silent;
    output_flush(&session->output);
    check_output(session);
    pthread_mutex_unlock(&session->lock);
}

/* What was sent before a moment in which all was quiet is over. */
static void look_at_books(struct session *session)
{
    struct keeper *keeper = &session->keeper;
    const uint64_t mark = reorder_mark(session->reorder);
    const uint64_t moves = books_moves(keeper->books);
    const bool quiet = books_are_quiet(keeper->books) && all_taken(session);
    if (books_moves(keeper->books) != moves) {
        atomic_store(&session->moved_ns, base_now_ns());
    }
    if (quiet) {
        settle_until(session, mark);
        pthread_mutex_lock(&keeper->lock);
        keeper->quiet = mark;
        pthread_cond_broadcast(&keeper->changed);
        pthread_mutex_unlock(&keeper->lock);
    }
}

/* Lock of the keeper held. */
static void keeper_sleep(struct session *session)
{
    struct keeper *keeper = &session->keeper;
    for (;;) {
        keeper->sleeps = keeper->quiet == reorder_mark(session->reorder);
        const unsigned ms = keeper->hurry ? HURRY_MS : keeper->sleeps ? IDLE_MS : BUSY_MS;
        const bool was_hurry = keeper->hurry, slept = keeper->sleeps;
        base_cond_wait(&keeper->changed, &keeper->lock, base_deadline(ms * MS_NS));
        if (keeper->stop || (was_hurry == keeper->hurry && slept == keeper->sleeps)) {
            return;
        }
    }
}

static void *keep(void *argument)
{
    struct session *session = argument;
    struct keeper *keeper = &session->keeper;
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stop) {
        pthread_mutex_unlock(&keeper->lock);
        look_at_books(session);
        pthread_mutex_lock(&keeper->lock);
        if (!keeper->stop) {
            keeper_sleep(session);
        }
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

/* Wakes the keeper if it sleeps; whether it is to find out soon. */
static void hurry(struct session *session, bool on)
{
    struct keeper *keeper = &session->keeper;
    if (!keeper->runs) {
        return;
    }
    pthread_mutex_lock(&keeper->lock);
    if (keeper->sleeps || keeper->hurry != on) {
        keeper->sleeps = false;
        keeper->hurry = on;
        pthread_cond_broadcast(&keeper->changed);
    }
    pthread_mutex_unlock(&keeper->lock);
}

/* Waits for a while until all that was sent is over. */
static bool keeper_wait(struct session *session)
{
    struct keeper *keeper = &session->keeper;
    const uint64_t deadline = base_deadline(BUSY_MS * MS_NS);
    bool in_time = true;
    pthread_mutex_lock(&keeper->lock);
    while (keeper->quiet != reorder_mark(session->reorder) && in_time) {
        in_time = base_cond_wait(&keeper->changed, &keeper->lock, deadline);
    }
    const bool over = keeper->quiet == reorder_mark(session->reorder);
    pthread_mutex_unlock(&keeper->lock);
    return over;
}

/* ---- the sender ---- */

static void show_progress(struct session *session, uint64_t now)
{
    const uint64_t finished = atomic_load(&session->finished);
    if (!session->params.progress || finished == session->progress_seen ||
        now - session->progress_ns < PROGRESS_MS * MS_NS) {
        return;
    }
    pthread_mutex_lock(&session->latency_lock);
    const gyre_latency latency = histogram_summary(&session->report->latency);
    pthread_mutex_unlock(&session->latency_lock);
    const uint64_t since = session->progress_ns ? session->progress_ns : session->first_sent_ns;
    const double rate = (double)(finished - session->progress_seen) * 1e9 / (double)(now - since);
    char text[160];
    snprintf(text, sizeof text, "gyre: %" PRIu64 " messages, %.0f/s, p50 %s, p99 %s", finished,
             rate, command_duration(latency.p50).text, command_duration(latency.p99).text);
    command_progress(text);
    session->progress_ns = now;
    session->progress_seen = finished;
}

static bool waits(struct session *session)
{
    return session->sent != atomic_load(&session->finished);
}

/* Looks around: true while the session goes on. */
static bool goes_on(struct session *session)
{
    const uint64_t now = base_now_ns();
    if (signals) {
        stop(session, SESSION_SIGNAL);
    }
    /* Time that a slow reader of our answers takes is not the kernel's. */
    if (output_is_writing(&session->output)) {
        atomic_store(&session->moved_ns, now);
    }
    const uint64_t moved = atomic_load(&session->moved_ns);
    if (session->params.timeout_ns && waits(session) && now > moved &&
        now - moved > session->params.timeout_ns) {
        stop(session, SESSION_TIMEOUT);
    }
    show_progress(session, now);
    return atomic_load(&session->end) == SESSION_DONE;
}

static const struct session_stage *input_of(const struct session *session)
{
    return &session->params.stages[session->params.input];
}

/* Its deadline counts from when its line was read, however often it is tried. */
static gyre_result try_to_send(struct session *session, gyre_message *message, uint64_t deadline)
{
    if (deadline != BASE_FOREVER) {
        message->deadline_ns = base_remaining_ns(deadline);
        if (message->deadline_ns == 0) {
            return GYRE_ERROR_EXPIRED;
        }
    }
    return gyre_send(input_of(session)->kernel, message, BUSY_MS * MS_NS);
}

static void refuse(struct session *session, uint64_t line, gyre_result result)
{
    command_say("line %" PRIu64 ": %s", line, gyre_result_text(result));
    session->report->refused += 1;
}

/* The place of the message is taken. */
static void send(struct session *session, uint64_t line, gyre_message *message, uint64_t deadline)
{
    gyre_result result;
    bool wake = false;
    do {
        const uint64_t now = base_now_ns();
        if (!waits(session)) {
            atomic_store(&session->moved_ns, now); /* the time without a reply begins here */
            wake = true;
        }
        session->first_sent_ns = session->first_sent_ns ? session->first_sent_ns : now;
        reorder_sending(session->reorder, now);
        result = try_to_send(session, message, deadline);
        if (result == GYRE_OK) {
            reorder_sent(session->reorder, *message->id);
            session->sent += 1;
            if (wake) {
                hurry(session, false);
            }
            return;
        }
        reorder_not_sent(session->reorder);
        session->report->waits += result == GYRE_ERROR_TIMEOUT ? 1 : 0;
    } while (result == GYRE_ERROR_TIMEOUT && goes_on(session));
    reorder_cancel(session->reorder);
    if (result == GYRE_ERROR_FULL || result == GYRE_ERROR_DROPPED || result == GYRE_ERROR_EXPIRED) {
        refuse(session, line, result);
    } else if (result != GYRE_ERROR_TIMEOUT) {
        stop_failed(session, input_of(session), result);
    }
}

/* The place of the next message. */
static bool take_place(struct session *session, uint64_t line)
{
    if (reorder_begin(session->reorder, line, 0)) {
        return true;
    }
    bool taken = false;
    hurry(session, true);
    while (!taken && goes_on(session)) {
        taken = reorder_begin(session->reorder, line, BUSY_MS * MS_NS);
    }
    hurry(session, false);
    return taken;
}

static void feed(struct session *session, const struct line *line)
{
    char why[256];
    uint64_t id;
    gyre_message message = {
        .data = session->message,
        .size = session->params.layout->size,
        .deadline_ns = session->params.deadline_ns,
        .id = &id,
    };
    session->report->lines += 1;
    if (!message_of_line(session->params.layout, line, session->message, &message, why,
                         sizeof why)) {
        command_say("line %" PRIu64 ": %s", line->number, why);
        session->report->bad_lines += 1;
        return;
    }
    const uint64_t deadline = message.deadline_ns ? base_deadline(message.deadline_ns)
                                                  : BASE_FOREVER;
    if (take_place(session, line->number)) {
        send(session, line->number, &message, deadline);
    }
}

/* Until the input ends, or the session. */
static void feed_all(struct session *session)
{
    struct session_report *report = session->report;
    while (goes_on(session)) {
        struct line line;
        switch (lines_next(session->lines, waits(session) ? BUSY_MS : IDLE_MS, &line)) {
        case LINES_LINE:
            feed(session, &line);
            break;
        case LINES_TOO_LONG:
            command_say("line %" PRIu64 ": longer than %zu MiB", line.number,
                        LINES_MAX_LENGTH >> 20);
            report->lines += 1;
            report->bad_lines += 1;
            break;
        case LINES_TIMEOUT:
            break;
        case LINES_ERROR:
            command_say("cannot read %s: %s", session->params.input_name, strerror(errno));
            report->input_failed = true;
            return;
        case LINES_END:
            return;
        }
    }
}

/* ---- the end ---- */

/* Waits for a thread, which may wait for a reader. */
static void join(struct session *session, pthread_t thread, uint64_t *deadline)
{
    struct timespec moment;
    do {
        if (*deadline == BASE_FOREVER && !goes_on(session)) {
            *deadline = base_deadline(LAST_WRITE_NS);
        }
        if (base_remaining_ns(*deadline) == 0) {
            output_give_up(&session->output);
        }
        clock_gettime(CLOCK_REALTIME, &moment);
        moment.tv_nsec += BUSY_MS * 1000000L;
        moment.tv_sec += moment.tv_nsec / 1000000000L;
        moment.tv_nsec %= 1000000000L;
    } while (pthread_timedjoin_np(thread, NULL, &moment) == ETIMEDOUT);
}

static void stop_keeper(struct session *session, uint64_t *deadline)
{
    struct keeper *keeper = &session->keeper;
    pthread_mutex_lock(&keeper->lock);
    keeper->stop = true;
    pthread_cond_broadcast(&keeper->changed);
    pthread_mutex_unlock(&keeper->lock);
    if (keeper->runs) {
        join(session, keeper->thread, deadline);
    }
    keeper->runs = false;
}

/* All are told before one is waited for. False: one does not end. */
static bool terminate(struct session *session, gyre_terminate_mode mode)
{
    const struct session_params *params = &session->params;
    const uint64_t deadline = base_deadline(TERMINATE_NS);
    bool ended = true;
    for (size_t i = 0; i < params->stage_count; i++) {
        gyre_kernel_terminate(params->stages[i].kernel, mode, 0, NULL);
    }
    for (size_t i = 0; i < params->stage_count; i++) {
        const gyre_result result = gyre_kernel_terminate(params->stages[i].kernel, mode,
                                                         base_remaining_ns(deadline), NULL);
        ended = ended && result != GYRE_ERROR_TIMEOUT;
    }
    return ended;
}

static bool is_over(struct session *session)
{
    return session->keeper.runs ? keeper_wait(session)
                                : reorder_wait_finished(session->reorder, BUSY_MS * MS_NS);
}

static void finish(struct session *session)
{
    uint64_t deadline = BASE_FOREVER;
    hurry(session, true);
    while (goes_on(session) && !is_over(session)) {}
    stop_keeper(session, &deadline);
    if (session->params.ending) {
        session->params.ending(session->params.user);
    }
    const bool done = atomic_load(&session->end) == SESSION_DONE;
    session->report->stuck = !terminate(session, done ? GYRE_DRAIN : GYRE_DROP);
    if (session->report->stuck) {
        command_say("the kernel does not stop: its handler does not return");
    } else {
        while (session->receiver_count > 0) {
            join(session, session->receivers[--session->receiver_count].thread, &deadline);
        }
        reorder_settle(session->reorder);
        output_flush(&session->output);
        check_output(session);
    }
    command_progress("");
}

static void say_unfinished(void *user, uint64_t first, uint64_t last, bool begun)
{
    (void)user;
    const char *what = begun ? "not all of the answers" : "no answer";
    if (first == last) {
        command_say("line %" PRIu64 ": %s", first, what);
    } else {
        command_say("lines %" PRIu64 " to %" PRIu64 ": %s", first, last, what);
    }
}

static void say_kernel_failed(const struct session *session)
{
    const struct session_report *report = session->report;
    const char *name = session->params.stages[report->kernel].name;
    command_say("the kernel %s%scannot go on: %s", name ? name : "", name ? " " : "",
                gyre_result_text(report->kernel_result));
}

static void say_end(struct session *session)
{
    const uint64_t left = session->sent - atomic_load(&session->finished);
    switch (session->report->end) {
    case SESSION_DONE:
    case SESSION_NO_READER:
        break;
    case SESSION_SIGNAL:
        command_say("stopped; %" PRIu64 " messages were dropped", left);
        return;
    case SESSION_OUTPUT_FAILED:
        command_say("cannot write %s: %s", session->params.output_name,
                    strerror(session->output.error));
        return;
    case SESSION_TIMEOUT:
        command_say("no reply for %s while %" PRIu64 " messages wait; stopped",
                    command_duration(session->params.timeout_ns).text, left);
        break;
    case SESSION_KERNEL_FAILED:
        say_kernel_failed(session);
        break;
    }
    if (session->report->end != SESSION_NO_READER) {
        reorder_unfinished_lines(session->reorder, say_unfinished, NULL);
    }
}

static bool open_receivers(struct session *session)
{
    const struct session_params *params = &session->params;
    session->receivers = calloc(params->stage_count, sizeof *session->receivers);
    bool good = session->receivers != NULL;
    for (size_t i = 0; good && i < params->stage_count; i++) {
        struct receiver *receiver = &session->receivers[i];
        *receiver = (struct receiver){
            .session = session,
            .stage = &params->stages[i],
            .answer = calloc(1, (size_t)gyre_kernel_output_size(params->stages[i].kernel) + 1),
        };
        good = receiver->answer != NULL;
    }
    return good;
}

static bool open_keeper(struct session *session)
{
    const struct session_params *params = &session->params;
    struct keeper *keeper = &session->keeper;
    keeper->kernels = calloc(params->stage_count, sizeof(gyre_kernel *));
    for (size_t i = 0; keeper->kernels && i < params->stage_count; i++) {
        keeper->kernels[i] = params->stages[i].kernel;
    }
    keeper->books = keeper->kernels ? books_open(keeper->kernels, params->stage_count) : NULL;
    return keeper->books != NULL;
}

static bool open_session(struct session *session)
{
    const struct session_params *params = &session->params;
    pthread_mutex_init(&session->latency_lock, NULL);
    pthread_mutex_init(&session->lock, NULL);
    pthread_mutex_init(&session->keeper.lock, NULL);
    session->reorder = reorder_create(&(struct reorder_params){
        .unordered = params->unordered,
        .emit = emit,
        .user = session,
    });
    session->lines = lines_open(params->input_fd, 0);
    session->message = calloc(1, (size_t)params->layout->size + 1);
    return base_cond_init(&session->keeper.changed) &&
           output_open(&session->output, params->output_fd) && session->reorder && session->lines &&
           session->message && open_receivers(session) && open_keeper(session);
}

static void close_session(struct session *session)
{
    output_close(&session->output);
    lines_close(session->lines);
    reorder_destroy(session->reorder);
    books_close(session->keeper.books);
    free(session->keeper.kernels);
    for (size_t i = 0; session->receivers && i < session->params.stage_count; i++) {
        free(session->receivers[i].answer);
    }
    free(session->receivers);
    free(session->message);
    pthread_cond_destroy(&session->keeper.changed);
    pthread_mutex_destroy(&session->keeper.lock);
    pthread_mutex_destroy(&session->lock);
    pthread_mutex_destroy(&session->latency_lock);
    free(session);
}

/* Those that cannot be started end the session before it reads a line. */
static void start_threads(struct session *session)
{
    const struct session_params *params = &session->params;
    struct keeper *keeper = &session->keeper;
    bool good = true;
    for (size_t i = 0; good && i < params->stage_count; i++) {
        struct receiver *receiver = &session->receivers[i];
        good = pthread_create(&receiver->thread, NULL, receive, receiver) == 0;
        session->receiver_count += good;
    }
    if (good && params->over != SESSION_OVER_LAST) {
        keeper->runs = good = pthread_create(&keeper->thread, NULL, keep, session) == 0;
    }
    if (!good) {
        stop_failed(session, input_of(session), GYRE_ERROR_NO_MEMORY);
    }
}

static void fill_report(struct session *session)
{
    struct session_report *report = session->report;
    report->end = (enum session_end)atomic_load(&session->end);
    report->kernel_result = (gyre_result)atomic_load(&session->kernel_result);
    report->kernel = atomic_load(&session->kernel);
    report->sent = session->sent;
    report->finished = atomic_load(&session->finished);
    if (session->last_reply_ns > session->first_sent_ns) {
        report->elapsed_ns = session->last_reply_ns - session->first_sent_ns;
    }
}

bool session_run(const struct session_params *params, struct session_report *report)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session) {
        return false;
    }
    *report = (struct session_report){0};
    session->params = *params;
    session->report = report;
    if (!open_session(session)) {
        close_session(session);
        return false;
    }
    start_threads(session);
    feed_all(session);
    finish(session);
    fill_report(session);
    say_end(session);
    if (!report->stuck) {
        close_session(session);
    }
    return true;
}
