/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_DIFF_H
#define ESCAPEMENT_ESCAPE_DIFF_H

/*
 * Two outputs compared by what is said about what, not by line: moving code changes nothing. What is said is told
 * apart by package, declared function (a function literal counts to the one it stands in, so that a new literal
 * does not rename the others), kind and subject, and counted.
 *
 * Where functions are not named on both sides (escape_functions.h), files stand for them.
 */

#include "escape/escape.h"
#include "escape/escape_graph.h"
#include "escape/escape_select.h"

enum escape_change_kind {
	ESCAPE_NEW,	/* more often than before */
	ESCAPE_GONE,	/* less often than before */
	ESCAPE_CHANGED, /* as often, for another reason */
};

struct escape_change {
	enum escape_change_kind kind;
	size_t old_count, new_count;
	const struct escape_annotation *before, *after; /* one of them each; NULL where the count is 0 */
};

struct escape_diff {
	struct escape_change
		*changes; /* new and changed in the order of the new output, then gone in that of the old */
	size_t change_count;
	size_t totals[3]; /* sums of |new_count - old_count|, and the number of changed ones */
	bool by_function; /* false: by file */
	bool reasons;	  /* both outputs explain (-m=2): changed reasons can be seen */
};

/* One side, with its functions named. Outputs and graphs must outlive the diff. */
struct escape_side {
	const struct escape_output *output;
	const struct escape_graph *graph;
};

/* Compares what the filter accepts. The caller frees the diff. */
struct escape_diff *escape_diff_new(const struct escape_side *before, const struct escape_side *after,
				    const struct escape_filter *filter);
/*
 * Fails with the name of a package that the old output speaks of and the new one does not, unless it was removed: a
 * comparison would take its escapes for gone. Removed it is if none of its files is in `directory`, where other files of
 * the new output are. `name` is the new output's, for the message.
 */
int escape_check_packages(const struct escape_output *before, const struct escape_output *after,
			  const struct escape_filter *filter, const char *directory, const char *name,
			  struct error *error);

void escape_diff_free(struct escape_diff *diff); /* NULL is allowed */

#endif
