/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { MAX_ROWS = 64, LONG_BASE = 1000, HELP_COLUMN = 28, HELP_WIDTH = 80 };

static const struct option_row common_rows[] = {
	{'q', "quiet", NULL, OPTION_FLAG, NULL, "no progress and no warnings", NULL},
	{'v', "verbose", NULL, OPTION_FLAG, NULL, "say more, libraries' own messages too", NULL},
	{'h', "help", NULL, OPTION_FLAG, NULL, "print this help", NULL},
	{0},
};

/* Prints `text` from the current column `column` on, wrapped at words, continued at HELP_COLUMN. */
static void print_wrapped(const char *text, int column, int indent)
{
	while (*text) {
		const char *end = strchrnul(text, ' ');
		int length = (int)(end - text);

		if (column > indent && column + 1 + length > HELP_WIDTH) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", length, text);
		column += length;
		text = *end ? end + 1 : end;
	}
	putchar('\n');
}

static void print_row(const struct option_row *row)
{
	char head[80];
	int length;

	if (!row->name) {
		printf("\n%s:\n", row->help);
		return;
	}
	if (row->letter)
		length = snprintf(head, sizeof(head), "  -%c, --%s", row->letter, row->name);
	else
		length = snprintf(head, sizeof(head), "      --%s", row->name);
	if (row->argument)
		length += snprintf(head + length, sizeof(head) - (size_t)length, " %s", row->argument);
	fputs(head, stdout);
	if (length >= HELP_COLUMN) {
		printf("\n%*s", HELP_COLUMN, "");
	} else {
		printf("%*s", HELP_COLUMN - length, "");
	}
	print_wrapped(row->help, HELP_COLUMN, HELP_COLUMN);
}

static void print_help(const struct option_usage *usage)
{
	printf("usage: escapement %s\n\n", usage->synopsis);
	print_wrapped(usage->description, 0, 0);
	if (usage->rows[0].name)
		printf("\noptions:\n");
	for (const struct option_row *row = usage->rows; row->name || row->help; row++)
		print_row(row);
	printf("\nalways:\n");
	for (const struct option_row *row = common_rows; row->name; row++)
		print_row(row);
	printf("\nexamples:\n%s", usage->examples);
}

static int parse_integer(const char *text, bool suffixes, int64_t *value)
{
	char *end;
	long long number;
	int shift = 0;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || errno || number < 0)
		return -1;
	if (suffixes && *end) {
		switch (*end) {
		case 'k':
		case 'K':
			shift = 10;
			break;
		case 'm':
		case 'M':
			shift = 20;
			break;
		case 'g':
		case 'G':
			shift = 30;
			break;
		default:
			return -1;
		}
		end++;
		if (*end == 'i' && end[1] == 'B')
			end += 2;
		else if (*end == 'B')
			end++;
	}
	if (*end || number > INT64_MAX >> shift)
		return -1;
	*value = (int64_t)number << shift;
	return 0;
}

static int bad_value(const struct option_row *row, const char *value, const char *expected)
{
	fprintf(stderr, "escapement: invalid value '%s' for --%s: expected %s\n", value, row->name, expected);
	return -1;
}

static int store(const struct option_row *row, const char *value)
{
	switch (row->type) {
	case OPTION_FLAG:
	case OPTION_NO_FLAG:
		*(bool *)row->target = row->type == OPTION_FLAG;
		return 0;
	case OPTION_STRING:
		*(const char **)row->target = value;
		return 0;
	case OPTION_STRINGS: {
		struct option_list *list = row->target;

		list->values = reallocarray(list->values, (size_t)list->count + 1, sizeof(*list->values));
		if (!list->values)
			abort();
		list->values[list->count++] = value;
		return 0;
	}
	case OPTION_INTEGER:
		return parse_integer(value, false, row->target) ? bad_value(row, value, "a whole number, not negative")
								: 0;
	case OPTION_BYTES:
		return parse_integer(value, true, row->target)
			       ? bad_value(row, value, "a number of bytes, such as 4096, 512k or 1M")
			       : 0;
	case OPTION_NUMBER: {
		char *end;
		double number = strtod(value, &end);

		if (end == value || *end || !(number >= 0) || number > 1e15)
			return bad_value(row, value, "a number, not negative");
		*(double *)row->target = number;
		return 0;
	}
	case OPTION_CHOICE: {
		char expected[256] = "one of";

		for (int i = 0; row->choices[i]; i++) {
			size_t length = strlen(expected);

			if (strcmp(row->choices[i], value) == 0) {
				*(int *)row->target = i;
				return 0;
			}
			snprintf(expected + length, sizeof(expected) - length, "%s %s", i ? "," : "", row->choices[i]);
		}
		return bad_value(row, value, expected);
	}
	}
	return -1;
}

/* A command's rows and the common ones, as getopt_long() wants them. */
struct parser {
	const struct option_row *rows[MAX_ROWS];
	struct option long_options[MAX_ROWS + 1]; /* of rows[i]: LONG_BASE + i */
	char letters[2 * MAX_ROWS + 4];
	int count;
};

static void add_rows(struct parser *parser, const struct option_row *row)
{
	char *letter = parser->letters + strlen(parser->letters);

	for (; row->name || row->help; row++) {
		if (!row->name)
			continue;
		if (parser->count == MAX_ROWS)
			abort();
		parser->long_options[parser->count] = (struct option){
			row->name, row->argument ? required_argument : no_argument, NULL, LONG_BASE + parser->count};
		parser->rows[parser->count++] = row;
		if (row->letter)
			*letter++ = row->letter;
		if (row->letter && row->argument)
			*letter++ = ':';
	}
}

static const struct option_row *row_of(const struct parser *parser, int letter)
{
	for (int i = 0; i < parser->count; i++) {
		if (letter == LONG_BASE + i || letter == parser->rows[i]->letter)
			return parser->rows[i];
	}
	return NULL;
}

/* Does what one option asks for. 0, or what options_parse() returns. */
static int apply(const struct option_row *row, const struct option_usage *usage)
{
	if (row == &common_rows[0]) {
		cli_verbosity = -1;
	} else if (row == &common_rows[1]) {
		cli_verbosity = 1;
	} else if (row == &common_rows[2]) {
		print_help(usage);
		return -2;
	} else {
		return store(row, optarg);
	}
	return 0;
}

int options_parse(int argc, char **argv, const struct option_usage *usage, bool *separator)
{
	struct parser parser = {.letters = ":"};

	add_rows(&parser, usage->rows);
	add_rows(&parser, common_rows);
	opterr = 0;
	optind = 0;
	for (;;) {
		int previous = optind ? optind : 1, result;
		int letter = getopt_long(argc, argv, parser.letters, parser.long_options, NULL);

		if (letter == -1)
			break;
		if (letter == ':' || letter == '?') {
			const char *word = argv[previous < argc ? previous : argc - 1];

			fprintf(stderr,
				letter == ':' ? "escapement: option '%s' needs a value\n"
					      : "escapement: unknown option '%s'\n",
				word);
			fprintf(stderr, "try 'escapement %s --help'\n", argv[0]);
			return -1;
		}
		result = apply(row_of(&parser, letter), usage);
		if (result)
			return result;
	}
	if (separator)
		*separator = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
	return optind;
}

int options_status(int result)
{
	return result == -2 ? STATUS_OK : STATUS_USAGE;
}
