/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_MODULES_H
#define ESCAPEMENT_GO_MODULES_H

/* The modules that a Go program was built from, according to its build information. Pure; any thread. */

#include "profile/profile.h"

/*
 * Sets the process's module, package and nested modules. `build_info` is what `go version -m` prints, without
 * indentation: lines of a key, a tab and a value. If it is NULL they stay unknown. The text comes from the program's
 * file, so lines that are too long are ignored.
 */
void go_modules_describe(const char *build_info, struct profile *profile, struct profile_process *process);

#endif
