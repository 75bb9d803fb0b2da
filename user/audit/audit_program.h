/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_PROGRAM_H
#define ESCAPEMENT_AUDIT_PROGRAM_H

/*
 * Compares the functions in the compiler output with those in the program's file, if that is still the measured one (by
 * its build id) and a Go program.
 *
 * The two directions have different weight. At -m=2 the compiler says for every function whether it can be inlined, so
 * a function of the program that the output does not have comes from other sources. A function of the output that the
 * program does not have may have been removed by the linker because nothing calls it, or have left no instruction where
 * it was inlined.
 *
 * Only functions in the source are compared, of packages that both sides have: no closures, generics, wrappers,
 * assembly or tests; and not the standard library, whose functions change only with the release. A function that both
 * sides have in files of different names is there once for each set of build tags.
 */

#include "audit/audit.h"

struct audit_program {
	bool compared;	 /* a file was compared */
	size_t packages; /* packages on both sides */
	size_t unknown;	 /* functions of the program that are not in the output */
	/* functions with heap moves in the output; those of them that are not in the program */
	size_t spoken_of, missing;
	size_t main_spoken_of, main_missing; /* the same for package main, in which few functions are unused */
	size_t elsewhere;		     /* functions that are in another file of their package */
	/* an example of each */
	char unknown_name[256], missing_name[256], elsewhere_name[256];
	char elsewhere_file[128], elsewhere_said[128]; /* its file in the program and in the output */
	/* creates the output under the program's build constraints, if these are known, for people: "GOOS=linux go build
	 * -tags=x ... 2> FILE" */
	char *command;
	char *command_all; /* the same for all packages of the build, not only those of the main module */
	bool tagged;	   /* the command has build tags */
};

/* The caller releases the result with audit_program_clear(). */
void audit_program_compare(const struct audit *audit, struct audit_program *result);
void audit_program_clear(struct audit_program *result);

#endif
