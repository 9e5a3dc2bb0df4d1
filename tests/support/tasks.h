/* A kernel whose messages each say what to do with them, and whose answers tell what the handler
 * saw: what the tests of priorities, requests, outputs, deadlines, failures and telemetry run. */
#ifndef GYRE_TEST_TASKS_H
#define GYRE_TEST_TASKS_H

#include "counting.h"
#include "flow.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TASKS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TASKS_SANITIZED 1
#endif
#endif
#ifndef TASKS_SANITIZED
#define TASKS_SANITIZED 0 /* for how much of a thing there is to be */
#endif

/* Looks until it is so; that it never is fails the test. */
#define until(condition) \
    do { \
        uint64_t until_ = rig_now_ns() + PATIENCE; \
        while (!(condition)) { \
            cr_assert(rig_now_ns() < until_, "it never came that %s", #condition); \
            counting_sleep(MS / 4); \
        } \
    } while (0)

#define TASKS_ANSWERS_MAX 3u

struct task {
    uint32_t value;
    uint32_t turns;  /* of work: COUNTING_SLOW */
    uint32_t silent; /* 1: no answer */
    uint32_t more;   /* answers beyond the first */
    uint32_t fail;   /* the code to fail with; 0: does not */
    uint32_t heals;  /* fails only as one of the kernel's first so many messages; 0: always */
};

struct done {
    uint32_t value;
    uint32_t which; /* of the answers to its message, from 0 */
    uint32_t order; /* which message of the kernel's life this was, from 1 */
    uint32_t priority;
    uint32_t type;
    uint32_t key;
    uint32_t tick;
    uint32_t worked;
};

/* One answer to a message, or up to TASKS_ANSWERS_MAX. The text lives until the calling thread asks
 * for another kernel's. */
gyre_kernel_params tasks_params(const char *id);
gyre_kernel_params tasks_params_many(const char *id);

/* `message` says all but data and size. */
gyre_result task_try(gyre_kernel *kernel, struct task task, gyre_message message,
                     uint64_t timeout_ns);

/* Must be taken; its id. */
uint64_t task_send(gyre_kernel *kernel, struct task task, uint32_t priority);

/* As many with the values from `first` up, all of one priority; each must be taken. */
void tasks_send(gyre_kernel *kernel, uint32_t first, uint32_t count, uint32_t priority);

/* The next reply, which must come. */
gyre_reply task_take(gyre_kernel *kernel, struct done *done);

/* The next reply must be the answer to `value`, worked on as message number `order`. */
void task_expect(gyre_kernel *kernel, uint32_t value, uint32_t order);

/* Nothing is there to be received, and nothing was lost on the way. */
void tasks_expect_none(gyre_kernel *kernel);

/* The ways to hand a message over. */
enum task_path { TASK_SEND, TASK_TRY_SEND, TASK_REQUEST, TASK_REQUEST_BEGIN, TASK_PATHS };

const char *task_path_name(enum task_path path);

/* Hands it over and, if it was taken, brings its reply. */
gyre_result task_by(enum task_path path, gyre_kernel *kernel, const gyre_message *message,
                    gyre_reply *reply);

/* Is every message accounted for, and every loss by its cause? True at every moment. */
bool books_balance(const gyre_stats *stats);

/* What a failure of the books is to be understood by. */
const char *books_text(const gyre_stats *stats);

/* Something that looks like chance and is the same in every run. */
uint32_t tasks_mix(uint32_t value);

#endif
