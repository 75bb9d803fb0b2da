/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/package_glob.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Whether a glob, "net/...", matches a package or one of its parents without these dots. */
static bool matches_below(const char *glob, size_t length, const char *package)
{
	char *here = memory_text_of(glob, length), *below = memory_format("%s/*", here);
	bool matches = fnmatch(here, package, FNM_NOESCAPE) == 0 || fnmatch(below, package, FNM_NOESCAPE) == 0;

	free(here);
	free(below);
	return matches;
}

bool package_glob_is_of_directories(const char *glob)
{
	return *glob == '/' || strcmp(glob, ".") == 0 || strcmp(glob, "..") == 0 || strncmp(glob, "./", 2) == 0 ||
	       strncmp(glob, "../", 3) == 0;
}

bool package_glob(const char *glob, const char *package)
{
	size_t length = strlen(glob);

	if (!package)
		return false;
	if (strcmp(glob, "...") == 0 || strcmp(glob, package) == 0 || fnmatch(glob, package, FNM_NOESCAPE) == 0)
		return true;
	return length > 4 && strcmp(glob + length - 4, "/...") == 0 && matches_below(glob, length - 4, package);
}
