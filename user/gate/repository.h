/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REPOSITORY_H
#define ESCAPEMENT_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Determines the path of a source file relative to the root of the repository, for code scanning and annotations. The
 * root is GITHUB_WORKSPACE, or the nearest directory above the working directory that has a .git. `file` is absolute,
 * or relative to the working directory. Returns false, with an empty `path`, if the file is not in the repository.
 * Outside of any repository, every relative path is accepted unchanged.
 */
bool repository_path(const char *file, char *path, size_t size);

#endif
