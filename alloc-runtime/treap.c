/* SPDX-License-Identifier: BSD-2-Clause */
/* See treap.h. The expected depth is logarithmic, so recursion is shallow. */
#include "treap.h"

static bool before(const struct mspan *a, const struct mspan *b)
{
	return a->npages < b->npages || (a->npages == b->npages && a->base < b->base);
}

/* A hash of the address: random enough, and constant while the span is in the tree. */
static uint64_t priority(const struct mspan *s)
{
	return (uintptr_t)s * 0x9e3779b97f4a7c15;
}

/* Splits a tree into the spans that order before s and those that order after it. */
static void split(struct mspan *root, const struct mspan *s, struct mspan **low, struct mspan **high)
{
	if (!root) {
		*low = *high = NULL;
	} else if (before(root, s)) {
		*low = root;
		split(root->next, s, &root->next, high);
	} else {
		*high = root;
		split(root->prev, s, low, &root->prev);
	}
}

static struct mspan *join(struct mspan *low, struct mspan *high)
{
	if (!low || !high)
		return low ? low : high;
	if (priority(low) > priority(high)) {
		low->next = join(low->next, high);
		return low;
	}
	high->prev = join(low, high->prev);
	return high;
}

void mTreap_insert(struct mTreap *treap, struct mspan *s)
{
	struct mspan **at = &treap->root.first;

	while (*at && priority(*at) > priority(s))
		at = before(s, *at) ? &(*at)->prev : &(*at)->next;
	split(*at, s, &s->prev, &s->next);
	*at = s;
	owner_set(&s->list, &treap->root);
}

void mTreap_remove(struct mTreap *treap, struct mspan *s)
{
	struct mspan **at = &treap->root.first;

	while (*at != s)
		at = before(s, *at) ? &(*at)->prev : &(*at)->next;
	*at = join(s->prev, s->next);
	s->prev = s->next = NULL;
	owner_set(&s->list, NULL);
}

struct mspan *mTreap_bestFit(const struct mTreap *treap, size_t npages)
{
	struct mspan *best = NULL;

	for (struct mspan *s = treap->root.first; s;) {
		if (s->npages < npages) {
			s = s->next;
		} else {
			best = s;
			s = s->prev;
		}
	}
	return best;
}

struct mspan *mTreap_before(const struct mTreap *treap, const struct mspan *s)
{
	struct mspan *last = NULL;

	for (struct mspan *at = treap->root.first; at;) {
		if (s && !before(at, s)) {
			at = at->prev;
		} else {
			last = at;
			at = at->next;
		}
	}
	return last;
}
