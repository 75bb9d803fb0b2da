/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HEAP_SPAN_H
#define ESCAPEMENT_HEAP_SPAN_H

/* A run of pages of GO_PAGE_SIZE bytes of either runtime's heap. */

#include <stdint.h>

enum heap_span_state {
	HEAP_SPAN_DEAD,	  /* not in use; its address range may be used for something else now */
	HEAP_SPAN_IN_USE, /* objects */
	HEAP_SPAN_MANUAL, /* stacks, and memory of the collector */
	HEAP_SPAN_FREE,	  /* free pages; only libgoalloc has spans of them */
};

struct heap_span {
	uint64_t start, pages;
	uint64_t element_size;
	uint32_t elements; /* that it has room for */
	/* allocated ones, including dead ones that are not swept yet; 0 for libgoalloc, whose spans do not say it */
	uint32_t allocated;
	uint64_t released; /* pages of HEAP_SPAN_FREE that were given back to the system, or never used */
	uint8_t span_class;
	uint8_t state; /* enum heap_span_state */
};

/* For qsort(): by address. */
static inline int heap_span_compare(const void *a, const void *b)
{
	const struct heap_span *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

#endif
