/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SNAPSHOT_H
#define ESCAPEMENT_SNAPSHOT_H

/*
 * What is alive in a Go process now, and who allocated it: a profile of the kind that profile.snapshot says, out of the
 * memory profile that the runtime keeps of its own (runtime/go_heap_profile.h). No probe, no pause: pages of the process
 * are read, and nothing else.
 *
 * One thread at a time.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "profile/profile.h"
#include "target/target.h"

struct heap_process;

/*
 * Recognises the Go heap of a process. `target` stays the caller's and must outlive it. NULL with
 * STATUS_CANNOT_MEASURE where there is none, or where the runtime's variables are not found.
 */
struct heap_process *heap_process_open(struct target *target, struct error *error);
void heap_process_close(struct heap_process *process); /* NULL is allowed */

/* The process's name, for messages. */
const char *heap_process_name(const struct heap_process *process);

/* A new snapshot; the caller frees it. NULL with STATUS_CANNOT_MEASURE where the process has ended, samples nothing, or
 * holds what no Go runtime writes. */
struct profile *heap_snapshot(struct heap_process *process, struct error *error);

/*
 * Waits until all that is allocated by now is in a snapshot: until the second collection from now on, for at most
 * `seconds`, or until *stop is set (NULL: it never is). Returns the number of collections that are still missing: 0 at
 * once where there was no collection yet, as a snapshot has everything then. -1 where the process has ended.
 */
int heap_wait_fresh(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
		    struct error *error);

#endif
