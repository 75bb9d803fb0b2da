/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_H
#define ESCAPEMENT_AUDIT_H

/*
 * An audit: what a profile measured beside what the compiler said, one row per allocation site and annotation, with a
 * verdict. Every measured object is in exactly one row, so the rows of a complete audit sum to the profile's
 * samples; every annotation that speaks of an allocation is in at least one. audit_join.h makes it.
 *
 * An audit refers to the profile and the compiler output, which must outlive it. Built by one thread, read by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "escape/escape.h"
#include "profile/profile.h"

enum audit_verdict {
	AUDIT_ESCAPES,	      /* heap, and allocates: the work list */
	AUDIT_CONTRADICTED,   /* only "does not escape", and allocates */
	AUDIT_UNANNOTATED,    /* nothing said on the line, and allocates */
	AUDIT_NOT_COVERED,    /* nothing said of the whole package, and allocates */
	AUDIT_ESCAPES_UNSEEN, /* heap, and no allocation seen */
	AUDIT_STACK,	      /* does not escape, and no allocation seen */
	AUDIT_VERDICT_COUNT,
};

/* "escapes", "escapes-unseen", … */
const char *audit_verdict_name(enum audit_verdict verdict);
int audit_verdict_parse(const char *name);			       /* -1 if none */
extern const char *const audit_verdict_names[AUDIT_VERDICT_COUNT + 1]; /* NULL-terminated */

struct audit_row {
	enum audit_verdict verdict;
	/* The allocation site, or the annotation's position where nothing was measured. For not-covered rows the
	 * nearest covered caller, or the site itself where no caller is covered. */
	struct profile_frame site;
	/* The file as the compiler output names it, where it does; else site.file. */
	const char *file;
	const char *runtime_call; /* that the site makes; NULL where not known */
	const char *callee;	  /* not-covered: the function outside the covered packages that the site calls */
	const struct profile_frame *owner; /* whose allocation it is (owner.h); NULL: outside, or nothing measured */
	const char *via;  /* the function that allocated, where it is not in the owner module; else NULL */
	const char *type; /* Go type, where all of the row is of one; NULL where not known */
	const struct profile_frame *inlined_at; /* outwards from the site; the last is the physical function */
	const char *const *inlined_files;	/* theirs, as the compiler output names them, where it does */
	uint32_t inlined_count;
	/* At the physical function's line first, then `linked_count` of the same thing at the callees' own lines. */
	const struct escape_annotation *const *annotations;
	uint32_t annotation_count, linked_count;
	bool shared;			   /* which of the first annotations it is cannot be told */
	const char *words;		   /* of a shared row: the words of all that it can be; else NULL */
	const char *reason;		   /* why unannotated, contradicted or not covered; NULL for the others */
	int64_t values[VALUE_COUNT];	   /* VALUE_UNMEASURED where the profile does not measure it */
	int64_t objects_low, objects_high; /* 95 %; equal to the objects where rows are exact; VALUE_UNMEASURED where
					      nothing was sampled, or nobody knows how often, and so nothing is known */
};

/* What the compiler said of a row in its own words, or why it said nothing; "" never. */
const char *audit_row_words(const struct audit_row *row);

struct audit {
	const struct profile *profile;
	const struct escape_output *output;
	struct audit_row *rows; /* by verdict, then bytes, objects, file, line, column */
	size_t row_count;
	uint64_t verdicts[AUDIT_VERDICT_COUNT]; /* rows of each, before any filter */
	int64_t totals[VALUE_COUNT];		/* of all rows, before any filter: what shares are of */
	const char **warnings;
	size_t warning_count;
	struct audit_storage *storage; /* private */
};

#endif
