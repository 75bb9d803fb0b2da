/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_groups.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "gate/gate_estimates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_benchmark(const void *a, const void *b)
{
	const struct gate_group *x = a, *y = b;
	int order = text_compare(x->benchmark, y->benchmark);

	return order ? order : text_compare(x->package, y->package);
}

bool gate_group_has(const struct gate_group *group, const struct gate_site *site)
{
	return text_compare(group->benchmark, site->benchmark) == 0 &&
	       text_compare(group->package, site->benchmark_package) == 0;
}

static struct gate_group *group_of(struct gate *gate, const struct gate_row *row)
{
	const struct gate_site *site = gate_row_site(row);
	struct gate_group *group;

	for (size_t i = 0; i < gate->group_count; i++) {
		if (gate_group_has(&gate->groups[i], site))
			return &gate->groups[i];
	}
	group = &gate->groups[gate->group_count++];
	group->benchmark = site->benchmark;
	group->package = site->benchmark_package;
	for (int i = 0; i < POLICY_VALUES; i++)
		group->before[policy_values[i]] = group->after[policy_values[i]] = VALUE_UNMEASURED;
	return group;
}

/*
 * What a row contributes to the growth of its group: 0 within what is allowed for the site, or within the range that
 * was seen before; otherwise all of its growth. A site that shrank by more than chance compensates for others.
 */
static double contribution(const struct gate *gate, const struct gate_row *row, enum profile_value value, double before,
			   double after)
{
	double most = gate_value_most(gate->before, row->before, value);
	double slack = 1e-9 * (before + after);

	if (gate->estimated)
		return gate_estimates_differ(gate, row, value) ? after - before : 0;
	if (after > before &&
	    (row->change == GATE_WORSE || row->change == GATE_NEW)) /* judged by more than the range */
		return after - before > row->allowed[value] + slack ? after - before : 0;
	if (after > before)
		return after - most > row->allowed[value] + slack ? after - before : 0;
	most = gate_value_most(gate->after, row->after, value);
	return gate_value_low(gate->before, row->before, value) - most > slack ? after - before : 0;
}

static void add_row(struct gate *gate, struct gate_group *group, const struct gate_row *row,
		    const struct policy *policy)
{
	for (int i = 0; i < POLICY_VALUES; i++) {
		enum profile_value value = policy_values[i];
		double before = gate_value(gate->before, row->before, value),
		       after = gate_value(gate->after, row->after, value), growth;

		if (!gate_row_site(row)->below_contract) { /* the contract has the sum already */
			if (!row->before || !row->before->counts[value].unlimited)
				gate_add_shown(gate->before, row->before, value, &group->before[value],
					       &group->without_before[value]);
			gate_add_shown(gate->after, row->after, value, &group->after[value],
				       &group->without_after[value]);
		}
		if (before < 0 || after < 0)
			continue;
		growth = row->change == GATE_NOISY && policy->noisy == NOISY_IGNORE
				 ? 0
				 : contribution(gate, row, value, before, after);
		group->growth[value] += growth;
		if (policy_is_specific(policy, gate_row_site(row)->function, (enum policy_value)i))
			group->specific_growth[value] += growth;
	}
}

/* Whether a side ran that benchmark: its allocations, or those of its sub-benchmarks, may be none. */
static bool ran(const struct gate_counts *side, const struct gate_group *group)
{
	for (size_t i = 0; i < side->benchmark_count; i++) {
		const char *name = side->benchmarks[i].name, *package = side->benchmarks[i].package;

		if (gate_benchmark_is_of(name, group->benchmark) &&
		    (!package || !group->package || strcmp(package, group->package) == 0))
			return true;
	}
	return false;
}

/* If a side does not say which benchmarks it ran, nothing is known. */
static bool is_one_sided(const struct gate *gate, const struct gate_group *group)
{
	return group->benchmark && gate->before->benchmark_count && gate->after->benchmark_count &&
	       ran(gate->before, group) != ran(gate->after, group);
}

void gate_judge_groups(struct gate *gate, const struct policy *policy)
{
	gate->groups = memory_zeroed(gate->row_count + 1, sizeof(*gate->groups));
	for (size_t i = 0; i < gate->row_count; i++)
		add_row(gate, group_of(gate, &gate->rows[i]), &gate->rows[i], policy);
	for (size_t i = 0; i < gate->group_count; i++) {
		struct gate_group *group = &gate->groups[i];

		group->one_sided = is_one_sided(gate, group);
		for (int j = 0; j < POLICY_VALUES; j++) {
			enum profile_value value = policy_values[j];
			double before = fmax(0, group->before[value]), after = fmax(0, group->after[value]);
			double allowed = policy_allowed(policy, NULL, (enum policy_value)j, before);
			double slack = 1e-9 * (before + after);

			group->worse |= !group->one_sided && (group->growth[value] > allowed + slack ||
							      group->specific_growth[value] > slack);
		}
	}
	for (size_t i = 0; i < gate->row_count; i++) {
		struct gate_row *row = &gate->rows[i];
		const struct gate_group *group = group_of(gate, row);

		row->one_sided = group->one_sided;
		if ((row->change == GATE_WORSE || row->change == GATE_NEW) && row->fails && !group->worse &&
		    (!policy->strict || group->one_sided)) {
			row->fails = false;
			row->note = true;
		}
	}
	qsort(gate->groups, gate->group_count, sizeof(*gate->groups), by_benchmark);
}
