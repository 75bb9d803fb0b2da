/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TEXT_COMPARE_H
#define ESCAPEMENT_TEXT_COMPARE_H

/* Comparisons of texts that may be NULL. Pure functions. */

#include <stdbool.h>
#include <string.h>

/* NULL is less than any text. */
static inline int text_compare(const char *a, const char *b)
{
	return a == b ? 0 : !a ? -1 : !b ? 1 : strcmp(a, b);
}

/* NULL is greater than any text: what is unknown comes last. */
static inline int text_compare_known_first(const char *a, const char *b)
{
	return a == b ? 0 : !a ? 1 : !b ? -1 : strcmp(a, b);
}

static inline bool text_same(const char *a, const char *b)
{
	return text_compare(a, b) == 0;
}

/* Returns what follows the last slash of a path; the path itself if it has none, NULL if it is NULL. */
static inline const char *text_base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

#endif
