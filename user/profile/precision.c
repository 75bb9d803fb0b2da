/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/precision.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

/* How much longer to record in bursts: each of them is short, and intervals become narrower by the root of their number. */
enum { LONGER = 10 };

bool precision_tells(int64_t value, int64_t low, int64_t high)
{
	if (value <= 0 || low == VALUE_UNMEASURED || high == VALUE_UNMEASURED)
		return false;
	return low >= value - value / 2 && high / 2 <= value;
}

bool precision_of_report(const struct report *report)
{
	enum profile_value objects = profile_objects(report->profile), bytes = profile_bytes(report->profile);
	const struct report_row *greatest = NULL;

	if (report->rows_exact || report->selection.focus || report->selection.callers)
		return true;
	for (size_t i = 0; i < report->row_total; i++) {
		const struct report_row *row = &report->rows[i];

		if (row->has_bounds && (!greatest || row->values[bytes] > greatest->values[bytes]))
			greatest = row;
	}
	return greatest &&
	       (precision_tells(greatest->values[objects], greatest->bounds.objects_low,
				greatest->bounds.objects_high) ||
		precision_tells(greatest->values[bytes], greatest->bounds.bytes_low, greatest->bounds.bytes_high));
}

/* What to record again, for a command line. */
static char *same_target(const struct profile *profile)
{
	if (profile->command)
		return memory_format("-- %s", profile->command);
	if (profile->ended)
		return memory_text("-- PROGRAM");
	if (profile->process_count == 1 && profile->processes[0].pid > 0)
		return memory_format("-p %d (or -- PROGRAM)", profile->processes[0].pid);
	return memory_text("-p PID (or -- PROGRAM)");
}

char *precision_advice(const struct profile *profile, int64_t objects)
{
	const uint32_t sampled = 1u << VALUE_OBJECTS | 1u << VALUE_SAMPLES;
	double seconds = (double)profile->duration_ns / 1e9;
	bool bursts = profile_bursts(profile).present;
	char *target, *advice, duration[32] = "";

	if (!profile->tool_version || profile->snapshot || profile->rows_exact || profile->rows_least ||
	    (profile->row_measured & sampled) != sampled || profile->rate <= 1 || objects <= 0 || seconds <= 0)
		return NULL;
	if (!profile->ended)
		snprintf(duration, sizeof(duration), "--duration %.0fs ", ceil(seconds) * (bursts ? LONGER : 1));
	target = same_target(profile);
	if (bursts && !profile->ended)
		advice = memory_format(
			"too few bursts: not even the greatest row is known to within a factor of two. Record for longer: "
			"escapement record %s%s",
			duration, target);
	else
		advice = memory_format(
			"too few %s: not even the greatest row is known to within a factor of two. %s every allocation "
			"(%.0f a second, about 1 us each): escapement record --rate 1 --max-overhead 0 %s%s",
			bursts ? "bursts" : "samples", profile->ended ? "Count" : "Record for longer, or count",
			ceil((double)objects / seconds), duration, target);
	free(target);
	return advice;
}

const char *precision_nothing(const struct profile *profile)
{
	int64_t totals[VALUE_COUNT];

	profile_totals(profile, totals);
	if (profile->unreachable)
		return "no rows: nothing is lost";
	if (profile->snapshot)
		return "no rows: nothing that was sampled is alive";
	if (profile->rows_least && (totals[VALUE_OBJECTS] > 0 || profile_lacks_some(profile)))
		return "no rows: the warnings say why what was allocated is in none";
	if (totals[VALUE_OBJECTS] > 0 || totals[VALUE_BYTES] > 0)
		return profile->rate == 0 ? "no rows: nothing that was allocated took a slow path; record with --rate 1"
		       : profile->ended	  ? "no rows: none of what was allocated was sampled; record with --rate 1"
					: "no rows: none of what was allocated was sampled; record for longer, or with "
					  "--rate 1";
	if (!profile->process_count)
		return "no rows: the file has no allocations";
	if (profile->ended)
		return "no rows: nothing was allocated while it was recorded";
	return "no rows: nothing was allocated while it was recorded; record for longer, or while the program works";
}
