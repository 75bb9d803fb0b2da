/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOALLOC_COUNTERS_H
#define ESCAPEMENT_GOALLOC_COUNTERS_H

/*
 * The exact counters of a live libgoalloc, added up from the memory of its process: every cache on its list, and what
 * each took from the spans that it holds (goalloc_contract.h has the equations). The process runs meanwhile, and is
 * not trusted: the list is bounded, and a counter that no process can have reached is refused. One thread at a time.
 */

#include "runtime/goalloc_description.h"
#include "runtime/runtime.h"

struct goalloc_counters {
	uint64_t description; /* its address */
	bool known;	      /* `layout` has been read */
	struct goalloc_layout layout;
	uint64_t *caches; /* addresses; the list only grows, and the newest stands last */
	size_t cache_count;
	char *blocks; /* copies of the caches, layout.cache_size bytes each; NULL between reads where they are large */
};

/* How events come at the rate in force, which decides what the counters are ahead of them. */
struct goalloc_telling {
	bool every_object; /* rate 1: each allocation is an event */
	uint64_t distance; /* mean bytes between events; pending amounts of coarser distances are not ours */
};

/*
 * Fills `sums` (zeroed here). 0; or -1: where refusal->text is not empty the process publishes what no libgoalloc does,
 * and the text names it; else its memory could not be read (errno).
 */
int goalloc_counters_read(struct goalloc_counters *counters, const struct target *target,
			  const struct goalloc_telling *telling, struct heap_counters *sums, struct error *refusal);
void goalloc_counters_free(struct goalloc_counters *counters);

#endif
