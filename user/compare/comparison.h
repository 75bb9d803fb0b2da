/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_COMPARISON_H
#define ESCAPEMENT_COMPARE_COMPARISON_H

/*
 * Compares two builds: what the compiler says differently, which counts differ, and what that means for the allocator
 * and the collector. The gate judges. Refers to the sides, which must outlive it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "compare/side.h"
#include "compare/words.h"
#include "escape/escape_diff.h"
#include "escape/escape_graph.h"
#include "gate/gate.h"

enum comparison_verdict { COMPARISON_WORSE, COMPARISON_BETTER, COMPARISON_SAME };
extern const char *const comparison_verdict_names[]; /* "worse", "better", "unchanged" */

struct comparison {
	const struct compare_side *before, *after;
	const char *const *command; /* NULL-terminated; NULL: of two recordings */
	struct gate *gate;
	struct escape_diff *diff; /* NULL if the compiler was not run for both sides */
	struct escape_graph *graphs[2];
	struct comparison_words *
		words; /* one for each of the diff's changes, or for several that are one; those that were counted come first, the most objects first */
	size_t word_count;
	enum comparison_verdict verdict;
};

/* Never NULL. */
struct comparison *comparison_new(const struct compare_side *before, const struct compare_side *after,
				  const char *const *command, const struct policy *policy);
void comparison_free(struct comparison *comparison); /* NULL is allowed */

#endif
