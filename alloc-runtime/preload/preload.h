/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PRELOAD_H
#define PRELOAD_H

#include "malloc_fast.h"

/* malloc's fast path; returns false if the slow path must be taken. */
static inline bool preload_fast(size_t size, struct mspan **span, void **object)
{
	return malloc_fast((size + MallocSizeStep - 1) / MallocSizeStep, MaxSmallSize / MallocSizeStep,
			   span_classes.of_malloc, 0, span, object);
}

/* memalign and realloc for all functions that are such; `alignment` is a power of two. */
void *preload_align(size_t alignment, size_t size, struct caller *caller);
void *preload_resize(void *object, size_t size, struct caller *caller);

#endif
