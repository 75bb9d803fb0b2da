/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/estimates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_table.h"
#include "base/memory.h"
#include "profile/owner.h"
#include "profile/size_class.h"

const char estimates_tiny_site[] = "(tiny objects: split unknown)";

bool estimates_is_tiny(const struct profile_stack *stack)
{
	return stack && stack->depth == 1 && profile_stack_at(stack, 0)->frame_count == 1 &&
	       profile_stack_at(stack, 0)->frames[0].function &&
	       strcmp(profile_stack_at(stack, 0)->frames[0].function, estimates_tiny_site) == 0;
}

enum {
	LARGE_LEAST = 32768,
	MOST_SCALED = 10,
	TINY_MOST = 15, /* in a block of 16 bytes, beside the one that opened it */
};

static void *checked(void *memory)
{
	if (!memory)
		memory_out();
	return memory;
}

int estimates_size_class(const struct profile_sample *sample)
{
	const int64_t objects = sample->values[VALUE_OBJECTS];
	int64_t size;

	if (sample->key.span_class != SPAN_CLASS_UNKNOWN)
		return span_class_size_class(sample->key.span_class);
	if (objects <= 0)
		return -1;
	size = sample->values[VALUE_BYTES] / objects;
	for (int class = 1; class < SIZE_CLASSES; class ++) {
		if (size_class_bytes(class) >= size)
			return class;
	}
	return 0;
}

bool estimates_folded(const struct profile_process *process)
{
	for (int class = 1; class < SIZE_CLASSES; class ++) {
		if (process->class_totals[2 * class][VALUE_OBJECTS] != VALUE_UNMEASURED &&
		    process->class_totals[2 * class + 1][VALUE_OBJECTS] == VALUE_UNMEASURED)
			return true;
	}
	return false;
}

/* There cannot be more samples than objects, because weights are at least 1. */
double estimates_variance(double samples, double objects)
{
	return samples > 0 && objects > samples ? objects * (objects / samples - 1) : 0;
}

static bool is_estimate(const struct profile *profile, const struct profile_sample *sample)
{
	int64_t rate = sample->key.rate ? sample->key.rate : profile->rate;

	return rate != 1 && !sample->groups && sample->values[VALUE_SAMPLES] > 0;
}

/* --- bursts --- */

bool estimates_in_bursts(const struct estimates *estimates, const struct profile_sample *sample)
{
	const struct profile_process *process =
		estimates->bursts.present ? profile_process_find(estimates->profile, sample->key.pid) : NULL;

	return process && process->bursts.present;
}

static void add_burst_totals(struct estimates_bursts *sums, const struct profile_process *process)
{
	int64_t count = process->bursts.count;

	sums->present = true;
	if (count > 0 && (sums->count == 0 || count < sums->count))
		sums->count = count;
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const int64_t *totals = process->class_totals[class];

		if (totals[VALUE_OBJECTS] == VALUE_UNMEASURED)
			continue;
		sums->objects[span_class_size_class(class)] += (double)totals[VALUE_OBJECTS];
		sums->bytes[span_class_size_class(class)] += (double)totals[VALUE_BYTES];
	}
}

static void add_burst_samples(struct estimates *estimates)
{
	struct estimates_bursts *sums = &estimates->bursts;

	for (size_t i = 0; sums->present && i < estimates->profile->sample_count; i++) {
		const struct profile_sample *sample = estimates->profile->samples[i];
		int class = estimates_size_class(sample);

		if (class < 0 ||
		    (!sample->groups && !(sample->key.rate == 1 && estimates_in_bursts(estimates, sample))))
			continue;
		if (sample->groups) {
			for (int group = 0; group < BURST_GROUPS; group++)
				sums->groups[class][group] += (double)sample->groups[group].objects;
			continue;
		}
		sums->objects[class] -= (double)sample->values[VALUE_OBJECTS];
		sums->bytes[class] -= (double)sample->values[VALUE_BYTES];
	}
	for (int class = 0; class < SIZE_CLASSES; class ++) {
		double estimated = 0;

		for (int group = 0; group < BURST_GROUPS; group++)
			estimated += sums->groups[class][group];
		sums->objects[class] = estimates->has_totals ? fmax(0, sums->objects[class]) : estimated;
		sums->bytes[class] = fmax(0, sums->bytes[class]);
	}
}

/* --- totals of allocations --- */

static int by_number(const void *left, const void *right)
{
	int a = *(const int *)left, b = *(const int *)right;

	return (a > b) - (a < b);
}

/* Whether samples of a process may be of what its totals lack: its counters could not be read at its end. */
static bool is_incomplete(const struct profile *profile)
{
	int *pids;
	size_t count = 0;
	bool found = false;

	if (profile->totals_exact)
		return false;
	pids = memory_zeroed(profile->process_count + 1, sizeof(*pids));
	for (size_t i = 0; i < profile->process_count; i++) {
		if (!profile->processes[i].check.present)
			pids[count++] = profile->processes[i].pid;
	}
	qsort(pids, count, sizeof(*pids), by_number);
	for (size_t i = 0; i < profile->sample_count && !found; i++)
		found = is_estimate(profile, profile->samples[i]) &&
			bsearch(&profile->samples[i]->key.pid, pids, count, sizeof(*pids), by_number);
	free(pids);
	return found;
}

/* Adds up the totals of all processes and subtracts what was counted at rate 1: estimates are about the rest. */
static void add_totals(struct estimates *estimates)
{
	const struct profile *profile = estimates->profile;
	double tiny = 0;
	bool folded = false;

	estimates->has_totals = profile->process_count > 0;
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];
		bool any = false;

		if (process->bursts.present) {
			add_burst_totals(&estimates->bursts, process);
			estimates->has_totals &= process->class_totals[0][VALUE_OBJECTS] != VALUE_UNMEASURED;
			continue;
		}
		folded |= estimates_folded(process);
		for (int class = 0; class < SPAN_CLASSES; class ++) {
			struct estimates_class *sum = &estimates->classes[span_class_size_class(class)];
			const int64_t *totals = process->class_totals[class];

			if (totals[VALUE_OBJECTS] == VALUE_UNMEASURED || totals[VALUE_BYTES] == VALUE_UNMEASURED)
				continue;
			any = true;
			if (class == TINY_SPAN_CLASS && estimates_folded(process)) {
				tiny += (double)totals[VALUE_OBJECTS];
				continue;
			}
			sum->objects += (double)totals[VALUE_OBJECTS];
			sum->bytes += (double)totals[VALUE_BYTES];
		}
		estimates->has_totals &= any;
	}
	estimates->counted = estimates->has_totals;
	estimates->has_totals = estimates->has_totals && !is_incomplete(profile);
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];
		struct estimates_class *sum;

		if (sample->key.rate != 1 || sample->key.span_class == SPAN_CLASS_UNKNOWN ||
		    estimates_in_bursts(estimates, sample))
			continue;
		if (folded && sample->key.span_class == TINY_SPAN_CLASS) {
			tiny -= (double)sample->values[VALUE_OBJECTS];
			continue;
		}
		sum = &estimates->classes[span_class_size_class(sample->key.span_class)];
		sum->objects -= (double)sample->values[VALUE_OBJECTS];
		sum->bytes -= (double)sample->values[VALUE_BYTES];
	}
	if (!folded)
		return;
	estimates->tiny_shared = fmax(0, tiny);
	estimates->tiny_most =
		estimates->tiny_shared + fmax(0, estimates->classes[span_class_size_class(TINY_SPAN_CLASS)].objects);
}

/* --- samples, and the number of sites with them --- */

struct site {
	UT_hash_handle hh;
	double events;
	struct site_key {
		const char *function, *file, *via;
		uint32_t line;
		int size_class;
	} key;
};

static void add_to_site(struct site **sites, struct owner_table *owners, const struct profile_sample *sample,
			int size_class)
{
	struct owner owner = owner_of(owners, sample);
	struct site_key key;
	struct site *site;

	memset(&key, 0, sizeof(key));
	key.size_class = size_class;
	if (owner.frame) {
		key.function = owner.frame->function;
		key.file = owner.frame->file;
		key.line = owner.frame->line;
		key.via = owner.via;
	}
	HASH_FIND(hh, *sites, &key, sizeof(key), site);
	if (!site) {
		site = checked(memory_zeroed(1, sizeof(*site)));
		site->key = key;
		HASH_ADD(hh, *sites, key, sizeof(key), site);
	}
	site->events += (double)sample->values[VALUE_SAMPLES];
}

/* The Good-Turing estimate: the share of objects at unseen sites is the number of sites with one sample divided by the
 * number of samples. */
static void set_unseen(struct estimates *estimates, struct site **sites)
{
	double singles[SIZE_CLASSES] = {0};
	struct site *site, *next;

	HASH_ITER (hh, *sites, site, next) {
		singles[site->key.size_class] += site->events <= 1;
		HASH_DEL(*sites, site);
		free(site);
	}
	for (int class = 0; class < SIZE_CLASSES; class ++) {
		struct estimates_class *sum = &estimates->classes[class];

		sum->unseen = (singles[class] + 1) / (fmax(sum->events, singles[class]) + 1);
	}
}

static void add_samples(struct estimates *estimates)
{
	const struct profile *profile = estimates->profile;
	struct owner_table *owners = owner_table_new(profile);
	struct site *sites = NULL;

	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];
		int class = estimates_size_class(sample);

		if (class < 0 || !is_estimate(profile, sample))
			continue;
		estimates->classes[class].events += (double)sample->values[VALUE_SAMPLES];
		estimates->classes[class].estimated += (double)sample->values[profile_objects(profile)];
		if (!estimates_is_tiny(sample->key.stack))
			estimates->classes[class].variance +=
				estimates_variance((double)sample->values[VALUE_SAMPLES],
						   (double)sample->values[profile_objects(profile)]);
		if (!estimates->has_totals) {
			estimates->classes[class].objects += (double)sample->values[profile_objects(profile)];
			estimates->classes[class].bytes += (double)sample->values[profile_bytes(profile)];
		}
		add_to_site(&sites, owners, sample, class);
	}
	owner_table_free(owners);
	set_unseen(estimates, &sites);
}

static double unsampled_blocks(const struct profile *profile)
{
	const int class = span_class_size_class(TINY_SPAN_CLASS);
	bool *sampled = checked(memory_zeroed(profile->process_count + 1, sizeof(*sampled)));
	double objects = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];
		const struct profile_process *process;

		if (estimates_size_class(sample) != class || !is_estimate(profile, sample))
			continue;
		process = profile_process_find(profile, sample->key.pid);
		if (process)
			sampled[process - profile->processes] = true;
	}
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];

		if (!sampled[i] && estimates_folded(process) && !process->bursts.present)
			objects += fmax(0, (double)process->class_totals[2 * class][VALUE_OBJECTS]);
	}
	free(sampled);
	return objects;
}

/* How many tiny objects may share the blocks that a heap profile of Go has. Only at rate 1 it has them all. */
static double most_in_blocks(const struct profile *profile)
{
	double blocks = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		if (estimates_size_class(profile->samples[i]) == span_class_size_class(TINY_SPAN_CLASS))
			blocks += (double)profile->samples[i]->values[profile_objects(profile)];
	}
	return profile->rate == 1 ? TINY_MOST * blocks : INFINITY;
}

struct estimates *estimates_new(const struct profile *profile)
{
	struct estimates *estimates = checked(memory_zeroed(1, sizeof(*estimates)));

	estimates->profile = profile;
	estimates->tiny_shared = profile->tiny_in_blocks ? 0 : -1;
	estimates->tiny_most = profile->tiny_in_blocks ? most_in_blocks(profile) : 0;
	if (profile->rows_exact)
		return estimates;
	add_totals(estimates);
	add_burst_samples(estimates);
	estimates->tiny_elsewhere = unsampled_blocks(profile);
	add_samples(estimates);
	for (int class = 0; class < SIZE_CLASSES; class ++) {
		struct estimates_class *sum = &estimates->classes[class];
		double size = (double)size_class_bytes(class);

		sum->objects = fmax(0, sum->objects);
		sum->bytes = fmax(0, sum->bytes);
		if (class == 0)
			size = sum->objects > 0 ? fmax(LARGE_LEAST, sum->bytes / sum->objects) : LARGE_LEAST;
		sum->chance = profile->rate > 1 ? -expm1(-size / (double)profile->rate) : 1;
	}
	return estimates;
}

void estimates_free(struct estimates *estimates)
{
	free(estimates);
}

/* --- calibration --- */

/* Scales numbers so that not only each of them but also their sum is rounded correctly. */
struct scale {
	double factor, carry;
};

static int64_t scaled(struct scale *scale, int64_t number)
{
	double wanted = (double)number * scale->factor + scale->carry, whole = round(wanted);

	scale->carry = wanted - whole;
	return count_from(fmax(0, whole));
}

static struct scale scale_to(double wanted, double sum)
{
	return (struct scale){sum > 0 && wanted > 0 ? wanted / sum : 1, 0};
}

/* Whether a sample is an estimate of that rate that has a size class. */
static bool is_of_rate(const struct profile_sample *sample, int64_t rate)
{
	return sample->key.rate == rate && !sample->groups && sample->key.span_class != SPAN_CLASS_UNKNOWN;
}

/*
 * The same for the samples of bursts, which stand for everything allocated after the first phase, in which all was
 * counted. They are scaled up by MOST_SCALED at most: if more was allocated, most of it was between bursts, at sites
 * that may be unknown.
 */
static void calibrate_bursts(struct profile_sample *const *samples, size_t count, const struct profile_process *process)
{
	struct estimates_bursts wanted = {0}, found = {0};
	struct scale objects[SIZE_CLASSES], bytes[SIZE_CLASSES];
	double counted[SIZE_CLASSES] = {0};

	add_burst_totals(&wanted, process);
	for (size_t i = 0; i < count; i++) {
		int class = estimates_size_class(samples[i]);
		const int64_t *values = samples[i]->values;

		if (class < 0 || (samples[i]->key.rate != 1 && !samples[i]->groups))
			continue;
		if (samples[i]->groups) {
			found.objects[class] += (double)values[VALUE_OBJECTS];
			found.bytes[class] += (double)values[VALUE_BYTES];
			counted[class] += (double)values[VALUE_SAMPLES];
		} else {
			wanted.objects[class] -= (double)values[VALUE_OBJECTS];
			wanted.bytes[class] -= (double)values[VALUE_BYTES];
		}
	}
	for (int class = 0; class < SIZE_CLASSES; class ++) {
		wanted.objects[class] = fmin(wanted.objects[class], MOST_SCALED * found.objects[class]);
		wanted.bytes[class] = fmin(wanted.bytes[class], MOST_SCALED * found.bytes[class]);
		objects[class] = scale_to(fmax(wanted.objects[class], counted[class]), found.objects[class]);
		/* the bytes of tiny objects are those requested, not those of their blocks */
		bytes[class] = class ? objects[class] : scale_to(wanted.bytes[class], found.bytes[class]);
	}
	for (size_t i = 0; i < count; i++) {
		int class = estimates_size_class(samples[i]);
		int64_t *values = samples[i]->values;

		if (class < 0 || !samples[i]->groups)
			continue;
		values[VALUE_OBJECTS] = values[VALUE_BYTES] = 0;
		for (int group = 0; group < BURST_GROUPS; group++) {
			struct profile_group *part = &samples[i]->groups[group];

			part->objects = scaled(&objects[class], part->objects);
			part->bytes = scaled(&bytes[class], part->bytes);
			if (part->objects < part->samples)
				part->objects = part->samples;
			values[VALUE_OBJECTS] = add_saturated(values[VALUE_OBJECTS], part->objects);
			values[VALUE_BYTES] = add_saturated(values[VALUE_BYTES], part->bytes);
		}
	}
}

void estimates_calibrate(struct profile_sample *const *samples, size_t count, int64_t rate,
			 const struct profile_process *process)
{
	double objects[SIZE_CLASSES] = {0}, bytes[SIZE_CLASSES] = {0};
	double all_objects[SIZE_CLASSES] = {0}, all_bytes[SIZE_CLASSES] = {0};
	struct scale object_scale[SIZE_CLASSES], byte_scale[SIZE_CLASSES];
	bool folded = estimates_folded(process);

	if (process->bursts.present) {
		calibrate_bursts(samples, count, process);
		return;
	}
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const int64_t *totals = process->class_totals[class];

		if (totals[VALUE_OBJECTS] == VALUE_UNMEASURED || (folded && class == TINY_SPAN_CLASS))
			continue;
		objects[span_class_size_class(class)] += (double)totals[VALUE_OBJECTS];
		bytes[span_class_size_class(class)] += (double)totals[VALUE_BYTES];
	}
	for (size_t i = 0; i < count; i++) {
		int class = span_class_size_class(samples[i]->key.span_class);

		if (!is_of_rate(samples[i], rate))
			continue;
		all_objects[class] += (double)samples[i]->values[VALUE_OBJECTS];
		all_bytes[class] += (double)samples[i]->values[VALUE_BYTES];
	}
	for (int class = 0; class < SIZE_CLASSES; class ++) {
		object_scale[class] = scale_to(objects[class], all_objects[class]);
		byte_scale[class] = scale_to(bytes[class], all_bytes[class]);
	}
	for (size_t i = 0; i < count; i++) {
		int class = span_class_size_class(samples[i]->key.span_class);

		if (!is_of_rate(samples[i], rate))
			continue;
		samples[i]->values[VALUE_OBJECTS] = scaled(&object_scale[class], samples[i]->values[VALUE_OBJECTS]);
		samples[i]->values[VALUE_BYTES] = scaled(&byte_scale[class], samples[i]->values[VALUE_BYTES]);
	}
}
