/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocating and freeing: the slow paths, and Go's interface. The fast paths are in malloc_fast.h.
 */
#include "runtime.h"

#include <errno.h>
#include <string.h>

#include "debug.h"
#include "heap_profile.h"
#include "malloc_fast.h"
#include "perturb.h"
#include "sampler.h"
#include "scavenge.h"
#include "special.h"
#include "sys.h"

enum {
	MovedAtOnce = 1 << 20, /* bytes of a large object that are in memory twice while it is moved */
	/* Objects of at least so many bytes, of which little may be touched, begin at a multiple of SparseBegin, so that the
	 * same pages are touched as in what lay there before. */
	SparseLeast = 1 << 20,
	SparseBegin = 1 << 16,
};

static const char zerobase[8]; /* the address of all zero-size objects */

/* An allocation request after classification. */
struct request {
	enum { Tiny, Small, Large } kind;
	unsigned spanclass;
	size_t size;
	uint64_t bytes;	  /* bytes that it counts for: its size class; whole pages if large; as requested if tiny */
	size_t alignment; /* of a large object, if more than a page */
};

static void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void *malloc_large(struct mcache *c, const struct request *r, struct caller *caller)
{
	scavenge_poll();
	struct mheap_grown grown = {0};
	size_t npages = r->bytes >> PageShift, alignment = r->alignment;
	if (r->bytes >= SparseLeast && alignment < SparseBegin)
		alignment = SparseBegin;
	struct mspan *s = mheap_allocAligned(npages, alignment >> PageShift, r->spanclass, &grown);

	if (grown.bytes != 0)
		note_heap_grow(&grown, c, caller);
	if (!s)
		return NULL;
	note_large(c, r->size, s, caller);
	return (void *)s->base;
}

static inline void *take(struct mcache *c, const struct request *r, struct caller *caller, bool *sampled)
{
	if (r->kind == Small) {
		sampler_refresh(c);
		void *object = mcache_nextFree(c, r->spanclass, caller, sampled);
		*sampled |= c->sample_distance == 0;
		return object;
	}
	*sampled = sampler_takes(c, r->bytes);
	return r->kind == Tiny ? tiny_alloc(c, r->size, caller) : malloc_large(c, r, caller);
}

/* Inlined, so that the request stays in registers. The caller has its site. */
static inline __attribute__((always_inline)) void *allocate(const struct request *r, struct caller *caller)
{
	struct mcache *c = mcache_enter();

	if (!c)
		return out_of_memory();
	bool sampled = false;
	sequence_step(&c->sequence.allocating);
	void *object = take(c, r, caller, &sampled);
	if (object && sampled)
		note_sample(c, object, r->bytes, r->spanclass, caller);
	sequence_step(&c->sequence.allocating);
	mcache_leave(c);
	return object ? object : out_of_memory();
}

static struct request request_large(size_t size, size_t alignment, unsigned noscan)
{
	return (struct request){.kind = Large,
				.size = size,
				.alignment = alignment,
				.spanclass = noscan,
				.bytes = (size + PageSize - 1) & ~(size_t)(PageSize - 1)};
}

static struct request request_small(size_t size, unsigned spanclass)
{
	return (struct request){.kind = Small,
				.size = size,
				.spanclass = spanclass,
				.bytes = size_classes[spanclass_size_class(spanclass)].size};
}

/* Initialises the allocator before the process's first allocation: the environment that it reads (GOALLOC_DEBUG)
 * changes the size needed. */
static inline void prepare(void)
{
	if (unlikely(mcache_self == &mcache_dummy))
		mcache_leave(mcache_enter());
}

void *mallocgc(size_t size, unsigned flags, const struct goalloc_site *site, struct caller *caller)
{
	caller->site = (uintptr_t)site;
	void *object = malloc_window(size, flags, caller);
	return object ? object : mallocgc_slow(size, flags, caller);
}

/* The slow path for every size. Zeroes tiny objects only; callers zero the rest if s->needzero. */
void *mallocgc_slow(size_t size, unsigned flags, struct caller *caller)
{
	unsigned noscan = flags & ForNoscan;
	size_t asked = size;
	struct request r;

	prepare();
	scavenge_atAllocation();
	if (size > PTRDIFF_MAX - DebugTrailer)
		return out_of_memory();
	if (unlikely(debug_level))
		size += DebugTrailer;
	if (size > MaxSmallSize)
		r = request_large(size, 0, noscan);
	else if (flags & ForMalloc)
		r = request_small(size, span_classes.of_malloc[(size + MallocSizeStep - 1) / MallocSizeStep] + noscan);
	else if (noscan && size < TinySize)
		r = (struct request){.kind = Tiny, .size = size, .bytes = size, .spanclass = TinySpanClass};
	else
		r = request_small(size, span_classes.of_go[(size + GoSizeStep - 1) / GoSizeStep] + noscan);
	void *object = allocate(&r, caller);
	if (unlikely(debug_level) && object)
		debug_allocated(object, asked, caller);
	return object;
}

/* The span class of small objects at an alignment; 0 if such an object is a large one. */
static unsigned aligned_class(size_t alignment, size_t rounded)
{
	if (rounded > MaxSmallSize || alignment > PageSize)
		return 0;
	/* Spans start at page boundaries, so in a class whose size is a multiple of the alignment all objects are aligned. The
	 * size of the largest class is a multiple of every alignment. */
	unsigned spanclass = span_classes.of_malloc[(rounded + MallocSizeStep - 1) / MallocSizeStep];
	while (size_classes[spanclass_size_class(spanclass)].size % alignment != 0)
		spanclass += 2;
	return spanclass;
}

void *mallocgc_aligned(size_t alignment, size_t size, struct caller *caller)
{
	prepare();
	size_t asked = size, whole = debug_level ? size + DebugTrailer : size;
	size_t rounded = (whole + alignment - 1) & ~(alignment - 1);

	if (rounded < size || whole < size || rounded > PTRDIFF_MAX)
		return out_of_memory();
	unsigned spanclass = aligned_class(alignment, rounded);
	struct request r = spanclass ? request_small(size, spanclass) : request_large(whole, alignment, ForScan);
	void *object = allocate(&r, caller);
	if (unlikely(debug_level) && object)
		debug_allocated(object, asked, caller);
	return object;
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
	size_t index = (size + GoSizeStep - 1) / GoSizeStep;
	struct mspan *s;
	void *object;

	if (!noscan || size >= TinySize) {
		if (likely(malloc_fast(index, MaxSmallSize / GoSizeStep, span_classes.of_go, noscan, &s, &object)))
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

static __attribute__((noinline)) void freed_some(struct mspan *s, unsigned spanclass, _Atomic uint64_t *freeBits,
						 unsigned nelems)
{
	scavenge_poll();
	struct mcache *owner = atomic_load_explicit(&s->owner, memory_order_seq_cst);
	if (!owner)
		mcentral_freedSome(s, spanclass, freeBits, nelems);
	else if (freeBits_count(freeBits, nelems) >= mspan_enough(nelems))
		mcache_post(owner, s);
}

static inline void free_shared(struct mspan *s, unsigned index)
{
	/* Read before the object is freed: afterwards the span may be returned to mheap and reused. */
	unsigned spanclass = s->spanclass, nelems = s->nelems, in_word;
	uintptr_t address = s->base + index * s->elemsize;
	_Atomic uint64_t *freeBits = s->freeBits;

	if (unlikely(!mspan_freeShared(s, index, &in_word)))
		goalloc_fatal("double free of", address);
	unsigned group = nelems - index / 32 * 32;
	/* Counts the free objects of the whole span only when those of this half word reach a multiple of 8, because
	 * counting costs more than a free. */
	if (nelems <= 32 || in_word % 8 == 0 || in_word == group)
		freed_some(s, spanclass, freeBits, nelems);
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
	if (--s->countdown == 0)
		mcache_freedSome(c, s);
}

static void free_large(struct mcache *c, struct mspan *s)
{
	struct goalloc_class_counters *counters = &c->class_counters[s->spanclass];

	owner_add(&counters->frees, 1);
	owner_add(&counters->freed_bytes, mspan_bytes(s));
	scavenge_poll();
	perturb_freed((void *)s->base, s->elemsize);
	mheap_freeSpan(s);
}

/* Whether an object of a span in use is free, as far as this thread can tell. An object in the window of another
 * thread's cache looks allocated. */
static bool looks_free(struct mspan *s, unsigned index)
{
	uint64_t shared = atomic_load_explicit(&s->freeBits[index / 32], memory_order_relaxed) >> index % 32 & 1;
	bool own = atomic_load_explicit(&s->owner, memory_order_relaxed) == mcache_self;

	return shared || (own && !(s->allocBits[index / 64] >> index % 64 & 1));
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
	if (unlikely(perturb_isOn()) && !looks_free(s, index))
		perturb_freed((void *)address, s->elemsize);
	free_object(c, s, index);
}

static void free_checked(struct mspan *s, uintptr_t address)
{
	struct mcache *c = mcache_enter();

	if (s->state == mSpanLarge)
		free_large(c, s);
	else
		free_small(c, s, address);
	mcache_leave(c);
}

void free_slow(void *object)
{
	uintptr_t address = (uintptr_t)object;

	if (!object || object == zerobase)
		return;
	struct mspan *s = span_at(object);
	if (!s)
		goalloc_fatal("free of a pointer that is not of this heap:", address);
	if (s->state == mSpanLarge && address != s->base)
		goalloc_fatal("free of a pointer into an object:", address);
	if (s->state == mSpanStack)
		goalloc_fatal("free of a stack, which goalloc_stack_free takes:", address);
	if (s->state != mSpanInUse && s->state != mSpanLarge)
		goalloc_fatal("free of a pointer into free memory:", address);
	if (unlikely(__atomic_load_n(&s->specials, __ATOMIC_RELAXED) != NULL))
		specials_freed(s, address);
	if (unlikely(__atomic_load_n(&s->sampled, __ATOMIC_RELAXED)))
		heap_profile_freed(address);
	if (unlikely(debug_level))
		debug_freed(s, object, free_checked);
	else
		free_checked(s, address);
}

void free_others(void *object, struct mspan *s, size_t index)
{
	struct mcache *c = mcache_self;

	if (unlikely(c == &mcache_dummy || index >= s->nelems)) {
		free_slow(object);
		return;
	}
	owner_add((uint64_t *)((char *)c + s->freesOffset), 1);
	free_shared(s, (unsigned)index);
}

void free_countedDown(void *object, struct mspan *s)
{
	(void)object;
	mcache_freedSome(mcache_self, s);
}

void goalloc_free(void *object)
{
	free_fast(object);
}

size_t mallocgc_usable(const void *object)
{
	const struct mspan *s = span_at(object);

	if (!s || (s->state != mSpanInUse && s->state != mSpanLarge))
		goalloc_fatal("size of a pointer that is not of this heap:", (uintptr_t)object);
	return unlikely(debug_level) ? debug_size(s, object) : s->elemsize;
}

size_t mallocgc_usableFor(size_t alignment, size_t size)
{
	size_t rounded = (size + alignment - 1) & ~(alignment - 1);

	if (rounded < size || rounded > PTRDIFF_MAX - PageSize)
		return 0;
	if (unlikely(debug_level))
		return size;
	unsigned spanclass = aligned_class(alignment, rounded);
	return spanclass ? size_classes[spanclass_size_class(spanclass)].size
			 : (size + PageSize - 1) & ~(size_t)(PageSize - 1);
}

void mallocgc_checkObject(const void *object)
{
	struct mspan *s = span_at(object);
	uintptr_t address = (uintptr_t)object;

	if (!s || (s->state != mSpanInUse && s->state != mSpanLarge))
		goalloc_fatal("realloc of a pointer that is not of this heap:", address);
	uintptr_t offset = address - s->base;
	if (s->state == mSpanLarge ? offset != 0 : offset % s->elemsize != 0)
		goalloc_fatal("realloc of a pointer into an object:", address);
	if (s->state == mSpanInUse &&
	    (offset / s->elemsize >= s->nelems || looks_free(s, (unsigned)(offset / s->elemsize))))
		goalloc_fatal("realloc of a freed object:", address);
}

bool mallocgc_resizeLarge(void *object, size_t size, struct caller *caller)
{
	struct mspan *s = span_at(object);

	if (debug_level || s->state != mSpanLarge || size <= MaxSmallSize || size > PTRDIFF_MAX)
		return false;
	struct request r = request_large(size, 0, s->spanclass);
	struct mheap_grown grown = {0};
	uint64_t old = mspan_bytes(s);
	struct mcache *c = mcache_enter();
	bool resized = mheap_resizeSpan(s, r.bytes >> PageShift, &grown);
	if (grown.bytes != 0)
		note_heap_grow(&grown, c, caller);
	if (resized) {
		owner_add(&c->class_counters[s->spanclass].frees, 1);
		owner_add(&c->class_counters[s->spanclass].freed_bytes, old);
		if (s->sampled)
			heap_profile_freed(s->base);
		sequence_step(&c->sequence.allocating);
		bool sampled = sampler_takes(c, r.bytes);
		note_large(c, size, s, caller);
		if (sampled)
			note_sample(c, object, r.bytes, s->spanclass, caller);
		sequence_step(&c->sequence.allocating);
	}
	mcache_leave(c);
	return resized;
}

void mallocgc_moveLarge(void *to, void *from, size_t size)
{
	struct mspan *s = span_at(from);
	size_t moved = mheap_movePages(span_at(to), s, size);

	for (size_t left = size, part; left > moved; left -= part) {
		part = (left - moved) % MovedAtOnce ? (left - moved) % MovedAtOnce : MovedAtOnce;
		char *source = (char *)from + (left - part);
		memcpy((char *)to + (left - part), source, part);
		if (part == MovedAtOnce)
			sysUnused(source, part);
	}
	sysUnused(from, mspan_bytes(s));
}

size_t goalloc_usable_size(const void *object)
{
	return object == zerobase ? 0 : mallocgc_usable(object);
}

size_t goalloc_class_size(unsigned size_class)
{
	return size_class < NumSizeClasses ? size_classes[size_class].size : 0;
}
