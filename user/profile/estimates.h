/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESTIMATES_H
#define ESCAPEMENT_ESTIMATES_H

/*
 * The estimates of a sampled recording by size class, and the runtime's own counts.
 *
 * Sampling by bytes is Bernoulli thinning with one probability for each size. Therefore, given the number K of samples
 * in a size class, the samples are a uniform choice of K of its N objects, and N is known exactly. The estimate for a
 * site is its share of the samples times N: unbiased whenever the class was sampled at all, and the sites of a class
 * never exceed it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* The name of the row for tiny objects of Go programs, whose split between sites cannot be known. */
extern const char estimates_tiny_site[];
/* Whether it is the stack of that row. */
bool estimates_is_tiny(const struct profile_stack *stack);

/* Sums over all estimated samples of a size class. */
struct estimates_class {
	double events;	       /* samples */
	double estimated;      /* objects that the samples stand for */
	double variance;       /* of `estimated` */
	double objects, bytes; /* allocated in total: exact if the recording has totals, else estimated */
	double chance;	       /* probability that an object is sampled */
	double unseen;	       /* share of objects that belong to sites without a sample in this class */
};

/* Sums over all processes that were recorded in bursts, of the time that is not one in which all was counted. Tiny objects
 * are of the size class of their blocks. */
struct estimates_bursts {
	bool present;
	int64_t count;					   /* the fewest bursts of any of them, but 0 */
	double objects[SIZE_CLASSES], bytes[SIZE_CLASSES]; /* allocated: exact */
	double groups[SIZE_CLASSES][BURST_GROUPS]; /* what each group of bursts has of the estimates of these objects */
};

struct estimates {
	const struct profile *profile;
	bool counted; /* each process has totals by size class */
	bool has_totals; /* and these lack nothing that its samples are of: `objects` and `bytes` of the classes are exact */
	struct estimates_class classes[SIZE_CLASSES];
	/* Go: tiny objects other than the first of each block. They share the block's sample and are in no row of a
	 * site. The number of blocks is at most that of the objects of 16 bytes. -1: tiny objects are sampled like all
	 * others. */
	double tiny_shared, tiny_most;
	double tiny_elsewhere; /* the objects of 16 bytes of processes that have no sample of any, which may be blocks */
	struct estimates_bursts bursts;
};

/* Returns the variance of a number of objects that is the product of this many samples and one weight. */
double estimates_variance(double samples, double objects);

/* Never returns NULL. The result refers to the profile. */
struct estimates *estimates_new(const struct profile *profile);
void estimates_free(struct estimates *estimates); /* NULL is allowed */

/* Returns the size class of a sample; -1 if unknown. */
int estimates_size_class(const struct profile_sample *sample);

/* Whether the process that a sample is from was recorded in bursts. */
bool estimates_in_bursts(const struct estimates *estimates, const struct profile_sample *sample);

/* Whether the process counts objects with and without pointers together. Then the span class with pointers has both,
 * and the other is unmeasured (except for tiny objects). */
bool estimates_folded(const struct profile_process *process);

/*
 * Scales the samples with this rate, and those of bursts, so that each size class that was sampled adds up to what the
 * process allocated in it. They must not have been merged with other samples of the profile: nothing else may be in their values.
 */
void estimates_calibrate(struct profile_sample *const *samples, size_t count, int64_t rate,
			 const struct profile_process *process);

#endif
