/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_JOIN_H
#define ESCAPEMENT_AUDIT_JOIN_H

/*
 * Joins a profile with the compiler's output.
 *
 * The rule. A sample is a stack: runtime frames, the last of which is the runtime call; then an inline chain, from
 * the allocation site outwards to its physical function. The compiler prints a heap move of an inlined callee at the
 * call site in the physical function, and again at the callee's own line for the callee's own body. So the
 * annotations of a sample are looked for on the physical function's line, and of several there those that the
 * runtime call can be (audit_calls.h), that stand in the sample's column where both sides have one, that are the
 * same expression as at the callee's own line, and that make the type that was measured. What is left is the row's;
 * where more than one is left, the row is shared between them. The callee's own annotation is linked to the row.
 */

#include "audit/audit.h"
#include "audit/audit_index.h"
#include "escape/escape.h"
#include "profile/profile.h"

struct audit *audit_new(const struct profile *profile, const struct escape_output *output,
			const struct audit_options *options); /* never NULL */
void audit_free(struct audit *audit);			      /* NULL is allowed */

#endif
