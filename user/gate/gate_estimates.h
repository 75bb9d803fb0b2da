/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_ESTIMATES_H
#define ESCAPEMENT_GATE_ESTIMATES_H

/*
 * Differences of estimates. Two recordings of one program that take samples differ in every row, by chance. A difference
 * is a change only if its interval does not contain 0, and the intervals are so wide that a comparison in which nothing
 * changed shows a change in one of 20 cases, over all its rows together.
 */

#include <stdbool.h>

#include "gate/gate.h"

/* How wide the intervals of a comparison are, by the number of its rows. */
struct gate_certainty {
	double widening; /* of 95 % intervals */
	double unseen;	 /* samples that a site without a sample may have had */
};

struct gate_certainty gate_certainty_of(size_t rows);

/* 1 if the row surely has more of a value than before, by more than the policy allows; -1 if it surely has less; else 0. */
int gate_estimates_differ(const struct gate *gate, const struct gate_row *row, enum profile_value value);
/* Whether both sides have the row, and the same estimate of a value: of objects that are nearly always sampled, say. */
bool gate_estimates_equal(const struct gate *gate, const struct gate_row *row, enum profile_value value);

#endif
