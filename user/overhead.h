/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OVERHEAD_H
#define ESCAPEMENT_OVERHEAD_H

/*
 * The brake of a recording: what share of CPU a process's probe hits cost. An estimate: hits that were counted, times
 * what a hit costs on this machine (measured on ourselves when first needed), over the CPU time that the process used
 * meanwhile, hits included; or over that of one CPU where it used less, because there it is not missed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collector.h"

struct overhead {
	int pid;
	int64_t hits, cpu_ns, wall_ns; /* at the last look */
	double hit_ns;        /* 0: not measured yet */
	int above;            /* looks in a row at which the share was too high */
};

void overhead_begin(struct overhead *overhead, int pid);

/*
 * Looks again; `hits` is the number of probe hits since the probes were attached. Returns true when the share has been
 * above `limit_percent` for long enough to be no burst; *percent then says what it is.
 */
bool overhead_too_high(struct overhead *overhead, struct collector *collector, int64_t hits, double limit_percent,
		       double *percent);

#endif
