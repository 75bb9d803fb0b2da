/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_INTERVAL_H
#define ESCAPEMENT_INTERVAL_H

/*
 * What has to be summed with the samples of a row, for the 95 % interval of its estimate (interval_bounds.h). Not
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

/* Adds `events` samples that stand for this many objects of unknown size. */
void interval_add(struct interval *sum, int64_t events, int64_t objects);
/* Adds a sample of the profile of `estimates`. */
void interval_add_sample(struct interval *sum, const struct estimates *estimates, const struct profile_sample *sample);
void interval_join(struct interval *sum, const struct interval *part);
/* Adds the interval's tiny objects to it as a part of their own. Those that share a block were counted, for all processes
 * together, so only the number of blocks is an estimate. If no block was sampled, the row was seen by that count alone. */
void interval_add_tiny(struct interval *interval, const struct estimates *estimates);
/* Frees the memory; the interval is empty afterwards. */
void interval_clear(struct interval *interval);

/* Returns the number of samples behind the estimate. */
double interval_events(const struct interval *interval);
/* Returns whether anything was sampled or counted: without, there is no number to give bounds of. */
bool interval_is_known(const struct interval *interval);

/* Returns whether the objects are known and their bytes are not: the runtime counts no bytes of tiny objects that share
 * blocks, which are known from samples of blocks. A store has objects without bytes of such rows alone. */
bool interval_has_no_bytes(const struct interval *interval);

#endif
