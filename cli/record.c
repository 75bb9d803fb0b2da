/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "record/in_process.h"
#include "base/ending_signals.h"
#include "base/output.h"
#include "profile/pprof.h"
#include "recording.h"
#include "target/target.h"
#include "when.h"

/* Waits for the trigger; then recording->pid is the process. */
static int wait_for_trigger(struct recording *recording, const char *when, const struct trigger *trigger,
			    struct error *error)
{
	if ((recording->pid != 0) + (recording->name != NULL) != 1)
		return error_set(error, STATUS_USAGE,
				 "--when waits for a process that runs: give -p PID or --name NAME");
	if (recording->name)
		recording->pid = target_find(recording->name, error);
	recording->name = NULL;
	if (recording->pid < 0)
		return -1;
	if (recording->pid > INT32_MAX)
		return error_set(error, STATUS_CANNOT_MEASURE, "no process with PID %" PRId64, recording->pid);
	return when_wait((int)recording->pid, when, trigger, recording_watch_signals(), error);
}

/* Writes what is left, and says what was written. */
static int finish(struct pprof_writer *writer, const struct profile *profile, const char *output, struct error *error)
{
	size_t row_count = pprof_writer_count(writer) + profile->sample_count;
	int64_t totals[VALUE_COUNT];

	if (pprof_writer_finish(writer, profile, error))
		return -1;
	profile_totals(profile, totals);
	if (cli_verbosity >= 0 && totals[VALUE_OBJECTS] == VALUE_UNMEASURED)
		cli_say("%zu rows written to '%s'", row_count, output);
	else if (cli_verbosity >= 0)
		cli_say("%" PRId64 " objects, %" PRId64 " bytes in %zu rows written to '%s'", totals[VALUE_OBJECTS],
			totals[VALUE_BYTES], row_count, output);
	return 0;
}

static int run(int argc, char **argv)
{
	struct recording recording = RECORDING_DEFAULTS;
	static const char by_default[] = "escapement.pb.gz";
	const char *output = by_default, *raw = NULL, *when = NULL;
	const struct option_row rows[] = {
		{'o', "output", "FILE", OPTION_STRING, &output, "write the profile here (default escapement.pb.gz)",
		 NULL},
		RECORDING_ROWS(recording),
		{0, "when", "EXPR", OPTION_STRING, &when,
		 "with -p or --name: wait, without touching the process, and begin the recording when EXPR is true: " WHEN_CONDITIONS_HELP
		 ". oom means that 90% of the limit is used here, so that there is time to record",
		 NULL},
		{0, "redact", NULL, OPTION_FLAG, &recording.redact, RECORDING_REDACT_HELP, NULL},
		{0, "in-process", NULL, OPTION_FLAG, &recording.in_process,
		 "without BPF and privileges: the program must use libgoalloc, which records itself (rate 1)", NULL},
		{0, "raw", "FILE", OPTION_STRING, &raw,
		 "run nothing: convert what a libgoalloc program wrote that ran with GOALLOC_PROFILE=FILE", NULL},
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "record [OPTIONS] (-p PID | --name NAME | -- PROGRAM [ARG...])",
		.description =
			"Profiles the heap allocations of a live process, or of a program that it starts, into a pprof "
			"file. Ctrl-C ends the recording and writes what was measured, and so does any signal that would end "
			"the command otherwise; another one then ends looking up names, should that take long.",
		.examples = "  escapement record -p 1234 --duration 10\n"
			    "  escapement record --rate 1 -o exact.pb.gz -- ./prog args\n"
			    "  escapement record --in-process -o exact.pb.gz -- ./prog args\n"
			    "  go tool pprof -top escapement.pb.gz\n",
		.rows = rows,
	};
	struct pprof_writer *writer;
	struct profile *profile;
	struct trigger trigger;
	struct error error;
	bool separator;
	int status, first = options_parse(argc, argv, &usage, &separator);

	if (first < 0)
		return options_status(first);
	if (when && when_parse(when, &trigger))
		return STATUS_USAGE;
	ending_signals_write_on(SIGPIPE, NULL); /* what is not the recording goes to standard error */
	if (output_check(output, &error) || (when && wait_for_trigger(&recording, when, &trigger, &error)))
		return cli_fail(&error);
	cli_say_replaced(output, by_default);
	writer = pprof_writer_new(output);
	if (!output_is_direct(output)) { /* a pipe's reader could block the recording */
		recording.sink = pprof_writer_add;
		recording.sink_context = writer;
	}
	if (raw)
		profile = in_process_import(raw, &error);
	else
		profile = recording_run(&recording, argc, argv, first, separator, &error);
	if (!profile) {
		pprof_writer_abandon(writer);
		return cli_fail(&error);
	}
	if (finish(writer, profile, output, &error)) {
		profile_free(profile);
		return cli_fail(&error);
	}
	status = recording_status(&recording, profile);
	profile_free(profile);
	return status;
}

const struct command command_record = {"record", "profile a live process into a pprof file", run, NULL};
