/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_BUILD_H
#define ESCAPEMENT_ESCAPE_BUILD_H

/*
 * Runs the Go compiler for its escape analysis. `go list -export` compiles the requested packages, including main
 * packages, but links nothing and leaves no file behind. To prevent the build cache from suppressing output, the
 * compiler gets an option without effect whose value differs each time: then the packages to report are always compiled,
 * and what else they import comes from the cache.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/subprocess.h"
#include "base/error.h"
#include "escape/escape.h"

struct escape_build {
	const char *const *go;	     /* the words of the go command, NULL-terminated; NULL: "go" */
	const struct subprocess *as; /* place, identity and `stop` with which it is run: a build runs what its directory
					says, so root names whom it is for. Not NULL */
	const char *const *packages; /* patterns; none: the package in the directory */
	int package_count;
	const char *const *flags; /* more build flags: "-tags=x", "-test", "-race" */
	int flag_count;
	const char *compiler_flags; /* more of -gcflags, "-N -l"; NULL: none */
	bool dependencies;	    /* also compile and report everything that they import */
	const char *module_of;	    /* also what they import of the module that this directory is in; NULL: not */
	bool module;		    /* also compile and report what they import of the module that the place is in */
	FILE *copy;		    /* receives a copy of the compiler's output; NULL: none */
};

/* Returns the compiler's output at -m=2. A failed build is a STATUS_CANNOT_MEASURE with the go command's message. */
struct escape_output *escape_build(const struct escape_build *build, struct error *error);

#endif
