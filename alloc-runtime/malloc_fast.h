/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MALLOC_FAST_H
#define MALLOC_FAST_H

/*
 * The fast paths, inlined into the functions that programs call. In every other case those functions tail-call a slow
 * path, so that it sees the program's own return address.
 *
 * An allocation reads one word of the sampler (see probes.h), the thread's mcache, and the span in it. A free reads the
 * span of the object's page. Neither takes a lock or executes an instruction for the sake of the probes.
 */

#include "probes.h"
#include "runtime.h"

#pragma GCC visibility push(hidden)

/* Takes the next object in the window of the cache's span. Returns false if the slow path must find one. */
static inline bool malloc_fast(size_t index, size_t limit, const uint8_t *table, unsigned noscan, struct mspan **span,
			       void **object)
{
	index += racy_get(&sampler_word.all);
	if (unlikely(index > limit))
		return false;
	struct mspan *s = mcache_self->alloc[table[index] + noscan];
	uint64_t window = s->allocCache;
	if (unlikely(window == 0))
		return false;
	*object = take_from_window(s, window);
	*span = s;
	return true;
}

/* What most allocations need that find no object in the window: the next window of the cache's span, or another span. NULL if
 * this one needs more. */
static inline void *malloc_window(size_t size, unsigned flags, struct caller *caller)
{
	bool as_malloc = flags & ForMalloc;

	if (size > MaxSmallSize || racy_get(&sampler_word.all) != 0 || (!as_malloc && flags && size < TinySize))
		return NULL;
	unsigned spanclass = as_malloc ? span_classes.of_malloc[(size + MallocSizeStep - 1) / MallocSizeStep]
				       : span_classes.of_go[(size + GoSizeStep - 1) / GoSizeStep];
	return mcache_nextWindow(mcache_self, spanclass + (flags & ForNoscan), caller);
}

static inline struct mspan *span_at(const void *object)
{
	uintptr_t page = ((uintptr_t)object - arena_map.start) >> PageShift;

	return page < __atomic_load_n(&arena_map.pages, __ATOMIC_ACQUIRE) ? span_of_page(page) : NULL;
}

void free_slow(void *object);
/* Frees object `index` of a span that is not the thread's own, and of which there is nothing else to know: see divMagic. */
void free_others(void *object, struct mspan *s, size_t index);
/* The object was freed in the thread's own span, which is to be looked at. It is passed only because it is where these functions
 * take it: a free need not move it out of the way of another argument. */
void free_countedDown(void *object, struct mspan *s);

/* Clears bit n of an array of words and returns whether it was set. */
static inline bool clear_bit(uint64_t *words, size_t n)
{
	size_t word;
	uint64_t bits;
#ifdef MACHINE_TEST_AND_RESET
	bool was_set;
	MACHINE_TEST_AND_RESET(words, n, word, bits, was_set);
	if (unlikely(!was_set))
		return false;
#else
	const uint64_t bit = 1ULL << n % 64;
	word = n / 64;
	bits = words[word];
	if (unlikely(!(bits & bit)))
		return false;
	bits &= ~bit;
#endif
	words[word] = bits;
	return true;
}

static inline void free_fast(void *object)
{
	uintptr_t page = ((uintptr_t)object - arena_map.start) >> PageShift;

	if (unlikely(page >= racy_get(&arena_map.pages)))
		return free_slow(object);
	struct mspan *s = span_of_page(page);
	/* One multiplication checks the object's boundary and the span's state, and gives the object's index: see
	 * divMagic. */
	unsigned __int128 product = (unsigned __int128)((uintptr_t)object - s->base) * s->divMagic;
	size_t index = (size_t)(product >> 64);
	if (unlikely((uint64_t)product >= s->divMagic))
		return free_slow(object);
	struct mcache *c = mcache_self;
	if (unlikely(racy_get((struct mcache **)&s->owner) != c))
		return free_others(object, s, index);
	if (unlikely(!clear_bit(s->allocBits, index)))
		return free_slow(object);
	owner_add((uint64_t *)((char *)c + s->freesOffset), 1);
	if (unlikely(--s->countdown == 0))
		free_countedDown(object, s);
}

/* The span of a small object, if it belongs to the thread's own cache and the object is allocated; NULL otherwise, and if that
 * takes the slow path to know. Only in a span of its own can a thread tell by two bits that an object is allocated (a bit
 * past the last object says no). The slow path reports objects that are free. */
static inline const struct mspan *own_span(const void *object)
{
	uintptr_t page = ((uintptr_t)object - arena_map.start) >> PageShift;

	if (unlikely(page >= racy_get(&arena_map.pages)))
		return NULL;
	const struct mspan *s = span_of_page(page);
	unsigned __int128 product = (unsigned __int128)((uintptr_t)object - s->base) * s->divMagic;
	size_t index = (size_t)(product >> 64);
	if (unlikely((uint64_t)product >= s->divMagic))
		return NULL;
	if (unlikely(racy_get((struct mcache *const *)&s->owner) != mcache_self ||
		     !(s->allocBits[index / 64] >> index % 64 & 1)))
		return NULL;
	uint32_t freed = (uint32_t)atomic_load_explicit(&s->freeBits[index / 32], memory_order_relaxed);
	return likely(!(freed >> index % 32 & 1)) ? s : NULL;
}

#pragma GCC visibility pop
#endif
