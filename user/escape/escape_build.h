/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_BUILD_H
#define ESCAPEMENT_ESCAPE_BUILD_H

/*
 * Runs the Go compiler for its words. `go list -export` compiles what it is asked for, main packages included, and
 * links nothing and leaves no file behind. So that no cache can swallow a line, the compiler gets an option that
 * does nothing and has another value each time: the packages asked for are always compiled, what they import comes
 * from the cache.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "escape/escape.h"

struct escape_build {
	const char *go;		     /* the go command; NULL: the one in PATH */
	const char *directory;	     /* where to run it; NULL: here */
	const char *const *packages; /* patterns; none: the package of the directory */
	int package_count;
	const char *const *flags; /* more build flags: "-tags=x", "-test", "-race" */
	int flag_count;
	bool dependencies; /* compile (and hear of) all that they import, too */
	FILE *copy;	   /* gets the compiler's output as it comes; NULL: nobody */
};

/* What the compiler says at -m=2. An error of the build itself is STATUS_CANNOT_MEASURE with the go command's words. */
struct escape_output *escape_build(const struct escape_build *build, struct error *error);

#endif
