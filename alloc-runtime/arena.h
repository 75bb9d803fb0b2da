/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARENA_H
#define ARENA_H

#include "runtime.h"

#pragma GCC visibility push(hidden)

enum { ArenaHole = 64 << 20 }; /* bytes; shorter ways up to an alignment are mapped and not left as holes */

struct arena_extent {
	uintptr_t base;
	size_t bytes;
	size_t hole; /* bytes between the arena's old end and `base` that are not the heap's */
};

/*
 * Maps at least `size` bytes, which end at the extent's end and begin at a multiple of `alignment` (a power of two, at
 * least a page), and makes room for their pages in the table. The caller holds mheap.lock, and publishes the extent.
 * False: memory or address space is out, and nothing has changed.
 */
bool arena_extend(size_t size, uintptr_t alignment, struct arena_extent *extent);

#pragma GCC visibility pop
#endif
