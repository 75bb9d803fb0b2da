/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <sys/utsname.h>

#include "cli.h"
#include "options.h"
#include "target/go_versions.h"
#include "text/json_writer.h"

/* The oldest and newest release with a row, as minor versions: 19, 27. */
static void go_range(int *oldest, int *newest)
{
	const struct go_version *row;

	*oldest = go_version_row(0)->minor;
	for (int i = 0; (row = go_version_row(i)); i++)
		*newest = row->minor;
}

static void print_json(const char *machine, int oldest, int newest)
{
	struct json_writer writer;
	char release[16];

	json_writer_begin(&writer, stdout);
	json_write_object(&writer, NULL);
	json_write_text(&writer, "schema", "escapement.version/1");
	json_write_text(&writer, "version", ESCAPEMENT_VERSION);
	json_write_text(&writer, "machine", machine);
	snprintf(release, sizeof(release), "1.%d", oldest);
	json_write_text(&writer, "go_oldest", release);
	snprintf(release, sizeof(release), "1.%d", newest);
	json_write_text(&writer, "go_newest", release);
	json_write_object_end(&writer);
	json_writer_end(&writer);
}

static int run(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	int format = 0, oldest = 0, newest = 0, first;
	const struct option_row rows[] = {
		{0, "format", "FORMAT", OPTION_CHOICE, &format, "output format", formats},
		{0},
	};
	const struct option_usage usage = {
		.synopsis = "version [OPTIONS]",
		.description = "Prints the version of this tool and the Go releases whose binaries it knows.",
		.examples = "  escapement version\n  escapement version --format json\n",
		.rows = rows,
	};
	struct utsname machine = {0};
	struct error error;

	first = options_parse(argc, argv, &usage, NULL);
	if (first < 0)
		return options_status(first);
	if (first < argc) {
		error_set(&error, STATUS_USAGE, "unexpected argument '%s'", argv[first]);
		return cli_fail(&error);
	}
	uname(&machine);
	go_range(&oldest, &newest);
	if (format)
		print_json(machine.machine, oldest, newest);
	else
		printf("escapement %s\nfor Go 1.%d to 1.%d on Linux %s\n", ESCAPEMENT_VERSION, oldest, newest,
		       machine.machine);
	return STATUS_OK;
}

const struct command command_version = {"version", "print the version and the Go releases that are known", run, NULL};
