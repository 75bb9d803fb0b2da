/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/repository.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Removes the last component; returns false at the root. */
static bool go_up(char *directory)
{
	char *slash = strrchr(directory, '/');

	if (!slash || !directory[1])
		return false;
	slash[slash == directory] = 0;
	return true;
}

static bool find_root(char root[PATH_MAX])
{
	const char *workspace = getenv("GITHUB_WORKSPACE");
	char git[PATH_MAX + 8];

	if (workspace && *workspace && realpath(workspace, root))
		return true;
	if (!getcwd(root, PATH_MAX))
		return false;
	do {
		snprintf(git, sizeof(git), "%s/.git", root);
		if (access(git, F_OK) == 0)
			return true;
	} while (go_up(root));
	return false;
}

bool repository_path(const char *file, char *path, size_t size)
{
	char root[PATH_MAX], real[PATH_MAX];
	size_t length;

	path[0] = 0;
	if (!file || !*file)
		return false;
	if (!find_root(root)) {
		snprintf(path, size, "%s", file);
		return file[0] != '/';
	}
	length = strlen(root);
	if (!realpath(file, real) || strncmp(real, root, length) != 0 || (length > 1 && real[length] != '/'))
		return false;
	snprintf(path, size, "%s", real + length + (length > 1));
	return true;
}
