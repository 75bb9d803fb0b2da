/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_select.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/package_glob.h"
#include "base/memory.h"
#include "base/pointer_map.h"

#define BIT(kind) (UINT32_C(1) << (kind))

static const struct {
	const char *name;
	uint32_t kinds;
} groups[] = {
	{"heap", ESCAPE_KINDS_HEAP},
	{"leaks", BIT(ESCAPE_LEAKING_PARAM) | BIT(ESCAPE_LEAKING_PARAM_CONTENT) | BIT(ESCAPE_LEAKING_PARAM_TO_RESULT)},
	{"inlining", BIT(ESCAPE_CAN_INLINE) | BIT(ESCAPE_CANNOT_INLINE) | BIT(ESCAPE_INLINED_CALL)},
	{"all", ESCAPE_KINDS_ALL},
};

enum { GROUP_COUNT = sizeof(groups) / sizeof(*groups) };

static bool matches(const char *const *globs, int count, const char *text)
{
	for (int i = 0; i < count; i++) {
		if (text && fnmatch(globs[i], text, FNM_NOESCAPE) == 0)
			return true;
	}
	return count == 0;
}

static bool package_matches(const char *const *globs, int count, const char *package)
{
	for (int i = 0; i < count; i++) {
		if (package_glob(globs[i], package))
			return true;
	}
	return count == 0;
}

bool escape_filter_accepts(const struct escape_filter *filter, const struct escape_annotation *annotation)
{
	return filter->kinds & BIT(annotation->kind) &&
	       package_matches(filter->packages, filter->package_count, annotation->package) &&
	       matches(filter->functions, filter->function_count, annotation->function) &&
	       matches(filter->paths, filter->path_count, annotation->file);
}

static uint32_t kinds_of(const char *name)
{
	int kind = escape_kind_parse(name);

	for (int i = 0; i < GROUP_COUNT; i++) {
		if (strcmp(groups[i].name, name) == 0)
			return groups[i].kinds;
	}
	return kind < 0 ? 0 : BIT(kind);
}

static int unknown_kind(const char *name, struct error *error)
{
	char known[768] = "";
	size_t length = 0;

	for (int i = 0; i < GROUP_COUNT + ESCAPE_KIND_COUNT && length < sizeof(known); i++)
		length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s", i ? ", " : "",
					   i < GROUP_COUNT ? groups[i].name : escape_kind_name(i - GROUP_COUNT));
	return error_set(error, STATUS_USAGE, "unknown kind '%s'; known kinds: %s", name, known);
}

int escape_kinds_parse(const char *text, uint32_t *kinds, struct error *error)
{
	*kinds = 0;
	do {
		size_t length = strcspn(text, ",");
		char name[64];
		uint32_t found;

		snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name)), text);
		found = kinds_of(name);
		if (!found)
			return unknown_kind(name, error);
		*kinds |= found;
		text += length;
	} while (*text++);
	return 0;
}

static int most_first(const void *a, const void *b)
{
	const struct escape_package *x = a, *y = b;

	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	if (!x->name || !y->name)
		return x->name ? -1 : y->name != NULL;
	return strcmp(x->name, y->name);
}

struct escape_package *escape_packages(const struct escape_output *output, const struct escape_filter *filter,
				       size_t *count)
{
	struct escape_package *packages = NULL;
	struct pointer_map indices = {0};
	size_t capacity = 0;

	*count = 0;
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];
		static const char unnamed[] = "";
		uint32_t *index;

		if (!escape_filter_accepts(filter, annotation))
			continue;
		index = pointer_map_at(&indices, annotation->package ? annotation->package : unnamed);
		if (*index == POINTER_MAP_NONE) {
			if (*count == capacity) {
				capacity = 2 * capacity + 16;
				packages = memory_resize(packages, capacity, sizeof(*packages));
			}
			packages[*count] = (struct escape_package){.name = annotation->package};
			*index = (uint32_t)(*count)++;
		}
		packages[*index].counts[annotation->kind]++;
		packages[*index].total++;
	}
	pointer_map_free(&indices);
	if (*count)
		qsort(packages, *count, sizeof(*packages), most_first);
	return packages;
}
