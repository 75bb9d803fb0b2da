/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The spans of one span class that belong to no mcache; the layer between the mcaches and mheap.
 *
 * How a request goes down: cacheSpan takes the first span of `nonempty`, else one that mheap has had from here
 * and not merged yet, else grow gets a fresh one from mheap. How a free comes back: the free that makes a span of `empty`
 * a quarter free moves it to `nonempty`; the free of its last object returns the span to mheap, or keeps it in `nonempty`
 * if little of it was ever touched. Both conditions are checked again under the lock, because another thread may have
 * taken or freed the span since its bits were counted. A span that is on neither list of this mcentral is left alone.
 */
#include "runtime.h"

#include "cachealloc.h"
#include "sampler.h"
#include "scavenge.h"
#include "sections.h"

enum {
	SharedFor = 255,	/* spans that one cache takes after another */
	PrefaultObjects = 2048, /* objects up to this many bytes are assumed to be written completely */
	MaxKept =
		256, /* wholly free spans of the class that are not returned to mheap, at most one more than there are caches */
};

static struct mspan *mcentral_grow(struct mcentral *central, struct mcache *c, struct caller *caller)
{
	unsigned spanclass = mcentral_spanclass(central);
	const struct size_class *class = &size_classes[spanclass_size_class(spanclass)];
	struct mheap_grown grown = {0};
	struct mspan *s = mheap_alloc(class->span_pages, spanclass, &grown);

	if (grown.bytes != 0)
		note_heap_grow(&grown, c, caller);
	if (s) {
		if (c->class_counters[spanclass].central_grows != 0 && class->size <= PrefaultObjects)
			mheap_prefault(s, grown.untouched_pages);
		note_central_grow(c, s, caller);
	}
	return s;
}

static struct mspan *take_nonempty(struct mcentral *central, struct mcache *c)
{
	if (!reader_get(&central->nonempty.first))
		return NULL;
	lock_acquire(&central->lock);
	struct mspan *s = central->nonempty.first;
	if (s) {
		mSpanList_remove(&central->nonempty, s);
		central->nkept -= s->kept;
		s->kept = false;
		mspan_adopt(s);
		atomic_store_explicit(&s->owner, c, memory_order_relaxed);
	}
	lock_release(&central->lock);
	return s;
}

static __attribute__((noinline)) struct mspan *other_span(struct mcentral *central, struct mcache *c,
							  struct caller *caller)
{
	struct mspan *s;

	sweep_for(central,
		  (size_t)size_classes[spanclass_size_class(mcentral_spanclass(central))].span_pages << PageShift);
	s = take_nonempty(central, c);
	if (s)
		return s;
	s = mcentral_grow(central, c, caller);
	if (s)
		atomic_store_explicit(&s->owner, c, memory_order_relaxed);
	return s;
}

/* Notes which cache takes spans, for the limit of what caches keep of the class. Threads that share it may each run for a while. */
static void note_user(struct mcentral *central, const struct mcache *c)
{
	const struct mcache *last = reader_get(&central->last);
	uint8_t shared = reader_get(&central->shared);

	if (last != c) {
		racy_set(&central->shared, last ? SharedFor : 0);
		racy_set(&central->last, c);
	} else if (shared != 0) {
		racy_set(&central->shared, (uint8_t)(shared - 1));
	}
}

/* Returns a span that the cache now owns; the caller collects its free objects. Nothing is swept for one that mheap has had from
 * here, because that touches no new memory. */
struct mspan *mcentral_cacheSpan(struct mcentral *central, struct mcache *c, struct caller *caller)
{
	struct mspan *s = take_nonempty(central, c);

	note_user(central, c);
	if (s)
		return s;
	s = mheap_takeWhole(central);
	if (!s)
		return other_span(central, c, caller);
	note_central_grow(c, s, caller);
	atomic_store_explicit(&s->owner, c, memory_order_relaxed);
	return s;
}

/* How many stay: as many threads as there were at once may come again. A memory limit is kept by what the heap has free. */
static unsigned most_kept(void)
{
	unsigned caches = reader_get(&mheap.limit) != 0 ? 1 : cachealloc_count();

	return caches < MaxKept ? caches + 1 : MaxKept;
}

/* Whether a wholly free span may stay here: one of which at most the first half was ever touched, because the class would get
 * other pages in its place, and touch the beginning of these. */
static bool may_stay(const struct mspan *s)
{
	return s->fresh_from <= s->nelems / 2;
}

static bool keeps(struct mcentral *central, struct mspan *s)
{
	if (s->kept || !may_stay(s) || central->nkept >= most_kept())
		return s->kept;
	s->kept = true;
	central->nkept++;
	return true;
}

/* Called with the lock held. Moves a span of `empty` to `nonempty` if at least `enough` objects are free. Returns true
 * if it is wholly free and not kept: then it is on no list any more. */
static bool place(struct mcentral *central, struct mspan *s, unsigned enough)
{
	unsigned free = freeBits_count(s->freeBits, s->nelems);

	if (free == s->nelems && !keeps(central, s)) {
		mSpanList_remove(reader_get(&s->list), s);
		return true;
	}
	if (free >= enough && reader_get(&s->list) == &central->empty) {
		mSpanList_remove(&central->empty, s);
		mSpanList_insertBack(&central->nonempty, s);
	}
	return false;
}

static void look_at(struct mspan *s, struct mcentral *central)
{
	bool all_free = false;

	lock_acquire(&central->lock);
	if (reader_get(&s->list) == &central->empty || reader_get(&s->list) == &central->nonempty)
		all_free = place(central, s, mspan_enough(s->nelems));
	lock_release(&central->lock);
	if (all_free) {
		note_sweep(s, s->nelems);
		mheap_freeSpan(s);
	}
}

void mcentral_lookAt(struct mspan *s)
{
	look_at(s, &mheap.central[reader_get(&s->spanclass)]);
}

void mcentral_freedSome(struct mspan *s, unsigned spanclass, _Atomic uint64_t *freeBits, unsigned nelems)
{
	struct mcentral *central = &mheap.central[spanclass];
	unsigned free = freeBits_count(freeBits, nelems);

	if (free >= mspan_enough(nelems) && (free == nelems || reader_get(&s->list) != &central->nonempty))
		look_at(s, central);
	if (free >= mspan_enough(nelems))
		scavenge_freedSome();
}

void mcentral_uncacheSpan(struct mcentral *central, struct mspan *s)
{
	lock_acquire(&central->lock);
	mspan_disown(s);
	mSpanList_insert(&central->empty, s);
	bool all_free = place(central, s, mspan_enough(s->nelems));
	lock_release(&central->lock);
	if (!all_free) {
		scavenge_freedSome();
		return;
	}
	note_sweep(s, s->nelems);
	mheap_freeSpan(s);
}

/* Nothing is left in freeBits that other threads or the scavenger could change. */
void mcentral_uncacheUnused(struct mcentral *central, struct mspan *s)
{
	if (may_stay(s)) {
		mcentral_uncacheSpan(central, s);
		return;
	}
	note_sweep(s, s->nelems);
	mheap_freeSpan(s);
}

RARELY_RUN void mcentral_forgetLists(void)
{
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		mheap.central[i].nonempty = mheap.central[i].empty = mheap.central[i].whole =
			(struct mSpanList){NULL, NULL};
		mheap.central[i].nkept = 0;
	}
}

RARELY_RUN void mcentral_relist(struct mspan *s)
{
	struct mcentral *central = &mheap.central[s->spanclass];

	s->kept = false;
	mSpanList_insert(&central->empty, s);
	if (place(central, s, mspan_enough(s->nelems)))
		mheap_freeSpan(s);
}

bool mcentral_sweep(struct mspan *s)
{
	struct mcentral *central = &mheap.central[reader_get(&s->spanclass)];
	uint32_t gen = atomic_load_explicit(&mheap.sweepgen, memory_order_relaxed);
	bool all_free = false, queued = false;

	lock_acquire(&central->lock);
	if (reader_get(&s->list) == &central->empty && s->sweepgen != gen) {
		s->sweepgen = gen;
		atomic_fetch_add_explicit(&mheap.numSweep, 1, memory_order_relaxed);
		all_free = place(central, s, (s->nelems + 7) / 8);
		queued = !all_free && reader_get(&s->list) == &central->nonempty;
		if (!all_free && !queued) {
			mSpanList_remove(&central->empty, s);
			mSpanList_insertBack(&central->empty, s);
		}
	}
	lock_release(&central->lock);
	if (all_free) {
		note_sweep(s, s->nelems);
		mheap_freeSpan(s);
	}
	return queued;
}
