/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_CODE_H
#define ESCAPEMENT_GO_CODE_H

/*
 * What only the code of a Go program tells: where in a function a probe may stand, where the runtime keeps its
 * variables, and whether its structures look as the version table says. Nothing here needs symbols of variables or
 * DWARF, so stripped programs are as good as others. Addresses are link-time. Pure functions over a binary.
 */

#include <stdbool.h>
#include <stdint.h>

#include "symbols/go_binary.h"

/*
 * Where to probe a function. Not at its first byte: when the stack check there fails, the function runs again from
 * its start and would be counted twice. The check's conditional branch is executed again too, but the flags tell
 * whether it is about to be taken; and the kernel emulates a branch, where it must single-step most instructions.
 * The frame is not set up there: the return address is at the top of the stack.
 */
struct go_point {
	uint64_t address;
	bool is_check; /* at the branch: a hit with CF or ZF set is about to run again. False: there is no check */
};

/* False where the start of the function is not understood. */
bool go_code_point(const struct go_binary *binary, const struct go_function *function, struct go_point *point);

/* "mallocgcSmallNoScanSC2", "mallocgcTinySize3": called by compiled code and by mallocgc. Not their slow paths, which
 * only they call. */
bool go_code_is_specialised_malloc(const char *name);

/* Addresses of variables of package runtime; 0 where not found. */
uint64_t go_code_heap_statistics(const struct go_binary *binary); /* memstats.heapStats, at memstats's start */
uint64_t go_code_processors(const struct go_binary *binary);	  /* allp, a slice of *p */
uint64_t go_code_goroutines(const struct go_binary *binary);	  /* allgs, a slice of *g */
uint64_t go_code_profile_rate(const struct go_binary *binary);	  /* MemProfileRate, an int */

/* Return addresses at the switches to the system stack that a walk along frame pointers does not cross whole. */
uint64_t go_code_frameless_systemstack(const struct go_binary *binary); /* until 1.20; 0 where it keeps a frame */
uint64_t go_code_morestack(const struct go_binary *binary);		/* 0 where not found */

/*
 * Where the bits of spans are: offset of mspan.allocBits, which gcmarkBits follows, and the address of gcBitsArenas.next,
 * the first of two lists of arenas that they come from. False where the code does not show them.
 */
struct go_code_bits {
	uint16_t span_alloc_bits;
	uint64_t arenas;
};
bool go_code_bits(const struct go_binary *binary, struct go_code_bits *bits);

/* Where refill's own code shows mcache.alloc, mspan.allocCount and allocCountBeforeCache, and the statistics' count of
 * tiny objects; and flushmcache's p.mcache. Unknown ones are 0. */
struct go_code_layout {
	uint16_t mcache_alloc, span_alloc_count, span_alloc_count_before_cache, tiny_count, p_mcache;
};
void go_code_heap_layout(const struct go_binary *binary, struct go_code_layout *layout);

/* The version's own row; for a version that the table does not know, the row that the code agrees with. NULL where there
 * is none: *error says what cannot be measured then. */
const struct go_version *go_code_confirm(const struct go_binary *binary, struct error *error);

/* Which of these functions have been inlined somewhere, as profile-guided builds do. Sets found[i] for names[i]. */
void go_code_inlined(const struct go_binary *binary, const char *const *names, bool *found, unsigned count);

#endif
