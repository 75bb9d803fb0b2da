/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PATHNAME_H
#define ESCAPEMENT_PATHNAME_H

/* Names of source files as compilers and binaries have them, and how alike two of them are. Pure functions. */

#include <stdbool.h>
#include <stddef.h>

struct pathmatch_map {
	const char *from, *to; /* both consist of whole leading components */
};

/*
 * Returns the name in normal form, which the caller frees: the first map that fits is applied, \\ becomes /, "." and ".."
 * components are resolved, "!x" of the module cache becomes "X", and "@v1.2.3" of a module directory is removed.
 */
char *pathname_normal(const struct pathmatch_map *maps, size_t map_count, const char *name);

/* The functions below are for names in normal form. */

/* Also with the drive of Windows. */
bool pathname_is_absolute(const char *path);

/* Returns what follows the last slash. */
const char *pathname_base(const char *path);

/* Returns the last components of a path, as many as are compared; further ones would not distinguish files. */
const char *pathname_last_components(const char *path);

/* Whether a file at `path` may belong to the package: its directory has the package's name. */
bool pathname_is_in(const char *package, const char *path);

/* Compares paths from the end, so that those with a common end are adjacent. */
int pathname_compare(const char *a, const char *b);

/* Returns the number of whole components at the end of both paths. `*contained`: one path is the end of the other. */
size_t pathname_common_end(const char *a, const char *b, bool *contained);

#endif
