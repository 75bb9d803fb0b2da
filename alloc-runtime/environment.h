/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

/* Settings in the process's environment. */

#include <stddef.h>

#pragma GCC visibility push(hidden)

/* Sets *bytes to the value of the variable: a number of bytes, or a number with the suffix k, m or g. Leaves it if there is no
 * such variable, and with a warning if it has another value. */
void environment_bytes(const char *name, size_t *bytes);

#pragma GCC visibility pop
#endif
