/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AGENT_WINDOW_H
#define ESCAPEMENT_AGENT_WINDOW_H

/* One window of an agent, from its processes to the spool. Runs in a process of its own and leaves what its parent has to
 * know in memory that both share. */

#include <signal.h>
#include <stdint.h>

#include "fleet/agent_config.h"
#include "fleet/agent_options.h"
#include "fleet/kept_outputs.h"
#include "fleet/metrics.h"
#include "fleet/spool.h"
#include "fleet/watch.h"

enum { AGENT_WHY = 1024 };

/* Exit statuses of the process. Those between are other ends of it, such as for want of memory. */
enum agent_window_result {
	AGENT_WINDOW_WRITTEN,
	AGENT_WINDOW_EMPTY = 64, /* nothing was observed */
	AGENT_WINDOW_UNWRITTEN,	 /* the spool did not take it */
	AGENT_WINDOW_UNMEASURED, /* this machine cannot record at all */
};

/* What may be wrong with a process of a window. */
enum agent_trouble {
	AGENT_BRAKED,	  /* its part ended early, because its probes cost too much */
	AGENT_UNOBSERVED, /* it was not observed */
	AGENT_UNJUDGED,	  /* its rows have no verdicts */
	AGENT_UNHEAPED,	  /* it has no heap snapshot, and the window takes them */
	AGENT_TROUBLES,
};

struct agent_shared {
	char why[AGENT_WHY]; /* of a result that is not WRITTEN */
	bool stored;	     /* the window is in the spool */
	bool strained;	     /* it lacked memory, or the time to attach to all */
	int count;
	struct agent_note {
		int pid;
		uint64_t started;
		char why[AGENT_TROUBLES][AGENT_WHY]; /* why it is so; "" if it is not */
		bool late;			     /* not observed, for which others are to blame */
		bool lasting;			     /* not observed because of what program it is */
		bool observed;
		struct metrics_part part; /* if it was */
	} notes[WATCHED_MAX];
};

/* Records the processes; `stop` ends the window early. `heap`: with heap snapshots of them. `kept`: of the configuration. */
enum agent_window_result agent_window_record(const struct agent_options *options, const struct agent_config *config,
					     struct spool *spool, const struct watched *watched, int count, bool heap,
					     struct kept_outputs *kept, const volatile sig_atomic_t *stop,
					     struct agent_shared *shared);

#endif
