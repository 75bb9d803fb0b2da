/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_CACHES_H
#define ESCAPEMENT_EVENT_CACHES_H

/*
 * What the BPF programs noted of the spans that mcaches hold (struct event_cache), in the map `map`. Part of the
 * collector: nobody else includes this. One thread at a time, except that the map changes meanwhile.
 */

#include <stdint.h>

#include "bpf/events.h"
#include "collect/event_rows.h"

/*
 * Counts, as growth of mcentral, what the process's mcaches still hold of the spans that they took while it was
 * recorded; `came_fresh` says of each whether it had come from mheap (0, 1, -1: unknown). To be called once, when no
 * program runs any more that saw it recorded, but its probes are still attached. Returns how many are unknown.
 */
int64_t event_caches_settle(int map, struct event_rows *rows, volatile struct event_process *process, uint32_t slot,
			    int (*came_fresh)(void *context, uint64_t cache, int span_class), void *context);
/* Of a process that has left the slot. */
void event_caches_forget(int map, uint32_t slot);

#endif
