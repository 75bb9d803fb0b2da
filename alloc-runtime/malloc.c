/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocating and freeing: the fast paths, in the functions that programs call, and the slow path that they tail-call,
 * so that it sees the program's own return address.
 *
 * The fast path of an allocation reads one word of the sampler (see probes.h), the thread's mcache, and the span that
 * it holds; whatever it cannot do there and then it leaves to mallocgc.
 */
#include "runtime.h"

#include <errno.h>
#include <string.h>

#include "probes.h"
#include "sampler.h"

static const char zerobase[8]; /* objects of no size stand here */

/* The next object of the cache's span, when nothing stands in the way. *span is where it is from. */
static inline void *malloc_fast(size_t index, size_t limit, const uint8_t *table, unsigned noscan, struct mspan **span)
{
	index += __atomic_load_n(&sampler_word.all, __ATOMIC_RELAXED);
	if (unlikely(index > limit))
		return NULL;
	struct mcache *c = mcache_self;
	struct mspan *s = c->alloc[table[index] + noscan];
	int64_t left = c->next_sample - (int64_t)s->elemsize;
	if (unlikely(left < 0))
		return NULL;
	void *object = nextFreeFast(s);
	if (likely(object != NULL)) {
		c->next_sample = left;
		*span = s;
	}
	return object;
}

static void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void *malloc_large(struct mcache *c, size_t size, unsigned noscan, struct caller *caller, uint64_t *bytes)
{
	struct mheap_grown grown = {0};

	if (size > PTRDIFF_MAX)
		return NULL;
	size_t npages = (size + PageSize - 1) >> PageShift;
	struct mspan *s = mheap_alloc(npages, noscan, &grown);
	if (grown.bytes != 0)
		note_heap_grow(&grown, c, caller);
	if (!s)
		return NULL;
	*bytes = mspan_bytes(s);
	note_large(c, size, s, caller);
	return (void *)s->base;
}

static void *malloc_small(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	return mcache_nextFree(c, spanclass, caller);
}

/* Everything, the slow way. Does not zero but tiny objects. */
void *mallocgc(size_t size, unsigned flags, const struct goalloc_site *site, struct caller *caller)
{
	unsigned noscan = flags & ForNoscan, spanclass = noscan;
	struct mcache *c = mcache_get();
	uint64_t bytes = 0;
	void *object;

	if (!c)
		return out_of_memory();
	bool tiny = noscan && size < TinySize && !(flags & ForMalloc);
	bool large = size > MaxSmallSize;
	if (tiny) {
		spanclass = TinySpanClass;
		bytes = size;
	} else if (large) {
		bytes = (size + PageSize - 1) & ~(size_t)(PageSize - 1);
	} else {
		spanclass += flags & ForMalloc ? malloc_span_class[(size + MallocSizeStep - 1) / MallocSizeStep]
					       : go_span_class[(size + GoSizeStep - 1) / GoSizeStep];
		bytes = size_classes[spanclass_size_class(spanclass)].size;
	}
	caller->site = (uintptr_t)site;
	sequence_step(&c->sequence.allocating);
	bool sampled = sampler_takes(c, bytes);
	if (tiny)
		object = tiny_alloc(c, size, caller);
	else if (large)
		object = malloc_large(c, size, noscan, caller, &bytes);
	else
		object = malloc_small(c, spanclass, caller);
	if (object && sampled)
		note_sample(c, object, bytes, spanclass, site, caller);
	sequence_step(&c->sequence.allocating);
	return object ? object : out_of_memory();
}

static struct mspan *span_at(const void *object)
{
	uintptr_t page = ((uintptr_t)object - arena_map.start) >> PageShift;

	return page < __atomic_load_n(&arena_map.pages, __ATOMIC_ACQUIRE) ? arena_map.spans[page] : NULL;
}

/* ---- Go's interface ---- */

static __attribute__((noinline)) void *goalloc_slow(size_t size, unsigned noscan, const struct goalloc_site *site)
{
	struct caller caller = CALLER_HERE();

	if (size == 0)
		return (void *)zerobase;
	void *object = mallocgc(size, noscan, site, &caller);
	if (object && (!noscan || size >= TinySize)) {
		struct mspan *s = span_at(object);
		if (s->needzero)
			memset(object, 0, size);
	}
	return object;
}

static inline void *goalloc_at(size_t size, unsigned noscan, const struct goalloc_site *site)
{
	struct mspan *s;

	if (!noscan || size >= TinySize) {
		size_t index = (size + GoSizeStep - 1) / GoSizeStep;
		void *object = malloc_fast(index, MaxSmallSize / GoSizeStep, go_span_class, noscan, &s);
		if (likely(object != NULL))
			return s->needzero ? memset(object, 0, size) : object;
	}
	return goalloc_slow(size, noscan, site);
}

void *goalloc_scan(size_t size)
{
	return goalloc_at(size, ForScan, NULL);
}

void *goalloc_noscan(size_t size)
{
	return goalloc_at(size, ForNoscan, NULL);
}

void *goalloc_scan_at(size_t size, const struct goalloc_site *site)
{
	return goalloc_at(size, ForScan, site);
}

void *goalloc_noscan_at(size_t size, const struct goalloc_site *site)
{
	return goalloc_at(size, ForNoscan, site);
}

/* ---- free ---- */

static void free_shared(struct mspan *s, unsigned index)
{
	/* Once the object is free the span may go, so all that is needed of it comes first. */
	unsigned spanclass = s->spanclass, nelems = s->nelems, in_word;
	uintptr_t address = s->base + index * s->elemsize;
	_Atomic uint64_t *freeBits = s->freeBits;

	if (unlikely(!mspan_freeShared(s, index, &in_word)))
		goalloc_fatal("double free of", address);
	if (atomic_load_explicit(&s->owner, memory_order_seq_cst) != NULL)
		return; /* its mcache will find it */
	unsigned group = nelems - index / 32 * 32;
	/* Summing up at every free would cost more than the free. */
	if (nelems <= 32 || in_word % 8 == 0 || in_word == group)
		mcentral_freedSome(s, spanclass, freeBits, nelems);
}

void free_object(struct mcache *c, struct mspan *s, unsigned index)
{
	if (atomic_load_explicit(&s->owner, memory_order_relaxed) != c) {
		free_shared(s, index);
		return;
	}
	uint64_t *word = &s->allocBits[index / 64], bit = 1ULL << index % 64;
	if (unlikely((*word & bit) == 0))
		goalloc_fatal("double free of", s->base + index * s->elemsize);
	*word &= ~bit;
}

static void free_large(struct mcache *c, struct mspan *s)
{
	struct goalloc_class_counters *counters = &c->class_counters[s->spanclass];

	owner_add(&counters->frees, 1);
	owner_add(&counters->freed_bytes, mspan_bytes(s));
	mheap_freeSpan(s);
}

static void free_small(struct mcache *c, struct mspan *s, uintptr_t address)
{
	uintptr_t offset = address - s->base;
	unsigned index = (unsigned)(offset / s->elemsize);
	bool was_tiny = false;

	if (index >= s->nelems)
		goalloc_fatal("free of a pointer past the last object:", address);
	owner_add(&c->class_counters[s->spanclass].frees, 1);
	if (s->spanclass == TinySpanClass) {
		bool last = tiny_free(c, s, index, &was_tiny);
		if (was_tiny) {
			if (last)
				free_object(c, s, index);
			return;
		}
		owner_add(&c->class_counters[TinySpanClass].freed_bytes, TinySize);
	}
	if (offset != index * s->elemsize)
		goalloc_fatal("free of a pointer into an object:", address);
	free_object(c, s, index);
}

static __attribute__((noinline)) void free_slow(void *object)
{
	uintptr_t address = (uintptr_t)object;

	if (!object || object == zerobase)
		return;
	struct mspan *s = span_at(object);
	if (!s)
		goalloc_fatal("free of a pointer that is not of this heap:", address);
	if (s->state == mSpanLarge && address != s->base)
		goalloc_fatal("free of a pointer into an object:", address);
	if (s->state != mSpanInUse && s->state != mSpanLarge)
		goalloc_fatal("free of a pointer into free memory:", address);
	struct mcache *c = mcache_get();
	if (!c)
		return;
	if (s->state == mSpanLarge)
		free_large(c, s);
	else
		free_small(c, s, address);
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
	uint64_t *word = &s->allocBits[index / 64], bits = *word, bit = 1ULL << index % 64;
	if (unlikely((bits & bit) == 0))
		return free_slow(object);
	*word = bits & ~bit;
	owner_add((uint64_t *)((char *)c + s->freesOffset), 1);
}

void goalloc_free(void *object)
{
	free_fast(object);
}

size_t goalloc_usable_size(const void *object)
{
	const struct mspan *s = span_at(object);

	return s ? s->elemsize : 0;
}

size_t goalloc_class_size(unsigned size_class)
{
	return size_class < NumSizeClasses ? size_classes[size_class].size : 0;
}
