/* engine/staging against a model: random operations on both, a sorted array beside the real thing.
 * A sequence that tells them apart is shrunk and printed. Broken variants of staging prove that the
 * search finds what it is there to find.
 *
 * GYRE_TEST_SEED and GYRE_TEST_SEQUENCES choose other sequences, and more of them. */
#include "staging.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

enum { SEQUENCES = 30000, SHORTEST = 50, LONGEST = 200, LARGEST_CAPACITY = 12, LARGEST_BEYOND = 6 };
enum { LARGEST_AGE = 6, LONGEST_STEP = 8 }; /* in ticks of a clock that the sequence moves */
enum { ENTRIES_MAX = 64 };

/* What is tried: the real functions, or some of them broken. */
struct subject {
    const char *name;
    struct staging_entry *(*new_entry)(struct staging *staging);
    void (*recycle)(struct staging *staging, struct staging_entry *entry);
    void (*add)(struct staging *staging, struct staging_entry *entry);
    void (*put_back)(struct staging *staging, struct staging_entry *entry);
    struct staging_entry *(*peek)(const struct staging *staging);
    struct staging_entry *(*take)(struct staging *staging);
    struct staging_entry *(*peek_lowest)(const struct staging *staging);
    void (*remove)(struct staging *staging, struct staging_entry *entry);
    struct staging_entry *(*take_expired)(struct staging *staging, uint64_t now);
    uint64_t (*next_deadline)(const struct staging *staging);
    struct staging_entry *(*peek_aged)(const struct staging *staging, uint64_t now, uint64_t age);
};

#define REAL \
    .new_entry = staging_new, .recycle = staging_recycle, .add = staging_add, \
    .put_back = staging_put_back, .peek = staging_peek, .take = staging_take, \
    .peek_lowest = staging_peek_lowest, .remove = staging_remove, \
    .take_expired = staging_take_expired, .next_deadline = staging_next_deadline, \
    .peek_aged = staging_peek_aged

static const struct subject real = {.name = "staging", REAL};

enum kind {
    ADD,
    ADD_DROPPING,
    ADD_MORTAL,
    TAKE,
    TAKE_AGED,
    EXPIRE,
    PASS,
    PUT_BACK,
    PUT_BACK_ALL,
    ACKNOWLEDGE,
    REMOVE,
    REMOVE_LOWEST,
    KINDS
};

static const char *const kind_names[KINDS] = {
    [ADD] = "add, refused when full, of priority",
    [ADD_DROPPING] = "add, dropping when full, of priority",
    [ADD_MORTAL] = "add with a deadline, of priority",
    [TAKE] = "take",
    [TAKE_AGED] = "take by age",
    [EXPIRE] = "take one that has expired",
    [PASS] = "let ticks pass:",
    [PUT_BACK] = "put back taken number",
    [PUT_BACK_ALL] = "put back all taken, last first",
    [ACKNOWLEDGE] = "recycle taken number",
    [REMOVE] = "remove staged number",
    [REMOVE_LOWEST] = "remove the lowest",
};

struct operation {
    enum kind kind;
    uint32_t value;
    uint32_t ticks; /* ADD_MORTAL: until the deadline */
};

struct sequence {
    uint32_t capacity;
    uint32_t beyond;
    uint32_t age; /* ticks that count as a priority */
    uint32_t length;
    struct operation operations[LONGEST];
};

struct modelled {
    uint64_t id;
    uint32_t priority;
    uint64_t deadline; /* 0: none */
    uint64_t added;
    struct staging_entry *entry;
};

/* One run of a sequence. */
struct run {
    const struct subject *subject;
    const struct sequence *sequence;
    struct staging staging;
    struct modelled staged[ENTRIES_MAX]; /* as they are to come out */
    struct modelled taken[ENTRIES_MAX];  /* as they came out */
    uint32_t staged_count;
    uint32_t taken_count;
    uint64_t next_id;
    uint64_t now;
    bool differs;
    char difference[160];
};

__attribute__((format(printf, 3, 4))) static bool must(struct run *run, bool holds,
                                                       const char *format, ...)
{
    if (!holds && !run->differs) {
        run->differs = true;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(run->difference, sizeof run->difference, format, arguments);
        va_end(arguments);
    }
    return holds;
}

static void insert(struct modelled *array, uint32_t *count, uint32_t at, struct modelled what)
{
    memmove(array + at + 1, array + at, (*count - at) * sizeof *array);
    array[at] = what;
    *count += 1;
}

static struct modelled extract(struct modelled *array, uint32_t *count, uint32_t at)
{
    struct modelled what = array[at];
    *count -= 1;
    memmove(array + at, array + at + 1, (*count - at) * sizeof *array);
    return what;
}

static uint32_t first_not_above(const struct run *run, uint32_t priority)
{
    uint32_t at = 0;
    while (at < run->staged_count && run->staged[at].priority > priority) {
        at += 1;
    }
    return at;
}

static uint32_t first_below(const struct run *run, uint32_t priority)
{
    uint32_t at = first_not_above(run, priority);
    while (at < run->staged_count && run->staged[at].priority == priority) {
        at += 1;
    }
    return at;
}

/* The oldest of the least urgent. */
static uint32_t lowest(const struct run *run)
{
    return first_not_above(run, run->staged[run->staged_count - 1].priority);
}

static bool is_live(const struct run *run, const struct staging_entry *entry)
{
    bool live = false;
    for (uint32_t i = 0; i < run->staged_count; ++i) {
        live = live || run->staged[i].entry == entry;
    }
    for (uint32_t i = 0; i < run->taken_count; ++i) {
        live = live || run->taken[i].entry == entry;
    }
    return live;
}

/* staging_new, with what it promises. NULL where the bound is reached, or on a difference. */
static struct staging_entry *make(struct run *run)
{
    struct staging_entry *entry = run->subject->new_entry(&run->staging);
    uint64_t bound = (uint64_t)run->sequence->capacity + run->sequence->beyond;
    bool expected = run->staged_count + run->taken_count < bound;
    if (!must(run, expected == (entry != NULL), "new gives %s with %u staged and %u taken",
              entry ? "an entry" : "nothing", run->staged_count, run->taken_count) ||
        !entry) {
        return NULL;
    }
    if (!must(run, !is_live(run, entry), "new gives an entry that is in use")) {
        return NULL;
    }
    const struct staging_entry blank = {0};
    must(run, memcmp(entry, &blank, offsetof(struct staging_entry, payload)) == 0,
         "new gives an entry that is not blank");
    return entry;
}

static void do_add(struct run *run, uint32_t priority, uint64_t deadline)
{
    struct staging_entry *entry = make(run);
    if (!entry) {
        return;
    }
    entry->priority = priority;
    entry->id = run->next_id++;
    entry->deadline = deadline;
    entry->added = run->now;
    memcpy(entry->payload, &entry->id, sizeof entry->id);
    struct modelled what = {
        .id = entry->id,
        .priority = priority,
        .deadline = deadline,
        .added = run->now,
        .entry = entry,
    };
    run->subject->add(&run->staging, entry);
    insert(run->staged, &run->staged_count, first_below(run, priority), what);
}

static void do_remove(struct run *run, uint32_t at)
{
    struct modelled what = extract(run->staged, &run->staged_count, at);
    run->subject->remove(&run->staging, what.entry);
    run->subject->recycle(&run->staging, what.entry);
}

/* The oldest of the lowest priority goes, never one above the newcomer. */
static void do_add_dropping(struct run *run, uint32_t priority)
{
    if (run->staged_count >= run->sequence->capacity && run->staged_count > 0) {
        if (run->staged[run->staged_count - 1].priority > priority) {
            return;
        }
        do_remove(run, lowest(run));
    }
    if (run->staged_count < run->sequence->capacity) {
        do_add(run, priority, 0);
    }
}

/* As what it counts after its time of waiting. */
static uint32_t counted(const struct run *run, uint32_t at)
{
    uint64_t more = (run->now - run->staged[at].added) / run->sequence->age;
    uint64_t sum = run->staged[at].priority + more;
    return sum < STAGING_PRIORITIES ? (uint32_t)sum : STAGING_PRIORITIES - 1;
}

/* The one that counts most, the oldest among equals. */
static uint32_t most_aged(const struct run *run)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < run->staged_count; ++i) {
        bool older = run->staged[i].id < run->staged[best].id;
        uint32_t count = counted(run, i);
        uint32_t most = counted(run, best);
        best = count > most || (count == most && older) ? i : best;
    }
    return best;
}

static uint64_t first_deadline(const struct run *run)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < run->staged_count; ++i) {
        uint64_t deadline = run->staged[i].deadline;
        first = deadline && deadline < first ? deadline : first;
    }
    return first;
}

static uint32_t find(const struct run *run, const struct staging_entry *entry)
{
    uint32_t at = 0;
    while (at < run->staged_count && run->staged[at].entry != entry) {
        at += 1;
    }
    return at;
}

/* Which of those with the same deadline comes first is not said. */
static void do_expire(struct run *run)
{
    struct staging_entry *entry = run->subject->take_expired(&run->staging, run->now);
    uint64_t first = first_deadline(run);
    if (!must(run, (entry != NULL) == (first <= run->now), "take_expired gives %s",
              entry ? "something" : "nothing") ||
        !entry) {
        return;
    }
    uint32_t at = find(run, entry);
    if (must(run, at < run->staged_count, "take_expired gives what is not staged")) {
        must(run, run->staged[at].deadline == first, "%llu expires, before one with an earlier end",
             (unsigned long long)entry->id);
        extract(run->staged, &run->staged_count, at);
        run->subject->recycle(&run->staging, entry);
    }
}

static void do_take_aged(struct run *run)
{
    struct staging_entry *entry =
        run->subject->peek_aged(&run->staging, run->now, run->sequence->age);
    if (!must(run, (entry != NULL) == (run->staged_count > 0), "peek_aged gives %s",
              entry ? "something" : "nothing") ||
        !entry) {
        return;
    }
    uint32_t at = most_aged(run);
    uint32_t count = counted(run, at);
    if (must(run, entry == run->staged[at].entry && entry->counted == count,
             "peek_aged gives %llu as %u, the model %llu as %u", (unsigned long long)entry->id,
             entry->counted, (unsigned long long)run->staged[at].id, count)) {
        run->subject->remove(&run->staging, entry);
        insert(run->taken, &run->taken_count, run->taken_count,
               extract(run->staged, &run->staged_count, at));
    }
}

static void do_take(struct run *run)
{
    struct staging_entry *entry = run->subject->take(&run->staging);
    if (run->staged_count == 0) {
        must(run, !entry, "take gives something of nothing");
        return;
    }
    struct modelled what = extract(run->staged, &run->staged_count, 0);
    if (!must(run, entry == what.entry, "take gives %lld, the model %llu",
              entry ? (long long)entry->id : -1, (unsigned long long)what.id)) {
        return;
    }
    uint64_t payload;
    memcpy(&payload, entry->payload, sizeof payload);
    must(run, entry->id == what.id && entry->priority == what.priority, "the entry has changed");
    must(run, payload == what.id, "the payload has changed");
    insert(run->taken, &run->taken_count, run->taken_count, what);
}

/* Among its equals by id, which is the order of adding. */
static void do_put_back(struct run *run, uint32_t which)
{
    struct modelled what = extract(run->taken, &run->taken_count, which);
    uint32_t at = first_not_above(run, what.priority);
    while (at < run->staged_count && run->staged[at].priority == what.priority &&
           run->staged[at].id < what.id) {
        at += 1;
    }
    run->subject->put_back(&run->staging, what.entry);
    insert(run->staged, &run->staged_count, at, what);
}

static void step(struct run *run, struct operation operation)
{
    switch (operation.kind) {
    case ADD:
        if (run->staged_count < run->sequence->capacity) {
            do_add(run, operation.value, 0);
        }
        break;
    case ADD_MORTAL:
        if (run->staged_count < run->sequence->capacity) {
            do_add(run, operation.value, run->now + operation.ticks);
        }
        break;
    case ADD_DROPPING:
        do_add_dropping(run, operation.value);
        break;
    case TAKE:
        do_take(run);
        break;
    case TAKE_AGED:
        do_take_aged(run);
        break;
    case EXPIRE:
        do_expire(run);
        break;
    case PASS:
        run->now += operation.value;
        break;
    case PUT_BACK:
        if (run->taken_count > 0) {
            do_put_back(run, operation.value % run->taken_count);
        }
        break;
    case PUT_BACK_ALL:
        while (run->taken_count > 0) {
            do_put_back(run, run->taken_count - 1);
        }
        break;
    case ACKNOWLEDGE:
        if (run->taken_count > 0) {
            uint32_t at = operation.value % run->taken_count;
            run->subject->recycle(&run->staging, extract(run->taken, &run->taken_count, at).entry);
        }
        break;
    case REMOVE:
        if (run->staged_count > 0) {
            do_remove(run, operation.value % run->staged_count);
        }
        break;
    case REMOVE_LOWEST:
        if (run->staged_count > 0) {
            do_remove(run, lowest(run));
        }
        break;
    case KINDS:
        break;
    }
}

static void compare(struct run *run)
{
    uint32_t count = run->staged_count;
    must(run, run->staging.count == count, "%llu are staged, the model has %u",
         (unsigned long long)run->staging.count, count);
    must(run, staging_is_full(&run->staging) == (count >= run->sequence->capacity), "full or not");
    const struct staging_entry *next = run->subject->peek(&run->staging);
    const struct staging_entry *last = run->subject->peek_lowest(&run->staging);
    must(run, next == (count ? run->staged[0].entry : NULL), "peek gives %lld, the model %lld",
         next ? (long long)next->id : -1, count ? (long long)run->staged[0].id : -1);
    must(run, last == (count ? run->staged[lowest(run)].entry : NULL),
         "peek_lowest gives %lld, the model %lld", last ? (long long)last->id : -1,
         count ? (long long)run->staged[lowest(run)].id : -1);
    uint64_t deadline = run->subject->next_deadline(&run->staging);
    must(run, deadline == first_deadline(run), "next_deadline gives %lld, the model %lld",
         (long long)deadline, (long long)first_deadline(run));
}

/* True if the subject does what the model does. */
static bool agrees(const struct subject *subject, const struct sequence *sequence, struct run *run)
{
    *run = (struct run){.subject = subject, .sequence = sequence, .now = 1};
    staging_init(&run->staging, sequence->capacity, sequence->beyond, sizeof(uint64_t));
    for (uint32_t i = 0; i < sequence->length && !run->differs; ++i) {
        step(run, sequence->operations[i]);
        if (!run->differs) {
            compare(run);
        }
    }
    while (!run->differs && run->staged_count > 0) {
        do_take(run);
    }
    if (!run->differs) {
        compare(run);
    }
    staging_finish(&run->staging);
    return !run->differs;
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

/* A sequence keeps to a few priorities, so that equals meet; some lie where a word of the bitmap
 * ends. */
static void generate(struct sequence *sequence, uint64_t seed)
{
    static const uint32_t edges[] = {0, 63, 64, 127, 128, 191, 192, 255};
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    uint32_t palette[6];
    uint32_t colours = 1 + draw(&state, LENGTH(palette));
    for (uint32_t i = 0; i < LENGTH(palette); ++i) {
        palette[i] = draw(&state, 2) ? edges[draw(&state, LENGTH(edges))]
                                     : draw(&state, STAGING_PRIORITIES);
    }
    *sequence = (struct sequence){
        .capacity = 1 + draw(&state, LARGEST_CAPACITY),
        .beyond = draw(&state, LARGEST_BEYOND + 1),
        .age = 1 + draw(&state, LARGEST_AGE),
        .length = SHORTEST + draw(&state, LONGEST - SHORTEST + 1),
    };
    uint32_t weights[KINDS]; /* some sequences fill, some drain */
    uint32_t total = 0;
    for (uint32_t kind = 0; kind < KINDS; ++kind) {
        weights[kind] = (kind <= TAKE ? 4 : kind <= PASS ? 2 : 1) + draw(&state, 5);
        total += weights[kind];
    }
    for (uint32_t i = 0; i < sequence->length; ++i) {
        uint32_t pick = draw(&state, total);
        uint32_t kind = 0;
        while (pick >= weights[kind]) {
            pick -= weights[kind++];
        }
        bool adds = kind == ADD || kind == ADD_DROPPING || kind == ADD_MORTAL;
        sequence->operations[i] = (struct operation){
            .kind = (enum kind)kind,
            .value = adds ? palette[draw(&state, colours)] : draw(&state, 16),
            .ticks = draw(&state, LONGEST_STEP),
        };
    }
}

static void cut(struct sequence *sequence, uint32_t from, uint32_t count)
{
    sequence->length -= count;
    memmove(sequence->operations + from, sequence->operations + from + count,
            (sequence->length - from) * sizeof *sequence->operations);
}

/* Takes `candidate` over if it still shows a difference. */
static bool take_over(const struct subject *subject, struct sequence *sequence,
                      const struct sequence *candidate)
{
    static struct run run;
    if (agrees(subject, candidate, &run)) {
        return false;
    }
    *sequence = *candidate;
    return true;
}

static bool shrink_once(const struct subject *subject, struct sequence *sequence)
{
    bool shrunk = false;
    struct sequence candidate;
    for (uint32_t count = sequence->length / 2; count > 0; count /= 2) {
        for (uint32_t from = 0; from + count <= sequence->length;) {
            candidate = *sequence;
            cut(&candidate, from, count);
            bool taken = take_over(subject, sequence, &candidate);
            shrunk = shrunk || taken;
            from += taken ? 0 : count;
        }
    }
    for (uint32_t i = 0; i < sequence->length; ++i) {
        for (uint32_t smaller = 0; smaller < sequence->operations[i].value; ++smaller) {
            candidate = *sequence;
            candidate.operations[i].value = smaller;
            if (take_over(subject, sequence, &candidate)) {
                shrunk = true;
                break;
            }
        }
    }
    for (uint32_t i = 0; i < sequence->length; ++i) {
        for (uint32_t smaller = 0; smaller < sequence->operations[i].ticks; ++smaller) {
            candidate = *sequence;
            candidate.operations[i].ticks = smaller;
            if (take_over(subject, sequence, &candidate)) {
                shrunk = true;
                break;
            }
        }
    }
    while (sequence->age > 1 &&
           (candidate = *sequence, candidate.age -= 1, take_over(subject, sequence, &candidate))) {
        shrunk = true;
    }
    while (sequence->capacity > 1 && (candidate = *sequence, candidate.capacity -= 1,
                                      take_over(subject, sequence, &candidate))) {
        shrunk = true;
    }
    while (sequence->beyond > 0 && (candidate = *sequence, candidate.beyond -= 1,
                                    take_over(subject, sequence, &candidate))) {
        shrunk = true;
    }
    return shrunk;
}

static void print_sequence(const struct sequence *sequence)
{
    fprintf(stderr, "  capacity %u, %u beyond it, a priority for %u ticks\n", sequence->capacity,
            sequence->beyond, sequence->age);
    for (uint32_t i = 0; i < sequence->length; ++i) {
        enum kind kind = sequence->operations[i].kind;
        fprintf(stderr, "  %s", kind_names[kind]);
        if (kind != TAKE && kind != TAKE_AGED && kind != EXPIRE && kind != PUT_BACK_ALL &&
            kind != REMOVE_LOWEST) {
            fprintf(stderr, " %u", sequence->operations[i].value);
        }
        if (kind == ADD_MORTAL) {
            fprintf(stderr, ", for %u ticks", sequence->operations[i].ticks);
        }
        fputc('\n', stderr);
    }
}

/* The seed of a sequence that shows a difference, or 0; the sequence shrunk, and what differs. */
static uint64_t search(const struct subject *subject, uint64_t first, uint64_t count,
                       struct sequence *sequence, struct run *run)
{
    for (uint64_t seed = first; seed < first + count; ++seed) {
        generate(sequence, seed);
        if (!agrees(subject, sequence, run)) {
            while (shrink_once(subject, sequence)) {}
            agrees(subject, sequence, run);
            return seed;
        }
    }
    return 0;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

Test(staging_property, random_operations_do_what_a_sorted_array_does)
{
    static struct sequence sequence;
    static struct run run;
    uint64_t first = from_environment("GYRE_TEST_SEED", 1);
    uint64_t count = from_environment("GYRE_TEST_SEQUENCES", SEQUENCES);
    uint64_t seed = search(&real, first, count, &sequence, &run);
    if (seed != 0) {
        fprintf(stderr, "GYRE_TEST_SEED=%llu, shrunk:\n", (unsigned long long)seed);
        print_sequence(&sequence);
    }
    cr_assert_eq(seed, 0, "%s", run.difference);
}

/* The seeded bugs. */

static void put_before_equals(struct staging *staging, struct staging_entry *entry)
{
    uint64_t id = entry->id;
    entry->id = 0;
    staging_put_back(staging, entry);
    entry->id = id;
}

static void recycle_nothing(struct staging *staging, struct staging_entry *entry)
{
    (void)staging;
    (void)entry;
}

static void recycle_twice(struct staging *staging, struct staging_entry *entry)
{
    staging_recycle(staging, entry);
    if (staging->spare->next != NULL && staging->pooled == staging->pool_bound) {
        staging->spare->next = entry;
    }
}

static struct staging_entry *new_with_old_priority(struct staging *staging)
{
    uint32_t priority = staging->spare ? staging->spare->priority : 0;
    struct staging_entry *entry = staging_new(staging);
    if (entry) {
        entry->priority = priority;
    }
    return entry;
}

static struct staging_entry *new_without_bound(struct staging *staging)
{
    staging->pool_bound = ENTRIES_MAX;
    return staging_new(staging);
}

static void remove_without_the_bitmap(struct staging *staging, struct staging_entry *entry)
{
    uint32_t priority = entry->priority;
    staging_remove(staging, entry);
    staging->holds[priority / 64] |= (uint64_t)1 << priority % 64;
}

static void remove_all_of_its_word(struct staging *staging, struct staging_entry *entry)
{
    uint32_t priority = entry->priority;
    staging_remove(staging, entry);
    if (!staging->first[priority]) {
        staging->holds[priority / 64] = 0;
    }
}

static void remove_without_the_last_link(struct staging *staging, struct staging_entry *entry)
{
    struct staging_entry *next = entry->next;
    staging_remove(staging, entry);
    if (next && next->previous) {
        next->previous = next->previous->previous;
    }
}

static void remove_uncounted(struct staging *staging, struct staging_entry *entry)
{
    staging_remove(staging, entry);
    staging->count += 1;
}

static struct staging_entry *peek_lowest_youngest(const struct staging *staging)
{
    struct staging_entry *entry = staging_peek_lowest(staging);
    return entry ? staging->last[entry->priority] : NULL;
}

static struct staging_entry *peek_of_the_first_word(const struct staging *staging)
{
    for (size_t word = 0; word < LENGTH(staging->holds); ++word) {
        if (staging->holds[word]) {
            return staging->first[word * 64 + 63 - (size_t)__builtin_clzll(staging->holds[word])];
        }
    }
    return NULL;
}

static struct staging_entry *take_youngest(struct staging *staging)
{
    struct staging_entry *entry = staging_peek(staging);
    if (entry) {
        entry = staging->last[entry->priority];
        staging_remove(staging, entry);
    }
    return entry;
}

/* Four bands instead of 256 priorities: what the first of all such runtimes did. */
static void add_by_band(struct staging *staging, struct staging_entry *entry)
{
    uint32_t priority = entry->priority;
    entry->priority = priority / 64 * 64;
    staging_add(staging, entry);
}

static void heap_swap(struct staging *staging, uint64_t a, uint64_t b)
{
    struct staging_entry *entry = staging->heap[a];
    staging->heap[a] = staging->heap[b];
    staging->heap[b] = entry;
    staging->heap[a]->heap_at = (uint32_t)(a + 1);
    staging->heap[b]->heap_at = (uint32_t)(b + 1);
}

static void remove_but_from_the_heap(struct staging *staging, struct staging_entry *entry)
{
    bool mortal = entry->heap_at != 0;
    staging_remove(staging, entry);
    if (mortal) {
        staging->heap[staging->heap_count++] = entry;
        entry->heap_at = (uint32_t)staging->heap_count;
    }
}

static void remove_and_leave_the_heap_unsorted(struct staging *staging, struct staging_entry *entry)
{
    bool mortal = entry->heap_at != 0;
    staging_remove(staging, entry);
    if (mortal && staging->heap_count > 1) {
        heap_swap(staging, 0, staging->heap_count - 1);
    }
}

static void put_back_for_ever(struct staging *staging, struct staging_entry *entry)
{
    uint64_t deadline = entry->deadline;
    entry->deadline = 0;
    staging_put_back(staging, entry);
    entry->deadline = deadline;
}

static struct staging_entry *expire_late(struct staging *staging, uint64_t now)
{
    return staging_take_expired(staging, now - 1);
}

static struct staging_entry *expire_the_last(struct staging *staging, uint64_t now)
{
    struct staging_entry *entry = staging->heap_count ? staging->heap[staging->heap_count - 1]
                                                      : NULL;
    if (!entry || entry->deadline > now) {
        return staging_take_expired(staging, now);
    }
    staging_remove(staging, entry);
    return entry;
}

static struct staging_entry *expire_and_leave_it_staged(struct staging *staging, uint64_t now)
{
    struct staging_entry *entry = staging_take_expired(staging, now);
    if (entry) {
        staging_put_back(staging, entry);
    }
    return entry;
}

static struct staging_entry *age_slowly(const struct staging *staging, uint64_t now, uint64_t age)
{
    return staging_peek_aged(staging, now, age + 1);
}

/* Of equals the one that was more urgent at first. */
static struct staging_entry *age_by_urgency(const struct staging *staging, uint64_t now,
                                            uint64_t age)
{
    struct staging_entry *best = staging_peek_aged(staging, now, age);
    for (uint32_t i = 0; i < STAGING_PRIORITIES; ++i) {
        struct staging_entry *entry = staging->first[i];
        best = entry && entry->counted == best->counted ? entry : best;
    }
    return best;
}

/* The counter wraps where it should stop. */
static struct staging_entry *age_without_end(const struct staging *staging, uint64_t now,
                                             uint64_t age)
{
    struct staging_entry *entry = staging_peek_aged(staging, now, age);
    if (entry) {
        entry->counted = (uint32_t)(entry->priority + (now - entry->added) / age);
    }
    return entry;
}

/* For a bitmap that is wrong: it says so, where the real one would fall over it. */
static struct staging_entry *age_by_the_bitmap(const struct staging *staging, uint64_t now,
                                               uint64_t age)
{
    for (uint32_t i = 0; i < STAGING_PRIORITIES; ++i) {
        if (!staging->first[i] && staging->holds[i / 64] >> i % 64 & 1) {
            return NULL;
        }
    }
    return staging_peek_aged(staging, now, age);
}

static uint64_t next_deadline_of_the_most_urgent(const struct staging *staging)
{
    const struct staging_entry *entry = staging_peek(staging);
    return entry && entry->deadline ? entry->deadline : staging_next_deadline(staging);
}

#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
static const struct subject broken[] = {
    {REAL, .name = "last in, first out", .add = put_before_equals},
    {REAL, .name = "put back behind its equals", .put_back = staging_add},
    {REAL, .name = "put back before its equals", .put_back = put_before_equals},
    {REAL, .name = "bands for priorities", .add = add_by_band},
    {REAL, .name = "an entry leaks", .recycle = recycle_nothing},
    {REAL, .name = "an entry is recycled twice", .recycle = recycle_twice},
    {REAL, .name = "a new entry is not blank", .new_entry = new_with_old_priority},
    {REAL, .name = "the pool has no bound", .new_entry = new_without_bound},
    {REAL, .name = "the bitmap keeps a priority", .remove = remove_without_the_bitmap,
     .peek_aged = age_by_the_bitmap},
    {REAL, .name = "the bitmap loses a priority", .remove = remove_all_of_its_word},
    {REAL, .name = "a link is wrong", .remove = remove_without_the_last_link},
    {REAL, .name = "the count is wrong", .remove = remove_uncounted},
    {REAL, .name = "the youngest of the lowest is dropped", .peek_lowest = peek_lowest_youngest},
    {REAL, .name = "a word of the bitmap hides another", .peek = peek_of_the_first_word},
    {REAL, .name = "the youngest is taken", .take = take_youngest},
    {REAL, .name = "the heap keeps what was removed", .remove = remove_but_from_the_heap},
    {REAL, .name = "the heap is no heap", .remove = remove_and_leave_the_heap_unsorted},
    {REAL, .name = "a deadline is lost when it is put back", .put_back = put_back_for_ever},
    {REAL, .name = "a deadline is met a tick too late", .take_expired = expire_late},
    {REAL, .name = "the last deadline comes first", .take_expired = expire_the_last},
    {REAL, .name = "what has expired stays", .take_expired = expire_and_leave_it_staged},
    {REAL, .name = "ageing is slow", .peek_aged = age_slowly},
    {REAL, .name = "ageing prefers the urgent to the old", .peek_aged = age_by_urgency},
    {REAL, .name = "ageing goes beyond the highest priority", .peek_aged = age_without_end},
    {REAL, .name = "the next deadline is another",
     .next_deadline = next_deadline_of_the_most_urgent},
};

Test(staging_property, every_seeded_bug_is_found_and_shrunk)
{
    static struct sequence sequence;
    static struct run run;
    for (size_t i = 0; i < LENGTH(broken); ++i) {
        uint64_t seed = search(&broken[i], 1, 1000, &sequence, &run);
        cr_expect_neq(seed, 0, "not found: %s", broken[i].name);
        cr_expect_leq(sequence.length, 10, "%s: %u operations are left", broken[i].name,
                      sequence.length);
        if (getenv("GYRE_TEST_VERBOSE")) {
            fprintf(stderr, "%s: seed %llu: %s\n", broken[i].name, (unsigned long long)seed,
                    run.difference);
            print_sequence(&sequence);
        }
    }
}
