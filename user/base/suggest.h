/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SUGGEST_H
#define ESCAPEMENT_SUGGEST_H

/* "Did you mean": the name that a mistyped word is most likely to stand for. */

struct suggestion {
	const char *name; /* the best so far; NULL: none was similar enough */
	int distance;
};

/*
 * Considers one more name. Keeps it if it is closer to `word` than the name kept so far, and similar enough: at most a
 * third of its letters inserted, dropped, replaced or swapped with a neighbour, or `word` is a prefix of it. Start with
 * {NULL, 0}.
 */
void suggest(struct suggestion *best, const char *word, const char *name);

#endif
