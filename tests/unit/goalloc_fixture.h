/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GOALLOC_FIXTURE_H
#define GOALLOC_FIXTURE_H

/* The memory of a simulated process that uses libgoalloc: its description, one cache, and a span of span class 10 (size
 * class 5), of whose 12 objects the cache has allocated 7. Its heap profile has a row of 9 such objects, 2 of them freed. */

#include "goalloc_contract.h"
#include "memory_fixture.h"
#include "profile/size_class.h"

enum {
	DESCRIPTION = 0x10000,
	SIZES = 0x11000,
	HEAP = 0x12000,
	LIST = 0x13000,
	SPANS = 0x14000,
	PROFILE = 0x15000,
	CACHE = 0x20000,
	CHUNK = 0x30000,
	SPAN = 0x40000
};

static inline void goalloc_fixture(struct memory_fixture *memory)
{
	struct goalloc_description *d = fixture_at(memory, DESCRIPTION);
	uint16_t *sizes = fixture_at(memory, SIZES);
	struct goalloc_heap_profile *profile = fixture_at(memory, PROFILE);
	struct goalloc_row_chunk *chunk = fixture_at(memory, CHUNK);
	struct goalloc_row *row = (struct goalloc_row *)(chunk + 1);
	uint64_t cache = CACHE, span = SPAN, twelve = 12, five = 5, pages = 1;

	fixture_init(memory);
	*d = (struct goalloc_description){.version = 1, /* the tests of version 2 change it */
					  .size = sizeof(*d),
					  .span_classes = SPAN_CLASSES,
					  .tiny_span_class = 5,
					  .class_sizes = SIZES,
					  .heap_counters = HEAP,
					  .caches = LIST,
					  .cache_next = 0,
					  .cache_sequence = 8,
					  .cache_alloc = 16,
					  .cache_class_counters = 2048,
					  .cache_pending = 10240,
					  .cache_tiny_objects = 16000,
					  .cache_tiny_blocks = 16008,
					  .cache_tiny_bytes = 16016,
					  .cache_size = 16384,
					  .span_alloc_count = 8,
					  .span_alloc_count_before_cache = 16,
					  .span_alloc_count_width = 8,
					  .heap_profile = PROFILE,
					  .spans = SPANS,
					  .span_base = 24,
					  .span_link = 32,
					  .span_pages = 40,
					  .span_released = 48,
					  .span_state = 56,
					  .span_class = 57};
	for (int i = 1; i < SIZE_CLASSES; i++)
		sizes[i] = (uint16_t)(8 * i);
	memcpy(fixture_at(memory, LIST), &cache, sizeof(cache));
	memcpy(fixture_at(memory, CACHE + 16 + 8 * 10), &span, sizeof(span));
	memcpy(fixture_at(memory, SPAN + 8), &twelve, sizeof(twelve));
	memcpy(fixture_at(memory, SPAN + 16), &five, sizeof(five));
	memcpy(fixture_at(memory, SPANS), &span, sizeof(span));
	memcpy(fixture_at(memory, SPAN + 40), &pages, sizeof(pages));
	memcpy(fixture_at(memory, SPAN + 56), &(uint8_t[]){GOALLOC_STATE_SMALL, 10}, 2);
	*profile = (struct goalloc_heap_profile){.rate = 1, .chunks = CHUNK};
	chunk->used = sizeof(*row) + 2 * sizeof(row->pcs[0]);
	*row = (struct goalloc_row){.counts = {[GOALLOC_ROW_FREED] = 2, [GOALLOC_ROW_ALLOCATED] = 9},
				    .key = GOALLOC_PACK_OBJECT(40, 10),
				    .depth = 2};
}

#endif
