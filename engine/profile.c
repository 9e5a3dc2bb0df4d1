#include "profile.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base.h"
#include "cache.h"
#include "probe.h"
#include "shared.h"

#define MS 1000000u

/* Raised when a measurement, or what gyre_profile means, changes. */
#define LAYOUT 1u

#define RELAUNCHES 15
#define LOOP_TRIPS 200000u /* three times the one limit that is known */

/* Turns of a polling loop are counted, but meant is a time: each round scales them by what the one
 * before took. */
#define FIRST_TRIPS 1000u
#define TRIPS_MOST 3200000u
#define GROWTH_MOST 8u

/* The poll of workgroups that come: threads of a driver's pool wake late on a busy machine. */
#define CROWD_GROUPS 64u
#define CROWD_GROUPS_MOST 4096u
#define CROWD_FIRST_NS (1 * MS)
#define CROWD_LONGEST_NS (16 * MS)
#define CROWD_FOR_NS (120 * MS)
#define CROWD_ENOUGH 2

#define OVERLAP_ROUNDS 4
#define OVERLAP_RELAUNCHES 8u /* how long each of the two waits for the other */
#define OVERLAP_LEAST_NS (1 * MS)
#define OVERLAP_MOST_NS (8 * MS)

/* The host needs microseconds for a look; but others may have its processor, so looks get longer,
 * and there are many. */
#define LIVE_FIRST_NS (2 * MS)
#define LIVE_LONGEST_NS (25 * MS)
#define LIVE_HERE_NS (200 * MS) /* a driver that compiles at the first dispatch takes its time */
#define LIVE_FOR_NS (300 * MS)  /* for the types that messages and answers lie in */
#define LIVE_REST_NS (150 * MS) /* for all other types together */

static uint32_t scale(uint32_t trips, uint64_t took_ns, uint64_t wanted_ns)
{
    uint64_t scaled = trips * wanted_ns / (took_ns ? took_ns : 1);
    uint64_t most = (uint64_t)trips * GROWTH_MOST;
    scaled = scaled > most ? most : scaled > TRIPS_MOST ? TRIPS_MOST : scaled;
    return scaled < FIRST_TRIPS ? FIRST_TRIPS : (uint32_t)scaled;
}

static uint64_t shorter(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static gyre_result measure_relaunch(struct probe *probe, gyre_profile *profile)
{
    uint64_t took[RELAUNCHES];
    gyre_result result = probe_ask(probe, PROBE_NOTHING, 0, 1);
    for (size_t i = 0; i < LENGTH(took) && result == GYRE_OK; ++i) {
        uint64_t began = base_now_ns();
        result = probe_ask(probe, PROBE_NOTHING, 0, 1);
        took[i] = base_now_ns() - began;
    }
    if (result == GYRE_OK) {
        qsort(took, LENGTH(took), sizeof *took, compare);
        profile->relaunch_ns = took[LENGTH(took) / 2];
    }
    return result;
}

static gyre_result measure_loops(struct probe *probe, gyre_profile *profile)
{
    gyre_result result = probe_ask(probe, PROBE_LOOP, LOOP_TRIPS, 1);
    uint32_t trips = shared_load_relaxed(&probe_answer(probe)->trips);
    profile->loop_limit = result == GYRE_OK && trips < LOOP_TRIPS ? trips : 0;
    return result;
}

/* Rounds that get longer, until the most of them has come twice again; one workgroup at a time is
 * believed only when the time is up. */
static gyre_result measure_crowd(struct probe *probe, gyre_profile *profile)
{
    uint64_t deadline = base_deadline(CROWD_FOR_NS);
    uint64_t wanted_ns = CROWD_FIRST_NS;
    uint32_t groups = CROWD_GROUPS;
    uint32_t trips = FIRST_TRIPS;
    uint32_t most = 0;
    int confirmed = 0;
    gyre_result result = GYRE_OK;
    while (result == GYRE_OK && confirmed < CROWD_ENOUGH &&
           (most == 0 || base_remaining_ns(deadline) > 0)) {
        uint64_t began = base_now_ns();
        result = probe_ask(probe, PROBE_CROWD, trips, groups);
        uint64_t took_ns = base_now_ns() - began;
        uint32_t resident = shared_load_relaxed(&probe_answer(probe)->resident);
        bool long_enough = took_ns >= CROWD_FIRST_NS || resident == groups;
        confirmed += long_enough && resident == most && most > 1;
        if (resident > most) {
            most = resident;
            confirmed = 0;
        }
        if (resident == groups && groups < CROWD_GROUPS_MOST) {
            groups *= GROWTH_MOST;
            confirmed = 0;
        }
        trips = scale(trips, took_ns, wanted_ns);
        wanted_ns = long_enough ? shorter(wanted_ns * 2, CROWD_LONGEST_NS) : wanted_ns;
    }
    profile->resident_workgroups = most;
    profile->resident_at_least = most == groups;
    return result;
}

/* How long one dispatch alone waits in vain: the shorter of two times, for a busy machine only adds
 * to it. */
static gyre_result time_wait(struct probe *probe, uint32_t trips, uint64_t *took_ns)
{
    /* A round that nobody else is in. */
    const struct probe_question question = {
        .kind = PROBE_OVERLAP, .bound = trips, .round = UINT32_MAX};
    gyre_result result = GYRE_OK;
    *took_ns = UINT64_MAX;
    for (int i = 0; i < 2 && result == GYRE_OK; ++i) {
        uint64_t began = base_now_ns();
        result = probe_submit(probe, &probe->line, &question, 1);
        result = result == GYRE_OK ? probe_await(probe, &probe->line) : result;
        *took_ns = shorter(*took_ns, base_now_ns() - began);
    }
    return result;
}

static gyre_result choose_overlap_trips(struct probe *probe, const gyre_profile *profile,
                                        uint32_t *trips)
{
    uint64_t wanted_ns = profile->relaunch_ns * OVERLAP_RELAUNCHES;
    wanted_ns = wanted_ns < OVERLAP_LEAST_NS ? OVERLAP_LEAST_NS
                                             : shorter(wanted_ns, OVERLAP_MOST_NS);
    gyre_result result = GYRE_OK;
    uint64_t took_ns = 0;
    *trips = FIRST_TRIPS;
    while (result == GYRE_OK && took_ns < wanted_ns / 2 && *trips < TRIPS_MOST &&
           (!profile->loop_limit || *trips < profile->loop_limit)) {
        result = time_wait(probe, *trips, &took_ns);
        *trips = scale(*trips, took_ns, wanted_ns);
    }
    return result;
}

/* Two dispatches, on the probe's line and another one: each says that it is there and waits a while
 * for the other's word. Present at the same time they were if both saw it; the one that comes when
 * the first has left sees its word, but was not seen. */
static gyre_result measure_overlap(struct probe *probe, struct probe_line *other, uint32_t trips,
                                   uint32_t *round, bool *overlap)
{
    struct probe_line *lines[2] = {&probe->line, other};
    gyre_result result = GYRE_OK;
    for (int i = 0; i < OVERLAP_ROUNDS && result == GYRE_OK && !*overlap; ++i) {
        *round += 1;
        for (uint32_t own = 0; own < 2 && result == GYRE_OK; ++own) {
            const struct probe_question question = {
                .kind = PROBE_OVERLAP, .bound = trips, .own = own, .round = *round};
            result = probe_submit(probe, lines[own], &question, 1);
        }
        for (uint32_t own = 0; own < 2 && result == GYRE_OK; ++own) {
            result = probe_await(probe, lines[own]);
        }
        const struct probe_answer *answer = probe_answer(probe);
        *overlap = result == GYRE_OK && shared_load_relaxed(&answer->met[0]) == *round &&
                   shared_load_relaxed(&answer->met[1]) == *round;
    }
    return result;
}

/* Against the first queue: itself, the next of its family, and one of each other family. */
static gyre_result measure_overlaps(struct probe *probe, gyre_profile *profile)
{
    struct device *device = probe->device;
    const struct {
        uint32_t family;
        VkQueue queue;
        bool *overlap;
    } others[2 + DEVICE_OTHER_FAMILIES_MAX] = {
        {device->family, device->queues[0], &profile->overlap_queue},
        {device->family, device->queue_count > 1 ? device->queues[1] : VK_NULL_HANDLE,
         &profile->overlap_queues},
        {device->other_families[0], device->other_queues[0], &profile->overlap_families},
        {device->other_families[1], device->other_queues[1], &profile->overlap_families},
        {device->other_families[2], device->other_queues[2], &profile->overlap_families},
    };
    uint32_t trips = 0;
    uint32_t round = 0;
    gyre_result result = choose_overlap_trips(probe, profile, &trips);
    for (size_t i = 0; i < LENGTH(others) && result == GYRE_OK; ++i) {
        struct probe_line line;
        if (!others[i].queue) {
            continue;
        }
        result = probe_line_open(probe, &line, others[i].family, others[i].queue);
        if (result == GYRE_OK) {
            result = measure_overlap(probe, &line, trips, &round, others[i].overlap);
        }
        if (result == GYRE_OK) {
            probe_line_close(probe, &line);
        }
    }
    return result;
}

struct sighting {
    bool to_device;
    bool to_host;
};

/* The device says that it runs, then the host raises the flag. Both directions are seen working, or
 * not. */
static gyre_result look_once(struct probe *probe, uint32_t trips, struct sighting *sighting)
{
    const struct probe_answer *answer = probe_answer(probe);
    const struct probe_question question = {.kind = PROBE_LIVE, .bound = trips};
    memset(probe->to_host.mapped, 0, (size_t)probe->to_host.size);
    shared_store_release(probe_flag(probe), 0);
    gyre_result result = probe_submit(probe, &probe->line, &question, 1);
    if (result != GYRE_OK) {
        return result;
    }
    uint64_t deadline = base_deadline(LIVE_HERE_NS);
    bool running = true;
    while (shared_load_acquire(&answer->here) == 0 && running && base_remaining_ns(deadline)) {
        running = probe_runs(probe, &probe->line);
        sched_yield(); /* the device may be a thread of ours that wants this processor */
    }
    sighting->to_host = running && shared_load_acquire(&answer->here) != 0;
    shared_store_release(probe_flag(probe), 1);
    result = probe_await(probe, &probe->line);
    sighting->to_device = result == GYRE_OK && sighting->to_host &&
                          shared_load_acquire(&answer->seen) != 0;
    return result;
}

/* A machine under load may take the processor away at the wrong moment: one sighting is enough. */
static gyre_result measure_live(struct probe *probe, uint64_t for_ns, struct sighting *best)
{
    gyre_result result = GYRE_OK;
    uint64_t deadline = base_deadline(for_ns);
    uint64_t wanted_ns = LIVE_FIRST_NS;
    uint32_t trips = FIRST_TRIPS;
    do {
        struct sighting sighting = {0};
        uint64_t began = base_now_ns();
        result = look_once(probe, trips, &sighting);
        uint64_t took_ns = base_now_ns() - began;
        trips = scale(trips, took_ns, wanted_ns);
        wanted_ns = took_ns >= wanted_ns / 2 ? shorter(wanted_ns * 2, LIVE_LONGEST_NS) : wanted_ns;
        best->to_device = sighting.to_device;
        best->to_host = best->to_host || sighting.to_host;
    } while (result == GYRE_OK && !best->to_device && base_remaining_ns(deadline) > 0);
    return result;
}

static gyre_result measure_memory_type(struct probe *probe, uint32_t type, uint64_t for_ns,
                                       gyre_profile *profile)
{
    struct sighting sighting = {0};
    gyre_result result = measure_live(probe, for_ns, &sighting);
    profile->memory_types[type].probed = result == GYRE_OK;
    profile->memory_types[type].live_to_device = sighting.to_device;
    profile->memory_types[type].live_to_host = sighting.to_host;
    return result;
}

static bool is_chosen(const gyre_profile *profile, uint32_t type)
{
    return type == profile->memory_to_device || type == profile->memory_to_host;
}

/* `main` has its words in the types that are chosen: where those are one, it will do. */
static gyre_result measure_memory_types(struct probe *main, VkPipelineCache cache, bool chosen,
                                        gyre_profile *profile)
{
    struct device *device = main->device;
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint64_t rest = base_deadline(LIVE_REST_NS);
    gyre_result result = GYRE_OK;
    for (uint32_t type = 0; type < profile->memory_type_count && result == GYRE_OK; ++type) {
        if (is_chosen(profile, type) != chosen ||
            (profile->memory_types[type].flags & wanted) != wanted ||
            memory_choose(device, MEMORY_TO_HOST, 1u << type) == UINT32_MAX ||
            (!chosen && base_remaining_ns(rest) == 0)) {
            continue;
        }
        uint64_t for_ns = chosen ? LIVE_FOR_NS : base_remaining_ns(rest);
        if (chosen && profile->memory_to_device == profile->memory_to_host) {
            result = measure_memory_type(main, type, for_ns, profile);
            continue;
        }
        struct probe probe;
        if (probe_open(&probe, device, cache, type, type) != GYRE_OK) {
            continue; /* it takes no storage buffer, or its heap is full: it is not chosen */
        }
        result = measure_memory_type(&probe, type, for_ns, profile);
        if (result == GYRE_OK) {
            probe_close(&probe);
        }
    }
    return result;
}

static gyre_result measure(struct probe *probe, VkPipelineCache cache, gyre_profile *profile)
{
    gyre_result result = measure_loops(probe, profile);
    if (result == GYRE_OK) {
        result = measure_crowd(probe, profile);
    }
    if (result == GYRE_OK) {
        result = measure_overlaps(probe, profile);
    }
    if (result == GYRE_OK) {
        result = measure_memory_types(probe, cache, true, profile);
    }
    if (result == GYRE_OK) {
        result = measure_memory_types(probe, cache, false, profile);
    }
    profile->live = result == GYRE_OK &&
                    profile->memory_types[profile->memory_to_device].live_to_device &&
                    profile->memory_types[profile->memory_to_host].live_to_host;
    return result;
}

/* What costs nothing to know. */
static gyre_profile begin_profile(const struct device *device)
{
    bool timestamps = device->timestamp_valid_bits > 0;
    gyre_profile profile = {
        .memory_to_device = memory_choose(device, MEMORY_TO_DEVICE, UINT32_MAX),
        .memory_to_host = memory_choose(device, MEMORY_TO_HOST, UINT32_MAX),
        .memory_type_count = device->memory.memoryTypeCount,
        .timestamp_period = timestamps ? device->limits.timestampPeriod : 0,
        .timestamp_valid_bits = device->timestamp_valid_bits,
    };
    for (uint32_t type = 0; type < profile.memory_type_count; ++type) {
        profile.memory_types[type].flags = device->memory.memoryTypes[type].propertyFlags;
    }
    return profile;
}

/* Without padding: its bytes are hashed. */
struct profile_key {
    struct device_identity identity;
    uint32_t layout;
    uint32_t profile_size;
    uint32_t memory_types;
    uint32_t processors; /* what a driver without a GPU runs on */
    char driver[2 * GYRE_NAME_SIZE];
    char pool[32]; /* LP_NUM_THREADS: the size of lavapipe's pool of threads */
    char kernel[sizeof((struct utsname *)0)->release];
};

static uint32_t count_processors(void)
{
    cpu_set_t allowed;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        return (uint32_t)online << 16 | (uint32_t)CPU_COUNT(&allowed);
    }
    return (uint32_t)online << 16;
}

static void fill_key(const struct device *device, struct profile_key *key)
{
    const char *pool = getenv("LP_NUM_THREADS");
    struct utsname system;
    memset(key, 0, sizeof *key);
    key->identity = device->identity;
    key->layout = LAYOUT;
    key->profile_size = sizeof(gyre_profile);
    key->memory_types = device->memory.memoryTypeCount;
    snprintf(key->driver, sizeof key->driver, "%s", device->info.driver);
    if (uname(&system) == 0) {
        snprintf(key->kernel, sizeof key->kernel, "%s", system.release);
    }
    if (strcmp(device->info.type, "cpu") == 0) {
        key->processors = count_processors();
        snprintf(key->pool, sizeof key->pool, "%s", pool ? pool : "");
    }
}

/* The uuid is in it, so that drivers of one device do not take turns with one file. */
static void fill_name(const struct device *device, char *name, size_t size)
{
    const struct device_identity *identity = &device->identity;
    snprintf(name, size, "profile-%08x-%08x-%u-%02x%02x%02x%02x.bin", identity->vendor_id,
             identity->device_id, identity->driver_id, identity->uuid[0], identity->uuid[1],
             identity->uuid[2], identity->uuid[3]);
}

/* The choice of memory types is not taken from the file, so one that names others is not for us. */
static bool fits(const gyre_profile *kept, const gyre_profile *own)
{
    bool same = kept->live && kept->memory_type_count == own->memory_type_count &&
                kept->memory_to_device == own->memory_to_device &&
                kept->memory_to_host == own->memory_to_host;
    for (uint32_t type = 0; same && type < own->memory_type_count; ++type) {
        same = kept->memory_types[type].flags == own->memory_types[type].flags;
    }
    return same;
}

static bool load(const struct device *device, const char *directory, gyre_profile *profile)
{
    struct profile_key key;
    char name[64];
    size_t size = 0;
    gyre_profile kept;
    fill_key(device, &key);
    fill_name(device, name, sizeof name);
    void *data = cache_load(device->log, directory, name, &key, sizeof key, &size);
    bool loaded = data && size == sizeof kept;
    if (loaded) {
        memcpy(&kept, data, sizeof kept);
        loaded = fits(&kept, profile);
    }
    free(data);
    if (loaded) {
        kept.relaunch_ns = profile->relaunch_ns;
        kept.cached = true;
        *profile = kept;
    }
    return loaded;
}

/* Not without LIVE: a loaded machine may have missed it. */
static void keep(const struct device *device, const char *directory, const gyre_profile *profile)
{
    struct profile_key key;
    char name[64];
    if (!profile->live) {
        return;
    }
    fill_key(device, &key);
    fill_name(device, name, sizeof name);
    cache_store(device->log, directory, name, &key, sizeof key, profile, sizeof *profile);
}

gyre_result profile_open(struct device *device, const struct profile_request *request,
                         gyre_profile *profile)
{
    uint64_t began = base_now_ns();
    *profile = begin_profile(device);
    struct probe probe;
    gyre_result result = probe_open(&probe, device, request->cache, profile->memory_to_device,
                                    profile->memory_to_host);
    if (result != GYRE_OK) {
        return result;
    }
    result = measure_relaunch(&probe, profile);
    bool loaded = result == GYRE_OK && !request->anew && load(device, request->directory, profile);
    if (result == GYRE_OK && !loaded) {
        result = measure(&probe, request->cache, profile);
    }
    if (result != GYRE_OK) {
        return result; /* the probe may still run: its objects are left to the device */
    }
    probe_close(&probe);
    profile->probe_ns = base_now_ns() - began;
    if (!loaded) {
        keep(device, request->directory, profile);
    }
    return GYRE_OK;
}
