/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_ROWS_H
#define ESCAPEMENT_EVENT_ROWS_H

/*
 * The rows of all processes with their stacks, from the pairs of maps that the BPF programs fill to each process's
 * store. Part of the collector: only that and event_caches include this. One thread at a time, except that maps fill meanwhile.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collect/event_process.h"
#include "collect/event_store.h"
#include "collect/program_barrier.h"

struct escapement_bpf;
struct event_rows;

/* Of programs that are loaded, with or without `stacks`, and the processes' sums by slot. All must outlive it. */
struct event_rows *event_rows_new(struct escapement_bpf *bpf, volatile struct event_process *processes,
				  const struct program_barrier *barrier, bool stacks);
void event_rows_free(struct event_rows *rows); /* NULL is allowed */

/* Calls `each` for every row of the process, perhaps more than once with parts of its sums; the hash of its stack may
 * be missing. Rows may be added meanwhile; each that was there before is seen. */
void event_rows_each(struct event_rows *rows, uint32_t slot, event_row_function *each, void *context);

/* Adds to a row what no program told; its stack is one that they have seen. Without stacks it does nothing: the sums
 * of the process have to tell it then. */
void event_rows_add(struct event_rows *rows, const struct event_key *key, const struct event_sums *sums);

/* Moves what the maps still hold of a process into its store. Its probes must be detached. -errno where the kernel did
 * not give all rows. */
int event_rows_collect(struct event_rows *rows, uint32_t slot);
/* Gives the store away. After event_rows_collect(). */
void event_rows_take(struct event_rows *rows, uint32_t slot, struct event_store *store);

/* Makes room in the maps where they fill up. */
void event_rows_relieve(struct event_rows *rows);

#endif
