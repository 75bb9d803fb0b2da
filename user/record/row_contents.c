/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/row_contents.h"

#include "runtime/runtime.h"

/* Whether some of several processes are sampled. A single process always has rows of one kind. */
static bool some_are_sampled(const struct processes *processes)
{
	return !processes->options->pid && processes->sampled && processes->unsampled.count;
}

/* Warns of processes whose objects nothing samples. */
static void warn_of_unsampled(const struct processes *processes)
{
	const char *ways_out = runtime_unsampled_advice;

	if (some_are_sampled(processes)) {
		profile_drop_unmeasured(
			processes->profile); /* drops the rows of processes without a sampler: they have refills only */
		profile_warn(processes->profile,
			     "%s, process %d (%s), so nothing samples its objects; %d of %d processes are such: "
			     "what they allocated is in the totals, not in the rows; %s",
			     processes->unsampled.why, processes->unsampled.pid, processes->unsampled.comm,
			     processes->unsampled.count, processes->unsampled.count + processes->sampled, ways_out);
	} else if (processes->unsampled.count && processes->counted)
		profile_warn(processes->profile,
			     "%s, so nothing samples its objects: rows of lines have what was counted until the rate "
			     "changed, and are lower bounds; %s",
			     processes->unsampled.why, ways_out);
	else if (processes->unsampled.count)
		profile_warn(processes->profile,
			     "%s, so nothing samples its objects: rows count refills, which are not proportional to "
			     "allocations; %s",
			     processes->unsampled.why, ways_out);
}

void row_contents_describe(const struct processes *processes, struct profile *profile)
{
	uint32_t costs =
		1u << VALUE_REFILLS | 1u << VALUE_CENTRAL_GROWS | 1u << VALUE_HEAP_GROWS | 1u << VALUE_HEAP_GROW_BYTES;
	uint32_t objects = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;
	uint32_t lacking = processes->rows_unmeasured;

	if (some_are_sampled(processes) || processes->counted)
		lacking &= ~objects;
	profile->row_measured = (profile->rate == 0 ? costs : costs | objects) & ~lacking;
	profile->rows_exact = profile->rate <= 1 && !profile->rows_least;
}

void row_contents_conclude(const struct processes *processes)
{
	struct profile *profile = processes->profile;
	uint64_t missed = collector_missed(processes->collector);

	if (processes->coarsest > 1)
		profile->rate = processes->coarsest; /* some samplers show their rate only when the program runs */
	row_contents_describe(processes, profile);
	warn_of_unsampled(processes);
	if (missed && profile->process_count) /* the kernel does not say whose they are */
		profile->processes[0].lost_events =
			add_saturated(profile->processes[0].lost_events, count_of_sum(missed));
}
