/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESTIMATES_H
#define ESCAPEMENT_ESTIMATES_H

/*
 * A sampled recording as a whole: what its samples add up to in each size class, beside what the runtime counted there.
 *
 * Sampling by bytes is Bernoulli thinning with one probability for each size, so given the number K of samples in a size
 * class, they are a uniform choice of K of its N objects. N is exact. The estimate of a site is therefore its share of the
 * samples times N: unbiased whenever the class was sampled at all, and the sites of a class never exceed it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* The tiny objects of a Go program: which site allocated how many is not to be known (frames.c's place of them). */
extern const char estimates_tiny_site[];

/* Sums over all samples of a size class that are estimates. */
struct estimates_class {
	double events;	       /* samples */
	double estimated;      /* objects that they stand for */
	double objects, bytes; /* what was allocated: exact where the recording has totals, else as estimated */
	double chance;	       /* that an object is sampled */
	double unseen;	       /* share of the objects that are of sites of which no sample in this class came */
};

struct estimates {
	const struct profile *profile;
	bool has_totals; /* `objects` and `bytes` of the classes are exact */
	struct estimates_class classes[SIZE_CLASSES];
	/* Tiny objects that share their blocks' samples (Go): beside the blocks' first ones, these many; they are in no row of
	 * a site. The number of blocks is at most that of the objects of 16 bytes. -1: tiny objects are sampled as any. */
	double tiny_shared, tiny_most;
};

/* Never NULL; refers to the profile. */
struct estimates *estimates_new(const struct profile *profile);
void estimates_free(struct estimates *estimates); /* NULL is allowed */

/* The size class of a sample; -1 where it is not known. */
int estimates_size_class(const struct profile_sample *sample);

/* Whether the process counts objects with and without pointers together: then those of a size class stand at the span
 * class with pointers, and the other is unmeasured (but that of tiny objects). */
bool estimates_folded(const struct profile_process *process);

/*
 * Scales the samples from `first` on whose keys have that rate so that each size class that was sampled adds up to what
 * the process allocated in it.
 */
void estimates_calibrate(struct profile *profile, size_t first, int64_t rate,
			 const int64_t totals[SPAN_CLASSES][VALUE_COUNT]);

#endif
