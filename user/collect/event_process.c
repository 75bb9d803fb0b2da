/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/event_process.h"

#include <string.h>

static uint64_t counter_objects(const volatile struct event_counter *counter, enum event_part part)
{
	if (counter->state != EVENT_COUNTER_READY)
		return 0;
	return (part & EVENTS_INSIDE ? counter->inside : 0) + (part & EVENTS_OUTSIDE ? counter->outside : 0);
}

static void add_window(const volatile struct event_window *window, struct event_class_totals totals[EVENT_SPAN_CLASSES])
{
	for (int class = 0; class < EVENT_SPAN_CLASSES; class ++) {
		totals[class].objects += window->classes[class].objects;
		totals[class].bytes += window->classes[class].bytes;
		totals[class].refills += window->classes[class].refills;
		totals[class].central_grows += window->classes[class].central_grows;
	}
}

void event_process_totals(const volatile struct event_process *process, enum event_part part,
			  struct event_class_totals totals[EVENT_SPAN_CLASSES])
{
	memset(totals, 0, EVENT_SPAN_CLASSES * sizeof(*totals));
	if (part & EVENTS_INSIDE)
		add_window(&process->inside, totals);
	if (part & EVENTS_OUTSIDE)
		add_window(&process->outside, totals);
	for (int i = 0; i < EVENT_COUNTERS; i++) {
		const volatile struct event_counter *counter = &process->counters[i];
		uint64_t objects = counter_objects(counter, part);

		totals[counter->span_class].objects += objects;
		totals[counter->span_class].bytes += objects * counter->bytes;
	}
}

int64_t event_process_hits(const volatile struct event_process *process)
{
	uint64_t hits = process->hits;

	for (int i = 0; i < EVENT_COUNTERS; i++)
		hits += counter_objects(&process->counters[i], EVENTS_ALL);
	return (int64_t)hits;
}

static void each_count(uint32_t slot, enum event_kind kind, uint32_t span_class, uint64_t count, uint64_t bytes,
		       event_row_function *each, void *context)
{
	struct event_key key = {.slot = slot, .kind = (uint16_t)kind, .span_class = (uint16_t)span_class};
	struct event_sums sums = {.count = count, .bytes = bytes};

	if (count)
		each(context, &key, &sums);
}

void event_process_rows(const volatile struct event_process *process, uint32_t slot, event_row_function *each,
			void *context)
{
	const volatile struct event_window *inside = &process->inside;

	for (uint32_t class = 0; class < EVENT_SPAN_CLASSES; class ++) {
		each_count(slot, EVENT_REFILL, class, inside->classes[class].refills, 0, each, context);
		each_count(slot, EVENT_CENTRAL_GROW, class, inside->classes[class].central_grows, 0, each, context);
	}
	each_count(slot, EVENT_HEAP_GROW, EVENT_NO_SPAN_CLASS, inside->heap_grows, inside->heap_grow_bytes, each,
		   context);
	for (int i = 0; i < EVENT_COUNTERS; i++) {
		const volatile struct event_counter *counter = &process->counters[i];
		uint64_t objects = counter_objects(counter, EVENTS_INSIDE);
		struct event_sums sums = {.count = objects, .bytes = objects * counter->bytes};
		struct event_key key = {.slot = slot,
					.kind = EVENT_ALLOC,
					.site = counter->site,
					.type = counter->type,
					.span_class = counter->span_class};

		if (objects)
			each(context, &key, &sums);
	}
}
