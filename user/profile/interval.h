/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_INTERVAL_H
#define ESCAPEMENT_INTERVAL_H

/*
 * 95 % intervals of sums of estimates. A row is a sum of samples; struct interval collects what has to be summed with
 * them. Exact totals by size class (estimates.h) narrow the interval, and show how much of it no sample has hit. Not
 * thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/estimates.h"
#include "profile/profile.h"

/* The samples of a row in one size class. */
struct interval_part {
	int size_class; /* -1: unknown */
	double events, objects, bytes;
	double variance, byte_variance; /* variance of `objects` and `bytes` */
	/* What was counted, in a recording that sampled for the rest of the time. */
	double counted, counted_bytes;
	/* Of a process that was recorded in bursts: the objects by group of bursts, BURST_GROUPS of them. NULL: it was not. The
	 * variance follows from these. */
	double *groups;
};

/* All zero: empty. */
struct interval {
	struct interval_part *parts;
	size_t part_count;
	double exact, exact_bytes; /* counted exactly: at rate 1, or by the runtime */
	/* Of rows whose ends were read with them. */
	double told_events, told, told_bytes;
	struct profile_ends told_ends;
	/* Samples of the row of tiny objects: of objects that open a block, and of all those that share one. */
	double tiny_events, tiny_objects, tiny_bytes;
	bool varies;	 /* its calls may allocate objects of size classes without a sample */
	bool maybe_tiny; /* of a sample's type there may be tiny objects of a Go program */
};

struct interval_bounds {
	int64_t objects_low, objects_high;
	int64_t bytes_low, bytes_high;
};

/* Adds `events` samples that stand for this many objects of unknown size. */
void interval_add(struct interval *sum, int64_t events, int64_t objects);
/* Adds a sample of the profile of `estimates`. */
void interval_add_sample(struct interval *sum, const struct estimates *estimates, const struct profile_sample *sample);
void interval_join(struct interval *sum, const struct interval *part);
/* Frees the memory; the interval is empty afterwards. */
void interval_clear(struct interval *interval);

/* Returns the number of samples behind the estimate. */
double interval_events(const struct interval *interval);
/* Returns whether anything was sampled or counted: without, there is no number to give bounds of. */
bool interval_is_known(const struct interval *interval);

/* Returns whether the objects are known and their bytes are not: the runtime counts no bytes of tiny objects that share
 * blocks, which are known from samples of blocks. A store has objects without bytes of such rows alone. */
bool interval_has_no_bytes(const struct interval *interval);

/* Computes the interval. `estimates` may be NULL: then only the samples are known. If nothing is estimated, low = high;
 * the high ends are VALUE_UNMEASURED if the recording's rows are lower bounds. */
struct interval_bounds interval_bounds(const struct interval *interval, const struct estimates *estimates);

/*
 * Tiny objects of a Go program are in no row of a site. If all of them together are few compared to the row, adds them to
 * the upper ends. Returns false if they are not few: then it is unknown how many of them belong to the row. The samples of
 * a row do not say that it has none, because tiny objects have no sample of their own: another call of the same line or
 * function may allocate them. Only a row of one type has none if `maybe_tiny` is false.
 */
bool interval_allow_tiny(struct interval_bounds *bounds, const struct estimates *estimates);

#endif
