/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CLI_H
#define ESCAPEMENT_CLI_H

/*
 * One file per command. A command describes itself in a `const struct command`, which main.c lists. Its `run` parses
 * its options (options.h), calls libescapement, and returns an exit status.
 */

#include "base/error.h"

struct command {
	const char *name;
	const char *summary;		   /* one line, for `escapement --help` */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
	/* NULL, or commands that are given as its first argument; ends with a row of zeros. */
	const struct command *subcommands;
};

/* Runs the command, or the subcommand that argv[1] names. */
int command_run(const struct command *command, int argc, char **argv);

/* The commands, in the order of the list in --help. */
#define COMMANDS(ROW) \
	ROW(record)   \
	ROW(report)   \
	ROW(heap)     \
	ROW(audit)    \
	ROW(escapes)  \
	ROW(top)      \
	ROW(html)     \
	ROW(gate)     \
	ROW(compare)  \
	ROW(agent)    \
	ROW(doctor)   \
	ROW(version)  \
	ROW(help)

#define COMMAND_DECLARATION(name) extern const struct command command_##name;
COMMANDS(COMMAND_DECLARATION)
#undef COMMAND_DECLARATION

/* The exit statuses, for readers. */
struct cli_status {
	int number;
	const char *meaning;
};
#define STATUS_ONE(...) +1
enum { CLI_STATUS_COUNT = 0 EXIT_STATUSES(STATUS_ONE) };
#undef STATUS_ONE
extern const struct cli_status cli_statuses[CLI_STATUS_COUNT];

/* Prints "escapement: TEXT" to stderr. The text is made printable (base/printable.h), whatever names are in it. Every
 * message goes through this function. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints "escapement: TEXT" to stderr and returns the error's status. */
int cli_fail(const struct error *error);
/* Warns that a command's default output file exists and will be replaced, unless -q. `by_default` is the default
 * itself, which is compared by address: a file that the user named is replaced without a warning. */
void cli_say_replaced(const char *output, const char *by_default);
/* Prints "escapement: warning: TEXT" to stderr, unless -q. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Set by -q and -v, which every command accepts. */
extern int cli_verbosity; /* -1 quiet, 0, 1 verbose */

#endif
