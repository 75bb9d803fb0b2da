/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REPORT_H
#define ESCAPEMENT_REPORT_H

/*
 * A profile as rows: its samples grouped by what the reader asks for, summed and sorted. render_report*.c print it.
 * A report refers to its profile, which must outlive it. Read-only once made; any number of threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/interval.h"
#include "profile/profile.h"
#include "profile/interval.h"

enum report_by {
	BY_SITE,     /* file, line and function of the owner, and `via` (owner.h) */
	BY_FRAME,    /* file, line and function of the allocating frame */
	BY_FUNCTION, /* the owner's function */
	BY_TYPE,
	BY_SIZE_CLASS, /* span class: size class, scan or noscan */
	BY_STACK,      /* the whole stack, by source positions */
	BY_CALLER,     /* file, line and function of the frame that called the selection's `callers` */
};

/* Names on the command line, in the order of enum report_by without BY_CALLER, NULL-terminated. */
extern const char *const report_by_names[];

struct report_row {
	/* What the row is grouped by; only the members of the report's kind are set. */
	const char *function, *file;	   /* site, frame, function, caller; both NULL where unknown */
	const char *via;		   /* site: the function that allocated for it; NULL where it did so itself */
	uint32_t line;			   /* site, frame */
	const char *type;		   /* type; NULL where unknown */
	int span_class;			   /* size class; SPAN_CLASS_UNKNOWN where unknown */
	bool scan_unknown;		   /* size class: objects with and without pointers, counted together */
	bool shared_tiny;		   /* size class: tiny objects but for the first one of each block */
	const struct profile_stack *stack; /* stack: one that stands for all of these positions */

	int64_t values[VALUE_COUNT];   /* VALUE_UNMEASURED where the row does not measure it */
	bool has_bounds;	       /* an estimate with its 95 % interval */
	struct interval_bounds bounds; /* a high end is VALUE_UNMEASURED where there is no upper bound */
	/* Tiny objects of a Go program are in no row of a site: how many of them are this one's is not known. Where all
	 * that there are would not matter, they are in the upper end. */
	bool tiny_unknown;
	struct interval interval;
};

/* What a report is of, if not of all samples. Functions are named as report_names_function() says. */
struct report_selection {
	const char *focus;   /* only stacks with this function; NULL: all */
	const char *callers; /* only stacks with this function, grouped BY_CALLER; NULL: all */
};

struct report {
	const struct profile *profile;
	enum report_by by;
	enum profile_value sort;
	bool plain;	     /* without intervals */
	bool rows_exact;     /* of this report: exact totals by size class may stand beside estimated sites */
	bool classes_folded; /* objects with and without pointers were counted together */
	struct estimates *estimates;
	uint32_t measured; /* bit per value: what the rows measure */
	struct report_selection selection;
	int64_t selected[VALUE_COUNT]; /* sums of the selected samples */
	struct report_row *rows;       /* row_total of them, greatest first */
	size_t row_count;	       /* that are shown */
	size_t row_total;	       /* before the greatest ones were taken */
	int64_t totals[VALUE_COUNT];   /* of the recording; VALUE_UNMEASURED where not measured */
	/* 95 % intervals of objects and bytes in totals[], where these are estimates. */
	bool totals_have_bounds;
	struct interval_bounds bounds;
};

/* The value that a reader wants to see first: bytes, or refills where bytes were not measured. */
enum profile_value report_default_sort(const struct profile *profile);

/* What stands for a function: of allocations that have no owner, and of those that the runtime alone makes. */
extern const char report_outside[], report_runtime_frame[], report_outermost[];

/* Groups by `by`, sorts by `sort`, greatest first, and keeps `top` rows (0: all). Never NULL. */
struct report *report_new(const struct profile *profile, enum report_by by, enum profile_value sort, size_t top);
/* The same of selected samples; totals stay those of the recording. `by` is BY_CALLER if callers are asked for. */
struct report *report_new_selected(const struct profile *profile, enum report_by by, enum profile_value sort,
				   size_t top, const struct report_selection *selection);
/* All rows without intervals and without an order: for who makes reports again and again. */
struct report *report_new_plain(const struct profile *profile, enum report_by by, enum profile_value sort);
void report_free(struct report *report); /* NULL is allowed */

/* What makes a group of a report that is not BY_STACK, for comparing rows of two reports of one profile's names as bytes. */
struct report_row_key {
	const char *function, *file, *via, *type;
	uint32_t line;
	int32_t span_class;
	uint64_t shared_tiny;
};
struct report_row_key report_row_key(const struct report_row *row);

/* The order of rows: greatest first, equal ones by name. */
int report_row_compare(const struct report_row *left, const struct report_row *right, enum profile_value sort);

/* Fills `samples`, which has room for all of the profile's, with those that are in a row of the report; the number. */
size_t report_row_samples(const struct report *report, const struct report_row *row, struct profile_sample **samples);

#endif
