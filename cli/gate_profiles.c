/* SPDX-License-Identifier: BSD-2-Clause */
/* Gates on files: compares two recordings, and accepts single sites of a recording into a baseline. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/baseline.h"
#include "gate/baseline_accept.h"
#include "gate/gate_compare.h"
#include "gate/gate_packages.h"
#include "gate/gate_read.h"
#include "cli.h"
#include "gate_settings.h"
#include "recording.h"
#include "text/terminal.h"

static int compare(struct gate_settings *settings, const char *normalize, const char *old, const char *new)
{
	struct gate_counts *before = NULL, *after = NULL;
	struct error error;
	struct gate_stacks *stacks = NULL;
	struct gate *gate;
	int status;

	if (gate_settings_read(settings, &error))
		return cli_fail(&error);
	normalize = normalize ? normalize : settings->policy.normalize;
	if (gate_settings_want_page(settings))
		stacks = gate_stacks_new();
	before = gate_read_counts(
		old, &(struct gate_reading){.normalize = normalize, .stacks = stacks, .side = CALL_TREE_BEFORE},
		&error);
	after = before ? gate_read_counts(new,
					  &(struct gate_reading){
						  .normalize = normalize, .stacks = stacks, .side = CALL_TREE_NOW},
					  &error)
		       : NULL;
	if (!after || gate_packages_adopt(before, old, after, &error) ||
	    gate_packages_adopt(after, new, before, &error)) {
		status = cli_fail(&error);
	} else {
		if (before->runtime && after->runtime && strcmp(before->runtime, after->runtime) != 0)
			cli_warn("'%s' was recorded with %s, '%s' with %s", old, before->runtime, new, after->runtime);
		if (before->rate != after->rate)
			cli_warn("'%s' was recorded at rate %" PRId64 ", '%s' at %" PRId64
				 ": a count and an estimate differ without any change",
				 old, before->rate, new, after->rate);
		if (settings->redact) {
			gate_counts_redact(before);
			gate_counts_redact(after);
		}
		gate = gate_compare(before, after, &settings->policy);
		settings->page = (struct gate_page){.before = old,
						    .after = new,
						    .sources = {[CALL_TREE_BEFORE] = {.unknown = true}},
						    .stacks = stacks};
		status = gate_settings_print(settings, gate);
		gate_free(gate);
	}
	gate_counts_free(before);
	gate_counts_free(after);
	gate_stacks_free(stacks);
	return status;
}

int gate_compare_run(int argc, char **argv)
{
	struct gate_settings settings = GATE_SETTINGS_DEFAULTS;
	const char *normalize = NULL;
	const struct option_row rows[] = {
		GATE_JUDGE_ROWS(settings),
		{0, "normalize", "SITE|EXPR", OPTION_STRING, &normalize, "count per iteration; see gate --help", NULL},
		GATE_OUTPUT_ROWS(settings),
		{0, "redact", NULL, OPTION_FLAG, &settings.redact, RECORDING_REDACT_HELP, NULL},
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "gate compare [OPTIONS] OLD NEW",
		.description =
			"Compares two recorded profiles (or baselines) as a gate does. Exits with 1 if NEW has more.",
		.examples = "  escapement record --rate 1 -o old.pb.gz -- ./prog-old args\n"
			    "  escapement record --rate 1 -o new.pb.gz -- ./prog-new args\n"
			    "  escapement gate compare old.pb.gz new.pb.gz\n"
			    "  escapement gate compare --format markdown old.pb.gz new.pb.gz\n",
		.rows = rows,
	};
	struct error error;
	int status, first = options_parse(argc, argv, &usage, NULL);

	if (first < 0)
		return options_status(first);
	if (argc - first != 2) {
		error_set(&error, STATUS_USAGE, "gate compare takes two files, OLD and NEW");
		return cli_fail(&error);
	}
	status = compare(&settings, normalize, argv[first], argv[first + 1]);
	gate_settings_free(&settings);
	return status;
}

/* Accepts the sites of `gate` that match a glob. Returns their number; -1 if a glob matches no changed site. */
static int take_matching(struct gate_counts *baseline, const struct gate *gate, char **globs, int count,
			 const char *reason, struct error *error)
{
	int taken = 0;

	for (int i = 0; i < count; i++) {
		int matching = 0;

		for (size_t j = 0; j < gate->row_count; j++) {
			const struct gate_row *row = &gate->rows[j];

			if (row->change == GATE_SAME || !gate_site_matches(gate_row_site(row), globs[i]))
				continue;
			matching++;
			if (cli_verbosity >= 0)
				cli_say("accepted '%s': %lld objects, %lld bytes",
					gate_row_site(row)->function ? gate_row_site(row)->function : "?",
					row->after ? (long long)row->after->counts[VALUE_OBJECTS].least : 0,
					row->after ? (long long)row->after->counts[VALUE_BYTES].least : 0);
			baseline_take_row(baseline, gate->after, row, reason);
		}
		if (!matching)
			return error_set(error, STATUS_USAGE,
					 "no site that changed is '%s'; give a function, a glob of functions or "
					 "packages, or FILE:LINE",
					 globs[i]);
		taken += matching;
	}
	return taken;
}

static int accept(const char *path, const char *reason, const char *profile, char **globs, int count)
{
	struct gate_counts *baseline, *old = baseline_read(path, NULL), *after = NULL;
	struct policy strict;
	struct gate *gate = NULL;
	char warning[256];
	struct error error;
	int status = STATUS_OK;

	policy_init(&strict);
	baseline = baseline_read(path, &error);
	if (!baseline ||
	    !(after = gate_read_counts(profile, &(struct gate_reading){.normalize = baseline->normalize}, &error)) ||
	    gate_settings_check_loss(after, &error) ||
	    baseline_comparable(baseline, after, warning, sizeof(warning), &error) ||
	    gate_packages_adopt(baseline, path, after, &error) || gate_packages_adopt(old, path, after, &error)) {
		status = cli_fail(&error);
	} else {
		gate = gate_compare(old, after, &strict);
		if (take_matching(baseline, gate, globs, count, reason, &error) < 0) {
			status = cli_fail(&error);
		} else {
			gate_counts_sort(baseline);
			gate_counts_add_up(baseline);
			if (baseline_write(baseline, path, &error))
				status = cli_fail(&error);
		}
	}
	gate_free(gate);
	gate_counts_free(old);
	gate_counts_free(baseline);
	gate_counts_free(after);
	policy_clear(&strict);
	return status;
}

int gate_accept_run(int argc, char **argv)
{
	const char *path = NULL, *reason = NULL;
	const struct option_row rows[] = {
		{0, "baseline", "FILE", OPTION_STRING, &path, "the baseline to change", NULL},
		{0, "reason", "TEXT", OPTION_STRING, &reason, "why; stored with the sites", NULL},
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "gate accept --baseline FILE --reason TEXT PROFILE SITE...",
		.description = "Takes the counts of single sites from a recorded profile (or another baseline) into a "
			       "baseline, and "
			       "leaves all others as they are. SITE is a function, a glob of functions or packages, or "
			       "FILE:LINE.",
		.examples =
			"  escapement record --rate 1 -o new.pb.gz -- ./prog args\n"
			"  escapement gate accept --baseline allocs.json --reason 'cache, PR 12' new.pb.gz main.fill\n",
		.rows = rows,
	};
	struct error error;
	int first = options_parse(argc, argv, &usage, NULL);

	if (first < 0)
		return options_status(first);
	if (!path || !reason || !*reason || argc - first < 2) {
		error_set(&error, STATUS_USAGE,
			  "gate accept needs --baseline FILE, --reason TEXT, a PROFILE and a SITE");
		return cli_fail(&error);
	}
	return accept(path, reason, argv[first], argv + first + 1, argc - first - 1);
}
