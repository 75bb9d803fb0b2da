/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_THRESHOLD_H
#define ESCAPEMENT_AUDIT_THRESHOLD_H

/* Limits on an audit, for CI: how many rows of a verdict, or how much in them, is too much. */

#include "audit/audit.h"
#include "base/error.h"

/* One `VERDICT[:objects>N]` of --fail-on. */
struct audit_threshold {
	enum audit_verdict verdict;
	enum profile_value value; /* VALUE_COUNT: any row of the verdict */
	int64_t above;
};
int audit_threshold_parse(const char *text, struct audit_threshold *threshold, struct error *error);
/* The rows that are over it, of those that the filter left. An estimate is over where its lower bound is. */
size_t audit_threshold_rows(const struct audit *audit, const struct audit_threshold *threshold);

#endif
