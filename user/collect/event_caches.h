/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_CACHES_H
#define ESCAPEMENT_EVENT_CACHES_H

/*
 * Reads what the BPF programs noted about the spans that mcaches hold (struct event_cache), from the map `map`. Private
 * to the collector. Not thread-safe, although the BPF programs change the map meanwhile.
 */

#include <stdint.h>

#include "bpf/events.h"
#include "collect/event_rows.h"

/*
 * Counts the spans that mcentral grew by and that the process's mcaches still hold, of those taken while it was
 * recorded. `came_fresh` says whether a span came from mheap (1, 0, or -1: unknown). Call this once, when no program
 * runs any more that saw the process being recorded, and before its probes are detached. Returns the number of spans
 * for which it is unknown.
 */
int64_t event_caches_settle(int map, struct event_rows *rows, volatile struct event_process *process, uint32_t slot,
			    int (*came_fresh)(void *context, uint64_t cache, int span_class), void *context);
/* Deletes the notes of a process that no longer uses the slot. Returns how many others have above `share`, together. */
uint32_t event_caches_forget(int map, uint32_t slot, uint32_t share);

#endif
