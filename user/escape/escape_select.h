/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_SELECT_H
#define ESCAPEMENT_ESCAPE_SELECT_H

/* Which annotations somebody wants to see. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "escape/escape.h"

#define ESCAPE_KINDS_ALL  ((UINT32_C(1) << ESCAPE_KIND_COUNT) - 1)
#define ESCAPE_KINDS_HEAP (UINT32_C(1) << ESCAPE_MOVED_TO_HEAP | UINT32_C(1) << ESCAPE_ESCAPES)

/*
 * Shell globs; several of one list are alternatives, an empty list accepts all. A `*` in `paths` and `packages`
 * also matches slashes, so that "net*" is net and all below it.
 */
struct escape_filter {
	uint32_t kinds; /* bit per enum escape_kind */
	const char *const *packages;
	int package_count;
	const char *const *functions; /* as the compiler writes them: "foo", "(*T).M" */
	int function_count;
	const char *const *paths;
	int path_count;
};

bool escape_filter_accepts(const struct escape_filter *filter, const struct escape_annotation *annotation);

/*
 * Reads a list of kinds, "moved-to-heap,escapes", or the groups "heap" (those two), "leaks", "inlining", "all".
 * Returns 0, or -1 with an error that lists what there is.
 */
int escape_kinds_parse(const char *text, uint32_t *kinds, struct error *error);

#endif
