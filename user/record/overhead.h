/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OVERHEAD_H
#define ESCAPEMENT_OVERHEAD_H

/*
 * Limits the overhead of a recording: estimates the share of a process's CPU time that probe hits cost, from the
 * counted hits, the cost of a hit on this machine (measured on this process when first needed), the time that stacks and
 * rows took (of which some are timed), and the CPU time that the process used meanwhile, including the hits. A process that leaves CPUs idle may use up the idle
 * time of one CPU, because there the cost of hits is not noticed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collect/collector.h"

/* What was done since the probes were attached. */
struct overhead_work {
	int64_t hits, row_ns; /* probe hits, and how long their stacks and rows took, estimated */
};

struct overhead {
	int pid;
	struct overhead_work work;	    /* at the last measurement, as are: */
	int64_t cpu_ns, wall_ns, waited_ns; /* waited_ns: waiting for a CPU; -1: not read */
	int above;			    /* consecutive measurements at which the share was too high */
};

struct overhead_work overhead_work_until(const volatile struct event_process *sums);
struct overhead_work overhead_work_between(struct overhead_work then, struct overhead_work now);

/* Measures now what a hit costs on this machine, with a probe of our own: for who will not be allowed to later. */
void overhead_calibrate(struct collector *collector);

void overhead_begin(struct overhead *overhead, int pid);

/*
 * Measures again. Returns true if the share has been above `limit_percent` for longer than a burst; then *percent is
 * the share.
 */
bool overhead_too_high(struct overhead *overhead, struct collector *collector, struct overhead_work work,
		       double limit_percent, double *percent);

/* What hits cost the process, in nanoseconds. */
double overhead_of(struct collector *collector, struct overhead_work work);

/* Returns the CPU time that the process has used since the last call (or overhead_begin()) plus the time in which it
 * left one CPU idle, as a share of the time that has passed. Costs are compared with this. */
double overhead_capacity(struct overhead *overhead);

#endif
