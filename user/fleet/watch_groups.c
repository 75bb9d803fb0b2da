/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/watch_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ROUNDS_MAX = 64 };

void watch_groups_begin(struct watch_groups *groups)
{
	groups->alone = groups->apart > 0;
	if (groups->apart)
		groups->apart--;
}

struct setback_key watch_groups_key(const struct watched *process)
{
	return setback_of_group(process->user, process->watch);
}

static bool is_same(const struct watched *a, const struct watched *b)
{
	return a->user == b->user && a->watch == b->watch;
}

static bool is_alone(const struct watch_groups *groups, const struct setbacks *setbacks, const struct watched *process)
{
	return groups->alone || setbacks_find(setbacks, watch_groups_key(process)) != SETBACK_NONE;
}

size_t watch_groups_next(const struct watch_groups *groups, const struct setbacks *setbacks, struct watched *processes,
			 size_t count)
{
	struct watched *rest = memory_zeroed(count, sizeof(*rest)), first;
	size_t at = 0, taken = 0, left = 0;

	/* what has failed by itself comes after all others */
	while (at < count && is_alone(groups, setbacks, &processes[at]))
		at++;
	if (count)
		first = processes[at < count ? at : 0];
	for (size_t i = 0; i < count; i++) {
		if (at < count ? !is_alone(groups, setbacks, &processes[i]) : is_same(&processes[i], &first))
			processes[taken++] = processes[i];
		else
			rest[left++] = processes[i];
	}
	memcpy(processes + taken, rest, left * sizeof(*rest));
	free(rest);
	return taken;
}

void watch_groups_failed(struct watch_groups *groups)
{
	groups->length = groups->length < ROUNDS_MAX ? 2 * groups->length + 1 : ROUNDS_MAX;
	groups->apart = groups->length;
}

bool watch_groups_is_one(const struct watched *processes, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (!is_same(&processes[i], &processes[0]))
			return false;
	}
	return true;
}
