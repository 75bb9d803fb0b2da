/* SPDX-License-Identifier: BSD-2-Clause */
/* Spans: their lists, and finding, counting and collecting free objects. The invariants are in runtime.h. */
#include "runtime.h"

struct mspan emptymspan;

static void insert_between(struct mSpanList *list, struct mspan *s, struct mspan *prev, struct mspan *next)
{
	s->prev = prev;
	s->next = next;
	*(prev ? &prev->next : &list->first) = s;
	*(next ? &next->prev : &list->last) = s;
	s->list = list;
}

void mSpanList_insert(struct mSpanList *list, struct mspan *s)
{
	insert_between(list, s, NULL, list->first);
}

void mSpanList_insertBack(struct mSpanList *list, struct mspan *s)
{
	insert_between(list, s, list->last, NULL);
}

void mSpanList_remove(struct mSpanList *list, struct mspan *s)
{
	*(s->prev ? &s->prev->next : &list->first) = s->next;
	*(s->next ? &s->next->prev : &list->last) = s->prev;
	s->prev = s->next = NULL;
	s->list = NULL;
}

/* The next free object, of the window or of the next one that has any. */
void *nextFree(struct mspan *s)
{
	unsigned words = mspan_words(s);
	void *object = nextFreeFast(s);

	if (object)
		return object;

	for (unsigned w = s->freeindex / 64; w < words; w++) {
		uint64_t free = ~s->allocBits[w] & mspan_word_mask(s, w);
		s->freeindex = (w + 1) * 64;
		if (free == 0)
			continue;
		s->allocBits[w] |= free;
		s->cacheBase = s->base + (uintptr_t)w * 64 * s->elemsize;
		s->allocCache = free;
		return nextFreeFast(s);
	}
	return NULL;
}

/* Puts what is left of the window back into allocBits, where it can be seen as one with the rest. */
static void close_window(struct mspan *s)
{
	if (s->allocCache != 0) {
		uint64_t *word = &s->allocBits[(s->cacheBase - s->base) / s->elemsize / 64];
		*word &= ~s->allocCache;
		s->allocCache = 0;
	}
}

unsigned freeBits_count(_Atomic uint64_t *freeBits, unsigned nelems)
{
	unsigned n = 0;

	for (unsigned i = 0; i * 32 < nelems; i++)
		n += atomic_load_explicit(&freeBits[i], memory_order_relaxed) >> 32;
	return n;
}

unsigned mspan_countFree(struct mspan *s)
{
	unsigned n = freeBits_count(s->freeBits, s->nelems) + (unsigned)__builtin_popcountll(s->allocCache);

	for (unsigned w = 0, words = mspan_words(s); w < words; w++)
		n += (unsigned)__builtin_popcountll(~s->allocBits[w] & mspan_word_mask(s, w));
	return n;
}

unsigned mspan_collect(struct mspan *s)
{
	unsigned n = 0;

	close_window(s);
	for (unsigned w = 0, words = mspan_words(s); w < words; w++) {
		uint64_t low = atomic_exchange_explicit(&s->freeBits[2 * w], 0, memory_order_acquire);
		uint64_t high = atomic_exchange_explicit(&s->freeBits[2 * w + 1], 0, memory_order_acquire);
		uint64_t freed = (low & UINT32_MAX) | high << 32;
		uint64_t twice = freed & ~s->allocBits[w];
		if (unlikely(twice != 0))
			goalloc_fatal("double free of",
				      s->base + (w * 64 + (unsigned)__builtin_ctzll(twice)) * s->elemsize);
		s->allocBits[w] &= ~freed;
		n += (unsigned)__builtin_popcountll(~s->allocBits[w] & mspan_word_mask(s, w));
	}
	s->freeindex = 0;
	return n;
}

unsigned mspan_disown(struct mspan *s)
{
	close_window(s);
	for (unsigned i = 0, words = 2 * mspan_words(s); i < words; i++) {
		unsigned shift = i % 2 * 32;
		uint64_t free = ((~s->allocBits[i / 2] & mspan_word_mask(s, i / 2)) >> shift) & UINT32_MAX;
		if (free == 0)
			continue;
		uint64_t count = (uint64_t)__builtin_popcountll(free) << 32;
		uint64_t before = atomic_fetch_add_explicit(&s->freeBits[i], free | count, memory_order_release);
		if (unlikely((before & free) != 0))
			goalloc_fatal("double free of", s->base + (i * 32 + (unsigned)__builtin_ctzll(before & free)) *
									  s->elemsize);
	}
	/* Pairs with mspan_freeShared: either the freer sees that nobody owns the span, or we see its bit. */
	atomic_store_explicit(&s->owner, NULL, memory_order_seq_cst);
	return freeBits_count(s->freeBits, s->nelems);
}

bool mspan_freeShared(struct mspan *s, unsigned index, unsigned *in_word)
{
	uint64_t bit = 1ULL << index % 32;
	uint64_t before = atomic_fetch_add_explicit(&s->freeBits[index / 32], bit | 1ULL << 32, memory_order_seq_cst);

	*in_word = (unsigned)(before >> 32) + 1;
	return (before & bit) == 0;
}
