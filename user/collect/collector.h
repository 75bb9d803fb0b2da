/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COLLECTOR_H
#define ESCAPEMENT_COLLECTOR_H

/*
 * The kernel's side of a session: loads the BPF programs, attaches them to probes, reads the maps. Its parts are
 * attachment, programs, event_rows, event_caches and program_barrier; nobody else includes them or touches libbpf.
 * One thread at a time, except that maps fill meanwhile.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/events.h"
#include "base/error.h"
#include "collect/event_process.h"
#include "collect/event_store.h"
#include "collect/probe_set.h"

struct collector;
struct attachment;

/*
 * Creates the maps; programs are loaded when a process needs them. `verbose` lets libbpf's own messages through.
 * Without `stacks` rows are told apart by site and type only. ESCAPEMENT_ATTACH=perf in the environment does without
 * uprobe.multi.
 */
struct collector *collector_open(bool stacks, bool verbose, struct error *error);
void collector_close(struct collector *collector); /* NULL is allowed; attachments must be gone */

/* What a recording lacks because this kernel's verifier refuses a program. */
struct collector_lack {
	uint32_t values;     /* bit per enum profile_value: not measured. 0: nothing is lacking */
	const char *program; /* one that was refused, and what the verifier said of it */
	const char *reason;
};

/* Loads the programs that the probes need. Fails if one is refused without which nothing can be measured. */
int collector_prepare(struct collector *collector, const struct probe_set *probes, struct collector_lack *lack,
		      struct error *error);

/* Attaches a process's probes, after collector_prepare(); its events go to that slot, or nowhere if it is EVENT_SLOTS. */
struct attachment *collector_attach(struct collector *collector, int pid, uint32_t slot, const struct probe_set *probes,
				    struct error *error);
/* Returns when no program runs any more for it. NULL is allowed. */
void collector_detach(struct attachment *attachment);
/* The same for a process that is gone, so that nothing can run for it: returns at once. */
void collector_detach_dead(struct collector *collector, struct attachment *attachment);

/* The process's sums. */
volatile struct event_process *collector_process(struct collector *collector, uint32_t slot);

/* Calls `each` for every row of the process, perhaps more than once with parts of its sums; the hash of its stack may
 * be missing. Rows may be added meanwhile; each that was there before is seen. */
void collector_rows(struct collector *collector, uint32_t slot, event_row_function *each, void *context);

/* Moves what the maps still hold of a process into its store. Its probes must be detached. -errno where the kernel did
 * not give all rows: then the slot must not be used again. */
int collector_collect(struct collector *collector, uint32_t slot);
/* Gives the store away, and zeroes the process's sums for the next one. After collector_collect(). */
void collector_take(struct collector *collector, uint32_t slot, struct event_store *store);

/*
 * Counts, as growth of mcentral, what the process's mcaches still hold of the spans that they took while it was recorded;
 * `came_fresh` says of each whether it had come from mheap (0, 1, -1: unknown). To be called once, when it is not recorded
 * any more but its probes are still attached. Returns how many are unknown.
 */
int64_t collector_settle_grows(struct collector *collector, uint32_t slot,
			       int (*came_fresh)(void *context, uint64_t cache, int span_class), void *context);

/* Makes room in the kernel's maps where they fill up. To be called several times a second. */
void collector_relieve(struct collector *collector);

/* Probe hits for which the kernel did not run a program, since the collector was opened. */
uint64_t collector_missed(struct collector *collector);

/* Whether the running kernel attaches by uprobe.multi. */
bool collector_kernel_has_multi(void);

#endif
