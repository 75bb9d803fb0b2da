/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OPTIONS_H
#define ESCAPEMENT_OPTIONS_H

/*
 * Options as tables. A command's table is its parser and its --help at once. -h/--help, -q/--quiet and -v/--verbose
 * are understood everywhere and need no row.
 */

#include <stdbool.h>
#include <stdint.h>

enum option_type {
	OPTION_FLAG,	/* bool *: set to true */
	OPTION_NO_FLAG, /* bool *: set to false */
	OPTION_STRING,	/* const char ** */
	OPTION_STRINGS, /* struct option_list *: may be given several times */
	OPTION_INTEGER, /* int64_t *: not negative */
	OPTION_BYTES,	/* int64_t *: with k, M or G (powers of 1024) */
	OPTION_NUMBER,	/* double *: not negative */
	OPTION_CHOICE,	/* int *: index into `choices` */
};

struct option_list {
	const char **values;
	int count;
};

struct option_row {
	char letter;	      /* 0 for none */
	const char *name;     /* long name, without the dashes; NULL heads a group: `help` is its title */
	const char *argument; /* "PID" in --help; NULL for flags */
	enum option_type type;
	void *target;
	const char *help;
	const char *const *choices; /* NULL-terminated, for OPTION_CHOICE */
};

struct option_usage {
	const char *synopsis;	       /* "record [OPTIONS] (-p PID | -- PROGRAM [ARG...])" */
	const char *description;       /* a paragraph */
	const char *examples;	       /* one a line, each works as written */
	const struct option_row *rows; /* ends with a row of zeros */
};

/*
 * Parses argv. Returns the index of the first operand (`--` skipped), or -1 after printing what is wrong, or
 * -2 after printing --help; options_status() turns these two into exit statuses. `*separator` (may be NULL) says
 * whether a `--` came before the operands. Options after the first operand belong to the operands' program when
 * a `--` was given; without one they are ours.
 */
int options_parse(int argc, char **argv, const struct option_usage *usage, bool *separator);
int options_status(int result);

#endif
