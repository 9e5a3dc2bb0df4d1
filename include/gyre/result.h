/* Results: what a function returns. The reason in words goes to the runtime's log. */
#ifndef GYRE_RESULT_H
#define GYRE_RESULT_H

#include <gyre/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, sentence) */
#define GYRE_RESULTS(X) \
    X(OK, 0, "success") \
    X(ERROR_INVALID, 1, "an argument is invalid") \
    X(ERROR_STATE, 2, "the kernel's state does not allow the operation") \
    X(ERROR_ALREADY_EXISTS, 3, "a kernel of this id exists") \
    X(ERROR_NOT_FOUND, 4, "no kernel has this id") \
    X(ERROR_TIMEOUT, 5, "the time ran out") \
    X(ERROR_FULL, 6, "the queue is full") \
    X(ERROR_EMPTY, 7, "nothing is there") \
    X(ERROR_TERMINATED, 8, "the kernel has terminated") \
    X(ERROR_DROPPED, 9, "the message was dropped") \
    X(ERROR_EXPIRED, 10, "the message's deadline passed") \
    X(ERROR_SIZE, 11, "the payload's size is not the message type's") \
    X(ERROR_TYPE, 12, "the kernel has no such message type") \
    X(ERROR_HANDLER, 13, "the handler called gyre_fail()") \
    X(ERROR_LOOP_LIMIT, 14, "the handler's loops exceed what the driver runs") \
    X(ERROR_OVERSENT, 15, "the handler sent more answers than GYRE_MAX_SENDS") \
    X(ERROR_OUTPUT_FULL, 16, "the output queue is full") \
    X(ERROR_CORRUPT, 17, "the device wrote something that cannot be") \
    X(ERROR_NO_MEMORY, 18, "out of host or device memory") \
    X(ERROR_NO_LOADER, 19, "no Vulkan loader on this system") \
    X(ERROR_NO_DEVICE, 20, "no Vulkan device that Gyre can run on") \
    X(ERROR_DEVICE_NOT_FOUND, 21, "the device asked for is not there") \
    X(ERROR_UNSUPPORTED, 22, "the device lacks something that is needed") \
    X(ERROR_DEVICE_LOST, 23, "the device is lost") \
    X(ERROR_DRIVER_FAULT, 24, "this driver would compute wrong values") \
    X(ERROR_COMPILE, 25, "the GLSL does not compile") \
    X(ERROR_SPIRV, 26, "the SPIR-V module is damaged or of the wrong kind") \
    X(ERROR_INTERFACE, 27, "the module's interface is not what the host states or expects") \
    X(ERROR_LIMIT, 28, "over a limit of the device or of Gyre") \
    X(ERROR_BINDING, 29, "a buffer does not fit the kernel's bindings") \
    X(ERROR_IO, 30, "a file cannot be read or written") \
    X(ERROR_INTERNAL, 31, "a fault in Gyre") \
    X(ERROR_NO_ROUTE, 32, "the handler sent to a port that nothing is linked to") \
    X(ERROR_HOPS, 33, "the message has come along too many links") \
    X(ERROR_CYCLE, 34, "these links would make a cycle that can fill up for good")

typedef enum gyre_result {
#define X(name, value, sentence) GYRE_##name = value,
    GYRE_RESULTS(X)
#undef X
} gyre_result;

/* "GYRE_ERROR_FULL"; never NULL. Thread-safety: safe. */
GYRE_API const char *gyre_result_name(gyre_result result);

/* "the queue is full"; never NULL. Thread-safety: safe. */
GYRE_API const char *gyre_result_text(gyre_result result);

#ifdef __cplusplus
}
#endif

#endif
