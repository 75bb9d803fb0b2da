/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SESSION_H
#define ESCAPEMENT_SESSION_H

/*
 * A recording: finds the runtimes of its processes, attaches, lets them run, and makes a profile of what was counted.
 *
 * The recording of a process is exact at its edges: probes are attached first; then its own counters are read between
 * two readings of the events' sums, again and again until these two agree or a bound remains; the same at the end.
 * Events are told apart by the `recording` flag of the process's slot, so rows hold the time between exactly.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/subprocess.h"
#include "base/error.h"
#include "profile/profile.h"
#include "target/privilege.h"

struct session_progress {
	double seconds;
	int processes;	/* observed at this moment */
	int64_t events; /* objects (or bytes' worth of events) seen so far */
};

/* A recording that goes on. */
struct session_view {
	/* All that was measured until now, for reading. It holds until the function returns; its stacks and names as long as
	 * the profile that session_record() will return. */
	const struct profile *profile;
	int64_t collections; /* by the runtimes of the processes that run, while recorded; VALUE_UNMEASURED: no collector */
	double seconds;	     /* since the recording began */
	int processes;	     /* observed now */
};

struct session_options {
	int pid; /* > 0: attach to this process; 0: start argv */
	char *const *argv;
	int64_t rate;
	double duration;     /* seconds; 0: until the target ends or `stop` is raised */
	bool follow;	     /* observe the children of argv too */
	double max_overhead; /* share of a process's CPU (overhead.h) that probe hits may cost before the recording goes to
			      * a coarser depth by itself; 0: any. Of a process that was attached to only */
	const char
		*only; /* of argv and its children: those whose executable's base name matches this glob; NULL: all */
	const char *const *functions; /* of the program, whose calls are counted (Go only); `function_count` of them */
	size_t function_count;	      /* at most EVENT_CALLS */
	bool go_tests;		      /* of what works for `go test`, observe the test binaries alone */
	bool no_stacks;		      /* count by site and type only */
	bool end_all;		      /* nothing that argv started may outlive the recording; else it is named */
	bool enable_sampler; /* turn Go's own sampler on where it is off: the one thing that is written into a target */
	/*
	 * At rate 1: record the events of a Go program's own sampler too. Their samples carry the sampler's rate in their keys,
	 * and each process comes twice, the second time with the totals that a recording at that rate would have. For
	 * measuring estimates against what they estimate; no reader of profiles expects it.
	 */
	bool sampler_beside;
	bool verbose;
	struct identity user;	  /* whom argv runs as */
	struct start_place place; /* where argv runs */
	sigset_t ignored;	  /* argv is to ignore these: what our caller had us ignore, and we handle */
	const volatile sig_atomic_t
		*stop; /* raised: end the recording; > 0: the signal to pass on; < 0: the program has
					    * got it already */
	void (*progress)(void *context, const struct session_progress *progress); /* may be NULL; some times a second */
	/*
	 * May be NULL. Called once when the recording has begun, and then about every `view_seconds`: later where views would
	 * cost more than 1/VIEW_SHARE of a CPU. Not with no_stacks or a sink. While it is set, `input` (a file, -1: none) is
	 * watched, and progress() called at once where that has something to read.
	 */
	void (*view)(void *context, const struct session_view *view);
	double view_seconds;
	int input;
	/* May be NULL. Called at the end of each phase that a process has to bear or wait for: "loaded" (PID 0), "attached",
	 * "detached", "symbolized". */
	void (*phase)(void *context, const char *phase, int pid, double milliseconds);
	void *context;
	profile_sink *sink; /* may be NULL: gets samples that are too many for memory; those left are in the profile */
	void *sink_context;
};

enum { VIEW_SHARE = 200 };

struct session_result {
	bool started;	 /* argv was run and has ended */
	int wait_status; /* its wait status then */
	bool asked;	 /* it ended after we had asked it to */
};

/*
 * Records. NULL with an error where nothing could be measured. Blocks SIGCHLD meanwhile when it starts a program.
 * Call it from one thread only.
 */
struct profile *session_record(const struct session_options *options, struct session_result *result,
			       struct error *error);

#endif
