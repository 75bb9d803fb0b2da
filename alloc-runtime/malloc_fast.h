/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MALLOC_FAST_H
#define MALLOC_FAST_H

/*
 * The fast paths, inlined into the functions that programs call. Whatever they cannot do there and then they leave to
 * a slow path, which those functions tail-call, so that it sees the program's own return address.
 *
 * An allocation reads one word of the sampler (see probes.h), the thread's mcache, and the span that it holds. A free
 * reads the page's span. Neither takes a lock, and nothing in them is there for the probes.
 */

#include "probes.h"
#include "runtime.h"

#pragma GCC visibility push(hidden)

/* The next object of the window of the cache's span. False: the slow path must find one. */
static inline bool malloc_fast(size_t index, size_t limit, const uint8_t *table, unsigned noscan, struct mspan **span,
			       void **object)
{
	index += __atomic_load_n(&sampler_word.all, __ATOMIC_RELAXED);
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

static inline struct mspan *span_at(const void *object)
{
	uintptr_t page = ((uintptr_t)object - arena_map.start) >> PageShift;

	return page < __atomic_load_n(&arena_map.pages, __ATOMIC_ACQUIRE)
		       ? __atomic_load_n(&arena_map.spans[page], __ATOMIC_RELAXED)
		       : NULL;
}

void free_slow(void *object);

/* Clears bit n % 64; whether it was set. One instruction, which compilers do not find. */
static inline bool clear_bit(uint64_t *word, size_t n)
{
#if defined(__x86_64__) && defined(__GCC_ASM_FLAG_OUTPUTS__)
	bool was_set;

	__asm__("btrq %2, %1" : "=@ccc"(was_set), "+r"(*word) : "r"(n));
	return was_set;
#else
	uint64_t bit = 1ULL << n % 64;
	bool was_set = (*word & bit) != 0;

	*word &= ~bit;
	return was_set;
#endif
}

static inline void free_fast(void *object)
{
	uintptr_t page = ((uintptr_t)object - arena_map.start) >> PageShift;

	if (unlikely(page >= __atomic_load_n(&arena_map.pages, __ATOMIC_RELAXED)))
		return free_slow(object);
	struct mspan *s = __atomic_load_n(&arena_map.spans[page], __ATOMIC_RELAXED);
	/* Object boundary, span state and owner in one multiplication: see divMagic. */
	unsigned __int128 product = (unsigned __int128)((uintptr_t)object - s->base) * s->divMagic;
	size_t index = (size_t)(product >> 64);
	if (unlikely((uint64_t)product >= s->divMagic))
		return free_slow(object);
	struct mcache *c = mcache_self;
	if (unlikely(atomic_load_explicit(&s->owner, memory_order_relaxed) != c))
		return free_slow(object);
	uint64_t *word = &s->allocBits[index / 64], bits = *word;
	if (unlikely(!clear_bit(&bits, index)))
		return free_slow(object);
	*word = bits;
	owner_add((uint64_t *)((char *)c + s->freesOffset), 1);
	if (unlikely(--s->countdown == 0))
		mcache_freedSome(c, s);
}

#pragma GCC visibility pop
#endif
