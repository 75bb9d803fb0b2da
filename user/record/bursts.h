/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BURSTS_H
#define ESCAPEMENT_BURSTS_H

/*
 * For processes whose objects no sampler reports: counts every allocation in bursts, which last 10 ms,
 * begin at random instants, and come as often as the overhead limit allows. Between bursts the probes are
 * detached, because a hit costs as much when its event is ignored.
 *
 * At first every allocation is counted, for as long as that costs less than the limit; in a process that allocates
 * little, until the end. Then time is divided into cells with one burst each, at a uniformly distributed instant. So
 * bursts cannot be in step with a rhythm of the process, and a phase of the process gets bursts in proportion to its
 * length. A cell is as long as needed for its burst, including attaching and detaching, to cost the allowed share of
 * it, and for our own work to keep to its limit, and long beside the time that detaching takes. That length is computed from earlier bursts, so that the weight of a
 * burst does not depend on what happens in it.
 *
 * A burst slows the process down, by a factor of more than a hundred if the process does nothing but allocate, so it
 * counts too little in such phases. The factor is computed from the runtime's own counters, which are read just before
 * the burst and in it. The counts of a burst are multiplied by this factor and by the ratio of its cell's length to its
 * own. If the process enters another phase during a burst, the burst is cut in two where the pace of hits changed most,
 * and each part has a factor of its own.
 *
 * Owned by an observed process, whose slot it uses. Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collect/collector.h"
#include "profile/profile.h"
#include "runtime/runtime.h"
#include "target/target.h"

/* With fewer bursts, nothing can be said about the time between them. */
#define BURSTS_LEAST 8

struct bursts;

/* What bursts need to know about their process; all of it must outlive them. */
struct bursts_of {
	struct collector *collector;
	const struct target *target;
	struct runtime *runtime;
	volatile struct event_process *sums;
	uint32_t slot;
	double max_overhead; /* percent of the process's CPU time that bursts may cost; 0: no limit */
};

/*
 * Attaches to what runtime->ops->burst_probes() names. If `at_once`, every allocation is counted from now on; otherwise
 * counting begins with the first burst. Returns NULL with an error if the process cannot be attached to.
 */
struct bursts *bursts_new(const struct bursts_of *of, bool at_once, struct error *error);
void bursts_free(struct bursts *bursts); /* NULL is allowed */

/* Returns the CLOCK_MONOTONIC time at which bursts_step() has something to do; INT64_MAX if never. */
int64_t bursts_due_ns(const struct bursts *bursts);
/* Whether bursts come from time to time: no longer is everything counted, and bursts_stop() was not called. */
bool bursts_come(const struct bursts *bursts);
/*
 * Begins or ends a burst if it is due. `own_limit`: percent of a CPU that our own work may take for the bursts of all of
 * `sharing` processes together, attaching and taking the rows out of the maps; 0: no limit.
 */
void bursts_step(struct bursts *bursts, double own_limit, int sharing);

/* Ends the current burst, if there is one. No other will begin. */
void bursts_stop(struct bursts *bursts);
/* Removes the probes. `gone`: the process has ended. */
void bursts_detach(struct bursts *bursts, bool gone);

/* Returns the factor for the counts of the events in a slice of a burst, up to a constant that is common to all; 0
 * until the burst has ended. Events have the number of their slice. */
double bursts_weight(const struct bursts *bursts, uint64_t number);
/* Whether that burst has ended. */
bool bursts_are_weighed(const struct bursts *bursts, uint64_t number);
/* Returns the number of the burst to which the slice belongs, from 1. */
size_t bursts_burst(const struct bursts *bursts, uint64_t number);

struct profile_bursts bursts_summary(const struct bursts *bursts);

#endif
