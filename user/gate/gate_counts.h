/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_COUNTS_H
#define ESCAPEMENT_GATE_COUNTS_H

/*
 * Allocation counts by site: the contents of a baseline, and the result of measuring a program.
 *
 * A site is identified by its owner's function (profile/owner.h; the loop bodies F-range1 of F are F), the function
 * that allocated for it, the runtime call, the type and the benchmark, never by its line: moving code is not a
 * regression. Sites with the same key are summed. The compiler's annotation distinguishes two of them only if both
 * sides have annotations.
 *
 * Built by one thread, read by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/*
 * A count over several runs of one program. least == most if they agree. Both are VALUE_UNMEASURED if it was not
 * measured, or (costs only) no other run agreed. For an estimate they are the bounds of its interval. For a site whose counts vary
 * by chance (gate_noise.h), another run may count from `least - below` to `most`; 0 <= below <= least.
 */
struct gate_count {
	int64_t least, most, below;
	int64_t estimate; /* itself, if `least` and `most` bound its interval; 0: it was counted */
	bool unlimited;	  /* of a contract's limits: this value has none. `least` and `most` are VALUE_UNMEASURED */
};

struct gate_site {
	/* the key */
	const char *function;	       /* the owner's; NULL if the stack could not be read or symbolized */
	const char *via;	       /* the function that allocated for it; NULL if the owner did */
	const char *runtime_call;      /* NULL if unknown */
	const char *type;	       /* NULL if unknown */
	const char *benchmark;	       /* the Go benchmark that it ran in, "BenchmarkParse"; NULL outside of any */
	const char *benchmark_package; /* the import path of what that tests (gate_packages.h); NULL if unknown */
	const char *annotation;	       /* what the compiler said, "moved to heap: x"; NULL if unknown */
	/* the position */
	const char *file;      /* NULL if unknown; relative if it is below the working directory */
	uint32_t line, column; /* 0 if unknown: baselines have neither */
	uint32_t places;       /* number of positions that are summed here */
	/* only in a comparison: the sum of all sites with that key on its side, whatever their annotations */
	bool is_sum;
	bool is_limit;	     /* of a contract: its counts are what is allowed, and nobody counted them */
	bool below_contract; /* allocates below a function whose contract is broken, and is part of the contract's count */
	const char *reason;   /* why the compiler moved it to the heap, or what else it may be; NULL if unknown */
	const char *accepted; /* in a baseline: why these counts were accepted; else NULL */
	struct gate_count counts[VALUE_COUNT];
	double events;		   /* samples behind the estimates of objects and bytes */
	struct gate_count seen[2]; /* measurements only: objects and bytes of the runs, before gate_noise_widen() */
};

/* A glob that chooses what is judged. */
struct gate_module {
	const char *glob;
	bool matched; /* a package on a stack of a run */
};

/* A baseline, or a measurement to compare with one. Owns everything that it points to. */
struct gate_counts {
	const char *const *command; /* the measured program; NULL-terminated */
	const char *runtime;	    /* "goalloc 1", "go1.24.4"; NULL if unknown */
	int64_t rate;
	bool estimated;	       /* the counts are estimates, to be compared as such: gate_estimates.h */
	int64_t duration_ns;   /* of the recording; 0 if unknown */
	const char *normalize; /* site or expression that gives the iterations; NULL if counts are of a whole run */
	double iterations;     /* of the run with the fewest; 1 if `normalize` is NULL */
	int runs;
	bool without_intervals; /* how many samples are behind its estimates is not known; not stored in baselines */
	bool tiny_in_blocks;	/* a run is a heap profile of Go's runtime (profile.h); not stored in baselines */
	bool tests_ran;		/* of Go's package testing; not stored in baselines */
	struct gate_module *modules; /* the globs of --module (gate_modules.h); not stored in baselines */
	size_t module_count;
	struct gate_site *sites; /* sorted by function, via, runtime call, type, benchmark, annotation */
	size_t site_count;
	const char *module, *package;	   /* of the Go program; NULL if unknown, or if there are several */
	struct gate_benchmark *benchmarks; /* output of `go test -bench -benchmem`, sorted by name and package */
	size_t benchmark_count;
	const char *tested_package; /* of the benchmarks whose output is being read; NULL before the first */
	/* Of a sampled recording: its exact totals, which its rows do not add up to; 0: there are none. Not stored in baselines. */
	int64_t exact[VALUE_COUNT];
	int64_t totals[VALUE_COUNT]; /* objects and bytes: sums of the sites' `least`; costs: those of the runs */
	/* Of the whole runs: refills and growth, the least and the most; unmeasured in baselines. */
	struct gate_count costs[VALUE_COUNT];
	/* Not judged and not in the totals, the least of the runs: allocations without owner, and the library's
	 * bookkeeping. */
	int64_t outside[VALUE_COUNT], bookkeeping[VALUE_COUNT];
	struct profile_loss loss;     /* of all runs */
	struct gate_storage *storage; /* private to gate_counts.c */
};

/* One line of `go test -bench -benchmem`: integers, the least of the runs. */
struct gate_benchmark {
	const char *name;    /* "BenchmarkParse/small", without the suffix for the number of processors */
	const char *package; /* "example.com/codec"; NULL if unknown */
	int64_t allocs, bytes;
	int64_t iterations; /* of the run with the fewest; 0 if unknown: baselines do not have it */
};

struct gate_counts *gate_counts_new(void);
void gate_counts_free(struct gate_counts *counts); /* NULL is allowed */
/* Copies a text into the counts' memory; NULL gives NULL. Equal texts have the same pointer. */
const char *gate_counts_string(struct gate_counts *counts, const char *text);
void gate_counts_command(struct gate_counts *counts, const char *const *command);
/* Shortens the command to the program's name, and paths to names of files. */
void gate_counts_redact(struct gate_counts *counts);
/* Whether nothing at all was counted, not even what is not judged. */
static inline bool gate_counts_none(const struct gate_counts *counts)
{
	return !counts->site_count && !counts->outside[VALUE_OBJECTS] && !counts->bookkeeping[VALUE_OBJECTS];
}

/* Adds a site, zeroed, with costs unmeasured. Invalidates pointers to other sites. */
struct gate_site *gate_counts_append(struct gate_counts *counts);
/* Adds a copy of a site of another side, with its texts. */
struct gate_site *gate_counts_append_copy(struct gate_counts *counts, const struct gate_site *from);
void gate_counts_sort(struct gate_counts *counts);
void gate_counts_add_up(struct gate_counts *counts); /* computes the totals of objects and bytes from the sites */

/* Records what a run printed about a benchmark; the least of several runs is kept. */
void gate_counts_benchmark(struct gate_counts *counts, const struct gate_benchmark *printed);
/* Finds the benchmark with the name and package of another side's; NULL if there is none. */
const struct gate_benchmark *gate_counts_benchmark_find(const struct gate_counts *counts,
							const struct gate_benchmark *of);

/* Whether a benchmark as it is printed, "BenchmarkParse/small", is the one that sites have, "BenchmarkParse", or a
 * sub-benchmark of it. */
bool gate_benchmark_is_of(const char *printed, const char *benchmark);

/* The iterations of a site's benchmark, of its sub-benchmark with the fewest; 0 if unknown. */
int64_t gate_counts_iterations(const struct gate_counts *counts, const struct gate_site *site);

/* Compares by key; 0: the same site. Without `annotation`, annotations are ignored. */
int gate_site_compare(const struct gate_site *a, const struct gate_site *b, bool annotation);
/* Of the key, with the annotation: equal sites have equal hashes. */
uint64_t gate_site_hash(const struct gate_site *site);
/* The hash_same of a hash_index whose items are indices of sites, plus one (base/hash_index.h). */
bool gate_site_same(const void *sites, uint64_t item, const void *key);
/* Whether a glob matches the site's function, "main.*", or package, or names its "FILE:LINE". */
bool gate_site_matches(const struct gate_site *site, const char *glob);
static inline bool gate_count_steady(const struct gate_count *count)
{
	return count->least == count->most;
}

/* Whether its range begins at 0: there might have been none. */
static inline bool gate_count_may_be_none(const struct gate_count *count)
{
	return count->least - count->below <= 0;
}

/* Returns the number that stands for a count of a side: the estimate, or the least of all runs. */
static inline int64_t gate_count_value(const struct gate_counts *side, const struct gate_count *count)
{
	return side->estimated && count->estimate ? count->estimate : count->least;
}

/* Whether the counts are of samples: then a site that the side does not have may have allocated all the same. */
static inline bool gate_counts_sampled(const struct gate_counts *counts)
{
	return counts->estimated || counts->rate != 1;
}

/* Returns `outside` or `bookkeeping` for readers: what no sample hit is not known. */
static inline int64_t gate_unjudged(const struct gate_counts *side, const int64_t *values, enum profile_value value)
{
	return !values[value] && gate_counts_sampled(side) ? VALUE_UNMEASURED : values[value];
}

/* Returns a site's value per iteration: the least of all runs, or the estimate. A NULL `site` counts as 0;
 * VALUE_UNMEASURED if not measured. */
double gate_value(const struct gate_counts *side, const struct gate_site *site, enum profile_value value);

/* The same for readers: VALUE_UNMEASURED also of an estimate that no sample is behind, of which only the upper end is known,
 * and of a site that a side of samples does not have. */
double gate_value_shown(const struct gate_counts *side, const struct gate_site *site, enum profile_value value);

/* Adds that to a sum, which is VALUE_UNMEASURED until something of it is known; counts sites that are not in it. */
void gate_add_shown(const struct gate_counts *side, const struct gate_site *site, enum profile_value value, double *sum,
		    size_t *without);

/* The same, the most of all runs; `site` must be NULL or measured. */
double gate_value_most(const struct gate_counts *side, const struct gate_site *site, enum profile_value value);
/* The least that another run may count. */
double gate_value_low(const struct gate_counts *side, const struct gate_site *site, enum profile_value value);
/* Whether objects or bytes differ between the runs; false for NULL. */
bool gate_site_noisy(const struct gate_site *site);

#endif
