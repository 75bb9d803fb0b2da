/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/pathname.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bool pathname_is_absolute(const char *path)
{
	return path[0] == '/' || (path[0] && path[1] == ':' && path[2] == '/');
}

const char *pathname_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Returns what follows `prefix` in `path` if `prefix` consists of whole leading components; else NULL. */
static const char *after_prefix(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	while (length && prefix[length - 1] == '/')
		length--;
	if (strncmp(path, prefix, length) != 0 || (path[length] != '/' && (path[length] || !length)))
		return NULL;
	return path + length;
}

/* Copies one component in normal form and returns the end of the copy. */
static char *copy_component(char *to, const char *from, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (from[i] == '@' && i + 2 < length && from[i + 1] == 'v' && isdigit((unsigned char)from[i + 2]))
			break;
		if (from[i] == '!' && i + 1 < length && islower((unsigned char)from[i + 1]))
			*to++ = (char)toupper((unsigned char)from[++i]);
		else
			*to++ = from[i];
	}
	return to;
}

char *pathname_normal(const struct pathmatch_map *maps, size_t map_count, const char *name)
{
	char *copy = memory_text(name), *path, *end;
	const char *rest;

	for (char *c = copy; *c; c++) {
		if (*c == '\\')
			*c = '/';
	}
	if (copy[0] && copy[1] == ':')
		copy[0] = (char)tolower((unsigned char)copy[0]);
	for (size_t i = 0; i < map_count; i++) {
		const char *tail = after_prefix(copy, maps[i].from);
		char *mapped;

		if (!tail)
			continue;
		mapped = memory_format("%s%s", maps[i].to, tail);
		free(copy);
		copy = mapped;
		break;
	}
	path = end = memory_allocate(strlen(copy) + 1);
	if (copy[0] == '/')
		*end++ = '/';
	for (rest = copy; *rest;) {
		size_t length = strcspn(rest, "/");
		bool up = length == 2 && rest[0] == '.' && rest[1] == '.';
		char *start = path + (copy[0] == '/');

		if (up && end > start) {
			char *slash = end;

			while (slash > start && slash[-1] != '/')
				slash--;
			/* ".." removes only a component that is not ".." itself. */
			if (end - slash == 2 && slash[0] == '.' && slash[1] == '.') {
				*end++ = '/';
				end = copy_component(end, rest, length);
			} else {
				end = slash > start ? slash - 1 : start;
			}
		} else if (length && !(length == 1 && rest[0] == '.')) {
			if (end > start)
				*end++ = '/';
			end = copy_component(end, rest, length);
		}
		rest += length;
		rest += strspn(rest, "/");
	}
	*end = 0;
	free(copy);
	return path;
}

/* Returns the component of a package path that names its directory: "bar" of "github.com/foo/bar/v2". */
static size_t package_directory(const char *package, const char **start)
{
	const char *end = package + strlen(package), *last;

	for (;;) {
		for (last = end; last > package && last[-1] != '/'; last--)
			continue;
		if (!(last[0] == 'v' && isdigit((unsigned char)last[1]) && last > package))
			break;
		end = last - 1;
	}
	*start = last;
	return (size_t)(end - last);
}

bool pathname_is_in(const char *package, const char *path)
{
	const char *base = pathname_base(path), *directory, *name;
	size_t length;

	if (strcmp(package, "command-line-arguments") == 0 || strcmp(package, "main") == 0)
		return false;
	if (base == path)
		return true; /* the compiler ran in the package's directory */
	for (directory = base - 1; directory > path && directory[-1] != '/'; directory--)
		continue;
	length = package_directory(package, &name);
	if ((size_t)(base - 1 - directory) == length && strncmp(directory, name, length) == 0)
		return true;
	/* "…/bar/v2/x.go": the directory is the version */
	length = strlen(package);
	return length > (size_t)(base - 1 - directory) &&
	       strncmp(package + length - (size_t)(base - 1 - directory), directory, (size_t)(base - 1 - directory)) ==
		       0 &&
	       package[length - (size_t)(base - 1 - directory) - 1] == '/';
}

int pathname_compare(const char *a, const char *b)
{
	size_t i = strlen(a), j = strlen(b);

	while (i && j) {
		unsigned char x = (unsigned char)a[--i], y = (unsigned char)b[--j];

		if (x != y) {
			/* '/' orders first, so that paths with a common end are adjacent */
			if (x == '/' || y == '/')
				return x == '/' ? -1 : 1;
			return x < y ? -1 : 1;
		}
	}
	return i ? 1 : j ? -1 : 0;
}

size_t pathname_common_end(const char *a, const char *b, bool *contained)
{
	size_t i = strlen(a), j = strlen(b), components = 0;

	while (i && j && a[i - 1] == b[j - 1]) {
		i--, j--;
		if (a[i] == '/')
			components++;
	}
	*contained = (i == 0 || j == 0) && (i == 0 || a[i - 1] == '/' || a[i] == '/') &&
		     (j == 0 || b[j - 1] == '/' || b[j] == '/');
	/* If the first component is common as a whole, no slash before it was counted. */
	return components + (*contained && a[i] != '/');
}

const char *pathname_last_components(const char *path)
{
	enum { DEEPEST = 64 };
	const char *start = path + strlen(path);

	for (int slashes = 0; start > path; start--) {
		if (start[-1] == '/' && ++slashes > DEEPEST)
			break;
	}
	return start;
}
