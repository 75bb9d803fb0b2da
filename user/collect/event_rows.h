/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_EVENT_ROWS_H
#define ESCAPEMENT_EVENT_ROWS_H

/*
 * Moves the rows of all processes, with their stacks, from the pairs of maps that the BPF programs fill to the store of
 * each process. Private to the collector; event_caches includes it too. Not thread-safe, although the BPF programs fill
 * the maps meanwhile.
 */

#include <stdbool.h>
#include <stdint.h>

#include "collect/event_process.h"
#include "collect/event_store.h"
#include "collect/program_barrier.h"

struct escapement_bpf;
struct event_rows;

/* For programs loaded with or without `stacks`; `processes` has the processes' sums by slot. All arguments must outlive
 * the result. */
struct event_rows *event_rows_new(struct escapement_bpf *bpf, volatile struct event_process *processes,
				  const struct program_barrier *barrier, bool stacks);
void event_rows_free(struct event_rows *rows); /* NULL is allowed */

/* Calls `each` for every row of the process, perhaps several times with parts of a row's sums; the hash of its stack
 * may be missing. Rows may be added meanwhile; all rows that existed before the call are visited. */
void event_rows_each(struct event_rows *rows, uint32_t slot, event_row_function *each, void *context);

/* Adds to a row events that no program counted. Its stack must be one that a program has seen. Does nothing without
 * stacks: then the events must be added to the process's sums instead. */
void event_rows_add(struct event_rows *rows, const struct event_key *key, const struct event_sums *sums);

/* Moves the process's rows from the maps to its store. Its probes must be detached. Returns -errno if the kernel did
 * not return all rows. */
int event_rows_collect(struct event_rows *rows, uint32_t slot);
/* Hands over the store. Call after event_rows_collect(). */
void event_rows_take(struct event_rows *rows, uint32_t slot, struct event_store *store);

/* Moves what the maps hold into the stores, while programs go on filling them: afterwards, everything from before
 * the call is there, except what could not be read, which the next call moves. Rows without stacks stay in the sums. */
void event_rows_gather(struct event_rows *rows);
/* event_store_settle() of the process's store. */
void event_rows_settle(struct event_rows *rows, uint32_t slot, event_slice_function *slice_of, void *context);
/* The process's store as it is; holds until rows move. */
const struct event_store *event_rows_store(const struct event_rows *rows, uint32_t slot);

/* Gives each process that is recorded by now its part of the maps. event_rows_relieve() does, too. */
void event_rows_divide(struct event_rows *rows);

/* Empties the maps when they fill up. */
void event_rows_relieve(struct event_rows *rows);

#endif
