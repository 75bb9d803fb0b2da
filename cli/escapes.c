/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "escape/escape_parser.h"
#include "escape/escape_build.h"
#include "escape/escape_diff.h"
#include "escape/escape_functions.h"
#include "escape/escape_graph.h"
#include "escape/escape_select.h"
#include "gate_settings.h"
#include "options.h"
#include "recording.h"
#include "base/output.h"
#include "render/render_escapes.h"
#include "target/descendants.h"
#include "target/obstacle.h"
#include "target/privilege.h"

enum { UNSET = -1, TERMINAL_ROWS = 100 };

static const char *const grouping_names[] = {"position", "package", NULL};

static struct {
	const char *kinds, *directory, *diff, *old_directory;
	const char *go, *save, *user;
	bool build, dependencies;
	struct option_list packages, functions, paths, flags;
	struct escapes_style style;
	struct gate_settings gate; /* settings of --diff; output and format are used without --diff too */
	int by;
	int64_t top;
} options = {.top = UNSET, .gate = {.noisy = -1, .what = "escapes"}};

static const struct option_row rows[] = {
	{0, NULL, NULL, 0, NULL, "what to show", NULL},
	{'k', "kind", "LIST", OPTION_STRING, &options.kinds,
	 "kinds, separated by commas: those of --counts, or heap, leaks, inlining, all (default: text heap, JSON all)",
	 NULL},
	{0, "package", "GLOB", OPTION_PACKAGES, &options.packages, "only these packages; * also matches /", NULL},
	{0, "function", "GLOB", OPTION_STRINGS, &options.functions, "only in these functions, such as '(*T).*'", NULL},
	{0, "path", "GLOB", OPTION_STRINGS, &options.paths, "only in these files", NULL},
	{0, "flow", NULL, OPTION_FLAG, &options.style.flows,
	 "also print the compiler's complete explanations (of -m=2)", NULL},
	{0, "by", "KEY", OPTION_CHOICE, &options.by, "one row a position, or what each package comes to, most first",
	 grouping_names},
	{0, "top", "N", OPTION_INTEGER, &options.top,
	 "at most N rows; 0: all (default: 100 in text on a terminal, else all)", NULL},
	{0, "counts", NULL, OPTION_FLAG, &options.style.tally, "only the number of each kind", NULL},
	{0, NULL, NULL, 0, NULL, "comparison", NULL},
	{0, "diff", "OLD", OPTION_STRING, &options.diff,
	 "list what is new in FILE, gone and changed since OLD, by function and subject, not by line: a gate that "
	 "runs no program; exit 1 if something is new that was not just moved",
	 NULL},
	{0, "advisory", NULL, OPTION_FLAG, &options.gate.advisory, "with --diff: exit 0 even if something is new",
	 NULL},
	{0, "tolerance", "[GLOB:]LIMIT", OPTION_STRINGS, &options.gate.tolerances,
	 "with --diff: how many more are allowed, as in gate: objects=2 or 5%", NULL},
	{0, "policy", "FILE", OPTION_STRING, &options.gate.policy_path, "with --diff: the gate's policy file", NULL},
	{0, NULL, NULL, 0, NULL, "build", NULL},
	{'b', "build", NULL, OPTION_FLAG, &options.build,
	 "run the Go compiler on PACKAGES (default .) instead of reading a FILE; nothing is linked or left behind",
	 NULL},
	{0, "go", "COMMAND", OPTION_STRING, &options.go, "the go command (default: go in PATH)", NULL},
	{0, "build-flag", "FLAG", OPTION_STRINGS, &options.flags,
	 "one more flag for the build, such as -tags=x or -test", NULL},
	{0, "all", NULL, OPTION_FLAG, &options.dependencies, "also compile all imported packages", NULL},
	{0, "user", "NAME", OPTION_STRING, &options.user,
	 "run it as this user (default: the user who called sudo; name root to stay root)", NULL},
	{0, "save", "FILE", OPTION_STRING, &options.save, "save the compiler's output, for a later --diff", NULL},
	{0, NULL, NULL, 0, NULL, "input and output", NULL},
	{'C', "directory", "DIR", OPTION_STRING, &options.directory,
	 "where the compiler ran: the source is looked for there (default .)", NULL},
	{0, "old-directory", "DIR", OPTION_STRING, &options.old_directory,
	 "the same for OLD (default: only its text is used)", NULL},
	{0, "format", "FORMAT", OPTION_CHOICE, &options.gate.format,
	 "output format; without --diff text or json; with it", gate_format_names},
	{'o', "output", "FILE", OPTION_STRING, &options.gate.output, "output file (default: standard output)", NULL},
	{0},
};

static const struct option_usage usage = {
	.synopsis = "escapes [OPTIONS] (FILE | --build [PACKAGES])",
	.description = "Lists what the Go compiler says about escapes: the output of go build -gcflags=-m or, with "
		       "explanations, -gcflags=-m=2. FILE is - for standard input.",
	.examples = "  go build -gcflags=-m=2 ./... 2> m2.txt; escapement escapes m2.txt\n"
		    "  go build -a -gcflags=-m ./... 2>&1 | escapement escapes --counts -\n"
		    "  escapement escapes --by package --top 10 m2.txt\n"
		    "  escapement escapes --flow --function 'main' m2.txt\n"
		    "  cp m2.txt old.txt; escapement escapes --diff old.txt m2.txt\n"
		    "  escapement escapes --build --save now.txt ./...\n"
		    "  escapement escapes --kind all --path '*.go' --format json m2.txt\n",
	.rows = rows,
};

static int show(const struct escape_output *output, const struct escape_filter *filter, struct error *error)
{
	struct escape_graph *graph;
	struct output file;
	struct error gap;

	if (escape_check_complete(output, "the output", &gap))
		cli_warn("%s", gap.text);
	if (output_open(&file, options.gate.output ? options.gate.output : "-", error))
		return -1;
	graph = escape_graph_new(output);
	options.style.packages = options.by == 1;
	if (options.top != UNSET)
		options.style.most = (size_t)options.top;
	else if (options.gate.format != GATE_JSON && isatty(fileno(file.stream)))
		options.style.most = TERMINAL_ROWS;
	if (options.gate.format == GATE_JSON)
		render_escapes_json(file.stream, output, graph, filter, &options.style);
	else
		render_escapes_text(file.stream, output, graph, filter, &options.style);
	escape_graph_free(graph);
	return output_commit(&file, error);
}

static struct escape_output *read_output(const char *name, const char *directory, struct error *error)
{
	struct escape_output *output = escape_read(name, error);

	if (output)
		escape_name_functions(output, directory);
	return output;
}

/* Runs the compiler instead of reading a file. */
static struct escape_output *build_output(char **packages, int package_count, struct error *error)
{
	const char *const go[] = {options.go ? options.go : "go", NULL};
	struct identity user;
	const struct subprocess as = {.place.directory = options.directory,
				      .become = identity_become,
				      .identity = &user,
				      .stop = recording_watch_signals(),
				      .end_all = descendants_end,
				      .refused = obstacle_no_process};
	struct escape_build build = {
		.go = go,
		.as = &as,
		.packages = (const char *const *)packages,
		.package_count = package_count,
		.flags = options.flags.values,
		.flag_count = options.flags.count,
		.dependencies = options.dependencies,
	};
	struct output copy = {0};
	struct escape_output *output;

	if (identity_find(options.user, &user, error))
		return NULL;
	if (options.save && output_open(&copy, options.save, error))
		return NULL;
	build.copy = copy.stream;
	output = escape_build(&build, error);
	recording_unwatch_signals();
	if (*as.stop) {
		escape_free(output);
		output = NULL;
		error_set(error, STATUS_CANNOT_MEASURE, "interrupted: not all packages were compiled");
	}
	if (!output) {
		output_abandon(&copy);
	} else if (options.save && output_commit(&copy, error)) {
		escape_free(output);
		return NULL;
	}
	if (output)
		escape_name_functions(output, options.directory ? options.directory : ".");
	return output;
}

/* Checks the operands. Returns 0, or -1 with an error. */
static int check_operands(int count, struct error *error)
{
	if (!options.build &&
	    (options.go || options.user || options.save || options.flags.count || options.dependencies))
		return error_set(error, STATUS_USAGE, "--go, --build-flag, --all, --user and --save need --build");
	if (!options.diff && (options.gate.advisory || options.gate.tolerances.count || options.gate.policy_path))
		return error_set(error, STATUS_USAGE, "--advisory, --tolerance and --policy need --diff");
	if (options.diff && (options.by || options.top != UNSET))
		return error_set(error, STATUS_USAGE, "--by and --top do not go with --diff");
	if (!options.diff && options.gate.format != GATE_TEXT && options.gate.format != GATE_JSON)
		return error_set(error, STATUS_USAGE, "--format %s needs --diff",
				 gate_format_names[options.gate.format]);
	if (options.build || count == 1)
		return 0;
	return error_set(error, STATUS_USAGE,
			 count ? "escapes reads one file"
			       : "escapes needs a file of compiler output, or --build; make one with: "
				 "go build -gcflags=-m=2 2> m2.txt");
}

/* Checks that both sides are complete, because missing parts cannot be compared. */
static int check_whole(const struct escape_output *before, const struct escape_output *output, const char *name,
		       const struct escape_filter *filter, struct error *error)
{
	if (escape_check_complete(before, options.diff, error) || escape_check_complete(output, name, error))
		return -1;
	return escape_check_packages(before, output, filter, options.directory ? options.directory : ".", name, error);
}

static int run(int argc, char **argv)
{
	struct escape_filter filter;
	struct escape_output *before = NULL, *output = NULL;
	struct error error;
	int first = options_parse(argc, argv, &usage, NULL), status;

	if (first < 0)
		return options_status(first);
	if (check_operands(argc - first, &error))
		return cli_fail(&error);
	filter = (struct escape_filter){
		.kinds = options.gate.format == GATE_JSON && !options.diff ? ESCAPE_KINDS_ALL : ESCAPE_KINDS_HEAP,
		.packages = options.packages.values,
		.package_count = options.packages.count,
		.functions = options.functions.values,
		.function_count = options.functions.count,
		.paths = options.paths.values,
		.path_count = options.paths.count,
	};
	if (options.kinds && escape_kinds_parse(options.kinds, &filter.kinds, &error))
		return cli_fail(&error);
	if (options.diff)
		before = read_output(options.diff, options.old_directory, &error);
	if (before || !options.diff)
		output = options.build ? build_output(argv + first, argc - first, &error)
				       : read_output(argv[first], options.directory ? options.directory : ".", &error);
	if (output && before && check_whole(before, output, first < argc ? argv[first] : "the build", &filter, &error))
		status = -1;
	else if (output)
		status = before ? gate_static(&options.gate, before, output, &filter, &error)
				: show(output, &filter, &error);
	else
		status = -1;
	if (status < 0)
		status = cli_fail(&error);
	escape_free(before);
	escape_free(output);
	free(options.packages.values);
	free(options.functions.values);
	free(options.paths.values);
	free(options.flags.values);
	return status;
}

const struct command command_escapes = {"escapes", "list what the compiler says about escapes", run, NULL};
