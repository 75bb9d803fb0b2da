/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SNAPSHOT_H
#define ESCAPEMENT_SNAPSHOT_H

/*
 * What is alive in a process now, and who allocated it: a profile with profile.snapshot set, made from what its allocator's runtime
 * keeps: Go's memory profile (runtime/go_heap_profile.h) or libgoalloc's heap profile (runtime/goalloc_rows.h). It needs no probe and does not stop the process: it only reads memory.
 *
 * Not thread-safe.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "profile/profile.h"
#include "target/target.h"

struct heap_process;

/*
 * Recognises the heap of a process: Go's or libgoalloc's. `target` stays the caller's and must outlive it. Returns NULL
 * with STATUS_CANNOT_MEASURE if there is none, or the runtime's variables are not found.
 */
struct heap_process *heap_process_open(struct target *target, struct error *error);
/* Whether its snapshots are without command line and directories (profile.h). */
void heap_process_redact(struct heap_process *process, bool redact);
void heap_process_close(struct heap_process *process); /* NULL is allowed */

/*
 * Whether the process, which `pidfd` is of, runs another program now than when it was opened: its snapshots fail from then on.
 */
bool heap_process_is_replaced(const struct heap_process *process, int pidfd);
/* Opens the process that `pidfd` is of as what it runs now. The target is the new one's own. NULL as for heap_process_open(), and
 * if it has ended: its number may be another one's by then. */
struct heap_process *heap_process_reopen(const struct heap_process *process, int pidfd, struct error *error);

/* The process's name, for messages. */
const char *heap_process_name(const struct heap_process *process);

/* Returns a new snapshot, which the caller frees. NULL with STATUS_CANNOT_MEASURE if the process has ended, samples
 * nothing, or has in its memory what no such runtime writes. */
struct profile *heap_snapshot(struct heap_process *process, struct error *error);

/*
 * The same for objects that nothing refers to any more, as a snapshot with profile.unreachable set: of a process on libgoalloc
 * (lost_objects.h), which is stopped for at most `seconds` in all. Fails for a Go process, in which the collector finds them.
 */
struct profile *heap_unreachable(struct heap_process *process, double seconds, struct error *error);

/*
 * Waits until there was a collection after the last snapshot, for at most `seconds`, or until *stop is set. Returns 1 if there
 * was one, 0 if not, -1 if the process has ended.
 */
int heap_wait_collection(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
			 struct error *error);

/* What the collector costs, by the runtime's own counters: its share of the CPU time that the program had, from its start
 * until the last collection. -1 for what is not known. */
struct heap_collector {
	double share;
	double seconds; /* from its start until then */
};
struct heap_collector heap_collector_read(const struct heap_process *process);
/* Its share between two readings; -1 if that is not known. */
double heap_collector_share(const struct heap_collector *from, const struct heap_collector *to);

/*
 * Waits until a snapshot contains everything that is allocated by now: until the second collection from now on, for at
 * most `seconds`, or until *stop is set (NULL: it never is). Returns the number of collections that are still missing: 0
 * at once if there was no collection yet, because a snapshot contains everything then. -1 if the process has ended.
 */
int heap_wait_fresh(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
		    struct error *error);

#endif
