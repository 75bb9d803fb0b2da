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
#include "fleet/watch.h"
#include "profile/profile.h"

enum {
	METRICS_NAME = 256,
	METRICS_BUILD = 128,
	METRICS_COMM = 32,
	METRICS_PROCESSES = WATCHED_MAX,
	METRICS_SERIES = VALUE_COUNT + 16, /* of a process, at most */
	METRICS_LINE =
		2 * (METRICS_NAME + METRICS_BUILD + METRICS_COMM) + 256, /* each byte of a label may have an escape */
	METRICS_GROUPS = 64,
	METRICS_TEXT_MAX = ((METRICS_PROCESSES + 1) * METRICS_SERIES + METRICS_GROUPS) *
			   METRICS_LINE, /* + 1: heads, and of the agent */
};

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

/* Adds a window of a process to what is known of it. If it has become another build since, or belongs to another service, that
 * begins anew. */
void metrics_add(struct metrics *metrics, const struct metrics_part *part);

/* Forgets what is not watched any more, or by another service. */
void metrics_keep(struct metrics *metrics, const struct agent_config *config, const struct watched *watched, int count);

/* Of the agent. At most METRICS_GROUPS groups are named. */
struct metrics_agent {
	const char *host;
	struct spool_state spool;
	uint64_t failed; /* windows that were lost because their process did not end well */
	const struct agent_config *config;
	const struct setbacks *setbacks; /* which has groups that have failed */
};

/* Writes the text anew, without processes that have ended. */
void metrics_publish(struct metrics *metrics, const struct metrics_agent *agent);

/* In a process that only reads the text: from now on it cannot write it. -1 with errno if the kernel refuses. */
int metrics_only_read(const struct metrics *metrics);

/* Returns a copy of the text, in the agent or a process that it started later; the caller frees it. NULL: it was being written
 * all the time, which is a defect of the writer. */
char *metrics_text(const struct metrics *metrics, size_t *length);

#endif
