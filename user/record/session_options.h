/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SESSION_OPTIONS_H
#define ESCAPEMENT_SESSION_OPTIONS_H

/* The options of a recording, and the progress that it reports. */

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/subprocess.h"
#include "profile/profile.h"
#include "target/privilege.h"

enum { SESSION_FUNCTIONS_MAX = 16 };

struct session_progress {
	double seconds;
	int processes;	/* currently observed */
	int64_t events; /* objects (or the equivalent in events) seen so far */
};

/* A recording in progress. */
struct session_view {
	/* All that was measured until now, for reading. It holds until the function returns; its stacks and names as long as
	 * the profile that session_record() will return. */
	const struct profile *profile;
	int64_t collections; /* by the runtimes of the processes that run, while recorded; VALUE_UNMEASURED: no collector */
	double seconds;	     /* since the recording began */
	int processes;	     /* observed now */
};

struct session_options {
	int pid;      /* > 0: attach to this process; 0: start argv */
	bool several; /* of a window (window.h): the caller attaches to processes that run; neither pid nor argv is set */
	char *const *argv;
	int64_t rate;
	double duration; /* seconds; 0: until the target ends or `stop` is raised */
	bool follow;	 /* observe the children of argv too */
	/* for a process that we attached to: share of its CPU time (overhead.h) that probe hits may cost before the
	 * recording switches to a coarser rate; 0: no limit */
	double max_overhead;
	double own_limit; /* percent of a CPU that our work for the bursts of all processes may take; 0: no limit */
	const char
		/* observe only those of argv and its children whose executable's base name matches this glob; NULL:
		 * all */
		*only;
	const char *const *functions; /* `function_count` functions of the program whose calls are counted (Go only) */
	size_t function_count;	      /* at most SESSION_FUNCTIONS_MAX */
	bool go_tests;		      /* of the processes of a `go test`, observe only the test binaries */
	bool no_stacks;		      /* count by site and type only */
	/* kill everything that argv started at the end of the recording; otherwise a warning names it */
	bool end_all;
	bool enable_sampler; /* turn on Go's own sampler if it is off: the only write to a target */
	/*
	 * At rate 1: also record the events of a Go program's own sampler. Their samples have the sampler's rate in
	 * their keys, and each process occurs twice, the second time with the totals that a recording at that rate
	 * would have. For comparing estimates with exact counts; readers of profiles do not expect it.
	 */
	bool sampler_beside;
	bool verbose;
	struct identity user; /* user that argv runs as */
	/* The caller will start programs after this recording. Otherwise this process gives up, for good, the privileges that
	 * the rest of the recording does not need. */
	bool stays_privileged;
	bool redact;		  /* the profile shall have neither the command line nor directories */
	struct start_place place; /* where argv runs */
	sigset_t ignored;	  /* signals that argv is to ignore: those that our caller ignored and we handle */
	const volatile sig_atomic_t
		*stop; /* set to end the recording; > 0: the signal to pass on; < 0: the program has already got it */
	const atomic_llong *stopped_ns; /* when `stop` was set, of CLOCK_MONOTONIC; not NULL if `stop` is not */
	/* may be NULL; called several times a second */
	void (*progress)(void *context, const struct session_progress *progress);
	/*
	 * May be NULL. Called once when the recording has begun, and then about every `view_seconds`: later where views would
	 * cost more than 1/VIEW_SHARE of a CPU. Not with no_stacks or a sink. While it is set, `input` (a file, -1: none) is
	 * watched, and progress() called at once where that has something to read.
	 */
	void (*view)(void *context, const struct session_view *view);
	double view_seconds;
	int input;
	/* May be NULL. Called at the end of each phase that delays a process: "loaded" (PID 0), "attached", "detached",
	 * "symbolized". */
	void (*phase)(void *context, const char *phase, int pid, double milliseconds);
	void *context;
	/* may be NULL: receives samples if there are too many for memory; the rest are in the profile */
	profile_sink *sink;
	void *sink_context;
};

enum { VIEW_SHARE = 300 };

/* How long a program has once it was asked to end. Then it is killed, with everything that it started. */
enum {
	GRACE_MS = 3000,
	SIGNAL_GRACE_MS = 300,	/* if the reason is a signal to us: whoever sent it waits */
	END_ALL_GRACE_MS = 300, /* if nothing may outlive the recording, when its last allocations do not matter */
	TERM_GRACE_MS = 200,	/* of what it started: between SIGTERM and SIGKILL */
};

/* Returns which of them a program has that is asked to end now. */
static inline int session_grace_ms(const struct session_options *options)
{
	if (options->end_all)
		return END_ALL_GRACE_MS;
	return options->stop && *options->stop ? SIGNAL_GRACE_MS : GRACE_MS;
}

#endif
