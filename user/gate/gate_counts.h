/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_COUNTS_H
#define ESCAPEMENT_GATE_COUNTS_H

/*
 * Allocation counts by site: what a baseline stores and what a measurement of a program gives.
 *
 * A site is identified by its owner's function (profile/owner.h; the loop bodies F-range1 of F are F), the function
 * that allocated for it, the runtime call, the type and the benchmark, never by its line: moving code is not a
 * regression. Sites that share a key are summed; the compiler's
 * annotation tells two of them apart only if both sides know it.
 *
 * Built by one thread, read by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/*
 * A count over several runs of one program. least == most where they agree; both VALUE_UNMEASURED where it was not
 * measured, or (costs only) differed. An estimate's are the bounds of its interval. Of a site whose counts vary by
 * chance (gate_noise.h), `most` and `least - below` bound what another run may count; 0 <= below <= least.
 */
struct gate_count {
	int64_t least, most, below;
};

struct gate_site {
	/* what it is known by */
	const char *function;	  /* the owner's; NULL where the stack could not be read or symbolized */
	const char *via;	  /* the function that allocated for it; NULL where the owner did */
	const char *runtime_call; /* NULL if unknown */
	const char *type;	  /* NULL if unknown */
	const char *benchmark;	  /* the Go benchmark it ran under, "BenchmarkParse"; NULL outside of any */
	const char *annotation;	  /* what the compiler said, "moved to heap: x"; NULL if unknown */
	/* where it is */
	const char *file;      /* NULL if unknown; relative where it is below the working directory */
	uint32_t line, column; /* 0 if unknown: a baseline holds neither */
	uint32_t places;       /* positions that are summed here */
	bool is_sum;	    /* only in a comparison: of all its side's sites of that key, whatever their annotations */
	const char *reason; /* why the compiler moved it to the heap (static gates: its words); NULL if unknown */
	const char *accepted; /* a baseline's: why somebody accepted these counts; NULL */
	struct gate_count counts[VALUE_COUNT];
	struct gate_count seen[2]; /* objects and bytes of the runs, before gate_noise_widen(); of measurements only */
};

/* A baseline, or what was measured to be compared with one. Owns all that it points to. */
struct gate_counts {
	const char *const *command; /* of the program measured; NULL-terminated */
	const char *runtime;	    /* "goalloc 1", "go1.24.4"; NULL if unknown */
	int64_t rate;
	const char *normalize; /* what iterations are counted by; NULL where counts are of a whole run */
	double iterations;     /* of the run with the fewest; 1 where `normalize` is NULL */
	int runs;
	struct gate_site *sites; /* in order of function, runtime call, type, benchmark, annotation */
	size_t site_count;
	const char *module, *package;	   /* of the Go program; NULL if unknown, or where there are several */
	struct gate_benchmark *benchmarks; /* what `go test -bench -benchmem` printed, by name */
	size_t benchmark_count;
	int64_t totals[VALUE_COUNT]; /* objects and bytes: sums over the sites' least; costs: of the runs */
	/* Of the whole runs: refills and growth, the least and the most; unmeasured in baselines. */
	struct gate_count costs[VALUE_COUNT];
	/* Not judged and not in totals, the least of the runs: what has no owner; the library's bookkeeping. */
	int64_t outside[VALUE_COUNT], bookkeeping[VALUE_COUNT];
	struct profile_loss loss;     /* of all runs */
	struct gate_storage *storage; /* private to gate_counts.c */
};

/* One line of `go test -bench -benchmem`: whole numbers, the least of the runs. */
struct gate_benchmark {
	const char *name; /* "BenchmarkParse/small", without the number of processors behind it */
	int64_t allocs, bytes;
};

struct gate_counts *gate_counts_new(void);
void gate_counts_free(struct gate_counts *counts); /* NULL is allowed */
/* Copies a text into the counts' memory; NULL gives NULL. Equal texts are one pointer. */
const char *gate_counts_string(struct gate_counts *counts, const char *text);
void gate_counts_command(struct gate_counts *counts, const char *const *command);

/* Makes room for one more site and returns it, zeroed, with costs unmeasured. Pointers to others do not survive. */
struct gate_site *gate_counts_append(struct gate_counts *counts);
void gate_counts_sort(struct gate_counts *counts);
void gate_counts_add_up(struct gate_counts *counts); /* totals of objects and bytes from the sites */

/* Notes what a run printed of a benchmark; the least of several runs stays. */
void gate_counts_benchmark(struct gate_counts *counts, const char *name, int64_t allocs, int64_t bytes);
const struct gate_benchmark *gate_counts_benchmark_find(const struct gate_counts *counts, const char *name);

/* Orders by key; 0: the same site. With `annotation` false that is left out. */
int gate_site_compare(const struct gate_site *a, const struct gate_site *b, bool annotation);
/* Whether a glob is that of the site's function, "main.*", or package, or names its "FILE:LINE". */
bool gate_site_matches(const struct gate_site *site, const char *glob);
static inline bool gate_count_steady(const struct gate_count *count)
{
	return count->least == count->most;
}

/* A site's value per iteration, the least of all runs. `site` NULL counts as 0; VALUE_UNMEASURED if not measured. */
double gate_value(const struct gate_counts *side, const struct gate_site *site, enum profile_value value);

/* The same, the most of all runs; `site` must be NULL or measured. */
double gate_value_most(const struct gate_counts *side, const struct gate_site *site, enum profile_value value);
/* Whether objects or bytes differ between the runs; false for NULL. */
bool gate_site_noisy(const struct gate_site *site);

#endif
