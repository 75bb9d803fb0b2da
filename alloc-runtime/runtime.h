/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RUNTIME_H
#define RUNTIME_H

/*
 * The allocator's structures, as in Go's runtime (malloc.go, mcache.go, mcentral.go, mheap.go), whose names they keep.
 *
 * How a request goes down: mallocgc takes the next free object of the span that the thread's mcache holds for the
 * span class (nextFreeFast, nextFree). When the span is used up, refill fetches another from the class's mcentral
 * (cacheSpan), which has spans with free objects, or gets a fresh one from mheap (grow, alloc). Objects larger than
 * the largest class are spans of their own.
 *
 * How a free comes back: the page-to-span table gives the span, a multiplication the object's index. A span that the
 * thread's own mcache holds gets its bit cleared. Any other span collects frees in freeBits, with one atomic
 * addition; whoever makes it a quarter free queues it on its mcentral, whoever makes it wholly free gives it back to
 * mheap. There is no collector: taking these bits is what is left of Go's sweep.
 *
 * Where this is not Go's, and why:
 *
 *   spans        hold 64 objects or 256 KiB, not Go's 8 KiB or little more: each refill asks which frees to take in
 *   mcache       has no local_scan, as nothing is scanned, and does not count look-ups, which would be an instruction
 *                of every free. Its statistics stay where they are and are added up by who asks. It keeps spans that
 *                it has used up (full, ready), so that their owner's frees need no atomics
 *   mcentral     has no lists of swept and unswept spans: sweepgen and the order of `empty` tell
 *   mheap        has only large objects on its busy lists: other spans in use are on those of mcache and mcentral
 *   sweep        visits for few free objects, by allspans, where Go's has to find every unmarked one
 *   arena        grows in one piece from its start, as far as the address space lets it, with holes if it must
 *   scavenging   goes by the clock that slow paths look at, in a thread only if one is asked for
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fixalloc.h"
#include "goalloc.h"
#include "goalloc_contract.h"
#include "lock.h"
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
	NumFreeLists = 128, /* mheap.free[n] holds spans of n pages */
};

static inline unsigned spanclass_size_class(unsigned spanclass)
{
	return spanclass >> 1;
}

/* Adds to a number that only this thread writes while others may read it: one instruction, no lock. */
#ifdef __SANITIZE_THREAD__
#define owner_add(p, n) __atomic_store_n((p), __atomic_load_n((p), __ATOMIC_RELAXED) + (n), __ATOMIC_RELAXED)
#define owner_set(p, n) __atomic_store_n((p), (n), __ATOMIC_RELAXED)
#else
#define owner_add(p, n) ((void)(*(p) += (n)))
#define owner_set(p, n) ((void)(*(p) = (n)))
#endif
/* Before a second look at a sequence number. */
#ifdef __SANITIZE_THREAD__
#define reader_fence() atomic_signal_fence(memory_order_acquire)
#else
#define reader_fence() atomic_thread_fence(memory_order_acquire)
#endif
#define reader_get(p) __atomic_load_n((p), __ATOMIC_RELAXED)
/* The same where it is compared at once, which compilers make one instruction of only when it is plain. */
#ifdef __SANITIZE_THREAD__
#define racy_get(p) reader_get(p)
#else
#define racy_get(p) (*(p))
#endif

/* ---- mspan ---- */

enum mspan_state {
	mSpanDead,  /* the struct is free */
	mSpanFree,  /* pages in mheap */
	mSpanInUse, /* small objects; on a list of its mcentral */
	mSpanLarge, /* one large object; on a busy list of mheap */
	mSpanHole,  /* not the heap's pages: see arena.c */
};

enum mspan_idle {
	SpanInUse,
	SpanSeenFree, /* wholly freed by others than its owner when the scavenger came by */
	SpanReleased, /* the same a while later: its memory is the system's until the owner starts on it again */
};

struct mspan;
struct mcache;
struct special;

struct mSpanList {
	struct mspan *first, *last;
};

/* Of free spans by length, see treap.h; only root.first is used, the list is what its members name as theirs. */
struct mTreap {
	struct mSpanList root;
};

/*
 * A run of pages. With nelems > 0 and W = words of allocBits = (nelems + 63) / 64:
 *
 *   a span with an owner (the mcache that allocated from it last, and does still or will again)
 *       object i is free  ==  bit clear in allocBits, or (i in the window and) set in allocCache or
 *                             allocHeld, or set in freeBits
 *       the window is the 64 objects below freeindex; all windows before it are done for this pass
 *       allocHeld is what allocCache gets after the next sample, so that the fast path need not count bytes: its
 *       first object is the one to be sampled
 *       the owner's frees clear bits of allocBits, everybody else's set bits of freeBits
 *   a span without owner
 *       object i is free  ==  set in freeBits; allocBits and allocCache mean nothing
 *   freeBits[i / 32] = bits of 32 objects | their number << 32, so that one atomic addition frees and counts
 *   bits past nelems are clear in allocBits and freeBits, which makes a free of what lies past the last element
 *   look like a double free
 *   it is on one list: of its mcentral (no owner), full or ready of its owner, none while its owner allocates from it,
 *   of mheap (free or large)
 *
 * Who may touch what: base, divMagic, elemsize, nelems, spanclass and npages change only while no object of the span is
 * allocated. owner is set and cleared under the mcentral's lock, or while nobody else knows the span. The second line
 * and, but for freeBits, the bits are the owner's. list, next and prev belong to the list: to the lock of mcentral or
 * mheap, or to the owner. freeBits and posted are atomic.
 */
struct mspan {
	/* What a free reads, and a free by the owner writes. */
	uintptr_t base;
	uint64_t divMagic; /* 0 sends every free of the span to the slow path: large, tiny, free spans, debug level */
	_Atomic(struct mcache *) owner;
	uint64_t *allocBits;
	uint64_t inline_allocBits[2];
	uint32_t countdown;   /* frees by the owner until it looks at the span */
	uint32_t freesOffset; /* of class_counters[spanclass].frees in an mcache */
	uint32_t nelems;
	uint8_t spanclass;
	uint8_t state;	     /* enum mspan_state */
	bool needzero;	     /* objects of the window may hold old bytes */
	bool pages_needzero; /* the same of the whole run, for mheap */

	/* What an allocation reads and writes. */
	_Alignas(CACHE_LINE) uint64_t allocCache;
	uintptr_t cacheBase; /* address of the object that bit 0 of allocCache stands for */
	uint64_t elemsize;
	uint32_t allocCount; /* objects allocated when the mcache took it, and since */
	uint32_t allocCountBeforeCache;
	uint16_t freeindex;
	uint8_t fresh_from;  /* of spans with one word of allocBits: no object from here on was ever allocated */
	bool fresh_needzero; /* needzero of these */
	uint32_t sweepgen;
	uint64_t allocHeld;
	struct mspan *next, *prev;

	/* What a free by another thread writes. */
	_Alignas(CACHE_LINE) _Atomic uint64_t *freeBits;
	_Atomic uint64_t inline_freeBits[4];
	struct mSpanList *list; /* the one it is on */
	struct mspan *next_posted;
	_Atomic bool posted; /* on its owner's list of spans that others made worth looking at */

	_Alignas(CACHE_LINE) size_t npages;
	union {
		uint64_t objMagic;    /* what divMagic is where it is not 0 */
		size_t released_tail; /* of a free span: pages at its end that are all given back */
	};
	_Atomic uint16_t *tiny;	  /* span class 5: a count for each object, NULL before the first; see tiny.c */
	size_t npreleased;	  /* of a free span: pages given back to the system, or never used */
	uint64_t unusedsince;	  /* of a free span: nanoseconds, coarsely */
	struct special *specials; /* by offset, under speciallock */
	struct mspan *alllink;	  /* next of mheap.allspans; never changes */
	bool recorded;		  /* in that list */
	uint8_t idle;		  /* enum mspan_idle, of a span with an owner; see scavenge.c */
};
_Static_assert(sizeof(struct mspan) == 4 * CACHE_LINE, "every line has its writer");

static inline unsigned mspan_words(const struct mspan *s)
{
	return (s->nelems + 63) / 64;
}

static inline size_t mspan_bytes(const struct mspan *s)
{
	return s->npages << PageShift;
}

/* The word of allocBits with a bit for each object that exists. */
static inline uint64_t mspan_word_mask(const struct mspan *s, unsigned word)
{
	unsigned left = s->nelems - word * 64;

	return left >= 64 ? UINT64_MAX : (1ULL << left) - 1;
}

extern struct mspan emptymspan; /* what an mcache holds before it holds anything: nothing is free in it */

void mSpanList_insert(struct mSpanList *list, struct mspan *s);
void mSpanList_insertBack(struct mSpanList *list, struct mspan *s);
void mSpanList_remove(struct mSpanList *list, struct mspan *s);

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

/* The first object of the window, which is allocCache and not 0. */
static inline void *take_from_window(struct mspan *s, uint64_t window)
{
	/* In 32 bits: an offset below 64 small objects, which spares an extension. */
	uint32_t offset = (uint32_t)__builtin_ctzll(window) * (uint32_t)s->elemsize;

	s->allocCache = window & (window - 1);
	owner_add(&s->allocCount, 1);
	return (void *)(s->cacheBase + offset);
}

/* The next free object of the window; NULL when there is none. */
static inline void *nextFreeFast(struct mspan *s)
{
	uint64_t window = s->allocCache;

	return likely(window != 0) ? take_from_window(s, window) : NULL;
}

/* The next free object of the span, from further windows too; NULL when it is used up. Counts what it opens towards
 * next_sample; *sampled when the object is the one that the sampler waits for. */
void *nextFree(struct mcache *c, struct mspan *s, bool *sampled);
unsigned mspan_countFree(struct mspan *s);			      /* of a span with an owner */
unsigned freeBits_count(_Atomic uint64_t *freeBits, unsigned nelems); /* objects that are free in them */
unsigned mspan_collect(struct mspan *s); /* owner: takes freeBits, starts a new pass; all that is free */
void mspan_adopt(struct mspan *s);	 /* a span without owner gets ready for mspan_collect */
unsigned mspan_disown(struct mspan *s);	 /* owner: all that is free goes to freeBits; their number */
/* In the child of a fork: the same for a span whose owner may have been in the middle of anything. */
void mspan_abandon(struct mspan *s);
bool mspan_freeShared(struct mspan *s, unsigned index, unsigned *in_word); /* false: it was free already */

/* A span is worth an mcache's trip when it has so many free objects: with fewer, refills come too often; with more,
 * memory lies idle. */
static inline unsigned mspan_enough(unsigned nelems)
{
	return (nelems + 3) / 4;
}

/* ---- mcache ---- */

/*
 * Three parts, each of whole pages:
 *
 *   kept       what observers read, and what other threads may still touch when the thread has ended
 *   own        what only the living thread needs; its memory is given back when it ends
 *   listening  needed while somebody listens to probes, and not touched before
 *
 * Who may touch what: fields are the thread's own, but for `inuse` and `next_free` (under mheap.cachelock), `posted`
 * (atomic), and `next` (written once, before the cache is published).
 */
enum { MCachePage = 4096, MCacheKept = 2 * MCachePage, MCacheOwn = 2 * MCachePage };

struct mcache {
	int64_t next_sample;		  /* bytes until the sampler fires */
	struct goalloc_sequence sequence; /* see goalloc_contract.h */
	uint32_t id;
	bool inuse;	/* by a thread */
	bool listening; /* the third part is initialised */
	uintptr_t tiny; /* current tiny block, 0: none */
	uint32_t tinyoffset;
	struct mspan *alloc[NumSpanClasses];
	_Atomic(struct mspan *) posted; /* of spans of this cache, by threads that freed some of their objects */

	uint64_t tiny_objects, tiny_blocks, tiny_bytes;
	struct goalloc_class_counters class_counters[NumSpanClasses];

	/* The sampler's: for each thinned probe the distance it fires at, and the bytes left until then. */
	uint64_t sample_distance, refill_distance, grow_distance, large_distance;
	int64_t refill_left, grow_left, large_left;
	uint64_t sample_semaphores; /* what sample_distance was chosen by */
	uint64_t random;

	struct mcache *next; /* all of them, ever */
	struct mcache *next_free;

	_Alignas(MCachePage) struct mSpanList full[NumSpanClasses]; /* used up, less than a quarter free again */
	struct mSpanList ready[NumSpanClasses];			    /* a quarter free or more */
	uint8_t nready[NumSpanClasses];
	uint64_t frees_at_refill[NumSpanClasses];

	_Alignas(MCachePage) struct goalloc_pending pending[NumSpanClasses];
	struct goalloc_pending grows_pending[NumSpanClasses]; /* of them `refills` counts */
	struct goalloc_stack stack;
};
_Static_assert(offsetof(struct mcache, full) == MCacheKept, "whole pages");
_Static_assert(offsetof(struct mcache, pending) == MCacheKept + MCacheOwn, "at most 16 KiB a thread");

/* The caller of the library, for stacks: its registers at the moment the call returns. */
struct caller {
	uintptr_t pc, sp, bp;
	uintptr_t site;	 /* struct goalloc_site, or 0 */
	uintptr_t stack; /* its {depth, pcs[]} once somebody asked for it, however many probes fire; 0 before */
};

/* In a function that the program called, or that was tail-called on its behalf. */
#define CALLER_HERE()                                                                      \
	((struct caller){.pc = (uintptr_t)__builtin_return_address(0),                     \
			 .sp = (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *), \
			 .bp = *(uintptr_t *)__builtin_frame_address(0)})

extern struct mcache mcache_dummy; /* of a thread that has none yet: every span is emptymspan */
extern __thread struct mcache *mcache_self;
extern struct mcache *mcache_all; /* newest first; read without a lock */

/* The cache for one slow operation: the thread's own, or where it has none any more the shared one, locked. NULL only
 * when not even the arena could be reserved. */
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

/* Between two of these the counter is odd; see struct goalloc_sequence. */
static inline void sequence_step(uint32_t *counter)
{
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Allocates from the cache's span or the next ones; NULL when memory is out. */
void *mcache_nextFree(struct mcache *c, unsigned spanclass, struct caller *caller, bool *sampled);
bool refill(struct mcache *c, unsigned spanclass, struct caller *caller);
/* The owner freed so many objects of a span that it may be of use, or wholly free. */
void mcache_freedSome(struct mcache *c, struct mspan *s);
/* Another thread did. */
void mcache_post(struct mcache *c, struct mspan *s);
bool mcache_othersInUse(void); /* whether other threads than this one have caches */
/* In the child of a fork: takes back what belonged to threads that are not there. `shared` says that one of them was
 * using the shared cache. */
void mcache_abandonOthers(bool shared);

/* ---- mcentral ---- */

/* The spans of one span class that have no owner. */
struct mcentral {
	_Alignas(CACHE_LINE) struct lock lock;
	uint8_t spanclass;
	struct mSpanList nonempty; /* a quarter free or more */
	struct mSpanList empty;
};

struct mspan *mcentral_cacheSpan(struct mcentral *central, struct mcache *c, struct caller *caller);
void mcentral_uncacheSpan(struct mcentral *central, struct mspan *s);
/* Somebody freed objects of a span without owner. The span may be gone by now, so the caller says what it was. */
void mcentral_freedSome(struct mspan *s, unsigned spanclass, _Atomic uint64_t *freeBits, unsigned nelems);
void mcentral_lookAt(struct mspan *s); /* the same, at leisure */
/* In the child of a fork: forgets all lists, and puts a span that has no owner and is on no list where it belongs. */
void mcentral_forgetLists(void);
void mcentral_relist(struct mspan *s);
/* This cycle's visit: an eighth free is enough. True: the span went to `nonempty`. */
bool mcentral_sweep(struct mspan *s);

/* ---- sweep ---- */

void sweep_freed(uint64_t bytes);			/* a cache's frees since it last told; may start a cycle */
uint64_t sweep_left(void);				/* bytes to be freed until the next one */
void sweep_for(struct mcentral *central, size_t bytes); /* before a fresh span of so many bytes */

/* ---- mheap ---- */

struct mheap {
	struct lock lock;
	struct mSpanList free[NumFreeLists];  /* by pages */
	uint64_t free_map[NumFreeLists / 64]; /* which of them have any */
	struct mTreap freelarge;
	struct mSpanList busy[NumFreeLists]; /* large objects, by pages */
	struct mSpanList busylarge;

	/* arena.c: the arena is [arena_start, arena_used) but for its holes; both 0 before the first growth. */
	uintptr_t arena_start, arena_used;
	size_t holes;	     /* bytes */
	size_t table_mapped; /* bytes of arena_map.spans */
	size_t table_sys;    /* and of all tables that there were */

	struct mspan *allspans; /* every struct mspan there ever was, newest first, by alllink */
	struct fixalloc spanalloc, cachealloc, tinyalloc;
	struct fixalloc bitsalloc[5]; /* of 1, 2, 4, 8 and 16 words of allocBits, with their freeBits */
	struct goalloc_heap_counters counters;
	size_t pagesInUse;
	size_t pagesReleased;	      /* of the mapped arena, in free spans */
	_Atomic uintptr_t prefaulted; /* the end of what mheap_prefault asked for last */

	/* scavenge.c */
	size_t limit;		/* bytes, 0: none */
	uint64_t now;		/* nanoseconds, coarsely; may be late */
	uint64_t lastscavenge;	/* when memory went back by the clock */
	uint64_t scavenge_next; /* not before; read without the lock */
	size_t idle_most;	/* bytes that were idle when the present steps began */
	bool idle;		/* slow paths should ask the clock; read without the lock, a late value costs a look */
	uint8_t owned_rounds;	/* looks at spans with owners that are still to come */
	uint64_t owned_next;	/* when */
	uint32_t ticks;
	struct lock scavengelock; /* while the scavenger holds the objects of a span */

	/* sweep.c */
	_Atomic uint32_t sweepgen;   /* + 2 a cycle */
	_Atomic uint32_t sweepdone;  /* nothing left to visit in this cycle */
	_Atomic uint64_t freedBytes; /* since the cycle started */
	_Atomic uint64_t numSweep;   /* spans visited, ever */
	double sweepPagesPerByte;    /* to be through before the next cycle is due */
	uint64_t spanBytesAlloc;     /* bytes of spans taken from the heap in this cycle */
	size_t pagesSwept;
	struct mspan *sweepNext; /* of allspans: where the visit stands */

	struct lock speciallock;
	struct fixalloc specialalloc;

	struct lock cachelock; /* mcache list */
	struct mcache *freecaches;
	uint32_t nfreecaches;
	uint32_t ncaches;

	struct mcentral central[NumSpanClasses];
};

extern struct mheap mheap;

/* Bytes of the arena, without holes. */
static inline size_t mheap_mapped(void)
{
	return mheap.arena_used - mheap.arena_start - mheap.holes;
}

/* What a free needs to find a span. Every page of the arena has an entry: the span for all pages of small objects, and for
 * the first and last one of large objects, free spans and holes; else emptymspan, or NULL inside of a long hole. */
struct arena_map {
	_Alignas(CACHE_LINE) uintptr_t start;
	uintptr_t pages; /* mapped */
	struct mspan **spans;
};
extern struct arena_map arena_map;

/* What an allocation of pages did, for what is to be done about it when the locks are gone. */
struct mheap_grown {
	size_t asked_pages, bytes, arena_used; /* for the probe; 0: the arena did not grow */
	size_t untouched_pages;		       /* from the span's start on, its own and free ones behind it */
};

bool mallocinit(void); /* once, under cachelock */
struct mspan *mheap_alloc(size_t npages, unsigned spanclass, struct mheap_grown *grown);
/* The same at a multiple of align_pages, a power of two. */
struct mspan *mheap_allocAligned(size_t npages, size_t align_pages, unsigned spanclass, struct mheap_grown *grown);
/* Makes a large object longer or shorter where it stands; false if it cannot be. */
bool mheap_resizeSpan(struct mspan *s, size_t npages, struct mheap_grown *grown);
void mheap_freeSpan(struct mspan *s);
/* In the child of a fork: makes everything that mheap.lock guards anew, from the spans that are in use. */
void mheap_rebuild(void);
/* A fresh span of a class that grows will be written soon, and what is behind it too. */
void mheap_prefault(const struct mspan *s, size_t untouched_pages);
bool mheap_initBits(struct mspan *s); /* room for the bits of nelems objects */
_Atomic uint16_t *mheap_allocTiny(void);

/* ---- tiny ---- */

void *tiny_alloc(struct mcache *c, size_t size, struct caller *caller); /* zeroed */
void tiny_release(struct mcache *c);					/* the cache gives up its current block */
/* Takes one object off its block. False: the block is an ordinary object, or holds others still. */
bool tiny_free(struct mcache *c, struct mspan *s, unsigned index, bool *was_tiny);

/* ---- malloc ---- */

enum malloc_flags {
	ForScan = 0,
	ForNoscan = 1, /* is added to the span class */
	ForMalloc = 2, /* malloc's size table: 16-byte alignment, never a tiny block, not zeroed */
};

void *mallocgc(size_t size, unsigned flags, const struct goalloc_site *site, struct caller *caller);
/* At a multiple of `alignment`, a power of two; malloc's rules. */
void *mallocgc_aligned(size_t alignment, size_t size, struct caller *caller);
size_t mallocgc_usable(const void *object);
/* Ends the process unless it is an object that starts there, and that is not free as far as can be seen. */
void mallocgc_checkObject(const void *object);
/* A large object to another large size where it stands; false if it cannot be. It counts as freed and allocated anew, as
 * it would if it had moved. */
bool mallocgc_resizeLarge(void *object, size_t size, struct caller *caller);
/* Copies `size` bytes of a large object and gives its memory back as it goes; it can only be freed then. */
void mallocgc_moveLarge(void *to, void *from, size_t size);
/* Frees one object of a span of small objects. */
void free_object(struct mcache *c, struct mspan *s, unsigned index);

void fork_init(void);
void description_publish(void); /* fills in the addresses that observers need */

/* ---- failure ---- */

/* Prints one line, "goalloc: WHAT 0xADDRESS...", and aborts. */
void goalloc_warn(const char *what);
_Noreturn void goalloc_fatal(const char *what, uintptr_t address);
/* The same with the object's span, and where it was allocated when that is known. */
_Noreturn void goalloc_fatalObject(const char *what, uintptr_t address, const struct mspan *s,
				   const struct goalloc_site *site, uintptr_t pc);

#pragma GCC visibility pop
#endif
