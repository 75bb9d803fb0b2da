/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interval of a difference is made of the intervals of both estimates (MOVER): from
 *
 *     d - sqrt((a - a_low)^2 + (b_high - b)^2)    to    d + sqrt((a_high - a)^2 + (b - b_low)^2),    d = a - b
 *
 * For m rows of two values each interval holds with 1 - 0.05 / 2m (Bonferroni). Intervals of 95 % are widened by the ratio of
 * the normal distribution's quantiles. A site that one side has no sample of may have had -ln(0.05 / 4m) of the weight that
 * samples have on the other side.
 */
#include "gate/gate_estimates.h"

#include <math.h>

static const double z95 = 1.959963984540054, alarms = 0.05;

/* Returns the z beyond which, on both sides together, the normal distribution has that share. */
static double quantile(double share)
{
	double low = 0, high = 40;

	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		if (erfc(middle / M_SQRT2) > share)
			low = middle;
		else
			high = middle;
	}
	return high;
}

struct gate_certainty gate_certainty_of(size_t rows)
{
	double share = alarms / (2 * (double)(rows ? rows : 1));

	return (struct gate_certainty){.widening = quantile(share) / z95, .unseen = -log(share / 2)};
}

struct estimate {
	double low, value, high;
};

/* Returns a site's estimate per iteration. `other` is the site of the other side: it shows how much a sample is
 * worth if this side has none. */
static struct estimate estimate_of(const struct gate *gate, const struct gate_counts *side,
				   const struct gate_site *site, const struct gate_counts *other_side,
				   const struct gate_site *other, enum profile_value value)
{
	const struct gate_count *count = site ? &site->counts[value] : NULL;
	struct estimate estimate = {0};

	if (count) {
		estimate.value = gate_value(side, site, value);
		estimate.low = (double)count->least / side->iterations;
		estimate.high = (double)count->most / side->iterations;
	} else if (other && other->events > 0 && side->rate != 1) {
		estimate.high = gate->certainty_unseen / gate->certainty_widening *
				gate_value(other_side, other, value) / other->events * other_side->iterations /
				side->iterations;
	}
	return estimate;
}

bool gate_estimates_equal(const struct gate *gate, const struct gate_row *row, enum profile_value value)
{
	struct estimate before = estimate_of(gate, gate->before, row->before, gate->after, row->after, value);
	struct estimate after = estimate_of(gate, gate->after, row->after, gate->before, row->before, value);

	return row->before && row->after && fabs(after.value - before.value) <= 1e-9 * (before.value + after.value);
}

int gate_estimates_differ(const struct gate *gate, const struct gate_row *row, enum profile_value value)
{
	struct estimate before = estimate_of(gate, gate->before, row->before, gate->after, row->after, value);
	struct estimate after = estimate_of(gate, gate->after, row->after, gate->before, row->before, value);
	double difference = after.value - before.value;
	double below = gate->certainty_widening * hypot(after.value - after.low, before.high - before.value);
	double above = gate->certainty_widening * hypot(after.high - after.value, before.value - before.low);

	if (difference - below > row->allowed[value] + 1e-9 * (before.value + after.value))
		return 1;
	return difference + above < -1e-9 * (before.value + after.value) ? -1 : 0;
}
