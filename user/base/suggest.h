/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SUGGEST_H
#define ESCAPEMENT_SUGGEST_H

/* "Did you mean": the name that a mistyped word is most likely to stand for. */

struct suggestion {
	const char *name; /* the best so far; NULL: none is near enough */
	int distance;
};

/*
 * Considers one more name: keeps it if it is nearer to `word` than what was kept, and near enough: at most a third of
 * its letters inserted, dropped, replaced or swapped with a neighbour, or `word` being its beginning. Start from
 * {NULL, 0}.
 */
void suggest(struct suggestion *best, const char *word, const char *name);

#endif
