/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/brake.h"

#include <stdio.h>

#include "collect/event_process.h"
#include "record/observed.h"

/* Returns the next coarser rate; 0 if there is none. */
static int64_t coarser_rate(int64_t rate)
{
	const int64_t coarsest = 512 << 10;

	if (rate <= 1)
		return coarsest;
	return rate < coarsest ? (rate << 3 < coarsest ? rate << 3 : coarsest) : 0;
}

/* Warns that the recording goes on in another phase, and what the rows lack if the phase before counted no objects by line. */
static void tell_phase(const struct processes *processes, const char *why, const struct observed *stopped)
{
	struct profile *profile = processes->profile;

	profile_warn(profile, "%s: the recording went on at --rate %lldk", why, (long long)processes->rate >> 10);
	if (stopped->rate == 0 && !stopped->next->runtime->unsampled)
		profile_warn(
			profile,
			"until then, at --rate 0, the objects of no line were counted: they are in the totals, and in "
			"no row. Rows have only what came since, and are lower bounds; record without --rate for "
			"estimates of the whole time, or with --rate 1 --max-overhead 0 for exact rows");
}

/* Ends the recording of the process and begins another one at a coarser rate, into the same profile. */
static void brake(struct processes *processes, struct overhead *overhead, double seconds, double percent)
{
	struct observed **slot = processes_find(processes, processes->options->pid);
	int64_t coarser = coarser_rate(processes->rate);
	bool alone = processes->options->enable_sampler;
	struct observed *stopped;
	char why[128];

	if (!slot || overhead->pid == 0)
		return;
	snprintf(why, sizeof(why),
		 "at %.1f s probe hits cost about %.0f %% of the process's CPU, more than --max-overhead %g", seconds,
		 percent, processes->options->max_overhead);
	if (!coarser) {
		profile_warn(processes->profile, "%s; there is no coarser rate", why);
		overhead->pid = 0; /* warned only once */
		return;
	}
	stopped = *slot;
	stopped->mixed = true;
	processes->rate = coarser;
	/* The next phase attaches before the one before it ends, unless both would have turned the program's sampler on. */
	if (alone)
		observed_stop(stopped);
	if (processes_observe(processes, processes->options->pid, false, stopped) <= 0) {
		stopped->next = NULL;
		profile_warn(
			processes->profile,
			"%s: the recording was to go on at a coarser rate, but ended then, because attaching again "
			"failed: %s",
			why, processes->error.text);
	} else {
		tell_phase(processes, why, stopped);
		processes->counted = stopped->rate > 0 && !stopped->runtime->unsampled;
		processes->profile->rows_least |= stopped->rate == 0 || stopped->next->runtime->unsampled;
	}
	if (!alone)
		observed_stop(stopped);
	processes_finish(processes, slot, false); /* last, because it takes a while */
	overhead_begin(overhead, processes->options->pid);
}

void brake_watch(struct processes *processes, struct overhead *overhead, double seconds)
{
	struct observed **slot = processes_find(processes, processes->options->pid);
	struct overhead_work work;
	double percent;

	if (!processes->options->pid || !slot || processes->options->max_overhead <= 0 || overhead->pid == 0 ||
	    (*slot)->bursts) /* they see to that themselves */
		return;
	work = overhead_work_until((*slot)->sums);
	if (overhead_too_high(overhead, processes->collector, work, processes->options->max_overhead, &percent))
		brake(processes, overhead, seconds, percent);
}

bool brake_may_follow(const struct processes *processes)
{
	const struct session_options *options = processes->options;

	return options->pid && options->max_overhead > 0 && coarser_rate(processes->rate);
}
