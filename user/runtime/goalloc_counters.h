/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOALLOC_COUNTERS_H
#define ESCAPEMENT_GOALLOC_COUNTERS_H

/*
 * The exact counters of a live libgoalloc, added up from the memory of its process: every cache on its list, and what
 * each allocated from the spans that it holds (goalloc_contract.h has the equations). The process runs meanwhile, and
 * is not trusted: the list is bounded, and a counter that no process can reach is refused. Not thread-safe.
 */

#include "runtime/goalloc_description.h"
#include "runtime/runtime.h"

struct goalloc_counters {
	uint64_t description; /* address of the description */
	bool known;	      /* `layout` has been read */
	struct goalloc_layout layout;
	/* The list of caches only grows, and the newest is last. */
	struct goalloc_counters_cache {
		uint64_t link;	/* address of its struct goalloc_cache; before version 2, of itself */
		uint64_t cache; /* address */
		uint64_t state; /* as last read; before version 2 always 1: it counts */
	} * caches;
	size_t cache_count;
	char *blocks; /* copies of those that count, layout.cache_size bytes each; NULL between reads if they are large */
};

/* How events are reported at the rate in force, which determines how far the counters are ahead of them. */
struct goalloc_telling {
	bool every_object; /* rate 1: each allocation is an event */
	uint64_t distance; /* mean bytes between events; pending amounts of coarser rates are not for us */
};

/*
 * Fills in `sums` (zeroed first). Returns 0, or -1: if refusal->text is not empty, the process publishes what no
 * libgoalloc does, which the text names; otherwise its memory could not be read (errno).
 */
int goalloc_counters_read(struct goalloc_counters *counters, const struct target *target,
			  const struct goalloc_telling *telling, struct heap_counters *sums, struct error *refusal);
void goalloc_counters_free(struct goalloc_counters *counters);

#endif
