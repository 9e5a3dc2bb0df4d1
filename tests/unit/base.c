/* engine/base: numbers, copies, time, waiting, threads. */
#include "base.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS 1000000u

Test(base, rounding_up_gives_the_next_power_of_two)
{
    static const uint32_t pairs[][2] = {
        {0, 1},
        {1, 1},
        {2, 2},
        {3, 4},
        {4, 4},
        {5, 8},
        {63, 64},
        {64, 64},
        {65, 128},
        {65535, 65536},
        {65537, 131072},
        {0x3fffffff, 0x40000000},
        {0x40000001, 0x80000000},
        {0x80000000, 0x80000000},
    };
    for (size_t i = 0; i < LENGTH(pairs); ++i) {
        cr_assert_eq(base_round_up_power_of_two(pairs[i][0]), pairs[i][1], "%u", pairs[i][0]);
    }
}

Test(base, rounding_up_says_when_there_is_no_such_power)
{
    cr_assert_eq(base_round_up_power_of_two(0x80000001u), 0);
    cr_assert_eq(base_round_up_power_of_two(UINT32_MAX), 0);
}

Test(base, alignment_goes_to_the_next_multiple)
{
    cr_assert_eq(base_align(0, 16), 0);
    cr_assert_eq(base_align(1, 16), 16);
    cr_assert_eq(base_align(16, 16), 16);
    cr_assert_eq(base_align(17, 16), 32);
    cr_assert_eq(base_align(5, 1), 5);
    cr_assert_eq(base_align(7, 12), 12);
    cr_assert_eq(base_align((uint64_t)1 << 40 | 1, 256), ((uint64_t)1 << 40) + 256);
}

Test(base, copies_are_equal_and_apart)
{
    char text[] = "gyre";
    char *copy = base_copy_string(text);
    text[0] = 'x';
    cr_assert_str_eq(copy, "gyre");
    free(copy);
    copy = base_copy_string("");
    cr_assert_str_empty(copy);
    free(copy);
    unsigned char *bytes = base_copy("a\0b", 3);
    cr_assert_arr_eq(bytes, "a\0b", 3);
    free(bytes);
}

Test(base, a_copy_of_nothing_is_not_a_failure)
{
    cr_assert_null(base_copy_string(NULL));
    cr_assert_null(base_copy(NULL, 0));
    void *copy = base_copy("", 0);
    cr_assert_not_null(copy);
    free(copy);
}

Test(base, time_goes_forward)
{
    uint64_t before = base_now_ns();
    for (int i = 0; i < 100000; ++i) {
        uint64_t now = base_now_ns();
        cr_assert_geq(now, before);
        before = now;
    }
    nanosleep(&(struct timespec){.tv_nsec = 5 * MS}, NULL);
    cr_assert_geq(base_now_ns() - before, 5 * MS);
}

Test(base, a_deadline_lies_its_timeout_ahead)
{
    uint64_t before = base_now_ns();
    uint64_t deadline = base_deadline(50 * MS);
    uint64_t after = base_now_ns();
    cr_assert_geq(deadline, before + 50 * MS);
    cr_assert_leq(deadline, after + 50 * MS);
    cr_assert_leq(base_remaining_ns(deadline), 50 * MS);
}

Test(base, A31_forever_stays_forever)
{
    cr_assert_eq(base_deadline(BASE_FOREVER), BASE_FOREVER);
    cr_assert_eq(base_deadline(BASE_FOREVER - 1), BASE_FOREVER,
                 "a deadline must not wrap into the past");
    cr_assert_eq(base_remaining_ns(BASE_FOREVER), BASE_FOREVER);
}

Test(base, A31_nothing_remains_of_a_deadline_that_passed)
{
    cr_assert_eq(base_remaining_ns(0), 0);
    cr_assert_eq(base_remaining_ns(base_deadline(0)), 0);
    cr_assert_eq(base_remaining_ns(base_now_ns() - 1), 0);
}

struct meeting {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool arrived;
    bool blocked[NSIG];
};

static void open_meeting(struct meeting *meeting)
{
    *meeting = (struct meeting){.mutex = PTHREAD_MUTEX_INITIALIZER};
    cr_assert(base_cond_init(&meeting->cond));
}

static void *arrive(void *argument)
{
    struct meeting *meeting = argument;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    nanosleep(&(struct timespec){.tv_nsec = 20 * MS}, NULL);
    pthread_mutex_lock(&meeting->mutex);
    for (int number = 1; number < NSIG; ++number) {
        meeting->blocked[number] = sigismember(&mask, number) == 1;
    }
    meeting->arrived = true;
    pthread_cond_signal(&meeting->cond);
    pthread_mutex_unlock(&meeting->mutex);
    return NULL;
}

/* Waits for arrive() until `deadline`. */
static bool meet(struct meeting *meeting, uint64_t deadline)
{
    pthread_mutex_lock(&meeting->mutex);
    bool in_time = true;
    while (!meeting->arrived && in_time) {
        in_time = base_cond_wait(&meeting->cond, &meeting->mutex, deadline);
    }
    bool arrived = meeting->arrived;
    pthread_mutex_unlock(&meeting->mutex);
    return arrived;
}

Test(base, A31_a_wait_ends_at_its_deadline_and_not_before)
{
    struct meeting meeting;
    open_meeting(&meeting);
    uint64_t deadline = base_deadline(50 * MS);
    cr_assert_not(meet(&meeting, deadline));
    cr_assert_geq(base_now_ns(), deadline);
    cr_assert_leq(base_now_ns(), deadline + 5000ull * MS);
}

Test(base, A31_a_wait_for_a_deadline_that_passed_ends_at_once)
{
    struct meeting meeting;
    open_meeting(&meeting);
    cr_assert_not(meet(&meeting, 0));
    cr_assert_not(meet(&meeting, base_deadline(0)));
}

Test(base, A31_a_wait_ends_when_signalled_even_one_for_ever)
{
    static const uint64_t timeouts[] = {BASE_FOREVER, BASE_FOREVER - 1, BASE_FOREVER / 2,
                                        60000ull * MS};
    for (size_t i = 0; i < LENGTH(timeouts); ++i) {
        struct meeting meeting;
        pthread_t thread;
        open_meeting(&meeting);
        uint64_t start = base_now_ns();
        cr_assert(base_thread_start(&thread, arrive, &meeting));
        cr_assert(meet(&meeting, base_deadline(timeouts[i])));
        cr_assert_leq(base_now_ns() - start, 30000ull * MS);
        pthread_join(thread, NULL);
    }
}

/* The application's signals are for its own threads. */
Test(base, a_thread_takes_no_signals_and_its_starter_keeps_its_own)
{
    struct meeting meeting;
    pthread_t thread;
    open_meeting(&meeting);
    sigset_t before;
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    cr_assert(base_thread_start(&thread, arrive, &meeting));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    cr_assert(meet(&meeting, BASE_FOREVER));
    pthread_join(thread, NULL);
    static const int asynchronous[] = {SIGINT,  SIGTERM, SIGHUP,  SIGALRM,
                                       SIGCHLD, SIGUSR1, SIGUSR2, SIGPIPE};
    for (size_t i = 0; i < LENGTH(asynchronous); ++i) {
        cr_assert(meeting.blocked[asynchronous[i]], "signal %d", asynchronous[i]);
        cr_assert_eq(sigismember(&before, asynchronous[i]), sigismember(&after, asynchronous[i]));
    }
}

#ifdef __linux__
static void *note_cpus(void *set)
{
    pthread_getaffinity_np(pthread_self(), sizeof(cpu_set_t), set);
    return NULL;
}

Test(base, a_thread_runs_on_the_processors_it_is_given_and_its_starter_where_it_did)
{
    cpu_set_t before;
    pthread_getaffinity_np(pthread_self(), sizeof before, &before);
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        struct base_cpus cpus = {&cpu, 1};
        if (!CPU_ISSET(cpu, &before) || base_cpus_missing(&cpus) != UINT32_MAX) {
            continue;
        }
        cpu_set_t own;
        cpu_set_t after;
        pthread_t thread;
        cr_assert(base_thread_start_on(&thread, &cpus, note_cpus, &own));
        pthread_join(thread, NULL);
        pthread_getaffinity_np(pthread_self(), sizeof after, &after);
        cr_assert(CPU_COUNT(&own) == 1 && CPU_ISSET(cpu, &own) && CPU_EQUAL(&before, &after));
    }
}

Test(base, a_processor_that_is_not_there_is_named)
{
    static const uint32_t some[] = {0, 100000, UINT32_MAX - 1};
    cr_assert_eq(base_cpus_missing(&(struct base_cpus){some, 3}), 100000);
    cr_assert_eq(base_cpus_missing(&(struct base_cpus){some, 1}), UINT32_MAX);
    cr_assert_eq(base_cpus_missing(&(struct base_cpus){0}), UINT32_MAX);
}
#endif

Test(base, an_assertion_that_holds_is_silent)
{
    int evaluated = 0;
    ASSERT(++evaluated == 1);
    cr_assert_eq(evaluated, 1);
}

/* In release builds too. */
Test(base, an_assertion_that_does_not_hold_ends_the_process, .signal = SIGABRT)
{
    ASSERT(base_align(1, 16) == 1);
}
