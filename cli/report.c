/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "options.h"
#include "base/output.h"
#include "profile/pprof.h"
#include "render/render_report.h"
#include "text/terminal.h"

enum { TEXT_ROWS = 30, UNSET = -1 };

struct settings {
	const char *path, *output;
	int by, format, sort, color;
	int64_t top;
	struct option_list modules;
	struct report_selection selection;
};

static int write_report(const struct settings *settings, const struct profile *profile, struct error *error)
{
	enum profile_value sort =
		settings->sort == UNSET ? report_default_sort(profile) : (enum profile_value)settings->sort;
	size_t top = settings->top != UNSET ? (size_t)settings->top : settings->format == REPORT_TEXT ? TEXT_ROWS : 0;
	struct report_style style;
	const struct report_selection *selection = &settings->selection;
	struct report *report;
	struct output output;

	if (settings->sort != UNSET && !(profile->row_measured & 1u << sort))
		return error_set(error, STATUS_USAGE, "cannot sort by %s: profile '%s' does not measure them",
				 profile_values[settings->sort].plural, settings->path);
	report = report_new_selected(profile, (enum report_by)settings->by, sort, top, selection);
	if (!report->row_count && profile->sample_count && (selection->focus || selection->callers)) {
		report_free(report);
		return error_set(error, STATUS_USAGE, "no stack of profile '%s' has the function '%s'%s%s%s",
				 settings->path, selection->focus ? selection->focus : selection->callers,
				 selection->focus && selection->callers ? " and '" : "",
				 selection->focus && selection->callers ? selection->callers : "",
				 selection->focus && selection->callers ? "'" : "");
	}
	if (output_open(&output, settings->output, error)) {
		report_free(report);
		return -1;
	}
	style.width = terminal_width(output.stream);
	style.color = terminal_has_color((enum terminal_color)settings->color, output.stream);
	render_report(output.stream, report, (enum report_format)settings->format, &style);
	report_free(report);
	return output_commit(&output, error);
}

static struct settings chosen = {.path = "escapement.pb.gz", .output = "-", .by = UNSET, .sort = UNSET, .top = UNSET};

static const struct option_row rows[] = {
	{0, "by", "KEY", OPTION_CHOICE, &chosen.by,
	 "group by (default: site, the line of your module that the allocation was made for; frame is the line that "
	 "allocated)",
	 report_by_names},
	{0, "module", "GLOB", OPTION_STRINGS, &chosen.modules,
	 "packages that own allocations, by import path (default: the program's main module); may be repeated", NULL},
	{0, "focus", "FUNCTION", OPTION_STRING, &chosen.selection.focus,
	 "only stacks with this function: encoding/json.Unmarshal, json.Unmarshal or a glob", NULL},
	{0, "callers", "FUNCTION", OPTION_STRING, &chosen.selection.callers,
	 "list the callers of this function, and what is allocated below each call", NULL},
	{0, "format", "FORMAT", OPTION_CHOICE, &chosen.format,
	 "output format; folded (for flame graphs) and speedscope show stacks", report_format_names},
	{0, "top", "N", OPTION_INTEGER, &chosen.top, "show the N greatest rows; 0: all (default: 30 in text, else all)",
	 NULL},
	{0, "sort", "VALUE", OPTION_CHOICE, &chosen.sort,
	 "sort by this value, greatest first, and count it in folded stacks (default: bytes if measured, else refills)",
	 profile_value_options},
	{'o', "output", "FILE", OPTION_STRING, &chosen.output, "output file", NULL},
	{0, "color", "WHEN", OPTION_CHOICE, &chosen.color, "colours", terminal_color_choices},
	{0},
};

static const struct option_usage usage = {
	.synopsis = "report [OPTIONS] [FILE]",
	.description = "Prints a profile that 'escapement record' wrote (default: escapement.pb.gz), "
		       "or a heap profile of Go's runtime/pprof; '-' reads standard input.",
	.examples = "  escapement report\n"
		    "  escapement report --by function --top 10 escapement.pb.gz\n"
		    "  escapement report --by size-class --sort refills escapement.pb.gz\n"
		    "  escapement report --format json -o report.json escapement.pb.gz\n"
		    "  escapement report --by stack --focus main.main escapement.pb.gz\n"
		    "  escapement report --callers main.main escapement.pb.gz\n"
		    "  escapement report --format folded escapement.pb.gz > stacks.folded\n"
		    "  escapement report --format speedscope -o profile.speedscope.json\n",
	.rows = rows,
};

/* Reads the operands, and sets what the options left unset. */
static int understand(struct settings *settings, int argc, char **argv, int first, struct error *error)
{
	bool of_stacks = settings->format == REPORT_FOLDED || settings->format == REPORT_SPEEDSCOPE;

	if (argc - first > 1)
		return error_set(error, STATUS_USAGE, "unexpected argument '%s': one profile at a time",
				 argv[first + 1]);
	if (first < argc)
		settings->path = argv[first];
	if (of_stacks && ((settings->by != UNSET && settings->by != BY_STACK) || settings->selection.callers))
		return error_set(error, STATUS_USAGE, "--format %s shows stacks: it does not go with %s%s",
				 report_format_names[settings->format],
				 settings->selection.callers ? "--callers" : "--by ",
				 settings->selection.callers ? "" : report_by_names[settings->by]);
	if (settings->by != UNSET && settings->selection.callers)
		return error_set(error, STATUS_USAGE, "--callers groups by caller: it does not go with --by %s",
				 report_by_names[settings->by]);
	if (settings->selection.callers)
		settings->by = BY_CALLER;
	else if (settings->by == UNSET)
		settings->by = of_stacks ? BY_STACK : BY_SITE;
	return 0;
}

static int run(int argc, char **argv)
{
	int result, first = options_parse(argc, argv, &usage, NULL);
	struct profile *profile;
	struct error error;

	if (first < 0)
		return options_status(first);
	if (understand(&chosen, argc, argv, first, &error) || !(profile = pprof_read(chosen.path, &error)))
		return cli_fail(&error);
	profile_set_modules(profile, chosen.modules.values, (size_t)chosen.modules.count);
	result = write_report(&chosen, profile, &error);
	profile_free(profile);
	return result ? cli_fail(&error) : STATUS_OK;
}

const struct command command_report = {"report", "print a profile", run, NULL};
