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
#include "lines.h"
#include "output.h"
#include "reorder.h"

enum {
    BUSY_MS = 100,  /* how often the sender looks around while messages wait */
    IDLE_MS = 1000, /* and while none does */
    PROGRESS_MS = 250,
};
#define MS_NS UINT64_C(1000000)
#define TERMINATE_NS (3000 * MS_NS)
#define LAST_WRITE_NS (2000 * MS_NS) /* for a reader that does not read, once told to end */

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
    atomic_uint_fast64_t finished; /* messages whose last reply has come */
    atomic_uint_fast64_t
        moved_ns; /* when last something happened that params.timeout_ns waits for */
    pthread_mutex_t latency_lock; /* report->latency */

    /* The receiver's. */
    pthread_t receiver;
    void *answer;
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

static void stop_failed(struct session *session, gyre_result result)
{
    int none = GYRE_OK;
    atomic_compare_exchange_strong(&session->kernel_result, &none, (int)result);
    stop(session, SESSION_KERNEL_FAILED);
}

/* ---- the receiver ---- */

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

static void format_correlation(uint64_t correlation, char text[48])
{
    /* JSON's numbers are signed 64-bit ones to most readers. */
    const char *quote = correlation > INT64_MAX ? "\"" : "";
    snprintf(text, 48, "\"_correlation\": %s%" PRIu64 "%s", quote, correlation, quote);
}

static void say_failed(uint64_t line, const gyre_reply *reply)
{
    if (reply->result == GYRE_ERROR_HANDLER) {
        command_say("line %" PRIu64 ": %s (code %u)", line, gyre_result_text(reply->result),
                    reply->code);
    } else {
        command_say("line %" PRIu64 ": %s", line, gyre_result_text(reply->result));
    }
}

static void count_reply(struct session *session, const gyre_reply *reply,
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
    if (reply->flags & GYRE_REPLY_LAST) {
        atomic_fetch_add(&session->finished, 1);
    }
}

static void take(struct session *session, const gyre_reply *reply)
{
    struct session_report *report = session->report;
    const uint64_t now = base_now_ns();
    if (reply->result == GYRE_ERROR_DROPPED && atomic_load(&session->end) != SESSION_DONE) {
        return; /* by our own terminate: say_end() tells of all that were not finished at once */
    }
    const bool silent = (reply->flags & GYRE_REPLY_SILENT) != 0;
    char *text = NULL;
    if (reply->result == GYRE_OK && !silent) {
        char correlation[48];
        format_correlation(reply->correlation, correlation);
        text = layout_decode(&session->params.layout->output, reply->data, correlation);
    }
    const bool lost = reply->result == GYRE_OK && !silent && !text;
    const bool last = (reply->flags & GYRE_REPLY_LAST) != 0;
    const size_t length = text ? strlen(text) : 0;
    struct reorder_match match;
    if (!reorder_reply(session->reorder, reply->id, text, length, last, &match)) {
        command_say("a reply of the device belongs to no message (correlation %" PRIu64 ")",
                    reply->correlation);
        report->failed += 1;
        free(text);
        return;
    }
    free(text);
    if (reply->result != GYRE_OK) {
        say_failed(match.line, reply);
    } else if (lost) {
        command_say("line %" PRIu64 ": out of memory", match.line);
    }
    report->failed += reply->result != GYRE_OK || lost ? 1 : 0;
    report->silent += silent ? 1 : 0;
    report->answers += text ? 1 : 0;
    count_reply(session, reply, &match, now);
}

/* Writes what there is before it waits, and only then: somebody who types sees the answer at
 * once. */
static gyre_result next_reply(struct session *session, gyre_reply *reply)
{
    gyre_result result = gyre_try_receive(session->params.kernel, reply);
    if (result == GYRE_ERROR_EMPTY) {
        output_flush(&session->output);
        check_output(session);
        result = gyre_receive(session->params.kernel, reply, GYRE_FOREVER);
    }
    return result;
}

static void *receive(void *argument)
{
    struct session *session = argument;
    gyre_reply reply = {.data = session->answer,
                        .capacity = gyre_kernel_output_size(session->params.kernel)};
    gyre_result result = next_reply(session, &reply);
    while (result == GYRE_OK) {
        take(session, &reply);
        check_output(session);
        result = next_reply(session, &reply);
    }
    if (result != GYRE_ERROR_TERMINATED) {
        stop_failed(session, result);
    }
    reorder_settle(session->reorder);
    output_flush(&session->output);
    check_output(session);
    return NULL;
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

/* An optional whole number in a line, also as text of digits. */
static bool read_number(json_t *object, const char *key, uint64_t most, uint64_t *value, char *why,
                        size_t size)
{
    const json_t *given = json_object_get(object, key);
    if (!given) {
        return true;
    }
    if (json_is_integer(given) && json_integer_value(given) >= 0 &&
        (uint64_t)json_integer_value(given) <= most) {
        *value = (uint64_t)json_integer_value(given);
        return true;
    }
    const char *text = json_string_value(given);
    if (text && *text && strspn(text, "0123456789") == strlen(text)) {
        errno = 0;
        const uint64_t number = strtoull(text, NULL, 10);
        if (errno == 0 && number <= most) {
            *value = number;
            return true;
        }
    }
    snprintf(why, size, "%s: expected a whole number from 0 to %" PRIu64, key, most);
    return false;
}

/* An optional time in a line, in milliseconds. */
static bool read_deadline(json_t *object, uint64_t *ns, char *why, size_t size)
{
    const json_t *given = json_object_get(object, "_deadline");
    if (given && !command_milliseconds(json_number_value(given), ns)) {
        snprintf(why, size, "_deadline: expected a number of milliseconds above 0");
        return false;
    }
    return true;
}

static bool encode(struct session *session, const struct line *line, gyre_message *message,
                   char *why, size_t size)
{
    json_t *object = layout_parse(line->text, line->length, why, size);
    if (!object) {
        return false;
    }
    uint64_t priority = 0;
    message->correlation = line->number;
    const bool good =
        read_number(object, "_priority", 255, &priority, why, size) &&
        read_number(object, "_correlation", UINT64_MAX, &message->correlation, why, size) &&
        read_deadline(object, &message->deadline_ns, why, size) &&
        layout_encode(&session->params.layout->input, object, session->message, why, size);
    json_decref(object);
    message->priority = (uint32_t)priority;
    return good;
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
    return gyre_send(session->params.kernel, message, BUSY_MS * MS_NS);
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
    do {
        const uint64_t now = base_now_ns();
        if (!waits(session)) {
            atomic_store(&session->moved_ns, now); /* the time without a reply begins here */
        }
        session->first_sent_ns = session->first_sent_ns ? session->first_sent_ns : now;
        reorder_sending(session->reorder, now);
        result = try_to_send(session, message, deadline);
        if (result == GYRE_OK) {
            reorder_sent(session->reorder, *message->id);
            session->sent += 1;
            return;
        }
        reorder_not_sent(session->reorder);
        session->report->waits += result == GYRE_ERROR_TIMEOUT ? 1 : 0;
    } while (result == GYRE_ERROR_TIMEOUT && goes_on(session));
    reorder_cancel(session->reorder);
    if (result == GYRE_ERROR_FULL || result == GYRE_ERROR_DROPPED || result == GYRE_ERROR_EXPIRED) {
        refuse(session, line, result);
    } else if (result != GYRE_ERROR_TIMEOUT) {
        stop_failed(session, result);
    }
}

static void feed(struct session *session, const struct line *line)
{
    char why[256];
    uint64_t id;
    gyre_message message = {
        .data = session->message,
        .size = gyre_kernel_input_size(session->params.kernel),
        .deadline_ns = session->params.deadline_ns,
        .id = &id,
    };
    session->report->lines += 1;
    if (!encode(session, line, &message, why, sizeof why)) {
        command_say("line %" PRIu64 ": %s", line->number, why);
        session->report->bad_lines += 1;
        return;
    }
    const uint64_t deadline = message.deadline_ns ? base_deadline(message.deadline_ns)
                                                  : BASE_FOREVER;
    while (!reorder_begin(session->reorder, line->number, BUSY_MS * MS_NS)) {
        if (!goes_on(session)) {
            return;
        }
    }
    send(session, line->number, &message, deadline);
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

/* Waits for the receiver, who may wait for a reader. */
static void join(struct session *session)
{
    uint64_t deadline = BASE_FOREVER;
    struct timespec moment;
    do {
        if (deadline == BASE_FOREVER && !goes_on(session)) {
            deadline = base_deadline(LAST_WRITE_NS);
        }
        if (base_remaining_ns(deadline) == 0) {
            output_give_up(&session->output);
        }
        clock_gettime(CLOCK_REALTIME, &moment);
        moment.tv_nsec += BUSY_MS * 1000000L;
        moment.tv_sec += moment.tv_nsec / 1000000000L;
        moment.tv_nsec %= 1000000000L;
    } while (pthread_timedjoin_np(session->receiver, NULL, &moment) == ETIMEDOUT);
}

static void finish(struct session *session)
{
    while (goes_on(session) && !reorder_wait_finished(session->reorder, BUSY_MS * MS_NS)) {}
    const bool done = atomic_load(&session->end) == SESSION_DONE;
    const gyre_terminate_mode mode = done ? GYRE_DRAIN : GYRE_DROP;
    gyre_result result = gyre_kernel_terminate(session->params.kernel, mode, TERMINATE_NS, NULL);
    session->report->stuck = result == GYRE_ERROR_TIMEOUT;
    if (session->report->stuck) {
        command_say("the kernel does not stop: its handler does not return");
    } else {
        join(session);
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
        command_say("the kernel cannot go on: %s",
                    gyre_result_text(session->report->kernel_result));
        break;
    }
    if (session->report->end != SESSION_NO_READER) {
        reorder_unfinished_lines(session->reorder, say_unfinished, NULL);
    }
}

static bool open_session(struct session *session)
{
    const struct session_params *params = &session->params;
    pthread_mutex_init(&session->latency_lock, NULL);
    session->reorder = reorder_create(&(struct reorder_params){
        .unordered = params->unordered,
        .emit = emit,
        .user = session,
    });
    session->lines = lines_open(params->input, 0);
    session->message = calloc(1, (size_t)gyre_kernel_input_size(params->kernel) + 1);
    session->answer = calloc(1, (size_t)gyre_kernel_output_size(params->kernel) + 1);
    return output_open(&session->output, params->output) && session->reorder && session->lines &&
           session->message && session->answer;
}

static void close_session(struct session *session)
{
    output_close(&session->output);
    lines_close(session->lines);
    reorder_destroy(session->reorder);
    free(session->message);
    free(session->answer);
    pthread_mutex_destroy(&session->latency_lock);
    free(session);
}

static void fill_report(struct session *session)
{
    struct session_report *report = session->report;
    report->end = (enum session_end)atomic_load(&session->end);
    report->kernel_result = (gyre_result)atomic_load(&session->kernel_result);
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
    if (!open_session(session) || pthread_create(&session->receiver, NULL, receive, session) != 0) {
        close_session(session);
        return false;
    }
    feed_all(session);
    finish(session);
    fill_report(session);
    say_end(session);
    if (!report->stuck) {
        close_session(session);
    }
    return true;
}
