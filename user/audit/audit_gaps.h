/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_GAPS_H
#define ESCAPEMENT_AUDIT_GAPS_H

/*
 * What the compiler output lacks, so that its silence says nothing: packages of the program's own module that were not
 * built for it or did not compile, the end of a log that was cut. Private to the join.
 */

#include "audit/audit_groups.h"
#include "audit/audit_index.h"

/* One sentence about packages of the owner module (owner.h) that allocate and that the output does not cover, with the
 * command that covers them; NULL if there are none, or if the module is not known. The caller frees it. */
char *audit_uncovered(const struct groups *groups, struct audit_index *index, const struct profile *profile);

/* One sentence about packages that did not compile, or about where the output was cut; NULL if it is whole. The caller
 * frees it. */
char *audit_incomplete(const struct escape_output *output);

#endif
