/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_INTERVAL_H
#define ESCAPEMENT_INTERVAL_H

/*
 * 95 % intervals of sums of estimates. A row is a sum of samples; struct interval is what has to be summed with them.
 * What else the recording knows (estimates.h: exact totals by size class) narrows the interval, and says how much of it
 * no sample has hit. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/estimates.h"
#include "profile/profile.h"

/* The samples of a row that are of one size class. */
struct interval_part {
	int size_class; /* -1: unknown */
	double events, objects, bytes;
	double variance, byte_variance; /* of the estimates `objects` and `bytes` */
};

/* All zero: nothing yet. */
struct interval {
	struct interval_part *parts;
	size_t part_count;
	double exact, exact_bytes; /* counted, not estimated: at rate 1, or by the runtime */
	bool varies;		   /* its calls can allocate objects of size classes that none of its samples has */
};

struct interval_bounds {
	int64_t objects_low, objects_high;
	int64_t bytes_low, bytes_high;
};

/* Adds `events` samples that stand for that many objects, of unknown size. */
void interval_add(struct interval *sum, int64_t events, int64_t objects);
/* Adds a sample of the profile that `estimates` is of. */
void interval_add_sample(struct interval *sum, const struct estimates *estimates, const struct profile_sample *sample);
void interval_join(struct interval *sum, const struct interval *part);
/* Gives the memory back; the interval is empty then. */
void interval_clear(struct interval *interval);

/* Samples behind the estimate. */
double interval_events(const struct interval *interval);

/* `estimates` may be NULL: then nothing is known but the samples. Where nothing is estimated low = high. */
struct interval_bounds interval_bounds(const struct interval *interval, const struct estimates *estimates);

/*
 * Tiny objects of a Go program are in no row of a site. Where all of them together are few beside the row, the upper ends
 * are raised by them. Returns false where they are not: then nobody knows how many the row has besides.
 */
bool interval_allow_tiny(struct interval_bounds *bounds, const struct estimates *estimates);

#endif
