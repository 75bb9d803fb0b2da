/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WINDOW_H
#define ESCAPEMENT_WINDOW_H

/*
 * A window: a recording of several running processes for a fixed time, which loads the BPF programs once for all of them.
 * It ends early for a process that ends, that becomes another program, or whose probes cost it more than they may.
 * Processes that these start meanwhile are not observed. Call it from one thread only; it does not return the
 * privileges that it gives up, so call it in a process of its own.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profile/profile.h"

/* A process of a window. The caller sets the first two fields. */
struct window_target {
	int pid;
	uint64_t started; /* procfs_start_time(): a process that got the number meanwhile is not observed */
	bool observed;
	bool braked;		 /* its part ended early, because its probes cost more than they may */
	double seconds;		 /* for how long it was observed */
	double overhead_seconds; /* CPU time that probe hits cost it, estimated (overhead.h) */
	double cpu_seconds;	 /* CPU time that it used meanwhile */
	int64_t heap_in_use;	 /* bytes, at the end; VALUE_UNMEASURED: unknown */
	bool late;		 /* it was not observed, because attaching to others took too long */
	struct error why;	 /* it was not observed; the text says why */
};

struct window_options {
	double seconds;
	int64_t rate;	     /* as of session_options */
	double max_overhead; /* percent of a process's CPU; if this holds for each process, it holds for their sum. 0: none */
	bool verbose;
	const volatile sig_atomic_t *stop; /* set to end the window */
	void (*begun)(int processes);	   /* called when all are attached; NULL is allowed */
};

/*
 * Records the processes. Returns a profile of all that were observed, which has each of them once, by PID; NULL with an
 * error if none was. The results are in the targets.
 */
struct profile *window_record(const struct window_options *options, struct window_target *targets, size_t count,
			      struct error *error);

#endif
