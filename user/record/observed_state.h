/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OBSERVED_STATE_H
#define ESCAPEMENT_OBSERVED_STATE_H

/* What is known of an observed process while it is recorded: for observed.c and the modules that read it. */

#include <stdbool.h>
#include <stdint.h>

#include "collect/collector.h"
#include "profile/profile.h"
#include "runtime/runtime.h"
#include "target/target.h"

/* The runtime's counters, and the events counted at the same instant. */
struct snapshot {
	bool taken;
	int64_t taken_ns; /* CLOCK_MONOTONIC */
	int64_t bound;	  /* objects by which the two may differ because they are not from exactly the same instant */
	struct heap_counters counters;
	struct event_class_totals events[SPAN_CLASSES]; /* both `inside` and `outside` */
};

struct observed {
	struct collector *collector;
	struct profile *profile;
	struct target *target;
	struct runtime *runtime;
	struct address_space *space;
	struct attachment *attachment;
	volatile struct event_process *sums;
	uint32_t slot;
	int64_t rate;
	bool replaced;	/* the process has become another program (exec), so nothing can be read at the end */
	bool by_itself; /* the process has ended, which nobody had asked of it */
	struct runtime_others others; /* the most that were seen; `file` is the profile's */
	uint64_t others_mark;	      /* code_mark() of when others were last looked for */
	bool mixed;		      /* the process has other rows with another rate */
	struct snapshot start, latest, end;
	struct bursts *bursts;	/* bursts.h; NULL: it is not recorded in bursts */
	struct live_rows *live; /* live.h; NULL before the first view of it */
	/* The events counted outside the recording when its end was read. */
	struct event_class_totals outside[SPAN_CLASSES];
	/* Of a recording in phases (phases.h): */
	struct observed *next; /* the phase after this one; NULL: none */
	bool continues;	       /* it is not the first phase: totals begin at `base`, not at `start` */
	bool after_zero;       /* a phase before it counted no objects by line */
	struct snapshot base;
	int64_t growth_noted; /* bytes of heap growth that are in the profile's series */
	size_t process;	      /* index of the process's entry in the profile, which the first phase makes */
};

#endif
