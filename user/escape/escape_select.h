/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_SELECT_H
#define ESCAPEMENT_ESCAPE_SELECT_H

/* Selects annotations by kind, package, file and function. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "escape/escape.h"

#define ESCAPE_KINDS_ALL  ((UINT32_C(1) << ESCAPE_KIND_COUNT) - 1)
#define ESCAPE_KINDS_HEAP (UINT32_C(1) << ESCAPE_MOVED_TO_HEAP | UINT32_C(1) << ESCAPE_ESCAPES)

/*
 * Lists of shell globs: several in one list are alternatives, an empty list accepts everything. A `*` in `paths` and
 * `packages` also matches slashes, so that "net*" is net and everything below it.
 */
struct escape_filter {
	uint32_t kinds; /* one bit per enum escape_kind */
	const char *const *packages;
	int package_count;
	const char *const *functions; /* as the compiler writes them: "foo", "(*T).M" */
	int function_count;
	const char *const *paths;
	int path_count;
};

bool escape_filter_accepts(const struct escape_filter *filter, const struct escape_annotation *annotation);

/* The annotations of a package that a filter accepts, counted by kind. */
struct escape_package {
	const char *name; /* of the output; NULL: the output does not name it */
	uint64_t counts[ESCAPE_KIND_COUNT], total;
};

/* Returns the packages that have any, those with the most annotations first. The caller frees the array. */
struct escape_package *escape_packages(const struct escape_output *output, const struct escape_filter *filter,
				       size_t *count);

/*
 * Parses a list of kinds ("moved-to-heap,escapes") or groups: "heap" (those two), "leaks", "inlining", "all". Returns
 * 0, or -1 with an error that lists the known kinds.
 */
int escape_kinds_parse(const char *text, uint32_t *kinds, struct error *error);

#endif
