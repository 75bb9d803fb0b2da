/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_STALE_H
#define ESCAPEMENT_AUDIT_STALE_H

/*
 * Checks whether the compiler output can be from the program that was measured. It compares where functions begin,
 * which is in the compiler's messages about inlining; functions that only one side has, or that each has in another
 * file, if the program's file is available (audit_program.h); the Go release of each side; allocations of a kind that the compiler always mentions;
 * and inlining that only one side shows.
 */

#include "audit/audit.h"
#include "audit/audit_program.h"

/* Returns one sentence about what does not match and how to create the output again; NULL if there is no contradiction.
 * `uncovered` is what the output lacks besides (audit_uncovered()), or NULL. The caller frees the sentence. */
char *audit_stale(const struct audit *audit, const struct audit_program *program, const char *uncovered);

#endif
