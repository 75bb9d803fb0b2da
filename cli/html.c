/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_join.h"
#include "escape/escape_parser.h"
#include "base/output.h"
#include "cli.h"
#include "escape/escape.h"
#include "escape/escape_functions.h"
#include "escape/escape_graph.h"
#include "options.h"
#include "recording.h"
#include "profile/pprof.h"
#include "render/render_html.h"

struct settings {
	const char *path, *escape, *before, *source, *output;
	bool no_source, redact;
};

/* The input of a page. */
struct inputs {
	struct profile *profile, *before;
	struct escape_output *compiler;
};

static const char by_default[] = "report.html";
static struct settings given = {.path = "escapement.pb.gz", .output = by_default};

static const struct option_row rows[] = {
	{'e', "escape", "FILE", OPTION_STRING, &given.escape,
	 "compiler output of go build -gcflags=-m=2: adds verdicts, reasons and flows", NULL},
	{0, "diff", "OLD", OPTION_STRING, &given.before, "compare with this older profile", NULL},
	{0, "source", "DIRECTORY", OPTION_STRING, &given.source,
	 "look for source files with relative names here (default: the working directory)", NULL},
	{0, "no-source", NULL, OPTION_FLAG, &given.no_source, "leave source lines out of the page", NULL},
	{0, "redact", NULL, OPTION_FLAG, &given.redact,
	 RECORDING_REDACT_HELP " (and without source, unless --source is given)", NULL},
	{'o', "output", "FILE", OPTION_STRING, &given.output, "write here (default: report.html)", NULL},
	{0},
};

static const struct option_usage usage = {
	.synopsis = "html [OPTIONS] [PROFILE]",
	.description =
		"Makes one self-contained page of a profile (default: escapement.pb.gz), of a recording or of heap "
		"--format pprof: a work list that can be sorted, searched and opened, a flame graph, and size classes. "
		"The page loads nothing from the network.",
	.examples = "  escapement html escapement.pb.gz\n"
		    "  escapement html --escape m2.txt -o report.html escapement.pb.gz\n"
		    "  escapement html --diff old.pb.gz -o change.html new.pb.gz\n"
		    "  escapement html -o heap.html heap.pb.gz\n",
	.rows = rows,
};

static int write_page(const struct settings *settings, const struct inputs *inputs, struct error *error)
{
	char *directory = getcwd(NULL, 0);
	struct audit_options options = {.directory = settings->source ? settings->source : directory};
	struct render_html_page page = {
		.profile = inputs->profile,
		.before = inputs->before,
		.source_directory = settings->source,
		.no_source = settings->no_source || (settings->redact && !settings->source),
	};
	enum profile_value sort = report_default_sort(inputs->profile);
	struct report *sites = report_new(inputs->profile, BY_SITE, sort, 0),
		      *classes = report_new(inputs->profile, BY_SIZE_CLASS, sort, 0),
		      *sites_before = inputs->before ? report_new(inputs->before, BY_SITE, sort, 0) : NULL;
	struct escape_graph *graph = NULL;
	struct audit *audit = NULL, *audit_before = NULL;
	struct output output;
	int result = -1;

	if (inputs->compiler) {
		escape_name_functions(inputs->compiler, options.directory);
		graph = escape_graph_new(inputs->compiler);
		audit = audit_new(inputs->profile, inputs->compiler, &options);
		if (inputs->before)
			audit_before = audit_new(inputs->before, inputs->compiler, &options);
	}
	page.audit = audit;
	page.audit_before = audit_before;
	page.graph = graph;
	page.sites = sites;
	page.sites_before = sites_before;
	page.classes = classes;
	if (!output_open(&output, settings->output, error)) {
		render_html(output.stream, &page);
		result = output_commit(&output, error);
	}
	audit_free(audit);
	audit_free(audit_before);
	escape_graph_free(graph);
	report_free(sites);
	report_free(sites_before);
	report_free(classes);
	free(directory);
	return result;
}

static int read_inputs(const struct settings *settings, struct inputs *inputs, struct error *error)
{
	struct profile *(*read)(const char *, struct error *) = settings->redact ? pprof_read_redacted : pprof_read;

	if (settings->redact && settings->escape)
		return error_set(
			error, STATUS_USAGE,
			"--redact shortens the paths by which --escape finds the lines of the compiler's output: "
			"give one of them");
	if (!(inputs->profile = read(settings->path, error)))
		return -1;
	if (settings->before && !(inputs->before = read(settings->before, error)))
		return -1;
	if (inputs->before && inputs->before->snapshot != inputs->profile->snapshot)
		return error_set(error, STATUS_USAGE,
				 "'%s' is a heap snapshot and '%s' is a recording: --diff compares two of one kind",
				 inputs->profile->snapshot ? settings->path : settings->before,
				 inputs->profile->snapshot ? settings->before : settings->path);
	if (settings->escape && inputs->profile->snapshot)
		return error_set(error, STATUS_USAGE,
				 "--escape goes with a recording: '%s' is a heap snapshot, which says what is alive",
				 settings->path);
	if (settings->escape && !(inputs->compiler = escape_read(settings->escape, error)))
		return -1;
	return 0;
}

static int run(int argc, char **argv)
{
	int result, first = options_parse(argc, argv, &usage, NULL);
	struct inputs inputs = {0};
	struct error error;

	if (first < 0)
		return options_status(first);
	if (argc - first > 1) {
		error_set(&error, STATUS_USAGE, "unexpected argument '%s': one profile at a time", argv[first + 1]);
		return cli_fail(&error);
	}
	if (first < argc)
		given.path = argv[first];
	cli_say_replaced(given.output, by_default);
	result = read_inputs(&given, &inputs, &error) || write_page(&given, &inputs, &error);
	escape_free(inputs.compiler);
	profile_free(inputs.before);
	profile_free(inputs.profile);
	return result ? cli_fail(&error) : STATUS_OK;
}

const struct command command_html = {"html", "make one page of a profile for a browser", run, NULL};
