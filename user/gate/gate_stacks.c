/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_stacks.h"

#include <stdlib.h>

#include "base/memory.h"
#include "gate/gate_site_key.h"

struct gate_stacks *gate_stacks_new(void)
{
	struct gate_stacks *stacks = memory_zeroed(1, sizeof(*stacks));

	stacks->tree = call_tree_new();
	stacks->sites = gate_counts_new();
	return stacks;
}

void gate_stacks_free(struct gate_stacks *stacks)
{
	if (!stacks)
		return;
	call_tree_free(stacks->tree);
	gate_counts_free(stacks->sites);
	hash_index_free(&stacks->by_key);
	free(stacks->said);
	free(stacks);
}

static size_t site_of(struct gate_stacks *stacks, const struct gate_site *key)
{
	struct gate_counts *sites = stacks->sites;
	uint64_t *item = hash_index_at(&stacks->by_key, gate_site_hash(key), gate_site_same, sites->sites, key);

	if (!*item) {
		gate_counts_append_copy(sites, key);
		*item = sites->site_count;
		if (sites->site_count > stacks->said_capacity) {
			stacks->said_capacity = 2 * sites->site_count + 64;
			stacks->said = memory_resize(stacks->said, stacks->said_capacity, sizeof(*stacks->said));
		}
		stacks->said[*item - 1] = (struct gate_stacks_said){{NULL}};
	}
	return (size_t)(*item - 1);
}

/* A run that is being added. */
struct run {
	struct gate_stacks *stacks;
	const struct profile *profile;
	const struct audit *audit;
	const struct gate_counts *printed;
	int side;
};

static uint32_t group_of(const struct profile_sample *sample, const struct owner *owner, void *context)
{
	const struct run *run = context;
	struct gate_site_key key;
	size_t number;

	if (!gate_site_key(&key, sample, owner, run->profile, run->audit, run->printed))
		return CALL_TREE_NONE;
	number = site_of(run->stacks, &key.site);
	if (key.said)
		run->stacks->said[number].by_side[run->side] = key.said;
	return (uint32_t)number;
}

void gate_stacks_add(struct gate_stacks *stacks, const struct profile *profile, const struct audit *audit,
		     const struct gate_counts *printed, int side)
{
	struct run run = {stacks, profile, audit, printed, side};

	call_tree_add_grouped(stacks->tree, profile, side, group_of, &run);
	stacks->measured[side] = profile->row_measured;
	if (side == CALL_TREE_NOW)
		stacks->start_ns = profile->start_ns;
}

static void find_sites(const struct gate_stacks *stacks, const struct gate_site *of,
		       void (*each)(size_t number, void *context), void *context)
{
	uint64_t item = of->is_sum ? 0
				   : hash_index_get(&stacks->by_key, gate_site_hash(of), gate_site_same,
						    stacks->sites->sites, of);

	if (item)
		each((size_t)(item - 1), context);
	for (size_t i = 0; i < stacks->sites->site_count && of->is_sum; i++) {
		if (gate_site_compare(&stacks->sites->sites[i], of, false) == 0)
			each(i, context);
	}
}

void gate_stacks_of_row(const struct gate_stacks *stacks, const struct gate_row *row,
			void (*each)(size_t number, void *context), void *context)
{
	bool two = row->before && row->after &&
		   (row->before->is_sum || gate_site_compare(row->before, row->after, true) != 0);

	if (row->after)
		find_sites(stacks, row->after, each, context);
	if (row->before && (!row->after || two))
		find_sites(stacks, row->before, each, context);
}
