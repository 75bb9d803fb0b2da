/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/go_modules.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_LENGTH = 512, NESTED_MAX_LENGTH = 16384 };

/* Finds the path on a line with this key, such as "mod\tPATH\tVERSION". Returns its length; 0 if the line has another
 * key or an invalid path. */
static size_t path_of(const char *line, const char *key, const char **path)
{
	size_t length = strlen(key), size;

	if (strncmp(line, key, length) != 0 || line[length] != '\t')
		return 0;
	*path = line + length + 1;
	size = strcspn(*path, "\t\n");
	return size <= PATH_MAX_LENGTH && !memchr(*path, ' ', size) ? size : 0;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

static const char *find(const char *build_info, const char *key, struct profile *profile)
{
	const char *path;
	size_t length;

	for (const char *line = build_info; *line; line = next_line(line)) {
		if ((length = path_of(line, key, &path)))
			return profile_format(profile, "%.*s", (int)length, path);
	}
	return NULL;
}

/* Finds dependencies whose path begins with the main module's path: by name, their functions seem to belong to the main
 * module. */
static const char *find_nested(const char *build_info, const char *module, struct profile *profile)
{
	size_t prefix = strlen(module), length, used = 0;
	char *nested = NULL;
	const char *path;

	for (const char *line = build_info; *line; line = next_line(line)) {
		length = path_of(line, "dep", &path);
		if (length <= prefix || strncmp(path, module, prefix) != 0 || path[prefix] != '/' ||
		    used + length + 2 > NESTED_MAX_LENGTH)
			continue;
		if (!nested)
			nested = memory_allocate(NESTED_MAX_LENGTH);
		used += (size_t)sprintf(nested + used, "%s%.*s", used ? " " : "", (int)length, path);
	}
	if (!nested)
		return NULL;
	path = profile_string(profile, nested);
	free(nested);
	return path;
}

void go_modules_describe(const char *build_info, struct profile *profile, struct profile_process *process)
{
	if (!build_info)
		return;
	process->package = find(build_info, "path", profile);
	process->module = find(build_info, "mod", profile);
	if (process->module)
		process->nested_modules = find_nested(build_info, process->module, profile);
}
