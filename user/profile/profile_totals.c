/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes of a profile, and what they add up to. A sum is unmeasured where a part of it is. */
#include "profile/profile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"

void profile_process_init(struct profile_process *process, int pid)
{
	*process = (struct profile_process){.pid = pid, .forked = VALUE_UNMEASURED};
	for (int value = 0; value < VALUE_COUNT; value++) {
		process->totals[value] = VALUE_UNMEASURED;
		for (int class = 0; class < SPAN_CLASSES; class ++)
			process->class_totals[class][value] = VALUE_UNMEASURED;
	}
}

struct profile_process *profile_process_find(const struct profile *profile, int pid)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		if (profile->processes[i].pid == pid)
			return &profile->processes[i];
	}
	return NULL;
}

struct profile_bursts profile_bursts(const struct profile *profile)
{
	struct profile_bursts sum = {0};

	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_bursts *part = &profile->processes[i].bursts;

		sum.present |= part->present;
		sum.count = add_saturated(sum.count, part->count);
		sum.full_ns = add_saturated(sum.full_ns, part->full_ns);
		sum.covered_ns = add_saturated(sum.covered_ns, part->covered_ns);
		sum.recorded_ns = add_saturated(sum.recorded_ns, part->recorded_ns);
	}
	return sum;
}

const char *profile_bursts_text(const struct profile *profile, char text[PROFILE_BURSTS_TEXT])
{
	struct profile_bursts bursts = profile_bursts(profile);

	if (!bursts.present)
		return NULL;
	if (bursts.count == 0 && bursts.full_ns >= bursts.recorded_ns)
		snprintf(text, PROFILE_BURSTS_TEXT, "every allocation");
	else if (bursts.count == 0)
		snprintf(text, PROFILE_BURSTS_TEXT, "every allocation in the first %.2g %% of the time",
			 100 * (double)bursts.full_ns / (double)bursts.recorded_ns);
	else
		snprintf(text, PROFILE_BURSTS_TEXT, "every allocation in %lld burst%s, %.2g %% of the time",
			 (long long)bursts.count, bursts.count == 1 ? "" : "s",
			 100 * (double)bursts.covered_ns / (double)(bursts.recorded_ns > 0 ? bursts.recorded_ns : 1));
	return text;
}

bool profile_process_is_go(const struct profile_process *process)
{
	return process->runtime && strncmp(process->runtime, "goalloc", 7) != 0;
}

void profile_totals(const struct profile *profile, int64_t totals[VALUE_COUNT])
{
	for (int value = 0; value < VALUE_COUNT; value++) {
		totals[value] = profile->process_count ? 0 : VALUE_UNMEASURED;
		for (size_t i = 0; i < profile->process_count && totals[value] != VALUE_UNMEASURED; i++) {
			int64_t part = profile->processes[i].totals[value];

			totals[value] = part == VALUE_UNMEASURED ? part : add_saturated(totals[value], part);
		}
	}
}

void profile_sums(const struct profile *profile, int64_t sums[VALUE_COUNT])
{
	memset(sums, 0, VALUE_COUNT * sizeof(*sums));
	for (size_t i = 0; i < profile->sample_count; i++) {
		for (int value = 0; value < VALUE_COUNT; value++)
			sums[value] = add_saturated(sums[value], profile->samples[i]->values[value]);
	}
}

int64_t profile_lost_events(const struct profile *profile)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile->process_count; i++)
		sum = add_saturated(sum, profile->processes[i].lost_events);
	return sum;
}

int64_t profile_lost_stacks(const struct profile *profile)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile->process_count; i++)
		sum = add_saturated(sum, profile->processes[i].lost_stacks);
	return sum;
}

int64_t profile_forked(const struct profile *profile)
{
	int64_t sum = VALUE_UNMEASURED;

	for (size_t i = 0; i < profile->process_count; i++) {
		int64_t forked = profile->processes[i].forked;

		if (forked != VALUE_UNMEASURED)
			sum = add_saturated(sum == VALUE_UNMEASURED ? 0 : sum, forked);
	}
	return sum;
}

int64_t profile_unexplained(const struct profile *profile)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_check *check = &profile->processes[i].check;
		int64_t difference = check->difference < 0 ? -check->difference : check->difference;

		if (check->present && difference > check->bound)
			sum = add_saturated(sum, difference - check->bound);
	}
	return sum;
}

struct profile_loss profile_loss(const struct profile *profile)
{
	return (struct profile_loss){profile_lost_events(profile), profile_lost_stacks(profile),
				     profile_unexplained(profile)};
}

void profile_conclude_rows(struct profile *profile)
{
	int64_t unexplained = profile_unexplained(profile);

	if (unexplained)
		profile_warn(profile,
			     "%" PRId64
			     " objects are missing or too many, by the runtime's own counters: rows are incomplete",
			     unexplained);
	if (unexplained && profile->rate <= 1) /* otherwise totals are these counters, and rows are scaled to them */
		profile->totals_exact = false;
	else if (profile_lost_events(profile) == 0)
		return;
	profile->rows_exact = false;
	profile->rows_least = true;
}

void profile_loss_add(struct profile_loss *sum, const struct profile_loss *part)
{
	sum->events = add_saturated(sum->events, part->events);
	sum->stacks = add_saturated(sum->stacks, part->stacks);
	sum->unexplained = add_saturated(sum->unexplained, part->unexplained);
}

struct profile_check profile_check(const struct profile *profile)
{
	struct profile_check sum = {.present = profile->process_count > 0};

	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_check *check = &profile->processes[i].check;

		if (!check->present)
			return (struct profile_check){.present = false};
		if (!sum.source)
			sum.source = check->source;
		else if (check->source && strcmp(sum.source, check->source) != 0)
			sum.source = "several runtimes' counters";
		sum.objects = add_saturated(sum.objects, check->objects);
		sum.difference = add_saturated(sum.difference, check->difference);
		sum.bound = add_saturated(sum.bound, check->bound);
		sum.outside = add_saturated(sum.outside, check->outside);
	}
	return sum;
}
