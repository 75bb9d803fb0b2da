/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RECORDING_H
#define ESCAPEMENT_RECORDING_H

/*
 * Shared by record, audit and gate: the options of a recording, and the recording itself, with progress on a terminal
 * and Ctrl-C.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/subprocess.h"
#include "options.h"
#include "profile/profile.h"
#include "record/session.h"

struct recording {
	bool in_process;  /* the program uses libgoalloc and records itself: no BPF, no privileges */
	const char *only; /* observe only processes whose executable's base name matches this glob; NULL: all */
	int64_t pid;
	const char *name, *user;
	struct start_place place; /* of a program that is started */
	int64_t rate;
	double duration, max_overhead;
	bool go_tests;		      /* of the processes of a `go test`, observe only the test binaries */
	const char *const *functions; /* Go functions whose calls are counted */
	size_t function_count;
	bool no_follow, no_stacks, enable_sampler;
	bool redact;	       /* of session_options */
	bool stays_privileged; /* of session_options: further programs will be started */
	bool end_all;	       /* kill everything that the program started when it ends */
	/* Of session_options; NULL: none. `progress` takes the place of the line on standard error. */
	void (*view)(void *context, const struct session_view *view);
	void (*progress)(void *context, const struct session_progress *progress);
	double view_seconds;
	int input;
	void *view_context;
	profile_sink *sink; /* of session_options; NULL: all samples stay in the profile */
	void *sink_context;
	/* set by recording_run() */
	bool program_failed;	 /* the program that was started ended with a failure of its own */
	char program_status[64]; /* "exited with status 1", "was killed by SIGSEGV" */
	bool interrupted;	 /* ended by a signal to us, not by the program or --duration */
};

#define RECORDING_DEFAULTS                            \
	{                                             \
		.rate = 512 << 10, .max_overhead = 10 \
	}

#define RECORDING_REDACT_HELP "without the command line, and without directories: of paths, names of files only"
#define RECORDING_USER_HELP   "run the program as this user (default: the user who called sudo; name root to stay root)"

/* Rows for a command's option table. */
#define RECORDING_ROWS(r)                                                                                              \
	{'p', "pid", "PID", OPTION_PID, &(r).pid, "attach to this running process", NULL},                             \
		{0,	    "name",                                                                                    \
		 "NAME",    OPTION_STRING,                                                                             \
		 &(r).name, "attach to the only process of that name, instead of -p",                                  \
		 NULL},                                                                                                \
		{0, "rate", "SIZE", OPTION_BYTES, &(r).rate, RECORDING_RATE_HELP, NULL},                               \
		{0, "duration", "TIME", OPTION_DURATION, &(r).duration, RECORDING_DURATION_HELP, NULL},                \
		{0, "max-overhead", "PERCENT", OPTION_NUMBER, &(r).max_overhead, RECORDING_OVERHEAD_HELP, NULL},       \
		{0, "no-stacks", NULL, OPTION_FLAG, &(r).no_stacks, RECORDING_STACKS_HELP, NULL},                      \
		{0, "enable-sampler", NULL, OPTION_FLAG, &(r).enable_sampler, RECORDING_SAMPLER_HELP, NULL},           \
		{0, "user", "NAME", OPTION_STRING, &(r).user, RECORDING_USER_HELP, NULL},                              \
	{                                                                                                              \
		0, "no-follow", NULL, OPTION_FLAG, &(r).no_follow, "do not observe processes that the program starts", \
			NULL                                                                                           \
	}

#define RECORDING_RATE_HELP \
	"mean bytes between samples; 1: every allocation, exactly; 0: every slow-path event and no sampling"
#define RECORDING_DURATION_HELP                                                                                \
	"end the recording after that time, such as 10, 10s or 1m (a program started here is asked to end by " \
	"SIGTERM; default: until Ctrl-C, or until the program ends)"
#define RECORDING_OVERHEAD_HELP                                                                                         \
	"if probe hits cost more than this share of the process's CPU, go on at a coarser rate (with -p only), "        \
	"or, in a Go program without a sampler, count in bursts that cost no more (with -p or not, at rates above 1); " \
	"0 or 100: never"
#define RECORDING_STACKS_HELP "count by allocation site and type only, Go programs by type only: cheaper"
#define RECORDING_SAMPLER_HELP                                                                                \
	"Go only: turn the runtime's own sampler on in the target while recording, if it is off (writes "     \
	"MemProfileRate, and puts it back; a recorder that is killed leaves it on, until the next recording " \
	"with this option ends)"

/*
 * From now on, the signals that ask a process to end (base/ending_signals.h) make the returned variable nonzero, so that the
 * command can clean up before it ends; another one, half a second later or more, ends the looking up of names. recording_run()
 * does so by itself; call this if work before or after it must be cleaned up.
 */
const volatile sig_atomic_t *recording_watch_signals(void);

/* From now on, they do again what they did before, for a command that has nothing to clean up any more. */
void recording_unwatch_signals(void);

/*
 * Records according to the options and operands (argv from `first` on; `separator` as from options_parse()). Returns
 * NULL with the error set on failure.
 */
struct profile *recording_run(struct recording *recording, int argc, char **argv, int first, bool separator,
			      struct error *error);

/* Fails if an option of RECORDING_ROWS was given (has another value than its default): there is nothing to record. */
int recording_check_unused(const struct recording *recording, struct error *error);

/* recording_end() ends the current recording, as a SIGTERM to us would. recording_is_ending() returns whether a
 * signal has asked for that, also after the recording. */
void recording_end(void);
bool recording_is_ending(void);

/* Prints the profile's warnings and returns the exit status: STATUS_OK, STATUS_LOST, or STATUS_CANNOT_MEASURE if the
 * program itself failed. */
int recording_status(const struct recording *recording, const struct profile *profile);

#endif
