/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MOVED_H
#define MOVED_H

/*
 * Large objects whose pages come from other objects: realloc moves pages instead of copying them (mheap_movePages).
 *
 * Pages are moved by mremap, which leaves the memory that they came from mapped. The kernel keeps moved pages apart from
 * the memory around them, in a mapping of their own, of which a process can have some 65,000. Therefore only so many
 * objects may consist of moved pages at a time, and when such an object is freed, its memory is mapped anew, so that it
 * becomes one mapping with its neighbours again.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

/* Called with mheap.lock held: before the memory behind so many pages of the span becomes free; before all of it does. */
void moved_cut(const struct mspan *s, size_t pages_kept);
void moved_freed(const struct mspan *s);

#pragma GCC visibility pop
#endif
