/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap of pages: the arena, cut into spans.
 *
 * How a request goes down: mheap_alloc → alloc_m → allocSpanLocked takes the best fit of `free`, whose pages take memory
 * already, else that of `scav`, else mheap_grow gets more arena from arena.c. A longer span is split, and the rest stays
 * free. How a free comes back: mheap_freeSpan merges the span with its free neighbours, which it finds through the table.
 *
 * Spans of small objects often come back to be taken again by the same class. So a number of them are not merged at once: they
 * are `whole`, with their bits and their entries in the table, until their class takes one, a longer free span would have to be
 * cut, or the scavenger finds them old (mheap_mergeWhole).
 */
#include "runtime.h"

#include <string.h>

#include "arena.h"
#include "cachealloc.h"
#include "debug.h"
#include "moved.h"
#include "perturb.h"
#include "scavenge.h"
#include "sections.h"
#include "special.h"
#include "stack.h"
#include "sys.h"
#include "treap.h"

enum {
	HeapAllocChunk = 1 << 20, /* the arena grows by at least this many bytes */
	GrowPages = 8,		  /* and by multiples of this many pages: 64 KiB */
	ClockPages = 16,	  /* the free of a span of at least this many pages reads the clock */
	/* an object that shrinks by at least this many pages (512 KiB) returns them at once */
	ReleasedAtOnce = 64,
	/* only holes up to this many pages (1 GiB) have all table entries set, to detect invalid frees */
	HoleFilled = 1 << 17,
	MostWhole = 1024,	   /* spans; merging so many takes some 0.1 ms */
	PrefaultAhead = 64 * 1024, /* at most this many bytes are prefaulted at a time */
	/* and of the free pages behind a span at most 1 / PrefaultShare of the heap in use */
	PrefaultShare = 16,
	SmallestPage = 4096, /* the kernel's must not be larger */
};

struct mheap mheap;
struct arena_map arena_map;

static uintptr_t page_of(const struct mspan *s)
{
	return (s->base - mheap.arena_start) >> PageShift;
}

bool mallocinit(void)
{
	/* Memory is given back, and guarded, in units of this size. */
	if (sysPageSize() > SmallestPage)
		goalloc_fatal("made for a kernel with pages of 4 KiB; this one's have", sysPageSize());
	fixalloc_init(&mheap.spanalloc, sizeof(struct mspan));
	fixalloc_init(&mheap.specialalloc, sizeof(struct special));
	fixalloc_init(&mheap.stackcachealloc, sizeof(struct stackcache));
	fixalloc_init(&mheap.tinyalloc, sizeof(uint16_t) * PageSize / TinySize);
	for (unsigned i = 0; i < 5; i++)
		fixalloc_init(&mheap.bitsalloc[i], (sizeof(uint64_t) * 3) << i);
	mheap.now = sysNow();
	scavenge_init();
	debug_init();
	cachealloc_init();
	description_publish();
	return true;
}

static void set_table(const struct mspan *s, struct mspan *value, bool all_pages)
{
	struct mspan **first = &arena_map.spans[page_of(s)], **last = first + s->npages - 1;

	/* Other threads look up pages without locks. */
	if (all_pages)
#pragma GCC unroll 8
		for (struct mspan **p = first; p <= last; p++)
			__atomic_store_n(p, value, __ATOMIC_RELEASE);
	__atomic_store_n(first, value, __ATOMIC_RELEASE);
	__atomic_store_n(last, value, __ATOMIC_RELEASE);
}

static struct mspan *new_span(uintptr_t base, size_t npages)
{
	struct mspan *s = fixalloc_alloc(&mheap.spanalloc);

	if (s) {
		if (!s->recorded) {
			s->recorded = true;
			s->alllink = mheap.allspans;
			__atomic_store_n(&mheap.allspans, s, __ATOMIC_RELEASE); /* observers walk the list */
		}
		/* `next_posted` and `posted` are not reset: an mcache's list of posted spans may still contain this
		 * struct. */
		s->base = base;
		s->npages = npages;
		s->npreleased = s->released_tail = 0;
		s->young = 0;
		s->pages_needzero = false;
		s->divMagic = 0;
		owner_set(&s->list, NULL);
		s->state = mSpanFree;
	}
	return s;
}

static void delete_span(struct mspan *s)
{
	s->state = mSpanDead;
	fixalloc_free(&mheap.spanalloc, s);
}

struct free_spans *mheap_freeSpansOf(const struct mspan *s)
{
	return s->released_tail == s->npages ? &mheap.scav : &mheap.free;
}

static void insert_free(struct mspan *s)
{
	struct free_spans *spans = mheap_freeSpansOf(s);

	if (s->npages < NumFreeLists) {
		mSpanList_insert(&spans->lists[s->npages], s);
		spans->map[s->npages / 64] |= 1ULL << s->npages % 64;
	} else {
		mTreap_insert(&spans->large, s);
	}
	mheap.pagesReleased += s->npreleased;
}

static void remove_free(struct mspan *s)
{
	struct free_spans *spans = mheap_freeSpansOf(s);

	mheap.pagesReleased -= s->npreleased;
	if (s->npages >= NumFreeLists) {
		mTreap_remove(&spans->large, s);
		return;
	}
	mSpanList_remove(&spans->lists[s->npages], s);
	if (!spans->lists[s->npages].first)
		spans->map[s->npages / 64] &= ~(1ULL << s->npages % 64);
}

void mheap_setReleased(struct mspan *s, size_t pages, size_t tail)
{
	remove_free(s);
	s->npreleased = pages;
	s->released_tail = tail;
	insert_free(s);
}

static struct mSpanList *busy_list(size_t npages)
{
	return npages < NumFreeLists ? &mheap.busy[npages] : &mheap.busylarge;
}

bool mheap_isWhole(const struct mspan *s)
{
	return s->state == mSpanFree && reader_get(&s->list) == &mheap.central[s->spanclass].whole;
}

static struct mspan *free_neighbour(uintptr_t page)
{
	/* The subtraction is unsigned, so an address before the first page gives a number past the last. */
	if (page >= arena_map.pages)
		return NULL;
	struct mspan *s = arena_map.spans[page];
	return s->state == mSpanFree && !mheap_isWhole(s) ? s : NULL;
}

static uint64_t newest(const struct mspan *s)
{
	return s->young != 0 && s->youngsince > s->unusedsince ? s->youngsince : s->unusedsince;
}

/* Sets since when the pages of two neighbours are free that become one span. */
static void merge_ages(struct mspan *s, const struct mspan *low, const struct mspan *high)
{
	size_t young =
		high->young != 0 || low->unusedsince > high->unusedsince ? low->npages + high->young : low->young;
	uint64_t since = newest(low), unusedsince = high->unusedsince;

	if (high->young != 0 && high->youngsince > since)
		since = high->youngsince;
	s->young = (uint32_t)young;
	s->youngsince = since;
	s->unusedsince = unusedsince;
}

static void merge(struct mspan *s, struct mspan *with)
{
	remove_free(with);
	set_table(with, &emptymspan, false);
	struct mspan *low = with->base < s->base ? with : s, *high = low == s ? with : s;
	s->released_tail = high->released_tail < high->npages ? high->released_tail : high->npages + low->released_tail;
	merge_ages(s, low, high);
	s->base = low->base;
	s->npages += with->npages;
	s->npreleased += with->npreleased;
	s->pages_needzero |= with->pages_needzero;
	delete_span(with);
}

/* Merges it with its free neighbours. */
static void insert_merged(struct mspan *s, bool in_every_page)
{
	set_table(s, &emptymspan, in_every_page);
	/* mheap_rebuild relies on the fields of a span that the table still refers to. */
	machine_store_fence();
	s->state = mSpanFree;
	atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
	s->divMagic = 0;
	s->young = 0;
	struct mspan *before = free_neighbour(page_of(s) - 1), *after = free_neighbour(page_of(s) + s->npages);
	if (before)
		merge(s, before);
	if (after)
		merge(s, after);
	set_table(s, s, false);
	insert_free(s);
}

static void freeSpanLocked(struct mspan *s)
{
	s->unusedsince = mheap.now;
	insert_merged(s, mspan_inEveryPage(s));
}

static void free_bits(struct mspan *s)
{
	unsigned size = 0;

	if (s->allocBits == s->inline_allocBits)
		return;
	while (1U << size < mspan_words(s))
		size++;
	fixalloc_free(&mheap.bitsalloc[size], s->allocBits);
}

/* With a memory limit, what is free must be found wherever it is. */
static bool may_be_whole(const struct mspan *s)
{
	return s->state == mSpanInUse && mheap.nwhole < MostWhole && mheap.limit == 0;
}

static void insert_whole(struct mspan *s)
{
	machine_store_fence();
	s->state = mSpanFree;
	atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
	s->divMagic = 0;
	s->unusedsince = mheap.now;
	s->young = 0;
	mSpanList_insert(&mheap.central[s->spanclass].whole, s);
	mheap.nwhole++;
	mheap.pagesReleased += s->npreleased;
}

static void remove_whole(struct mspan *s)
{
	mSpanList_remove(&mheap.central[s->spanclass].whole, s);
	mheap.nwhole--;
	mheap.pagesReleased -= s->npreleased;
}

void mheap_mergeWhole(uint64_t before)
{
	if (mheap.nwhole == 0)
		return;
	for (unsigned i = 0; i < NumSpanClasses; i++)
		for (struct mspan *s; (s = mheap.central[i].whole.last) && s->unusedsince <= before;) {
			remove_whole(s);
			free_bits(s);
			insert_merged(s, true);
		}
}

static void merge_all(void)
{
	mheap_mergeWhole(UINT64_MAX);
}

/* A hole is a span that is never freed or merged with a neighbour. */
static void make_hole(struct mspan *s, size_t bytes)
{
	s->npages = bytes >> PageShift;
	s->state = mSpanHole;
	set_table(s, &emptymspan, s->npages <= HoleFilled);
	set_table(s, s, false);
	mheap.arena_used += bytes;
	mheap.holes += bytes;
}

/* Adds at least npages to the arena as a free span. The last npages of it begin at a multiple of align_pages. */
static bool mheap_grow(size_t npages, size_t align_pages, struct mheap_grown *grown)
{
	size_t ask = (npages + GrowPages - 1) / GrowPages * GrowPages << PageShift;
	size_t size = ask < HeapAllocChunk ? HeapAllocChunk : ask;
	uintptr_t alignment = align_pages << PageShift;
	struct arena_extent extent;
	struct mspan *s = new_span(0, 0), *hole;

	if (!s)
		return false;
	if (!arena_extend(size, alignment, &extent) && !arena_extend(ask, alignment, &extent)) {
		delete_span(s);
		return false;
	}
	hole = extent.hole != 0 ? new_span(mheap.arena_used, 0) : NULL;
	if (extent.hole != 0 && !hole) {
		sysFree((void *)extent.base, extent.bytes);
		delete_span(s);
		return false;
	}
	if (hole)
		make_hole(hole, extent.hole);
	s->base = extent.base;
	s->npages = s->npreleased = s->released_tail = extent.bytes >> PageShift;
	mheap.arena_used += extent.bytes;
	set_table(s, &emptymspan, true);
	__atomic_store_n(&arena_map.pages, (mheap.arena_used - mheap.arena_start) >> PageShift, __ATOMIC_RELEASE);
	freeSpanLocked(s);
	owner_add(&mheap.counters.heap_grows, 1);
	owner_add(&mheap.counters.heap_grow_bytes, extent.bytes);
	*grown = (struct mheap_grown){.asked_pages = npages, .bytes = extent.bytes, .arena_used = mheap_mapped()};
	return true;
}

/* Best fit: the shortest span that is long enough, and of equals in the tree the one with the lowest address, which keeps the
 * arena dense. */
static struct mspan *best_fit(const struct free_spans *spans, size_t npages)
{
	for (size_t n = npages; n < NumFreeLists; n = (n / 64 + 1) * 64) {
		uint64_t lists = spans->map[n / 64] >> n % 64;
		if (lists != 0)
			return spans->lists[n + (size_t)__builtin_ctzll(lists)].first;
	}
	return mTreap_bestFit(&spans->large, npages);
}

/* Pages that take memory come first, however badly they fit: others would be touched beside them. But what is long may be
 * touched only here and there, and shall leave as much as it can to others. */
static struct mspan *find_free(size_t npages)
{
	struct mspan *used = npages < NumFreeLists ? best_fit(&mheap.free, npages) : NULL;

	if (used && used->npages == npages)
		return used;
	merge_all(); /* before a longer one is cut */
	used = best_fit(&mheap.free, npages);
	if (used && npages < NumFreeLists)
		return used;
	struct mspan *unused = best_fit(&mheap.scav, npages);
	return !used || (unused && unused->npages < used->npages) ? unused : used;
}

/* Takes a free span off its list and shortens it to npages; the rest stays free. Leaves released_tail and maybe_used as they are
 * for the shorter one. */
static struct mspan *take_free(struct mspan *s, size_t npages, struct mheap_grown *grown)
{
	size_t used = s->npages - s->released_tail;

	s->maybe_used = s->npreleased != s->released_tail;
	remove_free(s);
	grown->untouched_pages = s->npreleased == s->npages ? s->npages : 0;
	if (s->npages > npages) {
		struct mspan *rest = new_span(s->base + (npages << PageShift), s->npages - npages);
		if (!rest) {
			insert_free(s);
			return NULL;
		}
		rest->pages_needzero = s->pages_needzero;
		rest->unusedsince = s->unusedsince;
		rest->young = s->young > npages ? s->young - (uint32_t)npages : 0;
		rest->youngsince = s->youngsince;
		/* It is not recorded which of the pages had been released, so as many as possible are assumed to be in
		 * the rest. */
		rest->npreleased = s->npreleased < rest->npages ? s->npreleased : rest->npages;
		rest->released_tail = s->released_tail < rest->npages ? s->released_tail : rest->npages;
		s->npages = npages;
		insert_free(rest);
		set_table(rest, rest, false);
	}
	s->npreleased = 0;
	s->released_tail = used < npages ? npages - used : 0;
	s->state = mSpanDead; /* not to be merged with until it is in use */
	return s;
}

/* Returns a free span of exactly npages, which is on no list. */
static struct mspan *allocSpanLocked(size_t npages, struct mheap_grown *grown)
{
	scavenge_for(npages);
	struct mspan *s = find_free(npages);

	if (!s) {
		if (!mheap_grow(npages, 1, grown))
			return NULL;
		s = find_free(npages);
	}
	return take_free(s, npages, grown);
}

static void clear_bits(struct mspan *s)
{
	unsigned words = mspan_words(s);

	for (unsigned i = 0; i < words; i++)
		s->allocBits[i] = 0;
	for (unsigned i = 0; i < 2 * words; i++)
		atomic_store_explicit(&s->freeBits[i], 0, memory_order_relaxed);
}

bool mheap_initBits(struct mspan *s)
{
	unsigned words = mspan_words(s), size = 0;

	if (words <= 2) {
		s->allocBits = s->inline_allocBits;
		s->freeBits = s->inline_freeBits;
	} else {
		while (1U << size < words)
			size++;
		uint64_t *bits = fixalloc_alloc(&mheap.bitsalloc[size]);
		if (!bits)
			return false;
		s->allocBits = bits;
		s->freeBits = (_Atomic uint64_t *)(bits + (1U << size));
	}
	clear_bits(s);
	return true;
}

/* Objects on pages that take memory already are like freed ones. */
static unsigned first_fresh(const struct mspan *s)
{
	size_t used = (s->npages - s->released_tail) << PageShift, objects = (used + s->elemsize - 1) / s->elemsize;

	return s->maybe_used ? 0 : (unsigned)(objects < s->nelems ? objects : s->nelems);
}

/* Pages at the end of the span that none of its objects ever touched. */
static size_t never_used(const struct mspan *s)
{
	size_t used = (s->fresh_from * s->elemsize + PageSize - 1) >> PageShift;

	return s->state == mSpanInUse && s->fresh_from < s->nelems && !s->maybe_used ? s->npages - used : 0;
}

/* The slow path handles all frees of the tiny span class, whose objects may be shared blocks, and all frees at the debug
 * level. */
static void set_magic(struct mspan *s)
{
	s->objMagic = size_classes[spanclass_size_class(s->spanclass)].divMagic;
	s->divMagic = s->spanclass == TinySpanClass || debug_level || perturb_isOn() ? 0 : s->objMagic;
}

static bool init_small(struct mspan *s, unsigned spanclass)
{
	const struct size_class *class = &size_classes[spanclass_size_class(spanclass)];

	s->elemsize = class->size;
	s->nelems = (uint32_t)(mspan_bytes(s) / class->size);
	s->fresh_from = (uint16_t)first_fresh(s);
	if (!mheap_initBits(s))
		return false;
	set_magic(s);
	return true;
}

/* Splits the first `pages` pages off as a free span. */
static bool free_front(struct mspan *s, size_t pages)
{
	struct mspan *front = new_span(s->base, pages);

	if (!front)
		return false;
	front->pages_needzero = s->pages_needzero;
	s->base += pages << PageShift;
	s->npages -= pages;
	if (s->released_tail > s->npages) {
		front->npreleased = front->released_tail = s->released_tail - s->npages;
		s->released_tail = s->npages;
	}
	set_table(s, s, false);
	freeSpanLocked(front);
	return true;
}

/* The number of pages from the span's base to its first multiple of `alignment`. */
static size_t pages_to(const struct mspan *s, uintptr_t alignment)
{
	return (-s->base & (alignment - 1)) >> PageShift;
}

/* Searches the tree below s for the shortest span that contains npages at a multiple of `alignment`. Only spans that are
 * long enough are visited, and those on the way to them. */
static struct mspan *find_containing(struct mspan *s, size_t npages, uintptr_t alignment)
{
	while (s && s->npages < npages)
		s = s->next;
	if (!s)
		return NULL;
	struct mspan *found = find_containing(s->prev, npages, alignment);
	if (found || pages_to(s, alignment) + npages <= s->npages)
		return found ? found : s;
	return find_containing(s->next, npages, alignment);
}

/* Finds a free span that contains npages beginning at a multiple of align_pages. */
static struct mspan *find_aligned(size_t npages, size_t align_pages)
{
	uintptr_t alignment = align_pages << PageShift;
	struct mspan *s = find_free(npages);

	if (s && pages_to(s, alignment) + npages <= s->npages)
		return s;
	/* Any span of this length contains an aligned part of npages. */
	s = npages + align_pages - 1 < npages ? NULL : find_free(npages + align_pages - 1);
	if (!s && align_pages >= NumFreeLists)
		s = find_containing(mheap.free.large.root.first, npages, alignment);
	if (!s && align_pages >= NumFreeLists)
		s = find_containing(mheap.scav.large.root.first, npages, alignment);
	if (s || alignment < ArenaHole)
		return s;
	/* For a larger alignment, all possible addresses are tried: there are few of them, and growing instead would
	 * use up one more each time. */
	for (uintptr_t at = mheap.arena_start + (-mheap.arena_start & (alignment - 1)); at < mheap.arena_used;
	     at += alignment) {
		s = arena_map.spans[(at - mheap.arena_start) >> PageShift];
		if (s && s->state == mSpanFree && s->base == at && s->npages >= npages)
			return s;
	}
	return NULL;
}

static struct mspan *allocSpanAligned(size_t npages, size_t align_pages, struct mheap_grown *grown)
{
	uintptr_t alignment = align_pages << PageShift;

	scavenge_for(npages);
	merge_all();
	struct mspan *s = find_aligned(npages, align_pages);
	if (!s) {
		if (!mheap_grow(npages, align_pages, grown))
			return NULL;
		s = free_neighbour(arena_map.pages - 1); /* the new pages, merged with free pages before them */
	}
	size_t front = pages_to(s, alignment);
	s = take_free(s, front + npages, grown);
	if (s && front != 0 && !free_front(s, front)) {
		s->npreleased = s->released_tail;
		freeSpanLocked(s);
		return NULL;
	}
	return s;
}

/* Whether it begins in the range that mheap_prefault requested last. */
static bool was_prefaulted(const struct mspan *s)
{
	uintptr_t end = atomic_load_explicit(&mheap.prefaulted, memory_order_relaxed);

	return s->base < end && s->base >= end - PrefaultAhead;
}

/* What a span of objects begins with, whichever way it came. */
static void reset(struct mspan *s)
{
	s->allocCache = s->allocHeld = 0;
	s->sweepgen = atomic_load_explicit(&mheap.sweepgen, memory_order_relaxed);
	/* Readers of statistics may still be reading the struct; they detect the change by the sequence and read
	 * again. */
	owner_set(&s->allocCount, 0);
	owner_set(&s->allocCountBeforeCache, 0);
	s->countdown = NotCounting;
	s->freeindex = 0;
	s->tiny = NULL;
	s->specials = NULL;
	s->sampled = s->moved = s->kept = false;
	s->idle = 0;
	s->divMagic = 0;
	atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
}

static void set_in_use(struct mspan *s, enum mspan_state state)
{
	owner_add(&mheap.pagesInUse, s->npages);
	/* Set last, because mheap_rebuild relies on the fields of a span in use. */
	machine_store_fence();
	s->state = state;
}

struct mspan *mheap_takeWhole(struct mcentral *central)
{
	if (!reader_get(&central->whole.first))
		return NULL;
	lock_acquire(&mheap.lock);
	struct mspan *s = central->whole.first;
	if (s) {
		remove_whole(s);
		s->npreleased = 0;
		reset(s);
		s->needzero = true;
		clear_bits(s);
		set_magic(s);
		set_in_use(s, mSpanInUse);
	}
	lock_release(&mheap.lock);
	return s;
}

static struct mspan *alloc_m(size_t npages, size_t align_pages, unsigned spanclass, struct mheap_grown *grown)
{
	struct mspan *s =
		align_pages <= 1 ? allocSpanLocked(npages, grown) : allocSpanAligned(npages, align_pages, grown);

	if (!s)
		return NULL;
	owner_set(&s->spanclass, (uint8_t)spanclass);
	s->needzero = s->fresh_needzero = s->pages_needzero;
	s->pages_needzero = true;
	s->freesOffset = (uint32_t)(offsetof(struct mcache, class_counters[0].frees) +
				    spanclass * sizeof(struct goalloc_class_counters));
	s->maybe_used |= was_prefaulted(s);
	reset(s);
	bool large = spanclass_size_class(spanclass) == 0;
	if (large) {
		s->elemsize = mspan_bytes(s);
		s->nelems = 1;
		s->objMagic = 0;
		mSpanList_insert(busy_list(npages), s);
	} else if (!init_small(s, spanclass)) {
		s->released_tail = 0;
		freeSpanLocked(s);
		return NULL;
	}
	set_in_use(s, large ? mSpanLarge : mSpanInUse);
	set_table(s, s, s->state == mSpanInUse);
	return s;
}

struct mspan *mheap_allocAligned(size_t npages, size_t align_pages, unsigned spanclass, struct mheap_grown *grown)
{
	lock_acquire(&mheap.lock);
	struct mspan *s = alloc_m(npages, align_pages, spanclass, grown);
	lock_release(&mheap.lock);
	return s;
}

struct mspan *mheap_alloc(size_t npages, unsigned spanclass, struct mheap_grown *grown)
{
	return mheap_allocAligned(npages, 1, spanclass, grown);
}

/*
 * Page faults are expensive, and half of the cost is entering and leaving the kernel. Therefore the pages of the span,
 * and of the spans that will follow if spans are short, are requested in one call. The pages requested in vain are at
 * most a share of the heap, and are not counted as used. With a memory limit, nothing is prefaulted.
 */
void mheap_prefault(struct mspan *s, size_t untouched_pages)
{
	uintptr_t before = atomic_load_explicit(&mheap.prefaulted, memory_order_relaxed);
	size_t ahead = (reader_get(&mheap.pagesInUse) << PageShift) / PrefaultShare;

	if (untouched_pages < s->npages || mheap.limit != 0 ||
	    (was_prefaulted(s) && s->base + mspan_bytes(s) <= before))
		return;
	if (ahead > PrefaultAhead)
		ahead = PrefaultAhead;
	ahead &= -(size_t)PageSize;
	if (ahead < mspan_bytes(s))
		ahead = mspan_bytes(s) < PrefaultAhead ? mspan_bytes(s) : PrefaultAhead;
	if (ahead > untouched_pages << PageShift)
		ahead = untouched_pages << PageShift;
	atomic_store_explicit(&mheap.prefaulted, s->base + ahead, memory_order_relaxed);
	s->maybe_used = true;
	sysPrefault((void *)s->base, ahead);
}

RARELY_RUN struct mspan *mheap_allocStackSpan(size_t npages, unsigned stackclass, size_t stack_size,
					      struct mheap_grown *grown)
{
	lock_acquire(&mheap.lock);
	struct mspan *s = allocSpanLocked(npages, grown);
	if (s) {
		owner_set(&s->spanclass, (uint8_t)stackclass);
		s->pages_needzero = true;
		s->elemsize = stack_size;
		s->nelems = (uint32_t)(mspan_bytes(s) / stack_size);
		s->divMagic = s->objMagic = 0;
		s->tiny = NULL;
		s->specials = NULL;
		atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
		for (unsigned word = 0; word < 2; word++)
			atomic_store_explicit(&s->inline_freeBits[word], mspan_word_mask(s, 0), memory_order_relaxed);
		owner_add(&mheap.pagesInUse, npages);
		owner_add(&mheap.pagesStacks, npages);
		/* As in alloc_m. */
		machine_store_fence();
		s->state = mSpanStack;
		set_table(s, s, mspan_inEveryPage(s));
	}
	lock_release(&mheap.lock);
	return s;
}

RARELY_RUN void mheap_freeStackSpan(struct mspan *s)
{
	lock_acquire(&mheap.lock);
	owner_add(&mheap.pagesInUse, -s->npages);
	owner_add(&mheap.pagesStacks, -s->npages);
	s->npreleased = s->released_tail = 0;
	mheap.now = sysNow();
	freeSpanLocked(s);
	scavenge_tick();
	lock_release(&mheap.lock);
}

_Atomic uint16_t *mheap_allocTiny(void)
{
	lock_acquire(&mheap.lock);
	_Atomic uint16_t *tiny = fixalloc_alloc(&mheap.tinyalloc);
	lock_release(&mheap.lock);
	if (tiny)
		for (unsigned i = 0; i < PageSize / TinySize; i++)
			atomic_store_explicit(&tiny[i], 0, memory_order_relaxed);
	return tiny;
}

void mheap_freeSpan(struct mspan *s)
{
	lock_acquire(&mheap.lock);
	owner_add(&mheap.pagesInUse, -s->npages);
	size_t untouched = never_used(s);
	if (s->tiny)
		fixalloc_free(&mheap.tinyalloc, (void *)s->tiny);
	s->tiny = NULL;
	s->npreleased = s->released_tail = untouched;
	if (may_be_whole(s)) {
		insert_whole(s);
	} else {
		if (s->state == mSpanLarge) {
			mSpanList_remove(reader_get(&s->list), s);
			moved_freed(s);
		} else {
			free_bits(s);
		}
		if (s->npages >= ClockPages)
			mheap.now = sysNow();
		freeSpanLocked(s);
	}
	scavenge_tick();
	lock_release(&mheap.lock);
}

static bool shrink(struct mspan *s, size_t npages)
{
	size_t cut = s->npages - npages;
	struct mspan *rest = cut != 0 ? new_span(s->base + (npages << PageShift), cut) : NULL;

	if (cut != 0 && !rest)
		return false;
	if (rest)
		moved_cut(s, npages);
	s->npages = npages;
	if (rest) {
		rest->pages_needzero = true;
		/* Returned at once, because the program has just shown that it needs less, and the scavenger would take
		 * a while for this much. */
		if (cut >= ReleasedAtOnce && sysUnused((void *)rest->base, mspan_bytes(rest))) {
			rest->npreleased = rest->released_tail = cut;
			rest->pages_needzero = false;
		}
		freeSpanLocked(rest);
	}
	return true;
}

/* Returns the free span behind s if it has, or the arena can be extended so that it has, at least this many pages. */
static struct mspan *room_behind(const struct mspan *s, size_t npages, struct mheap_grown *grown)
{
	uintptr_t end = page_of(s) + s->npages;
	struct mspan *after = free_neighbour(end);
	size_t have = after ? after->npages : 0;

	if (have < npages && end + have == arena_map.pages && mheap_grow(npages - have, 1, grown))
		after = free_neighbour(end);
	return after && after->npages >= npages ? after : NULL;
}

static bool extend(struct mspan *s, size_t npages, struct mheap_grown *grown)
{
	size_t more = npages - s->npages;

	scavenge_for(more);
	merge_all();
	struct mspan *after = room_behind(s, more, grown);
	struct mheap_grown unused;
	if (!after || !(after = take_free(after, more, &unused)))
		return false;
	set_table(after, &emptymspan, false);
	set_table(s, &emptymspan, false);
	delete_span(after);
	s->npages = npages;
	return true;
}

bool mheap_resizeSpan(struct mspan *s, size_t npages, struct mheap_grown *grown)
{
	lock_acquire(&mheap.lock);
	size_t old = s->npages;
	bool resized = npages <= old ? shrink(s, npages) : extend(s, npages, grown);
	if (resized) {
		mSpanList_remove(reader_get(&s->list), s);
		mSpanList_insert(busy_list(npages), s);
		owner_add(&mheap.pagesInUse, s->npages - old);
		s->elemsize = mspan_bytes(s);
		set_table(s, s, false);
	}
	lock_release(&mheap.lock);
	return resized;
}

/* A hole counts as in use, permanently. */
static bool in_use(const struct mspan *s)
{
	return s->state == mSpanInUse || s->state == mSpanLarge || s->state == mSpanStack || s->state == mSpanHole;
}

/* Whether a span in use begins at the page. Valid after find_in_use(). */
static bool begins_in_use(uintptr_t page)
{
	const struct mspan *s = arena_map.spans[page];

	return s && in_use(s) && page_of(s) == page;
}

/* Divides all structs into spans in use and dead ones. A span is in use if its state says so, which alloc_m sets last,
 * and if the table refers to it, which freeSpanLocked undoes first. */
static void find_in_use(void)
{
	fixalloc_forget(&mheap.spanalloc);
	mheap.spanalloc.inuse = 0;
	for (struct mspan *s = mheap.allspans; s; s = s->alllink) {
		mheap.spanalloc.inuse += mheap.spanalloc.size;
		if (!in_use(s) || page_of(s) >= arena_map.pages || arena_map.spans[page_of(s)] != s) {
			atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
			owner_set(&s->list, NULL);
			s->divMagic = 0;
			delete_span(s);
			continue;
		}
		if (s->state == mSpanHole) {
			mheap.holes += mspan_bytes(s);
			continue;
		}
		mheap.pagesInUse += s->npages;
		if (s->state == mSpanStack)
			mheap.pagesStacks += s->npages;
		if (s->state == mSpanLarge) {
			mheap.moved += s->moved;
			s->elemsize = mspan_bytes(s);
			mSpanList_insert(busy_list(s->npages), s);
		} else if (!atomic_load_explicit(&s->owner, memory_order_relaxed)) {
			/* it was on a list of its mcentral, and those lists have been emptied */
			owner_set(&s->list, NULL);
		}
		set_table(s, s, mspan_inEveryPage(s));
	}
}

static void free_gap(uintptr_t page, size_t npages)
{
	struct mspan *s = new_span(mheap.arena_start + (page << PageShift), npages);

	/* If there is no memory for the struct, the pages stay unused. */
	for (size_t i = 0; i < npages; i++)
		arena_map.spans[page + i] = &emptymspan;
	if (!s)
		return;
	s->pages_needzero = true;
	s->unusedsince = mheap.now;
	set_table(s, s, false);
	insert_free(s);
}

RARELY_RUN void mheap_rebuild(void)
{
	memset(&mheap.free, 0, sizeof mheap.free);
	memset(&mheap.scav, 0, sizeof mheap.scav);
	memset(mheap.busy, 0, sizeof mheap.busy);
	mheap.busylarge = (struct mSpanList){NULL, NULL};
	mheap.pagesInUse = mheap.pagesStacks = mheap.pagesReleased = mheap.holes = mheap.moved = mheap.nwhole = 0;
	fixalloc_forget(&mheap.tinyalloc);
	fixalloc_forget(&mheap.specialalloc);
	fixalloc_forget(&mheap.stackcachealloc);
	for (unsigned i = 0; i < sizeof mheap.bitsalloc / sizeof *mheap.bitsalloc; i++)
		fixalloc_forget(&mheap.bitsalloc[i]);
	mheap.arena_used = mheap.arena_start + (arena_map.pages << PageShift);
	mcentral_forgetLists();
	find_in_use();
	for (uintptr_t page = 0, end; page < arena_map.pages; page = end) {
		end = page;
		if (begins_in_use(page)) {
			end += arena_map.spans[page]->npages;
			continue;
		}
		while (end < arena_map.pages && !begins_in_use(end))
			end++;
		free_gap(page, end - page);
	}
}
