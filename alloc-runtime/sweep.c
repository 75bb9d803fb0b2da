/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What remains of Go's sweep when every free is explicit.
 *
 * Frees queue a span once it is a quarter free. Spans with fewer free objects would never be reused, so there are sweep
 * cycles in which an eighth is enough: sweepgen rises by 2, and each span is visited once. A cycle starts when the
 * bytes freed since the last one exceed half of the heap in use. Visits are lazy: a refill that would otherwise need a
 * fresh span first searches its mcentral's spans, and every fresh span pays for visits all over the arena in proportion
 * to its size, so that a cycle ends before the next one is due.
 *
 * The visits walk allspans. Go keeps spans in use in separate lists (sweepSpans: one stack of swept spans, one of
 * unswept); here each mcentral's `empty` has unswept spans first, which is all that a lazy visit needs. A span with an
 * owner is visited by its owner only.
 */
#include "runtime.h"

enum {
	CycleShare = 2,	 /* a cycle starts when 1 / CycleShare of the heap in use has been freed */
	LazyVisits = 16, /* spans that a refill visits before it takes a fresh one */
};

void sweep_freed(uint64_t bytes)
{
	uint64_t freed = atomic_fetch_add_explicit(&mheap.freedBytes, bytes, memory_order_relaxed) + bytes;
	uint64_t inuse = (uint64_t)reader_get(&mheap.pagesInUse) << PageShift;

	if (likely(freed < inuse / CycleShare))
		return;
	lock_acquire(&mheap.lock);
	if (atomic_load_explicit(&mheap.freedBytes, memory_order_relaxed) >= inuse / CycleShare) {
		atomic_store_explicit(&mheap.freedBytes, 0, memory_order_relaxed);
		atomic_fetch_add_explicit(&mheap.sweepgen, 2, memory_order_relaxed);
		atomic_store_explicit(&mheap.sweepdone, 0, memory_order_relaxed);
		mheap.sweepNext = mheap.allspans;
		owner_set(&mheap.pagesSwept, 0);
		mheap.spanBytesAlloc = 0;
		mheap.sweepPagesPerByte = (double)mheap.pagesInUse / ((double)inuse / CycleShare + PageSize);
	}
	lock_release(&mheap.lock);
}

uint64_t sweep_left(void)
{
	uint64_t due = ((uint64_t)mheap.pagesInUse << PageShift) / CycleShare;
	uint64_t freed = atomic_load_explicit(&mheap.freedBytes, memory_order_relaxed);

	return freed < due ? due - freed : 0;
}

/* Returns the next span of small objects that this cycle has not visited. */
static struct mspan *next_unswept(void)
{
	struct mspan *found = NULL;

	lock_acquire(&mheap.lock);
	for (; !found && mheap.sweepNext; mheap.sweepNext = mheap.sweepNext->alllink) {
		struct mspan *s = mheap.sweepNext;
		if (s->state == mSpanInUse || s->state == mSpanLarge)
			owner_add(&mheap.pagesSwept, s->npages);
		if (s->state == mSpanInUse)
			found = s;
	}
	if (!found)
		atomic_store_explicit(&mheap.sweepdone, 1, memory_order_relaxed);
	lock_release(&mheap.lock);
	return found;
}

static void deduct_credit(size_t bytes)
{
	lock_acquire(&mheap.lock);
	mheap.spanBytesAlloc += bytes;
	double due = (double)mheap.spanBytesAlloc * mheap.sweepPagesPerByte;
	bool behind = (double)mheap.pagesSwept < due;
	lock_release(&mheap.lock);
	while (behind && !atomic_load_explicit(&mheap.sweepdone, memory_order_relaxed)) {
		struct mspan *s = next_unswept();
		if (s)
			mcentral_sweep(s);
		behind = (double)reader_get(&mheap.pagesSwept) < due;
	}
}

void sweep_for(struct mcentral *central, size_t bytes)
{
	uint32_t gen = atomic_load_explicit(&mheap.sweepgen, memory_order_relaxed);

	for (unsigned i = 0; i < LazyVisits; i++) {
		lock_acquire(&central->lock);
		/* Swept spans go to the back: if the first is swept, all are. */
		struct mspan *s = central->empty.first;
		bool unswept = s && s->sweepgen != gen;
		lock_release(&central->lock);
		if (!unswept || mcentral_sweep(s))
			break;
	}
	if (!atomic_load_explicit(&mheap.sweepdone, memory_order_relaxed))
		deduct_credit(bytes);
}
