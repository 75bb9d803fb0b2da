/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_HEAP_H
#define ESCAPEMENT_GO_HEAP_H

/*
 * The counters of a live Go process, read from its memory without any probe: what runtime.ReadMemStats would say.
 *
 * The runtime sums allocations in memstats.heapStats, by size class, when an mcache gives a span back. What was
 * allocated from the spans that the mcaches hold now, their tails, is the difference of two counts in each span:
 *
 *     objects of a size class = small_count[class] + tails of its span classes
 *     Mallocs                 = the sum of these + large_count + tiny_count + the mcaches' tinyAllocs
 *
 * A tiny object counts in tinyAllocs unless it opened a new block, which counts in its size class. One thread at a
 * time a heap.
 */

#include <stdint.h>

#include "symbols/go_binary.h"
#include "symbols/go_versions.h"
#include "profile/profile.h"
#include "target/target.h"

struct event_process;

#define GO_TINY_BLOCK	    16
#define GO_PROFILE_RATE_MAX (INT64_C(1) << 40) /* a larger one samples nothing either */

/* Where things are in one process. */
struct go_heap {
	struct go_heap_layout layout;
	struct go_scheduler_layout scheduler_layout;
	struct go_statistics_layout statistics_layout;
	uint64_t statistics, processors, profile_rate; /* addresses in the process; 0 where not found */
	uint64_t bits_arenas;			       /* the same; see bpf/go_grows.h */
	uint16_t span_alloc_bits;
};

/* What it says at one instant. */
struct go_heap_state {
	int64_t small_count[SIZE_CLASSES]; /* flushed, blocks of tiny objects among them */
	int64_t tiny_count, large_count, large_bytes;
	int64_t tail[SPAN_CLASSES]; /* objects not flushed, blocks of tiny objects among them */
	int64_t tiny_tail;
	int64_t processors;  /* Ps */
	int64_t running;     /* Ps that run a goroutine now: each may be in the middle of one allocation */
	int64_t collections; /* that have ended since the process began */
	int64_t unsettled;   /* objects that a flush under way may already have told, or be about to */
};

/* `bias` is what the process added to link-time addresses. */
void go_heap_init(struct go_heap *heap, const struct go_binary *binary, uint64_t bias);

/*
 * -1 where its memory cannot be read, or the heap statistics were not found; or, with refusal->text not empty, where it
 * holds what no Go runtime writes: the text names it. `events` may be NULL: spans that an mcache is just giving back,
 * which events have reported already, are then not recognised as such.
 */
int go_heap_read(const struct go_heap *heap, const struct target *target, const volatile struct event_process *events,
		 struct go_heap_state *state, struct error *refusal);

/* Whether the span that an mcache holds, of that span class, had come fresh from mheap when it was taken: 0 or 1. -1 where
 * the memory cannot be read. `events` as above. */
int go_heap_came_fresh(const struct go_heap *heap, const struct target *target,
		       const volatile struct event_process *events, uint64_t cache, int span_class);

/*
 * Addresses of the distances to the next samples, mcache.nextSample, one a P; the caller frees. 0 of them where a change
 * of MemProfileRate draws them anew anyway.
 */
size_t go_heap_next_samples(const struct go_heap *heap, const struct target *target, uint64_t **addresses);

/* MemProfileRate, at most GO_PROFILE_RATE_MAX, and 0 for a negative one, which samples nothing; -1 where it cannot be
 * read. */
int64_t go_heap_profile_rate(const struct go_heap *heap, const struct target *target);

#endif
