/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/source_file.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/caller.h"
#include "base/memory.h"
#include "base/regular_file.h"

static bool is_source_name(const char *file)
{
	static const char *const suffixes[] = {".go", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".y", ".s"};
	const char *suffix = strrchr(file, '.');

	for (size_t i = 0; suffix && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (strcmp(suffix, suffixes[i]) == 0)
			return true;
	}
	return false;
}

/* Whether what was opened has the name of source, too, wherever links have led. */
static bool is_source(int descriptor)
{
	char name[REGULAR_FILE_NAME], target[PATH_MAX];
	ssize_t length = readlink(regular_file_name(descriptor, name), target, sizeof(target) - 1);

	if (length <= 0)
		return false;
	target[length] = '\0';
	return is_source_name(target);
}

/* Opens it as the user would. Only this thread changes; the C library's setgroups() would change all. */
static int open_as(const struct caller *caller, const char *path, struct stat *status)
{
	int count = getgroups(0, NULL), descriptor = -1;
	gid_t *groups = memory_zeroed((size_t)(count > 0 ? count : 0) + 1, sizeof(*groups));

	if (count < 0 || getgroups(count, groups) != count || syscall(SYS_setgroups, 0, NULL) ||
	    getgroups(0, NULL) != 0) {
		free(groups);
		return -1;
	}
	setfsgid(caller->group);
	setfsuid(caller->user);
	/* Both return the number that was; a number that is none changes nothing. */
	if ((gid_t)setfsgid((gid_t)-1) == caller->group && (uid_t)setfsuid((uid_t)-1) == caller->user)
		descriptor = regular_file_open_here(path, status, NULL);
	setfsuid(geteuid());
	setfsgid(getegid());
	syscall(SYS_setgroups, count, groups);
	free(groups);
	return descriptor;
}

int source_file_open(const char *file, const char *directory, size_t *size)
{
	bool below = file[0] != '/' && directory;
	struct caller caller;
	struct stat status;
	char *path;
	int descriptor;

	if (!is_source_name(file))
		return -1;
	path = memory_format("%s%s%s", below ? directory : "", below ? "/" : "", file);
	descriptor =
		caller_find(&caller) ? open_as(&caller, path, &status) : regular_file_open_here(path, &status, NULL);
	free(path);
	if (descriptor >= 0 && (status.st_size > SOURCE_FILE_MAX || !is_source(descriptor))) {
		close(descriptor);
		return -1;
	}
	if (descriptor >= 0)
		*size = (size_t)status.st_size;
	return descriptor;
}
