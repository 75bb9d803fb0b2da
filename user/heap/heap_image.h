/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HEAP_IMAGE_H
#define ESCAPEMENT_HEAP_IMAGE_H

/*
 * A copy of the objects of a stopped process that may hold pointers, and the table that leads from an address to its object.
 *
 * Its memory is asked for before the process is stopped (heap_image_reserve()), so that the stop is not longer by what the kernel
 * takes to find it. Pages that the process has never written are not copied.
 *
 * Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/goalloc_objects.h"
#include "target/resident.h"

/* A page of GOALLOC_PAGE bytes. */
struct heap_page {
	uint32_t span;	/* index + 1; 0: it has no objects, or those of a giant span */
	uint32_t place; /* of its copy, in pages, + 1; 0: it has none, and reads as zeros */
};

/* A copied run of memory. */
struct heap_run {
	uint64_t start, limit;
};

struct heap_image {
	const struct goalloc_objects *objects;
	uint64_t low, high; /* all objects are in [low, high) */
	struct heap_page *pages;
	size_t pages_mapped; /* bytes */
	/* Spans of a single object so long that its pages are not in the table, which would then be as long as a process says. */
	uint32_t *giants; /* indices + 1, by address */
	size_t giant_count;
	struct heap_run *runs; /* copied, by address: whole pages of GOALLOC_PAGE */
	size_t run_count, run_capacity;
	uint8_t *bytes;
	size_t reserved, used; /* bytes */
};

/* Returns the bytes that a copy would take now; the process need not be stopped. */
uint64_t heap_image_estimate(const struct goalloc_objects *objects, struct resident *resident);
/* Asks for memory. Returns -1 with STATUS_CANNOT_MEASURE if the machine has not that much to spare, or it is far more than the process
 * has: `memory` bytes (resident_private()). */
int heap_image_reserve(struct heap_image *image, uint64_t bytes, uint64_t memory, struct error *error);

/* Makes the table of pages, which takes no more than a fixed amount beside a share of `memory`. Returns -1 with a refusal if objects are
 * too far from each other for that. */
int heap_image_map(struct heap_image *image, const struct goalloc_objects *objects, uint64_t memory,
		   struct error *refusal);
/* Copies what may hold pointers. Returns -1: with a refusal, if there is more than was reserved; else it cannot be read. */
int heap_image_copy(struct heap_image *image, const struct target *target, struct resident *resident,
		    struct error *refusal);
/* Forgets tables and copy, and keeps the memory. */
void heap_image_clear(struct heap_image *image);
void heap_image_free(struct heap_image *image);

static inline bool heap_image_covers(const struct heap_image *image, uint64_t address)
{
	return address - image->low < image->high - image->low;
}

static inline const struct heap_page *heap_image_page(const struct heap_image *image, uint64_t address)
{
	return &image->pages[(address - image->low) / GOALLOC_PAGE];
}

/* Returns the giant span that contains the address; 0 if there is none. */
uint32_t heap_image_giant(const struct heap_image *image, uint64_t address);

/* Returns the span that contains an address that is covered: index + 1; 0 if there is none. */
static inline uint32_t heap_image_span(const struct heap_image *image, uint64_t address)
{
	uint32_t span = heap_image_page(image, address)->span;

	return span || !image->giant_count ? span : heap_image_giant(image, address);
}

/* Returns the first address from `address` on that was copied; UINT64_MAX if there is none. */
uint64_t heap_image_next_copy(const struct heap_image *image, uint64_t address);

/* Returns the copy of what is at the address, up to the end of its page; NULL: zeros. */
static inline const uint64_t *heap_image_words(const struct heap_image *image, uint64_t address)
{
	uint32_t place = heap_image_page(image, address)->place;

	return place ? (const uint64_t *)(void *)(image->bytes + (uint64_t)(place - 1) * GOALLOC_PAGE +
						  address % GOALLOC_PAGE)
		     : NULL;
}

#endif
