/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_METRICS_H
#define ESCAPEMENT_METRICS_H

/*
 * What an agent has measured of the processes that are alive, as Prometheus's text format. Counters are sums over the windows of
 * this agent; of the time between windows nobody knows, so a rate divides by the seconds observed.
 *
 * The agent writes the text into memory that it shares with the process that serves it (metrics_server.h).
 */

#include <stddef.h>
#include <stdint.h>

#include "fleet/spool.h"
#include "profile/profile.h"

enum { METRICS_NAME = 256, METRICS_BUILD = 128, METRICS_COMM = 32, METRICS_TEXT_MAX = 4 << 20 };

/* One window of one process. Texts are cut. */
struct metrics_part {
	int pid;
	uint64_t started;
	char service[METRICS_NAME], build[METRICS_BUILD], comm[METRICS_COMM];
	double seconds, cpu_seconds, overhead_seconds;
	int64_t values[VALUE_COUNT]; /* VALUE_UNMEASURED if not measured */
	int64_t lost_events, lost_stacks;
	int64_t heap_in_use; /* bytes, when the part ended; VALUE_UNMEASURED: unknown */
};

struct metrics;

struct metrics *metrics_new(void); /* never NULL */
void metrics_free(struct metrics *metrics);

/* Adds a window of a process to what is known of it. */
void metrics_add(struct metrics *metrics, const struct metrics_part *part);

/* Writes the text anew, without processes that have ended. */
void metrics_publish(struct metrics *metrics, const char *host, const struct spool_state *spool);

/* Returns a copy of the text, in the agent or a process that it started later; the caller frees it. NULL: it was being written
 * all the time, which is a defect of the writer. */
char *metrics_text(const struct metrics *metrics, size_t *length);

#endif
