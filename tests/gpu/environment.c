/* A machine that is not as it should be: no loader, no driver, one that is too old, a cache that
 * cannot be written. Each has a named result and a sentence that helps; a cache is not worth a
 * failure. */
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "counting.h"

#define CHILD_NS (60 * S)

static char log_text[65536];

/* Only from the thread that calls: no kernel runs here. */
static void keep(void *user, gyre_log_level level, const char *message)
{
    (void)user;
    (void)level;
    size_t size = strlen(log_text);
    snprintf(log_text + size, sizeof log_text - size, "%s\n", message);
}

static gyre_runtime_params logging(void)
{
    log_text[0] = '\0';
    return (gyre_runtime_params){.log = keep, .log_level = GYRE_LOG_INFO};
}

static gyre_result open_and_close(gyre_runtime_params params)
{
    gyre_runtime *runtime = NULL;
    gyre_result result = gyre_runtime_create(&params, &runtime);
    gyre_runtime_destroy(runtime);
    return result;
}

/* No runtime, and a sentence that says why. */
static void expect_no_runtime(gyre_result expected, const char *sentence)
{
    gyre_result result = open_and_close(logging());
    child_expect(result == expected, "%s, not %s", gyre_result_name(result),
                 gyre_result_name(expected));
    child_expect(strstr(log_text, sentence) != NULL, "no \"%s\" in: %s", sentence, log_text);
}

static void expect_no_list(gyre_result expected)
{
    gyre_runtime_params params = logging();
    uint32_t count = 77;
    gyre_result result = gyre_device_list(&params, NULL, &count);
    child_expect(result == expected && count == 77, "list: %s, not %s", gyre_result_name(result),
                 gyre_result_name(expected));
    child_expect(log_text[0], "the list says nothing");
}

static void run_no_loader(int argument)
{
    (void)argument;
    expect_no_runtime(GYRE_ERROR_NO_LOADER, "libvulkan.so.1");
    expect_no_list(GYRE_ERROR_NO_LOADER);
}

static void run_no_driver(int argument)
{
    (void)argument;
    expect_no_runtime(GYRE_ERROR_NO_DEVICE, "mesa-vulkan-drivers");
    expect_no_list(GYRE_ERROR_NO_DEVICE);
}

/* The list has it, and says what is missing; asked for by name it is refused as itself. */
static void run_old_driver(int argument)
{
    const char *missing = argument ? "timelineSemaphore" : "Vulkan 1.2";
    gyre_device_info info;
    uint32_t count = 1;
    gyre_runtime_params params = logging();
    gyre_result listed = gyre_device_list(&params, &info, &count);
    if (child_expect(listed == GYRE_OK && count == 1, "list: %s", gyre_result_name(listed))) {
        child_expect(!info.usable && strstr(info.missing, missing), "missing: %s", info.missing);
        child_expect(strcmp(info.name, "Old Device") == 0, "name: %s", info.name);
    }
    expect_no_runtime(GYRE_ERROR_NO_DEVICE, missing);
    params = logging();
    params.device = "name:old";
    gyre_result asked = open_and_close(params);
    child_expect(asked == GYRE_ERROR_UNSUPPORTED, "asked for: %s", gyre_result_name(asked));
    child_expect(strstr(log_text, missing) != NULL, "the log: %s", log_text);
}

static const struct child children[] = {
    {"no_loader", run_no_loader},
    {"no_driver", run_no_driver},
    {"old_driver", run_old_driver},
    {NULL, NULL},
};

struct folder {
    char path[64];
};

static struct folder folder_open(void)
{
    struct folder folder = {.path = "/tmp/gyre-environment-XXXXXX"};
    cr_assert_not_null(mkdtemp(folder.path));
    return folder;
}

/* "FOLDER/NAME", in a place of the thread's own. */
static const char *in(const struct folder *folder, const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    return path;
}

static void folder_write(const struct folder *folder, const char *name, const char *text)
{
    FILE *file = fopen(in(folder, name), "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

/* How many files there are, the last one's name in `name`. */
static size_t folder_list(const struct folder *folder, char name[256])
{
    size_t count = 0;
    DIR *directory = opendir(folder->path);
    cr_assert_not_null(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(name, 256, "%s", entry->d_name);
            count += 1;
        }
    }
    closedir(directory);
    return count;
}

static void folder_close(const struct folder *folder)
{
    char name[256];
    while (folder_list(folder, name) > 0) {
        cr_assert(remove(in(folder, name)) == 0, "%s", name);
    }
    rmdir(folder->path);
}

/* The child with this list of drivers, without a layer between it and them. */
static int run_with_drivers(const char *child, int argument, const char *drivers, const char *more)
{
    char files[512];
    char filenames[512];
    snprintf(files, sizeof files, "VK_DRIVER_FILES=%s", drivers);
    snprintf(filenames, sizeof filenames, "VK_ICD_FILENAMES=%s", drivers);
    const char *variables[] = {files, filenames, "VK_INSTANCE_LAYERS=", more, NULL};
    return child_run(child, argument, variables, CHILD_NS);
}

Test(environment, without_a_loader_there_is_no_runtime)
{
    struct folder folder = folder_open();
    folder_write(&folder, "libvulkan.so.1", "");
    folder_write(&folder, "libvulkan.so", "");
    char variable[128];
    snprintf(variable, sizeof variable, "LD_LIBRARY_PATH=%s", folder.path);
    cr_assert(child_run("no_loader", 0, (const char *[]){variable, NULL}, CHILD_NS) == 0);
    folder_close(&folder);
}

Test(environment, without_a_driver_there_is_no_device)
{
    struct folder folder = folder_open();
    folder_write(&folder, "empty.json", "");
    folder_write(
        &folder, "gone.json",
        "{\"file_format_version\": \"1.0.0\",\n"
        " \"ICD\": {\"library_path\": \"/nowhere/libvulkan_gone.so\", \"api_version\": \"1.3.0\"}}\n");
    static const char *const lists[] = {"nowhere.json", "empty.json", "gone.json"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; ++i) {
        int status = run_with_drivers("no_driver", 0, in(&folder, lists[i]), NULL);
        cr_assert(status == 0, "%s: status %d", lists[i], status);
    }
    folder_close(&folder);
}

Test(environment, a_driver_that_is_too_old_is_named_with_what_it_lacks)
{
    struct folder folder = folder_open();
    folder_write(&folder, "old.json",
                 "{\"file_format_version\": \"1.0.0\",\n"
                 " \"ICD\": {\"library_path\": \"" GYRE_TEST_OLD_DRIVER
                 "\", \"api_version\": \"1.2.0\"}}\n");
    const char *json = in(&folder, "old.json");
    cr_assert(run_with_drivers("old_driver", 0, json, "GYRE_OLD_DRIVER=1.1") == 0);
    cr_assert(run_with_drivers("old_driver", 1, json, "GYRE_OLD_DRIVER=timeline") == 0);
    folder_close(&folder);
}

static void device_gives(const char *device, gyre_result expected, const char *sentence)
{
    gyre_runtime_params params = logging();
    params.device = device;
    gyre_result result = open_and_close(params);
    cr_assert(result == expected, "'%s': %s, not %s", device ? device : "(environment)",
              gyre_result_name(result), gyre_result_name(expected));
    cr_assert(strstr(log_text, sentence), "'%s': no \"%s\" in: %s", device, sentence, log_text);
}

Test(environment, a_device_is_found_by_index_name_type_and_uuid)
{
    uint32_t count = 1;
    gyre_device_info info;
    ok(gyre_device_list(NULL, &info, &count));
    cr_assert(count >= 1 && info.usable && info.missing[0] == '\0');
    char name[300];
    snprintf(name, sizeof name, "name:%.5s", info.name + 1);
    char uuid[64] = "uuid:";
    for (size_t i = 0; i < GYRE_UUID_SIZE; ++i) {
        snprintf(uuid + 5 + 2 * i, 3, "%02X", info.uuid[i]);
    }
    char type[32];
    snprintf(type, sizeof type, "type:%s", info.type);
    const char *const all[] = {"0", "index:0", name, uuid, type};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        device_gives(all[i], GYRE_OK, ": chosen");
    }
    setenv("GYRE_DEVICE", "name:no such device", 1);
    device_gives("index:0", GYRE_OK, ": chosen"); /* the parameter comes before the environment */
}

Test(environment, a_device_that_is_not_there_is_not_found_and_those_there_are_listed)
{
    static const char *const all[] = {
        "99",
        "index:4294967296",
        "index:18446744073709551616",
        "name:no such device",
        "uuid:00000000-0000-0000-0000-000000000000",
        "uuid:",
        "type:discrete",
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        device_gives(all[i], GYRE_ERROR_DEVICE_NOT_FOUND, all[i]);
        cr_assert(strstr(log_text, "there is: index:0 name:"), "%s", log_text);
    }
    setenv("GYRE_DEVICE", "name:no such device", 1);
    device_gives(NULL, GYRE_ERROR_DEVICE_NOT_FOUND, "no such device");
}

Test(environment, a_selector_that_is_none_is_refused)
{
    static const char *const all[] = {"best", "index:", "index:1x", "-1", "1 ", ":", "colour:red"};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        device_gives(all[i], GYRE_ERROR_INVALID, "write index:N, name:PART, uuid:HEX or type:");
    }
    setenv("GYRE_DEVICE", "best", 1);
    device_gives(NULL, GYRE_ERROR_INVALID, "'best'");
    setenv("GYRE_DEVICE", "", 1);
    device_gives(NULL, GYRE_OK, ": chosen");
}

Test(environment, parameters_of_a_runtime_that_cannot_be_are_refused)
{
    static const gyre_compiler other = {.version = 2};
    gyre_runtime_params params = logging();
    params.flags = 4;
    gives(GYRE_ERROR_INVALID, open_and_close(params));
    cr_assert(strstr(log_text, "flags"), "%s", log_text);
    params = logging();
    params.reserved = 1;
    gives(GYRE_ERROR_INVALID, open_and_close(params));
    params = logging();
    params.visibility = (gyre_visibility)3;
    gives(GYRE_ERROR_INVALID, open_and_close(params));
    cr_assert(strstr(log_text, "visibility"), "%s", log_text);
    params = logging();
    params.wait = (gyre_wait)4;
    gives(GYRE_ERROR_INVALID, open_and_close(params));
    cr_assert(strstr(log_text, "wait"), "%s", log_text);
    params = logging();
    params.compiler = &other;
    gives(GYRE_ERROR_INVALID, open_and_close(params));
    cr_assert(strstr(log_text, "another version"), "%s", log_text);
    params = logging();
    params.cpu_count = 1;
    gives(GYRE_ERROR_INVALID, open_and_close(params));
    cr_assert(strstr(log_text, "cpus"), "%s", log_text);
    params.cpus = &(uint32_t){100000};
    gives(GYRE_ERROR_INVALID, open_and_close(params));
    cr_assert(strstr(log_text, "no processor 100000"), "%s", log_text);
    ok(open_and_close((gyre_runtime_params){0}));
}

#ifdef __linux__
/* Of this process, those that may run on that processor only. */
static uint32_t threads_bound_to(uint32_t cpu)
{
    uint32_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    cr_assert_not_null(tasks);
    for (struct dirent *task = readdir(tasks); task; task = readdir(tasks)) {
        cpu_set_t set;
        pid_t id = (pid_t)atoi(task->d_name);
        bool known = id > 0 && sched_getaffinity(id, sizeof set, &set) == 0;
        count += known && CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set);
    }
    closedir(tasks);
    return count;
}

Test(environment, the_threads_of_a_runtime_run_on_the_processors_it_is_given)
{
    cpu_set_t own;
    cr_assert(sched_getaffinity(0, sizeof own, &own) == 0);
    uint32_t cpu = CPU_SETSIZE;
    while (cpu-- > 0 && !CPU_ISSET(cpu, &own)) {}
    uint32_t before = threads_bound_to(cpu);
    struct rig rig;
    rig_open_with(&rig, (gyre_runtime_params){.cpus = &cpu, .cpu_count = 1});
    gyre_kernel_params params = counting_params("bound");
    params.tick_ns = 3600 * S;
    gyre_kernel *kernel = rig_active(&rig, params);
    counting_send(kernel, 0, 1, 0);
    counting_expect(kernel, 0, 1);
    cr_assert_geq(threads_bound_to(cpu), before + 3, "a carrier, a worker, a timer");
    cpu_set_t after;
    cr_assert(sched_getaffinity(0, sizeof after, &after) == 0 && CPU_EQUAL(&own, &after));
    rig_close(&rig);
}
#endif

/* A kernel works with its pipelines kept in `directory`; the log has `sentence`, if there is one.
 */
static void works_with_cache(enum rig_mode mode, const char *directory, const char *sentence)
{
    struct rig rig;
    rig_open_with(&rig, (gyre_runtime_params){.visibility = (gyre_visibility)mode,
                                              .cache_directory = directory});
    gyre_kernel *kernel = rig_active(&rig, counting_params("cached"));
    counting_send(kernel, 0, 1, 0);
    counting_expect(kernel, 0, 1);
    cr_assert(!sentence || rig_said(&rig, sentence), "no \"%s\" in: %s", sentence, rig.log);
    rig_close(&rig);
}

Test(environment, a_cache_that_cannot_be_made_costs_a_warning)
{
    for (BOTH_MODES(mode)) {
        struct folder folder = folder_open();
        folder_write(&folder, "file", "");
        works_with_cache(mode, in(&folder, "file"), "no pipeline cache");
        works_with_cache(mode, in(&folder, "file/below"), "no pipeline cache");
        works_with_cache(mode, "/proc/gyre", "no pipeline cache");
        works_with_cache(mode, "", NULL);
        folder_close(&folder);
    }
}

Test(environment, a_cache_is_kept_where_asked_and_made_anew_when_damaged)
{
    for (BOTH_MODES(mode)) {
        struct folder folder = folder_open();
        char name[256] = "";
        works_with_cache(mode, folder.path, NULL);
        cr_assert(folder_list(&folder, name) >= 1);
        struct stat whole;
        cr_assert(stat(in(&folder, name), &whole) == 0 && whole.st_size > 0);
        cr_assert(truncate(in(&folder, name), whole.st_size / 2) == 0);
        works_with_cache(mode, folder.path, "made anew");
        folder_write(&folder, name, "not a cache");
        works_with_cache(mode, folder.path, "made anew");
        folder_close(&folder);
    }
}

Test(environment, a_cache_that_cannot_be_written_costs_a_warning)
{
    for (BOTH_MODES(mode)) {
        struct folder folder = folder_open();
        char name[256] = "";
        works_with_cache(mode, folder.path, NULL);
        while (folder_list(&folder, name) > 0 && strncmp(name, "pipelines", 9) != 0) {
            remove(in(&folder, name));
        }
        /* A folder in the file's place: the same for root, whom no permission stops. */
        remove(in(&folder, name));
        cr_assert(mkdir(in(&folder, name), 0700) == 0);
        works_with_cache(mode, folder.path, "is not kept");
        folder_close(&folder);
    }
}

CHILD_MAIN(children)
