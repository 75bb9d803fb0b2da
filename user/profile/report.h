/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REPORT_H
#define ESCAPEMENT_REPORT_H

/*
 * A profile as rows: its samples, grouped as requested, summed and sorted. render_report*.c print it. A report refers
 * to its profile, which must outlive it. Read-only after creation; any number of threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/interval.h"
#include "profile/interval_bounds.h"
#include "profile/profile.h"

enum report_by {
	BY_SITE,     /* file, line and function of the owner, and `via` (owner.h) */
	BY_FRAME,    /* file, line and function of the allocating frame */
	BY_FUNCTION, /* function of the owner */
	BY_TYPE,
	BY_SIZE_CLASS, /* span class: size class, scan or noscan */
	BY_STACK,      /* the whole stack, by source positions */
	BY_CALLER,     /* file, line and function of the frame that called the selection's `callers` */
};

/* Names on the command line, in the order of enum report_by without BY_CALLER, NULL-terminated. */
extern const char *const report_by_names[];

struct report_row {
	/* The key of the row; only the members for the report's grouping are set. */
	const char *function, *file;	   /* site, frame, function, caller; both NULL if unknown */
	const char *via;		   /* site: the function that allocated for it; NULL if it did so itself */
	uint32_t line;			   /* site, frame */
	const char *type;		   /* type, typed sites; NULL if unknown */
	int span_class;			   /* size class; SPAN_CLASS_UNKNOWN if unknown */
	bool scan_unknown;		   /* size class: objects with and without pointers, counted together */
	bool shared_tiny;		   /* size class: tiny objects other than the first of each block */
	const struct profile_stack *stack; /* stack: an example with these positions */

	int64_t values[VALUE_COUNT];   /* VALUE_UNMEASURED if the row does not measure it */
	bool has_bounds;	       /* an estimate with its 95 % interval */
	struct interval_bounds bounds; /* the upper end is VALUE_UNMEASURED if there is no bound */
	/* Tiny objects of a Go program are in no row of a site, and it is unknown how many of them belong to this one.
	 * False if all of them together would not matter: then they are in the upper end. */
	bool tiny_unknown;
	struct interval interval;
};

/* Restricts a report to some samples. Functions match as report_names_function() says. */
struct report_selection {
	const char *focus;   /* only stacks with this function; NULL: all */
	const char *callers; /* only stacks with this function, grouped BY_CALLER; NULL: all */
	bool typed;	     /* BY_SITE: rows of one type each; not a restriction */
};

struct report {
	const struct profile *profile;
	enum report_by by;
	enum profile_value sort;
	bool plain; /* without intervals */
	/* whether this report's rows are exact: totals by size class may be, although sites are estimated */
	bool rows_exact;
	bool classes_folded; /* objects with and without pointers were counted together */
	struct estimates *estimates;
	uint32_t measured; /* one bit per value that the rows measure */
	struct report_selection selection;
	int64_t selected[VALUE_COUNT]; /* sums of the selected samples */
	struct report_row *rows;       /* `row_total` rows, greatest first */
	size_t row_count;	       /* number of rows that are shown */
	size_t row_total;	       /* number of all rows */
	int64_t totals[VALUE_COUNT];   /* of the recording; VALUE_UNMEASURED if not measured */
	int64_t whole[VALUE_COUNT];    /* what shares are parts of: the totals, or all rows where these have more */
	/* 95 % intervals of objects and bytes in totals[], if these are estimates. */
	bool totals_have_bounds;
	struct interval_bounds bounds;
};

/* The value to sort by: bytes; refills or objects if bytes were not measured. */
enum profile_value report_default_sort(const struct profile *profile);

/* Shown in place of a function, for allocations without an owner and for those that only the runtime makes. */
extern const char report_outside[], report_runtime_frame[], report_outermost[];

/* Groups by `by`, sorts by `sort`, greatest first, and shows `top` rows (0: all). Never NULL. */
struct report *report_new(const struct profile *profile, enum report_by by, enum profile_value sort, size_t top);
/* The same for selected samples; totals stay those of the recording. `by` must be BY_CALLER if callers are selected. */
struct report *report_new_selected(const struct profile *profile, enum report_by by, enum profile_value sort,
				   size_t top, const struct report_selection *selection);
/* All rows without intervals and without an order: for who makes reports again and again. */
struct report *report_new_plain(const struct profile *profile, enum report_by by, enum profile_value sort);
void report_free(struct report *report); /* NULL is allowed */

/* Bytes at the ends of the fresh spans of a row of a report by size class, in which no whole object fits;
 * VALUE_UNMEASURED if fresh spans were not counted by class. */
int64_t report_row_span_tails(const struct report *report, const struct report_row *row);

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
