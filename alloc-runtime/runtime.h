/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RUNTIME_H
#define RUNTIME_H

/*
 * The allocator's structures, modelled on Go's runtime (malloc.go, mcache.go, mcentral.go, mheap.go), whose names they
 * keep.
 *
 * How a request goes down: mallocgc takes the next free object from the span that the thread's mcache holds for the
 * span class (nextFreeFast, nextFree). When the span is used up, refill gets another from the class's mcentral
 * (cacheSpan), which either has a span with free objects or gets a fresh one from mheap (grow, alloc). Objects larger
 * than the largest class are spans of their own.
 *
 * How a free comes back: the page table gives the object's span, and a multiplication its index in the span. If the
 * span belongs to the thread's own mcache, the object's bit in allocBits is cleared. Otherwise one atomic addition
 * records the free in the span's freeBits; the free that makes the span a quarter free queues it on its mcentral, and
 * the free of its last object returns it to mheap. There is no garbage collector: collecting these bits takes the place
 * of Go's sweep.
 *
 * Differences from Go, and their reasons:
 *
 *   spans        hold 64 objects or 256 KiB, not Go's 8 KiB or little more, because each refill has to collect frees
 *   mcache       has no local_scan, which Go adds up to pace its collector: nothing is scanned until somebody asks for it
 *                (mgcmark.h), and how much there is to scan follows from the counters by span class. It does not count
 *                lookups, which would cost every free an instruction. Its statistics are not flushed; readers add them up over all mcaches. It keeps spans
 *                that it has used up (full, ready), so that frees by their owner need no atomics
 *   mcentral     has no separate lists of swept and unswept spans: sweepgen and the order of `empty` distinguish them
 *   mheap        has only large objects on its busy lists: other spans in use are on lists of an mcache or mcentral
 *   bitmap       exists while a search marks, with one bit for 8 bytes; whether an object is scanned, its span class says
 *   sweep        looks for spans with few free objects, in the order of allspans; Go's finds every unmarked object
 *   arena        grows in one piece from its start, as far as the address space allows, with holes if necessary
 *   scavenging   is driven by the clock that slow paths read; a thread is started only on request
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fixalloc.h"
#include "goalloc.h"
#include "goalloc_contract.h"
#include "lock.h"
#include "machine.h"
#include "sizeclasses.h"

#pragma GCC visibility push(hidden)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define CACHE_LINE  64

enum {
	PageShift = 13,
	PageSize = 1 << PageShift,
	TinySize = 16,
	TinySizeClass = 2,
	TinySpanClass = TinySizeClass << 1 | 1,
	NumFreeLists = 128,	 /* free spans of n pages are in a list, longer ones in a tree */
	NumStackOrders = 30,	 /* of stacks: 2 KiB to 1 TiB */
	RefillAfter = 512,	 /* at least so many objects are allocated between two refills, see mspan_isDue() */
	NotCounting = INT32_MAX, /* as countdown of a span: its owner need not look at it again */
};

static inline unsigned spanclass_size_class(unsigned spanclass)
{
	return spanclass >> 1;
}

/* Adds to a number that only this thread writes while other threads may read it: one instruction, no lock. */
#ifdef __SANITIZE_THREAD__
#define owner_add(p, n) __atomic_store_n((p), __atomic_load_n((p), __ATOMIC_RELAXED) + (n), __ATOMIC_RELAXED)
#define owner_set(p, n) __atomic_store_n((p), (n), __ATOMIC_RELAXED)
#else
#define owner_add(p, n) ((void)(*(p) += (n)))
#define owner_set(p, n) ((void)(*(p) = (n)))
#endif
/* Before the second read of a sequence number. */
#ifdef __SANITIZE_THREAD__
#define reader_fence() atomic_signal_fence(memory_order_acquire)
#else
#define reader_fence() atomic_thread_fence(memory_order_acquire)
#endif
#define reader_get(p) __atomic_load_n((p), __ATOMIC_RELAXED)
/* Sets a number that other threads may set, too. */
#define racy_set(p, n) __atomic_store_n((p), (n), __ATOMIC_RELAXED)
/* Like reader_get, for a value that is compared at once: compilers use a memory operand only if the load is not
 * atomic. */
#ifdef __SANITIZE_THREAD__
#define racy_get(p) reader_get(p)
#else
#define racy_get(p) (*(p))
#endif
/* The same for a pointer that is followed: machines order what is read by way of it, which the sanitizer does not know. */
#ifdef __SANITIZE_THREAD__
#define followed_get(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#else
#define followed_get(p) (*(p))
#endif

/* ---- mspan ---- */

enum mspan_state {
	mSpanDead,  /* the struct is free */
	mSpanFree,  /* free pages, in mheap */
	mSpanInUse, /* small objects; on a list of its mcentral */
	mSpanLarge, /* one large object; on a busy list of mheap */
	mSpanStack, /* stacks for coroutines: see stack.h */
	mSpanHole,  /* pages that do not belong to the heap: see arena.c */
};

struct mspan;
struct mcache;
struct special;

struct address_range {
	uintptr_t start, limit;
};

struct mSpanList {
	struct mspan *first, *last;
};

/* Free spans ordered by length, see treap.h. Only root.first is used; the address of `root` is what its members store
 * in `list`. */
struct mTreap {
	struct mSpanList root;
};

/*
 * A run of pages. Invariants, for nelems > 0:
 *
 *   a span with an owner (the mcache that allocated from it last, and still does or will again)
 *       object i is free  ==  its bit is clear in allocBits, or (i is in the window and) its bit is set in allocCache
 *                             or allocHeld, or its bit is set in freeBits
 *       the window is the 64 objects below freeindex; windows before it have been used up in this pass
 *       allocHeld becomes allocCache after the next sample, so that the fast path need not count bytes: its first object
 *       is the one to be sampled
 *       frees by the owner clear bits of allocBits, frees by other threads set bits of freeBits
 *   a span without an owner
 *       object i is free  ==  its bit is set in freeBits; allocBits and allocCache have no meaning
 *   allocBits has (nelems + 63) / 64 words
 *   freeBits[i / 32] = bits of 32 objects | number of set bits << 32, so that one atomic addition frees and counts
 *   bits from nelems on are clear in allocBits and freeBits, so that a free of an address past the last object is
 *   reported as a double free
 *   the span is on one list: of its mcentral (no owner); full or ready of its owner, or none while its owner allocates
 *   from it; or of mheap (free or large)
 *
 * Who may access what: base, divMagic, elemsize, nelems, spanclass and npages change only while no object of the span
 * is allocated. owner is set and cleared under the mcentral's lock, or while no other thread can reach the span. The
 * fields of the second cache line and all bits except freeBits belong to the owner. list, next and prev are guarded by
 * the lock of the list's mcentral or mheap, or belong to the owner. freeBits and posted are atomic.
 */
struct mspan {
	/* Read by every free, written by a free by the owner. */
	uintptr_t base;
	/* 0 sends every free of the span to the slow path: large, tiny and free spans, debug level, and spans with records or sampled objects */
	uint64_t divMagic;
	_Atomic(struct mcache *) owner;
	uint64_t *allocBits;
	uint64_t inline_allocBits[2];
	uint32_t countdown;   /* frees by the owner until it checks whether the span is worth reusing */
	uint32_t freesOffset; /* offset of class_counters[spanclass].frees in an mcache */
	uint32_t nelems;
	uint8_t spanclass;   /* in state mSpanStack: the stack class */
	uint8_t state;	     /* enum mspan_state */
	bool needzero;	     /* objects of the window may not be zero */
	bool pages_needzero; /* the same for all pages, for mheap */

	/* Read and written by an allocation. */
	_Alignas(CACHE_LINE) uint64_t allocCache;
	union {
		uintptr_t cacheBase; /* address of the object of bit 0 of allocCache */
		uint64_t youngsince; /* free spans: see `young` */
	};
	uint64_t elemsize;
	/* objects that were allocated when the mcache took the span, plus those allocated since; of a span with an owner that does
	 * not allocate from it, what mspan_ownFree needs */
	uint32_t allocCount;
	uint32_t allocCountBeforeCache;
	uint16_t freeindex;
	uint16_t fresh_from; /* objects from this index on were never allocated; their pages take no memory */
	uint32_t sweepgen;
	uint64_t allocHeld;
	uintptr_t next_object; /* address of the first object of allocCache; without meaning if that is 0 */
	struct mspan *next;

	/* Written by a free by another thread. */
	_Alignas(CACHE_LINE) _Atomic uint64_t *freeBits;
	_Atomic uint64_t inline_freeBits[4];
	struct mSpanList *list; /* the list that the span is on */
	struct mspan *next_posted;
	_Atomic bool posted; /* on its owner's `posted` list */
	bool fresh_needzero; /* needzero for objects from fresh_from on */
	bool kept;	     /* counted in nkept of its mcentral; guarded by its lock */
	bool maybe_used;     /* nevertheless the pages of objects from fresh_from on may take memory */
	uint32_t refilled;   /* objects allocated from it while it is cached, up to its last refill */

	_Alignas(CACHE_LINE) size_t npages;
	union {
		uint64_t objMagic;    /* divMagic of the size class, also while the field above is 0 */
		size_t released_tail; /* free spans: pages at the end, all of them returned */
	};
	size_t npreleased; /* free spans: pages returned to the system, or never used */
	union {
		_Atomic uint16_t *tiny; /* span class 5: a count per object; NULL before the first; see tiny.c */
		uint64_t unusedsince;	/* free spans: since when, in nanoseconds of the coarse clock */
	};
	struct mspan *prev;
	struct special *specials; /* sorted by offset; guarded by speciallock */
	struct mspan *alllink;	  /* next in mheap.allspans; never changes */
	bool recorded;		  /* in that list */
	bool sampled;		  /* the heap profile knows an object of it, or did */
	bool moved;		  /* large objects: its pages come from another one; see mheap_movePages */
	bool gave_pages;	  /* small objects: the pages among these `idle` objects have been returned; atomic */
	union {
		/* Free spans: pages at the beginning that are free only since youngsince. Allocations take the
		 * beginning of a span and give it back; the pages behind must grow old all the same. */
		uint32_t young;
		/* small objects: free ones when the scavenger last looked. Atomic, because the owner sets it to 0 when
		 * it starts a new pass, without a lock and in no order: at worst the scavenger, in scavenge.c, loses
		 * that and takes the span for idle one round too early. */
		uint32_t idle;
	};
};
_Static_assert(sizeof(struct mspan) == 4 * CACHE_LINE, "one cache line per kind of writer, and one more");

static inline unsigned mspan_words(const struct mspan *s)
{
	return (s->nelems + 63) / 64;
}

static inline size_t mspan_bytes(const struct mspan *s)
{
	return s->npages << PageShift;
}

/* Whether the table has the span in use for each of its pages, not only for the first and the last. */
static inline bool mspan_inEveryPage(const struct mspan *s)
{
	return s->state == mSpanInUse || (s->state == mSpanStack && s->nelems > 1);
}

/* Returns a mask of the bits in this word of allocBits that stand for objects. */
static inline uint64_t mspan_word_mask(const struct mspan *s, unsigned word)
{
	unsigned left = s->nelems - word * 64;

	return left >= 64 ? UINT64_MAX : (1ULL << left) - 1;
}

extern struct mspan emptymspan; /* stands for "no span" in an mcache: none of its objects is free */

static inline void mSpanList_insertBetween(struct mSpanList *list, struct mspan *s, struct mspan *prev,
					   struct mspan *next)
{
	s->prev = prev;
	s->next = next;
	owner_set((prev ? &prev->next : &list->first), s);
	owner_set((next ? &next->prev : &list->last), s);
	owner_set(&s->list, list);
}

static inline void mSpanList_insert(struct mSpanList *list, struct mspan *s)
{
	mSpanList_insertBetween(list, s, NULL, list->first);
}

static inline void mSpanList_insertBack(struct mSpanList *list, struct mspan *s)
{
	mSpanList_insertBetween(list, s, list->last, NULL);
}

static inline void mSpanList_remove(struct mSpanList *list, struct mspan *s)
{
	owner_set((s->prev ? &s->prev->next : &list->first), s->next);
	owner_set((s->next ? &s->next->prev : &list->last), s->prev);
	s->prev = s->next = NULL;
	owner_set(&s->list, NULL);
}

static inline unsigned bit_count(uint64_t x)
{
#ifdef __POPCNT__
	return (unsigned)__builtin_popcountll(x);
#else
	x -= x >> 1 & 0x5555555555555555;
	x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
	return (unsigned)(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56);
#endif
}

/* Makes these objects the window. */
static inline void set_window(struct mspan *s, uint64_t window)
{
	/* 32 bits are enough for an offset within 64 small objects, and save an instruction. */
	uint32_t offset = (uint32_t)machine_lowest_bit(window) * (uint32_t)s->elemsize;

	s->allocCache = window;
	s->next_object = s->cacheBase + offset;
}

/*
 * Takes the first object of the window, which is allocCache and not 0. Where it is, the allocation before this one has worked
 * out: what a free stores to follows from the object's address, and the next allocation's loads wait for that. Knowing the
 * address some eight cycles earlier takes a quarter off a pair.
 */
static inline void *take_from_window(struct mspan *s, uint64_t window)
{
	uintptr_t object = s->next_object;

	owner_add(&s->allocCount, 1);
	set_window(s, window & (window - 1));
	return (void *)object;
}

/* Takes the next free object of the window; NULL if there is none. */
static inline void *nextFreeFast(struct mspan *s)
{
	uint64_t window = s->allocCache;

	return likely(window != 0) ? take_from_window(s, window) : NULL;
}

/* Takes the next free object of the span, opening further windows if needed; NULL if the span is used up. Counts the
 * bytes of the windows that it opens towards next_sample. Sets *sampled if the object is to be sampled. */
void *nextFree(struct mcache *c, struct mspan *s, bool *sampled);
/* The same in short for a cache that takes no samples, and a span whose window is used up. */
void *nextFreeUnsampled(struct mcache *c, struct mspan *s);
/* The number of set bits of objects. There are always two words at least. */
static inline unsigned freeBits_count(_Atomic uint64_t *freeBits, unsigned nelems)
{
	unsigned n = atomic_load_explicit(&freeBits[0], memory_order_acquire) >> 32;

	n += atomic_load_explicit(&freeBits[1], memory_order_acquire) >> 32;
	for (unsigned i = 2; i * 32 < nelems; i++)
		n += atomic_load_explicit(&freeBits[i], memory_order_acquire) >> 32;
	return n;
}

/*
 * The free objects of a span with an owner, without those whose bit is set in freeBits. Every allocation adds to allocCount, every
 * free by the owner takes from countdown, so that the bits need not be counted. What is taken from freeBits counts as freed by the
 * owner (mspan_freed); who sets one of the two numbers keeps the sum (mspan_countDown).
 */
static inline unsigned mspan_ownFree(const struct mspan *s)
{
	return s->nelems + NotCounting - s->allocCount - s->countdown;
}

/* Objects allocated from a cached span since the last refill. */
static inline uint32_t mspan_untold(const struct mspan *s)
{
	return s->allocCount - s->allocCountBeforeCache;
}

/*
 * Whether as many objects as a span has were allocated since the last refill. Then it is used up, although some are free again:
 * only a refill tells what was allocated. Without one, all that a loop on the same pages allocates would be unknown if the
 * process is killed, and after 2^32 objects in any case.
 */
static inline bool mspan_isDue(const struct mspan *s)
{
	return mspan_untold(s) >= s->nelems && mspan_untold(s) >= RefillAfter;
}

/* Whether a cache's span has no further window, as far as that can be told at once. Of a span of one window, the cache goes on with
 * what is free again: an eighth is enough, because another span would cost more than the window, and take more memory. */
static inline bool mspan_isUsedUp(const struct mspan *s)
{
	if (s->fresh_from < s->nelems || s->freeindex == 0)
		return false;
	return s->nelems > 64 ? s->freeindex >= s->nelems : mspan_ownFree(s) * 8 < s->nelems || mspan_isDue(s);
}

/* All free objects of a span with an owner. */
static inline unsigned mspan_countFree(const struct mspan *s)
{
	return mspan_ownFree(s) + freeBits_count(s->freeBits, s->nelems);
}

/* So many objects of a span with an owner are free. */
static inline void mspan_setFree(struct mspan *s, unsigned free)
{
	s->countdown = NotCounting;
	owner_set(&s->allocCount, s->nelems - free);
	owner_set(&s->allocCountBeforeCache, s->nelems - free);
}

/* The owner, who does not allocate from the span, looks at it again after so many frees. */
static inline void mspan_countDown(struct mspan *s, uint32_t frees)
{
	uint32_t count = s->allocCount + s->countdown - frees;

	s->countdown = frees;
	owner_set(&s->allocCount, count);
	owner_set(&s->allocCountBeforeCache, count);
}
/* called by the owner: takes the bits from freeBits and starts a new pass; returns the number of free objects */
unsigned mspan_collect(struct mspan *s);
/* The same for a span of one window without never-used objects, which is opened. Returns false if the span is another, or if no
 * object is free. */
bool mspan_openSingle(struct mspan *s);
void mspan_adopt(struct mspan *s); /* prepares a span without an owner for mspan_collect */
/* called by the owner: moves all free objects to freeBits; returns their number */
unsigned mspan_disown(struct mspan *s);
/* Which of 64 objects are free, by all of the span's bits. For who has stopped the thread that may have been in the middle of
 * any operation, or is the child of a fork. */
uint64_t mspan_freeIn(struct mspan *s, unsigned word);
/* Like mspan_disown, in the child of a fork, for a span whose owner may have been in the middle of any operation. */
void mspan_abandon(struct mspan *s);
/* Returns false if the object was already free. */
static inline bool mspan_freeShared(struct mspan *s, unsigned index, unsigned *in_word)
{
	uint64_t bit = 1ULL << index % 32;
	uint64_t before = atomic_fetch_add_explicit(&s->freeBits[index / 32], bit | 1ULL << 32, memory_order_seq_cst);

	*in_word = (unsigned)(before >> 32) + 1;
	return (before & bit) == 0;
}

/* The number of free objects from which an mcache takes a span: with fewer, refills would be too frequent; with more,
 * too much memory would lie unused. */
static inline unsigned mspan_enough(unsigned nelems)
{
	return (nelems + 3) / 4;
}

/* ---- mcache ---- */

/*
 * Three parts, each a whole number of pages. Their size says so and not their alignment, which mcache_none would have, too:
 *
 *   kept       what observers read, and what counts on until the cache is folded; see cachealloc.h
 *   own        what only the living thread needs
 *   listening  needed while an observer listens to probes, and not touched before
 *
 * All fields belong to the thread.
 */
enum { MCachePage = 4096, MCacheKept = 2 * MCachePage, MCacheOwn = 2 * MCachePage, MCacheListening = 3 * MCachePage };

struct mcache {
	union {
		struct {
			int64_t next_sample;		  /* bytes until the next sample */
			struct goalloc_sequence sequence; /* see goalloc_contract.h */
			uint32_t id;
			bool listening; /* the third part is initialised */
			uint32_t round; /* mheap.round when the cache last gave its ready spans up */
			uint32_t polls; /* slow paths that could have read the clock */
			uintptr_t tiny; /* current tiny block, 0: none */
			uint32_t tinyoffset;
			/* For the sampler: for each thinned probe, its distance and the bytes left until it fires. */
			uint64_t sample_distance, refill_distance, grow_distance, large_distance;
			int64_t refill_left, grow_left, large_left;
			uint64_t sample_semaphores; /* the semaphores that sample_distance was chosen for */
			uint64_t random;
			struct mspan *alloc[NumSpanClasses];

			/* Last in its part, so that the pages of classes that a thread does not use are not touched. */
			uint64_t tiny_objects, tiny_blocks, tiny_bytes;
			struct goalloc_class_counters class_counters[NumSpanClasses];
		};
		char kept[MCacheKept];
	};
	union {
		struct {
			struct mcache_head *head;      /* mcache_head() of it */
			struct stackcache *stackcache; /* NULL before the first; see stack.h */
			size_t unused_bytes; /* of those of `ready` that are known to be wholly free: their countdown is NotCounting */
			size_t surplus_bytes; /* of those of `ready` above the limits of their class */
			uint64_t frees_at_refill[NumSpanClasses];
			struct mSpanList full[NumSpanClasses]; /* used up, less than a quarter free */
			/* Last, so that a thread whose spans do not become ready touches one page of this part. */
			uint16_t nready[NumSpanClasses];
			struct mSpanList ready[NumSpanClasses]; /* a quarter free or more */
		};
		char own[MCacheOwn];
	};
	union {
		struct {
			struct goalloc_pending pending[NumSpanClasses];
			struct goalloc_pending
				grows_pending[NumSpanClasses]; /* only `refills` is used, as the number of grows */
			struct goalloc_stack stack;
		};
		char listened[MCacheListening];
	};
};
_Static_assert(offsetof(struct mcache, head) == MCacheKept, "whole pages");
_Static_assert(offsetof(struct mcache, pending) == MCacheKept + MCacheOwn, "at most 16 KiB a thread");
_Static_assert(sizeof(struct mcache) == MCacheKept + MCacheOwn + MCacheListening, "whole pages");

/* The caller of the library, for unwinding: its registers as they will be when the call returns. */
struct caller {
	uintptr_t pc, sp, fp;
	uintptr_t site;	 /* struct goalloc_site, or 0 */
	uintptr_t stack; /* address of its {depth, pcs[]}, 0 until the first probe that needs it */
};

/* For use in a function that the program called, directly or by a tail call. */
#define CALLER_HERE()                                                                          \
	((struct caller){.pc = machine_return_address((uintptr_t)__builtin_return_address(0)), \
			 .sp = MACHINE_CALLER_SP(),                                            \
			 .fp = *(uintptr_t *)__builtin_frame_address(0)})

/* For threads that have none yet: every span is emptymspan. Nothing behind these is there, because all of it would be in the
 * library's file. */
struct mcache_none {
	char before[offsetof(struct mcache, alloc)];
	struct mspan *alloc[NumSpanClasses];
};
extern struct mcache_none mcache_none;
#define mcache_dummy (*(struct mcache *)&mcache_none)
_Static_assert(sizeof(struct mcache_none) <= MCachePage, "one page of the file");
extern __thread struct mcache *mcache_self;

/* Returns the cache for one slow operation: the thread's own or, if it has none any more, the shared one, locked. NULL
 * only if not even the arena could be created. */
struct mcache *mcache_attach(void);
extern struct mcache mcache_shared;
extern struct lock mcache_shared_lock;

static inline struct mcache *mcache_enter(void)
{
	struct mcache *c = mcache_self;

	return likely(c != &mcache_dummy) ? c : mcache_attach();
}

static inline void mcache_leave(struct mcache *c)
{
	if (unlikely(c == &mcache_shared))
		lock_release(&mcache_shared_lock);
}

/* Makes the counter odd before an operation and even after it; see struct goalloc_sequence. */
#define sequence_step(counter)                                                 \
	do {                                                                   \
		machine_store_fence();                                         \
		__atomic_store_n((counter), *(counter) + 1, __ATOMIC_RELAXED); \
		machine_store_fence();                                         \
	} while (0)

/* Allocates from the cache's span, refilling it if needed; NULL when memory is out. */
void *mcache_nextFree(struct mcache *c, unsigned spanclass, struct caller *caller, bool *sampled);
/* The same in short, for most of the cases: the next window of the cache's span, or a refill, without samples. NULL if the case
 * is another. */
void *mcache_nextWindow(struct mcache *c, unsigned spanclass, struct caller *caller);
bool refill(struct mcache *c, unsigned spanclass, struct caller *caller);
/* The owner freed so many objects of a span that it may be worth reusing, or wholly free. */
void mcache_freedSome(struct mcache *c, struct mspan *s);
/* The same after frees by another thread. */
void mcache_post(struct mcache *c, struct mspan *s);
/* The thread's own cache gives up the spans that it keeps ready, where idle pages can be seen. */
void mcache_giveReady(void);
/* In the child of a fork: takes over the spans of threads that do not exist in it. `shared`: one of them was using the
 * shared cache. */
void mcache_abandonOthers(bool shared);

/* ---- mcentral ---- */

/* The spans of one span class that have no owner; see mcentral.c. */
struct mcentral {
	_Alignas(CACHE_LINE) struct lock lock;
	uint16_t nkept; /* wholly free ones */
	uint8_t shared; /* spans that `last` has yet to take until the class is its own; atomic, as `last` is */
	struct mSpanList nonempty; /* a quarter free or more */
	struct mSpanList empty;
	struct mSpanList
		whole; /* free spans that were of this class, newest first; guarded by mheap.lock, see mheap.c */
	const struct mcache *last; /* the cache that took a span last; not followed */
};
_Static_assert(sizeof(struct mcentral) == CACHE_LINE, "one line each");

struct mspan *mcentral_cacheSpan(struct mcentral *central, struct mcache *c, struct caller *caller);
void mcentral_uncacheSpan(struct mcentral *central, struct mspan *s);
/* The same for a span all of whose objects its owner has freed. */
void mcentral_uncacheUnused(struct mcentral *central, struct mspan *s);
/* Called after objects of a span without owner were freed. The span may be gone by now, so its properties are passed
 * separately. */
void mcentral_freedSome(struct mspan *s, unsigned spanclass, _Atomic uint64_t *freeBits, unsigned nelems);
void mcentral_lookAt(struct mspan *s); /* the same for a posted span */
/* In the child of a fork: empties all lists; then puts a span that has no owner and is on no list on its list. */
void mcentral_forgetLists(void);
void mcentral_relist(struct mspan *s);
/* Visits the span for this sweep cycle, in which an eighth free is enough. Returns true if the span went to
 * `nonempty`. */
bool mcentral_sweep(struct mspan *s);

/* ---- sweep ---- */

/* bytes freed by a cache since its last report; may start a cycle */
void sweep_freed(uint64_t bytes);
uint64_t sweep_left(void); /* bytes to be freed until the next cycle */
/* called before a fresh span of this many bytes is allocated */
void sweep_for(struct mcentral *central, size_t bytes);

/* ---- mheap ---- */

/* Free spans by length. */
struct free_spans {
	struct mSpanList lists[NumFreeLists]; /* by pages */
	uint64_t map[NumFreeLists / 64];      /* bit n: lists[n] is not empty */
	struct mTreap large;
};

struct mheap {
	struct lock lock;
	struct free_spans free; /* some of whose pages may take physical memory */
	struct free_spans
		scav; /* all of whose pages were returned or never used; taken if none of `free` is long enough */
	/* arena.c: the arena is [arena_start, arena_used) without its holes; both are 0 before it first grows. */
	uintptr_t arena_start, arena_used;
	size_t holes;	     /* bytes */
	size_t table_mapped; /* bytes of arena_map.spans */
	size_t table_sys;    /* the same, with all former tables */

	struct mspan *allspans; /* every struct mspan there ever was, newest first, by alllink */
	struct fixalloc spanalloc, tinyalloc, stackcachealloc;
	struct fixalloc bitsalloc[5]; /* allocBits of 1, 2, 4, 8 and 16 words with their freeBits */
	struct goalloc_heap_counters counters;
	size_t pagesInUse;
	size_t pagesStacks;				/* pages in use that are spans of stacks */
	size_t pagesStacksIdle;				/* pages of the large stacks in stackLarge */
	struct mSpanList stackLarge[NumStackOrders][2]; /* idle large stacks by order, without and with guards */
	size_t moved;					/* large objects whose pages come from others */
	size_t pagesReleased;				/* pages of free spans that were returned or never used */
	size_t nwhole;					/* free spans that have not been merged */
	_Atomic uintptr_t prefaulted;			/* end of the last range that mheap_prefault requested */

	/* scavenge.c */
	size_t limit;		/* bytes, 0: none */
	uint64_t now;		/* coarse clock in nanoseconds, as last read */
	uint64_t lastscavenge;	/* time of the last step */
	uint64_t scavenge_next; /* time of the next step; read without the lock */
	size_t idle_most;	/* idle bytes when the current series of steps began */
	/* slow paths should read the clock. Read without the lock: a stale value only costs a read of the clock */
	bool idle;
	uint8_t awaited;       /* allocations that are to be slow although they follow each other closely */
	uint64_t awaited_last; /* time of the last one; both are read and written without the lock */
	uint8_t rounds;	       /* walks over the spans of small objects that are still to be made */
	uint8_t freed_more; /* spans that have become worth looking at while all walks were to be made; atomic, some get lost */
	uint32_t round;		 /* number of walks that have begun; read without the lock */
	bool round_changed;	 /* this one has found objects that were freed since the last one */
	struct mspan *rounds_at; /* where it continues; NULL: it has not begun */
	uint64_t rounds_next;	 /* time of its next step, or of its begin; read without the lock */
	uint32_t ticks;
	struct lock scavengelock; /* held while the scavenger holds the objects of a span */

	/* sweep.c */
	_Atomic uint32_t sweepgen;   /* rises by 2 with each cycle */
	_Atomic uint32_t sweepdone;  /* this cycle has visited all spans */
	_Atomic uint64_t freedBytes; /* since the cycle started */
	_Atomic uint64_t numSweep;   /* spans visited, ever */
	double sweepPagesPerByte;    /* visits per byte of fresh spans, so that a cycle ends before the next is due */
	uint64_t spanBytesAlloc;     /* bytes of spans taken from the heap in this cycle */
	size_t pagesSwept;
	struct mspan *sweepNext; /* next span of allspans to visit */

	struct lock speciallock;
	struct fixalloc specialalloc;

	struct lock cachelock; /* guards initialisation, and the list of caches: cachealloc.h */

	/* Last, so that the pages of what a program does not use are not touched. */
	struct mcentral central[NumSpanClasses];
	struct mSpanList busy[NumFreeLists]; /* large objects, by pages */
	struct mSpanList busylarge;
};

extern struct mheap mheap;

static inline unsigned mcentral_spanclass(const struct mcentral *central)
{
	return (unsigned)(central - mheap.central);
}

/* Bytes of the arena, without holes. */
static inline size_t mheap_mapped(void)
{
	return mheap.arena_used - mheap.arena_start - mheap.holes;
}

/* What a free needs to find a span. Every page of the arena has an entry: all pages of spans of small objects
 * and of small stacks, and the first and last page of other spans and holes, refer to their span; other entries are
 * emptymspan, or NULL within a long hole. */
struct arena_map {
	_Alignas(CACHE_LINE) uintptr_t start;
	uintptr_t pages; /* mapped */
	struct mspan **spans;
};
extern struct arena_map arena_map;

/* Without a lock. The table may be moved meanwhile; the old one has the entries of all objects that lived then. */
static inline struct mspan *span_of_page(uintptr_t page)
{
	return __atomic_load_n(&followed_get(&arena_map.spans)[page], __ATOMIC_RELAXED);
}

/* Of an address that is known to be an object's or a stack's. */
static inline struct mspan *span_of(uintptr_t address)
{
	return span_of_page((address - arena_map.start) >> PageShift);
}

/* What an allocation of pages did, for actions that must wait until the locks are released. */
struct mheap_grown {
	size_t asked_pages, bytes, arena_used; /* for the probe; `bytes` is 0 if the arena did not grow */
	/* never-used pages from the span's start on: its own, then those of the free span behind it */
	size_t untouched_pages;
};

bool mallocinit(void); /* once, under cachelock */
struct mspan *mheap_alloc(size_t npages, unsigned spanclass, struct mheap_grown *grown);
/* The same at a multiple of align_pages, a power of two. */
struct mspan *mheap_allocAligned(size_t npages, size_t align_pages, unsigned spanclass, struct mheap_grown *grown);
/* Takes a free span that was of the class before; NULL if there is none. */
struct mspan *mheap_takeWhole(struct mcentral *central);
/* Makes a large object longer or shorter in place; returns false if that is impossible. */
bool mheap_resizeSpan(struct mspan *s, size_t npages, struct mheap_grown *grown);
/* Moves the pages of one large object to another; `size` is that of the contents. Returns how many bytes
 * of it were moved from the beginning. */
size_t mheap_movePages(struct mspan *to, const struct mspan *from, size_t size);
void mheap_freeSpan(struct mspan *s);
/* Whether a free span is on its mcentral's list `whole`: then the table has it for each of its pages. */
bool mheap_isWhole(const struct mspan *s);
/* Merges those that have been free since then or before. With mheap.lock held. */
void mheap_mergeWhole(uint64_t before);
/* Where another free span is listed: `free` or `scav`. */
struct free_spans *mheap_freeSpansOf(const struct mspan *s);
/* Sets npreleased and released_tail of a free span. Called with the lock held. */
void mheap_setReleased(struct mspan *s, size_t pages, size_t tail);
/* Returns a span that is cut into stacks, all of them idle and in the pool; see stack.h. */
struct mspan *mheap_allocStackSpan(size_t npages, unsigned stackclass, size_t stack_size, struct mheap_grown *grown);
void mheap_freeStackSpan(struct mspan *s);
/* In the child of a fork: rebuilds everything that mheap.lock guards from the spans in use. */
void mheap_rebuild(void);
/* Prefaults a fresh span, because a span of a class that grows is likely to be written soon, and so is the memory
 * behind it. */
void mheap_prefault(struct mspan *s, size_t untouched_pages);
bool mheap_initBits(struct mspan *s); /* allocates the bits of nelems objects */
_Atomic uint16_t *mheap_allocTiny(void);

/* ---- tiny ---- */

void *tiny_alloc(struct mcache *c, size_t size, struct caller *caller); /* zeroed */
void tiny_release(struct mcache *c);					/* the cache gives up its current block */
/* Removes one object from its block. Returns false if the block is an ordinary object (then *was_tiny is false) or
 * still holds other objects. */
bool tiny_free(struct mcache *c, struct mspan *s, unsigned index, bool *was_tiny);
/* The number of live objects in a block, and the bytes requested for all objects that were ever in it; 1, and a block's bytes,
 * for an ordinary object. */
unsigned tiny_live(const struct mspan *s, unsigned index, unsigned *bytes);

/* ---- malloc ---- */

enum malloc_flags {
	ForScan = 0,
	ForNoscan = 1, /* added to the span class */
	ForMalloc = 2, /* malloc's size table: 16-byte alignment, never a tiny block, not zeroed */
};

void *mallocgc(size_t size, unsigned flags, const struct goalloc_site *site, struct caller *caller);
/* The same for what is not served by malloc_window() (malloc_fast.h). The caller has its site. */
void *mallocgc_slow(size_t size, unsigned flags, struct caller *caller);
/* Allocates at a multiple of `alignment`, a power of two, by malloc's rules. */
void *mallocgc_aligned(size_t alignment, size_t size, struct caller *caller);
size_t mallocgc_usable(const void *object);
/* What mallocgc_usable() will say of an object that was allocated so; 0 if none can be. */
size_t mallocgc_usableFor(size_t alignment, size_t size);
/* Aborts the process unless `object` is the start of an object that is not known to be free. */
void mallocgc_checkObject(const void *object);
/* Changes the size of a large object in place to another large size; returns false if that is impossible. It counts as
 * freed and allocated anew, as if it had moved. */
bool mallocgc_resizeLarge(void *object, size_t size, struct caller *caller);
/* Moves `size` bytes of a large object: its pages, or else a copy, and its memory returns to the system on the way.
 * Afterwards `from` can only be freed. */
void mallocgc_moveLarge(void *to, void *from, size_t size);
/* Frees one object of a span of small objects. */
void free_object(struct mcache *c, struct mspan *s, unsigned index);

void fork_init(void);
void description_publish(void); /* fills in the addresses in the description */

/* ---- failure ---- */

/* goalloc_warn prints the line "goalloc: WHAT"; goalloc_fatal prints "goalloc: WHAT 0xADDRESS" and aborts. */
void goalloc_warn(const char *what);
_Noreturn void goalloc_fatal(const char *what, uintptr_t address);
/* The same, with the object's span and, if known, where the object was allocated. */
_Noreturn void goalloc_fatalObject(const char *what, uintptr_t address, const struct mspan *s,
				   const struct goalloc_site *site, uintptr_t pc);

#pragma GCC visibility pop
#endif
