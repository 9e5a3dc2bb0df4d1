/* What is measured of a device, against drivers whose answers are known, and how it is kept. */
#include "rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "device.h"
#include "probe.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define PROBE_MOST_NS (1 * S)

static bool driver_is(const char *name)
{
    const char *driver = getenv("GYRE_TEST_DRIVER");
    return driver && strcmp(driver, name) == 0;
}

static gyre_profile measure(struct rig *rig, const char *directory, uint32_t flags)
{
    rig_open_with(rig, (gyre_runtime_params){.cache_directory = directory, .flags = flags});
    gyre_profile profile = rig->profile;
    rig_close(rig);
    return profile;
}

/* Threads of the driver's pool: a workgroup each. */
static uint32_t pool_size(void)
{
    uint32_t most = driver_is("lavapipe-25") ? 32 : 16;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < most ? (uint32_t)online : most;
}

Test(profile, is_that_of_the_driver)
{
    struct rig rig;
    gyre_profile profile = measure(&rig, "", 0);
    uint64_t fastest_ns = profile.probe_ns;
    uint32_t pool = pool_size();
    /* On a machine that is busy a thread of the pool may come too late, and it all takes longer. */
    for (int i = 0; i < 5 && (profile.resident_workgroups < pool || fastest_ns >= PROBE_MOST_NS);
         ++i) {
        profile = measure(&rig, "", 0);
        fastest_ns = profile.probe_ns < fastest_ns ? profile.probe_ns : fastest_ns;
    }
    cr_assert(!profile.cached && profile.relaunch_ns > 0);
    cr_assert(profile.live && profile.memory_types[profile.memory_to_device].probed);
    if (driver_is("lavapipe-22")) {
        cr_assert(profile.loop_limit >= 65000 && profile.loop_limit <= 65536, "%u",
                  profile.loop_limit);
    } else if (getenv("GYRE_TEST_DRIVER")) {
        cr_assert(profile.loop_limit == 0, "%u", profile.loop_limit);
    }
    if (driver_is("lavapipe-22") || driver_is("lavapipe-25") || driver_is("swiftshader")) {
        /* One queue, one family, one dispatch at a time. */
        cr_assert(!profile.overlap_queue && !profile.overlap_queues && !profile.overlap_families);
        cr_assert(profile.resident_workgroups == pool && !profile.resident_at_least, "%u of %u",
                  profile.resident_workgroups, pool);
    }
    cr_assert((profile.timestamp_period > 0) == (profile.timestamp_valid_bits > 0));
    cr_assert(profile.timestamp_valid_bits <= 64);
}

/* The question itself: of two workgroups of one dispatch both see the other one where two are
 * resident, and one alone sees nobody. */
Test(profile, the_probe_for_overlap_tells_together_from_one_by_one)
{
    const struct log silent = {0};
    struct device device;
    ok(device_open(&device, &silent, NULL));
    struct probe probe;
    uint32_t type = memory_choose(&device, MEMORY_TO_HOST, UINT32_MAX);
    ok(probe_open(&probe, &device, VK_NULL_HANDLE, type, type));
    ok(probe_ask(&probe, PROBE_NOTHING, 0, 1));
    const struct probe_answer *answer = probe_answer(&probe);
    struct probe_question question = {.kind = PROBE_OVERLAP, .bound = 60000};
    bool together = false;
    bool alone = false;
    for (question.round = 1; question.round <= 50 && !together; ++question.round) {
        ok(probe_submit(&probe, &probe.line, &question, 2));
        ok(probe_await(&probe, &probe.line));
        together = answer->met[0] == question.round && answer->met[1] == question.round;
        /* On a busy machine the second thread of the pool comes late. */
        question.bound = question.bound < 3000000 ? question.bound * 2 : question.bound;
    }
    for (uint32_t own = 0; own < 2; ++own) {
        question.round += 1;
        question.own = own;
        ok(probe_submit(&probe, &probe.line, &question, 1));
        ok(probe_await(&probe, &probe.line));
        alone = alone || answer->met[own] == question.round;
    }
    probe_close(&probe);
    device_close(&device);
    cr_assert(!alone);
    cr_assert(together || pool_size() < 2);
}

static void run_pool(int threads)
{
    struct rig rig;
    uint32_t most = 0;
    for (int i = 0; i < 25 && most < (uint32_t)threads; ++i) { /* on a busy machine some sleep */
        uint32_t resident = measure(&rig, "", 0).resident_workgroups;
        child_expect(resident <= (uint32_t)threads, "%u of %d", resident, threads);
        most = resident > most ? resident : most;
    }
    child_expect(most == (uint32_t)threads, "%u of %d", most, threads);
}

/* With its own runtime, whose profile must not come from the file. */
static void run_not_cached(int argument)
{
    struct rig rig;
    (void)argument;
    child_expect(!measure(&rig, getenv("GYRE_TEST_FOLDER"), 0).cached, "it was in the file");
}

static void run_cached(int argument)
{
    struct rig rig;
    (void)argument;
    child_expect(measure(&rig, getenv("GYRE_TEST_FOLDER"), 0).cached, "it was not in the file");
}

static const struct child children[] = {
    {"pool", run_pool},
    {"not_cached", run_not_cached},
    {"cached", run_cached},
    {NULL, NULL},
};

Test(profile, resident_workgroups_are_the_threads_of_lavapipes_pool)
{
    if (!driver_is("lavapipe-22") && !driver_is("lavapipe-25")) {
        cr_skip("its pool cannot be told how many");
    }
    static const char *const pools[] = {"LP_NUM_THREADS=1", "LP_NUM_THREADS=2", "LP_NUM_THREADS=3"};
    for (int i = 0; i < 3; ++i) {
        int status = child_run("pool", i + 1, (const char *[]){pools[i], NULL}, 60 * S);
        cr_assert(status == 0, "%s: status %d", pools[i], status);
    }
}

/* ---- how it is kept ---- */

static char folder[64];

static void open_folder(void)
{
    strcpy(folder, "/tmp/gyre-profile-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

/* The path of the one file in the folder whose name begins so, NULL if there is none. */
static const char *find(const char *prefix)
{
    static char path[400];
    bool found = false;
    DIR *directory = opendir(folder);
    cr_assert_not_null(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            cr_assert(!found, "a second %s: %s", prefix, entry->d_name);
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            found = true;
        }
    }
    closedir(directory);
    return found ? path : NULL;
}

static void close_folder(void)
{
    for (const char *path = find(""); path; path = find("")) {
        remove(path);
    }
    rmdir(folder);
}

TestSuite(profile_file, .init = open_folder, .fini = close_folder);

/* All that is kept. */
static bool same(const gyre_profile *a, const gyre_profile *b)
{
    return a->loop_limit == b->loop_limit && a->resident_workgroups == b->resident_workgroups &&
           a->resident_at_least == b->resident_at_least && a->overlap_queue == b->overlap_queue &&
           a->overlap_queues == b->overlap_queues && a->overlap_families == b->overlap_families &&
           a->timestamp_valid_bits == b->timestamp_valid_bits && a->live == b->live &&
           a->memory_to_device == b->memory_to_device && a->memory_to_host == b->memory_to_host &&
           memcmp(a->memory_types, b->memory_types, sizeof a->memory_types) == 0;
}

/* In turns, the best of each: the machine may be busy. */
Test(profile_file, is_taken_the_next_time_and_measured_again_if_asked)
{
    struct rig rig;
    gyre_profile first = measure(&rig, folder, 0);
    cr_assert(first.live && !first.cached);
    uint64_t anew_ns = first.probe_ns;
    uint64_t kept_ns = UINT64_MAX;
    bool relaunch_is_fresh = false;
    for (int i = 0; i < 5; ++i) {
        gyre_profile anew = measure(&rig, folder, GYRE_RUNTIME_PROBE);
        gyre_profile kept = measure(&rig, folder, 0);
        cr_assert(!anew.cached && anew.live);
        cr_assert(kept.cached && same(&anew, &kept) && kept.relaunch_ns > 0);
        relaunch_is_fresh = relaunch_is_fresh || kept.relaunch_ns != anew.relaunch_ns;
        anew_ns = anew.probe_ns < anew_ns ? anew.probe_ns : anew_ns;
        kept_ns = kept.probe_ns < kept_ns ? kept.probe_ns : kept_ns;
    }
    cr_assert(relaunch_is_fresh);
    cr_assert(kept_ns < anew_ns, "%llu ns if kept, %llu if not", (unsigned long long)kept_ns,
              (unsigned long long)anew_ns);
}

Test(profile_file, is_not_made_where_nothing_is_to_be_kept)
{
    struct rig rig;
    cr_assert(!measure(&rig, "", 0).cached);
    cr_assert(!measure(&rig, "", 0).cached);
    cr_assert_null(find("profile-"));
}

Test(profile_file, of_a_blind_runtime_says_what_was_measured)
{
    struct rig rig;
    gyre_profile blind = measure(&rig, folder, GYRE_RUNTIME_BLIND);
    gyre_profile after = measure(&rig, folder, 0);
    cr_assert(blind.live && after.cached && same(&blind, &after));
}

static size_t read_file(const char *path, unsigned char *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

static void write_file(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* A profile is never taken from a file that is not whole; some bytes of the header mean nothing. */
Test(profile_file, is_ignored_if_it_is_damaged)
{
    struct rig rig;
    unsigned char whole[4096];
    unsigned char bytes[4096];
    gyre_profile first = measure(&rig, folder, 0);
    const char *path = find("profile-");
    cr_assert_not_null(path);
    size_t size = read_file(path, whole, sizeof whole);
    cr_assert(size > sizeof(gyre_profile) && size < sizeof whole);
    const size_t cuts[] = {0, 1, 16, 31, 32, size / 2, size - 1};
    for (size_t i = 0; i < LENGTH(cuts); ++i) {
        write_file(path, whole, cuts[i]);
        cr_assert(!measure(&rig, folder, 0).cached, "%zu of %zu bytes", cuts[i], size);
    }
    for (size_t at = 0; at < size; at += at < 40 ? 8 : size / 7) {
        memcpy(bytes, whole, size);
        bytes[at] ^= (unsigned char)(1u << at % 8);
        write_file(path, bytes, size);
        cr_assert(!measure(&rig, folder, 0).cached, "byte %zu of %zu", at, size);
    }
    memcpy(bytes, whole, size);
    bytes[size] = 0;
    write_file(path, bytes, size + 1);
    cr_assert(!measure(&rig, folder, 0).cached);
    gyre_profile last = measure(&rig, folder, 0);
    cr_assert(last.cached && last.live == first.live && last.loop_limit == first.loop_limit);
}

/* The answers depend on the size of the pool. */
Test(profile_file, is_for_as_many_threads_as_it_was_measured_with)
{
    if (!driver_is("lavapipe-22") && !driver_is("lavapipe-25")) {
        cr_skip("its pool cannot be told how many");
    }
    char variable[128];
    snprintf(variable, sizeof variable, "GYRE_TEST_FOLDER=%s", folder);
    const char *one[] = {variable, "LP_NUM_THREADS=1", NULL};
    const char *two[] = {variable, "LP_NUM_THREADS=2", NULL};
    cr_assert(child_run("not_cached", 0, one, 60 * S) == 0);
    cr_assert(child_run("cached", 0, one, 60 * S) == 0);
    cr_assert(child_run("not_cached", 0, two, 60 * S) == 0);
    cr_assert(child_run("cached", 0, two, 60 * S) == 0);
}

CHILD_MAIN(children)
