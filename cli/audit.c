/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_filter.h"
#include "audit/audit_join.h"
#include "audit/audit_threshold.h"
#include "cli.h"
#include "escape/escape_graph.h"
#include "escape/escape_reading.h"
#include "base/memory.h"
#include "escape/escape_parser.h"
#include "fleet/store.h"
#include "base/output.h"
#include "recording.h"
#include "render/render_audit.h"
#include "reporting.h"
#include "source.h"

enum { TEXT_ROWS = 20, UNSET = -1 };

struct arguments {
	struct recording recording;
	const char *escape, *output, *annotate, *package, *function, *source;
	struct option_list verdicts, thresholds, maps, modules;
	int format, sort, color;
	int64_t min_objects, min_bytes, top;
	bool flow, advice;
};

/* The parsed and checked values of the options. */
struct request {
	struct audit_options options;
	struct audit_filter filter;
	struct audit_threshold *thresholds;
	int threshold_count;
	char *directory;
};

/* Of what a store says, agents have done the recording and the comparison: refuses the options of both. */
static int check_stored(const struct arguments *arguments, struct error *error)
{
	if (arguments->recording.pid || arguments->recording.name)
		return error_set(
			error, STATUS_USAGE,
			"a store has recordings already: give either its URL or a process to record, not both");
	if (recording_check_unused(&arguments->recording, error))
		return -1;
	if (arguments->flow || arguments->advice || arguments->annotate)
		return error_set(error, STATUS_USAGE,
				 "--flow, --advice and --annotate need the compiler output itself: give --escape FILE; "
				 "of it a store has the verdicts and words");
	if (arguments->modules.count || arguments->maps.count || arguments->source)
		return error_set(error, STATUS_USAGE,
				 "--module, --path-map and --directory change nothing of verdicts that agents gave: to "
				 "compare the store's rows anew, give --escape FILE, too");
	return 0;
}

/* `judged`: the rows of the profile have verdicts already. */
static int understand(const struct arguments *arguments, bool judged, struct request *request, struct error *error)
{
	struct pathmatch_map *maps = memory_zeroed((size_t)arguments->maps.count + 1, sizeof(*maps));

	request->thresholds = memory_zeroed((size_t)arguments->thresholds.count + 1, sizeof(*request->thresholds));
	request->options.maps = maps;
	for (int i = 0; i < arguments->maps.count; i++) {
		if (pathmatch_map_parse(arguments->maps.values[i], &maps[request->options.map_count++]))
			return error_set(error, STATUS_USAGE, "cannot read the path map '%s': expected FROM=TO",
					 arguments->maps.values[i]);
	}
	for (int i = 0; i < arguments->thresholds.count; i++) {
		if (audit_threshold_parse(arguments->thresholds.values[i],
					  &request->thresholds[request->threshold_count++], error))
			return -1;
	}
	for (int i = 0; i < arguments->verdicts.count; i++) {
		int verdict = audit_verdict_parse(arguments->verdicts.values[i]);

		if (verdict < 0)
			return audit_verdict_unknown(arguments->verdicts.values[i], error);
		if (verdict == AUDIT_OUTSIDE &&
		    (arguments->format == AUDIT_SARIF || arguments->format == AUDIT_QUICKFIX))
			return error_set(error, STATUS_USAGE,
					 "--format %s lists lines of the program: --verdict %s does not go with it",
					 audit_format_names[arguments->format], audit_verdict_name(verdict));
		request->filter.verdicts |= 1U << verdict;
	}
	if (!arguments->escape && !judged)
		return error_set(
			error, STATUS_USAGE,
			"no compiler output: give --escape FILE, created by go build -gcflags=-m=2 ./... 2> FILE; "
			"of a program without its source 'escapement report' prints what allocates");
	if (judged && check_stored(arguments, error))
		return -1;
	request->filter.min_objects = arguments->min_objects;
	request->filter.min_bytes = arguments->min_bytes;
	request->filter.package = arguments->package;
	request->filter.function = arguments->function;
	request->filter.top = arguments->top == UNSET ? 0 : arguments->top;
	request->directory = arguments->source ? realpath(arguments->source, NULL) : getcwd(NULL, 0);
	if (arguments->source && !request->directory)
		return error_set(error, STATUS_USAGE, "cannot find the directory '%s': %s", arguments->source,
				 strerror(errno));
	request->options.directory = request->directory;
	return 0;
}

/* Returns the profile to audit, from a file. */
static struct profile *read_profile(int argc, char **argv, int first, struct error *error)
{
	if (first >= argc) {
		error_set(error, STATUS_USAGE, "nothing to audit: give a profile, -p PID or -- PROGRAM");
		return NULL;
	}
	if (first + 1 < argc) {
		error_set(error, STATUS_USAGE, "unexpected argument '%s': one profile at a time", argv[first + 1]);
		return NULL;
	}
	return source_recording(argv[first], error);
}

struct inputs {
	struct escape_output *compiler;
	struct profile *profile;
	struct audit *audit; /* of a store that has verdicts; NULL: it is to be made */
	bool recorded;	     /* now */
};

/* Whether a store is asked for the verdicts that agents gave. */
static bool asks_verdicts(const struct arguments *arguments, int argc, char **argv, int first, bool separator)
{
	return !arguments->escape && !separator && first + 1 == argc && store_is_url(argv[first]);
}

static int obtain_verdicts(const char *url, struct inputs *inputs, struct error *error)
{
	inputs->compiler = escape_parser_finish(escape_parser_new());
	inputs->profile = profile_new();
	inputs->audit = store_audit(url, inputs->profile, inputs->compiler, error);
	for (size_t i = 0; inputs->audit && i < inputs->profile->warning_count; i++)
		cli_warn("%s", inputs->profile->warnings[i]);
	return inputs->audit ? 0 : -1;
}

/* Reads the compiler's output, and the profile beside it or from a recording made after it. */
static int obtain(struct arguments *arguments, const struct request *request, int argc, char **argv, int first,
		  bool separator, struct inputs *inputs, struct error *error)
{
	struct escape_reading *reading;
	struct error refusal;

	if (asks_verdicts(arguments, argc, argv, first, separator))
		return obtain_verdicts(argv[first], inputs, error);
	reading = escape_reading_begin(arguments->escape, request->directory);
	inputs->recorded = arguments->recording.pid || arguments->recording.name || separator;
	if (!inputs->recorded && !recording_check_unused(&arguments->recording, error))
		inputs->profile = read_profile(argc, argv, first, error);
	inputs->compiler = escape_reading_end(reading, &refusal);
	if (!inputs->compiler) {
		*error = refusal;
		return -1;
	}
	/* A recording prints its warnings, also those of stores are printed by their reader. */
	for (size_t i = 0; inputs->profile && !store_is_url(argv[first]) && i < inputs->profile->warning_count; i++)
		cli_warn("%s", inputs->profile->warnings[i]);
	if (inputs->recorded)
		inputs->profile = recording_run(&arguments->recording, argc, argv, first, separator, error);
	return inputs->profile ? 0 : -1;
}

/* SARIF and quickfix list problems only: without --verdict they omit the `stack` rows. */
static unsigned default_verdicts(enum audit_format format)
{
	return format == AUDIT_SARIF || format == AUDIT_QUICKFIX ? ~(1U << AUDIT_STACK) : 0;
}

static int print(struct audit *audit, const struct arguments *arguments, const struct request *request,
		 struct error *error)
{
	struct render_audit_options options = {.flow = arguments->flow,
					       .advice = arguments->advice,
					       .verdicts = request->filter.verdicts,
					       .rows = arguments->top == UNSET && !request->filter.verdicts ? TEXT_ROWS
													    : 0,
					       .sort = arguments->sort,
					       .color = (enum terminal_color)arguments->color};
	struct escape_graph *graph = NULL;
	struct output output;
	int status = 0;

	if (output_open(&output, arguments->output, error))
		return -1;
	if (arguments->format == AUDIT_TEXT || arguments->format == AUDIT_JSON)
		options.graph = graph = escape_graph_new(audit->output);
	if (arguments->annotate)
		status = render_audit_source(audit, arguments->annotate, &request->options, output.stream, error);
	else
		render_audit(audit, (enum audit_format)arguments->format, &options, output.stream);
	escape_graph_free(graph);
	if (status) {
		output_abandon(&output);
		return -1;
	}
	return output_commit(&output, error);
}

/* Whether any --fail-on threshold is exceeded; prints which. */
static bool exceeded(const struct audit *audit, const struct arguments *arguments, const struct request *request)
{
	bool any = false;

	for (int i = 0; i < request->threshold_count; i++) {
		size_t rows = audit_threshold_rows(audit, &request->thresholds[i]);

		if (!rows)
			continue;
		any = true;
		cli_say("--fail-on %s: %zu row%s", arguments->thresholds.values[i], rows, rows == 1 ? "" : "s");
	}
	return any;
}

/* The verdicts of which neither the text nor a threshold has rows. */
static unsigned unread_verdicts(const struct arguments *arguments, const struct request *request)
{
	unsigned read = request->filter.verdicts;

	if (arguments->format != AUDIT_TEXT || arguments->annotate)
		return 0;
	for (int i = 0; i < request->threshold_count; i++)
		read |= 1U << request->thresholds[i].verdict;
	for (int i = 0; i < AUDIT_VERDICT_COUNT && (!request->filter.verdicts || read & 1U << AUDIT_OUTSIDE); i++)
		read |= audit_verdict_allocates(i) ? 1U << i : 0;
	return ~read;
}

static int audit_profile(const struct arguments *arguments, struct request *request, const struct inputs *inputs,
			 struct error *error)
{
	struct audit *audit = inputs->audit;
	struct audit_filter thresholds_filter = request->filter;
	int status = STATUS_OK;

	request->options.spent = inputs->profile;
	request->options.unread = unread_verdicts(arguments, request);
	if (!audit)
		audit = audit_new(inputs->profile, inputs->compiler, &request->options);
	for (size_t i = 0; i < audit->warning_count; i++)
		cli_warn("%s", audit->warnings[i]);
	/* Rows that are not shown, because of --top or their verdict, still count for thresholds. */
	thresholds_filter.top = 0;
	thresholds_filter.verdicts = 0;
	audit_filter(audit, &thresholds_filter, arguments->sort);
	if (exceeded(audit, arguments, request))
		status = STATUS_FOUND;
	if (!arguments->annotate) {
		if (!request->filter.verdicts)
			request->filter.verdicts = default_verdicts((enum audit_format)arguments->format);
		audit_filter(audit, &request->filter, arguments->sort);
	}
	if (print(audit, arguments, request, error))
		status = cli_fail(error);
	audit_free(audit);
	return status;
}

static int loss_status(const struct profile *profile)
{
	struct profile_loss loss = profile_loss(profile);

	return profile_loss_any(&loss) ? STATUS_LOST : STATUS_OK;
}

/* Exit 1 (threshold exceeded) wins over exit 4 (events lost): the lost events could only raise the count. */
static int combine(int found, int measured)
{
	if (found == STATUS_USAGE || measured == STATUS_CANNOT_MEASURE)
		return found == STATUS_USAGE ? found : measured;
	return found ? found : measured;
}

static struct arguments given = {.recording = RECORDING_DEFAULTS, .output = "-", .sort = VALUE_BYTES, .top = UNSET};

static const struct option_row rows[] = {
	{'e', "escape", "FILE", OPTION_STRING, &given.escape, "compiler output of go build -gcflags=-m=2", NULL},
	{'C', "directory", "DIR", OPTION_STRING, &given.source,
	 "directory in which the compiler ran: the base of its relative paths, and of source files (default: .)", NULL},
	{'o', "output", "FILE", OPTION_STRING, &given.output, "output file", NULL},
	{0, "format", "FORMAT", OPTION_CHOICE, &given.format, "output format", audit_format_names},
	{0, "annotate", "FILE.go", OPTION_STRING, &given.annotate,
	 "print this source file with the allocations of each line and the compiler's messages about it", NULL},
	{0, "advice", NULL, OPTION_FLAG, &given.advice,
	 "the cause of each row of the work list, common remedies, and the command that proves one (text, JSON)", NULL},
	{0, "flow", NULL, OPTION_FLAG, &given.flow, "print the compiler's whole explanation of each row", NULL},
	{0, "color", "WHEN", OPTION_CHOICE, &given.color, "colours", terminal_color_choices},
	{0, NULL, NULL, NULL, NULL, "which rows", NULL},
	{0, "verdict", "VERDICT", OPTION_STRINGS, &given.verdicts,
	 "only rows of this verdict, or of what no line of the program allocates; may be given several times (default: "
	 "text all verdicts that allocate, else all)",
	 audit_verdict_names},
	{0, "min-objects", "N", OPTION_INTEGER, &given.min_objects, "only rows of at least N objects", NULL},
	{0, "min-bytes", "SIZE", OPTION_BYTES, &given.min_bytes, "only rows of at least SIZE bytes", NULL},
	{0, "package", "GLOB", OPTION_PACKAGE, &given.package, "only rows in these packages", NULL},
	{0, "function", "GLOB", OPTION_STRING, &given.function, "only rows in these functions, or inlined into them",
	 NULL},
	{0, "top", "N", OPTION_INTEGER, &given.top,
	 "at most N rows of each verdict; 0: all (default: text the 20 costliest rows of all verdicts, else all)",
	 NULL},
	{0, "sort", "KEY", OPTION_CHOICE, &given.sort, "sort by this value, greatest first", audit_sort_names},
	{0, "fail-on", "VERDICT[:objects>N]", OPTION_STRINGS, &given.thresholds,
	 "exit 1 when a row has this verdict (and more objects, or :bytes>50M); may be given several times", NULL},
	{0, "module", "GLOB", OPTION_PACKAGES, &given.modules,
	 "packages that own allocations, by import path (default: the program's main module); may be given several "
	 "times",
	 NULL},
	{0, "path-map", "FROM=TO", OPTION_STRINGS, &given.maps,
	 "files below FROM are the files below TO, for a program that was built elsewhere; may be given several times",
	 NULL},
	{0, NULL, NULL, NULL, NULL, "what to record, if no profile is given", NULL},
	RECORDING_ROWS(given.recording),
	{0},
};

static const struct option_usage usage = {
	.synopsis = "audit --escape FILE [OPTIONS] (PROFILE | -p PID | -- PROGRAM [ARG...])",
	.description =
		"Compares what a program allocates with what the Go compiler said about it: which of the values that "
		"escape cost most, which never allocate, and what allocates although the compiler says nothing, or "
		"the opposite. PROFILE may also be a heap profile of Go's runtime/pprof; " SOURCE_HELP
		", which needs no --escape "
		"if agents gave its rows verdicts.",
	.examples = "  go build -gcflags=-m=2 ./... 2> m2.txt\n"
		    "  escapement audit --escape m2.txt escapement.pb.gz\n"
		    "  escapement audit --escape m2.txt -p 1234 --duration 10\n"
		    "  escapement audit --escape m2.txt --rate 1 -- ./prog args\n"
		    "  escapement audit --escape m2.txt --fail-on 'escapes:objects>1000' heap.pb.gz\n",
	.rows = rows,
};

static void release(struct request *request)
{
	for (size_t i = 0; i < request->options.map_count; i++) {
		free((char *)request->options.maps[i].from);
		free((char *)request->options.maps[i].to);
	}
	free((void *)request->options.maps);
	free(request->thresholds);
	free(request->directory);
}

static int run(int argc, char **argv)
{
	struct request request = {0};
	struct inputs inputs = {0};
	struct error error;
	bool separator;
	int status, first = options_parse(argc, argv, &usage, &separator);

	if (first < 0)
		return options_status(first);
	if (understand(&given, asks_verdicts(&given, argc, argv, first, separator), &request, &error) ||
	    output_check(given.output, &error) ||
	    obtain(&given, &request, argc, argv, first, separator, &inputs, &error)) {
		status = cli_fail(&error);
	} else {
		reporting_set_modules(inputs.profile, &given.modules);
		status = audit_profile(&given, &request, &inputs, &error);
		status = combine(status, inputs.recorded ? recording_status(&given.recording, inputs.profile)
							 : loss_status(inputs.profile));
	}
	profile_free(inputs.profile);
	escape_free(inputs.compiler);
	release(&request);
	return status;
}

const struct command command_audit = {"audit", "compare the compiler's escape analysis with measured allocations", run,
				      NULL};
