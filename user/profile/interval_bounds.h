/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_INTERVAL_BOUNDS_H
#define ESCAPEMENT_INTERVAL_BOUNDS_H

/*
 * 95 % intervals of sums of estimates. Exact totals by size class (estimates.h) narrow them, and show how much of a row no
 * sample has hit. Thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "profile/estimates.h"
#include "profile/interval.h"

struct interval_bounds {
	int64_t objects_low, objects_high;
	int64_t bytes_low, bytes_high;
};

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
