/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_CODE_H
#define ESCAPEMENT_GO_CODE_H

/*
 * Facts that only the code of a Go program contains: where in a function a probe can be, where the runtime's variables
 * are, and whether its structures match the version table. This needs no DWARF and no symbols of variables, so it works
 * for stripped programs too. Addresses are link-time. Pure functions of a binary.
 */

#include <stdbool.h>
#include <stdint.h>

#include "symbols/go_binary.h"

/*
 * Where to probe a function. Its first byte is unsuitable: when the stack check there fails, the function runs again
 * from its start and would be counted twice. The check's conditional branch is executed again as well, but the flags
 * show whether it is about to be taken; and the kernel emulates a branch, whereas it must single-step most
 * instructions. At that point the frame is not set up, so the return address is where the call left it.
 */
struct go_point {
	uint64_t address;
	/* at the branch: after a hit at which it is taken the function runs again. False: there is no check */
	bool is_check;
};

/* Returns false if the start of the function is not understood. */
bool go_code_point(const struct go_binary *binary, const struct go_function *function, struct go_point *point);

/* Whether the function is like "mallocgcSmallNoScanSC2" or "mallocgcTinySize3", which compiled code and mallocgc call.
 * Not their slow paths, which only they call. */
bool go_code_is_specialised_malloc(const char *name);

/* Addresses of variables in package runtime; 0 if not found. */
uint64_t go_code_heap_statistics(const struct go_binary *binary); /* memstats.heapStats, at memstats's start */
uint64_t go_code_processors(const struct go_binary *binary);	  /* allp, a slice of *p */
uint64_t go_code_goroutines(const struct go_binary *binary);	  /* allgs, a slice of *g */
uint64_t go_code_profile_rate(const struct go_binary *binary);	  /* MemProfileRate, an int */
uint64_t go_code_all_spans(const struct go_binary *binary);	  /* mheap_.allspans, a slice of *mspan */

/*
 * The memory profile: mbuckets, the list of all buckets; mProfCycle, which says which of their records is due; and the
 * size of a memRecordCycle as the code has it. False where the code does not show them.
 */
struct go_code_profile {
	uint64_t buckets, cycle;
	uint16_t cycle_size;
};
bool go_code_memory_profile(const struct go_binary *binary, struct go_code_profile *profile);

/* Return addresses at switches to the system stack that a walk by frame pointers cannot follow completely. */
uint64_t
go_code_lost_systemstack(const struct go_binary *binary);   /* 0 if the walk is complete there, as in newer releases */
uint64_t go_code_morestack(const struct go_binary *binary); /* 0 if not found */

/*
 * Where the bits of spans are: the offset of mspan.allocBits, which gcmarkBits follows, and the address of
 * gcBitsArenas.next, the first of two lists of arenas that they come from. Returns false if the code does not show
 * them.
 */
struct go_code_bits {
	uint16_t span_alloc_bits;
	uint64_t arenas;
};
bool go_code_bits(const struct go_binary *binary, struct go_code_bits *bits);

/* The offsets of mcache.alloc, mspan.allocCount and allocCountBeforeCache and of the statistics' count of tiny objects,
 * from the code of refill; and of p.mcache, from flushmcache. Unknown ones are 0. */
struct go_code_layout {
	uint16_t mcache_alloc, span_alloc_count, span_alloc_count_before_cache, tiny_count, p_mcache;
};
void go_code_heap_layout(const struct go_binary *binary, struct go_code_layout *layout);

/* Returns the version's own row or, for a version that is not in the table, the row that the code agrees with. NULL if
 * there is none; then *error says what cannot be measured. */
const struct go_version *go_code_confirm(const struct go_binary *binary, struct error *error);

/* Determines which of these functions were inlined somewhere, as in profile-guided builds. Sets found[i] for
 * names[i]. */
void go_code_inlined(const struct go_binary *binary, const char *const *names, bool *found, unsigned count);

#endif
