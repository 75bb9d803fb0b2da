/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REPOSITORY_H
#define ESCAPEMENT_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The path of a source file from the root of the repository, as code scanning and annotations want it. The root is
 * GITHUB_WORKSPACE, or the nearest directory above the working one that has a .git. `file` is absolute, or relative to the
 * working directory. False if the repository does not have the file; then `path` is "". Outside of any repository every
 * relative path is taken as it is.
 */
bool repository_path(const char *file, char *path, size_t size);

#endif
