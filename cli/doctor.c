/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "cli.h"
#include "record/doctor.h"
#include "options.h"
#include "recording.h"
#include "render/render_doctor.h"
#include "target/target.h"

static int run(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	const struct recording recording = RECORDING_DEFAULTS;
	const char *name = NULL;
	int64_t pid = 0, rate = recording.rate;
	int format = 0;
	const struct option_row rows[] = {
		{'p', "pid", "PID", OPTION_PID, &pid, "also examine this process", NULL},
		{0, "name", "NAME", OPTION_STRING, &name, "also examine the only process of that name", NULL},
		{0, "rate", "SIZE", OPTION_BYTES, &rate, "examine it for a recording at that rate", NULL},
		{0, "format", "FORMAT", OPTION_CHOICE, &format, "output format", formats},
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "doctor [OPTIONS] [-p PID | --name NAME]",
		.description =
			"Reports what this machine and a process support, and what to do if they do not, by trying what "
			"recordings do. Attaches nothing to the process. Exits with the status that recordings would "
			"end with.",
		.examples = "  escapement doctor\n  escapement doctor -p 1234\n",
		.rows = rows,
	};
	struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
	struct error error;
	int first = options_parse(argc, argv, &usage, NULL);
	size_t count;

	if (first < 0)
		return options_status(first);
	if (first < argc) {
		options_unexpected(argv[first], pid > 0, &error);
		return cli_fail(&error);
	}
	if (name && (pid = target_find(name, &error)) < 0)
		return cli_fail(&error);
	count = doctor_examine((int)pid, rate, findings);
	(format ? render_doctor_json : render_doctor_text)(stdout, findings, count);
	return (int)doctor_status(findings, count);
}

const struct command command_doctor = {"doctor", "report what this machine and a process support", run, NULL};
