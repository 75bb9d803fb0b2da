/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space of the heap, and the table of its pages.
 *
 * How a request goes down: no free span of mheap is long enough, so arena_extend maps more memory directly behind the
 * arena. Address space is not reserved in advance: a reservation counts against mlockall and resource limits, and would
 * fix the heap's maximum size. If another mapping is in the way, or a large alignment requires it, the arena continues
 * at a higher address and leaves a hole. How a free comes back: it does not reach this file. Pages of the arena stay
 * mapped; scavenge.c gives their contents back.
 *
 * The table has one entry for each page from arena_start on, holes included, so that a free finds its span by one
 * subtraction and one load. The table grows in place. If it cannot, it is copied elsewhere, and the old copy stays
 * mapped for threads that may be reading it.
 */
#include "arena.h"

#include <string.h>

#include "sys.h"

#define GiB ((uintptr_t)1 << 30)

enum {
	TableStep = 64 * 1024, /* The table is mapped in steps of this many bytes; each step covers 64 MiB of arena. */
	Attempts = 40,	       /* addresses tried further up; each distance is twice the one before */
};

/* Candidate start addresses. The first is Go's; the others are outside the ranges that address sanitizers use. The
 * kernel places mappings without a fixed address far above all of them. */
static const uintptr_t starts[] = {
#ifdef __SANITIZE_THREAD__
	64 * GiB,  256 * GiB, /* it ends a program that gets another address, also if it asked for that */
#endif
	768 * GiB, 1792 * GiB, 2816 * GiB, 3840 * GiB, 64 * GiB, 256 * GiB, 32768 * GiB,
};
#define TABLE_BELOW (128 * GiB) /* The table is mapped this far below the arena's start: room for 128 TiB of heap. */

static uintptr_t align_up(uintptr_t address, uintptr_t alignment)
{
	return (address + alignment - 1) & ~(alignment - 1);
}

static enum sys_mapped extend_first(size_t size, uintptr_t alignment, struct arena_extent *extent)
{
	enum sys_mapped mapped = SysTaken;

	/* Where addresses have fewer bits (39 on some arm64 kernels), the high ones are refused as if memory was out. */
	for (unsigned i = 0; mapped != SysMapped && i < sizeof starts / sizeof *starts; i++) {
		uintptr_t at = align_up(starts[i], alignment);
		mapped = sysMapAt(at, size);
		if (mapped == SysMapped) {
			*extent = (struct arena_extent){.base = at, .bytes = size};
			arena_map.start = mheap.arena_start = mheap.arena_used = at;
		}
	}
	return mapped;
}

static enum sys_mapped extend_further(size_t size, uintptr_t alignment, struct arena_extent *extent)
{
	uintptr_t used = mheap.arena_used, at = used;
	enum sys_mapped mapped = SysTaken;

	for (unsigned i = 0; mapped == SysTaken && i < Attempts; i++) {
		uintptr_t base = align_up(at, alignment);
		/* A gap of less than ArenaHole before the aligned address becomes part of the extent. */
		if (base - used < ArenaHole)
			*extent = (struct arena_extent){.base = used, .bytes = base - used + size};
		else
			*extent = (struct arena_extent){.base = base, .bytes = size, .hole = base - used};
		mapped = base < used ? SysNoMemory : sysMapAt(extent->base, extent->bytes);
		at = align_up(used + ((uintptr_t)ArenaHole << i), ArenaHole);
	}
	return mapped;
}

static bool table_moves(size_t need)
{
	size_t bytes = mheap.table_mapped * 2 > need ? mheap.table_mapped * 2 : need;
	struct mspan **table = sysAlloc(bytes);

	if (!table && bytes > need)
		table = sysAlloc(bytes = need);
	if (!table)
		return false;
	if (mheap.table_mapped != 0)
		memcpy(table, arena_map.spans, arena_map.pages * sizeof *table);
	/* Published before `pages`, which readers load first. Old and new table both have the entries of all live
	 * objects. */
	__atomic_store_n(&arena_map.spans, table, __ATOMIC_RELEASE);
	mheap.table_mapped = bytes;
	mheap.table_sys += bytes;
	return true;
}

/* Extends the table to cover all pages below `end`. */
static bool extend_table(uintptr_t end)
{
	size_t need = align_up(((end - mheap.arena_start) >> PageShift) * sizeof *arena_map.spans, TableStep);
	uintptr_t at = (uintptr_t)arena_map.spans + mheap.table_mapped;

	if (need <= mheap.table_mapped)
		return true;
	if (mheap.table_mapped == 0)
		at = mheap.arena_start > 2 * TABLE_BELOW ? mheap.arena_start - TABLE_BELOW : 0;
	if (at == 0 || sysMapAt(at, need - mheap.table_mapped) != SysMapped)
		return table_moves(need);
	if (mheap.table_mapped == 0)
		arena_map.spans = (struct mspan **)at;
	mheap.table_sys += need - mheap.table_mapped;
	mheap.table_mapped = need;
	return true;
}

bool arena_extend(size_t size, uintptr_t alignment, struct arena_extent *extent)
{
	enum sys_mapped mapped = mheap.arena_start == 0 ? extend_first(size, alignment, extent)
							: extend_further(size, alignment, extent);

	if (mapped != SysMapped)
		return false;
	if (extend_table(extent->base + extent->bytes))
		return true;
	sysFree((void *)extent->base, extent->bytes);
	return false;
}
