/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STOPPED_THREADS_H
#define ESCAPEMENT_STOPPED_THREADS_H

/*
 * Stops all threads of a process by ptrace(2), wherever they are, and lets them go again. A thread notices nothing; a signal that
 * it was about to take is delivered afterwards.
 *
 * The process is traced by a thread of ours that does nothing else and ends with the stop. The kernel lets go all that a thread
 * traces when that ends: also a thread that sleeps in the kernel and has not stopped yet, one that was killed while it was
 * stopped, and if we die. So nothing stays stopped because of one thread; nor does one that executes another program wait for us.
 *
 * One stop at a time, and not beside other threads of ours that take signals.
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

/* Called in the thread that traces, while all threads of the process are stopped. */
typedef int stopped_threads_look(void *context, struct stopped_threads *stopped);

/*
 * Stops the process, calls `look` and lets it go. Meanwhile we run before others (base/priority.h), and what a terminal suspends
 * processes by (SIGTSTP, SIGTTIN, SIGTTOU) waits. Stores for how long the first thread to stop has been stopped, in
 * nanoseconds, also after a failure. Returns what `look` did; or -1 without a call of it, if not all threads have stopped within
 * `limit_ns`, or it is not permitted: then the refusal's text is the end of a sentence about the process, unless it has a cause
 * (target/obstacle.h).
 */
int stopped_threads_with(const struct target *target, int64_t limit_ns, stopped_threads_look *look, void *context,
			 int64_t *duration_ns, struct error *refusal);

size_t stopped_threads_count(const struct stopped_threads *stopped);
/* Reads the registers of one of them; `words` are valid until the next call. */
struct stopped_thread stopped_threads_at(struct stopped_threads *stopped, size_t index);

#endif
