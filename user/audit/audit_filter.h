/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_FILTER_H
#define ESCAPEMENT_AUDIT_FILTER_H

/* Which rows of an audit are shown, and in which order. */

#include "audit/audit.h"

/* What to show. All conditions must hold. */
struct audit_filter {
	unsigned verdicts;		/* bit per verdict; 0: all */
	int64_t min_objects, min_bytes; /* of rows that measured; 0 keeps those that did not */
	const char *package;		/* import path, or a glob of one; NULL: all */
	const char *function;		/* name or glob, of the site or of what it is inlined into; NULL: all */
	int64_t top;			/* at most so many rows of each verdict; 0: all */
};

/* Orders: by an enum profile_value, greatest first, or by position. */
enum { AUDIT_BY_SITE = VALUE_COUNT };
extern const char *const audit_sort_names[]; /* the values' names for options, then "site"; NULL-terminated */

/* Drops rows and orders the rest. `verdicts` and `totals` stay those of the whole audit. */
void audit_filter(struct audit *audit, const struct audit_filter *filter, int sort);

#endif
