/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TREAP_H
#define TREAP_H

/*
 * Free spans ordered by (pages, address), for best fit among the large ones: a treap (Seidel and Aragon, Randomized
 * search trees), as in Go's mgclarge.go. Spans link by prev (left) and next (right); `list` marks membership.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

void mTreap_insert(struct mTreap *treap, struct mspan *s);
void mTreap_remove(struct mTreap *treap, struct mspan *s);
/* Returns the shortest span of at least npages; of several, the one with the lowest address; NULL if there is none. */
struct mspan *mTreap_bestFit(const struct mTreap *treap, size_t npages);
/* Returns the span that orders right before s, or the last one for NULL; NULL if there is none. */
struct mspan *mTreap_before(const struct mTreap *treap, const struct mspan *s);

#pragma GCC visibility pop
#endif
