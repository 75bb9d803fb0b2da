/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WATCH_PACE_H
#define ESCAPEMENT_WATCH_PACE_H

/*
 * How soon a watched process is looked at again, and whether another snapshot of it may be taken near the end. Times are of
 * the monotonic clock, in nanoseconds, and given by the caller. Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

/* Zeros at the beginning. Private to watch_pace.c. */
struct watch_pace {
	double way;	     /* at the last look */
	int64_t looked_ns;   /* when that was; 0: never */
	int64_t spent_ns;    /* CPU time of the last snapshot */
	int64_t budget_ns;   /* CPU time that repeated snapshots may take */
	int64_t budgeted_ns; /* when it was that much; 0: never asked for */
};

/* `way`: how much of the way to the trigger the process has gone by now, 1: all of it. Returns the longest time to wait before
 * the next look, in milliseconds: 50, but 200 as long as the process, at its speed since the last look, will not have gone 40 %
 * of the way by then. */
int watch_pace_wait_ms(struct watch_pace *pace, double way, int64_t now_ns);

/* Tells what the last snapshot cost: the next one will cost as much. */
void watch_pace_spent(struct watch_pace *pace, int64_t cpu_ns);

/* Whether the CPU time of another snapshot may be spent: in the long run 0.1 % of a CPU, at once two seconds, or one snapshot
 * if that needs more. */
bool watch_pace_may_repeat(struct watch_pace *pace, int64_t now_ns);

/* How long it takes until that share allows for the last snapshot. */
int64_t watch_pace_rest_ns(const struct watch_pace *pace);

#endif
