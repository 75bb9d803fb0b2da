/* SPDX-License-Identifier: BSD-2-Clause */
/* See moved.h. */
#include "moved.h"

#include "sys.h"

enum { MostMoved = 1000 }; /* objects whose pages come from others */

size_t mheap_movePages(struct mspan *to, const struct mspan *from, size_t size)
{
	size_t bytes = size & -(size_t)PageSize;

	if (to->state != mSpanLarge || from->state != mSpanLarge || bytes > mspan_bytes(to))
		return 0;
	lock_acquire(&mheap.lock);
	bool may = mheap.moved < MostMoved;
	mheap.moved += may;
	to->moved = may;
	lock_release(&mheap.lock);
	return may ? sysMove((void *)to->base, (void *)from->base, bytes) : 0;
}

void moved_cut(const struct mspan *s, size_t pages_kept)
{
	if (s->moved)
		sysMapAnew((void *)(s->base + (pages_kept << PageShift)), (s->npages - pages_kept) << PageShift);
}

void moved_freed(const struct mspan *s)
{
	moved_cut(s, 0);
	mheap.moved -= s->moved;
}
