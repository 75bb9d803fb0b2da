/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/event_caches.h"

#include <stdbool.h>

#include <bpf/bpf.h>

/* For each span noted in `before`: counts one central grow if `verdicts` says that the span was fresh. A span that the
 * mcache has returned since (by `after`) is skipped, because the BPF program has counted it. */
static int64_t settle_cache(struct event_rows *rows, volatile struct event_process *process, uint32_t slot,
			    const struct event_cache *before, const struct event_cache *after,
			    const int verdicts[EVENT_SPAN_CLASSES])
{
	int64_t unknown = 0;

	for (uint32_t class = 0; class < EVENT_SPAN_CLASSES; class ++) {
		struct event_key key = {.stack = before->spans[class].stack,
					.slot = slot,
					.kind = EVENT_CENTRAL_GROW,
					.span_class = (uint16_t) class};
		struct event_sums sums = {.count = 1};
		bool held = after->spans[class].state == EVENT_SPAN_HELD;

		if (held && verdicts[class] < 0)
			unknown++;
		if (!(held && verdicts[class] > 0) && after->spans[class].state != EVENT_SPAN_GREW)
			continue;
		__atomic_add_fetch(&process->inside.classes[class].central_grows, 1, __ATOMIC_RELAXED);
		event_rows_add(rows, &key, &sums);
	}
	return unknown;
}

static bool next_cache(int map, uint32_t slot, struct event_cache_key *key)
{
	const struct event_cache_key *previous = key->cache ? key : NULL;

	while (bpf_map_get_next_key(map, previous, key) == 0) {
		if (key->slot == slot)
			return true;
		previous = key;
	}
	return false;
}

int64_t event_caches_settle(int map, struct event_rows *rows, volatile struct event_process *process, uint32_t slot,
			    int (*came_fresh)(void *context, uint64_t cache, int span_class), void *context)
{
	struct event_cache before, after;
	struct event_cache_key key = {0};
	int verdicts[EVENT_SPAN_CLASSES];
	int64_t unknown = 0;

	while (next_cache(map, slot, &key)) {
		if (bpf_map_lookup_elem(map, &key, &before))
			continue;
		for (int class = 0; class < EVENT_SPAN_CLASSES; class ++) {
			bool held = before.spans[class].state == EVENT_SPAN_HELD;

			verdicts[class] = held ? came_fresh(context, key.cache, class) : 0;
		}
		if (bpf_map_lookup_elem(map, &key, &after) == 0)
			unknown += settle_cache(rows, process, slot, &before, &after, verdicts);
	}
	return unknown;
}

uint32_t event_caches_forget(int map, uint32_t slot, uint32_t share)
{
	struct event_cache_key key, next;
	bool more = bpf_map_get_next_key(map, NULL, &key) == 0;
	uint32_t notes[EVENT_SLOTS] = {0}, common = 0;

	while (more) {
		more = bpf_map_get_next_key(map, &key, &next) == 0;
		if (key.slot == slot)
			bpf_map_delete_elem(map, &key);
		else if (key.slot < EVENT_SLOTS && ++notes[key.slot] > share)
			common++;
		key = next;
	}
	return common;
}
