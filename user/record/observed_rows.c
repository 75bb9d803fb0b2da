/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/observed_rows.h"

#include <string.h>

#include "base/count.h"
#include "profile/size_class.h"
#include "record/bursts.h"

void observed_groups(const struct event_group *from, struct profile_group groups[BURST_GROUPS])
{
	for (int group = 0; group < BURST_GROUPS; group++) {
		groups[group].objects = count_of_sum((from[group].objects_q20 + (1 << 19)) >> 20);
		groups[group].bytes = count_of_sum(from[group].weight);
		groups[group].samples = count_of_sum(from[group].count);
	}
}

static void sum_groups(const struct observed_row *row, int64_t values[VALUE_COUNT])
{
	struct profile_group groups[BURST_GROUPS];

	observed_groups(row->groups, groups);
	for (int group = 0; group < BURST_GROUPS; group++) {
		values[VALUE_OBJECTS] = add_saturated(values[VALUE_OBJECTS], groups[group].objects);
		values[VALUE_BYTES] = add_saturated(values[VALUE_BYTES], groups[group].bytes);
		values[VALUE_SAMPLES] = add_saturated(values[VALUE_SAMPLES], groups[group].samples);
	}
}

void observed_row_values(const struct observed_row *row, int64_t values[VALUE_COUNT])
{
	const struct event_sums *sums = &row->sums;

	memset(values, 0, VALUE_COUNT * sizeof(*values));
	switch ((enum event_kind)row->key.kind) {
	case EVENT_ALLOC:
		values[VALUE_OBJECTS] = count_of_sum(sums->count);
		values[VALUE_BYTES] = count_of_sum(sums->bytes);
		values[VALUE_SAMPLES] = count_of_sum(sums->count);
		break;
	case EVENT_BURST:
		sum_groups(row, values);
		break;
	case EVENT_SAMPLE:
		values[VALUE_OBJECTS] = count_of_sum((sums->objects_q20 + (1 << 19)) >> 20);
		values[VALUE_BYTES] = count_of_sum(sums->weight);
		values[VALUE_SAMPLES] = count_of_sum(sums->events);
		break;
	case EVENT_REFILL:
		values[VALUE_REFILLS] = count_of_sum(sums->count);
		break;
	case EVENT_CENTRAL_GROW:
		values[VALUE_CENTRAL_GROWS] = count_of_sum(sums->count);
		break;
	case EVENT_HEAP_GROW:
		values[VALUE_HEAP_GROWS] = count_of_sum(sums->count);
		values[VALUE_HEAP_GROW_BYTES] = count_of_sum(sums->bytes);
		break;
	case EVENT_GO: /* profile_add_start() */
	case EVENT_KINDS:
		break;
	}
}

bool observed_bursts_suffice(const struct observed *observed)
{
	struct profile_bursts bursts;

	if (!observed->bursts)
		return true;
	bursts = bursts_summary(observed->bursts);
	return bursts.count >= BURSTS_LEAST || bursts.full_ns >= bursts.recorded_ns;
}

static bool slice_of(void *context, uint64_t slice, double *weight, unsigned *group)
{
	const struct bursts *bursts = context;

	*weight = bursts_weight(bursts, slice);
	*group = (unsigned)((bursts_burst(bursts, slice) - 1) % BURST_GROUPS);
	return bursts_are_weighed(bursts, slice);
}

void observed_settle_bursts(const struct observed *observed)
{
	if (observed->bursts)
		collector_settle_bursts(observed->collector, observed->slot, slice_of, observed->bursts);
}

static bool last_slice_of(void *context, uint64_t slice, double *weight, unsigned *group)
{
	slice_of(context, slice, weight, group);
	return true;
}

void observed_settle_last_bursts(const struct observed *observed, struct event_store *store)
{
	if (observed->bursts)
		event_store_settle(store, last_slice_of, observed->bursts);
}

int64_t observed_samples_rate(const struct observed *observed)
{
	if (observed->runtime->beside_rate)
		return observed->runtime->beside_rate;
	return observed->mixed ? observed->rate : 0;
}

void observed_row_read(const struct observed *observed, const struct event_store *store, const struct event_row *from,
		       struct observed_row *row)
{
	struct runtime *runtime = observed->runtime;

	row->key = event_store_key(from, observed->slot);
	row->sums = from->sums;
	row->has_stack = event_store_stack(store, from, &row->stack);
	row->groups = NULL;
	if (row->key.kind == EVENT_BURST && observed_bursts_suffice(observed))
		row->groups = event_store_groups(store, from);
	else if (row->key.kind == EVENT_BURST)
		row->key.kind = EVENT_ALLOC;
	else if (row->key.kind == EVENT_SAMPLE && runtime->ops->estimate)
		runtime->ops->estimate(runtime, &row->key, &row->sums, row->has_stack ? &row->stack : NULL);
}

struct profile_key observed_row_key(const struct observed *observed, const struct observed_row *row)
{
	struct runtime *runtime = observed->runtime;
	const struct event_key *from = &row->key;
	struct profile_key key = {.pid = observed->target->pid,
				  .comm = profile_string(observed->profile, observed->target->comm),
				  .rate = observed->mixed ? observed->rate : 0};

	if (from->kind == EVENT_SAMPLE && runtime->beside_rate)
		key.rate = runtime->beside_rate;
	if (from->kind == EVENT_BURST)
		key.bursts = 1;
	else if ((observed->bursts || observed->rate > 1) && from->kind == EVENT_ALLOC) /* counted, and no estimate */
		key.rate = 1;
	key.stack = runtime->ops->stack(runtime, observed->space, observed->profile, from,
					row->has_stack ? &row->stack : NULL);
	key.type = runtime->ops->type(runtime, observed->profile, from);
	key.span_class = from->span_class < SPAN_CLASSES ? from->span_class : SPAN_CLASS_UNKNOWN;
	return key;
}

/* Returns the reading of the counters at which the totals begin. */
static const struct snapshot *beginning(const struct observed *observed)
{
	return observed->continues && observed->base.taken ? &observed->base : &observed->start;
}

bool observed_is_joined(const struct observed *observed, const struct profile *profile)
{
	return observed->continues && observed->process < profile->process_count;
}

/* At rate 0, if only events distinguish span classes: adds what they reported between the snapshots, and the tails. */
static void add_told(const struct observed *observed, int class, const struct snapshot *end, int64_t *totals)
{
	const struct heap_class *from = &observed->start.counters.classes[class];
	const struct heap_class *to = &end->counters.classes[class];
	const struct event_class_totals *before = &observed->start.events[class], *after = &end->events[class];

	totals[VALUE_OBJECTS] = add_saturated(count_of_sum(after->objects - before->objects),
					      to->unreported_objects - from->unreported_objects);
	totals[VALUE_BYTES] = add_saturated(count_of_sum(after->bytes - before->bytes),
					    to->unreported_bytes - from->unreported_bytes);
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Of a counter of a process that runs while it is read. What is on its way from one place to another may be seen in both. */
static int64_t grown(int64_t from, int64_t to)
{
	return larger(0, to - from);
}

/* The latest counters of a process that was killed are of some moments before its end, its events are not. */
static void add_last_events(const struct observed *observed, int class, const struct event_class_totals *inside,
			    const struct event_class_totals *ever, int64_t *totals)
{
	const struct heap_class *from = &observed->start.counters.classes[class];
	const struct event_class_totals *before = &observed->start.events[class];
	int64_t objects = count_of_sum(ever->objects - before->objects),
		bytes = count_of_sum(ever->bytes - before->bytes);

	totals[VALUE_OBJECTS] = larger(totals[VALUE_OBJECTS], objects - from->unreported_objects);
	totals[VALUE_BYTES] = larger(totals[VALUE_BYTES], bytes - from->unreported_bytes);
	totals[VALUE_REFILLS] = larger(totals[VALUE_REFILLS], count_of_sum(inside->refills));
	totals[VALUE_CENTRAL_GROWS] = larger(totals[VALUE_CENTRAL_GROWS], count_of_sum(inside->central_grows));
}

void observed_forget_noscan(int class, int64_t *totals)
{
	if (span_class_noscan(class) && class != TINY_SPAN_CLASS)
		totals[VALUE_OBJECTS] = totals[VALUE_BYTES] = VALUE_UNMEASURED;
}

/* Adds the totals by class. Objects and bytes come from events if each was reported, else from the runtime's own
 * counters at both ends. */
static void add_class_totals(const struct observed *observed, struct profile_process *process,
			     const struct snapshot *end)
{
	bool every_object = observed->rate == 1, every_refill = observed->rate <= 1;
	bool told = observed->rate == 0 && observed->runtime->objects_from_events;
	struct event_class_totals inside[SPAN_CLASSES], ever[SPAN_CLASSES];

	event_process_totals(observed->sums, EVENTS_INSIDE, inside);
	event_process_totals(observed->sums, EVENTS_ALL, ever);
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		int64_t *totals = process->class_totals[class];
		const struct event_class_totals *events = &inside[class];
		const struct heap_class *from = &beginning(observed)->counters.classes[class];
		const struct heap_class *to = &end->counters.classes[class];

		if (every_object || !end->taken) {
			totals[VALUE_OBJECTS] = count_of_sum(events->objects);
			totals[VALUE_BYTES] = count_of_sum(events->bytes);
		} else if (told) {
			add_told(observed, class, end, totals);
		} else {
			totals[VALUE_OBJECTS] = grown(from->objects, to->objects);
			totals[VALUE_BYTES] = grown(from->bytes, to->bytes);
		}
		if (every_refill || !end->taken || to->refills == VALUE_UNMEASURED) {
			totals[VALUE_REFILLS] = count_of_sum(events->refills);
			totals[VALUE_CENTRAL_GROWS] = count_of_sum(events->central_grows);
		} else {
			totals[VALUE_REFILLS] = grown(from->refills, to->refills);
			totals[VALUE_CENTRAL_GROWS] = grown(from->central_grows, to->central_grows);
		}
		if (!observed->end.taken && !every_object)
			add_last_events(observed, class, events, &ever[class], totals);
		if (!end->taken && observed->runtime->counters_only)
			totals[VALUE_OBJECTS] = totals[VALUE_BYTES] = VALUE_UNMEASURED;
		if (observed->runtime->scan_unknown)
			observed_forget_noscan(class, totals);
		for (int value = 0; value < VALUE_COUNT; value++) {
			if (observed->runtime->unmeasured & 1u << value)
				totals[value] = VALUE_UNMEASURED;
		}
	}
}

static void add_totals(const struct observed *observed, struct profile_process *process)
{
	static const enum profile_value summed[] = {VALUE_OBJECTS, VALUE_BYTES, VALUE_REFILLS, VALUE_CENTRAL_GROWS};

	for (size_t i = 0; i < sizeof(summed) / sizeof(summed[0]); i++) {
		if (process->class_totals[0][summed[i]] == VALUE_UNMEASURED)
			continue; /* in all classes or in none */
		process->totals[summed[i]] = 0;
		for (int class = 0; class < SPAN_CLASSES; class ++)
			process->totals[summed[i]] = add_saturated(process->totals[summed[i]],
								   larger(0, process->class_totals[class][summed[i]]));
	}
	if (observed->runtime->unmeasured & 1u << VALUE_HEAP_GROWS)
		return;
	process->totals[VALUE_HEAP_GROWS] = count_of_sum(observed->sums->inside.heap_grows);
	process->totals[VALUE_HEAP_GROW_BYTES] = count_of_sum(observed->sums->inside.heap_grow_bytes);
}

void observed_note_growth(struct observed *observed, int64_t at_ns)
{
	int64_t grown = count_of_sum(observed->sums->inside.heap_grow_bytes);

	if (observed->runtime->unmeasured & 1u << VALUE_HEAP_GROWS)
		return;
	time_series_add(&observed->profile->heap_growth, at_ns, larger(0, grown - observed->growth_noted));
	observed->growth_noted = grown;
}

void observed_describe(const struct observed *observed, struct profile_process *process, const struct snapshot *end)
{
	struct profile *profile = observed->profile;
	struct runtime *runtime = observed->runtime;
	const char *file = runtime->library ? runtime->library : observed->target->executable;

	process->comm = profile_string(profile, observed->target->comm);
	process->executable = profile_path(profile, file);
	process->build_id = address_space_build_id(observed->space, file);
	process->runtime = profile_string(profile, runtime->version);
	if (runtime->ops->describe)
		runtime->ops->describe(runtime, profile, process);
	add_class_totals(observed, process, end);
	add_totals(observed, process);
	if (observed->bursts)
		process->bursts = bursts_summary(observed->bursts);
	process->lost_events = count_of_sum(observed->sums->lost_events);
	process->lost_stacks = count_of_sum(observed->sums->lost_stacks);
}

bool observed_rest(const struct observed *observed, const struct profile_process *process, struct profile_key *key,
		   int64_t values[VALUE_COUNT])
{
	struct runtime *runtime = observed->runtime;

	*key = (struct profile_key){.span_class = SPAN_CLASS_UNKNOWN,
				    .pid = process->pid,
				    .comm = process->comm,
				    .rate = runtime->beside_rate};
	return runtime->ops->rest && runtime->ops->rest(runtime, observed->profile, process, key, values);
}

bool observed_is_calibrated(const struct observed *observed, const struct snapshot *end)
{
	return (observed->rate > 1 && end->taken) || observed->runtime->beside_rate;
}
