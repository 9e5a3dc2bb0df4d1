/* Requests, callbacks, failures and deadlines under threads: some await their answers, some have
 * them called, some receive, while others pause and resume the kernel, read its statistics, and
 * send dead letters again; then it ends under all of them. Every request ends once, with its own
 * answer or a reason, and the books balance. Made for ThreadSanitizer; true without it as well. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gyre/compiler.h>
#include <gyre/gyre.h>

#include "base.h"
#include "must.h"

#define CALLERS 4u
#define BEGINNERS 2u
#define EACH 1000u
#define SECOND 1000000000ull

static const char source[] = "#version 460\n"
                             "struct Word { uint value; uint fail; };\n"
                             "#define GYRE_INPUT Word\n"
                             "#define GYRE_OUTPUT Word\n"
                             "#include \"gyre/kernel.glsl\"\n"
                             "layout(local_size_x = 1) in;\n"
                             "void main() {\n"
                             "    while (gyre_receive()) {\n"
                             "        if (GYRE_IN.fail != 0u) { gyre_fail(GYRE_IN.fail); }\n"
                             "        GYRE_OUT.value = GYRE_IN.value ^ 0x5a5a5a5au;\n"
                             "        GYRE_OUT.fail = 0u;\n"
                             "        gyre_send();\n"
                             "    }\n"
                             "}\n";

struct word {
    uint32_t value;
    uint32_t fail;
};

struct scene {
    gyre_runtime *runtime;
    gyre_kernel *kernel;
    atomic_uint begun;
    atomic_uint called;
    atomic_uint losses;
    atomic_uint sending; /* threads that still do */
    atomic_bool over;
};

static struct scene scene;

static void lose(void *user, uint64_t id, gyre_result why)
{
    (void)id;
    MUST(why == GYRE_ERROR_EXPIRED || why == GYRE_ERROR_DROPPED);
    atomic_fetch_add((atomic_uint *)user, 1);
}

static gyre_message message_of(struct word *word, uint32_t value)
{
    *word = (struct word){.value = value, .fail = value % 13 == 5 ? value : 0};
    return (gyre_message){
        .data = word,
        .size = sizeof *word,
        .priority = value * 7 % 256,
        .correlation = value,
        .deadline_ns = value % 5 == 0 ? 1 + value * 37 % 300000 : 0,
    };
}

static void check(gyre_result result, const gyre_reply *reply)
{
    if (result != GYRE_OK) {
        MUST(result == GYRE_ERROR_TIMEOUT || result == GYRE_ERROR_EXPIRED ||
             result == GYRE_ERROR_TERMINATED);
        return;
    }
    uint32_t value = (uint32_t)reply->correlation;
    if (value % 13 == 5) {
        MUST(reply->result == GYRE_ERROR_HANDLER && reply->code == value);
    } else {
        MUST(reply->result == GYRE_OK && reply->size == sizeof(struct word));
        MUST(((const struct word *)reply->data)->value == (value ^ 0x5a5a5a5au));
    }
}

static bool is_over(gyre_result result)
{
    return result == GYRE_ERROR_TERMINATED || result == GYRE_ERROR_STATE;
}

static void *call(void *argument)
{
    uint32_t first = *(const uint32_t *)argument;
    for (uint32_t value = first; value < first + EACH; ++value) {
        struct word word;
        gyre_message message = message_of(&word, value);
        struct word answer;
        gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
        uint64_t timeout_ns = value % 7 ? 60 * SECOND : value * 31 % 300000;
        gyre_result result = gyre_request(scene.kernel, &message, &reply, timeout_ns);
        if (is_over(result)) {
            break;
        }
        check(result, &reply);
        MUST(result != GYRE_OK || reply.correlation == value);
    }
    atomic_fetch_sub(&scene.sending, 1);
    return NULL;
}

static void count(void *user, gyre_result result, const gyre_reply *reply)
{
    MUST(user == &scene);
    check(result, reply);
    atomic_fetch_add(&scene.called, 1);
}

static void *begin(void *argument)
{
    uint32_t first = *(const uint32_t *)argument;
    for (uint32_t value = first; value < first + EACH; ++value) {
        struct word word;
        gyre_message message = message_of(&word, value);
        uint64_t timeout_ns = value % 7 ? 60 * SECOND : value * 31 % 300000;
        gyre_result result = GYRE_ERROR_FULL;
        while (result == GYRE_ERROR_FULL) {
            result = gyre_request_begin(scene.kernel, &message, timeout_ns, count, &scene);
        }
        if (is_over(result)) {
            break;
        }
        MUST(result == GYRE_OK);
        atomic_fetch_add(&scene.begun, 1);
        if (value % 3 == 0) {
            message = message_of(&word, value);
            result = gyre_send(scene.kernel, &message, 60 * SECOND);
            MUST(result == GYRE_OK || result == GYRE_ERROR_EXPIRED || is_over(result));
        }
    }
    atomic_fetch_sub(&scene.sending, 1);
    return NULL;
}

static void *pump(void *argument)
{
    while (!atomic_load(&scene.over)) {
        MUST(gyre_pump(scene.kernel, SECOND / 100, NULL) == GYRE_OK);
    }
    return argument;
}

static void *receive(void *argument)
{
    for (;;) {
        struct word answer;
        gyre_reply reply = {.data = &answer, .capacity = sizeof answer};
        gyre_result result = gyre_receive(scene.kernel, &reply, SECOND * 60);
        if (result == GYRE_ERROR_TERMINATED) {
            return argument;
        }
        MUST(result == GYRE_OK && reply.result == GYRE_OK); /* failures are dead letters */
        check(result, &reply);
    }
}

static void *disturb(void *argument)
{
    for (uint32_t i = 0; !atomic_load(&scene.over); ++i) {
        gyre_result result = gyre_kernel_deactivate(scene.kernel, 60 * SECOND);
        MUST(result == GYRE_OK || result == GYRE_ERROR_STATE);
        struct word word;
        gyre_dead_letter letter = {.data = &word, .capacity = sizeof word};
        result = i % 2 ? gyre_dead_letter_take(scene.kernel, &letter)
                       : gyre_dead_letter_resend(scene.kernel, 2, NULL);
        MUST(result == GYRE_OK || result == GYRE_ERROR_EMPTY || is_over(result));
        result = gyre_kernel_reactivate(scene.kernel);
        MUST(result == GYRE_OK || result == GYRE_ERROR_STATE);
        gyre_stats s;
        MUST(gyre_kernel_stats(scene.kernel, &s) == GYRE_OK);
        MUST(s.accepted == s.processed + s.failed + s.dropped + s.expired + s.staged + s.window);
        usleep(2000); /* so that the others get something done */
    }
    return argument;
}

static void check_end(void)
{
    MUST(gyre_pump(scene.kernel, 0, NULL) == GYRE_OK);
    MUST(atomic_load(&scene.called) == atomic_load(&scene.begun));
    gyre_stats s;
    MUST(gyre_kernel_stats(scene.kernel, &s) == GYRE_OK);
    MUST(s.accepted == s.processed + s.failed + s.dropped + s.expired);
    MUST(s.staged == 0 && s.window == 0 && s.awaited == 0 && s.unread == 0 && s.corrupt == 0);
    MUST(s.expired + s.dropped == atomic_load(&scene.losses));
    MUST(s.processed > 0 && s.failed > 0 && s.expired > 0 && s.requests > 0 && s.received > 0);
}

/* `early`: it is terminated while requests are still made. With GYRE_RUNTIME_BLIND it drops LIVE
 * under all those threads, some of which watch the device. */
static void run(gyre_visibility visibility, bool early, uint32_t flags)
{
    memset(&scene, 0, sizeof scene);
    gyre_runtime_params params = {
        .log = early ? NULL : gyre_log_stderr, /* refusals are to be */
        .log_level = GYRE_LOG_ERROR,
        .visibility = visibility,
        .compiler = gyre_compiler_shaderc(),
        .flags = flags,
    };
    MUST(gyre_runtime_create(&params, &scene.runtime) == GYRE_OK);
    gyre_kernel_params kernel = {
        .id = "asked",
        .glsl = source,
        .queue_size = 32,
        .output_queue_size = 8,
        .dead_letters = 4,
        .on_drop = lose,
        .drop_user = &scene.losses,
    };
    MUST(gyre_kernel_create(scene.runtime, &kernel, &scene.kernel) == GYRE_OK);
    MUST(gyre_kernel_launch(scene.kernel) == GYRE_OK);
    MUST(gyre_kernel_activate(scene.kernel) == GYRE_OK);

    void *(*const helpers[])(void *) = {pump, pump, receive, receive, disturb};
    pthread_t threads[CALLERS + BEGINNERS + LENGTH(helpers)];
    uint32_t firsts[CALLERS + BEGINNERS];
    uint32_t at = 0;
    atomic_store(&scene.sending, CALLERS + BEGINNERS);
    for (; at < CALLERS + BEGINNERS; ++at) {
        firsts[at] = at * EACH;
        MUST(pthread_create(&threads[at], NULL, at < CALLERS ? call : begin, &firsts[at]) == 0);
    }
    for (uint32_t i = 0; i < LENGTH(helpers); ++i, ++at) {
        MUST(pthread_create(&threads[at], NULL, helpers[i], NULL) == 0);
    }
    while (atomic_load(&scene.sending) > 0 &&
           !(early && atomic_load(&scene.begun) > BEGINNERS * EACH / 2)) {
        usleep(1000); /* it is looked at again then */
    }
    MUST(gyre_kernel_terminate(scene.kernel, early ? GYRE_DROP : GYRE_DRAIN, 60 * SECOND, NULL) ==
         GYRE_OK);
    atomic_store(&scene.over, true);
    for (uint32_t i = 0; i < LENGTH(threads); ++i) {
        pthread_join(threads[i], NULL);
    }
    check_end();
    gyre_runtime_destroy(scene.runtime);
}

int main(void)
{
    run(GYRE_VISIBILITY_STRICT, false, 0);
    run(GYRE_VISIBILITY_LIVE, false, 0);
    run(GYRE_VISIBILITY_LIVE, false, GYRE_RUNTIME_BLIND);
    run(GYRE_VISIBILITY_STRICT, true, 0);
    run(GYRE_VISIBILITY_LIVE, true, 0);
    run(GYRE_VISIBILITY_LIVE, true, GYRE_RUNTIME_BLIND);
    puts("stress/gpu_requests: every request ended once");
    return 0;
}
