/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_PROCESS_H
#define ESCAPEMENT_EVENT_PROCESS_H

/*
 * What the sums of a process tell, which the BPF programs add up in mapped memory: they change while one looks. What is
 * counted in shapes is in no other sum, so that these are not in one place.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/events.h"

typedef void event_row_function(void *context, const struct event_key *key, const struct event_sums *sums);

/* What the process's events told by span class: while it was recorded, or with `all` since its probes were attached. */
void event_process_totals(const volatile struct event_process *process, bool all,
			  struct event_class_totals totals[EVENT_SPAN_CLASSES]);
/* How often its probes were hit since they were attached. */
int64_t event_process_hits(const volatile struct event_process *process);
/* Calls `each` for the rows that are in no map: without stacks, shapes and totals tell what they would. */
void event_process_rows(const volatile struct event_process *process, uint32_t slot, event_row_function *each,
			void *context);

#endif
