/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_INTERVAL_H
#define ESCAPEMENT_INTERVAL_H

#include <stdint.h>

#include "profile/profile.h"

/*
 * 95 % interval of the object count behind an estimate. Sampling is Bernoulli thinning with a probability that the
 * object's size decides; `events` were seen, `objects` is the unbiased estimate (sum of 1/p over the events).
 * Where the rows are exact, low = high = objects. Rows that are sums of several samples are summed with
 * interval_add() first: variances add.
 */
struct interval {
	double events, objects, variance; /* of what is estimated */
	double exact;			  /* objects that were all seen, while the recording was at rate 1 */
};
void interval_add(struct interval *sum, int64_t events, int64_t objects);
/* The same of a sample of `profile`; allows for large objects of different sizes, which share a sample. */
void interval_add_sample(struct interval *sum, const struct profile *profile, const struct profile_sample *sample);
void interval_bounds(const struct interval *sum, int64_t *low, int64_t *high);

#endif
