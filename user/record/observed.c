/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/observed.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/priority.h"
#include "profile/estimates.h"
#include "record/bursts.h"
#include "record/live.h"
#include "record/observed_rows.h"
#include "record/phases.h"
#include "target/obstacle.h"

enum {
	SNAPSHOT_TRIES = 400,
	SNAPSHOT_TRIES_MIN = 8, /* even on a machine on which we have to wait for a CPU */
	RELIEVE_ROWS = 4096,
	BAD_POINTER_TRIES = 3,
	BAD_POINTER_NS = 2 * 1000 * 1000,
	SNAPSHOT_PAUSE_NS = 50 * 1000,
	SNAPSHOT_NS = 40 * 1000 * 1000, /* how long to try for an instant at which both sides agree */
};

/* Pointers that lead nowhere may be those of a process that has just become another program, or of an array that was just
 * replaced; the process is refused only if they stay like that. */
int observed_read_counters(struct runtime *runtime, const struct target *target, int64_t rate,
			   struct heap_counters *counters)
{
	for (int attempt = 0;; attempt++) {
		int status, reason;

		errno = 0;
		status = runtime->ops->read(runtime, target, rate, counters);
		reason = errno;

		if (target_lost_image(target))
			return -1;
		if (!status || reason != EFAULT || runtime->refusal.text[0])
			return status;
		if (attempt == BAD_POINTER_TRIES)
			return error_set(&runtime->refusal, STATUS_CANNOT_MEASURE,
					 "of its %s, a pointer leads to %#" PRIx64 ", where it has no memory",
					 runtime->ops->counter_source, target->reader->failed_at);
		nanosleep(&(struct timespec){.tv_nsec = BAD_POINTER_NS}, NULL);
	}
}

static int read_counters(struct observed *observed, struct heap_counters *counters)
{
	return observed_read_counters(observed->runtime, observed->target, observed->rate, counters);
}

/* Reads both sides once. Returns -1 like read_counters(). */
static int snapshot_try(struct observed *observed, struct snapshot *snapshot)
{
	struct event_class_totals before[SPAN_CLASSES];

	event_process_totals(observed->sums, EVENTS_ALL, before);
	if (read_counters(observed, &snapshot->counters))
		return -1;
	event_process_totals(observed->sums, EVENTS_ALL, snapshot->events);
	snapshot->bound = snapshot->counters.in_flight;
	for (int class = 0; class < SPAN_CLASSES; class ++)
		snapshot->bound = add_saturated(snapshot->bound,
						count_of_sum(snapshot->events[class].objects - before[class].objects));
	snapshot->taken = true;
	snapshot->taken_ns = monotonic_ns();
	return 0;
}

/* Takes the reading with the best agreement of both sides. Pauses in between: we may have preempted the very thread that is in
 * the middle of an allocation, which would stay there as long as we look. */
static void snapshot_take(struct observed *observed, struct snapshot *best)
{
	int64_t deadline = monotonic_ns() + SNAPSHOT_NS;
	struct snapshot *attempt = memory_zeroed(1, sizeof(*attempt));
	bool still = target_is_still(observed->target); /* a new copy, or one at its end: tries would not differ */

	for (int tries = 0; tries < SNAPSHOT_TRIES; tries++) {
		if (snapshot_try(observed, attempt))
			break;
		if (tries == 0 || attempt->bound < best->bound)
			*best = *attempt;
		if (best->bound == 0 || (monotonic_ns() > deadline && tries >= SNAPSHOT_TRIES_MIN) ||
		    monotonic_ns() > deadline + 4 * SNAPSHOT_NS || still)
			break;
		nanosleep(&(struct timespec){.tv_nsec = SNAPSHOT_PAUSE_NS}, NULL);
	}
	free(attempt);
}

static void adjust(struct observed *observed, bool on)
{
	if (!observed->runtime->may_change || !observed->runtime->ops->adjust)
		return;
	/* Heaps grow. If it cannot be done the process has ended, or what was there before is what is written. */
	target_refresh(observed->target, NULL);
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

int observed_prepare(struct collector *collector, struct runtime *runtime, int64_t rate, struct probe_set *probes,
		     struct profile *profile, struct error *error)
{
	if (runtime->ops->probes(runtime, rate, probes, profile, error))
		return -1;
	return load_programs(collector, runtime, probes, profile, error);
}

/* For processes that nothing samples. After a phase that counted everything, bursts begin at once. */
static int begin_bursts(struct observed *observed, double max_overhead, const struct observed *before,
			struct error *error)
{
	const struct bursts_of of = {observed->collector, observed->target, observed->runtime,
				     observed->sums,	  observed->slot,   max_overhead};

	if (!observed->runtime->in_bursts)
		return 0;
	observed->bursts = bursts_new(&of, !before, error);
	priority_urgent(true); /* again: the first burst was urgent by itself, and is no more */
	return observed->bursts ? 0 : -1;
}

/* The instant from which on events are recorded. `before`: the phase that this one follows, or NULL. */
static void begin(struct observed *observed, bool from_first_instruction, struct observed *before)
{
	struct runtime *runtime = observed->runtime;
	int64_t unsettled;

	if (from_first_instruction) {
		observed->start.taken = true;
		return;
	}
	adjust(observed, true);
	if (before && !before->end.taken)
		observed_read_end(before);
	if (before)
		phases_hand_over(before, observed);
	observed->sums->recording = 1;
	collector_divide(observed->collector);
	unsettled = runtime->ops->unsettled ? runtime->ops->unsettled(runtime, observed->target) : 0;
	runtime->is_starting = true;
	snapshot_take(observed, &observed->start);
	runtime->is_starting = false;
	observed->start.bound += unsettled;
}

/* Differs where code is mapped at other places, or from other files. */
static uint64_t code_mark(const struct target *target)
{
	uint64_t mark = 0;

	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];

		if (mapping->executable)
			mark = hash_fold(hash_fold(mark, mapping->start), mapping->inode);
	}
	return mark;
}

/* Looks for other allocators among the mappings, if these are others than the last time, or one may have begun to allocate. */
static void find_others(struct observed *observed)
{
	struct runtime_others others;
	uint64_t mark = code_mark(observed->target);

	if (mark == observed->others_mark && !runtime_idle_may_have_begun(&observed->others.idle, observed->target))
		return;
	observed->others_mark = mark;
	runtime_find_others(observed->runtime, observed->target, &others);
	if (target_lost_image(observed->target)) /* they may be of the program that it has become */
		return;
	observed->others.idle = others.idle;
	if (others.count <= observed->others.count)
		return;
	observed->others = others;
	observed->others.file = profile_path(observed->profile, others.file);
}

/* Whether a target that is not attached to yet has ended, with the error. */
static bool has_ended(struct target *target, struct error *error)
{
	if (!target_lost_memory(target) || target_has_image(target))
		return false;
	error_set(error, STATUS_CANNOT_MEASURE, "process %d ended before probes could be attached to it", target->pid);
	return true;
}

struct observed *observed_new(struct collector *collector, struct profile *profile, struct image_cache *images,
			      struct target *target, struct runtime *runtime, uint32_t slot, int64_t rate,
			      bool from_first_instruction, double max_overhead, struct observed *before,
			      struct error *error)
{
	struct observed *observed = memory_zeroed(1, sizeof(*observed));
	struct probe_set probes = {0};

	observed->collector = collector;
	observed->profile = profile;
	observed->target = target;
	observed->runtime = runtime;
	observed->slot = slot;
	observed->sums = collector_process(collector, slot);
	runtime->events = observed->sums;
	runtime->counters_start_at_zero = from_first_instruction;
	/* Before all that takes time: of a target that ends meanwhile, no file can be opened any more. */
	observed->space = address_space_new(target, profile, images);
	if (has_ended(target, error) || observed_prepare(collector, runtime, rate, &probes, profile, error))
		goto fail;
	observed->rate = runtime->rate;
	*(struct event_layout *)&observed->sums->layout = probes.layout;
	if (from_first_instruction)
		observed->sums->recording = 1;
	priority_urgent(true); /* until the recording has begun: its beginning must not wait for the target's threads */
	observed->attachment = collector_attach(collector, target->pid, slot, &probes, error);
	if (!observed->attachment) {
		has_ended(target, error); /* the kernel says only that there is no such process */
		goto fail;
	}
	if (begin_bursts(observed, max_overhead, before, error))
		goto fail;
	begin(observed, from_first_instruction, before);
	priority_urgent(false);
	if (!from_first_instruction) /* it may end before we look again */
		find_others(observed);
	probe_set_free(&probes);
	return observed;
fail:
	priority_urgent(false);
	probe_set_free(&probes);
	observed->sums->recording = 0;
	collector_detach(observed->attachment);
	address_space_free(observed->space);
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
	find_others(observed);
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
	observed_settle_bursts(observed);
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

void observed_read_end(struct observed *observed)
{
	event_process_totals(observed->sums, EVENTS_OUTSIDE, observed->outside);
	snapshot_take(observed, &observed->end);
}

void observed_stop(struct observed *observed)
{
	if (observed->bursts)
		bursts_stop(observed->bursts);
	if (!observed->target->exiting)
		target_find_thread(observed->target);
	if (!observed->next) {
		if (!observed->target->exiting)
			adjust(observed, false);
		observed_read_end(observed);
	}
	observed->sums->recording = 0;
	settle_grows(observed);
	remember_rows(observed);
}

/* Samples that are to be calibrated, before they become one with others of the profile. */
struct estimated {
	struct profile_sample *samples, **list; /* `list` is filled in when all samples are there */
	size_t count, capacity;
};

static void hold_sample(struct estimated *estimated, const struct profile_key *key, const struct observed_row *row,
			const int64_t values[VALUE_COUNT])
{
	struct profile_sample *sample;

	if (estimated->count == estimated->capacity) {
		estimated->capacity = estimated->capacity ? 2 * estimated->capacity : 64;
		estimated->samples =
			memory_resize(estimated->samples, estimated->capacity, sizeof(*estimated->samples));
	}
	sample = &estimated->samples[estimated->count++];
	*sample = (struct profile_sample){.key = *key};
	memcpy(sample->values, values, sizeof(sample->values));
	if (!row->groups)
		return;
	sample->groups = memory_allocate(BURST_GROUPS * sizeof(*sample->groups));
	observed_groups(row->groups, sample->groups);
}

static void add_sample(struct profile *profile, const struct profile_sample *sample)
{
	if (!sample->groups) {
		profile_add(profile, &sample->key, sample->values);
		return;
	}
	for (int group = 0; group < BURST_GROUPS; group++) {
		const struct profile_group *part = &sample->groups[group];
		const int64_t values[VALUE_COUNT] = {
			[VALUE_OBJECTS] = part->objects, [VALUE_BYTES] = part->bytes, [VALUE_SAMPLES] = part->samples};

		profile_add_group(profile, &sample->key, group, values);
	}
	free(sample->groups);
}

/* A go statement allocates nothing that counts. */
static void add_start(struct observed *observed, const struct observed_row *row, const struct profile_key *key)
{
	const struct profile_location *entry = address_space_locate(observed->space, row->key.site, false);

	profile_add_start(observed->profile, key->stack,
			  entry->frame_count ? entry->frames[entry->frame_count - 1].function : NULL,
			  count_of_sum(row->sums.count));
}

/* Adds the rows to the profile while other processes continue to fill the maps. */
static void add_rows(struct observed *observed, const struct event_store *store, struct estimated *estimated)
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
		if (row.key.kind == EVENT_SAMPLE || row.key.kind == EVENT_BURST ||
		    (observed->bursts && row.key.kind == EVENT_ALLOC))
			hold_sample(estimated, &key, &row, values);
		else if (row.key.kind == EVENT_GO)
			add_start(observed, &row, &key);
		else
			profile_add(observed->profile, &key, values);
		if (observed->rate <= 1) /* estimates are few */
			profile_drain(observed->profile);
	}
	free(order);
}

/*
 * Compares over the time between the two snapshots: what events reported, plus what they had not reported yet at the
 * end, minus the same at the start, with the runtime's counters. The totals may have more: at rate 1 they are the events
 * between the edges of the recording, which differ slightly from the instants of the snapshots; those of a later phase begin
 * where the phase before it ended; and no class has fewer than 0.
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

		recorded = add_saturated(recorded, count_of_sum(observed->end.events[class].objects -
								observed->start.events[class].objects));
		recorded = add_saturated(recorded, to->unreported_objects - from->unreported_objects);
		objects += to->objects - from->objects;
	}
	process->check.present = true;
	process->check.objects = objects;
	process->check.difference = add_saturated(recorded, -objects);
	process->check.bound = observed->start.bound + observed->end.bound;
	if (process->totals[VALUE_OBJECTS] != VALUE_UNMEASURED)
		process->check.outside = add_saturated(process->totals[VALUE_OBJECTS], -recorded);
}

void observed_detach(struct observed *observed)
{
	if (observed->bursts)
		bursts_detach(observed->bursts, observed->target->gone);
	if (observed->attachment && observed->target->gone)
		collector_detach_later(observed->collector, observed->attachment);
	else
		collector_detach(observed->attachment);
	observed->attachment = NULL;
}

static void release(struct observed *observed)
{
	live_rows_free(observed->live);
	bursts_free(observed->bursts);
	address_space_free(observed->space);
	runtime_free(observed->runtime);
	target_close(observed->target);
	free(observed);
}

/* Returns the process as it would be in a recording at the sampler's rate, whose totals by class are those of the
 * counters. */
static struct profile_process beside_process(const struct observed *observed, const struct profile_process *exact)
{
	struct profile_process process = *exact;

	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const struct heap_class *from = &observed->start.counters.classes[class];
		const struct heap_class *to = &observed->end.counters.classes[class];

		process.class_totals[class][VALUE_OBJECTS] = to->objects - from->objects;
		process.class_totals[class][VALUE_BYTES] = to->bytes - from->bytes;
		observed_forget_noscan(class, process.class_totals[class]);
	}
	return process;
}

/* How long a recording takes in which there are likely enough bursts, if they come as often as in this one: "for 20s or
 * longer". They are at random instants. */
static const char *enough_time(const struct profile_bursts *bursts, char text[32])
{
	enum { STEP = 5 };
	double seconds = bursts->count > 0 ? 1.5e-9 * BURSTS_LEAST * (double)bursts->recorded_ns / (double)bursts->count
					   : INFINITY;

	if (seconds < 3600)
		snprintf(text, 32, "for %.0fs or longer", ceil(seconds / STEP) * STEP);
	else
		snprintf(text, 32, "for longer");
	return text;
}

/* Warns if there were too few bursts to estimate what happened between them. */
static void tell_few_bursts(const struct observed *observed)
{
	struct profile_bursts bursts;
	char time[32], longer[64] = "";

	if (observed_bursts_suffice(observed))
		return;
	observed->profile->rows_least = true;
	/* a program that has ended by itself cannot be recorded for longer, and what a phase of rate 0 left out stays out */
	if (!observed->by_itself && !observed->after_zero) {
		bursts = bursts_summary(observed->bursts);
		snprintf(longer, sizeof(longer), "record %s, or ", enough_time(&bursts, time));
	}
	profile_warn(
		observed->profile,
		"%s, so its objects are counted in bursts, for which this recording was too short: rows of lines have "
		"what was counted, and are lower bounds; %s%s",
		observed->runtime->in_bursts, longer, runtime_unsampled_advice);
}

/* Warns of allocators that are not observed. */
static void tell_others(const struct observed *observed, const struct profile_process *process)
{
	const struct runtime_others *others = &observed->others;
	struct profile *profile = observed->profile;
	char more[40] = "";

	profile->rows_least = true;
	profile->totals_exact &= observed->rate > 1 && !others->uncounted;
	if (others->count > 1)
		snprintf(more, sizeof(more), " and %zu more", others->count - 1);
	profile_warn(
		profile,
		"process %d (%s) has loaded %s%s, %s, which is not observed: what its code allocates is in no row of a "
		"line%s",
		process->pid, process->comm, others->file, more, others->kind,
		others->uncounted ? ", and not in the totals" : "");
}

/* Warns of what its totals and rows lack. */
static void tell_lacks(const struct observed *observed, struct profile_process *process)
{
	struct profile *profile = observed->profile;

	if (observed->others.count)
		tell_others(observed, process);
	tell_few_bursts(observed);
	if (observed->end.taken)
		return;
	if (observed->target->denied) {
		struct error why;

		obstacle_unreadable(&why, observed->target->denied, process->pid, observed->target->comm);
		profile_warn(profile, "%s", why.text);
		process->lost_events = add_saturated(process->lost_events, 1); /* of which nobody knows how many */
		profile->totals_exact = false;
		return;
	}
	if (!observed->replaced && !observed->runtime->counters_unknown)
		profile_warn(profile, "process %d (%s) ended before its counters could be read: there is no check%s",
			     process->pid, process->comm,
			     observed->rate == 1 ? "" : ", and totals lack what no event had reported yet");
	if (observed->rate != 1)
		profile->totals_exact = false;
}

/* The reading up to which the totals go. */
static const struct snapshot *last_reading(const struct observed *observed)
{
	return observed->end.taken ? &observed->end : &observed->latest;
}

/* Counters of a process that was killed or executed another program are of some moments before: its samples have what came
 * later, and its totals only if events tell of it. */
static bool is_scaled(const struct observed *observed)
{
	return observed_is_calibrated(observed, last_reading(observed)) &&
	       (observed->end.taken || !observed->runtime->counters_only);
}

bool observed_scales_rows(const struct observed *observed)
{
	return observed->rate > 1 && is_scaled(observed);
}

/* All rows; those that are samples add up to the totals of `process`, if they can. */
static void add_all_rows(struct observed *observed, const struct profile_process *process)
{
	struct profile *profile = observed->profile;
	struct estimated estimated = {0};
	int64_t values[VALUE_COUNT];
	struct event_store store;
	struct profile_key key;

	collector_take(observed->collector, observed->slot, &store);
	observed_settle_last_bursts(observed, &store);
	add_rows(observed, &store, &estimated);
	event_store_free(&store);
	estimated.list = memory_zeroed(estimated.count + 1, sizeof(*estimated.list));
	for (size_t i = 0; i < estimated.count; i++)
		estimated.list[i] = &estimated.samples[i];
	if (is_scaled(observed))
		estimates_calibrate(estimated.list, estimated.count, observed_samples_rate(observed), process);
	for (size_t i = 0; i < estimated.count; i++)
		add_sample(profile, &estimated.samples[i]);
	if (observed_rest(observed, process, &key, values))
		profile_add(profile, &key, values);
	free(estimated.list);
	free(estimated.samples);
}

/* The profile's entry of the process, which has all its phases. */
static void add_process(struct observed *observed, const struct profile_process *process)
{
	struct profile *profile = observed->profile;

	if (observed_is_joined(observed, profile)) {
		phases_join(&profile->processes[observed->process], process);
	} else {
		observed->process = profile->process_count;
		*profile_process_add(profile, process->pid) = *process;
	}
	if (observed->next)
		observed->next->process = observed->process;
}

int observed_finish(struct observed *observed)
{
	const struct snapshot *end = last_reading(observed);
	struct profile_process process, beside, *sampled = &process;
	struct profile *profile = observed->profile;
	int error;

	error = collector_collect(observed->collector, observed->slot);
	phases_settle(observed);
	profile_process_init(&process, observed->target->pid);
	observed_describe(observed, &process, end);
	add_check(observed, &process);
	tell_lacks(observed, &process);
	if (error) {
		process.lost_events = add_saturated(process.lost_events, 1); /* of which nobody knows how many */
		profile_warn(profile, "the kernel did not give all rows of process %d (%s): %s", process.pid,
			     process.comm, strerror(-error));
	}
	for (size_t i = 0; i < profile->call_count && i < EVENT_CALLS; i++)
		profile->calls[i].calls =
			add_saturated(profile->calls[i].calls, count_of_sum(observed->sums->calls[i]));
	if (observed->runtime->ops->judge && is_scaled(observed))
		observed->runtime->ops->judge(observed->runtime, &process);
	if (observed->runtime->beside_rate) {
		beside = beside_process(observed, &process);
		sampled = &beside;
	}
	add_all_rows(observed, sampled);
	if (observed->runtime->ops->finish)
		observed->runtime->ops->finish(observed->runtime, profile, sampled);
	add_process(observed, &process);
	if (sampled == &beside)
		*profile_process_add(profile, beside.pid) = beside;
	release(observed);
	return error;
}

bool observed_runtime_is_refused(const struct runtime *runtime, const struct target *target, struct error *error)
{
	if (!runtime->refusal.text[0])
		return false;
	error_set(error, runtime->refusal.status, "process %d (%s) cannot be measured: %s", target->pid, target->comm,
		  runtime->refusal.text);
	return true;
}

bool observed_is_refused(const struct observed *observed, struct error *error)
{
	return observed_runtime_is_refused(observed->runtime, observed->target, error);
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
