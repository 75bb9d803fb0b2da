/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OWNER_H
#define ESCAPEMENT_OWNER_H

/*
 * Determines whose allocation a stack is. Three frames describe an allocation:
 *
 *   runtime call      the runtime function that was called: runtime.newobject
 *   allocating frame  the innermost frame that is not the runtime's (frames.h)
 *   owner             the innermost frame, including inlined ones, in the owner module
 *
 * The owner module of a Go process is the main module of its build information. A process without build information
 * owns every frame outside the standard library. A C program owns every frame outside libc, libstdc++ and the like.
 * profile_set_modules() replaces these rules by globs of import paths.
 *
 * An owner table caches its results by function name, which profiles intern. Not thread-safe. The profile must outlive
 * the table.
 */

#include <stdbool.h>

#include "profile/profile.h"

enum owner_kind {
	OWNER_FOUND,
	OWNER_OUTSIDE, /* the runtime's own work, package initialisation and goroutines of other modules, or what package
			  testing does for itself when a test calls it: names and starts a sub-benchmark, prints */
	OWNER_UNKNOWN, /* no frame of the stack is known, or none that could have allocated */
};

struct owner {
	enum owner_kind kind;
	const struct profile_frame *frame;	/* the owner's frame; NULL unless found */
	const struct profile_frame *allocating; /* NULL if every known frame is the runtime's */
	const char *runtime_call;		/* NULL if no frame shows it */
	const char *via; /* the allocating function, if it is not in the owner module; else NULL */
};

struct owner_table;

struct owner_table *owner_table_new(const struct profile *profile); /* never NULL */
void owner_table_free(struct owner_table *table);		    /* NULL is allowed */

/* Of each of the profile's globs, whether it matches a package on its stacks; the caller frees the array. What one that does not
 * was meant to choose is not there. */
bool *owner_matched_globs(const struct profile *profile);
/* Whether a glob of profile_set_modules() chooses a package of a process. */
bool owner_glob_chooses(const char *glob, const struct profile_process *process, const char *package);

/* Whether a package is one of the main module of a process; also if the module of none is known. */
bool owner_in_main_module(const struct profile *profile, const char *package);

/* Determines the frames of a sample of the table's profile. */
struct owner owner_of(struct owner_table *table, const struct profile_sample *sample);

#endif
