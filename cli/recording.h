/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RECORDING_H
#define ESCAPEMENT_RECORDING_H

/*
 * What record, audit and gate share: the options that say what to record and how, and the recording itself with
 * progress on a terminal and Ctrl-C.
 */

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "profile/profile.h"

struct recording {
	bool in_process;  /* the program is on libgoalloc and counts for us: no BPF, no privileges */
	const char *only; /* observe only processes whose executable has such a base name, a glob; NULL: all */
	int64_t pid;
	const char *name;
	int64_t rate;
	double duration, max_overhead;
	bool no_follow, no_stacks, enable_sampler;
	profile_sink *sink; /* of session_options; NULL: all samples stay in the profile */
	void *sink_context;
	/* filled by recording_run() */
	bool program_failed;	 /* the program that was started ended with a failure of its own */
	char program_status[64]; /* "exited with status 1", "was killed by SIGSEGV" */
	bool interrupted;	 /* a signal to us ended it, and not the program or --duration */
};

#define RECORDING_DEFAULTS                            \
	{                                             \
		.rate = 512 << 10, .max_overhead = 10 \
	}

/* Rows for a command's option table. */
#define RECORDING_ROWS(recording)                                                                                           \
	{'p', "pid", "PID", OPTION_INTEGER, &(recording).pid, "attach to this running process", NULL},                      \
		{0,                                                                                                         \
		 "name",                                                                                                    \
		 "NAME",                                                                                                    \
		 OPTION_STRING,                                                                                             \
		 &(recording).name,                                                                                         \
		 "attach to the only process of that name, instead of -p",                                                  \
		 NULL},                                                                                                     \
		{0,                                                                                                         \
		 "rate",                                                                                                    \
		 "BYTES",                                                                                                   \
		 OPTION_BYTES,                                                                                              \
		 &(recording).rate,                                                                                         \
		 "mean bytes between samples (default 512k); 1: every allocation, exactly; 0: every slow-path event and "   \
		 "no sampling",                                                                                             \
		 NULL},                                                                                                     \
		{0,                                                                                                         \
		 "duration",                                                                                                \
		 "SECONDS",                                                                                                 \
		 OPTION_NUMBER,                                                                                             \
		 &(recording).duration,                                                                                     \
		 "end the recording after that time (a program started here is asked to end by SIGTERM)",                   \
		 NULL},                                                                                                     \
		{0,                                                                                                         \
		 "max-overhead",                                                                                            \
		 "PERCENT",                                                                                                 \
		 OPTION_NUMBER,                                                                                             \
		 &(recording).max_overhead,                                                                                 \
		 "with -p: when probe hits cost more than that share of the process's CPU, go to a coarser depth (default " \
		 "10; 0: never)",                                                                                           \
		 NULL},                                                                                                     \
		{0,                                                                                                         \
		 "no-stacks",                                                                                               \
		 NULL,                                                                                                      \
		 OPTION_FLAG,                                                                                               \
		 &(recording).no_stacks,                                                                                    \
		 "count by allocation site and type only, Go programs by type only: cheaper",                               \
		 NULL},                                                                                                     \
		{0,                                                                                                         \
		 "enable-sampler",                                                                                          \
		 NULL,                                                                                                      \
		 OPTION_FLAG,                                                                                               \
		 &(recording).enable_sampler,                                                                               \
		 "Go only: turn the runtime's own sampler on in the target while recording, where it is off (writes "       \
		 "MemProfileRate, and puts it back; a recorder that is killed leaves it on, until the next recording with " \
		 "this option ends)",                                                                                       \
		 NULL},                                                                                                     \
	{                                                                                                                   \
		0, "no-follow", NULL, OPTION_FLAG, &(recording).no_follow,                                                  \
			"do not observe processes that the program starts", NULL                                            \
	}

/*
 * Records what the options and the operands (argv from `first` on; `separator` as options_parse() says) name. NULL
 * with the error set on failure.
 */
struct profile *recording_run(struct recording *recording, int argc, char **argv, int first, bool separator,
			      struct error *error);

/* Prints the profile's warnings, and returns what the process should exit with: STATUS_OK, STATUS_LOST, or
 * STATUS_CANNOT_MEASURE when the program itself failed. */
int recording_status(const struct recording *recording, const struct profile *profile);

#endif
