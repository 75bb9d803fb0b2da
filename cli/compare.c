/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/output.h"
#include "base/text_compare.h"
#include "cli.h"
#include "compare/comparison.h"
#include "compare/overlay.h"
#include "escape/escape_functions.h"
#include "escape/escape_parser.h"
#include "gate/gate_modules.h"
#include "gate/gate_packages.h"
#include "render/render_compare.h"
#include "source.h"
#include "text/terminal.h"

enum fail_on { FAIL_ON_NOTHING, FAIL_ON_WORSE };
static const char *const fail_on_names[] = {"nothing", "worse", NULL};

/* Reads "OLD,NEW" of --escape. */
static int read_escapes(const char *text, struct compare_side sides[2], struct error *error)
{
	const char *comma = strchr(text, ',');

	if (!comma || comma == text || !comma[1] || strchr(comma + 1, ','))
		return error_set(error, STATUS_USAGE,
				 "--escape takes two files of compiler output, OLD.txt,NEW.txt, not '%s'", text);
	for (int i = 0; i < 2; i++) {
		char *name = i ? memory_text(comma + 1) : memory_text_of(text, (size_t)(comma - text));

		sides[i].escape = escape_read(name, error);
		free(name);
		if (!sides[i].escape)
			return -1;
		escape_name_functions(sides[i].escape, ".");
	}
	return 0;
}

/* Warns if two recordings of live processes are not equally long: the longer one has more. */
static void warn_of_durations(const struct compare_side sides[2], const char *normalize)
{
	double before = (double)sides[0].counts->duration_ns / 1e9, after = (double)sides[1].counts->duration_ns / 1e9;
	double longer = before > after ? before : after, shorter = before > after ? after : before;

	if (sides[0].counts->estimated && sides[1].counts->estimated && !normalize && shorter > 0 &&
	    longer > 1.05 * shorter)
		cli_warn(
			"the recordings took %.3g and %.3g s; of live programs, --normalize second compares counts per second",
			before, after);
}

/* Compares two recordings or baselines. */
static int compare_files(struct compare_options *options, char **names, struct compare_side sides[2],
			 struct error *error)
{
	const char *normalize = options->normalize ? options->normalize : options->settings.policy.normalize;

	if (options->escape && read_escapes(options->escape, sides, error))
		return -1;
	for (int i = 0; i < 2; i++) {
		sides[i].name = memory_text(options->settings.redact ? text_base_name(names[i]) : names[i]);
		sides[i].counts = source_counts(names[i],
						&(struct gate_reading){.normalize = normalize,
								       .escape = sides[i].escape,
								       .modules = options->modules.values,
								       .module_count = (size_t)options->modules.count,
								       .stacks = options->stacks,
								       .side = i ? CALL_TREE_NOW : CALL_TREE_BEFORE},
						error);
		if (!sides[i].counts)
			return -1;
	}
	if (gate_modules_check_sides(sides[0].counts, sides[1].counts, error))
		return -1;
	for (int i = 0; i < 2; i++) {
		if (gate_packages_adopt(sides[i].counts, names[i], sides[1 - i].counts, error))
			return -1;
	}
	if (sides[0].counts->rate != sides[1].counts->rate)
		cli_warn("'%s' was recorded at rate %" PRId64 ", '%s' at %" PRId64
			 ": a count and an estimate differ without any change",
			 names[0], sides[0].counts->rate, names[1], sides[1].counts->rate);
	warn_of_durations(sides, normalize);
	return 0;
}

/* What a page says of the sides besides what was measured. */
static void describe_sides(struct compare_options *options, const struct comparison *comparison)
{
	const struct compare_side *sides[CALL_TREE_SIDES] = {
		[CALL_TREE_NOW] = comparison->after, [CALL_TREE_BEFORE] = comparison->before};
	struct gate_page *page = &options->settings.page;
	bool files = !comparison->command;

	page->stacks = options->stacks;
	page->graphs[CALL_TREE_NOW] = comparison->graphs[1];
	page->graphs[CALL_TREE_BEFORE] = comparison->graphs[0];
	for (int i = 0; i < CALL_TREE_SIDES; i++)
		page->sources[i] = (struct gate_source){
			.unknown = files && i == CALL_TREE_BEFORE,
			.directory = sides[i]->directory,
			.overlay =
				sides[i]->overlay ? overlay_files_read(sides[i]->overlay, sides[i]->directory) : NULL,
		};
}

static int print(struct compare_options *options, const struct comparison *comparison)
{
	enum { ROOM = 40 }; /* what became better is the result, not an aside: all of a screen */
	const struct gate *gate = comparison->gate;
	struct gate_page page;
	struct output output;
	struct error error;

	if (output_open(&output, options->settings.output ? options->settings.output : "-", &error))
		return cli_fail(&error);
	if (options->stacks)
		describe_sides(options, comparison);
	render_compare(output.stream, comparison, (enum compare_format)options->settings.format,
		       &(struct gate_style){
			       .width = terminal_width(output.stream),
			       .color = terminal_has_color((enum terminal_color)options->settings.color, output.stream),
			       .all = options->settings.all,
			       .room = ROOM,
			       .page = gate_settings_page(&options->settings, &page),
			       .what = options->settings.what});
	for (int i = 0; i < CALL_TREE_SIDES; i++)
		overlay_files_free(options->settings.page.sources[i].overlay);
	if (output_commit(&output, &error))
		return cli_fail(&error);
	gate_warn_of_counts(gate);
	if (comparison->verdict == COMPARISON_WORSE && options->fail_on == FAIL_ON_WORSE)
		return STATUS_FOUND;
	return profile_loss_any(&gate->loss) ? STATUS_LOST : STATUS_OK;
}

/* The number of options given that select two builds. */
static int ways(const struct compare_options *options)
{
	return (options->base != NULL) + (options->overlay != NULL) + (options->patch != NULL) + (options->go != NULL);
}

static int check_usage(const struct compare_options *options, int operands, bool separator, struct error *error)
{
	int given = ways(options);

	if (given > 1)
		return error_set(error, STATUS_USAGE, "give one of --base, --overlay, --patch and --go");
	if (options->runs < 0 || options->runs > 1000)
		return error_set(error, STATUS_USAGE, "--runs is a number from 1 to 1000");
	if (options->head && !options->base)
		return error_set(error, STATUS_USAGE, "--head needs --base");
	if (options->test && !options->overlay && !options->patch)
		return error_set(error, STATUS_USAGE, "--test needs --patch or --overlay");
	if (given && options->escape)
		return error_set(error, STATUS_USAGE,
				 "--escape is for two recordings: for builds, the compiler is run anyway");
	if (!given && (options->build || options->runs || options->recording.user))
		return error_set(error, STATUS_USAGE, "--%s is about running: OLD and NEW are recordings",
				 options->build	 ? "build"
				 : options->runs ? "runs"
						 : "user");
	if (!given && options->recording.in_process)
		return error_set(error, STATUS_USAGE, "--in-process is about running: OLD and NEW are recordings");
	if (given && (!separator || !operands))
		return error_set(error, STATUS_USAGE,
				 "nothing to run: give -- PROGRAM, such as -- go test -bench . ./pkg");
	if (!given && separator)
		return error_set(error, STATUS_USAGE,
				 "nothing to compare with: give --base, --overlay, --patch or "
				 "--go");
	if (!given && operands != 2)
		return error_set(error, STATUS_USAGE,
				 "compare takes two recordings, OLD and NEW, or --base, --overlay, --patch or --go and "
				 "-- PROGRAM");
	return 0;
}

static void redact(struct compare_side *side)
{
	gate_counts_redact(side->counts);
	if (side->escape)
		escape_redact(side->escape);
}

static int run_compare(struct compare_options *options, int argc, char **argv, int first, bool separator)
{
	struct compare_side sides[2] = {{.number = 0}, {.number = 1}};
	struct comparison *comparison;
	struct error error;
	struct builds *builds = NULL;
	int status;
	bool builds_both = ways(options) > 0;
	const char *name[] = {NULL, NULL}, *const *command = (const char *const *)argv + first;

	if (options->settings.redact) {
		name[0] = text_base_name(argv[first]);
		command = name;
	}
	if (options->settings.format == COMPARE_HTML)
		options->stacks = gate_stacks_new();
	if (gate_settings_read(&options->settings, &error) || check_usage(options, argc - first, separator, &error) ||
	    (builds_both ? !(builds = compare_builds(options, argv + first, sides, &error))
			 : compare_files(options, argv + first, sides, &error))) {
		status = cli_fail(&error);
	} else {
		if (options->settings.redact) {
			redact(&sides[0]);
			redact(&sides[1]);
		}
		comparison =
			comparison_new(&sides[0], &sides[1], builds_both ? command : NULL, &options->settings.policy);
		status = print(options, comparison);
		comparison_free(comparison);
	}
	compare_builds_end(builds);
	gate_stacks_free(options->stacks);
	compare_side_clear(&sides[0]);
	compare_side_clear(&sides[1]);
	return status;
}

static int run(int argc, char **argv)
{
	struct compare_options options = {.settings = GATE_SETTINGS_DEFAULTS,
					  .recording = {.rate = 1, .end_all = true}};
	const struct option_row rows[] = {
		{0, NULL, NULL, 0, NULL, "two builds", NULL},
		{0, "base", "REV", OPTION_STRING, &options.base,
		 "the git revision to compare with; both sides are built in worktrees outside of your tree", NULL},
		{0, "head", "REV", OPTION_STRING, &options.head,
		 "the revision after (default: the tree as it is, including uncommitted changes)", NULL},
		{0, "patch", "FILE", OPTION_STRING, &options.patch,
		 "the source without and with this patch (git diff, diff -u); it is not modified", NULL},
		{0, "overlay", "FILE", OPTION_STRING, &options.overlay,
		 "the same with an overlay of go build, {\"Replace\": {FILE: FILE}}", NULL},
		{0, "test", NULL, OPTION_FLAG, &options.test,
		 "with --patch or --overlay: run go test ./... on the changed copy first", NULL},
		{0, "go", "A,B", OPTION_STRING, &options.go,
		 "two Go toolchains: versions as 1.26 (goN in PATH, ~/sdk, Debian's, packaging/go-toolchain's), or "
		 "paths",
		 NULL},
		{0, "build", "COMMAND", OPTION_STRING, &options.build,
		 "shell command that builds PROGRAM in each directory; go test and go run need none", NULL},
		{0, NULL, NULL, 0, NULL, "what to measure", NULL},
		{0, "escape", "OLD,NEW", OPTION_STRING, &options.escape,
		 "for two recordings: compiler output of both, of go build -gcflags=-m=2", NULL},
		{0, "runs", "N", OPTION_INTEGER, &options.runs,
		 "number of runs of each side, of which the smallest count decides (default: 3, or 1 if that is the same on both "
		 "sides)",
		 NULL},
		{0, "module", "GLOB", OPTION_PACKAGES, &options.modules,
		 "packages that own allocations, by import path (default: the program's main module); may be given "
		 "again",
		 NULL},
		{0, "normalize", "SITE|EXPR", OPTION_STRING, &options.normalize,
		 "count per iteration, see gate --help, or per second: second", NULL},
		{0, "in-process", NULL, OPTION_FLAG, &options.recording.in_process,
		 "without BPF and privileges: go test with its memory profile, or a program on libgoalloc, which counts",
		 NULL},
		{0, "user", "NAME", OPTION_STRING, &options.recording.user, RECORDING_USER_HELP, NULL},
		{0, NULL, NULL, 0, NULL, "how to judge", NULL},
		{0, "fail-on", "VERDICT", OPTION_CHOICE, &options.fail_on, "exit with 1 for this verdict",
		 fail_on_names},
		GATE_RULE_ROWS(options.settings),
		{0, NULL, NULL, 0, NULL, "output", NULL},
		{0, "format", "FORMAT", OPTION_CHOICE, &options.settings.format, "output format", compare_format_names},
		{'o', "output", "FILE", OPTION_STRING, &options.settings.output,
		 "output file (default: standard output)", NULL},
		{0, "all", NULL, OPTION_FLAG, &options.settings.all, "text, markdown: also show unchanged sites", NULL},
		{0, "no-source", NULL, OPTION_FLAG, &options.settings.no_source, GATE_NO_SOURCE_HELP, NULL},
		{0, "redact", NULL, OPTION_FLAG, &options.settings.redact, RECORDING_REDACT_HELP, NULL},
		{0, "color", "WHEN", OPTION_CHOICE, &options.settings.color, "colours", terminal_color_choices},
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "compare [OPTIONS] --base REV -- PROGRAM [ARG...]\n"
			    "       escapement compare [OPTIONS] (--patch FILE | --overlay FILE) -- PROGRAM [ARG...]\n"
			    "       escapement compare [OPTIONS] --go A,B -- PROGRAM [ARG...]\n"
			    "       escapement compare [OPTIONS] OLD NEW",
		.description =
			"Builds two versions of a program, runs both in turns, and prints what the compiler says "
			"differently, the "
			"counts that changed, and what that means for the allocator and the "
			"collector. PROGRAM is go test, go run, "
			"or what --build builds; its output goes to standard error. OLD and NEW are recordings; " SOURCE_HELP
			". Exits with 3 if a side does not build.",
		.examples = "  escapement compare --base main -- go test -bench . ./pkg\n"
			    "  escapement compare --patch fix.diff --test -- go run ./cmd/prog args\n"
			    "  escapement compare --go 1.26,1.27 -- go test -bench . ./pkg\n"
			    "  escapement compare --base HEAD~1 --build make -- ./prog args\n"
			    "  escapement compare --fail-on worse old.pb.gz new.pb.gz\n",
		.rows = rows,
	};
	bool separator;
	int status, first = options_parse(argc, argv, &usage, &separator);

	status = first < 0 ? options_status(first) : run_compare(&options, argc, argv, first, separator);
	gate_settings_free(&options.settings);
	free(options.modules.values);
	return status;
}

const struct command command_compare = {"compare", "compare two builds or recordings of a program", run, NULL};
