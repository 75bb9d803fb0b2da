/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_JOIN_H
#define ESCAPEMENT_AUDIT_JOIN_H

/*
 * Joins a profile with the compiler's output.
 *
 * The rule: a sample is a stack. It consists of runtime frames, of which the last is the runtime call, and an inline
 * chain from the allocation site outwards to its physical function. The compiler prints a heap move of an inlined
 * callee at the call site in the physical function, and again at the callee's own line for the callee's own body.
 * Therefore the annotations of a sample are searched on the physical function's line. If there are several, those
 * remain that the runtime call may belong to (audit_calls.h), that are in the sample's column if both sides have
 * columns, that have the same expression as at the callee's own line, and that create the measured type. What remains
 * belongs to the row; if more than one annotation remains, they share the row. The callee's own annotation is linked to
 * the row.
 */

#include "audit/audit.h"
#include "audit/audit_index.h"
#include "escape/escape.h"
#include "profile/profile.h"

struct audit *audit_new(const struct profile *profile, const struct escape_output *output,
			const struct audit_options *options); /* never NULL */
/* An audit of rows that were joined elsewhere, in units of `profile`, which may have no samples. Copies the rows and their values, not what else they
 * point to. Never NULL. */
struct audit *audit_of_rows(const struct profile *profile, const struct escape_output *output,
			    const struct audit_row *rows, size_t count);
void audit_free(struct audit *audit); /* NULL is allowed */

#endif
