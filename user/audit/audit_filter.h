/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_FILTER_H
#define ESCAPEMENT_AUDIT_FILTER_H

/* Selects the rows of an audit that are shown, and orders them. */

#include "audit/audit.h"

/* What to show. All conditions must hold. */
struct audit_filter {
	/* One bit per verdict, 0: all. Rows outside pass if they are asked for as such, or by their verdict. */
	unsigned verdicts;
	int64_t min_objects, min_bytes; /* minimum of a measured value; 0 keeps unmeasured rows too */
	const char *package;		/* import path, or a glob of one; NULL: all */
	/* name or glob, of the site or of a function that it is inlined into; NULL: all */
	const char *function;
	int64_t top; /* at most this many rows of each verdict, and of those without an owner; 0: all */
};

/* Orders: by an enum profile_value, greatest first, or by position. */
enum { AUDIT_BY_SITE = VALUE_COUNT };
extern const char *const audit_sort_names[]; /* the values' names for options, then "site"; NULL-terminated */

/* Orders all rows. */
void audit_sort(struct audit *audit, int sort);
/* Removes rows, and orders the rest. `verdicts` and `totals` stay those of the whole audit. */
void audit_filter(struct audit *audit, const struct audit_filter *filter, int sort);

#endif
