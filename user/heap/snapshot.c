/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/snapshot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/memory.h"
#include "heap/process.h"

enum { START_SECONDS = 1 };

int heap_cannot_read(const struct heap_process *process, const struct error *refusal, struct error *error)
{
	const struct target *target = process->target;
	char why[512];

	if (refusal && refusal->text[0])
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot read the heap of process %d (%s): %s",
				 target->pid, target->comm, refusal->text);
	target_unreadable(target, why, sizeof(why));
	return error_set(error, target->core && !target->reader->spent ? STATUS_USAGE : STATUS_CANNOT_MEASURE,
			 "cannot read the heap of process %d (%s): %s", target->pid, target->comm, why);
}

/* In the order in which they are tried. */
static struct heap_process *(*const heaps[])(struct target *, bool *, struct error *) = {heap_of_go, heap_of_goalloc};

struct heap_process *heap_process_open(struct target *target, struct error *error)
{
	for (size_t i = 0; i < sizeof(heaps) / sizeof(heaps[0]); i++) {
		bool absent = true;
		struct heap_process *process = heaps[i](target, &absent, error);

		if (process || (!absent && !target_lost_image(target)))
			return process;
	}
	if (target_lost_image(target)) {
		error_set(error, STATUS_CANNOT_MEASURE, "cannot read the heap of process %d (%s): %s", target->pid,
			  target->comm, target_fate(target));
		return NULL;
	}
	if (target_check_64_bit(target, error))
		return NULL;
	error_set(
		error, STATUS_CANNOT_MEASURE,
		"process %d (%s) has no heap that is known: neither its executable nor a library in it is of Go 1.19 or "
		"newer, and it does not use libgoalloc",
		target->pid, target->comm);
	return NULL;
}

void heap_process_redact(struct heap_process *process, bool redact)
{
	process->redacted = redact;
}

void heap_process_close(struct heap_process *process)
{
	if (!process)
		return;
	process->runtime->close(process);
	if (process->owns_target)
		target_close(process->target);
	free(process);
}

bool heap_process_is_replaced(const struct heap_process *process, int pidfd)
{
	return target_is_replaced(process->target, pidfd);
}

struct heap_process *heap_process_reopen(const struct heap_process *process, int pidfd, struct error *error)
{
	struct target *target = target_open(process->target->pid, error);
	bool ended = target_has_ended(pidfd); /* after the opening: until then the number was its own */
	struct heap_process *opened = target && !ended ? heap_process_open(target, error) : NULL;

	if (ended)
		error_set(error, STATUS_CANNOT_MEASURE, "cannot read the heap of process %d (%s): it has ended",
			  process->target->pid, process->target->comm);
	if (!opened) {
		target_close(target);
		return NULL;
	}
	opened->owns_target = true;
	opened->redacted = process->redacted;
	return opened;
}

const char *heap_process_name(const struct heap_process *process)
{
	return process->target->comm;
}

/*
 * An object of n bytes is sampled with the probability 1 - exp(-n / rate). Rounds as runtime/pprof does, so that the
 * numbers are the same.
 */
static int64_t unsampled(int64_t count, double scale)
{
	return scale > 1 && count ? count_from((double)count * scale) : count;
}

void heap_builder_add(struct heap_builder *builder, const struct heap_sample *sample)
{
	const struct target *target = builder->process->target;
	struct profile *profile = builder->profile;
	double size = (double)sample->size, scale = profile->rate > 1 ? -1 / expm1(-size / (double)profile->rate) : 1;
	int64_t values[VALUE_COUNT] = {
		[VALUE_OBJECTS] = unsampled(sample->allocated, scale),
		[VALUE_BYTES] = unsampled(sample->allocated, scale * size),
		[VALUE_LIVE_OBJECTS] = unsampled(sample->live, scale),
		[VALUE_LIVE_BYTES] = unsampled(sample->live, scale * size),
		[VALUE_SAMPLES] = sample->live,
	};
	struct profile_key key = {
		.pid = target->pid, .comm = target->comm, .span_class = sample->span_class, .stack = sample->stack};

	profile_add(profile, &key, values);
}

static void describe(const struct heap_builder *builder)
{
	const struct target *target = builder->process->target;
	struct profile *profile = builder->profile;
	struct profile_process *process = profile_process_add(profile, target->pid);
	const char **words = target_command(target);
	struct utsname kernel;

	uname(&kernel);
	profile->kernel = profile_format(profile, "%s %s", kernel.sysname, kernel.release);
	profile->target = *words ? profile_command(profile, words) : profile_path(profile, target->executable);
	free(words);
	process->comm = profile_string(profile, target->comm);
	process->executable = profile_path(profile, target->executable);
	process->build_id = profile_string(profile, address_space_build_id(builder->space, target->executable));
	builder->process->runtime->describe(builder->process, profile, process);
}

static void set_totals(struct profile *profile)
{
	struct profile_process *process = &profile->processes[0];

	for (int value = 0; value < VALUE_COUNT; value++) {
		if (!(profile->row_measured & 1u << value))
			continue;
		process->totals[value] = 0;
		for (size_t i = 0; i < profile->sample_count; i++)
			process->totals[value] =
				add_saturated(process->totals[value], profile->samples[i]->values[value]);
	}
}

void heap_builder_add_lost(struct heap_builder *builder, const struct profile_stack *stack, int span_class,
			   int64_t objects, int64_t bytes, bool indirect)
{
	const struct target *target = builder->process->target;
	struct profile_key key = {.pid = target->pid, .comm = target->comm, .span_class = span_class, .stack = stack};
	int64_t values[VALUE_COUNT] = {0};

	values[indirect ? VALUE_INDIRECT_OBJECTS : VALUE_LOST_OBJECTS] = objects;
	values[indirect ? VALUE_INDIRECT_BYTES : VALUE_LOST_BYTES] = bytes;
	profile_add(builder->profile, &key, values);
}

/*
 * Opens what the names are in. A process that is killed ends thread by thread: the first ones have no mappings any more while the
 * memory, which all share, is still there. What is counted then would be nobody's.
 */
static int open_space(struct heap_builder *builder, struct error *error)
{
	struct target *target = builder->process->target;
	int tid;

	if (!target->core)
		target_find_thread(target);
	tid = target->tid;
	builder->space = address_space_new(target, builder->profile, NULL);
	if (target->core || (target_has_image(target) && target->tid == tid && !target_lost_image(target)))
		return 0;
	return error_set(error, STATUS_CANNOT_MEASURE, "cannot read the heap of process %d (%s): %s", target->pid,
			 target->comm, target_fate(target));
}

/* `stopped`: seconds, of a search for lost objects; 0: what is alive. */
static struct profile *take(struct heap_process *process, double stopped, struct error *error)
{
	struct profile *profile = profile_new();
	struct heap_builder builder = {.process = process, .profile = profile};
	int status;

	target_allow(process->target); /* the last snapshot may be long ago */
	profile->redacted = process->redacted;
	profile->snapshot = true;
	profile->unreachable = stopped > 0;
	for (int value = 0; value < VALUE_COUNT; value++)
		profile->row_measured |= (uint32_t)profile_stores(profile, value) << value;
	status = open_space(&builder, error);
	if (!status)
		status = profile->unreachable ? process->runtime->fill_unreachable(&builder, stopped, error)
					      : process->runtime->fill(&builder, error);
	/* All lost objects are counted; whether each is in the row of its site, the runtime has said. */
	profile->totals_exact = profile->rate == 1 || profile->unreachable;
	if (!profile->unreachable)
		profile->rows_exact = profile->totals_exact;
	if (!status) {
		describe(&builder);
		set_totals(profile);
		profile_settle(profile);
	}
	address_space_free(builder.space);
	if (!status)
		return profile;
	profile_free(profile);
	return NULL;
}

struct profile *heap_snapshot(struct heap_process *process, struct error *error)
{
	return take(process, 0, error);
}

struct profile *heap_unreachable(struct heap_process *process, double seconds, struct error *error)
{
	return take(process, seconds, error);
}

int heap_wait_fresh(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
		    struct error *error)
{
	return process->runtime->wait_fresh(process, seconds, stop, error);
}

int heap_wait_collection(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
			 struct error *error)
{
	return process->runtime->wait_collection(process, seconds, stop, error);
}

struct heap_collector heap_collector_read(const struct heap_process *process)
{
	return process->runtime->collector(process);
}

/*
 * Both shares are of all time until their collection, so their difference in CPU time is that of the time in between. The
 * process may have begun earlier than its runtime did, by up to the time that a program needs to start; where that could change
 * the result by a tenth, it is not known.
 */
double heap_collector_share(const struct heap_collector *from, const struct heap_collector *to)
{
	double spent;

	if (from->seconds < 0 || to->seconds <= from->seconds)
		return -1;
	spent = to->share * to->seconds - from->share * from->seconds;
	if (spent < 0 || fabs(to->share - from->share) * START_SECONDS > spent / 10)
		return -1;
	return fmin(spent / (to->seconds - from->seconds), 1);
}
