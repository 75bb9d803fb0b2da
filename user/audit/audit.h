/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_H
#define ESCAPEMENT_AUDIT_H

/*
 * An audit: the measurements of a profile beside the statements of the compiler, one row per allocation site and
 * annotation, with a verdict. Every measured object is in exactly one row, so the rows of a complete audit sum up to
 * the profile's samples. Every annotation about an allocation is in at least one row, unless the options leave out what
 * nobody reads. audit_join.h builds audits.
 *
 * An audit refers to the profile and the compiler output, which must outlive it. Built by one thread, read by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "escape/escape.h"
#include "profile/profile.h"

/*
 * The verdicts, in the order in which they are shown. A row: name in C, name for people and programs, meaning, what to
 * do about it.
 */
#define AUDIT_VERDICTS(ROW)                                                                                            \
	ROW(AUDIT_ESCAPES, "escapes", "the work list: the compiler moves it to the heap, and it allocates",            \
	    "keep the value from outliving its function; --flow prints how it gets away")                              \
	ROW(AUDIT_CONTRADICTED, "contradicted", "the compiler says that it does not escape, and it allocates",         \
	    "check that the output is from this build; if so, the value is too large or of unknown size for a stack")  \
	ROW(AUDIT_UNANNOTATED, "unannotated", "the compiler does not mention it, and it allocates",                    \
	    "look at the runtime call: make slices, maps and strings that grow with their final size")                 \
	ROW(AUDIT_NOT_COVERED, "not-covered", "the compiler output does not cover the package, and it allocates",      \
	    "the line shown calls the library that allocates: call it less often, or call less of it; "                \
	    "'go build -a -gcflags=all=-m=2' has the compiler's words about all packages")                             \
	ROW(AUDIT_UNPLACED, "unplaced", "it allocates, at a line that nobody knows",                                   \
	    "of tiny objects, which share blocks, only the sum is known; 'escapement record --rate 1' counts them by " \
	    "line")                                                                                                    \
	ROW(AUDIT_ESCAPES_UNSEEN, "escapes-unseen", "the compiler moves it to the heap, and no allocation was seen",   \
	    "nothing, unless the recording did not run that code")                                                     \
	ROW(AUDIT_STACK, "stack", "the compiler says that it does not escape, and it does not allocate", "nothing")

#define VERDICT_ENUM(name, ...) name,
enum audit_verdict { AUDIT_VERDICTS(VERDICT_ENUM) AUDIT_VERDICT_COUNT };
#undef VERDICT_ENUM

/* What stands in the place of a verdict for allocations without an owner: they are not sites, so they are not counted with
 * their verdicts. */
enum { AUDIT_OUTSIDE = AUDIT_VERDICT_COUNT };
#define AUDIT_OUTSIDE_NAME "outside"

struct audit_verdict_row {
	const char *name;    /* "escapes-unseen" */
	const char *meaning; /* what the compiler says and what was measured */
	const char *advice;  /* what to do, in the imperative */
};
struct audit;
/* Returns what a verdict means in that audit: without a sample nobody knows that nothing was allocated. */
const char *audit_verdict_meaning(const struct audit *audit, int verdict);

extern const struct audit_verdict_row audit_verdicts[AUDIT_VERDICT_COUNT + 1];

/* "escapes", "escapes-unseen", … An `int` here is an enum audit_verdict or AUDIT_OUTSIDE. */
const char *audit_verdict_name(int verdict);
int audit_verdict_parse(const char *name);			       /* -1 if none */
extern const char *const audit_verdict_names[AUDIT_VERDICT_COUNT + 2]; /* NULL-terminated */
/* Whether rows of this verdict are measured allocations. */
static inline bool audit_verdict_allocates(int verdict)
{
	return verdict != AUDIT_ESCAPES_UNSEEN && verdict != AUDIT_STACK;
}
/* Sets an error with the names of all verdicts: "unknown verdict 'TEXT': expected one of …". Returns -1. */
int audit_verdict_unknown(const char *text, struct error *error);

/* Why a row of a generic function is not covered, if the output has other instances of it. */
extern const char audit_other_instance[];

struct audit_row {
	enum audit_verdict verdict;
	/* The allocation site, or the annotation's position if nothing was measured. For not-covered rows the nearest
	 * covered caller, or the site itself if no caller is covered. */
	struct profile_frame site;
	/* The file's name in the compiler output, if it is there; else site.file. */
	const char *file;
	const char *runtime_call; /* the runtime call that the site makes; NULL if unknown */
	const char *callee;	  /* not-covered: the function outside the covered packages that the site calls */
	/* whose allocation it is (owner.h); NULL: outside of the owner module, or nothing was measured */
	const struct profile_frame *owner;
	const char *owner_file; /* by its name in the compiler output if it is there; NULL: no owner */
	const char *via;	/* the function that allocated, if it is outside of the owner module; else NULL */
	const char *type;	/* Go type, if the whole row has the same; NULL if unknown */
	const struct profile_frame *inlined_at; /* outwards from the site; the last is the physical function */
	/* their files, by their names in the compiler output if they are there */
	const char *const *inlined_files;
	/* First those at the physical function's line, then `linked_count` about the same expression at the callees'
	 * own lines. */
	const struct escape_annotation *const *annotations;
	uint32_t inlined_count, annotation_count, linked_count;
	bool shared;	   /* it is unknown which of the first annotations the row is about */
	bool tiny_unknown; /* the row may also have tiny objects, of which the number is unknown */
	/* of a shared row: the texts of all possible annotations; of a store: what audit_row_words() said there; else NULL */
	const char *words;
	const char *reason; /* why it is unannotated, contradicted, not covered or unplaced; else NULL */
	/* VALUE_COUNT of them, VALUE_UNMEASURED if the profile does not measure it. Rows without an allocation, of which there may
	 * be millions, share theirs. */
	int64_t *values;
	/* 95 % intervals. Equal to the values if rows are exact; VALUE_UNMEASURED if unknown, because nothing was
	 * sampled or the number of samples is unknown. */
	int64_t objects_low, objects_high, bytes_low, bytes_high;
};

/* Returns what the compiler said about a row, in its own words, or why it said nothing; never "". */
const char *audit_row_words(const struct audit_row *row);

/* The number of places in the source that annotations, in the order of the source, are about if all have the same words; else 0. */
size_t audit_places_alike(const struct escape_annotation *const *annotations, size_t count);

/* Whether it is an allocation for no line of the owner module. Of unplaced ones nobody knows that. */
static inline bool audit_row_is_outside(const struct audit_row *row)
{
	return audit_verdict_allocates(row->verdict) && row->verdict != AUDIT_UNPLACED && !row->owner;
}

/* The verdict with which readers count it: its own, or AUDIT_OUTSIDE. */
static inline int audit_row_counts_as(const struct audit_row *row)
{
	return audit_row_is_outside(row) ? AUDIT_OUTSIDE : (int)row->verdict;
}

/* The sum of several rows. */
struct audit_sum {
	uint64_t rows;
	int64_t values[VALUE_COUNT]; /* VALUE_UNMEASURED if the profile does not measure it */
};

struct audit {
	const struct profile *profile;
	const struct escape_output *output;
	struct audit_row *rows; /* sorted by verdict, then by `sort`, bytes, objects, refills, file, line, column */
	size_t row_count;
	int sort;				    /* enum profile_value or AUDIT_BY_SITE */
	uint64_t verdicts[AUDIT_VERDICT_COUNT];	    /* number of rows of each, before any filter */
	uint64_t over_top[AUDIT_VERDICT_COUNT + 1]; /* rows that passed the filter, and that its `top` left out */
	int64_t totals[VALUE_COUNT];		    /* of all rows, before any filter */
	uint64_t unmeasured[VALUE_COUNT]; /* rows that are not in `totals`, because it was not measured in them */
	/* 100 % for shares: the same or, if totals are exact, what the runtime counted, if that is more */
	int64_t whole[VALUE_COUNT];
	struct audit_sum sums[AUDIT_VERDICT_COUNT + 1]; /* by verdict, then AUDIT_OUTSIDE; before any filter */
	/* whether the row with the most bytes is known to within a factor of two (precision.h), before any filter */
	bool tells;
	bool stale; /* the compiler output is of another build: a warning says why */
	const char **warnings;
	size_t warning_count;
	struct audit_storage *storage; /* private */
};

#endif
