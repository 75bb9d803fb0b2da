/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_EVENTS_H
#define ESCAPEMENT_EVENTS_H

/*
 * What the BPF programs and user space share: the keys and values of the maps. Because both sides compile this file, it
 * has only fixed-width types and explicit padding.
 *
 *   totals   per process slot: the sums of all events, by span class. Mapped into user space, so reading them costs no
 *            system call. That makes snapshots short enough to compare with the target's own counters.
 *   rows     (stack, site, type, process, event, span class) -> sums: the rows of the profile.
 *   stacks   stack hash -> return addresses.
 *
 * There are two pairs of rows and stacks. The programs fill the pair that `filling` names, while user space empties the
 * other, so a recording may have more rows than the maps hold. One run of a program uses one pair, so each pair has all
 * stacks of its rows. The exception is an EVENT_CENTRAL_GROW that is found when an mcache returns a span: its stack
 * came with the row of an earlier EVENT_REFILL, perhaps in the other pair.
 */

#include <linux/types.h>

#define EVENT_SPAN_CLASSES 136
#define EVENT_STACK_MAX	   127
#define EVENT_STACK_ROOT   16  /* of them, those next to the root, where a deeper stack has been followed so far */
#define EVENT_STACK_GAP	   1   /* stands, as a return address, for the frames between these and the others */
#define EVENT_SLOTS	   256 /* processes observed at one time */

#define EVENT_ROWS_MAX	 (1 << 16) /* rows in each pair's map */
#define EVENT_STACKS_MAX (1 << 16)

/*
 * Processes share the maps, and none may fill one alone. Each has room for `share` new entries of its own; of more, all
 * processes together have room for `common`. What finds no room is lost, and counted where it belongs:
 *
 *     share * number of processes + common <= entries of the map
 *
 * A process that is alone has the whole map as its share; what it has when others come stays its own until the map is emptied.
 */
enum event_table { EVENT_ROWS, EVENT_STACKS, EVENT_CACHES, EVENT_TABLES };

struct event_room {
	__u32 share, common; /* written by user space */
};

/* The state of the maps. */
struct event_maps {
	__u32 filling; /* 0 or 1: the pair that programs fill. Written by user space */
	__u32 padding;
	__u64 rows, stacks; /* inserted since the beginning */
	struct event_room room[EVENT_TABLES];
	/* of the common room, by pair; of the caches only in the first. User space counts anew what is left after it has removed some */
	__u32 taken[2][EVENT_TABLES];
};

/* The kind of event, which defines the meaning of the sums in struct event_sums. */
enum event_kind {
	EVENT_ALLOC,	    /* rate 1: each allocation.       count objects, bytes */
	EVENT_SAMPLE,	    /* the byte-distance sampler.     objects_q20 and weight estimate objects and bytes */
	EVENT_REFILL,	    /* count refills */
	EVENT_CENTRAL_GROW, /* count grows */
	EVENT_HEAP_GROW,    /* count grows, bytes mapped */
	EVENT_GO,	    /* a go statement.                count goroutines; `site` is where their function begins */
	EVENT_BURST,	    /* an allocation in a burst.     count objects, bytes; `site` numbers the slice */
	EVENT_KINDS,
};

/* The attach cookie of every probe. */
#define EVENT_COOKIE(slot, flags)  (((__u64)(flags) << 32) | (slot))
#define EVENT_COOKIE_SLOT(cookie)  ((__u32)(cookie))
#define EVENT_COOKIE_FLAGS(cookie) ((__u32)((cookie) >> 32))

/* Cookie flag: at this rate, the totals' objects and bytes are counted by this probe. */
#define EVENT_FLAG_TOTAL_OBJECTS 1
/* Cookie flags of probes on Go functions. */
/* the probe is on the stack check's branch: if it is taken, the function will run again */
#define EVENT_FLAG_STACK_CHECK 2
#define EVENT_FLAG_DIRECT      4 /* the function is also called by mallocgc; those calls do not count */
/* Cookie bits of a probe that counts the calls of a function of the program: its index into `calls`. */
#define EVENT_CALLS	       16
#define EVENT_FLAG_CALL(index) ((__u32)(index) << 8)
#define EVENT_CALL_OF(flags)   ((flags) >> 8 & (EVENT_CALLS - 1))
/* every allocation is an event, but only in bursts (`burst` of the process); the totals are the runtime's own */
#define EVENT_FLAG_BURST 16
/* Cookie bits of libgoalloc's sampler: its rate is 2 to the power of this; 0: it is not thinned. */
#define EVENT_FLAG_SHIFT(shift) ((__u32)(shift) << 16)
#define EVENT_SHIFT_OF(flags)	((flags) >> 16 & 63)
/* Not in cookies: set by a program when it starts, if the process is being recorded. */
#define EVENT_FLAG_RECORDING 8

#define EVENT_NO_SPAN_CLASS 0xffff /* for events of the heap as a whole */

/* 128-bit hash of a stack; all zero if there is none. */
struct event_hash {
	__u64 part[2];
};

struct event_key {
	struct event_hash stack; /* key into `stacks` */
	/* goalloc: address of the struct goalloc_site, or 0; Go: size of a sampled object, 0 for a block of tiny
	 * objects; or see EVENT_GO, EVENT_BURST */
	__u64 site;
	__u64 type; /* Go: address of the type descriptor, or 0 */
	__u32 slot;
	__u16 kind; /* enum event_kind */
	__u16 span_class;
};

struct event_sums {
	__u64 events; /* EVENT_SAMPLE: samples */
	__u64 count;  /* see enum event_kind */
	__u64 bytes;
	__u64 weight; /* EVENT_SAMPLE: bytes that the samples stand for; of Go's sampler the sum of its rates at each of them */
	__u64 objects_q20; /* EVENT_SAMPLE: objects that they stand for, in units of 2^-20; of Go's the sum of its rates' squares */
};

struct event_stack {
	__u32 depth;
	__u32 truncated;
	__u64 pcs[EVENT_STACK_MAX]; /* return addresses, leaf first */
};

/* Sums by span class. */
struct event_class_totals {
	__u64 objects; /* counted by the probes with EVENT_FLAG_TOTAL_OBJECTS */
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
 * What the programs on Go binaries must know about a process. User space writes it before it attaches the probes.
 * Offsets are in bytes. All zero for other kinds of target.
 */
struct event_layout {
	__u64 malloc_start, malloc_end; /* runtime.mallocgc: calls from within have been counted by its own probe */
	__u64 systemstack; /* return address of calls to runtime.systemstack, if it has no frame of its own; else 0 */
	__u64 morestack;   /* return address of the call to runtime.newstack; 0: unknown */
	__u32 mcache_alloc, mcache_tiny_allocs;
	__u32 span_alloc_count, span_alloc_count_before_cache, span_element_size;
	__u32 small_max;    /* size of the largest small object */
	__u32 header_from;  /* objects with pointers that are larger than this have a header of 8 bytes; 0: none do */
	__u32 m_current;    /* offset in runtime.m of the current goroutine */
	__u32 g_m, g_sched; /* offsets in runtime.g of its M and its gobuf, which begins with the stack pointer */
	__u32 gobuf_pc, gobuf_frame;
	__u32 type_pointer_bytes; /* offset in a type's description: 0 there if it has no pointers */
	/* offsets in struct mspan; the address of the mark bits follows that of the allocation bits */
	__u32 span_elements, span_alloc_bits;
	__u32 padding;
	__u64 bits_arenas;  /* address of gcBitsArenas.next; 0: central grows cannot be found without a probe */
	__u64 profile_rate; /* address of MemProfileRate; 0: unknown */
};

/*
 * The last span that a Go mcache returned. The event comes when the runtime begins to return the span; the runtime's
 * own statistics include it only some instructions later. A reader that finds the span still in the mcache knows that
 * its return is in progress.
 */
#define EVENT_PENDING		   32 /* 2^(64 - 59), see EVENT_PENDING_INDEX */
#define EVENT_PENDING_INDEX(cache) (((__u64)(cache)*0x9e3779b97f4a7c15ULL) >> 59)

struct event_pending {
	__u64 cache;
	__u64 span; /* 0: all spans of the cache */
	__u64 span_class;
};

/*
 * Finds the spans that mcentral grew by without a probe there. A Go mcache returns every span that it took, and the
 * span's state then shows where it came from (bpf/go_grows.h). Therefore each mcache has, for each span class, a note
 * of the refill that took the span that it holds now. Notes are made while the process is recorded.
 */
struct event_cache_key {
	__u64 cache;
	__u32 slot, padding;
};

enum {
	EVENT_SPAN_UNKNOWN, /* taken while the process was not recorded */
	EVENT_SPAN_HELD,    /* taken by a refill with the noted stack */
	EVENT_SPAN_GREW,    /* held when the recording ended and returned since; it had come fresh from mheap */
};

struct event_held_span {
	struct event_hash stack;
	__u32 state, padding;
};

struct event_cache {
	struct event_held_span spans[EVENT_SPAN_CLASSES];
};

#define EVENT_CACHES_MAX 8192 /* of all processes; entries are created when needed */

/*
 * The runtime keeps the mark and allocation bits of spans in arenas: a struct of {free, next, bits}. gcBitsArenas has,
 * one after the other, the lists of the arenas filled since the last two collections began.
 */
#define EVENT_ARENA_BYTES 65536
#define EVENT_ARENA_NEXT  8
/* Arenas searched; together they hold the bits of about 400,000 spans. A span older than that whose two bitmaps are not
 * adjacent is taken for reused. */
#define EVENT_ARENAS_MAX	   64
#define EVENT_BITS_BYTES(elements) (((elements) + 63) / 64 * 8)

/* Constants of Go's runtime that are the same in all releases, by their names there. */
#define GO_PAGE_SIZE	      8192ULL /* of the heap */
#define GO_MAX_SMALL_SIZE     32768   /* the largest size class */
#define GO_MALLOC_HEADER_SIZE 8
/* Sizes up to SMALL_SIZE_MAX - SMALL_SIZE_DIV have an entry each SMALL_SIZE_DIV bytes in size_to_class8, the others up to
 * MAX_SMALL_SIZE each LARGE_SIZE_DIV bytes in size_to_class128. */
#define GO_SMALL_SIZE_DIV 8
#define GO_SMALL_SIZE_MAX 1024
#define GO_LARGE_SIZE_DIV 128

/*
 * Counters of allocations at rate 1 by (site or type, size), for as many as find a free slot. These allocations are
 * counted only here: not in the totals and, if no stacks are wanted, not in rows. That saves most of the cost of
 * counting a hit.
 */
#define EVENT_COUNTERS			      256
#define EVENT_COUNTER_INDEX(site, type, size) ((((site) ^ (type) ^ (size) << 32) * 0x9e3779b97f4a7c15ULL) >> 56)

enum { EVENT_COUNTER_FREE, EVENT_COUNTER_CLAIMED, EVENT_COUNTER_READY };

struct event_counter {
	__u64 site, type;      /* as in struct event_key */
	__u64 size;	       /* the value that size and span class follow from */
	__u64 inside, outside; /* objects */
	__u64 bytes;	       /* of one object */
	__u32 state;
	__u16 span_class, padding;
};

/* What rows with stacks cost: every EVENT_TIMED_EVERYth is timed, from before its stack is taken until it is in its row. One
 * that took longer was interrupted, and does not count. */
#define EVENT_TIMED_EVERY 13 /* a prime: what a program repeats seldom has such a period */
#define EVENT_TIMED_NS	  500000
struct event_row_cost {
	__u64 taken, timed_ns; /* timed_ns: of those that were timed */
};

#define EVENT_RATE_MAX (1ULL << 28) /* so that the sum of squares has room */

/*
 * One process. Events are added to `inside` while `recording` is set and to `outside` otherwise, so that inside +
 * outside counts all events since the probes were attached. Only `inside` events make rows.
 */
struct event_process {
	__u32 recording; /* written by user space */
	/* If probes cannot be bound to one process (perf uprobes): the process that is observed, by its number in this
	 * PID namespace; events of others are ignored. 0: no filter. Written by user space. */
	__u32 only_pid;
	__u64 pid_namespace_device, pid_namespace_inode;
	__u64 burst; /* number of the slice of a burst that goes on, plus 1; 0: none does. Written by user space */
	__u64 deadline_ns; /* CLOCK_MONOTONIC, written by user space: from then on nothing is recorded. 0: none */
	__u64 looked_at;   /* jiffy in which the clock was last looked at */
	__u64 over;	   /* not 0: the deadline has passed */
	__u64 rates, rate_squares; /* sums over the samples of Go's sampler of its rate, at most EVENT_RATE_MAX */
	__u64 reach;		   /* the sum of rate and size over those of objects that are not large */
	__u64 coarsest;		   /* the greatest of these rates */
	struct event_layout layout;
	__u64 hits; /* hits of all probes, without those counted in `counters` */
	struct event_row_cost rows;
	__u64 lost_events; /* in no row, because a map was full or busy, or the span class was invalid */
	__u64 lost_stacks; /* in a row, but without their stack */
	struct event_window inside, outside;
	struct event_pending pending[EVENT_PENDING];
	struct event_counter counters[EVENT_COUNTERS];
	__u64 calls[EVENT_CALLS];     /* calls of functions of the program while it is recorded */
	__u32 taken[2][EVENT_TABLES]; /* entries inserted, by pair, as in struct event_maps */
};

/* A process whose forks are counted, by its number in its PID namespace. User space writes all but the counts. */
struct event_forks {
	__u64 pid_namespace_device, pid_namespace_inode;
	__u32 pid, padding;
	__u64 copies;  /* processes that it has made, with memory of their own */
	__u64 sharers; /* that live in its memory, and not in the wait of vfork() alone */
};

_Static_assert(sizeof(struct event_key) == 40, "shared with user space");
_Static_assert(sizeof(struct event_sums) == 40, "shared with user space");
_Static_assert(sizeof(struct event_stack) == 8 + 8 * EVENT_STACK_MAX, "shared with user space");
_Static_assert(sizeof(struct event_process) == 128 + 112 + 2 * (16 + 32 * EVENT_SPAN_CLASSES) + 24 * EVENT_PENDING +
						       56 * EVENT_COUNTERS + 8 * EVENT_CALLS + 8 * EVENT_TABLES,
	       "shared with user space");

#endif
