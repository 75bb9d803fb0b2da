/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOALLOC_DESCRIPTION_H
#define ESCAPEMENT_GOALLOC_DESCRIPTION_H

/*
 * The checked form of what a process publishes about its libgoalloc (struct goalloc_description of goalloc_contract.h).
 * The process may have written anything there. Every field is checked here, once, so that code with a goalloc_layout
 * can use its sizes and offsets without further checks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "goalloc_contract.h"
#include "profile/size_class.h"
#include "target/target.h"

enum {
	GOALLOC_CACHE_MAX = 64 << 10, /* limit for the bytes of one cache; libgoalloc's has about 12 KiB */
	GOALLOC_SPAN_MAX = 4 << 10,   /* offsets in a span stay below this */
	GOALLOC_OBJECT_MAX = 32 << 10 /* bytes of the largest size class */
};

/*
 * Invariants, where FIELD is any cache_… member and `extent` the size of its contents in bytes:
 *     cache_size <= GOALLOC_CACHE_MAX
 *     FIELD % 8 == 0 && FIELD + extent <= cache_size
 *     span_… + 8 <= GOALLOC_SPAN_MAX
 *     span_count_width is 2, 4 or 8; tiny_span_class < SPAN_CLASSES
 *     class_sizes[0] == 0, and they ascend to at most GOALLOC_OBJECT_MAX
 * Addresses may be wrong: then reading from them fails, or gives numbers that are checked where they are used.
 */
struct goalloc_layout {
	uint64_t heap_counters, caches; /* addresses, as in the description */
	uint64_t ended;			/* the same; 0 before version 2, in which caches are linked by themselves */
	uint64_t heap_profile, spans;	/* the same; 0 if this libgoalloc does not publish them */
	uint64_t search;		/* the same */
	uint32_t cache_size, cache_next, cache_sequence, cache_alloc, cache_class_counters, cache_pending;
	uint32_t cache_tiny_objects, cache_tiny_blocks, cache_tiny_bytes;
	uint32_t span_alloc_count, span_alloc_count_before_cache, span_count_width;
	uint32_t span_base, span_link, span_pages, span_released, span_state, span_class;
	uint32_t tiny_span_class;
	uint16_t class_sizes[SIZE_CLASSES];
};

/*
 * Reads and checks the description at `address`. *ready is false until the process fills it in at its first allocation;
 * until then every counter is 0. Returns 0, or -1: if refusal->text is not empty, the description violates an invariant
 * and the text names the field; otherwise the memory could not be read (errno).
 */
int goalloc_layout_read(struct goalloc_layout *layout, const struct target *target, uint64_t address, bool *ready,
			struct error *refusal);

/*
 * Reads and checks what a search for lost objects needs. All offsets are such that 8 bytes there are inside of their struct:
 * of a span, span_size <= GOALLOC_SPAN_MAX; of a record, 256 bytes; of a cache, cache_size. Fails like goalloc_layout_read().
 */
int goalloc_search_read(struct goalloc_search *search, const struct goalloc_layout *layout, const struct target *target,
			struct error *refusal);

#endif
