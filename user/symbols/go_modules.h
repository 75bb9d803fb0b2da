/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_MODULES_H
#define ESCAPEMENT_GO_MODULES_H

/* Which modules a Go program was built from, out of its build information. Pure; any thread. */

#include "profile/profile.h"

/*
 * Sets the process's module, package and nested modules. `build_info` is what `go version -m` prints, without
 * indentation: lines of a key, a tab and a value; NULL leaves them unknown. The text comes from the program's file:
 * lines that are too long are left out.
 */
void go_modules_describe(const char *build_info, struct profile *profile, struct profile_process *process);

#endif
