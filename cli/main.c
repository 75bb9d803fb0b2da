/* SPDX-License-Identifier: BSD-2-Clause */
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

int cli_verbosity;

static const struct command *const commands[] = {
	&command_record, &command_report, &command_audit,  &command_escapes,
	&command_html,	 &command_gate,	  &command_doctor,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *stream)
{
	fputs("usage: escapement COMMAND [OPTIONS] [-p PID | FILE | -- PROGRAM [ARG...]]\n\n"
	      "Profiles heap allocations of live processes and sets them beside what the Go\n"
	      "compiler said about them.\n\ncommands:\n",
	      stream);
	for (int i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
	fputs("\n'escapement COMMAND --help' says more, with examples.\n", stream);
}

int cli_fail(const struct error *error)
{
	fprintf(stderr, "escapement: %s\n", error->text);
	return error->status;
}

void cli_warn(const char *format, ...)
{
	va_list arguments;

	if (cli_verbosity < 0)
		return;
	fputs("escapement: warning: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* Output that could not be written is a failure, whatever the command returned: a full disk, say. */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "escapement: cannot write to standard output: %m\n");
		return status ? status : STATUS_USAGE;
	}
	return status;
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, ""); /* how wide the characters of names are */
	if (argc < 2) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return finish(STATUS_OK);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("escapement %s\n", ESCAPEMENT_VERSION);
		return finish(STATUS_OK);
	}
	for (int i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i]->name) == 0)
			return finish(commands[i]->run(argc - 1, argv + 1));
	}
	fprintf(stderr, "escapement: unknown command '%s'; 'escapement --help' lists them\n", argv[1]);
	return STATUS_USAGE;
}
