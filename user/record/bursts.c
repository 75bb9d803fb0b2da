/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/bursts.h"

#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/priority.h"
#include "record/overhead.h"
#include "record/own_work.h"

enum {
	LOOK_NS = 10 * 1000 * 1000, /* between checks of the overhead while every allocation is counted */
	BURST_NS = 10 * 1000 * 1000,
	SLICE_NS = 1000 * 1000, /* between checks of the pace in a burst */
	SLICES = BURST_NS / SLICE_NS,
	SLICE_HITS = 40,		   /* a larger difference from the expected hits is not chance */
	BEFORE_LEAST_NS = 2 * 1000 * 1000, /* a shorter time before a burst says nothing about the process's speed */
	/* So much longer than the kernel takes to detach, during which the process is still slow (attachment.c), is a cell at
	 * least: hardly a burst then begins so soon after another that its process's speed before it is measured too low. */
	CELL_LEAST_NS = 240 * 1000 * 1000,
	CELLS = 256, /* a cell lasts at least 1/CELLS of the time until now, which bounds the number of cells */
};

/* The cost of hits is known within this factor. */
static const double cost_error = 1.6;
static const double most_of_a_cpu = 0.999;
/* A process whose pace changes by this factor during a burst has entered another phase. */
static const double other_pace = 4;

enum state { ALL, WAITING, READY, IN_BURST, OVER };

/* How many objects the process had allocated at that time, by the runtime's counters. */
struct reading {
	int64_t ns, objects; /* objects: -1 if unknown */
};

/* A part of a burst during which no change of pace was seen. */
struct slice {
	struct reading begin;
	struct overhead_work work; /* until it began */
};

/* The factor for the counts of a slice, and the number of its burst. */
struct slice_weight {
	double weight;
	size_t burst;
};

struct bursts {
	struct bursts_of of;
	struct probe_set probes;
	struct overhead overhead, pace; /* pace: measures the process from one plan to the next */
	struct attachment *attachment, *leaving;
	enum state state;
	int64_t began_ns, ended_ns, full_ns, covered_ns;
	int64_t cell_ns, cell_length;	/* begin and length of the cell of the current or next burst */
	int64_t due_ns;			/* when the next burst begins, or the current one ends */
	int64_t attach_ns, attached_ns; /* how long attaching took: the last time, and all times together */
	int64_t attach_count;
	struct overhead burst;		 /* measures the process during the burst */
	struct own_work own;		 /* since the last burst was planned */
	struct reading before, ready;	 /* a burst's length before it, and just before its probes were attached */
	struct overhead_work attached;	 /* until the probes were attached */
	struct slice slices[SLICES + 1]; /* of the current burst; the element after the last one is the burst's end */
	size_t slice_count;
	struct overhead_work looked;  /* until the last check of the pace in the burst */
	int64_t looked_ns;	      /* when that was */
	struct slice_weight *weights; /* by number of the slice - 1 */
	size_t weight_count, capacity;
	size_t count; /* bursts */
};

static double uniform(void)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		return 0.5;
	return random / 4294967296.0;
}

static struct overhead_work work_of(const struct bursts *bursts)
{
	return overhead_work_until(bursts->of.sums);
}

static struct reading read_objects(const struct bursts *bursts)
{
	struct heap_counters *counters = memory_zeroed(1, sizeof(*counters));
	struct runtime *runtime = bursts->of.runtime;
	struct reading reading = {.objects = 0};

	if (runtime->refusal.text[0] || target_lost_image(bursts->of.target) ||
	    runtime->ops->read(runtime, bursts->of.target, runtime->rate, counters))
		reading.objects = -1;
	for (int class = 0; class < SPAN_CLASSES && reading.objects >= 0; class ++)
		reading.objects += counters->classes[class].objects;
	reading.ns = monotonic_ns();
	free(counters);
	return reading;
}

static int attach(struct bursts *bursts, struct error *error)
{
	int64_t began = monotonic_ns();

	bursts->attached = work_of(bursts);
	priority_urgent(true);
	bursts->attachment =
		collector_attach(bursts->of.collector, bursts->of.target->pid, bursts->of.slot, &bursts->probes, error);
	priority_urgent(false);
	bursts->attach_ns = monotonic_ns() - began;
	bursts->attached_ns += bursts->attach_ns;
	bursts->attach_count++;
	return bursts->attachment ? 0 : -1;
}

static void leave(struct bursts *bursts)
{
	collector_detach(bursts->leaving);
	bursts->leaving = bursts->attachment;
	bursts->attachment = NULL;
	collector_detach_begin(bursts->leaving);
}

/*
 * Plans the next burst by the cost of the last one, which lasted `lasted_ns`. `own_limit`, of which `sharing` processes have a
 * share, is in percent of a CPU; 0: there is none.
 */
static void plan(struct bursts *bursts, int64_t lasted_ns, double own_limit, int sharing)
{
	struct overhead_work work = overhead_work_between(bursts->attached, work_of(bursts));
	double attaching = 2 * (double)bursts->attached_ns / (double)bursts->attach_count, length, share;
	double hits = overhead_of(bursts->of.collector, work) / (double)(lasted_ns + 1);

	share = fmax(overhead_capacity(&bursts->pace), 0.01) * bursts->of.max_overhead / 100;
	bursts->cell_ns += bursts->cell_length;
	length = (attaching + hits * BURST_NS) / share;
	length = fmax(length, (double)(monotonic_ns() - bursts->began_ns) / CELLS);
	length = fmax(length, own_work_cell_ns(&bursts->own, own_limit, sharing));
	bursts->own.ns = 0;
	bursts->cell_length = (int64_t)fmax(length, CELL_LEAST_NS);
	bursts->due_ns = bursts->cell_ns + (int64_t)(uniform() * (double)bursts->cell_length);
	bursts->state = WAITING;
}

/* Ends the time at the beginning, in which every allocation was counted. */
static void end_all(struct bursts *bursts)
{
	int64_t now = monotonic_ns();

	bursts->of.sums->burst = 0;
	bursts->full_ns = bursts->covered_ns = now - bursts->began_ns;
	leave(bursts);
	bursts->cell_ns = now;
	plan(bursts, bursts->full_ns, 0, 1);
}

/* --- a burst --- */

/* What the process did between the beginnings of two slices. */
struct stretch {
	double ns, objects; /* objects: -1 if unknown */
	struct overhead_work work;
};

static struct stretch between(const struct slice *from, const struct slice *to)
{
	return (struct stretch){
		.ns = (double)(to->begin.ns - from->begin.ns) + 1,
		.objects = from->begin.objects < 0 || to->begin.objects < 0
				   ? -1
				   : (double)(to->begin.objects - from->begin.objects),
		.work = overhead_work_between(from->work, to->work),
	};
}

/*
 * Returns the factor by which the process was slower then. It follows from the runtime's counters, within the limits that
 * the cost of the hits sets: the least is for a process that had the CPUs to itself, the most for one that had only its
 * `capacity` of them. Without limits, the noise of a process that allocates little would be taken for a factor.
 */
static double slowed(struct bursts *bursts, const struct stretch *then, double capacity)
{
	const struct reading *before = &bursts->before, *ready = &bursts->ready;
	double cost = overhead_of(bursts->of.collector, then->work) / then->ns, least, most, pace;

	least = 1 / (1 - fmin(cost / cost_error / fmax(capacity, 1), most_of_a_cpu));
	most = 1 / (1 - fmin(cost * cost_error / fmax(capacity, 0.01), most_of_a_cpu));
	if (before->objects < 0 || ready->objects < 0 || then->objects <= 0 || ready->ns - before->ns < BEFORE_LEAST_NS)
		return sqrt(least * most);
	pace = (double)(ready->objects - before->objects) / (double)(ready->ns - before->ns);
	return fmin(fmax(pace / (then->objects / then->ns), least), most);
}

static void begin_slice(struct bursts *bursts)
{
	bursts->slices[bursts->slice_count++] = (struct slice){read_objects(bursts), work_of(bursts)};
	bursts->of.sums->burst = bursts->weight_count + bursts->slice_count + 1;
}

static void begin_burst(struct bursts *bursts)
{
	struct error error;

	bursts->ready = read_objects(bursts);
	if (attach(bursts, &error)) {
		bursts->state = OVER;
		return;
	}
	overhead_begin(&bursts->burst, bursts->of.target->pid);
	overhead_capacity(&bursts->burst);
	bursts->looked = work_of(bursts);
	bursts->looked_ns = monotonic_ns();
	bursts->slice_count = 0;
	begin_slice(bursts);
	bursts->due_ns = bursts->slices[0].begin.ns + BURST_NS;
	bursts->state = IN_BURST;
}

/* Whether the pace since the last check differs from the pace of the slice until that check. */
static bool pace_changed(struct bursts *bursts)
{
	const struct slice *slice = &bursts->slices[bursts->slice_count - 1];
	struct overhead_work work = work_of(bursts);
	int64_t now = monotonic_ns();
	double earlier = (double)(bursts->looked_ns - slice->begin.ns), expected, hits;
	bool changed;

	hits = (double)(work.hits - bursts->looked.hits);
	expected = earlier <= 0 ? hits
				: (double)(bursts->looked.hits - slice->work.hits) * (double)(now - bursts->looked_ns) /
					  earlier;
	changed = fabs(hits - expected) > SLICE_HITS && (hits > other_pace * expected || expected > other_pace * hits);
	bursts->looked = work;
	bursts->looked_ns = now;
	return changed;
}

/*
 * Returns the first slice of another phase, that is, the slice at which the process changed its pace for the rest of the
 * burst; 0 if there is none. If there are several, the one with the largest change is returned. A program that allocates
 * in a rhythm has slices in which it rests; these are not phases.
 */
static size_t other_phase(const struct bursts *bursts)
{
	const struct slice *begin = &bursts->slices[0], *end = &bursts->slices[bursts->slice_count];
	double largest = other_pace;
	size_t found = 0;

	for (size_t i = 1; i < bursts->slice_count; i++) {
		struct stretch first = between(begin, &bursts->slices[i]), second = between(&bursts->slices[i], end);
		double before = ((double)first.work.hits + 1) / first.ns,
		       after = ((double)second.work.hits + 1) / second.ns;
		double change = fmax(before / after, after / before);

		if (change > largest) {
			largest = change;
			found = i;
		}
	}
	return found;
}

/* Sets the weight of the slices from `first` up to, but without, `behind`. */
static void weigh(struct bursts *bursts, size_t first, size_t behind, double share, double capacity)
{
	struct stretch stretch = between(&bursts->slices[first], &bursts->slices[behind]);
	double weight = share * slowed(bursts, &stretch, capacity);

	for (size_t i = first; i < behind; i++)
		bursts->weights[bursts->weight_count++] = (struct slice_weight){weight, bursts->count};
}

/* Returns how long the burst has lasted, with attaching. */
static int64_t end_burst(struct bursts *bursts)
{
	double capacity, share;
	int64_t lasted;
	size_t phase;

	bursts->of.sums->burst = 0;
	lasted = monotonic_ns() - bursts->slices[0].begin.ns;
	bursts->slices[bursts->slice_count] = (struct slice){read_objects(bursts), work_of(bursts)};
	if (bursts->weight_count + SLICES > bursts->capacity) {
		bursts->capacity = 2 * bursts->capacity + 64;
		bursts->weights = memory_resize(bursts->weights, bursts->capacity, sizeof(*bursts->weights));
	}
	capacity = overhead_capacity(&bursts->burst);
	share = (double)bursts->cell_length / (double)(lasted > 0 ? lasted : 1);
	bursts->count++;
	phase = other_phase(bursts);
	if (phase)
		weigh(bursts, 0, phase, share, capacity);
	weigh(bursts, phase, bursts->slice_count, share, capacity);
	bursts->covered_ns += lasted;
	leave(bursts);
	return lasted + bursts->attach_ns;
}

/* --- their times --- */

int64_t bursts_due_ns(const struct bursts *bursts)
{
	switch (bursts->state) {
	case ALL:
		return bursts->of.max_overhead > 0 ? monotonic_ns() + LOOK_NS : INT64_MAX;
	case WAITING:
		return bursts->due_ns - BURST_NS;
	case READY:
		return bursts->due_ns;
	case IN_BURST:
		return bursts->looked_ns + SLICE_NS < bursts->due_ns ? bursts->looked_ns + SLICE_NS : bursts->due_ns;
	case OVER:
		break;
	}
	return INT64_MAX;
}

bool bursts_come(const struct bursts *bursts)
{
	return bursts->state != ALL && bursts->state != OVER;
}

void bursts_step(struct bursts *bursts, double own_limit, int sharing)
{
	int64_t lasted_ns = 0;
	double percent;

	if (bursts->state == ALL) {
		if (bursts->of.max_overhead > 0 &&
		    overhead_too_high(&bursts->overhead, bursts->of.collector, work_of(bursts), bursts->of.max_overhead,
				      &percent))
			end_all(bursts);
		return;
	}
	if (monotonic_ns() < bursts_due_ns(bursts))
		return;
	own_work_begin(&bursts->own);
	switch (bursts->state) {
	case WAITING:
		bursts->before = read_objects(bursts);
		bursts->state = READY;
		break;
	case READY:
		begin_burst(bursts);
		break;
	case IN_BURST:
		if (monotonic_ns() >= bursts->due_ns) {
			lasted_ns = end_burst(bursts);
			if (own_limit > 0) /* so that this is part of the burst's cost */
				collector_gather(bursts->of.collector);
		} else if (pace_changed(bursts) && bursts->slice_count < SLICES) {
			begin_slice(bursts);
		}
		break;
	case ALL:
	case OVER:
		break;
	}
	own_work_end(&bursts->own);
	if (lasted_ns)
		plan(bursts, lasted_ns, own_limit, sharing);
}

struct bursts *bursts_new(const struct bursts_of *of, bool at_once, struct error *error)
{
	struct bursts *bursts = memory_zeroed(1, sizeof(*bursts));

	bursts->of = *of;
	bursts->began_ns = monotonic_ns();
	overhead_begin(&bursts->overhead, of->target->pid);
	overhead_begin(&bursts->pace, of->target->pid);
	if (of->runtime->ops->burst_probes(of->runtime, &bursts->probes, error))
		goto fail;
	if (at_once) {
		of->sums->burst = 1;
		if (attach(bursts, error))
			goto fail;
		return bursts;
	}
	/* The first burst measures what attaching costs. */
	bursts->cell_ns = bursts->began_ns;
	bursts->cell_length = BURST_NS;
	bursts->due_ns = bursts->cell_ns + (int64_t)(uniform() * BURST_NS);
	bursts->state = WAITING;
	return bursts;
fail:
	of->sums->burst = 0;
	bursts_free(bursts);
	return NULL;
}

void bursts_stop(struct bursts *bursts)
{
	int64_t now = monotonic_ns();

	if (bursts->ended_ns)
		return;
	bursts->ended_ns = now;
	if (bursts->state == ALL)
		bursts->full_ns = bursts->covered_ns = now - bursts->began_ns;
	if (bursts->state == IN_BURST)
		end_burst(bursts);
	bursts->of.sums->burst = 0;
	bursts->state = OVER;
}

void bursts_detach(struct bursts *bursts, bool gone)
{
	collector_detach(bursts->leaving);
	if (gone && bursts->attachment)
		collector_detach_later(bursts->of.collector, bursts->attachment);
	else
		collector_detach(bursts->attachment);
	bursts->leaving = bursts->attachment = NULL;
}

void bursts_free(struct bursts *bursts)
{
	if (!bursts)
		return;
	probe_set_free(&bursts->probes);
	free(bursts->weights);
	free(bursts);
}

bool bursts_are_weighed(const struct bursts *bursts, uint64_t number)
{
	return number >= 1 && number <= bursts->weight_count;
}

double bursts_weight(const struct bursts *bursts, uint64_t number)
{
	return bursts_are_weighed(bursts, number) ? bursts->weights[number - 1].weight : 0;
}

size_t bursts_burst(const struct bursts *bursts, uint64_t number)
{
	return bursts_are_weighed(bursts, number) ? bursts->weights[number - 1].burst : bursts->count + 1;
}

struct profile_bursts bursts_summary(const struct bursts *bursts)
{
	int64_t end = bursts->ended_ns ? bursts->ended_ns : monotonic_ns();
	bool all = bursts->state == ALL;

	return (struct profile_bursts){
		.present = true,
		.count = (int64_t)bursts->count,
		.full_ns = all ? end - bursts->began_ns : bursts->full_ns,
		.covered_ns = all ? end - bursts->began_ns : bursts->covered_ns,
		.recorded_ns = end - bursts->began_ns,
	};
}
