/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_DIFF_H
#define ESCAPEMENT_ESCAPE_DIFF_H

/*
 * Compares two outputs by content, not by line, so that moving code changes nothing. Facts are identified by package,
 * declared function (a function literal counts as part of the function that contains it, so that a new literal does not
 * rename the others), kind and subject, and are counted.
 *
 * If functions are not named on both sides (escape_functions.h), files are used instead.
 */

#include "escape/escape.h"
#include "escape/escape_graph.h"
#include "escape/escape_select.h"

enum escape_change_kind {
	ESCAPE_NEW,	/* more often than before */
	ESCAPE_GONE,	/* less often than before */
	ESCAPE_CHANGED, /* as often as before, for another reason */
};

struct escape_change {
	enum escape_change_kind kind;
	size_t old_count, new_count;
	const struct escape_annotation *before, *after; /* an example of each; NULL if the count is 0 */
};

struct escape_diff {
	struct escape_change
		*changes; /* new and changed in the order of the new output, then gone in that of the old */
	size_t change_count;
	size_t totals[3]; /* sums of |new_count - old_count|, and the number of changed facts */
	bool by_function; /* false: by file */
	bool reasons;	  /* both outputs have explanations (-m=2), so changed reasons are found */
};

/* One side, with its functions named. Outputs and graphs must outlive the diff. */
struct escape_side {
	const struct escape_output *output;
	const struct escape_graph *graph;
};

/* Compares the annotations that the filter accepts. The caller frees the result. */
struct escape_diff *escape_diff_new(const struct escape_side *before, const struct escape_side *after,
				    const struct escape_filter *filter);
/*
 * Fails if a package of the old output is missing from the new one, unless it was removed: otherwise a comparison would
 * report its escapes as gone. A package was removed if none of its files exists in `directory`, in which other files of
 * the new output do exist. `name` is the new output's name, for the message.
 */
int escape_check_packages(const struct escape_output *before, const struct escape_output *after,
			  const struct escape_filter *filter, const char *directory, const char *name,
			  struct error *error);

void escape_diff_free(struct escape_diff *diff); /* NULL is allowed */

#endif
