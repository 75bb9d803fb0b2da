/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/gc_trace.h"

#include <stdio.h>
#include <string.h>

/* Adds the figures of the process whose lines were read last to the sums. */
static void put_away(struct gc_trace *trace)
{
	trace->seconds += trace->last_seconds;
	trace->cpu_seconds += trace->last_percent * trace->last_seconds;
	trace->last_seconds = trace->last_percent = 0;
}

static void take_line(struct gc_trace *trace)
{
	double seconds, percent;
	long long number;

	if (sscanf(trace->line, "gc %lld @%lfs %lf%%:", &number, &seconds, &percent) != 3)
		return;
	if (number < 1 || !(seconds >= 0 && seconds < 1e9) || !(percent >= 0 && percent <= 100))
		return;
	if (number == 1 || seconds < trace->last_seconds)
		put_away(trace);
	trace->collections++;
	trace->last_seconds = seconds;
	trace->last_percent = percent;
}

void gc_trace_read(struct gc_trace *trace, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != '\n') {
			trace->too_long |= trace->length + 1 == sizeof(trace->line);
			if (!trace->too_long)
				trace->line[trace->length++] = bytes[i];
			continue;
		}
		trace->line[trace->length] = 0;
		take_line(trace); /* a line that was too long has lost its end only, and the figures are at the start */
		trace->length = 0;
		trace->too_long = false;
	}
}

void gc_trace_end(struct gc_trace *trace)
{
	put_away(trace);
	trace->measured = true;
}

double gc_trace_rate(const struct gc_trace *trace)
{
	return trace->seconds > 0 ? (double)trace->collections / trace->seconds : 0;
}

double gc_trace_share(const struct gc_trace *trace)
{
	return trace->seconds > 0 ? trace->cpu_seconds / trace->seconds : 0;
}
