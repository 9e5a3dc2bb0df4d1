/*
 * A program that carries a volk of its own, as engines do, and links gyre. Each of the two has
 * function pointers of the same names: neither may read or write the other's.
 */
#include <gyre/gyre.h>
#include <stdio.h>
#include <stdlib.h>
#include <volk.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static VkResult VKAPI_PTR must_not_be_called(VkInstance instance, uint32_t *count,
                                             VkPhysicalDevice *devices)
{
    (void)instance;
    (void)count;
    (void)devices;
    fprintf(stderr, "gyre called through the program's function pointers\n");
    abort();
}

static void open_and_close_gyre(void)
{
    gyre_runtime *runtime = NULL;
    CHECK(gyre_runtime_create(NULL, &runtime) == GYRE_OK);
    gyre_runtime_destroy(runtime);
}

int main(void)
{
    open_and_close_gyre();
    CHECK(vkCreateInstance == NULL);
    CHECK(vkCreateBuffer == NULL);

    CHECK(volkInitialize() == VK_SUCCESS);
    VkInstance instance = VK_NULL_HANDLE;
    CHECK(vkCreateInstance(&(VkInstanceCreateInfo){.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO},
                           NULL, &instance) == VK_SUCCESS);
    volkLoadInstance(instance);

    PFN_vkEnumeratePhysicalDevices ours = vkEnumeratePhysicalDevices;
    vkEnumeratePhysicalDevices = must_not_be_called;
    open_and_close_gyre();
    CHECK(vkEnumeratePhysicalDevices == must_not_be_called);

    uint32_t count = 0;
    CHECK(ours(instance, &count, NULL) == VK_SUCCESS && count > 0);
    CHECK(volkGetLoadedInstance() == instance);
    vkDestroyInstance(instance, NULL);
    return 0;
}
