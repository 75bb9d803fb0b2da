/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/observed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/clock.h"
#include "profile/estimates.h"
#include "record/live.h"
#include "record/observed_rows.h"

enum {
	SNAPSHOT_TRIES = 400,
	SNAPSHOT_TRIES_MIN = 8, /* even on a machine on which we have to wait for a CPU */
	RELIEVE_ROWS = 4096,
	BAD_POINTER_TRIES = 3,
	BAD_POINTER_NS = 2 * 1000 * 1000,
	SNAPSHOT_NS = 40 * 1000 * 1000, /* how long to try for an instant at which both sides agree */
};

/*
 * Reads the runtime's counters. Returns -1 if the process's memory is gone, belongs to another program, or was refused.
 * Pointers that lead nowhere may be those of a process that has just become another program, or of an array that was
 * just replaced; the process is refused only if they stay like that.
 */
static int read_counters(struct observed *observed, struct heap_counters *counters)
{
	struct runtime *runtime = observed->runtime;

	for (int attempt = 0;; attempt++) {
		int status, reason;

		errno = 0;
		status = runtime->ops->read(runtime, observed->target, observed->rate, counters);
		reason = errno;

		if (target_lost_image(observed->target))
			return -1;
		if (!status || reason != EFAULT || runtime->refusal.text[0])
			return status;
		if (attempt == BAD_POINTER_TRIES)
			return error_set(&runtime->refusal, STATUS_CANNOT_MEASURE,
					 "the pointers to its %s lead to memory that it does not have",
					 runtime->ops->counter_source);
		nanosleep(&(struct timespec){.tv_nsec = BAD_POINTER_NS}, NULL);
	}
}

/* Reads both sides once. Returns -1 like read_counters(). */
static int snapshot_try(struct observed *observed, struct snapshot *snapshot)
{
	struct event_class_totals before[SPAN_CLASSES];

	event_process_totals(observed->sums, true, before);
	if (read_counters(observed, &snapshot->counters))
		return -1;
	event_process_totals(observed->sums, true, snapshot->events);
	snapshot->bound = snapshot->counters.in_flight;
	for (int class = 0; class < SPAN_CLASSES; class ++)
		snapshot->bound += (int64_t)(snapshot->events[class].objects - before[class].objects);
	snapshot->taken = true;
	snapshot->taken_ns = monotonic_ns();
	return 0;
}

/* Takes the reading with the best agreement of both sides. */
static void snapshot_take(struct observed *observed, struct snapshot *best)
{
	int64_t deadline = monotonic_ns() + SNAPSHOT_NS;
	struct snapshot *attempt = memory_zeroed(1, sizeof(*attempt));

	for (int tries = 0; tries < SNAPSHOT_TRIES; tries++) {
		if (snapshot_try(observed, attempt))
			break;
		if (tries == 0 || attempt->bound < best->bound)
			*best = *attempt;
		if (best->bound == 0 || (monotonic_ns() > deadline && tries >= SNAPSHOT_TRIES_MIN) ||
		    monotonic_ns() > deadline + 4 * SNAPSHOT_NS)
			break;
	}
	free(attempt);
}

static void adjust(struct observed *observed, bool on)
{
	if (observed->runtime->may_change && observed->runtime->ops->adjust)
		observed->runtime->ops->adjust(observed->runtime, observed->target, on);
}

/* Loads the programs. Warns about values that are not measured because the verifier rejects their program. */
static int load_programs(struct collector *collector, struct runtime *runtime, const struct probe_set *probes,
			 struct profile *profile, struct error *error)
{
	struct collector_lack lack;

	if (collector_prepare(collector, probes, &lack, error))
		return -1;
	if (!lack.values)
		return 0;
	runtime->unmeasured |= lack.values;
	runtime->rows_unmeasured |= lack.values;
	profile_warn(profile, "this kernel's verifier rejects the BPF program %s (%s): what it counts is not measured",
		     lack.program, lack.reason);
	return 0;
}

struct observed *observed_new(struct collector *collector, struct profile *profile, struct image_cache *images,
			      struct target *target, struct runtime *runtime, uint32_t slot, int64_t rate,
			      bool from_first_instruction, struct error *error)
{
	struct observed *observed = memory_zeroed(1, sizeof(*observed));
	struct probe_set probes = {0};
	int64_t unsettled;

	observed->collector = collector;
	observed->profile = profile;
	observed->target = target;
	observed->runtime = runtime;
	observed->slot = slot;
	observed->sums = collector_process(collector, slot);
	runtime->events = observed->sums;
	runtime->counters_start_at_zero = from_first_instruction;
	if (runtime->ops->probes(runtime, rate, &probes, profile, error) ||
	    load_programs(collector, runtime, &probes, profile, error))
		goto fail;
	observed->rate = runtime->rate;
	*(struct event_layout *)&observed->sums->layout = probes.layout;
	if (from_first_instruction)
		observed->sums->recording = 1;
	observed->attachment = collector_attach(collector, target->pid, slot, &probes, error);
	if (!observed->attachment)
		goto fail;
	observed->space = address_space_new(target, profile, images);
	if (from_first_instruction) {
		observed->start.taken = true;
	} else {
		adjust(observed, true);
		observed->sums->recording = 1;
		unsettled = runtime->ops->unsettled ? runtime->ops->unsettled(runtime, target) : 0;
		snapshot_take(observed, &observed->start);
		observed->start.bound += unsettled;
	}
	probe_set_free(&probes);
	return observed;
fail:
	probe_set_free(&probes);
	observed->sums->recording = 0;
	target_close(target);
	runtime_free(runtime);
	free(observed);
	return NULL;
}

static void remember_row(void *context, const struct event_key *key, const struct event_sums *sums)
{
	struct observed *observed = context;

	(void)sums;
	observed->runtime->ops->remember(observed->runtime, observed->target, key);
}

static void remember_rows(struct observed *observed)
{
	address_space_update(observed->space);
	target_allow(observed->target);
	if (observed->runtime->ops->remember)
		collector_rows(observed->collector, observed->slot, remember_row, observed);
}

void observed_adjust(struct observed *observed)
{
	adjust(observed, true);
}

void observed_tick(struct observed *observed)
{
	struct snapshot attempt;

	target_find_thread(observed->target);
	remember_rows(observed);
	if (snapshot_try(observed, &attempt) == 0)
		observed->latest = attempt;
}

static int came_fresh(void *context, uint64_t cache, int span_class)
{
	struct observed *observed = context;

	if (target_lost_image(observed->target))
		return -1;
	return observed->runtime->ops->came_fresh(observed->runtime, observed->target, cache, span_class);
}

static void settle_grows(struct observed *observed)
{
	int64_t unknown;

	if (!observed->runtime->ops->came_fresh)
		return;
	target_allow(observed->target);
	unknown = collector_settle_grows(observed->collector, observed->slot, came_fresh, observed);
	if (unknown)
		profile_warn(observed->profile,
			     "process %d (%s) was gone before its mcaches could be read: up to %lld central "
			     "grows are missing",
			     observed->target->pid, observed->target->comm, (long long)unknown);
}

void observed_stop(struct observed *observed)
{
	if (!observed->target->exiting) {
		target_find_thread(observed->target);
		adjust(observed, false);
	}
	snapshot_take(observed, &observed->end);
	observed->sums->recording = 0;
	settle_grows(observed);
	remember_rows(observed);
}

bool observed_gap(const struct observed *ended, const struct observed *begun, struct observed_gap *gap)
{
	const struct snapshot *from = &ended->end, *to = &begun->start;

	*gap = (struct observed_gap){(double)(to->taken_ns - from->taken_ns) / 1e6, 0};
	for (int class = 0; class < SPAN_CLASSES; class ++)
		gap->objects += to->counters.classes[class].objects - from->counters.classes[class].objects;
	return from->taken && to->taken;
}

/* Adds the rows to the profile while other processes continue to fill the maps. */
static void add_rows(struct observed *observed, const struct event_store *store)
{
	uint32_t *order = event_store_order(store);
	int64_t values[VALUE_COUNT];
	struct observed_row row;
	struct profile_key key;

	for (uint32_t i = 0; i < store->row_count; i++) {
		if (i % RELIEVE_ROWS == 0)
			collector_relieve(observed->collector);
		observed_row_read(observed, store, &store->rows[order[i]], &row);
		observed_row_values(&row, values);
		key = observed_row_key(observed, &row);
		profile_add(observed->profile, &key, values);
		if (observed->rate <= 1) /* estimates are few, and must be calibrated first */
			profile_drain(observed->profile);
	}
	free(order);
}

/*
 * Compares over the time between the two snapshots: what events reported, plus what they had not reported yet at the
 * end, minus the same at the start, with the runtime's counters.
 */
static void add_check(struct observed *observed, struct profile_process *process)
{
	int64_t objects = 0, recorded = 0;

	process->check.source = profile_string(observed->profile, observed->runtime->ops->counter_source);
	if (!observed->start.taken || !observed->end.taken)
		return;
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const struct heap_class *from = &observed->start.counters.classes[class];
		const struct heap_class *to = &observed->end.counters.classes[class];

		recorded += (int64_t)(observed->end.events[class].objects - observed->start.events[class].objects);
		recorded += to->unreported_objects - from->unreported_objects;
		objects += to->objects - from->objects;
	}
	process->check.present = true;
	process->check.objects = objects;
	process->check.difference = recorded - objects;
	process->check.bound = observed->start.bound + observed->end.bound;
}

void observed_detach(struct observed *observed)
{
	if (observed->target->gone)
		collector_detach_dead(observed->collector, observed->attachment);
	else
		collector_detach(observed->attachment);
}

static void release(struct observed *observed)
{
	live_rows_free(observed->live);
	address_space_free(observed->space);
	runtime_free(observed->runtime);
	target_close(observed->target);
	free(observed);
}

/* Adds the process as a recording at the sampler's rate would have it: its totals by class are those of the
 * counters. */
static struct profile_process *add_beside(struct observed *observed, const struct profile_process *exact)
{
	struct profile_process *process, copy = *exact;

	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const struct heap_class *from = &observed->start.counters.classes[class];
		const struct heap_class *to = &observed->end.counters.classes[class];

		copy.class_totals[class][VALUE_OBJECTS] = to->objects - from->objects;
		copy.class_totals[class][VALUE_BYTES] = to->bytes - from->bytes;
		observed_forget_noscan(class, copy.class_totals[class]);
	}
	process = profile_process_add(observed->profile, copy.pid);
	*process = copy;
	return process;
}

int observed_finish(struct observed *observed)
{
	const struct snapshot *end = observed->end.taken ? &observed->end : &observed->latest;
	struct profile *profile = observed->profile;
	struct profile_process *process;
	int64_t values[VALUE_COUNT];
	struct event_store store;
	struct profile_key key;
	size_t first;
	int error;

	error = collector_collect(observed->collector, observed->slot);
	process = profile_process_add(profile, observed->target->pid);
	observed_describe(observed, process, end);
	add_check(observed, process);
	if (!observed->end.taken) {
		if (!observed->replaced && !observed->runtime->counters_unknown)
			profile_warn(profile,
				     "process %d (%s) ended before its counters could be read: there is no check%s",
				     observed->target->pid, observed->target->comm,
				     observed->rate == 1 ? "" : ", and totals lack what no event had reported yet");
		if (observed->rate != 1)
			profile->totals_exact = false;
	}
	if (error) {
		process->lost_events = add_saturated(process->lost_events, 1); /* an unknown number, counted as one */
		profile_warn(profile, "the kernel did not give all rows of process %d (%s): %s", process->pid,
			     process->comm, strerror(-error));
	}
	for (size_t i = 0; i < profile->call_count && i < EVENT_CALLS; i++)
		profile->calls[i].calls = add_saturated(profile->calls[i].calls, (int64_t)observed->sums->calls[i]);
	collector_take(observed->collector, observed->slot, &store);
	first = profile->sample_count;
	add_rows(observed, &store);
	event_store_free(&store);
	if (observed->runtime->beside_rate)
		process = add_beside(observed, process);
	if (observed_is_calibrated(observed, end))
		estimates_calibrate(profile, first, observed_samples_rate(observed), process->class_totals);
	if (observed_rest(observed, process, &key, values))
		profile_add(profile, &key, values);
	if (observed->runtime->ops->finish)
		observed->runtime->ops->finish(observed->runtime, profile, process);

	release(observed);
	return error;
}

bool observed_is_refused(const struct observed *observed, struct error *error)
{
	const struct error *refusal = &observed->runtime->refusal;

	if (!refusal->text[0])
		return false;
	error_set(error, refusal->status, "process %d (%s) cannot be measured: %s", observed->target->pid,
		  observed->target->comm, refusal->text);
	return true;
}

int observed_discard(struct observed *observed)
{
	struct event_store store;
	int error = collector_collect(observed->collector, observed->slot);

	collector_take(observed->collector, observed->slot, &store);
	event_store_free(&store);
	release(observed);
	return error;
}
