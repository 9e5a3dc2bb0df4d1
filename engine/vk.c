#include "vk.h"

#include <pthread.h>
#include <string.h>

#include <gyre/gyre.h>

/* volk keeps the loader's entry points in globals. They are the same for every instance; this lock
 * only keeps two runtimes that start at the same time from writing them at once. */
static pthread_mutex_t volk_lock = PTHREAD_MUTEX_INITIALIZER;

static gyre_result load_instance_functions(const struct log *log, struct vk_instance *instance)
{
#define X(name) \
    instance->name = (PFN_vk##name)vkGetInstanceProcAddr(instance->handle, "vk" #name); \
    if (!instance->name) { \
        return log_fail(log, GYRE_ERROR_UNSUPPORTED, "the Vulkan loader has no vk" #name); \
    }
    VK_INSTANCE_FUNCTIONS(X)
#undef X
    return GYRE_OK;
}

static gyre_result create_locked(const struct log *log, struct vk_instance *instance)
{
    if (volkInitialize() != VK_SUCCESS) {
        return log_fail(
            log, GYRE_ERROR_NO_LOADER,
            "no Vulkan loader (libvulkan.so.1) could be opened: install it (Debian: libvulkan1)");
    }
    if (volkGetInstanceVersion() < VK_API_VERSION_1_2) {
        return log_fail(log, GYRE_ERROR_UNSUPPORTED,
                        "the Vulkan loader is older than 1.2: update it (libvulkan1)");
    }
    VkResult result = vkCreateInstance(
        &(VkInstanceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
            .pApplicationInfo =
                &(VkApplicationInfo){
                    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                    .pEngineName = "gyre",
                    .engineVersion = VK_MAKE_API_VERSION(0, GYRE_VERSION_MAJOR, GYRE_VERSION_MINOR,
                                                         GYRE_VERSION_PATCH),
                    .apiVersion = VK_API_VERSION_1_2,
                },
        },
        NULL, &instance->handle);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        return log_fail(
            log, GYRE_ERROR_NO_DEVICE,
            "the Vulkan loader found no driver: install one (Debian: mesa-vulkan-drivers) or check "
            "VK_DRIVER_FILES and VK_ICD_FILENAMES");
    }
    if (result != VK_SUCCESS) {
        return log_fail(log, vk_to_result(result), "vkCreateInstance: %s", vk_result_name(result));
    }
    volkLoadInstanceOnly(instance->handle);
    return load_instance_functions(log, instance);
}

gyre_result vk_instance_create(const struct log *log, struct vk_instance *instance)
{
    *instance = (struct vk_instance){0};
    pthread_mutex_lock(&volk_lock);
    gyre_result result = create_locked(log, instance);
    pthread_mutex_unlock(&volk_lock);
    if (result != GYRE_OK) {
        vk_instance_destroy(instance);
    }
    return result;
}

void vk_instance_destroy(struct vk_instance *instance)
{
    if (instance->handle && instance->DestroyInstance) {
        instance->DestroyInstance(instance->handle, NULL);
    }
    *instance = (struct vk_instance){0};
}

void vk_load_device(struct VolkDeviceTable *table, VkDevice device)
{
    pthread_mutex_lock(&volk_lock);
    volkLoadDeviceTable(table, device);
    pthread_mutex_unlock(&volk_lock);
}

#define VK_RESULTS(X) \
    X(VK_SUCCESS, GYRE_OK) \
    X(VK_NOT_READY, GYRE_ERROR_TIMEOUT) \
    X(VK_TIMEOUT, GYRE_ERROR_TIMEOUT) \
    X(VK_INCOMPLETE, GYRE_OK) \
    X(VK_ERROR_OUT_OF_HOST_MEMORY, GYRE_ERROR_NO_MEMORY) \
    X(VK_ERROR_OUT_OF_DEVICE_MEMORY, GYRE_ERROR_NO_MEMORY) \
    X(VK_ERROR_OUT_OF_POOL_MEMORY, GYRE_ERROR_NO_MEMORY) \
    X(VK_ERROR_TOO_MANY_OBJECTS, GYRE_ERROR_NO_MEMORY) \
    X(VK_ERROR_MEMORY_MAP_FAILED, GYRE_ERROR_NO_MEMORY) \
    X(VK_ERROR_INITIALIZATION_FAILED, GYRE_ERROR_NO_DEVICE) \
    X(VK_ERROR_DEVICE_LOST, GYRE_ERROR_DEVICE_LOST) \
    X(VK_ERROR_LAYER_NOT_PRESENT, GYRE_ERROR_UNSUPPORTED) \
    X(VK_ERROR_EXTENSION_NOT_PRESENT, GYRE_ERROR_UNSUPPORTED) \
    X(VK_ERROR_FEATURE_NOT_PRESENT, GYRE_ERROR_UNSUPPORTED) \
    X(VK_ERROR_INCOMPATIBLE_DRIVER, GYRE_ERROR_UNSUPPORTED) \
    X(VK_ERROR_INVALID_SHADER_NV, GYRE_ERROR_SPIRV) \
    X(VK_ERROR_UNKNOWN, GYRE_ERROR_INTERNAL)

const char *vk_result_name(VkResult result)
{
    switch ((int)result) {
#define X(vk, gyre) \
    case vk: \
        return #vk;
        VK_RESULTS(X)
#undef X
    }
    return "an unknown VkResult";
}

gyre_result vk_to_result(VkResult result)
{
    switch ((int)result) {
#define X(vk, gyre) \
    case vk: \
        return gyre;
        VK_RESULTS(X)
#undef X
    }
    return GYRE_ERROR_INTERNAL;
}

VkResult vk_check(const struct log *log, VkResult result, const char *call, const char *file,
                  int line)
{
    if (result < 0) {
        const char *name = strrchr(file, '/');
        log_say(log, GYRE_LOG_ERROR, "%s: %s (%s:%d)", call, vk_result_name(result),
                name ? name + 1 : file, line);
    }
    return result;
}
