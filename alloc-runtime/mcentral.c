/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The spans of one span class, between the mcaches and mheap.
 *
 * How a request goes down: cacheSpan takes the first span of `nonempty`, else grow gets a fresh one from mheap.
 * How a free comes back: whoever frees the object that makes a span a quarter free moves it from `empty` to
 * `nonempty`; whoever frees the last one gives the span back to mheap. Both are decided again under the lock,
 * because somebody else may have taken or freed the span since its bits were counted; a span that is on neither of
 * this mcentral's lists is none of its business any more.
 */
#include "runtime.h"

#include "sampler.h"

/* A span is worth an mcache's trip when it has so many free objects: with fewer, refills come too often; with more,
 * memory lies idle. */
static unsigned enough_free(unsigned nelems)
{
	return (nelems + 3) / 4;
}

static struct mspan *mcentral_grow(struct mcentral *central, struct mcache *c, struct caller *caller)
{
	const struct size_class *class = &size_classes[spanclass_size_class(central->spanclass)];
	struct mheap_grown grown = {0};
	struct mspan *s = mheap_alloc(class->span_pages, central->spanclass, &grown);

	if (grown.bytes != 0)
		note_heap_grow(&grown, c, caller);
	if (!s)
		return NULL;
	note_central_grow(c, s, caller);
	return s;
}

struct mspan *mcentral_cacheSpan(struct mcentral *central, struct mcache *c, struct caller *caller)
{
	lock_acquire(&central->lock);
	struct mspan *s = central->nonempty.first;
	if (s) {
		mSpanList_remove(&central->nonempty, s);
		mSpanList_insertBack(&central->empty, s);
		atomic_store_explicit(&s->owner, c, memory_order_relaxed);
	}
	lock_release(&central->lock);

	if (s) {
		/* What is free of it stands in freeBits; every other object is allocated. */
		for (unsigned w = 0, words = mspan_words(s); w < words; w++)
			s->allocBits[w] = mspan_word_mask(s, w);
		s->allocCache = 0;
		unsigned freed = mspan_collect(s);
		s->needzero = true;
		owner_set(&s->allocCount, s->nelems - freed);
		owner_set(&s->allocCountBeforeCache, s->nelems - freed);
		note_sweep(s, freed);
		return s;
	}

	s = mcentral_grow(central, c, caller);
	if (!s)
		return NULL;
	atomic_store_explicit(&s->owner, c, memory_order_relaxed);
	lock_acquire(&central->lock);
	mSpanList_insertBack(&central->empty, s);
	lock_release(&central->lock);
	return s;
}

void mcentral_freedSome(struct mspan *s, unsigned spanclass, _Atomic uint64_t *freeBits, unsigned nelems)
{
	struct mcentral *central = &mheap.central[spanclass];
	unsigned enough = enough_free(nelems), free = freeBits_count(freeBits, nelems);
	bool all_free = false;

	if (free < enough || (free < nelems && reader_get(&s->list) == &central->nonempty))
		return;
	lock_acquire(&central->lock);
	if ((s->list == &central->empty || s->list == &central->nonempty) &&
	    atomic_load_explicit(&s->owner, memory_order_relaxed) == NULL) {
		free = freeBits_count(s->freeBits, s->nelems);
		all_free = free == s->nelems;
		if (all_free) {
			mSpanList_remove(s->list, s);
		} else if (free >= enough && s->list == &central->empty) {
			mSpanList_remove(&central->empty, s);
			mSpanList_insertBack(&central->nonempty, s);
		}
	}
	lock_release(&central->lock);
	if (all_free) {
		note_sweep(s, nelems);
		mheap_freeSpan(s);
	}
}

void mcentral_uncacheSpan(struct mcentral *central, struct mspan *s)
{
	unsigned spanclass = central->spanclass, nelems = s->nelems;
	_Atomic uint64_t *freeBits = s->freeBits;

	if (mspan_disown(s) >= enough_free(nelems))
		mcentral_freedSome(s, spanclass, freeBits, nelems);
}
