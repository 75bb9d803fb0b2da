/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STOPPED_THREADS_H
#define ESCAPEMENT_STOPPED_THREADS_H

/*
 * Stops all threads of a process by ptrace(2), wherever they are, and lets them go again. A thread notices nothing; a signal that
 * it was about to take is delivered afterwards. If we die meanwhile, the kernel lets them go.
 *
 * One thread of ours at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "target/target.h"

struct stopped_thread {
	int tid;
	uint64_t pc, sp;
	uint64_t thread;       /* where the C library keeps what it knows of it (its thread pointer) */
	const uint64_t *words; /* all of its registers, vector registers too */
	size_t word_count;
};

struct stopped_threads;

/* Returns NULL if not all of them have stopped before `deadline_ns` (CLOCK_MONOTONIC), or it is not permitted; then none is
 * stopped, and the refusal's text is the end of a sentence about the process, unless it has a cause (target/obstacle.h). */
struct stopped_threads *stopped_threads_stop(const struct target *target, int64_t deadline_ns, struct error *refusal);
/* Lets them go; NULL is allowed. Returns how long they had been stopped, in nanoseconds, from the first one on. */
int64_t stopped_threads_resume(struct stopped_threads *stopped);

size_t stopped_threads_count(const struct stopped_threads *stopped);
/* Reads the registers of one of them; `words` are valid until the next call. */
struct stopped_thread stopped_threads_at(struct stopped_threads *stopped, size_t index);

#endif
