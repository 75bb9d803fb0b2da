/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_BUILD_H
#define ESCAPEMENT_AUDIT_BUILD_H

/*
 * Which build of a package the program has, if the compiler's output is of several: the go command builds what main packages
 * import once for each that has a profile (PGO), and each build inlines other calls, so that other lines allocate. The program's
 * file says which main package it is, and whether it was built with a profile.
 */

#include "audit/audit.h"
#include "escape/escape.h"
#include "profile/profile.h"

struct audit_build {
	/* A copy without the annotations that are only of builds which the program does not have. It shares all else with the
	 * original. */
	struct escape_output output;
	const struct escape_output *original;
	uint32_t *origins; /* where in the original the annotations are */
};

/*
 * Returns what the output says of the program's builds; NULL if it is of one build of each package, or the program's file is not
 * there. Then *unknown is a sentence about that, which the caller frees; else it is NULL.
 */
struct audit_build *audit_build_new(const struct profile *profile, const struct escape_output *output, char **unknown);
void audit_build_free(struct audit_build *build); /* NULL is allowed */

/* Has the rows of an audit of the copy refer to the original, which lives as long as its owner wants. */
void audit_build_end(const struct audit_build *build, struct audit *audit);

#endif
