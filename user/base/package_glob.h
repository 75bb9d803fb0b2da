/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PACKAGE_GLOB_H
#define ESCAPEMENT_PACKAGE_GLOB_H

#include <stdbool.h>

/*
 * Whether a glob of the command line or of a policy matches an import path. `*` matches slashes, too; "net/..."
 * is net and all that is below it, "..." is all. Unlike the go command's, a glob has such dots at its end only, and is of import
 * paths, not of directories. False for NULL.
 */
bool package_glob(const char *glob, const char *package);
/* Whether it can match no import path, because it is a path of directories: "./...", "../x", "/home/x". */
bool package_glob_is_of_directories(const char *glob);

#endif
