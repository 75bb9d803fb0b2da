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

/*
 * The verdicts, in the order in which they are shown; a row: name in C, name for people and programs, what it means,
 * what to do about it.
 */
#define AUDIT_VERDICTS(ROW)                                                                                          \
	ROW(AUDIT_ESCAPES, "escapes", "the work list: the compiler moves it to the heap, and it allocates",          \
	    "keep the value from outliving its function; --flow prints how it gets away")                            \
	ROW(AUDIT_CONTRADICTED, "contradicted", "the compiler says that it does not escape, and it allocates",       \
	    "check that the output is of this build; if so, the value is too large or of unknown size for a stack")  \
	ROW(AUDIT_UNANNOTATED, "unannotated", "the compiler says nothing of the line, and it allocates",             \
	    "go by the runtime call: give slices, maps and strings that grow their size beforehand")                 \
	ROW(AUDIT_NOT_COVERED, "not-covered", "the compiler output does not cover the package, and it allocates",    \
	    "go by the line that calls it; 'go build -a -gcflags=all=-m=2' has the output of all packages")          \
	ROW(AUDIT_ESCAPES_UNSEEN, "escapes-unseen", "the compiler moves it to the heap, and no allocation was seen", \
	    "nothing, unless the recording did not run that code")                                                   \
	ROW(AUDIT_STACK, "stack", "the compiler says that it does not escape, and it does not allocate", "nothing")

#define VERDICT_ENUM(name, ...) name,
enum audit_verdict { AUDIT_VERDICTS(VERDICT_ENUM) AUDIT_VERDICT_COUNT };
#undef VERDICT_ENUM

struct audit_verdict_row {
	const char *name;    /* "escapes-unseen" */
	const char *meaning; /* what the compiler says and what was measured */
	const char *advice;  /* what to do, in the imperative */
};
extern const struct audit_verdict_row audit_verdicts[AUDIT_VERDICT_COUNT];

/* "escapes", "escapes-unseen", … */
const char *audit_verdict_name(enum audit_verdict verdict);
int audit_verdict_parse(const char *name);			       /* -1 if none */
extern const char *const audit_verdict_names[AUDIT_VERDICT_COUNT + 1]; /* NULL-terminated */
/* Whether rows of the verdict are of allocations that were measured. */
static inline bool audit_verdict_allocates(enum audit_verdict verdict)
{
	return verdict != AUDIT_ESCAPES_UNSEEN && verdict != AUDIT_STACK;
}
/* Fails with the names of all verdicts: "unknown verdict 'TEXT': expected one of …". Returns -1. */
int audit_verdict_unknown(const char *text, struct error *error);

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
	bool shared;		     /* which of the first annotations it is cannot be told */
	const char *words;	     /* of a shared row: the words of all that it can be; else NULL */
	const char *reason;	     /* why unannotated, contradicted or not covered; NULL for the others */
	int64_t values[VALUE_COUNT]; /* VALUE_UNMEASURED where the profile does not measure it */
	/* 95 % intervals; equal to the values where rows are exact; VALUE_UNMEASURED where nothing was sampled, or nobody
	 * knows how often, so that nothing is known. */
	int64_t objects_low, objects_high, bytes_low, bytes_high;
	bool tiny_unknown; /* tiny objects are not in the row; how many of them are its is not known */
};

/* What the compiler said of a row in its own words, or why it said nothing; "" never. */
const char *audit_row_words(const struct audit_row *row);

/* What rows add up to. */
struct audit_sum {
	uint64_t rows;
	int64_t values[VALUE_COUNT]; /* VALUE_UNMEASURED if the profile does not measure it */
};

/* The index of what allocated and has no owner: no site, so counted apart from the sites of each verdict. */
enum { AUDIT_OUTSIDE = AUDIT_VERDICT_COUNT };

struct audit {
	const struct profile *profile;
	const struct escape_output *output;
	struct audit_row *rows; /* by verdict, then bytes, objects, file, line, column */
	size_t row_count;
	uint64_t verdicts[AUDIT_VERDICT_COUNT];		/* rows of each, before any filter */
	int64_t totals[VALUE_COUNT];			/* of all rows, before any filter: what shares are of */
	struct audit_sum sums[AUDIT_VERDICT_COUNT + 1]; /* by verdict, and AUDIT_OUTSIDE; before any filter */
	const char **warnings;
	size_t warning_count;
	struct audit_storage *storage; /* private */
};

#endif
