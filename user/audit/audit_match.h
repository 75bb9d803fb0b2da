/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_MATCH_H
#define ESCAPEMENT_AUDIT_MATCH_H

/*
 * The second step of the join: finds the annotations that a group of samples is about. audit_join.h has the rule.
 * Private to the join; not thread-safe.
 */

#include "audit/audit_groups.h"
#include "audit/audit_index.h"

struct audit_matcher;

/* The annotations of one group: first `count` that it may be about, at the physical function's line (or at the callee's
 * own line, if the output does not have the call), then `linked` ones with the same expression at the lines of inlined
 * callees. */
struct audit_match {
	const struct escape_annotation *const *list; /* valid until the next match */
	size_t count, linked;
	bool heap; /* the first `count` are heap moves, not "does not escape" */
};

struct audit_matcher *audit_matcher_new(const struct escape_output *output, struct audit_index *index);
void audit_matcher_free(struct audit_matcher *matcher);

void audit_match(struct audit_matcher *matcher, const struct group *group, struct audit_match *match);

#endif
