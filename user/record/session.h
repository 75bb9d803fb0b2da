/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SESSION_H
#define ESCAPEMENT_SESSION_H

/*
 * A recording: finds the runtimes of its processes, attaches, lets them run, and makes a profile of the counts.
 *
 * The recording of a process has exact ends: first the probes are attached; then the process's own counters are read
 * between two readings of the events' sums, repeatedly until both sides agree or a bound remains; and the same at the
 * end. The `recording` flag of the process's slot separates events, so rows contain exactly the time in between.
 */

#include <stdbool.h>

#include "base/error.h"
#include "profile/profile.h"
#include "record/session_options.h"

struct session_result {
	bool started;	 /* argv was executed and has ended */
	int wait_status; /* its wait status, if it has */
	bool asked;	 /* it ended because we asked it to */
};

/*
 * Records. Returns NULL with an error if nothing could be measured. Blocks SIGCHLD meanwhile if it starts a program.
 * Call it from one thread only.
 */
struct profile *session_record(const struct session_options *options, struct session_result *result,
			       struct error *error);

#endif
