/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_PROCESS_H
#define ESCAPEMENT_EVENT_PROCESS_H

/*
 * Evaluates the sums of a process. The BPF programs add to them, in mapped memory, while they are read. What is counted
 * in `counters` is in no other sum, so every function here adds up several places.
 */

#include <stdint.h>

#include "bpf/events.h"

typedef void event_row_function(void *context, const struct event_key *key, const struct event_sums *sums);

/* Events while the process was recorded, the others, and all since its probes were attached. */
enum event_part {
	EVENTS_INSIDE = 1,
	EVENTS_OUTSIDE = 2,
	EVENTS_ALL = EVENTS_INSIDE | EVENTS_OUTSIDE,
};

/* Computes the totals by span class of the process's events of that part. Two calls are of different instants. */
void event_process_totals(const volatile struct event_process *process, enum event_part part,
			  struct event_class_totals totals[EVENT_SPAN_CLASSES]);
/* The number of hits of its probes since they were attached. */
int64_t event_process_hits(const volatile struct event_process *process);
/* Calls `each` for rows that are not in the maps: those of `counters` and, without stacks, rows computed from the totals. */
void event_process_rows(const volatile struct event_process *process, uint32_t slot, event_row_function *each,
			void *context);

#endif
