/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_GAPS_H
#define ESCAPEMENT_AUDIT_GAPS_H

/*
 * Finds gaps in the compiler output, in which missing annotations mean nothing: packages of the program's own module
 * that were not built for it or did not compile, and logs that were cut off. Private to the join.
 */

#include "audit/audit_groups.h"
#include "audit/audit_index.h"
#include "audit/audit_program.h"

/* Returns "nothing about PACKAGE, ...": packages of the owner module (owner.h) that allocate but that the output does
not cover. NULL if there are none, or the module is unknown. *beyond: one of them is not of the main module. The caller
 * frees it. */
char *audit_uncovered(const struct groups *groups, struct audit_index *index, const struct profile *profile,
		      bool *beyond);

/* Returns one sentence about these, with the command that covers them. The caller frees it. */
char *audit_partial(const char *uncovered, bool beyond, const struct audit_program *program);

/* Returns one sentence about packages that did not compile, or about where the output was cut off; NULL if it is
 * complete. The caller frees it. */
char *audit_incomplete(const struct escape_output *output);

#endif
