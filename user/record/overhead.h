/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OVERHEAD_H
#define ESCAPEMENT_OVERHEAD_H

/*
 * The brake of a recording: what share of a process's CPU time its probe hits cost. An estimate: hits and frames of
 * stacks that were counted, times what they cost on this machine (measured on ourselves when first needed), over the CPU
 * time that the process used meanwhile, hits included. The brake itself lets a process that leaves CPUs idle use up to
 * that of one, because there what hits cost is not missed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collect/collector.h"

struct overhead_work {
	int64_t hits, frames; /* of probes, and of the stacks taken at them, since the probes were attached */
};

struct overhead {
	int pid;
	struct overhead_work work;	    /* at the last look, as are: */
	int64_t cpu_ns, wall_ns, waited_ns; /* waited for a CPU: -1 where nobody asked */
	double bare_ns;			    /* of a hit whose program does nothing; 0: not measured yet */
	int above;			    /* looks in a row at which the share was too high */
};

void overhead_begin(struct overhead *overhead, int pid);

/*
 * Looks again. Returns true when the share has been above `limit_percent` for long enough to be no burst; *percent then
 * says what it is.
 */
bool overhead_too_high(struct overhead *overhead, struct collector *collector, struct overhead_work work,
		       double limit_percent, double *percent);

#endif
