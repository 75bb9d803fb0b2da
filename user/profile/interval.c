/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 95 % intervals of the object counts behind estimates.
 *
 * Each object is seen with a probability p = 1 / w, its weight's inverse, independently of all others: k of n
 * objects are seen, k ~ Binomial(n, p), and n is estimated by k w. Rows add up samples of several weights;
 * such a sum is treated as k' events of one weight w', chosen so that the estimate and its variance stay what
 * they were:
 *
 *     variance of one sample    V  = k w (w - 1)
 *     weight of a sum           w' = 1 + sum V / sum k w
 *     events of a sum           k' = sum k w / w'
 *
 * Many events: the score interval, which solves (k - n p)^2 = z^2 n p (1 - p) for n, after k has been
 * corrected for the binomial's skewness (Cornish and Fisher's second term). Few events: the n at whose
 * distribution k lies in the tail of 2.5 %, by the binomial's own terms, with half of the probability of k
 * itself (the mid-P interval: exact ones are too wide on average). A row is printed only if at least one
 * event was seen, so the distribution is the one given k >= 1; without that, whatever is so rare that it is
 * seldom seen would be estimated too high whenever it is.
 */
#include "profile/interval.h"

#include <math.h>

#include "profile/size_class.h"

enum { SCORE_FROM = 64 /* events: below, the binomial's terms are added up */ };

static const double z = 1.959963984540054; /* of the normal distribution, 97.5 % */

void interval_add(struct interval *sum, int64_t events, int64_t objects)
{
	double k = (double)events, n = (double)objects;

	sum->events += k;
	sum->objects += n;
	/* More events than objects cannot be: weights are at least 1. */
	if (k > 0 && n > k)
		sum->variance += n * (n / k - 1);
}

/* Bytes that one event stands for, by the weight of its objects: w s(w), for w = 1 / (1 - exp(-s / rate)). */
static double bytes_of_event(double weight, double rate)
{
	return -rate * weight * log1p(-1 / weight);
}

/*
 * Large objects of all sizes share a sample, so their mean weight hides how much they vary. Their bytes tell:
 * per event they are a convex function of the weight, so they exceed the function of the mean where weights
 * differ. Of all distributions with this mean and these bytes the one of two weights, of which one is the
 * greatest that a large object can have, varies most; that one is taken: the
 * interval may be wider than it need be, but is never too narrow.
 */
static double mixed_variance(double k, double n, double bytes, double rate)
{
	const double greatest = -1 / expm1(-32768 / rate), mean = n / k;
	double low = 1 + 1e-12, high = mean, share = 0;

	if (mean >= greatest || bytes / k <= bytes_of_event(mean, rate))
		return 0;
	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		share = (mean - middle) / (greatest - middle);
		if (share * bytes_of_event(greatest, rate) + (1 - share) * bytes_of_event(middle, rate) > bytes / k)
			low = middle;
		else
			high = middle;
	}
	return k * (share * greatest * greatest + (1 - share) * high * high - mean);
}

void interval_add_sample(struct interval *sum, const struct profile *profile, const struct profile_sample *sample)
{
	const int64_t *values = sample->values;
	double k = (double)values[VALUE_SAMPLES], n = (double)values[VALUE_OBJECTS];
	int64_t rate = sample->key.rate ? sample->key.rate : profile->rate;
	double before = sum->variance, mixed;

	if (sample->key.rate == 1) {
		sum->exact += n;
		return;
	}
	interval_add(sum, values[VALUE_SAMPLES], values[VALUE_OBJECTS]);
	if (rate <= 1 || k < 2 || n <= k || sample->key.span_class < 0 ||
	    span_class_size_class(sample->key.span_class) != 0)
		return;
	mixed = mixed_variance(k, n, (double)values[VALUE_BYTES], (double)rate);
	sum->variance = fmax(sum->variance, before + mixed);
}

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

/* The tail at a number of events that need not be whole. */
static double upper_tail_between(double k, double n, double p)
{
	double whole = floor(k);
	double part = k - whole;
	double tail = upper_tail((int)whole, n, p);

	return part > 0 ? (1 - part) * tail + part * upper_tail((int)whole + 1, n, p) : tail;
}

/* The n at which the tail has the probability `wanted`; `n` is somewhere between `low` and `high`. */
static double solve(double k, double p, double wanted, double low, double high)
{
	for (int i = 0; i < 100 && high - low > 0.01 * (1 + low / 1000); i++) {
		double middle = (low + high) / 2;

		if (upper_tail_between(k, middle, p) < wanted)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

void interval_bounds(const struct interval *sum, int64_t *low, int64_t *high)
{
	double weight, p, k, from, to;

	*low = *high = count_from(sum->exact + sum->objects);
	if (sum->variance <= 0 || sum->objects <= 0)
		return;
	weight = 1 + sum->variance / sum->objects;
	p = 1 / weight;
	k = sum->objects / weight;
	if (k >= SCORE_FROM) {
		double spread;

		k -= (z * z - 1) * (1 - 2 * p) / 6;
		spread = z * sqrt((1 - p) * (k + z * z * (1 - p) / 4));

		from = (k + z * z * (1 - p) / 2 - spread) * weight;
		to = (k + z * z * (1 - p) / 2 + spread) * weight;
	} else {
		/* Nobody has seen fewer objects than there are events; and 6 and 3 k events are beyond any
		 * tail. */
		k = fmax(k, 1);
		from = solve(k, p, 0.025, sum->events, sum->objects);
		to = solve(k, p, 0.975, sum->objects, (6 + 3 * k) * weight);
	}
	*low = count_from(sum->exact + fmin(floor(fmax(from, sum->events)), sum->objects));
	*high = count_from(sum->exact + fmax(ceil(to), sum->objects));
}
