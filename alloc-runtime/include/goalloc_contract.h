/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GOALLOC_CONTRACT_H
#define GOALLOC_CONTRACT_H

/*
 * The contract between libgoalloc and whoever observes it from outside: its USDT probes, and the read-only description
 * of where its counters are. Observers know nothing else of the library, and the library promises nothing else. BPF
 * programs include this file too, so it needs no header other than that of the fixed-width types.
 *
 * PROBES
 *
 * The provider is "goalloc". Arguments are 64-bit values in the argument registers of the platform's C ABI, in order
 * (amd64: rdi rsi rdx rcx r8 r9; arm64: x0 to x5); the argument string of the note says so too. `stack` is the address of
 * {depth, pcs[]} in a struct goalloc_stack while an observer is attached to the probe `stack`. Otherwise, and if there is no caller to
 * unwind from, it is 0; then observers have to walk frame pointers.
 *
 *   mcache_refill  an mcache took a new span from its mcentral
 *                  1 GOALLOC_PACK_CACHE(cache id, span class)
 *                  2 GOALLOC_PACK_REFILL(refills, objects) since the probe last fired for that class and cache. Objects
 *                    are those that the cache allocated from the spans it returned; for the tiny span class, blocks.
 *                  3 bytes of these objects  4 base of the new span  5 free objects in it  6 stack
 *   mcentral_grow  an mcentral took a fresh span from mheap
 *                  1 span class  2 grows since the probe last fired  3 pages  4 span base  5 stack
 *   mheap_grow     mheap mapped more arena
 *                  1 pages asked for  2 bytes mapped  3 size of the arena afterwards  4 stack
 *   large_alloc    an object larger than the largest size class was allocated
 *                  1 objects since the probe last fired  2 requested size  3 pages  4 span base  5 stack
 *                  6 bytes (page-rounded) of the objects since the probe last fired
 *   alloc_sample   the byte-distance sampler fired
 *                  1 address  2 bytes that the object counts for (its size class; whole pages if large; as requested if
 *                  tiny)  3 weight: bytes that this sample stands for, bytes / P(sampled)  4 span class
 *                  5 address of its struct goalloc_site, or 0  6 stack
 *   span_sweep     a span was swept and objects of it became free
 *                  1 span class  2 span base  3 objects freed
 *   stack          never fires. While its semaphore is raised, all events carry stacks. Attach to it before the others.
 *
 * RATES
 *
 * mcache_refill, mcentral_grow, large_alloc and alloc_sample each exist four times: NAME fires for every event, and
 * NAME_8k, NAME_64k and NAME_512k fire on average once per that many allocated bytes. Each has an instruction and a
 * semaphore of its own (the kernel refuses two semaphores on one instruction), so several observers can coexist. The
 * finest rate whose semaphore is raised is in force, and whenever it fires, every raised probe of that name fires too.
 * Weights keep the sums correct at any rate. With the plain alloc_sample, every allocation is an event; each thread
 * notices it at its very next allocation. A thread notices the other rates at its next refill or sample.
 *
 * While nobody listens to a probe nothing accumulates for it. When a coarser rate comes into force, what has
 * accumulated is carried over. When a finer rate comes into force, a cache's next event of that span class first
 * reports what has accumulated, only to observers of the old rate or a coarser one.
 */

#ifndef GOALLOC_CONTRACT_NO_TYPES
#include <stdint.h>
#endif

#define GOALLOC_PROVIDER "goalloc"

#define GOALLOC_STACK_MAX 127

/* What the library knows about the caller of an event. */
struct goalloc_stack {
	uint64_t site;	    /* address of the struct goalloc_site that the caller gave, or 0 */
	uint64_t truncated; /* 1 if the stack had more frames than fit */
	/* The probes' `stack` argument is the address of `depth`. The fields above precede it by GOALLOC_STACK_HEAD
	 * bytes. */
	uint64_t depth;
	uint64_t pcs[GOALLOC_STACK_MAX]; /* return addresses, leaf first: pcs[0] returns into the library's caller */
};
#define GOALLOC_STACK_HEAD 16 /* bytes before `depth` */

#define GOALLOC_PACK_CACHE(id, span_class)    (((uint64_t)(id) << 8) | (span_class))
#define GOALLOC_CACHE_ID(packed)	      ((uint32_t)((packed) >> 8))
#define GOALLOC_CACHE_SPAN_CLASS(packed)      ((uint32_t)((packed)&0xff))
#define GOALLOC_PACK_REFILL(refills, objects) (((uint64_t)(refills) << 40) | (objects))
#define GOALLOC_REFILL_REFILLS(packed)	      ((packed) >> 40)
#define GOALLOC_REFILL_OBJECTS(packed)	      ((packed) & ((1ULL << 40) - 1))

/*
 * DESCRIPTION
 *
 * An ELF note (in a PT_NOTE segment, so it survives strip), owner "goalloc", type GOALLOC_NOTE_DESCRIPTION. Its
 * descriptor is one signed 64-bit number: the address of the struct goalloc_description minus the address of the
 * descriptor itself. Observers read the struct, and what it points to, from /proc/PID/mem.
 *
 * The exact number of objects of a span class is the sum, over all caches and what those of ended threads left, of
 *
 *     class_counters[c].objects  +  (alloc[c]->alloc_count - alloc[c]->alloc_count_before_cache)
 *
 * where the second term is what the cache has allocated from the span that it holds now (0 if alloc[c] is 0 or the
 * dummy span). For the tiny span class, add tiny_objects and subtract tiny_blocks; its bytes are tiny_bytes plus 16 for
 * each of the other objects. The bytes of span classes 0 and 1 (large) are class_counters[c].bytes; of all others,
 * objects times size.
 *
 * Each cache has one writer, its thread. `sequence` holds two counters (struct goalloc_sequence). While `moving` is
 * odd, numbers are being moved from a span to the counters (during a refill or the end of a thread), and the sum may be
 * wrong. While `allocating` is odd, a sampled allocation may have been counted although its probe has not fired yet. If
 * a reader sees the same even `moving` before and after, what it read adds up, except for the allocations made in
 * between. If it also sees the same even `allocating`, what it read is one state, in which every sample of that cache
 * has been delivered.
 *
 * A thread's cache counts on after it has ended, for its next thread, until it is folded: its counters are added to the
 * sums of ended threads, and its memory becomes zero. Folds are numbered. First the number is put into `state` of the
 * cache's struct goalloc_cache, then the new sums are written beside those in force, then `folds` makes them the ones in
 * force. These structs are never unmapped, and links do not change, so the list can be walked at any time. A reader
 *
 *     1. reads `state` of all caches, then the counters of those that count
 *     2. reads `folds`, the sums in force, and `folds` again, which must be the same
 *     3. reads `state` of all caches again. If one has the number of a later fold than `folds`, it goes back to 2
 *     4. leaves out each cache whose `state` has changed since 1: the sums have what it had counted
 *
 * Before version 2 nothing was folded: `caches` pointed to the newest cache itself, and cache_next was the offset of
 * the pointer to the next one.
 */
#define GOALLOC_NOTE_OWNER	    "goalloc"
#define GOALLOC_NOTE_DESCRIPTION    1
#define GOALLOC_DESCRIPTION_VERSION 2

/* Per span class, in every cache. Monotonic. */
struct goalloc_class_counters {
	uint64_t objects; /* allocated from spans that the cache has returned; large objects */
	uint64_t bytes;	  /* of large objects only */
	uint64_t frees;	  /* objects that this cache's thread freed, whichever thread allocated them */
	uint64_t freed_bytes;
	uint64_t refills;
	uint64_t central_grows;
};

/* Per span class, in every cache: what the cache has not yet reported through the thinned probe mcache_refill
 * (large_alloc for span classes 0 and 1). It will be reported to observers of the rate `distance` or a coarser one. */
struct goalloc_pending {
	uint64_t distance; /* 0: every event; 8192, 65536, 524288; GOALLOC_NOT_LISTENING: nothing is pending */
	uint64_t refills;
	uint64_t objects;
	uint64_t bytes;
};
#define GOALLOC_NOT_LISTENING UINT64_MAX

struct goalloc_sequence {
	uint32_t moving, allocating;
} __attribute__((aligned(8)));

/* A place for a cache; the newest is first in the list. */
struct goalloc_cache {
	uint64_t next;	/* address of the next one, or 0 */
	uint64_t cache; /* address */
	uint64_t state; /* number of its last fold << 1 | whether it counts */
};

/* What the caches of ended threads counted, as of that number of folds. */
struct goalloc_ended {
	uint64_t folds;
	uint64_t sums[2]; /* addresses of caches that hold it; sums[folds % 2] is in force */
};

/* A span of a size class is a multiple of Go's, in which at most an eighth is lost at the end: the smallest that holds
 * GOALLOC_SPAN_OBJECTS objects, but not more than GOALLOC_SPAN_BYTES, or Go's own. */
#define GOALLOC_PAGE	     8192
#define GOALLOC_SPAN_OBJECTS 64
#define GOALLOC_SPAN_BYTES   (256 * 1024)

/* Of the whole heap. Monotonic. */
struct goalloc_heap_counters {
	uint64_t heap_grows;
	uint64_t heap_grow_bytes;
};

/*
 * HEAP PROFILE
 *
 * What is alive, by the stack that allocated it, if the program or its environment has started that (goalloc.h). Rows are
 * only appended, to chunks of GOALLOC_ROW_CHUNK bytes each, which stay mapped. A row is a struct goalloc_row with `depth`
 * addresses; the next one follows it. Its counts are of sampled objects of one size: an object of n bytes is sampled with
 * the probability 1 - e^(-n / rate), at rate 1 always. Objects in use are those allocated less those freed, which is read
 * first. If `sequence` is even, and the same before and after, all rows are of one moment; else as many objects as half
 * the difference were allocated or freed meanwhile.
 */
struct goalloc_heap_profile {
	uint64_t rate;	   /* mean bytes between samples; 1: each object; 0: there is no heap profile */
	uint64_t sequence; /* odd while a row changes */
	uint64_t chunks;   /* address of the newest struct goalloc_row_chunk, or 0 */
	uint64_t lost;	   /* sampled objects that are in no row, because memory was out */
};

struct goalloc_row_chunk {
	uint64_t next; /* address of an older one, or 0 */
	uint64_t used; /* bytes of rows, which follow */
};
#define GOALLOC_ROW_CHUNK (1024 * 1024) /* with the head */

struct goalloc_row {
	uint64_t counts[3];
	uint64_t key;			 /* GOALLOC_PACK_OBJECT */
	uint64_t site, truncated, depth; /* as in struct goalloc_stack */
	uint64_t pcs[];
};
#define GOALLOC_ROW_FREED		      0 /* index of counts */
#define GOALLOC_ROW_ALLOCATED		      1
#define GOALLOC_PACK_OBJECT(size, span_class) ((uint64_t)(size) << 8 | (span_class))
#define GOALLOC_OBJECT_SIZE(packed)	      ((packed) >> 8)
#define GOALLOC_OBJECT_SPAN_CLASS(packed)     ((uint32_t)((packed)&0xff))

/*
 * LOST OBJECTS
 *
 * What a search from outside for objects that nothing refers to has to know beside the spans. It holds while all threads
 * of the process are stopped, none of them inside the library. Object i of a span in state GOALLOC_STATE_SMALL is free if
 *
 *     bit i % 32 of uint64_t word i / 32 at span_free_bits is set, or
 *     the span has an owner, and bit i % 64 of uint64_t word i / 64 at span_alloc_bits is clear, or
 *     the span has an owner, i is one of the 64 objects below span_free_index, which is not 0, and bit i % 64 of span_window
 *     or of span_held is set.
 *
 * Otherwise it is allocated. Of the tiny span class, entry i of span_tiny, if the pointer and the entry are not 0, says that the
 * object is a block: live objects | bytes requested for all objects that were ever in it << 8. The block at cache_tiny of a cache
 * that counts has one live object less. Stack i of a span in state GOALLOC_STATE_STACKS is free if bit i of span_idle_stacks
 * is set; it has GOALLOC_STACK_BYTES.
 */
struct goalloc_search {
	uint32_t size;	    /* of this struct: later versions only append */
	uint32_t span_size; /* of the struct of a span */
	/* [start, limit): the library's code, then its variables, which are no references */
	uint64_t own[3][2];
	uint64_t
		objects; /* address of a pointer to the struct goalloc_object_slots of the heap profile, 0: it has none */
	uint64_t queue; /* address of uint64_t[queue_length]: freed objects that the debug level keeps; 0: none */
	uint32_t queue_length;
	/* byte offsets in a span */
	uint32_t span_owner;	  /* pointer */
	uint32_t span_alloc_bits; /* pointer */
	uint32_t span_free_bits;  /* pointer */
	uint32_t span_window, span_held;
	uint32_t span_free_index; /* uint16_t */
	uint32_t span_tiny;	  /* pointer to uint16_t[] */
	uint32_t span_specials;	  /* pointer to the first record on an object: a reference from outside of the heap */
	uint32_t span_idle_stacks;
	/* byte offsets in such a record */
	uint32_t special_next;	   /* pointer, 0 at the end */
	uint32_t special_argument; /* pointer */
	uint32_t cache_tiny;	   /* byte offset in a cache: address of a block, or 0 */
	uint32_t reserved;
};

#define GOALLOC_STACK_BYTES(span_class) (UINT64_C(2048) << ((span_class) >> 1))

/* Sampled objects of the heap profile, in any order. While the process runs, they may move, and the table, too. */
struct goalloc_object_slot {
	uint64_t object; /* address, 0: the slot is free */
	uint64_t row;	 /* address of its struct goalloc_row */
};
struct goalloc_object_slots {
	uint64_t capacity; /* a power of two */
	struct goalloc_object_slot slots[];
};
#define GOALLOC_STATE_FREE   1 /* free pages */
#define GOALLOC_STATE_SMALL  2 /* objects of a size class */
#define GOALLOC_STATE_LARGE  3 /* one large object */
#define GOALLOC_STATE_STACKS 4 /* stacks of coroutines; others: not in use */

struct goalloc_description {
	uint32_t version; /* GOALLOC_DESCRIPTION_VERSION */
	uint32_t size;	  /* of this struct: later versions only append */
	uint32_t span_classes;
	uint32_t tiny_span_class;
	/* addresses */
	uint64_t class_sizes;	/* uint16_t[span_classes / 2], in bytes; [0] is 0 */
	uint64_t heap_counters; /* struct goalloc_heap_counters */
	uint64_t caches;	/* pointer to the newest struct goalloc_cache, 0 if there is none */
	/* byte offsets in a cache */
	uint32_t cache_size;	       /* size of the part of a cache that has all of these fields */
	uint32_t cache_next;	       /* 0; see above for version 1 */
	uint32_t cache_sequence;       /* struct goalloc_sequence */
	uint32_t cache_id;	       /* uint32_t */
	uint32_t cache_alloc;	       /* pointer[span_classes] to spans */
	uint32_t cache_class_counters; /* struct goalloc_class_counters[span_classes] */
	uint32_t cache_pending;	       /* struct goalloc_pending[span_classes] */
	uint32_t cache_tiny_objects;   /* uint64_t: tiny objects allocated */
	uint32_t cache_tiny_blocks;    /* uint64_t: blocks (slots of the tiny span class) taken for them */
	uint32_t cache_tiny_bytes;     /* uint64_t: bytes requested for them */
	/* byte offsets in a span */
	uint32_t span_base;			/* uint64_t: address of its first object */
	uint32_t span_alloc_count;		/* little-endian number of the width below */
	uint32_t span_alloc_count_before_cache; /* the same */
	uint32_t span_alloc_count_width;	/* bytes of each of these two: 2, 4 or 8 */
	/* where `size` covers it: */
	uint64_t heap_profile; /* address of struct goalloc_heap_profile */
	uint64_t spans;	       /* pointer to the newest span; links do not change, and spans are never unmapped */
	/* byte offsets in a span */
	uint32_t span_link;	/* pointer to the span before it, 0 at the end */
	uint32_t span_pages;	/* uint64_t: pages of GOALLOC_PAGE bytes */
	uint32_t span_released; /* uint64_t: of a free span, pages that were given back to the system, or never used */
	uint32_t span_state;	/* uint8_t: GOALLOC_STATE_… */
	uint32_t span_class;	/* uint8_t: its span class, in a state with objects */
	uint32_t reserved;
	uint64_t ended;	 /* since version 2: address of struct goalloc_ended */
	uint64_t search; /* where `size` covers it: address of struct goalloc_search */
};
_Static_assert(sizeof(struct goalloc_class_counters) == 48, "read from outside");
_Static_assert(sizeof(struct goalloc_pending) == 32, "read from outside");
_Static_assert(sizeof(struct goalloc_description) == 152, "read from outside");

#endif
