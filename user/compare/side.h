/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_SIDE_H
#define ESCAPEMENT_COMPARE_SIDE_H

/* One of the two compared builds: how it is built and run, and the results. */

#include <stdbool.h>

#include "base/subprocess.h"
#include "compare/gc_trace.h"
#include "compare/workspace.h"
#include "escape/escape.h"
#include "gate/gate_counts.h"

enum { SIDE_VARIABLES_MAX = 8 };

struct compare_side {
	/* set before the build; owned by the side */
	char *name;				 /* for people: "main (3f2a1b9)", "go1.27.4", "with fix.diff" */
	char *directory;			 /* NULL: the working directory */
	char *overlay;				 /* for go build -overlay; NULL */
	char *variables[SIDE_VARIABLES_MAX + 1]; /* changes of the environment, NULL-terminated */
	int number;				 /* 0: before, 1: after */

	/* set by the build */
	char **words;		      /* what is run, NULL-terminated */
	char **made;		      /* the words that the side allocated; NULL-terminated */
	struct escape_output *escape; /* the compiler's output; NULL if it was not run */

	/* measured */
	struct gate_counts *counts;
	struct gc_trace gc;
};

/* Makes the side use Go's toolchain in that directory (toolchain.h). */
void compare_side_use_toolchain(struct compare_side *side, const char *directory);

/* Where the side's commands start. It refers to the side. */
struct start_place compare_side_place(const struct compare_side *side);

/*
 * Builds what the command runs: all packages of a `go test`, or the program of a `go run`, whose binary is then run
 * instead. The compiler's output is stored in side->escape. For other commands, `script` is the shell command that
 * builds the program, or NULL if nothing has to be built. If the build fails, its output is copied to standard error,
 * and the error is STATUS_CANNOT_MEASURE.
 */
int compare_side_build(struct compare_side *side, const struct workspace *workspace, char *const *words,
		       const char *script, struct error *error);

/* Runs the program's own tests on the side: those of all its packages. Fails with STATUS_CANNOT_MEASURE if they fail. */
int compare_side_test(const struct compare_side *side, const struct workspace *workspace, char *const *words,
		      struct error *error);

/* Runs the side once without probes, for the runtime's messages about its collections. Its output is dropped. */
int compare_side_trace(struct compare_side *side, const struct workspace *workspace, struct error *error);

void compare_side_clear(struct compare_side *side);

#endif
