/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_TOOLCHAIN_H
#define ESCAPEMENT_COMPARE_TOOLCHAIN_H

/* Finds Go toolchains by version or path. */

#include "base/error.h"

/*
 * Returns the directory of a toolchain's go command, which the caller frees. `name` is a path (of a go command or of a
 * GOROOT), or a version, "1.26", "go1.26.3", which is looked for as goN in PATH, in `home`/sdk, where Debian's packages
 * are, and where packaging/go-toolchain unpacks. STATUS_USAGE with a list of these if there is none.
 */
char *toolchain_find(const char *name, const char *home, struct error *error);

#endif
