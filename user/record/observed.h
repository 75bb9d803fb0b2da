/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OBSERVED_H
#define ESCAPEMENT_OBSERVED_H

/*
 * One process under observation, from its first probe to its share of the profile: attach, snapshots of counters at
 * both ends, rows. Owned by a session, which decides when.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collect/collector.h"
#include "profile/profile.h"
#include "runtime/runtime.h"
#include "target/target.h"

/* The runtime's counters, and the events that had been counted at the same instant. */
struct snapshot {
	bool taken;
	int64_t taken_ns; /* CLOCK_MONOTONIC */
	int64_t bound;	  /* objects by which the two may disagree about the instant */
	struct heap_counters counters;
	struct event_class_totals events[SPAN_CLASSES]; /* inside and outside */
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
	bool replaced; /* the process has become another program (exec): nothing is left to be read at the end */
	bool mixed;    /* other rows of this process are of another rate than its */
	struct snapshot start, latest, end;
	struct live_rows *live; /* live.h; NULL before the first view of it */
};

/*
 * Attaches to the process and begins to record. `from_first_instruction`: nothing of it has run yet, so its counters
 * start at zero. Takes target and runtime over, on failure too.
 */
struct observed *observed_new(struct collector *collector, struct profile *profile, struct image_cache *images,
			      struct target *target, struct runtime *runtime, uint32_t slot, int64_t rate,
			      bool from_first_instruction, struct error *error);

/* Changes in the process what was asked to be changed, as soon as it has come that far. */
void observed_adjust(struct observed *observed);

/* While the process lives: remembers what its rows will need, and reads its counters in case it is killed. */
void observed_tick(struct observed *observed);

/* Ends the recording of a process whose memory is still there. */
void observed_stop(struct observed *observed);

/* How long one observation of a process had ended when the next of the same began, and what it allocated in between. */
struct observed_gap {
	double ms;
	int64_t objects;
};

/* False where not both instants are known. */
bool observed_gap(const struct observed *ended, const struct observed *begun, struct observed_gap *gap);

/* Takes the probes away. After observed_stop(), or when the process was killed without it. */
void observed_detach(struct observed *observed);

/* Adds the detached process and its rows to the profile, and frees. -errno where rows are left in the slot. */
int observed_finish(struct observed *observed);

/* Whether the process's memory holds what its runtime never writes, so that nothing about it can be trusted: fills the
 * error, which names the process and the field. */
bool observed_is_refused(const struct observed *observed, struct error *error);

/* In the place of observed_finish(): drops the detached process's rows, and frees. */
int observed_discard(struct observed *observed);

#endif
