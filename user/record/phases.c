/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/phases.h"

#include <string.h>

#include "collect/event_process.h"
#include "profile/estimates.h"
#include "profile/size_class.h"

void phases_hand_over(struct observed *ended, struct observed *next)
{
	ended->sums->recording = 0;
	next->sums->recording = 1;
	ended->next = next;
	next->continues = true;
	next->after_zero = ended->after_zero || ended->rate == 0;
	next->process = SIZE_MAX; /* not there yet */
	next->base = ended->end;
}

/* Returns the class of the next phase's counters in which objects of this span class are counted. */
static struct heap_class *counted_at(struct observed *next, int class)
{
	bool folded = next->runtime->scan_unknown && span_class_noscan(class) && class != TINY_SPAN_CLASS;

	return &next->base.counters.classes[folded ? class - 1 : class];
}

static void add_counted(int64_t *counter, uint64_t events)
{
	if (*counter != VALUE_UNMEASURED)
		*counter = add_saturated(*counter, (int64_t)events); /* which may be below 0 */
}

void phases_settle(struct observed *ended)
{
	struct event_class_totals inside[SPAN_CLASSES];

	if (!ended->next || !ended->end.taken)
		return;
	event_process_totals(ended->sums, EVENTS_INSIDE, inside);
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const struct event_class_totals *read = &ended->end.events[class], *before = &ended->outside[class];
		struct heap_class *counters = counted_at(ended->next, class);

		if (ended->rate == 1) {
			add_counted(&counters->objects, inside[class].objects + before->objects - read->objects);
			add_counted(&counters->bytes, inside[class].bytes + before->bytes - read->bytes);
		}
		if (ended->rate <= 1) {
			add_counted(&counters->refills, inside[class].refills + before->refills - read->refills);
			add_counted(&counters->central_grows,
				    inside[class].central_grows + before->central_grows - read->central_grows);
		}
	}
}

static int64_t sum_of(int64_t a, int64_t b)
{
	return a == VALUE_UNMEASURED || b == VALUE_UNMEASURED ? VALUE_UNMEASURED : add_saturated(a, b);
}

/* Adds objects without pointers to the class with pointers, because later phases cannot distinguish them. */
static void fold(struct profile_process *process)
{
	for (int class = 1; class < SPAN_CLASSES; class += 2) {
		int64_t *noscan = process->class_totals[class], *scan = process->class_totals[class - 1];

		if (class == TINY_SPAN_CLASS || noscan[VALUE_OBJECTS] == VALUE_UNMEASURED)
			continue;
		scan[VALUE_OBJECTS] = sum_of(scan[VALUE_OBJECTS], noscan[VALUE_OBJECTS]);
		scan[VALUE_BYTES] = sum_of(scan[VALUE_BYTES], noscan[VALUE_BYTES]);
		noscan[VALUE_OBJECTS] = noscan[VALUE_BYTES] = VALUE_UNMEASURED;
	}
}

static void join_checks(struct profile_check *check, const struct profile_check *phase)
{
	check->present &= phase->present;
	check->objects = add_saturated(check->objects, phase->objects);
	check->difference = add_saturated(check->difference, phase->difference);
	check->bound = add_saturated(check->bound, phase->bound);
	check->outside = add_saturated(check->outside, phase->outside);
}

void phases_join(struct profile_process *process, const struct profile_process *phase)
{
	struct profile_process part = *phase;

	if (estimates_folded(process) || estimates_folded(&part)) {
		fold(process);
		fold(&part);
	}
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		int64_t *totals = process->class_totals[class];

		for (int value = 0; value < VALUE_COUNT; value++)
			totals[value] = sum_of(totals[value], part.class_totals[class][value]);
	}
	for (int value = 0; value < VALUE_COUNT; value++)
		process->totals[value] = sum_of(process->totals[value], part.totals[value]);
	join_checks(&process->check, &part.check);
	if (part.bursts.present)
		process->bursts = part.bursts;
	process->lost_events = add_saturated(process->lost_events, part.lost_events);
	process->lost_stacks = add_saturated(process->lost_stacks, part.lost_stacks);
}
