/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/toolchain.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static bool is_program(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Returns the directory of the go command that `path` is or, if it is a GOROOT, contains; NULL if there is none.
 * Frees `path`. */
static char *directory_of(char *path)
{
	char *resolved = realpath(path, NULL), *slash, *in_root;

	free(path);
	if (!resolved)
		return NULL;
	in_root = memory_format("%s/bin/go", resolved);
	slash = strrchr(resolved, '/');
	if (is_program(in_root)) {
		free(resolved);
		resolved = in_root;
		slash = strrchr(resolved, '/');
	} else {
		free(in_root);
	}
	if (!is_program(resolved) || !slash || strcmp(slash, "/go") != 0) {
		free(resolved);
		return NULL;
	}
	*slash = 0;
	return resolved;
}

/* Returns the last match of a pattern in alphabetical order, usually the newest patch release; "" if there is none.
 * Frees the pattern. */
static char *last_match(char *pattern)
{
	glob_t found = {0};
	char *path = memory_text(
		glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc ? found.gl_pathv[found.gl_pathc - 1] : "");

	globfree(&found);
	free(pattern);
	return path;
}

/* goN in PATH: what golang.org/dl installs is a wrapper of ~/sdk/goN, others are links to a toolchain. */
static char *in_path(const char *version)
{
	const char *path = getenv("PATH");
	char *copy = memory_text(path ? path : ""), *state = NULL, *found = NULL;

	for (char *part = strtok_r(copy, ":", &state); part && !found; part = strtok_r(NULL, ":", &state))
		found = directory_of(memory_format("%s/go%s", part, version));
	free(copy);
	return found;
}

static char *in_cache(const char *version, const char *home)
{
	const char *cache = getenv("ESCAPEMENT_CACHE"), *base = getenv("XDG_CACHE_HOME");

	if (cache && *cache)
		return memory_format("%s/go/%s/usr/lib/go-%s", cache, version, version);
	if (base && *base)
		return memory_format("%s/escapement/go/%s/usr/lib/go-%s", base, version, version);
	return memory_format("%s/.cache/escapement/go/%s/usr/lib/go-%s", home, version, version);
}

char *toolchain_find(const char *name, const char *home, struct error *error)
{
	const char *version = strncmp(name, "go", 2) == 0 ? name + 2 : name;
	char *found;

	if (strchr(name, '/')) {
		if (!(found = directory_of(memory_text(name))))
			error_set(error, STATUS_USAGE, "'%s' is neither a go command nor a directory with bin/go in it",
				  name);
		return found;
	}
	if (!version[0] || version[strspn(version, "0123456789.rcbeta")]) {
		error_set(error, STATUS_USAGE, "'%s' is not a Go version; write it as 1.26 or 1.26.3, or give a path",
			  name);
		return NULL;
	}
	if ((found = in_path(version)) || (found = directory_of(memory_format("%s/sdk/go%s", home, version))) ||
	    (found = directory_of(last_match(memory_format("%s/sdk/go%s.*", home, version)))) ||
	    (found = directory_of(memory_format("/usr/lib/go-%s", version))) ||
	    (found = directory_of(in_cache(version, home))))
		return found;
	error_set(error, STATUS_USAGE,
		  "no Go %s here: there is no go%s in PATH, no %s/sdk/go%s, no /usr/lib/go-%s, and "
		  "packaging/go-toolchain "
		  "has not fetched it; give a path",
		  version, version, home, version, version);
	return NULL;
}
