/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OWN_WORK_H
#define ESCAPEMENT_OWN_WORK_H

/*
 * What the bursts of a process cost us: CPU time of the calling thread, only in the steps that belong to the bursts. Between
 * two steps the thread does other work, such as showing a view, or the bursts of another process. Not thread-safe.
 */

#include <stdint.h>

/* All zero: none yet. */
struct own_work {
	int64_t ns;	  /* the steps that have ended */
	int64_t began_ns; /* the thread's CPU time when the current step began */
};

/* Begins and ends a step; both in the same thread. */
void own_work_begin(struct own_work *work);
void own_work_end(struct own_work *work);

/*
 * Returns how many nanoseconds must be between two bursts of a process that cost this, so that `sharing` such processes
 * together take `limit` percent of a CPU; 0 if `limit` is 0, which is none.
 */
double own_work_cell_ns(const struct own_work *work, double limit, int sharing);

#endif
