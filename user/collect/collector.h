/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COLLECTOR_H
#define ESCAPEMENT_COLLECTOR_H

/*
 * The kernel's side of a session: loads the BPF programs, attaches them to probes, reads the maps. It consists of
 * attachment, programs, event_rows, event_caches and program_barrier, which only the collector includes; only they use
 * libbpf. Not thread-safe, although the BPF programs fill the maps meanwhile.
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
 * Creates the maps; a program is loaded when a process first needs it. `verbose` prints libbpf's own messages. Without
 * `stacks`, rows are distinguished by site and type only. `rate` is the finest rate that will be used: if samples are
 * few, the maps are smaller. ESCAPEMENT_ATTACH=perf in the environment disables uprobe.multi.
 */
struct collector *collector_open(bool stacks, int64_t rate, bool verbose, struct error *error);
void collector_close(struct collector *collector); /* NULL is allowed; attachments must be gone */

/* What is missing from a recording because this kernel's verifier rejects a program. */
struct collector_lack {
	uint32_t values;     /* one bit per enum profile_value that is not measured; 0: all are */
	const char *program; /* a program that was rejected, and the verifier's reason */
	const char *reason;
};

/* Loads the programs that the probes need. Fails if a program is rejected without which nothing can be measured. */
int collector_prepare(struct collector *collector, const struct probe_set *probes, struct collector_lack *lack,
		      struct error *error);

/* Loads all programs that there are. Fails if any is rejected. */
int collector_prepare_all(struct collector *collector, struct error *error);

/* Attaches the programs of so many probes as `like` has, or one if that is NULL, to a function of this very process, which nobody
 * calls. */
struct attachment *collector_try_attach(struct collector *collector, const struct probe_set *like, struct error *error);

/* Attaches a process's probes, after collector_prepare(). Its events are added to slot `slot`; EVENT_SLOTS: they are
 * ignored. */
struct attachment *collector_attach(struct collector *collector, int pid, uint32_t slot, const struct probe_set *probes,
				    struct error *error);
/* Begins to detach: collector_detach() has less to wait for then. NULL is allowed. */
void collector_detach_begin(struct attachment *attachment);
/* Detaches, and returns when no program runs for the process any more. NULL is allowed. */
void collector_detach(struct attachment *attachment);
/* The same for a process that has ended, for which no program can run, or for a program that may still run: returns at
 * once. */
void collector_detach_later(struct collector *collector, struct attachment *attachment);
/* Waits until all of these are detached. */
void collector_detach_wait(struct collector *collector);

/* The process's sums. */
volatile struct event_process *collector_process(struct collector *collector, uint32_t slot);

/* Calls `each` for every row of the process, perhaps several times with parts of a row's sums; the hash of its stack
 * may be missing. Rows may be added meanwhile; all rows that existed before the call are visited. */
void collector_rows(struct collector *collector, uint32_t slot, event_row_function *each, void *context);

/* Moves the process's rows from the maps to its store. Its probes must be detached. Returns -errno if the kernel did
 * not return all rows: then the slot must not be used again. */
int collector_collect(struct collector *collector, uint32_t slot);
/*
 * Counts the forks of that process from now on: its children are not observed, because a link is bound to a process.
 * collector_forks() stores how many copies of itself it has made since, and how many processes that share its memory, or
 * VALUE_UNMEASURED if they are not counted: then collector_watch_forks() has returned -1 with errno. At most EVENT_SLOTS
 * processes.
 */
int collector_watch_forks(struct collector *collector, int pid);
void collector_forks(const struct collector *collector, int pid, int64_t *copies, int64_t *sharers);

/* Hands over the store and zeroes the process's sums for the next process. Call after collector_collect(). */
void collector_take(struct collector *collector, uint32_t slot, struct event_store *store);

/*
 * Counts the spans that mcentral grew by and that the process's mcaches still hold, of those taken while it was
 * recorded. `came_fresh` says whether a span came from mheap (1, 0, or -1: unknown). Call this once, after the
 * recording of the process has ended and before its probes are detached. Returns the number of spans for which it is
 * unknown.
 */
int64_t collector_settle_grows(struct collector *collector, uint32_t slot,
			       int (*came_fresh)(void *context, uint64_t cache, int span_class), void *context);

/* Gives each process that is recorded by now its part of the kernel's maps. To be called when the recording of one begins. */
void collector_divide(struct collector *collector);

/* Empties the kernel's maps when they fill up. To be called several times a second. */
void collector_relieve(struct collector *collector);

/* Moves what the maps hold into the processes' stores now, and shows a store: it holds until the collector's next call. */
void collector_gather(struct collector *collector);
const struct event_store *collector_store(const struct collector *collector, uint32_t slot);
/* event_store_settle() of the process's store. */
void collector_settle_bursts(struct collector *collector, uint32_t slot, event_slice_function *slice_of, void *context);

/* Probe hits since the collector was opened for which the kernel did not run a program. */
uint64_t collector_missed(struct collector *collector);

/* Whether it attaches by perf uprobes, because the kernel has no uprobe.multi or the environment disables it. */
bool collector_uses_perf(const struct collector *collector);

/* Whether the running kernel has uprobe.multi. */
bool collector_kernel_has_multi(void);

#endif
