/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_WORDS_H
#define ESCAPEMENT_COMPARE_WORDS_H

/*
 * What the compiler says differently about two builds. It says the same once more wherever it inlines a function, at the line
 * of the call. Differences at these copies are one difference: that in the function itself, whose line is also the owner of
 * what all of them allocate.
 */

#include <stddef.h>

#include "escape/escape_diff.h"
#include "profile/profile.h"

/* One difference in the compiler's output, with the counts of the sites that it is about. */
struct comparison_words {
	const struct escape_change *change;
	/* the annotation before, if the compiler only words it differently now: then `change` has the annotation
	 * after, and the gate found that the site is the same (gate_moves.h). NULL for all other changes */
	const struct escape_annotation *was;
	double before[VALUE_COUNT],
		after[VALUE_COUNT]; /* objects and bytes; VALUE_UNMEASURED if no site is of it, and on a side without a sample of one */
	size_t without_before[VALUE_COUNT], without_after[VALUE_COUNT]; /* sites of it whose values are not known */
	size_t copies; /* the same at further inlined copies of the function (see below) */
	const char *
		inlined; /* the function, if this is a copy itself, because the compiler was not asked about its package */
};

/* Whether objects were counted at the sites that the difference is about. */
static inline bool comparison_words_counted(const struct comparison_words *words)
{
	return words->before[VALUE_OBJECTS] != VALUE_UNMEASURED || words->after[VALUE_OBJECTS] != VALUE_UNMEASURED;
}

/* What the compiler says now, or said before where it says no more. */
static inline const struct escape_annotation *comparison_words_shown(const struct comparison_words *words)
{
	return words->change->after ? words->change->after : words->change->before;
}

/* Removes the differences at inlined copies of a function, but for the one in the function itself, or else the first, which
 * counts them (`copies`). Those whose objects were counted stay. Keeps the order of the others, and returns their number. */
size_t comparison_words_fold(struct comparison_words *words, size_t count, const struct escape_output *before,
			     const struct escape_output *after);

#endif
