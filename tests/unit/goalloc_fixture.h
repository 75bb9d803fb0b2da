/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GOALLOC_FIXTURE_H
#define GOALLOC_FIXTURE_H

/* The memory of a simulated process that uses libgoalloc: its description, one cache, and a span of span class 10 (size
 * class 5), of whose 12 objects the cache has allocated 7. */

#include "goalloc_contract.h"
#include "memory_fixture.h"
#include "profile/size_class.h"

enum { DESCRIPTION = 0x10000, SIZES = 0x11000, HEAP = 0x12000, LIST = 0x13000, CACHE = 0x20000, SPAN = 0x40000 };

static inline void goalloc_fixture(struct memory_fixture *memory)
{
	struct goalloc_description *d = fixture_at(memory, DESCRIPTION);
	uint16_t *sizes = fixture_at(memory, SIZES);
	uint64_t cache = CACHE, span = SPAN, twelve = 12, five = 5;

	fixture_init(memory);
	*d = (struct goalloc_description){.version = GOALLOC_DESCRIPTION_VERSION,
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
					  .span_alloc_count_width = 8};
	for (int i = 1; i < SIZE_CLASSES; i++)
		sizes[i] = (uint16_t)(8 * i);
	memcpy(fixture_at(memory, LIST), &cache, sizeof(cache));
	memcpy(fixture_at(memory, CACHE + 16 + 8 * 10), &span, sizeof(span));
	memcpy(fixture_at(memory, SPAN + 8), &twelve, sizeof(twelve));
	memcpy(fixture_at(memory, SPAN + 16), &five, sizeof(five));
}

#endif
