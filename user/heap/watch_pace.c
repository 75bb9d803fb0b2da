/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/watch_pace.h"

enum {
	POLL_MS = 50,
	FAR_POLL_MS = 200,
	SPARSE = 1000, /* the inverse of the share of a CPU that snapshots may take in the long run */
};

static const double far_below = 0.4; /* of the way: until here it is looked at less often */

/* A process that comes to its limit slowly, because the kernel or the machine holds it up there, is looked at again and again
 * until it is killed: what that may take at once. */
static const int64_t burst_ns = 2LL * 1000 * 1000 * 1000;

int watch_pace_wait_ms(struct watch_pace *pace, double way, int64_t now_ns)
{
	int64_t since = now_ns - pace->looked_ns;
	double gained = pace->looked_ns && since > 0 ? (way - pace->way) / (double)since * FAR_POLL_MS * 1e6 : 0;

	pace->way = way;
	pace->looked_ns = now_ns;
	return way < far_below && way + gained < far_below ? FAR_POLL_MS : POLL_MS;
}

void watch_pace_spent(struct watch_pace *pace, int64_t cpu_ns)
{
	pace->spent_ns = cpu_ns;
	pace->budget_ns -= cpu_ns;
}

bool watch_pace_may_repeat(struct watch_pace *pace, int64_t now_ns)
{
	int64_t most = pace->spent_ns < burst_ns ? burst_ns : pace->spent_ns + 1;
	int64_t grown = pace->budgeted_ns ? pace->budget_ns + (now_ns - pace->budgeted_ns) / SPARSE : burst_ns;

	pace->budget_ns = grown < most ? grown : most;
	pace->budgeted_ns = now_ns;
	return pace->budget_ns > pace->spent_ns;
}

int64_t watch_pace_rest_ns(const struct watch_pace *pace)
{
	return pace->spent_ns * SPARSE;
}
