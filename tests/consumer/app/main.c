/* Links the library, has a shader compiled by its own build, and runs with the version of the
 * headers. */
#include <gyre/gyre.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint32_t echo[] = {
#include "echo.spv.h"
};

int main(void)
{
    printf("gyre %s, echo.comp: %zu words\n", gyre_version(), sizeof echo / sizeof echo[0]);
    return echo[0] == 0x07230203 && strcmp(gyre_version(), GYRE_VERSION_STRING) == 0 ? 0 : 1;
}
