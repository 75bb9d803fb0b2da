/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_THRESHOLD_H
#define ESCAPEMENT_AUDIT_THRESHOLD_H

/* Limits on an audit, for CI: a maximal number of rows of a verdict, or a maximal value in them. */

#include "audit/audit.h"
#include "base/error.h"

/* One `VERDICT[:objects>N]` of --fail-on. */
struct audit_threshold {
	int verdict;		  /* an enum audit_verdict, or AUDIT_OUTSIDE */
	enum profile_value value; /* VALUE_COUNT: any row of the verdict */
	int64_t above;
};
int audit_threshold_parse(const char *text, struct audit_threshold *threshold, struct error *error);
/* Returns the number of rows above the threshold, among those that the filter kept. An estimate is above it if its
 * lower bound is. */
size_t audit_threshold_rows(const struct audit *audit, const struct audit_threshold *threshold);

#endif
