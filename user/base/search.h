/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SEARCH_H
#define ESCAPEMENT_SEARCH_H

/* Binary search for the place of a key. To find an item that is equal to a key, use bsearch(). */

#include <stdbool.h>
#include <stddef.h>

/* Returns whether the item at that index comes before the place of the key. True for the first items, false for the
 * others. */
typedef bool search_before(const void *items, size_t index, const void *key);

/* Returns the first index from `low` on for which `before` is false; `high` if it is true for all below `high`. */
static inline size_t search_place(size_t low, size_t high, search_before *before, const void *items, const void *key)
{
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (before(items, middle, key))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#endif
