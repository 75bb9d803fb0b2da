/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_LINES_H
#define ESCAPEMENT_AUDIT_LINES_H

/*
 * The rows of an audit by source line. A line may allocate in several ways: of several types, by several runtime calls, in
 * several inlined copies, in several functions of a library that it calls. Each of them is a row, because the compiler's
 * words, and what to do, may differ; readers rank lines.
 */

#include "audit/audit.h"

struct audit_line {
	int verdict;		     /* an enum audit_verdict, or AUDIT_OUTSIDE */
	size_t first, count;	     /* its rows are rows[first] to rows[first + count - 1], the costliest first */
	int64_t values[VALUE_COUNT]; /* their sums; VALUE_UNMEASURED if the profile does not measure it */
};

struct audit_lines {
	struct audit_line *list; /* by verdict, then the costliest first or, with AUDIT_BY_SITE, in the audit's order */
	size_t count;
	size_t *rows; /* indices of the audit's rows */
};

/*
 * Groups the rows that count as one of these verdicts (a bit for each, and one for AUDIT_OUTSIDE). `cost` is the value that says which of them is the costliest. A row whose place is not known, or that has no
 * allocation, is a line of its own. audit_lines_free() frees the result.
 */
void audit_lines_collect(struct audit_lines *lines, const struct audit *audit, unsigned verdicts,
			 enum profile_value cost);
void audit_lines_free(struct audit_lines *lines);

#endif
