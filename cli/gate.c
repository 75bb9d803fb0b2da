/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "escape/escape_functions.h"
#include "escape/escape_graph.h"
#include "base/arena.h"
#include "base/memory.h"
#include "gate/baseline.h"
#include "escape/escape_parser.h"
#include "gate/baseline_accept.h"
#include "gate/baseline_program.h"
#include "gate/gate_compare.h"
#include "gate/gate_contract.h"
#include "gate/gate_enough.h"
#include "gate/gate_measure.h"
#include "gate/gate_modules.h"
#include "gate/gate_packages.h"
#include "gate/gate_self_test.h"
#include "gate/go_test.h"
#include "gate/gate_normalize.h"
#include "cli.h"
#include "counted_run.h"
#include "gate_settings.h"
#include "recording.h"
#include "target/privilege.h"
#include "text/terminal.h"

struct measured {
	struct gate_settings settings;
	struct recording recording;
	const char *baseline, *escape, *normalize;
	int64_t runs;
	bool update, self_test;
	struct option_list modules;
	struct gate_contracts *contracts;
	struct gate_stacks *stacks;	  /* for a page; NULL: none */
	struct escape_output *output;	  /* the compiler's, to which the stacks refer */
	const struct gate_counts *before; /* the baseline; NULL: none is compared with */
};

static const char *normalize_of(const struct measured *measured)
{
	return measured->normalize ? measured->normalize : measured->settings.policy.normalize;
}

static bool judges_contracts(const struct measured *measured)
{
	return gate_contracts_count(measured->contracts) && !measured->update && !measured->self_test;
}

/* Whether a first run has shown that all is as before. */
static bool is_enough(const struct measured *measured, const struct profile *profile, const struct audit *audit,
		      const struct gate_counts *printed)
{
	struct gate_counts *run;
	bool enough;

	if (measured->runs || measured->update || measured->self_test || normalize_of(measured) ||
	    !gate_contracts_hold(measured->contracts))
		return false;
	if (!measured->before)
		return true;
	run = gate_enough_count(NULL, profile, audit, printed);
	enough = gate_enough(measured->before, run, &measured->settings.policy);
	gate_counts_free(run);
	return enough;
}

/* Runs the program once, and counts. Returns -1 on failure, 1 if no further run is needed. */
static int measure_run(struct measured *measured, char **command, struct gate_measurement *measurement,
		       const struct escape_output *escape, bool first, struct error *error)
{
	struct gate_counts *counts = gate_measurement_counts(measurement);
	struct profile *profile = counted_run(&measured->recording, command, counts, error);
	struct audit *audit;
	bool enough;

	if (!profile)
		return -1;
	for (size_t i = 0; i < profile->warning_count && first; i++)
		cli_warn("%s", profile->warnings[i]);
	profile_set_modules(profile, measured->modules.values, (size_t)measured->modules.count);
	gate_contracts_add(measured->contracts, profile);
	audit = gate_audit(profile, escape);
	gate_measurement_add(measurement, profile, audit);
	for (size_t i = 0; first && gate_measurement_warning(measurement, i); i++)
		cli_warn("%s", gate_measurement_warning(measurement, i));
	enough = first && ((judges_contracts(measured) && gate_contracts_idle(measured->contracts)) ||
			   is_enough(measured, profile, audit, counts));
	audit_free(audit);
	profile_free(profile);
	if (enough && measured->recording.stays_privileged && privilege_keep(PRIVILEGE_WRITE))
		cli_warn("the recorder could not give up its privileges: %m");
	return enough;
}

/* Runs the program the requested number of times, or as often as it takes, and counts. */
static struct gate_counts *measure(struct measured *measured, char **argv, int first, struct error *error)
{
	struct gate_measurement *measurement = gate_measurement_new(NULL);
	struct gate_counts *counts = NULL;
	struct escape_output *escape = NULL;
	const char *const *command = (const char *const *)argv + first;
	char **prepared = NULL;
	int64_t runs = measured->runs ? measured->runs : measured->settings.policy.runs;
	int checked, done = 0;
	char warning[512];

	measured->recording.go_tests = true;
	gate_measurement_keep_stacks(measurement, measured->stacks, CALL_TREE_NOW);
	prepared = go_test_command(argv + first);
	if (measured->escape && !(escape = escape_read(measured->escape, error)))
		goto failed;
	measured->output = escape;
	if (escape)
		escape_name_functions(escape, ".");
	for (int64_t i = 0; i < runs && !done; i++) {
		measured->recording.stays_privileged = i + 1 < runs;
		done = measure_run(measured, prepared, measurement, escape, i == 0, error);
	}
	if (done < 0)
		goto failed;
	counts = gate_measurement_finish(measurement, normalize_of(measured), error);
	measurement = NULL;
	if (!counts)
		goto failed;
	gate_counts_command(counts, command);
	if (measured->settings.redact)
		gate_counts_redact(counts);
	checked = go_test_check_benchmarks(argv + first, counts, error);
	if (checked < 0)
		goto failed;
	if (checked)
		cli_warn(GO_TEST_NO_BENCHMARK);
	for (size_t i = 0; i < counts->module_count; i++) {
		if (gate_modules_check_program(counts, i, argv[first], measured->update, warning, sizeof(warning),
					       error))
			goto failed;
		if (*warning)
			cli_warn("%s", warning);
	}
	/* if the runtime's own allocations were seen, the program's sites would have been seen too */
	if (gate_counts_none(counts) && measured->baseline) {
		error_set(error, STATUS_CANNOT_MEASURE,
			  "nothing was measured: '%s' allocated nothing, not even outside of its own code",
			  argv[first]);
		goto failed;
	}
	free(prepared);
	return counts;
failed:
	free(prepared);
	gate_measurement_free(measurement);
	gate_counts_free(counts);
	return NULL;
}

static bool has_reasons(const struct gate_counts *counts)
{
	for (size_t i = 0; i < counts->site_count; i++) {
		if (counts->sites[i].accepted)
			return true;
	}
	return false;
}

static int update(const struct measured *measured, struct gate_counts *counts, struct error *error)
{
	struct gate_counts *old =
		access(measured->baseline, R_OK) == 0 ? baseline_read(measured->baseline, NULL) : NULL;
	bool same;
	int result = 0;

	if (old && gate_packages_adopt(old, measured->baseline, counts, NULL)) {
		if (has_reasons(old))
			cli_warn(
				"the reasons of accepted sites in '%s' are dropped: it does not say of which packages its "
				"benchmarks are, and several have one of that name",
				measured->baseline);
		gate_counts_free(old);
		old = NULL;
	}
	same = old && baseline_covers(old, counts);

	if (old)
		baseline_keep_reasons(counts, old);
	if (!same)
		result = baseline_write(counts, measured->baseline, error);
	if (!result && cli_verbosity >= 0)
		cli_say("baseline '%s' %s: %zu site%s, %lld objects, %lld bytes", measured->baseline,
			same ? "is unchanged" : "written", counts->site_count, counts->site_count == 1 ? "" : "s",
			(long long)counts->totals[VALUE_OBJECTS], (long long)counts->totals[VALUE_BYTES]);
	gate_counts_free(old);
	return result;
}

/*
 * Adds the contracts to both sides. Without a baseline, only they are judged: then `before` is created here, and the
 * other measurements are set aside. Returns an exit status other than 0 if a contract could not be judged.
 */
static int add_contracts(const struct measured *measured, struct gate_counts **before, struct gate_counts *after)
{
	struct error error;

	if (!gate_contracts_count(measured->contracts))
		return STATUS_OK;
	if (gate_contracts_check(measured->contracts, &error))
		return cli_fail(&error);
	if (!*before) {
		*before = gate_counts_new();
		after->site_count = after->benchmark_count = 0;
		memset(after->outside, 0, sizeof(after->outside));
		memset(after->bookkeeping, 0, sizeof(after->bookkeeping));
		for (int i = 0; i < VALUE_COUNT; i++)
			(*before)->totals[i] = after->totals[i] = VALUE_UNMEASURED;
	}
	gate_contracts_append(measured->contracts, *before, after);
	return STATUS_OK;
}

static int judge(struct measured *measured, struct gate_counts **baseline, struct gate_counts *after)
{
	const struct policy *policy = &measured->settings.policy;
	char description[512], warning[256];
	struct error error;
	struct escape_graph *graph;
	struct gate *gate;
	int status;

	if (measured->settings.redact && *baseline)
		gate_counts_redact(*baseline);
	if (*baseline && (baseline_comparable(*baseline, after, warning, sizeof(warning), &error) ||
			  gate_packages_adopt(*baseline, measured->baseline, after, &error)))
		return cli_fail(&error);
	if (*baseline && *warning)
		cli_warn("%s", warning);
	if (measured->self_test) {
		if (gate_self_test(*baseline ? *baseline : after, after, policy, description, sizeof(description),
				   &error))
			return cli_fail(&error);
		printf("self-test passed: the gate fails for %s\n", description);
		return STATUS_OK;
	}
	status = add_contracts(measured, baseline, after);
	if (status)
		return status;
	gate = gate_compare(*baseline, after, policy);
	gate->contracts = measured->contracts;
	if (measured->settings.redact && measured->output)
		escape_redact(measured->output);
	graph = measured->output ? escape_graph_new(measured->output) : NULL;
	measured->settings.page = (struct gate_page){.before = measured->baseline,
						     .updates = measured->baseline != NULL,
						     .sources = {[CALL_TREE_BEFORE] = {.unknown = true}},
						     .stacks = measured->stacks,
						     .graphs = {[CALL_TREE_NOW] = graph}};
	status = gate_settings_print(&measured->settings, gate);
	escape_graph_free(graph);
	gate_free(gate);
	return status;
}

static int check_usage(const struct measured *measured, int argc, int first, bool separator, struct error *error)
{
	if (!measured->baseline && !measured->self_test && !measured->settings.policy.contract_count)
		return error_set(
			error, STATUS_USAGE,
			"give --baseline FILE (write it with --update), or a contract: --under FUNCTION objects=N");
	if (measured->settings.policy.contract_count > SESSION_FUNCTIONS_MAX)
		return error_set(error, STATUS_USAGE, "at most %d contracts at a time", SESSION_FUNCTIONS_MAX);
	if (measured->settings.policy.contract_count && measured->recording.in_process)
		return error_set(error, STATUS_USAGE, "contracts count calls by a probe: not with --in-process");
	if (measured->settings.policy.contract_count && measured->recording.rate != 1)
		return error_set(error, STATUS_USAGE, "contracts are judged exactly: not with --rate");
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
	struct gate_normalizer normalizer;
	struct error error;
	int status;

	if (gate_settings_read(&measured->settings, &error) || check_usage(measured, argc, first, separator, &error) ||
	    gate_normalizer_parse(normalize_of(measured), &normalizer, &error))
		return cli_fail(&error);
	measured->contracts = gate_contracts_new(&measured->settings.policy);
	measured->recording.functions = gate_contracts_functions(measured->contracts);
	measured->recording.function_count = gate_contracts_count(measured->contracts);
	/* read before the program runs, so that an unreadable baseline is reported at once */
	if (measured->baseline && !measured->update &&
	    (!(before = baseline_read(measured->baseline, &error)) ||
	     baseline_check_program(before, (const char *const *)argv + first, measured->recording.rate,
				    normalize_of(measured), &error))) {
		gate_counts_free(before);
		gate_contracts_free(measured->contracts);
		return cli_fail(&error);
	}
	measured->before = before;
	if (gate_settings_want_page(&measured->settings) && !measured->update)
		measured->stacks = gate_stacks_new();
	if (!judges_contracts(measured) ||
	    gate_contracts_check_program(measured->contracts, argv[first], &error) == STATUS_OK)
		after = measure(measured, argv, first, &error);
	if (!after)
		status = cli_fail(&error);
	else if (measured->update)
		status = gate_settings_check_loss(after, &error) || update(measured, after, &error) ? cli_fail(&error)
												    : STATUS_OK;
	else
		status = judge(measured, &before, after);
	gate_counts_free(before);
	gate_counts_free(after);
	gate_contracts_free(measured->contracts);
	gate_stacks_free(measured->stacks);
	escape_free(measured->output);
	return status;
}

/*
 * The limits of a contract are separate arguments: "--under F objects=0 bytes=1k". Joins them with the argument of the
 * option. Returns a copy of argv, which the caller frees; the joined texts are in the arena.
 */
static char **join_contracts(int *argc, char **argv, struct arena *texts)
{
	char **joined = memory_zeroed((size_t)*argc + 1, sizeof(*joined));
	int count = 0, i = 0;

	while (i < *argc && strcmp(argv[i], "--") != 0) {
		bool under = strcmp(argv[i], "--under") == 0 && i + 1 < *argc;

		joined[count++] = argv[i++];
		if (!under)
			continue;
		joined[count] = argv[i++];
		while (i < *argc && argv[i][0] != '-' && strchr(argv[i], '=') &&
		       (strncmp(argv[i], "objects", 7) == 0 || strncmp(argv[i], "bytes", 5) == 0)) {
			char *text = memory_format("%s %s", joined[count], argv[i++]);

			joined[count] = arena_string(texts, text, strlen(text));
			free(text);
		}
		count++;
	}
	while (i < *argc)
		joined[count++] = argv[i++];
	*argc = count;
	return joined;
}

static int run(int argc, char **argv)
{
	struct measured measured = {.settings = GATE_SETTINGS_DEFAULTS, .recording = {.rate = 1, .end_all = true}};
	const struct option_row rows[] = {
		{0, NULL, NULL, 0, NULL, "what to measure", NULL},
		{0, "baseline", "FILE", OPTION_STRING, &measured.baseline, "the counts to compare with", NULL},
		{0, "update", NULL, OPTION_FLAG, &measured.update, "measure and write the baseline", NULL},
		{0, "runs", "N", OPTION_INTEGER, &measured.runs,
		 "number of runs, of which the smallest count decides (default: 3, or 1 if that is all as in the "
		 "baseline and within the contracts)",
		 NULL},
		{0, "under", "FUNCTION LIMIT...", OPTION_STRINGS, &measured.settings.contracts,
		 "a contract: below that function, on the goroutine that called it, at most objects=N, bytes=N, "
		 "objects/call=N, bytes/call=N; needs no baseline; may be given again",
		 NULL},
		{0, "module", "GLOB", OPTION_PACKAGES, &measured.modules,
		 "packages that own allocations, by import path (default: the program's main module); may be given "
		 "again",
		 NULL},
		{0, "escape", "FILE", OPTION_STRING, &measured.escape,
		 "output of go build -gcflags=-m=2: distinguishes sites of one function, and says why they allocate",
		 NULL},
		{0, "normalize", "SITE|EXPR", OPTION_STRING, &measured.normalize,
		 "count per iteration: divide by the objects of a site (FUNCTION, GLOB or FILE:LINE) or a number",
		 NULL},
		{0, "rate", "SIZE", OPTION_BYTES, &measured.recording.rate,
		 "mean bytes between samples; 1: every allocation, exactly", NULL},
		{0, "duration", "TIME", OPTION_DURATION, &measured.recording.duration,
		 "end each run after that time, such as 10s or 1m, by SIGTERM (default: when it ends by itself)", NULL},
		{0, "user", "NAME", OPTION_STRING, &measured.recording.user, RECORDING_USER_HELP, NULL},
		{0, "no-follow", NULL, OPTION_FLAG, &measured.recording.no_follow,
		 "do not observe processes that the program starts", NULL},
		{0, "in-process", NULL, OPTION_FLAG, &measured.recording.in_process,
		 "without BPF and privileges: the program is on libgoalloc, which counts, or go test with its memory "
		 "profile (rate 1)",
		 NULL},
		{0, NULL, NULL, 0, NULL, "how to judge", NULL},
		GATE_JUDGE_ROWS(measured.settings),
		{0, "self-test", NULL, OPTION_FLAG, &measured.self_test,
		 "prove that the gate can fail: add one object to the measurement, exit with 0 if the gate catches it",
		 NULL},
		{0, NULL, NULL, 0, NULL, "output", NULL},
		GATE_OUTPUT_ROWS(measured.settings),
		{0, "redact", NULL, OPTION_FLAG, &measured.settings.redact, RECORDING_REDACT_HELP, NULL},
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "gate [OPTIONS] --under FUNCTION LIMIT... -- PROGRAM [ARG...]\n"
			    "       escapement gate [OPTIONS] --baseline FILE -- PROGRAM [ARG...]\n"
			    "       escapement gate compare [OPTIONS] OLD NEW\n"
			    "       escapement gate accept --baseline FILE --reason TEXT PROFILE SITE...",
		.description =
			"Measures every allocation of a program by site, and exits with 1 if a site allocates more "
			"objects or bytes than the baseline and the policy allow. Exits with 3 if nothing could be "
			"measured or the program failed, with 4 if events were lost. The program's standard output "
			"goes to standard error.",
		.examples = "  escapement gate --under 'main.handle' objects=0 -- ./prog args\n"
			    "  escapement gate --baseline allocs.json --update -- ./prog args\n"
			    "  escapement gate --baseline allocs.json -- ./prog args\n"
			    "  escapement gate --baseline allocs.json --self-test -- ./prog args\n"
			    "  escapement gate --baseline allocs.json --tolerance 'fmt.*:5%' -- ./prog args\n"
			    "  escapement gate --baseline allocs.json --format github -- ./prog args\n"
			    "  escapement gate compare old.pb.gz new.pb.gz\n",
		.rows = rows,
	};
	struct arena texts = {0};
	bool separator;
	int status, first;
	char **joined;

	measured.settings.counts_calls = true;
	joined = join_contracts(&argc, argv, &texts);
	first = options_parse(argc, joined, &usage, &separator);
	status = first < 0 ? options_status(first) : run_measured(&measured, argc, joined, first, separator);
	gate_settings_free(&measured.settings);
	free(measured.modules.values);
	free(joined);
	arena_free(&texts);
	return status;
}

static const struct command subcommands[] = {
	{"compare", "compare two baselines, profiles or heaps", gate_compare_run, NULL},
	{"accept", "take single sites of a profile into the baseline", gate_accept_run, NULL},
	{0},
};

const struct command command_gate = {"gate", "compare allocation counts with a baseline; for CI", run, subcommands};
