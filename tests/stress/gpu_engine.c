/* The whole engine under threads. On one kernel 4 producers and 4 consumers, of which one writes
 * and one reads in place, requests that block and requests that are pumped, deadlines, failures
 * that are kept and sent again, while others pause and resume it and read its statistics; beside it
 * one that drops what is old, one that ticks, and some that come and go. Every message comes to one
 * end, and the books balance to the last one. Made for ThreadSanitizer; true without it as well. */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#include "base.h"
#include "must.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define LOAD 1u
#else
#define LOAD 8u
#endif

#define PRODUCERS 4u
#define CONSUMERS 4u
#define EACH (750u * LOAD)
#define ALL (PRODUCERS * EACH)
#define REQUESTERS 3u
#define REQUESTS (150u * LOAD)
#define BEGUN (300u * LOAD)
#define OPEN_MOST 24u
#define RESENT_MOST 40u
#define DROPPERS 2u
#define DROPPED_EACH (400u * LOAD)
#define BURST 24u
#define PAUSES 12u
#define NEIGHBOURS 4u
#define TICKS 20u

#define MASK 0x5a5a5a5au
#define SURE 0x40000000u /* values from here on do not fail */
#define US 1000ull
#define SECOND 1000000000ull
#define PATIENCE (60 * SECOND)

static const char source[] =
    "#version 460\n"
    "struct Word { uint value; };\n"
    "struct Count { uint n; };\n"
    "#define GYRE_INPUT Word\n"
    "#define GYRE_OUTPUT Word\n"
    "#define GYRE_STATE Count\n"
    "#include \"gyre/kernel.glsl\"\n"
    "layout(local_size_x = 1) in;\n"
    "void main() {\n"
    "    while (gyre_receive()) {\n"
    "        GYRE_SELF.n += 1u;\n"
    "        if (GYRE_IN.value < 0x40000000u && GYRE_IN.value % 53u == 7u) {\n"
    "            gyre_fail(GYRE_IN.value);\n"
    "        } else {\n"
    "            GYRE_OUT.value = gyre_is_tick() ? GYRE_SELF.n : GYRE_IN.value ^ 0x5a5a5a5au;\n"
    "            gyre_send();\n"
    "        }\n"
    "    }\n"
    "}\n";

static bool fails(uint32_t value)
{
    return value < SURE && value % 53 == 7;
}

struct scene {
    gyre_runtime *runtime;
    gyre_kernel *kernel;  /* BLOCK, and what fails is kept */
    gyre_kernel *dropper; /* DROP_OLDEST, of messages and answers */
    gyre_kernel *ticker;
    atomic_uint ends[ALL];    /* of each message of the producers: must be 1 */
    atomic_uint not_accepted; /* of these: their deadline came before there was room */
    atomic_uint received;
    atomic_uint letters;
    uint32_t resent;      /* by one thread */
    atomic_uint lost;     /* that on_drop told of */
    atomic_uint answered; /* requests, of both kinds */
    atomic_uint received_expired;
    atomic_uint begun_calls;
    atomic_uint dropper_lost;
    atomic_uint dropper_refused;
    atomic_uint dropper_received;
    atomic_bool sent; /* all who send have ended */
    atomic_bool over;
};

struct worker {
    struct scene *scene;
    uint32_t index;
    void *(*run)(void *);
    pthread_t thread;
};

static void end(struct scene *scene, uint32_t value)
{
    MUST(value < ALL);
    MUST(atomic_fetch_add(&scene->ends[value], 1) == 0);
}

static void on_drop(void *user, uint64_t id, gyre_result why)
{
    struct scene *scene = user;
    MUST(id != 0 && why == GYRE_ERROR_EXPIRED);
    atomic_fetch_add(&scene->lost, 1);
}

static void on_dropper_drop(void *user, uint64_t id, gyre_result why)
{
    struct scene *scene = user;
    MUST(id != 0 && why == GYRE_ERROR_DROPPED);
    atomic_fetch_add(&scene->dropper_lost, 1);
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

/* ---- messages ---- */

/* As gyre_send(), in a place that it has for itself. */
static gyre_result send_in_place(gyre_kernel *kernel, const gyre_message *message)
{
    gyre_reservation reservation;
    gyre_result result = gyre_reserve(kernel, message, 3, PATIENCE, &reservation);
    if (result == GYRE_OK) {
        memcpy(reservation.data, message->data, message->size);
        result = gyre_commit(kernel, &reservation, 1, NULL, NULL);
    }
    return result;
}

static void *produce(void *argument)
{
    const struct worker *worker = argument;
    struct scene *scene = worker->scene;
    for (uint32_t i = 0; i < EACH; ++i) {
        uint32_t value = worker->index * EACH + i;
        gyre_message message = {
            .data = &value,
            .size = sizeof value,
            .priority = value * 7 % 256,
            .correlation = value,
            .deadline_ns = value % 11 == 3   ? 1
                           : value % 11 == 5 ? 500 * US
                                             : 0,
        };
        gyre_result result = worker->index == 0 ? send_in_place(scene->kernel, &message)
                                                : gyre_send(scene->kernel, &message, PATIENCE);
        if (result == GYRE_ERROR_EXPIRED && message.deadline_ns) {
            atomic_fetch_add(&scene->not_accepted, 1);
            end(scene, value);
        } else {
            MUST(result == GYRE_OK);
        }
    }
    return NULL;
}

static void take_reply(struct scene *scene, const gyre_reply *reply)
{
    uint32_t sent = (uint32_t)reply->correlation;
    if (reply->result == GYRE_ERROR_EXPIRED) {
        MUST(reply->size == 0 && (sent % 11 == 3 || sent % 11 == 5));
        atomic_fetch_add(&scene->received_expired, 1);
    } else {
        MUST(reply->result == GYRE_OK && reply->size == sizeof sent && !fails(sent));
        MUST(*(const uint32_t *)reply->data == (sent ^ MASK));
    }
    MUST(reply->priority == sent * 7 % 256 && reply->flags & GYRE_REPLY_LAST);
    atomic_fetch_add(&scene->received, 1);
    end(scene, sent);
}

static void *consume(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    for (;;) {
        uint32_t value = 0;
        gyre_reply reply = {.data = &value, .capacity = sizeof value};
        gyre_result result = gyre_receive(scene->kernel, &reply, GYRE_FOREVER);
        if (result == GYRE_ERROR_TERMINATED) {
            return NULL;
        }
        MUST(result == GYRE_OK);
        take_reply(scene, &reply);
    }
}

static void *consume_in_place(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    for (;;) {
        gyre_reply replies[4];
        uint32_t peeked = 0;
        gyre_result result =
            gyre_peek(scene->kernel, replies, LENGTH(replies), GYRE_FOREVER, &peeked);
        if (result == GYRE_ERROR_TERMINATED) {
            return NULL;
        }
        MUST(result == GYRE_OK);
        for (uint32_t i = 0; i < peeked; ++i) {
            take_reply(scene, &replies[i]);
        }
        MUST(gyre_release(scene->kernel) == GYRE_OK);
    }
}

static void take_letter(struct scene *scene)
{
    uint32_t value = 0;
    gyre_dead_letter letter = {.data = &value, .capacity = sizeof value};
    gyre_result result = gyre_dead_letter_take(scene->kernel, &letter);
    MUST(result == GYRE_OK || result == GYRE_ERROR_EMPTY);
    if (result == GYRE_OK) {
        MUST(letter.result == GYRE_ERROR_HANDLER && letter.code == value && fails(value));
        MUST(letter.correlation == value && letter.priority == value * 7 % 256);
        atomic_fetch_add(&scene->letters, 1);
        end(scene, value);
    }
}

/* Some letters are sent again, and fail again. */
static void *take_and_resend_letters(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    uint64_t state = 5;
    while (!atomic_load(&scene->sent)) {
        uint32_t count = 0;
        if (scene->resent < RESENT_MOST && draw(&state, 2)) {
            uint32_t most = 1 + draw(&state, 2);
            MUST(gyre_dead_letter_resend(scene->kernel, most, &count) == GYRE_OK);
            MUST(count <= most);
            scene->resent += count;
        }
        take_letter(scene);
        sched_yield();
    }
    return NULL;
}

/* ---- requests ---- */

/* Each gets its own answer. Some do not wait for it. */
static void *request(void *argument)
{
    const struct worker *worker = argument;
    struct scene *scene = worker->scene;
    uint64_t state = worker->index + 100;
    for (uint32_t i = 0; i < REQUESTS; ++i) {
        uint32_t value = SURE + worker->index * REQUESTS + i;
        uint32_t answer = 0;
        uint64_t timeout_ns = i % 5 == 0 ? draw(&state, 200) * US : PATIENCE;
        gyre_message message = {
            .data = &value,
            .size = sizeof value,
            .priority = draw(&state, 256),
            .correlation = value,
            .deadline_ns = i % 7 == 1 ? 1 : 0,
        };
        gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
        gyre_result result = gyre_request(scene->kernel, &message, &reply, timeout_ns);
        if (result == GYRE_OK) {
            MUST(answer == (value ^ MASK) && reply.correlation == value);
            MUST(reply.result == GYRE_OK && reply.priority == message.priority);
            atomic_fetch_add(&scene->answered, 1);
        } else {
            MUST((result == GYRE_ERROR_EXPIRED && message.deadline_ns) ||
                 (result == GYRE_ERROR_TIMEOUT && timeout_ns != PATIENCE));
        }
    }
    return NULL;
}

struct begun {
    struct scene *scene;
    uint32_t value;
    uint32_t calls;
    uint32_t *open;
};

static void on_answer(void *user, gyre_result result, const gyre_reply *reply)
{
    struct begun *begun = user;
    MUST(begun->calls++ == 0);
    *begun->open -= 1;
    atomic_fetch_add(&begun->scene->begun_calls, 1);
    if (result == GYRE_OK) {
        MUST(reply->result == GYRE_OK && reply->correlation == begun->value);
        MUST(reply->size == sizeof begun->value);
        MUST(*(const uint32_t *)reply->data == (begun->value ^ MASK));
        atomic_fetch_add(&begun->scene->answered, 1);
    } else {
        MUST(!reply && (result == GYRE_ERROR_TIMEOUT || result == GYRE_ERROR_EXPIRED));
    }
}

/* All callbacks come on this thread: nobody else pumps the kernel. */
static void *begin_and_pump(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    struct begun *all = calloc(BEGUN, sizeof *all);
    uint32_t open = 0;
    MUST(all);
    for (uint32_t i = 0; i < BEGUN;) {
        all[i] = (struct begun){.scene = scene, .value = SURE * 2 + i, .open = &open};
        gyre_message message = {
            .data = &all[i].value,
            .size = sizeof all[i].value,
            .priority = i * 3 % 256,
            .correlation = all[i].value,
            .deadline_ns = i % 13 == 1 ? 1 : 0,
        };
        uint64_t timeout_ns = i % 9 == 2 ? 50 * US : PATIENCE;
        gyre_result result =
            gyre_request_begin(scene->kernel, &message, timeout_ns, on_answer, &all[i]);
        MUST(result == GYRE_OK || result == GYRE_ERROR_FULL);
        open += result == GYRE_OK;
        i += result == GYRE_OK;
        if (result == GYRE_ERROR_FULL || open >= OPEN_MOST) {
            MUST(gyre_pump(scene->kernel, open > 0 ? SECOND : 0, NULL) == GYRE_OK);
        }
    }
    while (open > 0) {
        MUST(gyre_pump(scene->kernel, PATIENCE, NULL) == GYRE_OK);
    }
    free(all);
    return NULL;
}

/* ---- what goes on beside them ---- */

static void check_books(gyre_kernel *kernel, gyre_stats *stats)
{
    MUST(gyre_kernel_stats(kernel, stats) == GYRE_OK);
    MUST(stats->accepted == stats->processed + stats->failed + stats->dropped + stats->expired +
                                stats->staged + stats->window);
    MUST(stats->dropped ==
         stats->dropped_oldest + stats->dropped_newest + stats->dropped_terminated);
    MUST(stats->rejected == stats->rejected_full + stats->rejected_invalid);
    MUST(stats->corrupt == 0 && stats->fault == GYRE_OK);
    MUST(stats->processing.min <= stats->processing.p50 &&
         stats->processing.p50 <= stats->processing.p99 &&
         stats->processing.p99 <= stats->processing.max);
}

static void *read_books(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    gyre_stats before = {0};
    while (!atomic_load(&scene->over)) {
        gyre_stats stats;
        check_books(scene->dropper, &stats);
        check_books(scene->ticker, &stats);
        check_books(scene->kernel, &stats);
        MUST(stats.accepted >= before.accepted && stats.processed >= before.processed &&
             stats.received >= before.received && stats.residencies >= before.residencies);
        before = stats;
    }
    return NULL;
}

static void *pause_and_resume(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    for (uint32_t i = 0; i < PAUSES; ++i) {
        gyre_stats first;
        gyre_stats second;
        while (atomic_load(&scene->received) < i * ALL / (PAUSES + 4)) {
            sched_yield(); /* all along, not only at the beginning */
        }
        MUST(gyre_kernel_deactivate(scene->kernel, PATIENCE) == GYRE_OK);
        check_books(scene->kernel, &first);
        check_books(scene->kernel, &second);
        MUST(first.residencies == second.residencies);
        MUST(gyre_kernel_reactivate(scene->kernel) == GYRE_OK);
        MUST(gyre_kernel_deactivate(scene->dropper, PATIENCE) == GYRE_OK);
        MUST(gyre_kernel_reactivate(scene->dropper) == GYRE_OK);
    }
    return NULL;
}

static void *come_and_go(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    for (uint32_t i = 0; i < NEIGHBOURS; ++i) {
        gyre_kernel *kernel = NULL;
        gyre_kernel *found = NULL;
        gyre_kernel_params params = {.id = "neighbour", .glsl = source, .tick_ns = SECOND};
        MUST(gyre_kernel_create(scene->runtime, &params, &kernel) == GYRE_OK);
        MUST(gyre_kernel_launch(kernel) == GYRE_OK);
        MUST(gyre_kernel_activate(kernel) == GYRE_OK);
        MUST(gyre_kernel_find(scene->runtime, "neighbour", &found) == GYRE_OK && found == kernel);
        uint32_t value = SURE + i;
        gyre_reply reply = {.data = &value, .capacity = sizeof value};
        gyre_message message = {.data = &value, .size = sizeof value};
        MUST(gyre_send(kernel, &message, PATIENCE) == GYRE_OK);
        MUST(gyre_receive(kernel, &reply, PATIENCE) == GYRE_OK);
        MUST(value == ((SURE + i) ^ MASK));
        gyre_kernel_destroy(kernel);
    }
    return NULL;
}

/* ---- the kernel that drops ---- */

static void await_rest(gyre_kernel *kernel)
{
    gyre_stats stats;
    for (check_books(kernel, &stats); stats.staged + stats.window > 0;
         check_books(kernel, &stats)) {
        sched_yield();
    }
}

static void *send_to_dropper(void *argument)
{
    const struct worker *worker = argument;
    struct scene *scene = worker->scene;
    for (uint32_t i = 0; i < DROPPED_EACH; ++i) {
        uint32_t value = SURE + worker->index * DROPPED_EACH + i;
        gyre_message message = {
            .data = &value,
            .size = sizeof value,
            .priority = i % 3,
            .correlation = value,
        };
        gyre_result result = gyre_send(scene->dropper, &message, 0);
        MUST(result == GYRE_OK || result == GYRE_ERROR_DROPPED);
        if (result == GYRE_ERROR_DROPPED) {
            atomic_fetch_add(&scene->dropper_refused, 1);
        }
        if (i % BURST == BURST - 1) {
            await_rest(scene->dropper); /* or next to nothing would come through */
        }
    }
    return NULL;
}

/* In the order of each producer and priority. */
static void *receive_from_dropper(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    uint32_t last[DROPPERS][3] = {{0}};
    for (;;) {
        uint32_t value = 0;
        gyre_reply reply = {.data = &value, .capacity = sizeof value};
        gyre_result result = gyre_receive(scene->dropper, &reply, GYRE_FOREVER);
        if (result == GYRE_ERROR_TERMINATED) {
            return NULL;
        }
        MUST(result == GYRE_OK && reply.result == GYRE_OK);
        MUST((value ^ MASK) == reply.correlation);
        uint32_t sent = (uint32_t)reply.correlation - SURE;
        uint32_t *before = &last[sent / DROPPED_EACH][reply.priority];
        MUST(sent % DROPPED_EACH + 1 > *before);
        *before = sent % DROPPED_EACH + 1;
        atomic_fetch_add(&scene->dropper_received, 1);
    }
}

static void finish_dropper(struct scene *scene)
{
    gyre_stats stats;
    check_books(scene->dropper, &stats);
    uint32_t refused = atomic_load(&scene->dropper_refused);
    uint32_t lost = atomic_load(&scene->dropper_lost);
    uint32_t received = atomic_load(&scene->dropper_received);
    MUST(stats.accepted == DROPPERS * DROPPED_EACH && stats.rejected == 0);
    MUST(stats.dropped == lost && stats.dropped_newest == refused);
    MUST(stats.processed + stats.dropped == stats.accepted);
    MUST(stats.received == received && received + stats.output_dropped == stats.processed);
    MUST(stats.staged + stats.window + stats.unread + stats.failed + stats.expired == 0);
    MUST(stats.dropped > 0 && stats.processed > 0);
    printf("  beside it %llu accepted, %llu gave way, %llu answers as well\n",
           (unsigned long long)stats.accepted, (unsigned long long)stats.dropped,
           (unsigned long long)stats.output_dropped);
}

/* ---- the kernel that ticks ---- */

static void *wait_for_ticks(void *argument)
{
    struct scene *scene = ((struct worker *)argument)->scene;
    uint32_t ticks = 0;
    uint32_t sent = 0;
    uint32_t answered = 0;
    while (ticks < TICKS) {
        uint32_t value = 0;
        gyre_reply reply = {.data = &value, .capacity = sizeof value};
        MUST(gyre_receive(scene->ticker, &reply, PATIENCE) == GYRE_OK);
        MUST(reply.result == GYRE_OK);
        if (reply.flags & GYRE_REPLY_TICK) {
            ticks += 1;
            MUST(value == ticks + answered); /* the handler's count */
        } else {
            MUST(reply.correlation == SURE + answered && value == ((SURE + answered) ^ MASK));
            answered += 1;
        }
        if (ticks / 4 > sent) {
            value = SURE + sent++;
            gyre_message message = {.data = &value, .size = sizeof value, .correlation = value};
            MUST(gyre_send(scene->ticker, &message, PATIENCE) == GYRE_OK);
        }
    }
    return NULL;
}

/* ---- all of it ---- */

static gyre_kernel *make(struct scene *scene, gyre_kernel_params params)
{
    gyre_kernel *kernel = NULL;
    params.glsl = source;
    params.drop_user = scene;
    MUST(gyre_kernel_create(scene->runtime, &params, &kernel) == GYRE_OK);
    MUST(gyre_kernel_launch(kernel) == GYRE_OK);
    return kernel;
}

static void open_scene(struct scene *scene, gyre_visibility visibility)
{
    gyre_runtime_params params = {
        .log = gyre_log_stderr,
        .visibility = visibility,
        .compiler = gyre_compiler_shaderc(),
    };
    MUST(gyre_runtime_create(&params, &scene->runtime) == GYRE_OK);
    scene->kernel = make(scene, (gyre_kernel_params){
                                    .id = "echo",
                                    .queue_size = 64,
                                    .output_queue_size = 32,
                                    .dead_letters = ALL,
                                    .report_all = true,
                                    .age_ns = 1000 * US,
                                    .on_drop = on_drop,
                                });
    scene->dropper = make(scene, (gyre_kernel_params){
                                     .id = "dropper",
                                     .queue_size = 8,
                                     .backpressure = GYRE_DROP_OLDEST,
                                     .window = 4,
                                     .output_queue_size = 2,
                                     .output_backpressure = GYRE_DROP_OLDEST,
                                     .on_drop = on_dropper_drop,
                                 });
    scene->ticker = make(scene, (gyre_kernel_params){.id = "ticker", .tick_ns = 300 * US});
    gyre_kernel *const all[] = {scene->kernel, scene->dropper, scene->ticker};
    MUST(gyre_kernels_activate(all, LENGTH(all)) == GYRE_OK);
}

static void start(struct worker *workers, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        MUST(pthread_create(&workers[i].thread, NULL, workers[i].run, &workers[i]) == 0);
    }
}

static void join(struct worker *workers, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        pthread_join(workers[i].thread, NULL);
    }
}

/* Everybody who sends has come to an end; what waits is processed. */
static void drain(struct scene *scene)
{
    gyre_kernel *const all[] = {scene->kernel, scene->dropper, scene->ticker};
    for (size_t i = 0; i < LENGTH(all); ++i) {
        uint64_t dropped = 1;
        MUST(gyre_kernel_terminate(all[i], GYRE_DRAIN, PATIENCE, &dropped) == GYRE_OK);
        MUST(dropped == 0);
    }
}

static void finish(struct scene *scene)
{
    gyre_stats stats;
    do {
        take_letter(scene);
        check_books(scene->kernel, &stats);
    } while (stats.dead_letters > 0);
    for (uint32_t i = 0; i < ALL; ++i) {
        MUST(atomic_load(&scene->ends[i]) == 1);
    }
    uint64_t sent = ALL - atomic_load(&scene->not_accepted);
    uint64_t resent = scene->resent;
    MUST(stats.accepted == sent + stats.requests + resent);
    MUST(stats.failed == atomic_load(&scene->letters) + resent && stats.dead_dropped == 0);
    MUST(stats.received == atomic_load(&scene->received));
    MUST(stats.expired == atomic_load(&scene->lost) && stats.dropped == 0);
    MUST(stats.staged + stats.window + stats.unread + stats.awaited == 0);
    MUST(atomic_load(&scene->begun_calls) == BEGUN);
    uint64_t answered = atomic_load(&scene->answered);
    uint64_t received_expired = atomic_load(&scene->received_expired);
    MUST(answered + stats.orphaned <= stats.requests);
    MUST(stats.processed == stats.received - received_expired + answered + stats.orphaned);
    MUST(stats.requests == answered + stats.orphaned + stats.expired - received_expired);
    MUST(stats.expired > 0 && stats.failed > 0 && answered > 0);
    printf("%s: %llu accepted, %llu expired, %llu failed, %llu of these sent again, %llu requests, "
           "%llu orphaned\n",
           stats.live ? "LIVE" : "STRICT", (unsigned long long)stats.accepted,
           (unsigned long long)stats.expired, (unsigned long long)stats.failed,
           (unsigned long long)resent, (unsigned long long)stats.requests,
           (unsigned long long)stats.orphaned);
    finish_dropper(scene);
    check_books(scene->ticker, &stats);
    MUST(stats.ticks >= TICKS && stats.accepted == stats.processed);
}

static void run(gyre_visibility visibility)
{
    struct scene *scene = calloc(1, sizeof *scene);
    MUST(scene);
    open_scene(scene, visibility);
    struct worker takers[CONSUMERS + 2]; /* until the kernels have terminated, or all is over */
    struct worker burier = {.scene = scene, .run = take_and_resend_letters};
    struct worker senders[PRODUCERS + REQUESTERS + DROPPERS + 4];
    uint32_t count = 0;
#define ADD(workers, function, number) \
    for (uint32_t i_ = 0; i_ < (number); ++i_) { \
        (workers)[count++] = (struct worker){.scene = scene, .index = i_, .run = (function)}; \
    }
    ADD(takers, consume, CONSUMERS - 1)
    ADD(takers, consume_in_place, 1)
    ADD(takers, receive_from_dropper, 1)
    ADD(takers, read_books, 1)
    MUST(count == LENGTH(takers));
    count = 0;
    ADD(senders, produce, PRODUCERS)
    ADD(senders, request, REQUESTERS)
    ADD(senders, send_to_dropper, DROPPERS)
    ADD(senders, begin_and_pump, 1)
    ADD(senders, pause_and_resume, 1)
    ADD(senders, come_and_go, 1)
    ADD(senders, wait_for_ticks, 1)
    MUST(count == LENGTH(senders));
    start(takers, LENGTH(takers));
    start(&burier, 1);
    start(senders, LENGTH(senders));
    join(senders, LENGTH(senders));
    atomic_store(&scene->sent, true);
    join(&burier, 1);
    drain(scene);
    atomic_store(&scene->over, true);
    join(takers, LENGTH(takers));
    finish(scene);
    gyre_runtime_destroy(scene->runtime);
    free(scene);
}

int main(void)
{
    run(GYRE_VISIBILITY_STRICT);
    run(GYRE_VISIBILITY_LIVE);
    puts("stress/gpu_engine: every message came to one end");
    return 0;
}
