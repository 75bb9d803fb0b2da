/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/bursts.h"

#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/priority.h"
#include "record/overhead.h"

enum {
	LOOK_NS = 10 * 1000 * 1000, /* between looks at the overhead while all is counted */
	BURST_NS = 10 * 1000 * 1000,
	BEFORE_LEAST_NS = 2 * 1000 * 1000, /* a shorter time before a burst says nothing about the process's speed */
	CELLS = 256, /* none is shorter than this part of the time until now: bounds their number */
};

/* The cost of hits is known within this factor. */
static const double cost_error = 1.6;
static const double most_of_a_cpu = 0.98;

enum state { ALL, WAITING, READY, IN_BURST, OVER };

/* How far the process has come. */
struct reading {
	int64_t ns, objects; /* objects: -1 if unknown */
};

struct bursts {
	struct bursts_of of;
	struct probe_set probes;
	struct overhead overhead, pace; /* pace: what the process does between plans */
	struct attachment *attachment, *leaving;
	enum state state;
	int64_t began_ns, ended_ns, full_ns, covered_ns;
	int64_t cell_ns, cell_length; /* where the cell begins that has the next burst, or the one that goes on */
	int64_t due_ns;		      /* when the next burst begins, or this one ends */
	int64_t attach_ns;	      /* how long attaching took */
	struct overhead burst;	      /* what the process does in the burst */
	struct reading before, ready, begin; /* a burst's length before it, before attaching, after that */
	struct overhead_work attached;	     /* when the probes were attached */
	struct overhead_work started;	     /* when the burst began */
	double *weights;		     /* by number - 1 */
	size_t count, capacity;
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
	return (struct overhead_work){event_process_hits(bursts->of.sums), (int64_t)bursts->of.sums->frames};
}

static struct overhead_work work_since(const struct bursts *bursts, struct overhead_work then)
{
	struct overhead_work now = work_of(bursts);

	return (struct overhead_work){now.hits - then.hits, now.frames - then.frames};
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
	return bursts->attachment ? 0 : -1;
}

static void leave(struct bursts *bursts)
{
	collector_detach(bursts->leaving);
	bursts->leaving = bursts->attachment;
	bursts->attachment = NULL;
	collector_detach_begin(bursts->leaving);
}

/* Plans the next burst, by what the last one cost: `work`, in that many nanoseconds. */
static void plan(struct bursts *bursts, struct overhead_work work, int64_t lasted_ns)
{
	double attaching = 2 * (double)bursts->attach_ns, length, share;
	double hits = overhead_of(&bursts->overhead, bursts->of.collector, work) / (double)(lasted_ns + 1);

	share = fmax(overhead_capacity(&bursts->pace), 0.01) * bursts->of.limit / 100;
	bursts->cell_ns += bursts->cell_length;
	length = (attaching + hits * BURST_NS) / share;
	length = fmax(length, (double)(monotonic_ns() - bursts->began_ns) / CELLS);
	bursts->cell_length = (int64_t)fmax(length, 2 * BURST_NS);
	bursts->due_ns = bursts->cell_ns + (int64_t)(uniform() * (double)bursts->cell_length);
	bursts->state = WAITING;
}

/* Ends the time in which all was counted. */
static void end_all(struct bursts *bursts)
{
	int64_t now = monotonic_ns();

	bursts->of.sums->burst = 0;
	bursts->full_ns = bursts->covered_ns = now - bursts->began_ns;
	leave(bursts);
	bursts->cell_ns = now;
	plan(bursts, work_since(bursts, bursts->attached), bursts->full_ns);
}

/*
 * By how much the process was slower in the burst: by the counters, as far as what the hits cost bears it out. In a process
 * that allocates little there is nothing to correct, and chance in it. Only the burst's own hits count: what was hit while
 * the probes were attached may belong to another phase of the process.
 */
static double slowed(struct bursts *bursts, struct reading end)
{
	const struct reading *before = &bursts->before, *ready = &bursts->ready, *begin = &bursts->begin;
	struct overhead_work work = work_since(bursts, bursts->started);
	double available, cost, least, most, slower;

	available = overhead_capacity(&bursts->burst) * (double)(end.ns - begin->ns);
	cost = overhead_of(&bursts->overhead, bursts->of.collector, work) / fmax(available, 1);
	least = 1 / (1 - fmin(cost / cost_error, most_of_a_cpu));
	most = 1 / (1 - fmin(cost * cost_error, most_of_a_cpu));
	if (before->objects < 0 || ready->objects < 0 || begin->objects < 0 || end.objects <= begin->objects ||
	    ready->ns - before->ns < BEFORE_LEAST_NS)
		return sqrt(least * most);
	slower = (double)(ready->objects - before->objects) / (double)(ready->ns - before->ns);
	slower /= (double)(end.objects - begin->objects) / (double)(end.ns - begin->ns);
	return fmin(fmax(slower, least), most);
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
	bursts->started = work_of(bursts);
	bursts->begin = read_objects(bursts);
	bursts->of.sums->burst = bursts->count + 2;
	bursts->due_ns = bursts->begin.ns + BURST_NS;
	bursts->state = IN_BURST;
}

static void end_burst(struct bursts *bursts)
{
	int64_t lasted;
	struct reading end;

	bursts->of.sums->burst = 0;
	lasted = monotonic_ns() - bursts->begin.ns;
	end = read_objects(bursts);
	if (bursts->count == bursts->capacity) {
		bursts->capacity = 2 * bursts->capacity + 64;
		bursts->weights = memory_resize(bursts->weights, bursts->capacity, sizeof(*bursts->weights));
	}
	bursts->weights[bursts->count++] =
		slowed(bursts, end) * (double)bursts->cell_length / (double)(lasted > 0 ? lasted : 1);
	bursts->covered_ns += lasted;
	leave(bursts);
	plan(bursts, work_since(bursts, bursts->attached), lasted + bursts->attach_ns);
}

int64_t bursts_due_ns(const struct bursts *bursts)
{
	switch (bursts->state) {
	case ALL:
		return bursts->of.limit > 0 ? monotonic_ns() + LOOK_NS : INT64_MAX;
	case WAITING:
		return bursts->due_ns - BURST_NS;
	case READY:
	case IN_BURST:
		return bursts->due_ns;
	case OVER:
		break;
	}
	return INT64_MAX;
}

void bursts_step(struct bursts *bursts)
{
	double percent;

	if (bursts->state == ALL) {
		if (bursts->of.limit > 0 && overhead_too_high(&bursts->overhead, bursts->of.collector, work_of(bursts),
							      bursts->of.limit, &percent))
			end_all(bursts);
		return;
	}
	if (monotonic_ns() < bursts_due_ns(bursts))
		return;
	switch (bursts->state) {
	case WAITING:
		bursts->before = read_objects(bursts);
		bursts->state = READY;
		break;
	case READY:
		begin_burst(bursts);
		break;
	case IN_BURST:
		end_burst(bursts);
		break;
	case ALL:
	case OVER:
		break;
	}
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
	/* The first attachment shows what one costs. */
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
		collector_detach_dead(bursts->of.collector, bursts->attachment);
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

double bursts_weight(const struct bursts *bursts, uint64_t number)
{
	return number >= 1 && number <= bursts->count ? bursts->weights[number - 1] : 0;
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
