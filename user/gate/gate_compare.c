/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gate/gate_estimates.h"
#include "gate/gate_groups.h"
#include "gate/gate_moves.h"
#include "gate/gate_noise.h"
#include "gate/gate_packages.h"

/* --- judging one row --- */

struct verdict {
	bool more, clearly; /* more: than before and allowed; clearly: even than the most that was seen before */
	bool grown, shrunk; /* compared with before, by any amount */
	bool less;	    /* of a value, the most that was seen is less than the least of before */
	bool spread;	    /* the runs differ by more than the policy allows */
};

/* Whether the site allocates during set-up (less than once per iteration, and no more in total than before): such
 * counts are not scaled by the number of iterations. */
static bool is_setup(const struct gate *gate, const struct gate_row *row)
{
	if (!gate->after->normalize || !row->before || !row->after)
		return false;
	for (int i = 0; i < POLICY_VALUES; i++) {
		if (row->after->counts[policy_values[i]].least > row->before->counts[policy_values[i]].least)
			return false;
	}
	return gate_value(gate->before, row->before, VALUE_OBJECTS) < 1 &&
	       gate_value(gate->after, row->after, VALUE_OBJECTS) < 1;
}

static struct verdict weigh(const struct gate *gate, struct gate_row *row, const struct policy *policy)
{
	const char *function = row->after ? row->after->function : row->before->function;
	struct verdict verdict = {0};
	bool setup = is_setup(gate, row);

	for (int i = 0; i < POLICY_VALUES; i++) {
		enum profile_value value = policy_values[i];
		double before = gate_value(gate->before, row->before, value),
		       after = gate_value(gate->after, row->after, value);
		double before_most = gate_value_most(gate->before, row->before, value);
		double after_most = gate_value_most(gate->after, row->after, value);
		double slack = 1e-9 * (before + after); /* rounding of the divisions */

		if (before < 0 || after < 0) /* unmeasured */
			continue;
		row->allowed[value] = policy_allowed(policy, function, (enum policy_value)i, before);
		verdict.spread |= after_most - after > row->allowed[value] + slack;
		if (setup)
			continue;
		verdict.more |= after - before > row->allowed[value] + slack;
		verdict.clearly |= after - before_most > row->allowed[value] + slack;
		verdict.grown |= after - before > slack;
		verdict.shrunk |= before - after > slack;
		verdict.less |= gate_value_low(gate->before, row->before, value) - after_most > slack;
	}
	return verdict;
}

/* Ignores differences that chance explains. */
static void judge_estimates(const struct gate *gate, struct gate_row *row, const struct policy *policy)
{
	const char *function = row->after ? row->after->function : row->before->function;
	bool more = false, less = false, equal = true;

	for (int i = 0; i < POLICY_VALUES; i++) {
		enum profile_value value = policy_values[i];
		int difference;

		row->allowed[value] = policy_allowed(policy, function, (enum policy_value)i,
						     gate_value(gate->before, row->before, value));
		difference = gate_estimates_differ(gate, row, value);
		more |= difference > 0;
		less |= difference < 0;
		equal &= gate_estimates_equal(gate, row, value);
	}
	row->fails = more;
	if (more)
		row->change = row->before ? GATE_WORSE : GATE_NEW;
	else if (less)
		row->change = row->after ? GATE_BETTER : GATE_GONE;
	else
		row->change = equal ? GATE_SAME : GATE_NOISY;
	row->fails |= row->change == GATE_NOISY && policy->noisy == NOISY_FAIL;
}

/* Whether a library's site that the other side does not have varies so much (gate_noise.h) that this side might have
 * had none either. Example: the buffer of a printer, if fmt's pool had lost one. */
static bool could_be_none(const struct gate_row *row)
{
	const struct gate_site *after = row->after;

	return !row->before && after && after->via && after->counts[VALUE_OBJECTS].below > 0 &&
	       gate_count_may_be_none(&after->counts[VALUE_OBJECTS]);
}

/* Whether a site that varies by chance has at least one object more in each iteration of its benchmark: chance does not
 * keep time. The difference exceeds three times what the runs of the measurement differed by, and a standard deviation
 * of rare events. */
static bool keeps_time(const struct gate *gate, const struct gate_row *row)
{
	const struct gate_count *seen = row->after ? &row->after->seen[VALUE_OBJECTS] : NULL;
	int64_t iterations = seen ? gate_counts_iterations(gate->after, row->after) : 0;
	double more = (gate_value(gate->after, row->after, VALUE_OBJECTS) -
		       gate_value(gate->before, row->before, VALUE_OBJECTS)) *
		      gate->after->iterations;

	return iterations >= GATE_ITERATIONS_MIN && more >= (double)iterations &&
	       more > 3 * (double)(seen->most - seen->least) && more > sqrt((double)seen->most);
}

static void judge(const struct gate *gate, struct gate_row *row, const struct policy *policy)
{
	struct verdict verdict = weigh(gate, row, policy);
	bool noisy = gate_site_noisy(row->after);

	if (noisy && verdict.spread && policy->noisy == NOISY_FAIL) {
		row->change = GATE_NOISY;
		row->fails = true;
	} else if (policy->noisy == NOISY_IGNORE && (noisy || (verdict.more && gate_site_noisy(row->before)))) {
		row->change = GATE_NOISY;
	} else if ((verdict.clearly && !could_be_none(row)) || (verdict.more && keeps_time(gate, row))) {
		row->change = row->before ? GATE_WORSE : GATE_NEW;
		row->fails = true;
	} else if (verdict.more) {
		row->change = GATE_NOISY;
		row->fails = policy->noisy == NOISY_FAIL;
	} else if (noisy && (verdict.grown || !verdict.less)) {
		row->change = GATE_NOISY;
	} else if (verdict.grown) {
		row->change = GATE_TOLERATED;
	} else if (!row->after) {
		row->change = GATE_GONE;
	} else {
		row->change = verdict.shrunk ? GATE_BETTER : GATE_SAME;
	}
}

/* --- making rows --- */

static struct gate_row *add_row(struct gate *gate, const struct gate_site *before, const struct gate_site *after)
{
	struct gate_row *row = &gate->rows[gate->row_count++];

	*row = (struct gate_row){.before = before, .after = after};
	return row;
}

static void add_count(struct gate_count *sum, const struct gate_count *count)
{
	if (sum->least == VALUE_UNMEASURED || count->least == VALUE_UNMEASURED) {
		*sum = (struct gate_count){.least = VALUE_UNMEASURED, .most = VALUE_UNMEASURED};
		return;
	}
	sum->least = add_saturated(sum->least, count->least);
	sum->most = add_saturated(sum->most, count->most);
	sum->below = add_saturated(sum->below, count->below);
	sum->estimate = add_saturated(sum->estimate, count->estimate);
}

/* Joins the distinct annotations of several sites. */
static const char *join_annotations(struct gate *gate, const struct gate_site *sites, size_t count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	const char *last = NULL;

	if (!stream)
		memory_out();
	for (size_t i = 0; i < count; i++) { /* sorted by annotation */
		if (sites[i].annotation && sites[i].annotation != last)
			fprintf(stream, "%s%s", last ? "; " : "", sites[i].annotation);
		last = sites[i].annotation ? sites[i].annotation : last;
	}
	fclose(stream);
	gate->notes[gate->note_count++] = text;
	return *text ? text : NULL;
}

/* Sums several sites of one key; the position is that of the site with the most objects. */
static const struct gate_site *sum_up(struct gate *gate, const struct gate_site *sites, size_t count)
{
	const struct gate_site *most = sites;
	struct gate_site *sum;
	uint32_t places = 0;

	if (count <= 1)
		return count ? sites : NULL;
	sum = &gate->merged[gate->merged_count++];
	memset(sum->counts, 0, sizeof(sum->counts));
	for (size_t i = 0; i < count; i++) {
		for (int j = 0; j < VALUE_COUNT; j++)
			add_count(&sum->counts[j], &sites[i].counts[j]);
		for (int j = VALUE_OBJECTS; j <= VALUE_BYTES; j++)
			add_count(&sum->seen[j], &sites[i].seen[j]);
		places += sites[i].places;
		sum->events += sites[i].events;
		if (sites[i].counts[VALUE_OBJECTS].least > most->counts[VALUE_OBJECTS].least)
			most = &sites[i];
	}
	sum->function = most->function;
	sum->via = most->via;
	sum->runtime_call = most->runtime_call;
	sum->type = most->type;
	sum->benchmark = most->benchmark;
	sum->benchmark_package = most->benchmark_package;
	sum->file = most->file;
	sum->line = most->line;
	sum->column = most->column;
	sum->accepted = most->accepted;
	sum->annotation = join_annotations(gate, sites, count);
	sum->places = places;
	sum->is_sum = true;
	sum->below_contract = most->below_contract;
	return sum;
}

static bool all_annotated(const struct gate_site *sites, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!sites[i].annotation)
			return false;
	}
	return true;
}

/* Matches sites of one key: separately by annotation if all sites on both sides have one, else as sums. */
static void match_key(struct gate *gate, const struct gate_site *before, size_t before_count,
		      const struct gate_site *after, size_t after_count)
{
	size_t i = 0, j = 0;

	if (!before_count || !after_count || !all_annotated(before, before_count) ||
	    !all_annotated(after, after_count)) {
		add_row(gate, sum_up(gate, before, before_count), sum_up(gate, after, after_count));
		return;
	}
	while (i < before_count || j < after_count) {
		int order = i == before_count  ? 1
			    : j == after_count ? -1
					       : gate_site_compare(&before[i], &after[j], true);

		add_row(gate, order <= 0 ? &before[i] : NULL, order >= 0 ? &after[j] : NULL);
		i += order <= 0;
		j += order >= 0;
	}
}

static size_t key_length(const struct gate_counts *side, size_t at)
{
	size_t end = at;

	while (end < side->site_count && gate_site_compare(&side->sites[at], &side->sites[end], false) == 0)
		end++;
	return end - at;
}

static void match(struct gate *gate)
{
	const struct gate_counts *before = gate->before, *after = gate->after;
	size_t i = 0, j = 0;

	while (i < before->site_count || j < after->site_count) {
		int order = i == before->site_count  ? 1
			    : j == after->site_count ? -1
						     : gate_site_compare(&before->sites[i], &after->sites[j], false);
		size_t m = order <= 0 ? key_length(before, i) : 0, n = order >= 0 ? key_length(after, j) : 0;

		match_key(gate, before->sites + i, m, after->sites + j, n);
		i += m;
		j += n;
	}
}

/* --- the whole comparison --- */

/* What is no longer there is noise, and has not gone, if there may have been no objects before, either: a map that did not
 * happen to grow. */
static void mark_gone_by_chance(struct gate *gate)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		struct gate_row *row = &gate->rows[i];

		if (row->change == GATE_GONE && gate_noise_could_be_none(row->before))
			row->change = GATE_NOISY;
	}
}

static double row_growth(const struct gate_row *row, enum profile_value value)
{
	double after = row->after ? (double)row->after->counts[value].least : 0; /* for the order alone */

	return after - (row->before ? (double)row->before->counts[value].least : 0);
}

static int by_change(const void *a, const void *b)
{
	const struct gate_row *x = a, *y = b;

	if (x->change != y->change)
		return x->change < y->change ? -1 : 1;
	for (int i = POLICY_VALUES - 1; i >= 0; i--) {
		double more = fabs(row_growth(x, policy_values[i])), other = fabs(row_growth(y, policy_values[i]));

		if (more != other)
			return more > other ? -1 : 1;
	}
	return gate_site_compare(x->after ? x->after : x->before, y->after ? y->after : y->before, true);
}

static void conclude(struct gate *gate)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		gate->changes[gate->rows[i].change] += !gate_row_site(&gate->rows[i])->below_contract;
		gate->failing += gate->rows[i].fails;
	}
	gate->failed = gate->failing > 0;
	gate->loss = gate->before->loss;
	profile_loss_add(&gate->loss, &gate->after->loss);
	for (int i = 0; i < VALUE_COUNT; i++) {
		const struct gate_counts *b = gate->before, *a = gate->after;

		gate->totals_before[i] =
			b->totals[i] == VALUE_UNMEASURED ? VALUE_UNMEASURED : (double)b->totals[i] / b->iterations;
		gate->totals_after[i] =
			a->totals[i] == VALUE_UNMEASURED ? VALUE_UNMEASURED : (double)a->totals[i] / a->iterations;
	}
	for (int i = 0; i < POLICY_VALUES; i++) {
		enum profile_value value = policy_values[i];
		bool known_before = !gate_counts_sampled(gate->before), known_after = !gate_counts_sampled(gate->after);

		for (size_t j = 0; j < gate->group_count; j++) {
			gate->without_before[value] += gate->groups[j].without_before[value];
			gate->without_after[value] += gate->groups[j].without_after[value];
			known_before |= gate->groups[j].before[value] != VALUE_UNMEASURED;
			known_after |= gate->groups[j].after[value] != VALUE_UNMEASURED;
		}
		if (!known_before)
			gate->totals_before[value] = VALUE_UNMEASURED;
		if (!known_after)
			gate->totals_after[value] = VALUE_UNMEASURED;
	}
}

struct gate *gate_compare(const struct gate_counts *before, const struct gate_counts *after,
			  const struct policy *policy)
{
	struct gate *gate = memory_zeroed(1, sizeof(*gate));
	size_t most = before->site_count + after->site_count + 1;
	struct gate_certainty certainty;

	gate->before = before;
	gate->after = after;
	gate->rows = memory_zeroed(most, sizeof(*gate->rows));
	gate->merged = memory_zeroed(most, sizeof(*gate->merged));
	gate->notes = memory_zeroed(most, sizeof(*gate->notes));
	gate->packages = gate_packages_list(before, after, &gate->package_count);
	match(gate);
	gate->estimated = before->estimated || after->estimated;
	certainty = gate_certainty_of(gate->row_count);
	gate->certainty_widening = certainty.widening;
	gate->certainty_unseen = certainty.unseen;
	for (size_t i = 0; i < gate->row_count; i++)
		(gate->estimated ? judge_estimates : judge)(gate, &gate->rows[i], policy);
	if (!gate->estimated) { /* estimates of a site that moved are never equal */
		gate_find_moves(gate);
		mark_gone_by_chance(gate);
	}
	gate_judge_groups(gate, policy);
	qsort(gate->rows, gate->row_count, sizeof(*gate->rows), by_change);
	conclude(gate);
	return gate;
}
