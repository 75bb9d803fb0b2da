/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_H
#define ESCAPEMENT_GATE_H

/*
 * The gate: allocation counts by site, before and after, and whether what got worse is within the policy.
 *
 * A site is known by its function, the runtime function that it calls and the type it makes (and the benchmark it
 * runs under), never by its line: moving code is no regression. Sites that share a key are summed; what the compiler
 * said about them tells two of them apart only where both sides know it.
 *
 * Nothing here reads a clock, a file or a process. Built by one thread, read by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit.h"
#include "escape/escape_select.h"
#include "gate/policy.h"
#include "profile/profile.h"

/* A count over several runs of one program. least == most where they agree; both VALUE_UNMEASURED where it was not
 * measured, or (costs only) differed. An estimate's are the bounds of its interval. */
struct gate_count {
	int64_t least, most;
};

struct gate_site {
	/* what it is known by */
	const char *function;	  /* NULL where the stack could not be read or symbolized */
	const char *runtime_call; /* NULL where not known */
	const char *type;	  /* NULL where not known */
	const char *benchmark;	  /* the Go benchmark it ran under, "BenchmarkParse"; NULL outside of any */
	const char *annotation;	  /* what the compiler said, "moved to heap: x"; NULL where not known */
	/* where it is */
	const char *file;      /* NULL where not known; relative where it is below the working directory */
	uint32_t line, column; /* 0 where not known: a baseline holds neither */
	uint32_t places;       /* positions that are summed here */
	bool is_sum;	    /* only in a comparison: of all its side's sites of that key, whatever their annotations */
	const char *reason; /* why the compiler moved it to the heap (static gates: its words); NULL where not known */
	const char *accepted; /* a baseline's: why somebody accepted these counts; NULL */
	struct gate_count counts[VALUE_COUNT];
};

/* A baseline, or what was measured to be compared with one. Owns all that it points to. */
struct gate_counts {
	const char *const *command; /* of the program measured; NULL-terminated */
	const char *runtime;	    /* "goalloc 1", "go1.24.4"; NULL where not known */
	int64_t rate;
	const char *normalize; /* what iterations are counted by; NULL where counts are of a whole run */
	double iterations;     /* of the run with the fewest; 1 where `normalize` is NULL */
	int runs;
	struct gate_site *sites; /* in order of function, runtime call, type, benchmark, annotation */
	size_t site_count;
	int64_t totals[VALUE_COUNT]; /* objects and bytes: sums over the sites' least; costs: of the runs */
	int64_t background
		[VALUE_COUNT];	      /* the least that a run's runtime allocated on its own account; not in totals */
	struct profile_loss loss;     /* of all runs */
	struct gate_storage *storage; /* private to gate_counts.c */
};

struct gate_counts *gate_counts_new(void);
void gate_counts_free(struct gate_counts *counts); /* NULL is allowed */
/* Copies a text into the counts' memory; NULL gives NULL. Equal texts are one pointer. */
const char *gate_counts_string(struct gate_counts *counts, const char *text);
void gate_counts_command(struct gate_counts *counts, const char *const *command);

/*
 * What the compiler moves to the heap, as counts for a static gate: a site is a function (a file where `by_function` is
 * false) and what escapes there, its `type`; objects are how often the compiler says so. Bytes are unmeasured.
 */
struct gate_counts *gate_counts_of_escapes(const struct escape_output *output, const struct escape_filter *filter,
					   bool by_function);

/* Makes room for one more site and returns it, zeroed, with costs unmeasured. Pointers to others do not survive. */
struct gate_site *gate_counts_append(struct gate_counts *counts);
void gate_counts_sort(struct gate_counts *counts);
void gate_counts_add_up(struct gate_counts *counts); /* totals of objects and bytes from the sites */

/* Counts in the making, from the profiles of one or more runs of a program. */
struct gate_measurement;
struct gate_measurement *gate_measurement_new(void);
void gate_measurement_free(struct gate_measurement *measurement); /* NULL is allowed */
/* Adds one run. `escape` is the compiler's output, or NULL. */
void gate_measurement_add(struct gate_measurement *measurement, const struct profile *profile,
			  const struct escape_output *escape, const struct audit_options *options);
/*
 * After the last run: the counts, which are the caller's; the measurement is gone in either case. `normalize` is a
 * site or an expression (gate_normalize.h), or NULL. Fails where no site matches or the expression is none.
 */
struct gate_counts *gate_measurement_finish(struct gate_measurement *measurement, const char *normalize,
					    struct error *error);

/* Orders by key; 0: the same site. With `annotation` false that is left out. */
int gate_site_compare(const struct gate_site *a, const struct gate_site *b, bool annotation);
/* Whether a glob is that of the site's function, "main.*", or package, or names its "FILE:LINE". */
bool gate_site_matches(const struct gate_site *site, const char *glob);
static inline bool gate_count_steady(const struct gate_count *count)
{
	return count->least == count->most;
}

enum gate_change {
	GATE_WORSE,	/* more objects or bytes than the policy allows */
	GATE_NEW,	/* the same, of a site that was not there */
	GATE_NOISY,	/* runs differ, and so the comparison says nothing, or the policy minds */
	GATE_TOLERATED, /* more, and within the tolerance */
	GATE_MOVED,	/* an old site under a new name, or in a new file, with the same counts */
	GATE_BETTER,
	GATE_GONE,
	GATE_SAME,
	GATE_CHANGE_COUNT,
};
extern const char *const gate_change_names[GATE_CHANGE_COUNT + 1]; /* "worse", "new", …; NULL-terminated */

struct gate_row {
	enum gate_change change;
	bool fails;				/* this row fails the gate */
	const struct gate_site *before, *after; /* NULL where there was, or is, none */
	const char *how;			/* moved: "renamed", "moved", "split", "merged"; NULL for others */
	double allowed[VALUE_COUNT]; /* growth that the policy allows, of objects and bytes, in an iteration */
};

struct gate {
	const struct gate_counts *before, *after;
	struct gate_row *rows; /* by change, then growth in bytes and objects, then site */
	size_t row_count;
	size_t changes[GATE_CHANGE_COUNT];
	size_t failing;
	bool failed;
	struct profile_loss loss; /* of both sides: either makes the comparison one of lower bounds */
	/* Both sides' sums over the rows: those of moved sites cancel out. */
	double totals_before[VALUE_COUNT], totals_after[VALUE_COUNT]; /* per iteration; VALUE_UNMEASURED */
	/* private */
	struct gate_site *merged;
	size_t merged_count;
	char **notes; /* annotations of merged sites */
	size_t note_count;
};

/* Compares. Both sides must outlive the result. */
struct gate *gate_compare(const struct gate_counts *before, const struct gate_counts *after,
			  const struct policy *policy); /* never NULL */
void gate_free(struct gate *gate);			/* NULL is allowed */

/* A value of a site in an iteration, least of the runs; 0 for no site, VALUE_UNMEASURED where not measured. */
double gate_value(const struct gate_counts *side, const struct gate_site *site, enum profile_value value);

/* Status that a gate exits with: 1 where it failed, else 4 where something was lost, else 0. */
enum exit_status gate_status(const struct gate *gate);

/*
 * Proves that the gate can fail: puts one more object than the policy allows at one site of what was measured, the
 * strictest judged and steady one, and sees whether the gate fails there. 0 where it does; else an error that says why not.
 * `description` tells what was done; at least 512 bytes.
 */
int gate_self_test(const struct gate_counts *before, const struct gate_counts *after, const struct policy *policy,
		   char *description, size_t size, struct error *error);

#endif
