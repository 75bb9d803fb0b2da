/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_HEAP_H
#define ESCAPEMENT_GO_HEAP_H

/*
 * The counters of a live Go process, read from its memory without any probe: what runtime.ReadMemStats would return.
 *
 * When an mcache returns a span, the runtime adds its allocations to memstats.heapStats, by size class. What was
 * allocated from spans that mcaches hold now, their tails, is the difference of two counts in each span:
 *
 *     objects of a size class = small_count[class] + tails of its span classes
 *     Mallocs                 = the sum of these + large_count + tiny_count + the mcaches' tinyAllocs
 *
 * A tiny object counts in tinyAllocs unless it opened a new block, which counts in its size class. Each struct go_heap
 * may be used by one thread at a time.
 */

#include <stdint.h>

#include "symbols/go_binary.h"
#include "target/go_versions.h"
#include "profile/profile.h"
#include "target/target.h"

struct event_process;

#define GO_TINY_BLOCK	    16
#define GO_PROFILE_RATE_MAX (INT64_C(1) << 40) /* larger rates sample nothing either */

/* Addresses and layouts in one process. */
struct go_heap {
	struct go_heap_layout layout;
	struct go_scheduler_layout scheduler_layout;
	struct go_statistics_layout statistics_layout;
	uint64_t statistics, processors, profile_rate; /* addresses in the process; 0 if not found */
	uint64_t bits_arenas;			       /* the same; see bpf/go_grows.h */
	uint16_t span_alloc_bits;
};

/* The counters at one instant. */
struct go_heap_state {
	int64_t small_count[SIZE_CLASSES]; /* in the statistics, with blocks of tiny objects */
	int64_t tiny_count, large_count, large_bytes;
	int64_t tail[SPAN_CLASSES]; /* objects not in the statistics yet, including blocks of tiny objects */
	int64_t tiny_tail;
	int64_t processors;  /* Ps */
	int64_t running;     /* Ps that run a goroutine now: each may be in the middle of one allocation */
	int64_t starting;    /* Ps whose scheduler starts a thread, and may be in an allocation of what that needs */
	int64_t collections; /* that have ended since the process began */
	int64_t unsettled;   /* objects that a flush in progress may or may not have reported */
	int64_t untold;	     /* the same of flushes that began before any event: of each P in use, its largest tail */
};

/* `bias` is the load bias of the process. */
void go_heap_init(struct go_heap *heap, const struct go_binary *binary, uint64_t bias);

/*
 * Reads the counters. Returns -1 if the memory cannot be read, or the heap statistics were not found; or, with
 * refusal->text not empty, if the memory contains what no Go runtime writes, which the text names. If `events` is NULL,
 * spans that an mcache is just returning, and that events have reported already, are not recognised as such.
 */
int go_heap_read(const struct go_heap *heap, const struct target *target, const volatile struct event_process *events,
		 struct go_heap_state *state, struct error *refusal);

/* Whether the span of that class in an mcache had come fresh from mheap when it was taken: 0 or 1. -1 if the memory
 * cannot be read. `events` as above. */
int go_heap_came_fresh(const struct go_heap *heap, const struct target *target,
		       const volatile struct event_process *events, uint64_t cache, int span_class);

/*
 * Returns the addresses of the distances to the next samples (mcache.nextSample), one per P; the caller frees them.
 * None if a change of MemProfileRate draws new distances anyway.
 */
size_t go_heap_next_samples(const struct go_heap *heap, const struct target *target, uint64_t **addresses);

/* The runtime's counters of its memory, in bytes: HeapReleased, HeapInuse and StackInuse of runtime.MemStats, the
 * collector's memory, and everything obtained from the system and not given back. -1: it cannot be read. */
struct go_heap_memory {
	int64_t committed, released, in_use, stacks, collector;
};
int go_heap_memory(const struct go_heap *heap, const struct target *target, struct go_heap_memory *memory);

/* What the collector has cost: its share of the CPU time that the program had since its start, from 0 to 1
 * (MemStats.GCCPUFraction), and when the last collection ended, in nanoseconds since 1970 (MemStats.LastGC). -1: it cannot be
 * read, or is not what a runtime writes. */
struct go_collector {
	double share;
	int64_t last_ns;
};
int go_heap_collector(const struct go_heap *heap, const struct target *target, struct go_collector *collector);

/* Returns MemProfileRate, at most GO_PROFILE_RATE_MAX; 0 for a negative one, which samples nothing; -1 if it cannot be
 * read. */
int64_t go_heap_profile_rate(const struct go_heap *heap, const struct target *target);

#endif
