/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_GC_TRACE_H
#define ESCAPEMENT_COMPARE_GC_TRACE_H

/*
 * What Go's runtime prints about its collections: the lines of GODEBUG=gctrace=1, "gc 41 @1.204s 3%: …", of a run
 * without probes. The number, the time since the start and the share of the CPU are the runtime's own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gc_trace {
	int64_t collections; /* of all processes */
	double seconds;	     /* from their starts to their last collections, added up */
	double cpu_seconds;  /* in percent of the CPU and seconds: the share is cpu_seconds / seconds */
	bool measured;	     /* a run ended and said how many there were, which may be 0 */
	/* private: the last line of the process being read, and a line that is not complete */
	double last_seconds, last_percent;
	char line[256];
	size_t length;
	bool too_long;
};

/* Reads a piece of output, of any size. */
void gc_trace_read(struct gc_trace *trace, const char *bytes, size_t length);
/* The output has ended. */
void gc_trace_end(struct gc_trace *trace);

/* Collections per second, and the percentage of CPU time that they took; 0 if there were none. */
double gc_trace_rate(const struct gc_trace *trace);
double gc_trace_share(const struct gc_trace *trace);

#endif
