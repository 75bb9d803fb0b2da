/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "escape/escape_functions.h"
#include "gate/baseline.h"
#include "escape/escape_parser.h"
#include "gate/baseline_accept.h"
#include "gate/gate_measure.h"
#include "gate/gate_self_test.h"
#include "gate/go_test.h"
#include "cli.h"
#include "gate_settings.h"
#include "recording.h"
#include "text/terminal.h"

struct measured {
	struct gate_settings settings;
	struct recording recording;
	const char *baseline, *escape, *normalize;
	int64_t runs;
	bool update, self_test;
};

/* The program's output is for people here: ours alone is on standard output. */
static int move_output(int to)
{
	int saved = dup(STDOUT_FILENO);

	fflush(stdout);
	if (to >= 0)
		dup2(to, STDOUT_FILENO);
	return saved;
}

static struct profile *record_once(struct measured *measured, int argc, char **argv, int first, struct error *error)
{
	int saved = move_output(STDERR_FILENO);
	struct profile *profile = recording_run(&measured->recording, argc, argv, first, true, error);

	dup2(saved, STDOUT_FILENO);
	close(saved);
	if (!profile)
		return NULL;
	/* of a run that was cut short every count is too small */
	if (measured->recording.interrupted)
		error_set(error, STATUS_CANNOT_MEASURE,
			  "interrupted: a run that did not end by itself is not compared");
	else if (measured->recording.program_failed)
		error_set(error, STATUS_CANNOT_MEASURE, "the program %s", measured->recording.program_status);
	else
		return profile;
	profile_free(profile);
	return NULL;
}

/* Runs the program as often as asked for, and counts. */
static struct gate_counts *measure(struct measured *measured, int argc, char **argv, int first, struct error *error)
{
	struct gate_measurement *measurement = gate_measurement_new();
	struct gate_counts *counts = NULL;
	struct escape_output *escape = NULL;
	struct audit_options options = {0};
	const char *const *command = (const char *const *)argv + first;
	char **prepared = argv;
	int64_t runs = measured->runs ? measured->runs : measured->settings.policy.runs;
	const char *normalize = measured->normalize ? measured->normalize : measured->settings.policy.normalize;

	if (go_test_is(argc - first, argv + first)) {
		measured->recording.only = GO_TEST_BINARIES;
		prepared = go_test_uncached(&argc, argv, first);
	}
	if (measured->escape && !(escape = escape_read(measured->escape, error)))
		goto failed;
	if (escape)
		escape_name_functions(escape, ".");
	for (int64_t i = 0; i < runs; i++) {
		struct profile *profile = record_once(measured, argc, prepared, first, error);

		if (!profile)
			goto failed;
		for (size_t j = 0; j < profile->warning_count && i == 0; j++)
			cli_warn("%s", profile->warnings[j]);
		gate_measurement_add(measurement, profile, escape, &options);
		profile_free(profile);
		for (size_t j = 0; i == 0 && gate_measurement_warning(measurement, j); j++)
			cli_warn("%s", gate_measurement_warning(measurement, j));
	}
	counts = gate_measurement_finish(measurement, normalize, error);
	measurement = NULL;
	if (!counts)
		goto failed;
	gate_counts_command(counts, command);
	if (counts->site_count == 0) {
		error_set(error, STATUS_CANNOT_MEASURE,
			  "nothing was measured: '%s' allocated at no site; a gate on it could "
			  "never fail",
			  argv[first]);
		goto failed;
	}
	escape_free(escape);
	if (prepared != argv)
		free(prepared);
	return counts;
failed:
	if (prepared != argv)
		free(prepared);
	escape_free(escape);
	gate_measurement_free(measurement);
	gate_counts_free(counts);
	return NULL;
}

static int update(const struct measured *measured, struct gate_counts *counts, struct error *error)
{
	struct gate_counts *old =
		access(measured->baseline, R_OK) == 0 ? baseline_read(measured->baseline, NULL) : NULL;
	bool same = old && baseline_same(old, counts);
	int result = 0;

	if (old)
		baseline_keep_reasons(counts, old);
	if (!same)
		result = baseline_write(counts, measured->baseline, error);
	if (!result && cli_verbosity >= 0)
		cli_say("baseline '%s' %s: %zu sites, %lld objects, %lld bytes", measured->baseline,
			same ? "is unchanged" : "written", counts->site_count, (long long)counts->totals[VALUE_OBJECTS],
			(long long)counts->totals[VALUE_BYTES]);
	gate_counts_free(old);
	return result;
}

static int judge(const struct measured *measured, const struct gate_counts *before, const struct gate_counts *after)
{
	const struct policy *policy = &measured->settings.policy;
	char description[512], warning[256];
	struct error error;
	struct gate *gate;
	int status;

	if (before != after && baseline_comparable(before, after, warning, sizeof(warning), &error))
		return cli_fail(&error);
	if (before != after && *warning)
		cli_warn("%s", warning);
	if (measured->self_test) {
		if (gate_self_test(before, after, policy, description, sizeof(description), &error))
			return cli_fail(&error);
		printf("self-test passed: the gate fails for %s\n", description);
		return STATUS_OK;
	}
	gate = gate_compare(before, after, policy);
	status = gate_settings_print(&measured->settings, gate);
	gate_free(gate);
	return status;
}

static int check_usage(const struct measured *measured, int argc, int first, bool separator, struct error *error)
{
	if (!measured->baseline && !measured->self_test)
		return error_set(error, STATUS_USAGE, "give --baseline FILE; write it with --update");
	if (measured->update && !measured->baseline)
		return error_set(error, STATUS_USAGE, "--update needs --baseline FILE");
	if (measured->update && measured->self_test)
		return error_set(error, STATUS_USAGE, "--self-test compares, --update does not: give one of them");
	if (measured->runs < 0 || measured->runs > 1000)
		return error_set(error, STATUS_USAGE, "--runs is a number from 1 to 1000");
	if (measured->recording.rate == 0)
		return error_set(error, STATUS_USAGE,
				 "rate 0 counts no objects of sites; give --rate 1 (the default) or more");
	if (!separator)
		return error_set(error, STATUS_USAGE,
				 first < argc ? "a '--' must stand before the program"
					      : "nothing to measure: give -- PROGRAM");
	return 0;
}

static int run_measured(struct measured *measured, int argc, char **argv, int first, bool separator)
{
	struct gate_counts *before = NULL, *after = NULL;
	struct error error;
	int status;

	if (check_usage(measured, argc, first, separator, &error) || gate_settings_read(&measured->settings, &error))
		return cli_fail(&error);
	/* before the program runs: a baseline that cannot be read is known at once */
	if (measured->baseline && !measured->update && !(before = baseline_read(measured->baseline, &error)))
		return cli_fail(&error);
	after = measure(measured, argc, argv, first, &error);
	if (!after)
		status = cli_fail(&error);
	else if (measured->update)
		status = gate_settings_check_loss(after, &error) || update(measured, after, &error) ? cli_fail(&error)
												    : STATUS_OK;
	else
		status = judge(measured, before ? before : after, after);
	gate_counts_free(before);
	gate_counts_free(after);
	return status;
}

static int run(int argc, char **argv)
{
	struct measured measured = {.settings = GATE_SETTINGS_DEFAULTS, .recording = {.rate = 1}};
	const struct option_row rows[] = {
		{0, NULL, NULL, 0, NULL, "what to measure", NULL},
		{0, "baseline", "FILE", OPTION_STRING, &measured.baseline, "the counts to compare with", NULL},
		{0, "update", NULL, OPTION_FLAG, &measured.update, "measure and write the baseline", NULL},
		{0, "runs", "N", OPTION_INTEGER, &measured.runs,
		 "number of runs (default 3); the smallest count decides", NULL},
		{0, "escape", "FILE", OPTION_STRING, &measured.escape,
		 "output of go build -gcflags=-m=2: tells sites of one function apart, and why they allocate", NULL},
		{0, "normalize", "SITE|EXPR", OPTION_STRING, &measured.normalize,
		 "count in an iteration: divide by the objects of a site (FUNCTION, GLOB or FILE:LINE) or a number",
		 NULL},
		{0, "rate", "SIZE", OPTION_BYTES, &measured.recording.rate,
		 "mean bytes between samples; 1: every allocation, exactly", NULL},
		{0, "duration", "TIME", OPTION_DURATION, &measured.recording.duration,
		 "end each run after that time, such as 10s or 1m, by SIGTERM (default: when it ends by itself)", NULL},
		{0, "no-follow", NULL, OPTION_FLAG, &measured.recording.no_follow,
		 "do not observe processes that the program starts", NULL},
		{0, "in-process", NULL, OPTION_FLAG, &measured.recording.in_process,
		 "without BPF and privileges: the program is on libgoalloc, which counts (rate 1)", NULL},
		{0, NULL, NULL, 0, NULL, "how to judge", NULL},
		GATE_JUDGE_ROWS(measured.settings),
		{0, "self-test", NULL, OPTION_FLAG, &measured.self_test,
		 "prove that the gate can fail: put one more object into the measurement, exit with 0 if that is caught",
		 NULL},
		{0, NULL, NULL, 0, NULL, "output", NULL},
		GATE_OUTPUT_ROWS(measured.settings),
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "gate --baseline FILE [OPTIONS] -- PROGRAM [ARG...]\n"
			    "       escapement gate compare [OPTIONS] OLD NEW\n"
			    "       escapement gate accept --baseline FILE --reason TEXT PROFILE SITE...",
		.description =
			"Measures every allocation of a program by site, and fails (1) where a site allocates more objects or "
			"bytes than the baseline and the policy allow. Exits with 3 where nothing could be measured or the "
			"program failed, with 4 where events were lost. The program's standard output goes to standard error.",
		.examples = "  escapement gate --baseline allocs.json --update -- ./prog args\n"
			    "  escapement gate --baseline allocs.json -- ./prog args\n"
			    "  escapement gate --baseline allocs.json --self-test -- ./prog args\n"
			    "  escapement gate --baseline allocs.json --tolerance 'fmt.*:5%' -- ./prog args\n"
			    "  escapement gate --baseline allocs.json --format github -- ./prog args\n"
			    "  escapement gate compare old.pb.gz new.pb.gz\n",
		.rows = rows,
	};
	bool separator;
	int status, first;

	if (argc > 1 && strcmp(argv[1], "compare") == 0)
		return gate_compare_run(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "accept") == 0)
		return gate_accept_run(argc - 1, argv + 1);
	first = options_parse(argc, argv, &usage, &separator);
	if (first < 0)
		return options_status(first);
	status = run_measured(&measured, argc, argv, first, separator);
	gate_settings_free(&measured.settings);
	return status;
}

const struct command command_gate = {"gate", "compare allocation counts with a baseline; for CI", run};
