/* The API as tests/support/path.h knows it, and layers over it that do something wrong now and
 * then: what the property test must find. */
#ifndef GYRE_TEST_PATH_FAULTS_H
#define GYRE_TEST_PATH_FAULTS_H

#include "path.h"

extern const struct path_api path_real;

extern const struct path_api path_faults[];
extern const uint32_t path_fault_count;

/* Before each sequence: the layers forget what they have seen. */
void path_faults_reset(const struct path_config *config);

#endif
