/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "cli.h"
#include "options.h"
#include "reporting.h"
#include "source.h"
#include "text/terminal.h"

static struct reporting chosen = REPORTING_DEFAULTS;

static const struct option_row rows[] = {
	{0, "format", "FORMAT", OPTION_CHOICE, &chosen.format, REPORTING_FORMAT_HELP, report_format_names},
	REPORTING_ROWS(chosen),
	{0},
};

static const struct option_usage usage = {
	.synopsis = "report [OPTIONS] [FILE]",
	.description =
		"Prints a profile that 'escapement record' or 'escapement heap' wrote (default: "
		"escapement.pb.gz), or a heap profile of Go's runtime/pprof; '-' reads standard input; " SOURCE_HELP
		".",
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

static int run(int argc, char **argv)
{
	int result, first = options_parse(argc, argv, &usage, NULL);
	const char *path = "escapement.pb.gz";
	struct profile *profile;
	struct error error;

	if (first < 0)
		return options_status(first);
	if (argc - first > 1) {
		cli_say("unexpected argument '%s': one profile at a time", argv[first + 1]);
		return STATUS_USAGE;
	}
	if (first < argc)
		path = argv[first];
	if (reporting_settle(&chosen, &error) || !(profile = source_profile(path, &error)))
		return cli_fail(&error);
	result = reporting_write(&chosen, profile, path, &error);
	profile_free(profile);
	return result ? cli_fail(&error) : STATUS_OK;
}

const struct command command_report = {"report", "print a profile", run, NULL};
