/* SPDX-License-Identifier: BSD-2-Clause */
/* Spans: their lists, and finding, counting and collecting free objects. The invariants are in runtime.h. */
#include "runtime.h"

#include "sampler.h"
#include "sections.h"

struct mspan emptymspan;

enum {
	/* at most this much never-used memory, and this many objects, are opened with one window */
	FreshBytes = 128 * 1024,
	FreshObjects = 32,
	/* and, while the cache has one span of the class, 1 / FreshShare of the number of objects allocated from it */
	FreshShare = 512,
	FreshLeast = 4 * 1024, /* bytes, but at least one object */
};

/* Free objects move between a span's bits so that they are in both for a moment: whoever looks at a thread that was stopped
 * anywhere (mspan_freeIn, observers) finds each in one of them. The compiler keeps this order. */
static inline void keep_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* Opens a window on these free objects, which are in allocHeld. If the next sample falls on one of them, the window ends
 * before it, and the objects from the sampled one on are held back (allocHeld). Since the sample's place is then fixed,
 * objects allocated from other windows in between count towards the sample after it, whose distance is drawn now; the
 * exponential distribution has no memory. */
static void open_window(struct mcache *c, struct mspan *s, uint64_t free)
{
	uint64_t held = 0;

	sampler_refresh(c);
	if (likely(c->sample_distance == GOALLOC_NOT_LISTENING)) {
		set_window(s, free);
		keep_order();
		s->allocHeld = 0;
		return;
	}
	int64_t bytes = (int64_t)(bit_count(free) * s->elemsize);
	if (unlikely(c->next_sample < bytes)) {
		held = free;
		for (int64_t n = c->next_sample / (int64_t)s->elemsize; n > 0; n--)
			held &= held - 1;
		sampler_next(c);
	} else {
		c->next_sample -= bytes;
	}
	set_window(s, free & ~held);
	keep_order();
	s->allocHeld = held;
}

/* Takes the first of the held objects, which is the sampled one. */
static void *take_held(struct mcache *c, struct mspan *s)
{
	uint64_t held = s->allocHeld;

	open_window(c, s, held & (held - 1));
	owner_add(&s->allocCount, 1);
	return (void *)(s->cacheBase + (size_t)(unsigned)__builtin_ctzll(held) * s->elemsize);
}

/* Limits the never-used objects to open, so that a program of which few objects of the class live at a time touches little
 * memory, however many it allocates. */
static unsigned fresh_objects(const struct mcache *c, const struct mspan *s)
{
	unsigned least = (unsigned)(FreshLeast / s->elemsize), most = (unsigned)(FreshBytes / s->elemsize);
	bool more_spans = c->full[s->spanclass].first || c->ready[s->spanclass].first;
	unsigned objects = more_spans ? FreshObjects : (s->refilled + mspan_untold(s)) / FreshShare;

	if (most > FreshObjects)
		most = FreshObjects;
	if (objects > most)
		objects = most;
	if (objects < least)
		objects = least;
	return objects != 0 ? objects : 1;
}

/* Takes what other threads have freed of 32 objects into allocBits. Most words are empty. The scavenger may take the objects
 * in between, or others may be freed: then again with what there is now. */
static inline void collect_half(struct mspan *s, unsigned w, unsigned half)
{
	_Atomic uint64_t *word = &s->freeBits[2 * w + half];
	uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);

	while (bits != 0) {
		uint64_t freed = (bits & UINT32_MAX) << 32 * half, twice = freed & ~s->allocBits[w];
		if (unlikely(twice != 0))
			goalloc_fatal("double free of",
				      s->base + (w * 64 + (unsigned)__builtin_ctzll(twice)) * s->elemsize);
		s->allocBits[w] ^= freed;
		keep_order();
		if (likely(atomic_compare_exchange_strong_explicit(word, &bits, 0, memory_order_acq_rel,
								   memory_order_relaxed))) {
			s->countdown -= (uint32_t)(bits >> 32);
			return;
		}
		s->allocBits[w] |= freed;
	}
}

static inline void collect_word(struct mspan *s, unsigned w)
{
	collect_half(s, w, 0);
	if (w * 64 + 32 < s->nelems)
		collect_half(s, w, 1);
}

/* The free objects of a word that have been used before. */
static uint64_t freed_of(const struct mspan *s, unsigned w)
{
	uint64_t free = ~s->allocBits[w] & mspan_word_mask(s, w);

	if (s->fresh_from >= (w + 1) * 64)
		return free;
	return s->fresh_from > w * 64 ? free & ~(UINT64_MAX << s->fresh_from % 64) : 0;
}

/* Opens never-used objects, at most to the end of their word, with what has been freed of that word. */
static uint64_t fresh_window(struct mspan *s, unsigned objects)
{
	unsigned w = s->fresh_from / 64, end = s->fresh_from + objects;
	uint64_t freed = freed_of(s, w);

	if (end > (w + 1) * 64)
		end = (w + 1) * 64;
	s->fresh_from = (uint16_t)(end < s->nelems ? end : s->nelems);
	s->freeindex = (uint16_t)((w + 1) * 64);
	s->needzero = freed != 0 || s->fresh_needzero;
	return freed_of(s, w);
}

/*
 * The next window of a span part of which has never been used. Freed objects, also those that other threads freed, come
 * first if there are enough for a window, else a limited amount of never-used memory is opened. Thus a program that
 * allocates and frees a few objects stays on the same pages. Not inlined: the other spans need none of its registers.
 */
static __attribute__((noinline)) uint64_t next_window_of_new(const struct mcache *c, struct mspan *s)
{
	unsigned objects = fresh_objects(c, s), words = (s->fresh_from + 63u) / 64, at = 0;

	for (unsigned w = 0; w < words; w++)
		collect_word(s, w);
	unsigned freed = mspan_ownFree(s) - (s->nelems - s->fresh_from);
	/* 0 only while the scavenger holds them. */
	uint64_t free = freed < objects ? fresh_window(s, objects - freed) : 0;
	if (free != 0)
		return free;
	if (mspan_isDue(s))
		return 0;
	while (at + 1 < words && freed_of(s, at) == 0)
		at++;
	s->needzero = true;
	s->freeindex = (uint16_t)((at + 1) * 64);
	return freed_of(s, at);
}

static uint64_t next_window(const struct mcache *c, struct mspan *s)
{
	unsigned words = mspan_words(s);

	if (unlikely(s->fresh_from < s->nelems))
		return next_window_of_new(c, s);
	if (mspan_isUsedUp(s))
		return 0;
	if (words == 1) {
		s->needzero = true;
		s->freeindex = 64;
		return ~s->allocBits[0] & mspan_word_mask(s, 0);
	}
	while (s->freeindex / 64u < words) {
		unsigned w = s->freeindex / 64;
		uint64_t free = ~s->allocBits[w] & mspan_word_mask(s, w);
		s->freeindex = (uint16_t)((w + 1) * 64);
		if (free != 0) {
			s->needzero = true;
			return free;
		}
	}
	return 0;
}

/* Moves these objects of word w from allocBits to allocHeld. mspan_abandon relies on this order: the window never holds objects of a
 * word other than the one that freeindex indicates. */
static inline void hold_window(struct mspan *s, unsigned w, uint64_t free)
{
	machine_store_fence();
	s->allocHeld = free;
	keep_order();
	s->allocBits[w] |= free;
}

/* Moves the objects of the next window from allocBits to allocHeld. Returns them, 0 if the span is used up. */
static inline uint64_t take_window(const struct mcache *c, struct mspan *s)
{
	uint64_t free = next_window(c, s);

	if (free == 0)
		return 0;
	unsigned w = s->freeindex / 64u - 1;
	s->cacheBase = s->base + (uintptr_t)w * 64 * s->elemsize;
	hold_window(s, w, free);
	return free;
}

void *nextFree(struct mcache *c, struct mspan *s, bool *sampled)
{
	void *object = nextFreeFast(s);

	if (object)
		return object;
	if (s->allocHeld != 0) {
		*sampled = c->sample_distance != GOALLOC_NOT_LISTENING;
		return take_held(c, s);
	}
	uint64_t free = take_window(c, s);
	if (free == 0)
		return NULL;
	open_window(c, s, free);
	return nextFree(c, s, sampled);
}

void *nextFreeUnsampled(struct mcache *c, struct mspan *s)
{
	uint64_t free = take_window(c, s);
	if (free == 0)
		return NULL;
	set_window(s, free);
	keep_order();
	s->allocHeld = 0;
	return take_from_window(s, free);
}

/* Puts the rest of the window back into allocBits, so that these hold all of the span's free objects. */
static void close_window(struct mspan *s)
{
	uint64_t left = s->allocCache | s->allocHeld;

	if (left != 0)
		s->allocBits[s->freeindex / 64 - 1] &= ~left;
	keep_order();
	s->allocCache = s->allocHeld = 0;
}

unsigned mspan_collect(struct mspan *s)
{
	close_window(s);
	for (unsigned w = 0, words = mspan_words(s); w < words; w++)
		collect_word(s, w);
	s->freeindex = 0;
	return mspan_ownFree(s);
}

bool mspan_openSingle(struct mspan *s)
{
	if (s->nelems > 64 || s->fresh_from < s->nelems)
		return false;
	collect_word(s, 0);
	uint64_t free = ~s->allocBits[0] & mspan_word_mask(s, 0);
	if (unlikely(free == 0))
		return false;
	racy_set(&s->idle, 0);
	mspan_setFree(s, mspan_ownFree(s));
	s->needzero = true;
	s->freeindex = 64;
	s->cacheBase = s->base;
	hold_window(s, 0, free);
	set_window(s, free);
	keep_order();
	s->allocHeld = 0;
	return true;
}

void mspan_adopt(struct mspan *s)
{
	/* Free objects have their bit in freeBits; every other object is allocated. */
	for (unsigned w = 0, words = mspan_words(s); w < words; w++)
		s->allocBits[w] = mspan_word_mask(s, w);
	s->allocCache = s->allocHeld = 0;
	mspan_setFree(s, 0);
	/* The bits are complete before the span gets an owner; mspan_abandon relies on it. */
	machine_store_fence();
}

unsigned mspan_disown(struct mspan *s)
{
	close_window(s);
	for (unsigned i = 0, words = 2 * mspan_words(s); i < words; i++) {
		unsigned shift = i % 2 * 32;
		uint64_t free = ((~s->allocBits[i / 2] & mspan_word_mask(s, i / 2)) >> shift) & UINT32_MAX;
		if (free == 0)
			continue;
		uint64_t count = (uint64_t)bit_count(free) << 32;
		uint64_t before = atomic_fetch_add_explicit(&s->freeBits[i], free | count, memory_order_release);
		if (unlikely((before & free) != 0))
			goalloc_fatal("double free of",
				      s->base + (i * 32 + (unsigned)__builtin_ctzll(before & free)) * s->elemsize);
	}
	/* Pairs with free_shared: either the freeing thread sees that the span has no owner, or we see its bit. */
	atomic_store_explicit(&s->owner, NULL, memory_order_seq_cst);
	return freeBits_count(s->freeBits, s->nelems);
}

RARELY_RUN uint64_t mspan_freeIn(struct mspan *s, unsigned word)
{
	uint64_t free = (atomic_load_explicit(&s->freeBits[2 * word], memory_order_relaxed) & UINT32_MAX) |
			atomic_load_explicit(&s->freeBits[2 * word + 1], memory_order_relaxed) << 32;

	if (!atomic_load_explicit(&s->owner, memory_order_relaxed))
		return free;
	/* The owner may have been stopped while it moved free objects from one of these to another: then they are in both. */
	free |= ~s->allocBits[word] & mspan_word_mask(s, word);
	if (s->freeindex != 0 && s->freeindex / 64u - 1 == word)
		free |= s->allocCache | s->allocHeld;
	return free;
}

RARELY_RUN void mspan_abandon(struct mspan *s)
{
	/* An object that its owner had taken out of all bits is leaked. */
	for (unsigned w = 0, words = mspan_words(s); w < words; w++) {
		uint64_t free = mspan_freeIn(s, w);
		for (unsigned half = 0; half < 2; half++) {
			uint64_t bits = free >> 32 * half & UINT32_MAX;
			atomic_store_explicit(&s->freeBits[2 * w + half], bits | (uint64_t)bit_count(bits) << 32,
					      memory_order_relaxed);
		}
	}
	s->allocCache = s->allocHeld = 0;
	atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
}
