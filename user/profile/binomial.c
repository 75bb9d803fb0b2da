/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For many events, the score interval is used, which solves (k - n p)^2 = z^2 n p (1 - p) for n, after k has been
 * corrected for the binomial's skewness (the second term of Cornish and Fisher). For few events, the interval ends at
 * those n for which k is in the tail of 2.5 % of the binomial distribution, with half of the probability of k itself
 * (the mid-P interval, because exact intervals are too wide on average). A row is printed only if at least one event
 * was seen, so the distribution is the one given k >= 1. Without that condition, whatever is so rare that it is seldom
 * seen would be estimated too high whenever it is seen. A single event is never too low a count, so then the upper tail
 * has all 5 %.
 */
#include "profile/binomial.h"

#include <math.h>

enum {
	SCORE_FROM = 64, /* events; below this, the binomial's terms are added up */
};

static const double z = 1.959963984540054;  /* 97.5 % quantile of the normal distribution */
static const double count_precision = 0.01; /* objects */

/* P(K > k) + P(K = k) / 2 for K ~ Binomial(n, p), given K >= 1. Rises with n. `n` need not be whole. */
static double upper_tail(int k, double n, double p)
{
	double log_none = n * log1p(-p);
	double term = exp(log_none), below = 0;

	for (int i = 0; i < k; i++) {
		below += term;
		term *= i < n ? (n - i) / (i + 1) * p / (1 - p) : 0;
	}
	return (1 - below - term / 2) / -expm1(log_none);
}

/* The same for a number of events that need not be whole, as a function of p. */
static double tail_of_share(double k, double n, double p)
{
	double whole = floor(k);
	double part = k - whole;
	double tail = upper_tail((int)whole, n, p);

	return part > 0 ? (1 - part) * tail + part * upper_tail((int)whole + 1, n, p) : tail;
}

/* The same as a function of n. */
static double tail_of_count(double k, double p, double n)
{
	return tail_of_share(k, n, p);
}

/* Finds where the tail has the probability `wanted`, between `low` and `high`; within `precision`, and a thousandth of it of the
 * value. */
static double solve(double (*tail)(double k, double fixed, double at), double k, double fixed, double wanted,
		    double low, double high, double precision)
{
	for (int i = 0; i < 60 && high - low > precision * (1 + low / 1000); i++) {
		double middle = (low + high) / 2;

		if (tail(k, fixed, middle) < wanted)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

/* The probability with which the upper end may be exceeded: all 5 % if the lower end cannot be undercut. */
static double upper_miss(double k)
{
	return k >= 2 ? 0.025 : 0.05 - 0.025 * fmax(0, k - 1);
}

struct ends binomial_count_ends(double estimate, double variance, double least)
{
	double weight = 1 + variance / estimate, p = 1 / weight;
	double k = estimate / weight, spread;

	if (k < SCORE_FROM) {
		/* There are at least as many objects as events; and 6 and 3 k events are beyond any tail. */
		k = fmax(k, 1);
		return (struct ends){
			solve(tail_of_count, k, p, 0.025, fmin(least, estimate), estimate, count_precision),
			solve(tail_of_count, k, p, 1 - upper_miss(k), estimate, (6 + 3 * k) * weight, count_precision)};
	}
	k -= (z * z - 1) * (1 - 2 * p) / 6;
	spread = z * sqrt((1 - p) * (k + z * z * (1 - p) / 4));
	return (struct ends){(k + z * z * (1 - p) / 2 - spread) * weight, (k + z * z * (1 - p) / 2 + spread) * weight};
}

/* The interval of the share that has k of n events. If too many terms would have to be added up, the complement has
 * fewer. */
static struct ends share_ends(double k, double n, double miss_above)
{
	const double f = k / n;
	double center, spread, skew;
	struct ends others;

	if (k < SCORE_FROM) {
		k = fmax(k, 1);
		n = fmax(n, k);
		return (struct ends){solve(tail_of_share, k, n, 0.025, 0, k / n, 0),
				     solve(tail_of_share, k, n, 1 - miss_above, k / n, 1, 0)};
	}
	if (n - k >= SCORE_FROM) {
		skew = (z * z - 1) * (1 - 2 * f) / 6;
		center = (f - skew / n + z * z / (2 * n)) / (1 + z * z / n);
		spread = z * sqrt(f * (1 - f) / n + z * z / (4 * n * n)) / (1 + z * z / n);
		return (struct ends){center - spread, center + spread};
	}
	if (n - k < 1)
		return (struct ends){exp(log(0.025) / n), 1};
	others = share_ends(n - k, n, 0.025);
	return (struct ends){1 - others.high, 1 - others.low};
}

struct ends binomial_share_ends(double estimate, double variance, double total)
{
	double k = estimate * estimate / variance, n = k * total / estimate;
	struct ends ends = share_ends(k, n, upper_miss(k));

	return (struct ends){ends.low * total, ends.high * total};
}

/* The approximation of Cornish and Fisher. */
double student_factor(double freedom)
{
	const double q = z * z;

	return 1 + (q + 1) / (4 * freedom) + ((5 * q + 16) * q + 3) / (96 * freedom * freedom) +
	       (((3 * q + 19) * q + 17) * q - 15) / (384 * freedom * freedom * freedom);
}
