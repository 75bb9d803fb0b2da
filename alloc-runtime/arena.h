/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARENA_H
#define ARENA_H

#include "runtime.h"

#pragma GCC visibility push(hidden)

enum { ArenaHole = 64 << 20 }; /* bytes; a shorter gap before an aligned address is mapped, not left as a hole */

struct arena_extent {
	uintptr_t base;
	size_t bytes;
	size_t hole; /* bytes between the arena's old end and `base` that do not belong to the heap */
};

/*
 * Maps at least `size` bytes and extends the page table to cover them. The last `size` bytes of the extent begin at a
 * multiple of `alignment` (a power of two, at least a page). The caller holds mheap.lock, and publishes the extent.
 * Returns false, with nothing changed, if there is no memory or address space.
 */
bool arena_extend(size_t size, uintptr_t alignment, struct arena_extent *extent);

#pragma GCC visibility pop
#endif
