/* SPDX-License-Identifier: BSD-2-Clause */
/* See scavenge.h. */
#include "scavenge.h"

#include <stdlib.h>
#include <string.h>

#include "sys.h"

enum {
	TickOperations = 32, /* frees of pages between looks at the clock */
	MinPages = 8,        /* shorter spans cost more to fault in again than they hold */
};

/* What walks over the free spans do: returns true to go on. */
typedef bool visit_function(struct mspan *s, uint64_t argument, size_t *bytes);

static bool visit_tree(struct mspan *s, visit_function *visit, uint64_t argument, size_t *bytes)
{
	/* Longest first. */
	return !s || (visit_tree(s->next, visit, argument, bytes) && visit(s, argument, bytes) &&
		      visit_tree(s->prev, visit, argument, bytes));
}

static size_t visit_free(visit_function *visit, uint64_t argument, size_t shortest)
{
	size_t bytes = 0;

	if (!visit_tree(mheap.freelarge.root.first, visit, argument, &bytes))
		return bytes;
	for (size_t n = NumFreeLists - 1; n >= shortest && n > 0; n--)
		for (struct mspan *s = mheap.free[n].first; s; s = s->next)
			if (!visit(s, argument, &bytes))
				return bytes;
	return bytes;
}

static size_t release(struct mspan *s)
{
	size_t pages = s->npages - s->npreleased;

	if (pages == 0 || !sysUnused((void *)s->base, mspan_bytes(s)))
		return 0;
	s->npreleased = s->npages;
	s->pages_needzero = false;
	mheap.pagesReleased += pages;
	return pages << PageShift;
}

static bool release_old(struct mspan *s, uint64_t before, size_t *bytes)
{
	if (s->unusedsince <= before)
		*bytes += release(s);
	return true;
}

static bool release_until(struct mspan *s, uint64_t wanted, size_t *bytes)
{
	*bytes += release(s);
	return *bytes < wanted;
}

void scavenge_tick(void)
{
	const uint64_t age = ScavengeAge * 1000000ULL;

	if (++mheap.ticks % TickOperations != 0)
		return;
	uint64_t now = sysNow();
	mheap.now = now;
	if (now - mheap.lastscavenge < age / 2)
		return;
	mheap.lastscavenge = now;
	visit_free(release_old, now - age, MinPages);
}

void scavenge_for(size_t npages)
{
	size_t arena = (mheap.arena_used - mheap.arena_start) >> PageShift;
	size_t resident = (arena - mheap.pagesReleased + npages) << PageShift;

	if (mheap.limit != 0 && resident > mheap.limit)
		visit_free(release_until, resident - mheap.limit, 1);
}

size_t scavenge_all(void)
{
	return visit_free(release_old, UINT64_MAX, 1);
}

size_t goalloc_release_memory(void)
{
	lock_acquire(&mheap.lock);
	size_t bytes = scavenge_all();
	lock_release(&mheap.lock);
	return bytes;
}

size_t goalloc_set_memory_limit(size_t bytes)
{
	lock_acquire(&mheap.lock);
	size_t before = mheap.limit;
	mheap.limit = bytes;
	scavenge_for(0);
	lock_release(&mheap.lock);
	return before;
}

void scavenge_init(void)
{
	const char *text = getenv("GOALLOC_MEMORY_LIMIT");
	char *end;

	if (!text)
		return;
	size_t bytes = strtoull(text, &end, 10);
	static const char units[] = "kmg";
	const char *unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit)
		bytes <<= 10 * (unit - units + 1);
	if (end == text || (*end && (!unit || end[1])))
		goalloc_warn("ignored GOALLOC_MEMORY_LIMIT, which is not a number of bytes, with k, m or g");
	else
		mheap.limit = bytes;
}
