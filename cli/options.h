/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OPTIONS_H
#define ESCAPEMENT_OPTIONS_H

/*
 * Options as tables. A command's table drives its parser and its --help: an option is a row, and a row without a name
 * is the heading of a group. -h/--help, -q/--quiet and -v/--verbose are accepted everywhere and need no row.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

struct option_row;

/* The kind of an option's value. */
struct option_kind {
	/* Stores `value` (NULL for flags) in the row's target. Returns 0, or -1 after printing what was expected
	 * instead. */
	int (*take)(const struct option_row *row, const char *value);
	/* Writes the target's value; because this happens before options are parsed, it is the default. Writes nothing
	 * if there is no default. NULL for kinds that never have one. */
	void (*show)(const struct option_row *row, FILE *stream);
	size_t size; /* of the target */
};

extern const struct option_kind option_kind_flag, option_kind_no_flag, option_kind_string, option_kind_strings,
	option_kind_package, option_kind_packages, option_kind_integer, option_kind_pid, option_kind_bytes,
	option_kind_number, option_kind_duration, option_kind_choice;

#define OPTION_FLAG	(&option_kind_flag)	/* bool *: set to true */
#define OPTION_NO_FLAG	(&option_kind_no_flag)	/* bool *: set to false */
#define OPTION_STRING	(&option_kind_string)	/* const char ** */
#define OPTION_STRINGS	(&option_kind_strings)	/* struct option_list *: may be given several times */
#define OPTION_PACKAGE	(&option_kind_package)	/* const char **: as package_glob() takes it */
#define OPTION_PACKAGES (&option_kind_packages) /* struct option_list *: of these */
#define OPTION_INTEGER	(&option_kind_integer)	/* int64_t *: not negative */
#define OPTION_PID	(&option_kind_pid)	/* int64_t *: of one process */
#define OPTION_BYTES	(&option_kind_bytes)	/* int64_t *: as quantity_bytes() reads them */
#define OPTION_NUMBER	(&option_kind_number)	/* double *: not negative */
#define OPTION_DURATION (&option_kind_duration) /* double *: seconds, as quantity_seconds() reads them */
#define OPTION_CHOICE	(&option_kind_choice)	/* int *: index into `choices` */

struct option_list {
	const char **values;
	int count;
};

struct option_row {
	char letter;	      /* 0 for none */
	const char *name;     /* long name, without the dashes; NULL heads a group: `help` is its title */
	const char *argument; /* "PID" in --help; NULL for flags */
	const struct option_kind *kind;
	void *target;
	const char *help;	    /* --help adds the choices, and the default unless the text has one */
	const char *const *choices; /* NULL-terminated, for OPTION_CHOICE */
};

struct option_usage {
	const char *synopsis;	       /* "record [OPTIONS] (-p PID | -- PROGRAM [ARG...])" */
	const char *description;       /* a paragraph */
	const char *examples;	       /* one per line; each works as written */
	const struct option_row *rows; /* ends with a row of zeros */
};

/*
 * Parses argv. Returns the index of the first operand (after `--`), or -1 after printing an error, or -2 after printing
 * --help; options_status() turns these two into exit statuses. `*separator` (may be NULL) tells whether a `--` preceded
 * the operands. Options after the first operand belong to the operands' program if a `--` was given; otherwise they are
 * ours.
 */
int options_parse(int argc, char **argv, const struct option_usage *usage, bool *separator);
int options_status(int result);

/* Fails because of an operand where none is expected. After an option -p (`pid`), a number is another process. */
int options_unexpected(const char *operand, bool pid, struct error *error);

/* The name of the first option whose target differs from that of the same row of `defaults`; NULL if none does. Both end
 * with a row of zeros. */
const char *options_first_changed(const struct option_row *rows, const struct option_row *defaults);

/* What --help does with the options of the command that it was given to: prints them, unless another function is set. */
typedef void options_help_function(const struct option_usage *usage);
void options_set_help(options_help_function *function);

/* The rows that every command has; ends with a row of zeros. */
extern const struct option_row options_common[];

/* The row's help with its choices and its default. The caller frees it. */
char *options_help_text(const struct option_row *row);

/* Prints words from column `indent`, where the cursor is, wrapped at 80 and continued at `indent`; ends the line. */
void options_print_wrapped(FILE *stream, const char *text, int indent);

#endif
