/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/baseline_accept.h"

#include "gate/baseline.h"

#include <string.h>

/* Whether `of_row`, which may be a sum over annotations, includes `site`. */
static bool stands_for(const struct gate_site *of_row, const struct gate_site *site)
{
	return gate_site_compare(of_row, site, !of_row->is_sum) == 0;
}

static void remove_sites(struct gate_counts *baseline, const struct gate_site *of_row)
{
	size_t kept = 0;

	for (size_t i = 0; of_row && i < baseline->site_count; i++) {
		if (!stands_for(of_row, &baseline->sites[i]))
			baseline->sites[kept++] = baseline->sites[i];
	}
	if (of_row)
		baseline->site_count = kept;
}

static void add_site(struct gate_counts *baseline, const struct gate_site *taken, const char *annotation,
		     const char *reason)
{
	struct gate_site *site = gate_counts_append_copy(baseline, taken);

	site->annotation = gate_counts_string(baseline, annotation);
	site->accepted = gate_counts_string(baseline, reason);
}

void baseline_take_row(struct gate_counts *baseline, const struct gate_counts *measured, const struct gate_row *row,
		       const char *reason)
{
	const struct gate_site *before = row->before, *after = row->after;
	const char *known = before && after && !before->is_sum && !after->is_sum ? before->annotation : NULL;

	remove_sites(baseline, before);
	remove_sites(baseline, after);
	for (size_t i = 0; after && i < measured->site_count; i++) {
		const struct gate_site *site = &measured->sites[i];

		if (stands_for(after, site))
			add_site(baseline, site, site->annotation ? site->annotation : known, reason);
	}
}

void baseline_keep_reasons(struct gate_counts *counts, const struct gate_counts *old)
{
	for (size_t i = 0, j = 0; i < counts->site_count && j < old->site_count;) {
		struct gate_site *site = &counts->sites[i];
		const struct gate_site *before = &old->sites[j];
		int order = gate_site_compare(site, before, true);

		if (order == 0 && before->accepted &&
		    site->counts[VALUE_OBJECTS].least == before->counts[VALUE_OBJECTS].least &&
		    site->counts[VALUE_BYTES].least == before->counts[VALUE_BYTES].least)
			site->accepted = gate_counts_string(counts, before->accepted);
		if (order == 0 && baseline_covers_site(before, site))
			memcpy(site->counts, before->counts, sizeof(site->counts));
		i += order <= 0;
		j += order >= 0;
	}
	gate_counts_add_up(counts);
}
