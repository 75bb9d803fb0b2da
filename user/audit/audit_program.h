/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_PROGRAM_H
#define ESCAPEMENT_AUDIT_PROGRAM_H

/*
 * The functions that the compiler output speaks of beside those that are in the program's file, where the file is
 * still the one that was measured (its build id says so) and is a Go program.
 *
 * The two directions weigh differently. At -m=2 the compiler says of every function whether it can be inlined, so a
 * function of the program that the output does not know is one of other sources. A function of the output that the
 * program does not have may just as well have been left out by the linker because nothing calls it, or have left no
 * instruction where it was inlined.
 *
 * Looked at are functions that people wrote, of packages that are in both: not closures, generics, wrappers,
 * assembly, tests; not the standard library, whose functions change with the release only.
 */

#include "audit/audit.h"

struct audit_program {
	bool compared;			     /* a file was there to look into */
	size_t packages;		     /* in both */
	size_t unknown;			     /* functions of the program that the output does not know */
	size_t spoken_of, missing;	     /* functions with heap moves in the output; of these, not in the program */
	size_t main_spoken_of, main_missing; /* the same of package main, where little is written that nothing calls */
	char unknown_name[256], missing_name[256]; /* one of each */
};

void audit_program_compare(const struct audit *audit, struct audit_program *result);

#endif
