/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FRAMES_H
#define ESCAPEMENT_FRAMES_H

/*
 * Which frames of a stack belong to the runtime, and so where its allocation site is: the innermost frame that does
 * not. Everything that groups by site asks here. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* Whether that function is part of the runtime: packages runtime, internal/runtime/…, reflect. NULL is not. */
bool frames_is_runtime(const char *function);

struct frames_site {
	uint32_t location, frame; /* the site is stack->locations[location]->frames[frame] */
	const char *runtime_call; /* the runtime function that the site called; NULL where no frame shows it */
};

/* Finds the site of a stack. False where every known frame is the runtime's, or where the runtime allocates for work
 * of its own (it starts a collection, say) that happens to be done on a program's stack. Locations without any frame
 * are passed over. */
bool frames_site(const struct profile_stack *stack, struct frames_site *site);

static inline const struct profile_frame *frames_site_frame(const struct profile_stack *stack,
							    const struct frames_site *site)
{
	return &stack->locations[site->location]->frames[site->frame];
}

/*
 * The import path in a Go linker symbol: "gopkg.in/yaml.v3" of "gopkg.in/yaml%2ev3.(*Node).Decode". Writes at most
 * `size` bytes with the terminator and returns the length, 0 where the symbol names no package (a C function).
 */
size_t frames_package(const char *function, char *package, size_t size);

/* The name without its import path: "(*Node).Decode" of the above; the whole name where there is none. */
const char *frames_local_name(const char *function);

/*
 * drop_frames and keep_frames of pprof files: regular expressions of whole function names. pprof goes from the root to
 * the first frame of the program, and from there cuts the stack at the first frame that is to be dropped. So what
 * matches is the runtime (frames_is_runtime()) without those of its functions that call the program again: those are
 * kept.
 */
extern const char frames_pprof_drop[], frames_pprof_keep[];

/*
 * Whether a function has that name: in full, or without the directories of its import path, "server.(*Server).handle".
 * Type arguments are not looked at. NULL has no name.
 */
bool frames_is_named(const char *function, const char *name);

/*
 * Writes a function's name without the parts that only number its loop bodies: the body of a range over a function in F
 * is compiled as F-range1. Cuts at `size` - 1 bytes. Returns `name`.
 */
const char *frames_fold_name(const char *function, char *name, size_t size);

#endif
