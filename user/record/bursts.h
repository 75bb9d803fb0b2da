/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BURSTS_H
#define ESCAPEMENT_BURSTS_H

/*
 * Where nothing samples a process's objects, every allocation is counted in bursts: for some tens of milliseconds, at
 * random instants, as often as the overhead limit allows. In between nothing is attached, for a probe costs as much when it
 * is hit for nothing.
 *
 * At first all is counted, for as long as that costs less than the limit: in a process that allocates little, until the
 * end. Then time is divided into cells, which have one burst each, at an instant that is uniformly distributed in the cell:
 * no rhythm of the process can be in step with that, and a phase of it gets as many bursts as it is long. A cell is so long
 * that its burst, with attaching and detaching, costs the allowed share of it; this is known from the bursts before, so
 * that what happens in a burst has no influence on how much it stands for.
 *
 * A burst slows the process down, a hundred times and more where it only allocates, and so has less than its share of such
 * phases. By how much is known from the runtime's own counters, which are read just before the burst and in it; its counts
 * are multiplied by that, and by the length of its cell over its own. Where the process goes from one phase to another in a
 * burst, each part of the burst has its own pace: it is cut into slices when the pace of hits changes.
 *
 * Owned by an observed process, whose slot it uses. Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collect/collector.h"
#include "profile/profile.h"
#include "runtime/runtime.h"
#include "target/target.h"

/* So many bursts say something about what is in none of them. */
#define BURSTS_LEAST 8

struct bursts;

/* What the bursts of a process need of it; all of it must outlive them. */
struct bursts_of {
	struct collector *collector;
	const struct target *target;
	struct runtime *runtime;
	volatile struct event_process *sums;
	uint32_t slot;
	double limit; /* percent of the process's CPU time that they may cost; 0: no limit */
};

/*
 * Attaches to what runtime->ops->burst_probes() names. `at_once`: all is counted from now on; otherwise the first burst comes
 * later. Returns NULL with an error if the process cannot be attached to.
 */
struct bursts *bursts_new(const struct bursts_of *of, bool at_once, struct error *error);
void bursts_free(struct bursts *bursts); /* NULL is allowed */

/* When bursts_step() has something to do: CLOCK_MONOTONIC. */
int64_t bursts_due_ns(const struct bursts *bursts);
/* Begins or ends a burst if it is time. */
void bursts_step(struct bursts *bursts);

/* Ends the burst that goes on, if one does, for good. */
void bursts_stop(struct bursts *bursts);
/* Removes the probes. `gone`: the process has ended. */
void bursts_detach(struct bursts *bursts, bool gone);

/* Events have the number of the slice of a burst that they were in. By what their counts are to be multiplied, up to a common
 * factor; 0 while the burst goes on. */
double bursts_weight(const struct bursts *bursts, uint64_t number);
/* The number of the burst that the slice is of, from 1. */
size_t bursts_burst(const struct bursts *bursts, uint64_t number);

struct profile_bursts bursts_summary(const struct bursts *bursts);

#endif
