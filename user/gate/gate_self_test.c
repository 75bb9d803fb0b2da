/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_self_test.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gate/gate_compare.h"

/* Returns the judged row at which the policy allows the least. */
static const struct gate_row *strictest(const struct gate *gate, const struct policy *policy)
{
	const struct gate_row *best = NULL;

	for (size_t i = 0; i < gate->row_count; i++) {
		const struct gate_row *row = &gate->rows[i];

		if (!row->after || gate_site_noisy(row->after) ||
		    (gate_site_noisy(row->before) && policy->noisy == NOISY_IGNORE))
			continue;
		if (!best || row->allowed[VALUE_OBJECTS] < best->allowed[VALUE_OBJECTS] ||
		    (!best->before && row->before))
			best = row;
	}
	return best;
}

/* The number of objects that the row's benchmark or program lacks to be worse as a whole: its distance to the limit,
 * plus one. */
static int64_t more_of_sum(const struct gate *gate, const struct gate_row *row, const struct policy *policy)
{
	const struct gate_site *site = gate_row_site(row);

	for (size_t i = 0; i < gate->group_count && !policy->strict; i++) {
		const struct gate_group *group = &gate->groups[i];
		double allowed = policy_allowed(policy, NULL, POLICY_OBJECTS, fmax(0, group->before[VALUE_OBJECTS]));

		if (gate_group_has(group, site))
			return count_from(
				floor((allowed - group->growth[VALUE_OBJECTS]) * gate->after->iterations + 1e-6) + 1);
	}
	return 1;
}

/* Sets objects and bytes of the site just above what is allowed. */
static void inject(const struct gate *gate, const struct policy *policy, const struct gate_row *row,
		   struct gate_site *site, char *description, size_t size)
{
	int64_t objects = row->after->counts[VALUE_OBJECTS].least, bytes = row->after->counts[VALUE_BYTES].least;
	int64_t each = objects > 0 && bytes > objects ? bytes / objects : 1;
	double before = gate_value_most(gate->before, row->before, VALUE_OBJECTS);
	int64_t target = count_from(floor((before + row->allowed[VALUE_OBJECTS]) * gate->after->iterations + 1e-6) + 1);
	int64_t of_sum = more_of_sum(gate, row, policy);
	int64_t more = target > objects ? target - objects : 1, more_bytes, objects_after;

	more = more > of_sum ? more : of_sum;
	more_bytes = count_from((double)more * (double)each);

	site->counts[VALUE_OBJECTS].least = add_saturated(site->counts[VALUE_OBJECTS].least, more);
	site->counts[VALUE_OBJECTS].most = add_saturated(site->counts[VALUE_OBJECTS].most, more);
	site->counts[VALUE_BYTES].least = add_saturated(site->counts[VALUE_BYTES].least, more_bytes);
	site->counts[VALUE_BYTES].most = add_saturated(site->counts[VALUE_BYTES].most, more_bytes);
	objects_after = add_saturated(objects, more);
	snprintf(description, size, "%" PRId64 " object%s instead of %" PRId64 " at '%s' (%s)", objects_after,
		 objects_after == 1 ? "" : "s", objects, site->function ? site->function : "?",
		 site->runtime_call ? site->runtime_call : "unknown call");
}

/* The self-test of a program that allocates at no site: one object at a new one. */
static bool catches_first_site(const struct gate_counts *before, const struct gate_counts *after,
			       const struct policy *policy, char *description, size_t size)
{
	struct gate_site site = {.function = "(self-test)", .places = 1};
	struct gate_counts mutated = *after;
	struct gate *gate;
	bool caught;

	site.counts[VALUE_OBJECTS] = (struct gate_count){.least = 1, .most = 1};
	site.counts[VALUE_BYTES] = (struct gate_count){.least = 8, .most = 8};
	mutated.sites = &site;
	mutated.site_count = 1;
	gate_counts_add_up(&mutated);
	gate = gate_compare(before, &mutated, policy);
	caught = gate_status(gate) == STATUS_FOUND;
	gate_free(gate);
	snprintf(description, size, "1 object of a program that allocates none");
	return caught;
}

int gate_self_test(const struct gate_counts *before, const struct gate_counts *after, const struct policy *policy,
		   char *description, size_t size, struct error *error)
{
	struct gate *gate = gate_compare(before, after, policy), *second;
	const struct gate_row *row = strictest(gate, policy);
	struct gate_counts mutated = *after;
	struct gate_site *site = NULL;
	bool caught = false;

	if (!row) {
		gate_free(gate);
		if (!after->site_count && catches_first_site(before, after, policy, description, size))
			return 0;
		return error_set(error, STATUS_FOUND, "the gate cannot fail: the policy judges none of the %zu sites",
				 after->site_count);
	}
	mutated.sites = memory_zeroed(after->site_count, sizeof(*mutated.sites));
	memcpy(mutated.sites, after->sites, after->site_count * sizeof(*mutated.sites));
	for (size_t i = 0; i < mutated.site_count && !site; i++) {
		if (gate_site_compare(&mutated.sites[i], row->after, false) == 0)
			site = &mutated.sites[i];
	}
	inject(gate, policy, row, site, description, size);
	gate_counts_add_up(&mutated);
	second = gate_compare(before, &mutated, policy);
	for (size_t i = 0; i < second->row_count; i++)
		caught |= second->rows[i].fails && second->rows[i].after &&
			  gate_site_compare(second->rows[i].after, site, false) == 0;
	caught = caught && gate_status(second) == STATUS_FOUND;
	gate_free(second);
	gate_free(gate);
	free(mutated.sites);
	return caught ? 0 : error_set(error, STATUS_FOUND, "the gate cannot fail: it let %s pass", description);
}
