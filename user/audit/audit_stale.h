/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_STALE_H
#define ESCAPEMENT_AUDIT_STALE_H

/*
 * Whether the compiler output can be of the program that was measured. Looked at: where functions begin, which the
 * compiler tells when it says whether it can inline them; functions that only one side has, where the program's file is
 * there to look into (audit_program.h); the Go release that each side shows signs of; allocations
 * of a kind that the compiler never keeps silent about; inlining that only one side knows of.
 */

#include "audit/audit.h"

/* One sentence on what does not fit and how to make the output again; NULL where nothing speaks against it. The
 * caller frees it. */
char *audit_stale(const struct audit *audit);

#endif
