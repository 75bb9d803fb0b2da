/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BINOMIAL_H
#define ESCAPEMENT_BINOMIAL_H

/*
 * 95 % intervals of what a binomial count stands for. They take an estimate and its variance, from which follows how many
 * events of equal weight would say as much: w = 1 + variance / estimate, k = estimate / w. Pure functions; thread-safe.
 */

struct ends {
	double low, high;
};

/* Of n objects, each of which is seen with the same probability: the ends of n. `least` is the number of those that were
 * seen. Estimate and variance are greater than 0. */
struct ends binomial_count_ends(double estimate, double variance, double least);

/* Of a known total, of which the estimate is a share: the ends of the estimate. */
struct ends binomial_share_ends(double estimate, double variance, double total);

/* Returns the 97.5 % quantile of Student's distribution with this many degrees of freedom (1 at least) over that of the
 * normal one. */
double student_factor(double freedom);

#endif
