/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_EVENTS_H
#define ESCAPEMENT_EVENTS_H

/*
 * What the BPF programs and user space share: the keys and values of the maps. Fixed-width types only, padding
 * spelled out: this file is compiled for both sides.
 *
 *   totals   per process slot: the sums of all events, by span class. Mapped into user space, so reading them costs
 *            no system call; that is what makes snapshots narrow enough to compare with the target's own counters.
 *   rows     (stack, site, type, process, event, span class) -> sums: the rows of the profile.
 *   stacks   stack hash -> return addresses.
 *
 * There are two pairs of rows and stacks: the programs fill one, the one that `filling` names, while user space empties
 * the other. So a recording may have more rows than the maps hold. A program run keeps to one pair, so that each pair
 * has all the stacks of its rows; but for those of EVENT_CENTRAL_GROW told by an mcache, whose stack came with the row
 * of an EVENT_REFILL, perhaps in an earlier pair.
 */

#include <linux/types.h>

#define EVENT_SPAN_CLASSES 136
#define EVENT_STACK_MAX	   127
#define EVENT_SLOTS	   256 /* processes observed at one time */

#define EVENT_ROWS_MAX	 (1 << 16) /* of each pair's maps */
#define EVENT_STACKS_MAX (1 << 16)

/* How the maps fill. */
struct event_maps {
	__u32 filling; /* 0 or 1: which pair. Written by user space */
	__u32 padding;
	__u64 rows, stacks; /* put into maps since the beginning */
};

/* What happened. The meaning of the sums in struct event_sums depends on it. */
enum event_kind {
	EVENT_ALLOC,	    /* rate 1: each allocation.       count objects, bytes */
	EVENT_SAMPLE,	    /* the byte-distance sampler.     objects_q20 and weight estimate objects and bytes */
	EVENT_REFILL,	    /* count refills */
	EVENT_CENTRAL_GROW, /* count grows */
	EVENT_HEAP_GROW,    /* count grows, bytes mapped */
	EVENT_KINDS,
};

/* The attach cookie of every probe. */
#define EVENT_COOKIE(slot, flags)  (((__u64)(flags) << 32) | (slot))
#define EVENT_COOKIE_SLOT(cookie)  ((__u32)(cookie))
#define EVENT_COOKIE_FLAGS(cookie) ((__u32)((cookie) >> 32))

/* Cookie flag: this probe is the one that the totals' objects and bytes come from at this rate. */
#define EVENT_FLAG_TOTAL_OBJECTS 1
/* Cookie flags of probes on Go functions. */
#define EVENT_FLAG_STACK_CHECK 2 /* at the stack check's branch: if it will be taken, the function runs again */
#define EVENT_FLAG_DIRECT      4 /* also called by mallocgc, whose calls do not count */
/* Cookie bits of a probe on a function of the program whose calls are counted: its index into `calls`. */
#define EVENT_CALLS	       16
#define EVENT_FLAG_CALL(index) ((__u32)(index) << 8)
#define EVENT_CALL_OF(flags)   ((flags) >> 8 & (EVENT_CALLS - 1))
/* Not in cookies: what a program adds when it begins, where the process is being recorded. */
#define EVENT_FLAG_RECORDING 8

#define EVENT_NO_SPAN_CLASS 0xffff /* of events that belong to the heap as a whole */

/* 128-bit hash of a stack; all zero where there is no stack. */
struct event_hash {
	__u64 part[2];
};

struct event_key {
	struct event_hash stack; /* key into `stacks` */
	__u64 site;		 /* goalloc: address of the struct goalloc_site, or 0; Go: size of a sampled object,
			 * 0 for a block of tiny ones */
	__u64 type;		 /* Go: address of the type descriptor, or 0 */
	__u32 slot;
	__u16 kind; /* enum event_kind */
	__u16 span_class;
};

struct event_sums {
	__u64 events; /* EVENT_SAMPLE: samples */
	__u64 count;  /* what the kind counts */
	__u64 bytes;
	__u64 weight;	   /* EVENT_SAMPLE: bytes that the samples stand for */
	__u64 objects_q20; /* EVENT_SAMPLE: objects that they stand for, in 1/2^20 */
	__u64 squares_q4; /* EVENT_SAMPLE: the sum of the squares of what each stands for, in 1/16; 0: all for as many */
};

struct event_stack {
	__u32 depth;
	__u32 truncated;
	__u64 pcs[EVENT_STACK_MAX]; /* return addresses, leaf first */
};

/* Sums by span class. */
struct event_class_totals {
	__u64 objects; /* of the probes with EVENT_FLAG_TOTAL_OBJECTS at this rate */
	__u64 bytes;
	__u64 refills;
	__u64 central_grows;
};

struct event_window {
	struct event_class_totals classes[EVENT_SPAN_CLASSES];
	__u64 heap_grows;
	__u64 heap_grow_bytes;
};

/*
 * What the programs on Go binaries must know of a process; written by user space before its probes are attached.
 * Offsets in bytes. All zero for others.
 */
struct event_layout {
	__u64 malloc_start, malloc_end; /* runtime.mallocgc: what is called from there has been counted */
	__u64 systemstack; /* where runtime.systemstack is returned to, if it has no frame of its own; else 0 */
	__u64 morestack;   /* where runtime.newstack returns to; 0: unknown */
	__u32 mcache_alloc, mcache_tiny_allocs;
	__u32 span_alloc_count, span_alloc_count_before_cache, span_element_size;
	__u32 small_max;   /* largest object that is not a large one */
	__u32 header_from; /* objects with pointers larger than this carry 8 bytes more; 0: none do */
	__u32 m_current;   /* of struct m: the goroutine that runs on it */
	__u32 gobuf_frame; /* of struct gobuf: the frame pointer */
	__u32 span_elements, span_alloc_bits; /* the mark bits' address stands behind that of the allocation bits */
	__u32 padding;
	__u64 bits_arenas; /* address of gcBitsArenas.next; 0: refills do not tell what mcentral grew by */
};

/*
 * The latest that a Go mcache gave back: told by an event when the runtime began to, it is in the runtime's statistics
 * only some instructions later. A reader that still finds the span where it was knows that it is in between.
 */
#define EVENT_PENDING		   32 /* 2^(64 - 59) */
#define EVENT_PENDING_INDEX(cache) (((__u64)(cache)*0x9e3779b97f4a7c15ULL) >> 59)

struct event_pending {
	__u64 cache;
	__u64 span; /* 0: all its spans */
	__u64 span_class;
};

/*
 * Spans that mcentral grew by, told without a probe there: a Go mcache gives back every span that it took, and what it
 * was then shows where it came from (bpf/go_grows.h). So each mcache has, for each span class, a note of the refill that
 * took the span which it holds now. Notes are made while the process is recorded.
 */
struct event_cache_key {
	__u64 cache;
	__u32 slot, padding;
};

enum {
	EVENT_SPAN_UNKNOWN, /* taken while nobody recorded */
	EVENT_SPAN_HELD,    /* taken at the stack noted */
	EVENT_SPAN_GREW,    /* held when the recording ended, given back since, and it had come fresh from mheap */
};

struct event_held_span {
	struct event_hash stack;
	__u32 state, padding;
};

struct event_cache {
	struct event_held_span spans[EVENT_SPAN_CLASSES];
};

#define EVENT_CACHES_MAX 8192 /* of all processes; made as they come */

/*
 * The runtime keeps mark and allocation bits of spans in arenas: a struct of {free, next, bits}. Lists of those filled
 * since the last two collections began stand one behind the other.
 */
#define EVENT_ARENA_BYTES 65536
#define EVENT_ARENA_NEXT  8
#define EVENT_ARENAS_MAX \
	64 /* looked at. They have the bits of some 400,000 spans; that one took its own while another thread
			      * did, and has been held since before so many others, goes unnoticed */
#define EVENT_BITS_BYTES(elements) (((elements) + 63) / 64 * 8)

/*
 * Allocations at rate 1 by site or type, and size: of as many as find their place free. They count here and nowhere
 * else: not in the totals, and without stacks in no row either. That saves most of what counting a hit would cost.
 */
#define EVENT_SHAPES			    256
#define EVENT_SHAPE_INDEX(site, type, size) ((((site) ^ (type) ^ (size) << 32) * 0x9e3779b97f4a7c15ULL) >> 56)

enum { EVENT_SHAPE_FREE, EVENT_SHAPE_CLAIMED, EVENT_SHAPE_READY };

struct event_shape {
	__u64 site, type;      /* as in struct event_key */
	__u64 size;	       /* what tells size and span class apart */
	__u64 inside, outside; /* objects */
	__u64 bytes;	       /* of one object */
	__u32 state;
	__u16 span_class, padding;
};

/*
 * One process. Events are summed into `inside` while `recording` is set and into `outside` otherwise, so that
 * inside + outside counts all events since the probes were attached. Only `inside` events make rows.
 */
struct event_process {
	__u32 recording; /* written by user space */
	/* Where probes cannot be bound to one process (perf uprobes): the process whose events these are, by its number
	 * in this PID namespace. 0: no other's events come here. Written by user space. */
	__u32 only_pid;
	__u64 pid_namespace_device, pid_namespace_inode;
	struct event_layout layout;
	__u64 hits;	   /* of any probe, those in `shapes` aside */
	__u64 frames;	   /* of all stacks taken */
	__u64 lost_events; /* a map was full or busy, or the span class is none: counted here, in no row */
	__u64 lost_stacks; /* counted in a row without its stack */
	struct event_window inside, outside;
	struct event_pending pending[EVENT_PENDING];
	struct event_shape shapes[EVENT_SHAPES];
	__u64 calls[EVENT_CALLS]; /* of functions of the program, while it is recorded */
};

_Static_assert(sizeof(struct event_key) == 40, "shared with user space");
_Static_assert(sizeof(struct event_sums) == 48, "shared with user space");
_Static_assert(sizeof(struct event_stack) == 8 + 8 * EVENT_STACK_MAX, "shared with user space");
_Static_assert(sizeof(struct event_process) == 56 + 88 + 2 * (16 + 32 * EVENT_SPAN_CLASSES) + 24 * EVENT_PENDING +
						       56 * EVENT_SHAPES + 8 * EVENT_CALLS,
	       "shared with user space");

#endif
