/* SPDX-License-Identifier: BSD-2-Clause */
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cut_files.h"
#include "base/ending_signals.h"
#include "base/enough_stack.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/printable.h"
#include "base/suggest.h"
#include "cli.h"
#include "manual.h"
#include "options.h"
#include "text/terminal.h"
#include "text/wrap.h"

int cli_verbosity;

static const struct command *const commands[] = {
#define COMMAND_POINTER(name) &command_##name,
	COMMANDS(COMMAND_POINTER)
#undef COMMAND_POINTER
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

const struct cli_status cli_statuses[] = {
#define STATUS_ROW(name, number, meaning) {number, meaning},
	EXIT_STATUSES(STATUS_ROW)
#undef STATUS_ROW
};

static void print_help(FILE *stream)
{
	fputs("usage: escapement COMMAND [OPTIONS] [-p PID | FILE | -- PROGRAM [ARG...]]\n\n"
	      "Profiles heap allocations of live processes and compares them with what the\n"
	      "Go compiler said about them.\n\ncommands:\n",
	      stream);
	for (int i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
	fputs("\nexit status:\n", stream);
	for (size_t i = 0; i < CLI_STATUS_COUNT; i++) {
		fprintf(stream, "  %-10d", cli_statuses[i].number);
		options_print_wrapped(stream, cli_statuses[i].meaning, 12);
	}
	fputs("\nsee 'escapement help COMMAND' for details and examples\n", stream);
}

enum { MESSAGE_MAX = 16 << 10 };

static void say(const char *kind, const char *format, va_list arguments)
{
	enum { INDENT = 2 };
	char text[MESSAGE_MAX], message[MESSAGE_MAX + 32];
	const char *rest = message;

	printable_format(text, sizeof(text), format, arguments);
	snprintf(message, sizeof(message), "escapement: %s%s", kind, text);
	if (isatty(STDERR_FILENO)) { /* elsewhere a message is one line, for others to search */
		size_t width = (size_t)terminal_width(stderr), first = wrap_line(message, width, WRAP_WORDS);

		rest += first + strspn(message + first, " \n");
		fprintf(stderr, "%.*s%s", (int)first, message, *rest ? "\n  " : "");
		wrap_print(stderr, rest, INDENT, width, WRAP_WORDS);
		putc('\n', stderr);
	} else {
		fprintf(stderr, "%s\n", message);
	}
}

void cli_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
}

int cli_fail(const struct error *error)
{
	cli_say("%s", error->text);
	return error->status;
}

void cli_say_replaced(const char *output, const char *by_default)
{
	if (output == by_default && cli_verbosity >= 0 && access(output, F_OK) == 0)
		cli_say("'%s' will be replaced; -o FILE writes elsewhere", output);
}

void cli_warn(const char *format, ...)
{
	va_list arguments;

	if (cli_verbosity < 0)
		return;
	va_start(arguments, format);
	say("warning: ", format, arguments);
	va_end(arguments);
}

static const struct command *find_command(const char *name)
{
	struct suggestion suggestion = {0};

	for (int i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i];
		suggest(&suggestion, name, commands[i]->name);
	}
	if (suggestion.name)
		cli_say("unknown command '%s'; did you mean '%s'?", name, suggestion.name);
	else
		cli_say("unknown command '%s'; 'escapement help' lists them", name);
	return NULL;
}

int command_run(const struct command *command, int argc, char **argv)
{
	for (const struct command *each = command->subcommands; each && each->name && argc > 1; each++) {
		if (strcmp(argv[1], each->name) == 0)
			return each->run(argc - 1, argv + 1);
	}
	return command->run(argc, argv);
}

/* `help --man COMMAND` and `help --completion SHELL` write what is installed beside the program. */
static int write_manual(const char *option, const char *argument)
{
	const struct command *command = NULL;

	if (strcmp(option, "--completion") == 0 && argument)
		return manual_completion(argument, commands, COMMAND_COUNT);
	if (strcmp(option, "--man") != 0) {
		cli_say("unknown option '%s'; 'escapement help' lists the commands", option);
		return STATUS_USAGE;
	}
	if (!argument) {
		manual_index(commands, COMMAND_COUNT);
		return STATUS_OK;
	}
	command = find_command(argument);
	return command ? manual_page(command) : STATUS_USAGE;
}

/* `help COMMAND [SUBCOMMAND]` is `COMMAND [SUBCOMMAND] --help`. */
static int run_help(int argc, char **argv)
{
	static char option[] = "--help";
	char *words[] = {argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : option, argc > 2 ? option : NULL, NULL};
	const struct command *command;

	if (argc > 1 && argv[1][0] == '-' && strcmp(argv[1], option) != 0 && strcmp(argv[1], "-h") != 0)
		return write_manual(argv[1], argc > 2 ? argv[2] : NULL);
	if (argc < 2 || argv[1][0] == '-' || strcmp(argv[1], command_help.name) == 0) {
		print_help(stdout);
		return STATUS_OK;
	}
	command = find_command(argv[1]);
	return command ? command_run(command, argc > 2 ? 3 : 2, words) : STATUS_USAGE;
}

const struct command command_help = {"help", "print the help of a command", run_help, NULL};

/* Output that could not be written (to a full disk, for example) is a failure, whatever the command returned. */
static int finish(int status)
{
	if (output_flush(stdout)) {
		cli_say("cannot write to standard output: %m");
		return status ? status : STATUS_USAGE;
	}
	return status;
}

/* The command that `argv` names. */
static int run(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		command = &command_help;
	else if (strcmp(argv[1], "--version") == 0)
		command = &command_version;
	else
		command = find_command(argv[1]);
	if (!command)
		return STATUS_USAGE;
	memory_doing("running 'escapement %s'", argv[1]);
	return finish(command_run(command, argc - 1, argv + 1));
}

int main(int argc, char **argv)
{
	enum { LARGE = 128 << 10 };

	/* glibc raises this limit to 32 MiB as soon as something so large is freed. What is freed then lies between what is still
	 * in use, and is not given back: with an audit of a million lines that costs 15 MiB. */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	/* The heap of another thread grows by a page and a system call at a time, and what is freed of it nobody uses again. */
	mallopt(M_ARENA_MAX, 1);
	cut_files_read_as_zeros();
	ending_signals_write_on(SIGXFSZ, NULL); /* ulimit -f */
	ending_signals_leave_nothing();
	setlocale(LC_CTYPE, ""); /* for the widths of characters in names */
	return enough_stack_call(run, argc, argv);
}
