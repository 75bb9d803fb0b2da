/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FRAMES_H
#define ESCAPEMENT_FRAMES_H

/*
 * Decides which frames of a stack belong to the runtime. The allocation site is the innermost frame that does not.
 * Everything that groups by site uses this. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* Whether a function is part of the runtime: packages runtime, internal/runtime/…, reflect. False for NULL. */
bool frames_is_runtime(const char *function);

struct frames_site {
	uint32_t location, frame; /* the site is profile_stack_at(stack, location)->frames[frame] */
	const char *runtime_call; /* the runtime function that the site called; NULL if no frame shows it */
};

/* Finds the site of a stack. Returns false if every known frame is the runtime's, or if the runtime allocates for its
 * own work (such as starting a collection) on a program's stack. Locations without frames are skipped. */
bool frames_site(const struct profile_stack *stack, struct frames_site *site);

static inline const struct profile_frame *frames_site_frame(const struct profile_stack *stack,
							    const struct frames_site *site)
{
	return &profile_stack_at(stack, site->location)->frames[site->frame];
}

/*
 * Finds the import path in a Go linker symbol: "gopkg.in/yaml.v3" in "gopkg.in/yaml%2ev3.(*Node).Decode". Writes at
 * most `size` bytes including the terminator and returns the length, 0 if the symbol has no package (a C function).
 */
size_t frames_package(const char *function, char *package, size_t size);

/* Returns the name without its import path: "(*Node).Decode" above; the whole name if it has none. */
const char *frames_local_name(const char *function);
/* Hashes a name without type arguments: equal for all instances of a generic function. */
uint64_t frames_plain_hash(const char *name);

/*
 * drop_frames and keep_frames of pprof files: regular expressions for whole function names. pprof goes from the root to
 * the first frame of the program, and from there cuts the stack at the first frame that is to be dropped. So
 * drop_frames matches the runtime (frames_is_runtime()), and keep_frames its functions that call the program again.
 */
extern const char frames_pprof_drop[], frames_pprof_keep[];

/*
 * Whether a function has that name, either in full or without the directories of its import path,
 * "server.(*Server).handle". Type arguments are ignored. False for NULL.
 */
bool frames_is_named(const char *function, const char *name);

/*
 * Writes a function's name without the suffixes that number its loop bodies: the body of a range over a function in F
 * is compiled as F-range1. Cuts the name at `size` - 1 bytes. Returns `name`.
 */
const char *frames_fold_name(const char *function, char *name, size_t size);

#endif
