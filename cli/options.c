/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "text/wrap.h"
#include "cli.h"

enum { MAX_ROWS = 64, LONG_BASE = 1000, HELP_COLUMN = 28, HELP_WIDTH = 80, PRINTED_HELP = -2 };

static const struct option_usage *current; /* the command whose options are being parsed, for --help */

static options_help_function print_help, *show_help = print_help;

static int take_quiet(const struct option_row *row, const char *value)
{
	(void)row, (void)value;
	cli_verbosity = -1;
	return 0;
}

static int take_verbose(const struct option_row *row, const char *value)
{
	(void)row, (void)value;
	cli_verbosity = 1;
	return 0;
}

static int take_help(const struct option_row *row, const char *value)
{
	(void)row, (void)value;
	show_help(current);
	return PRINTED_HELP;
}

static const struct option_kind quiet = {take_quiet, NULL, 0}, verbose = {take_verbose, NULL, 0},
				help = {take_help, NULL, 0};

const struct option_row options_common[] = {
	{'q', "quiet", NULL, &quiet, NULL, "no progress and no warnings", NULL},
	{'v', "verbose", NULL, &verbose, NULL, "print more, including the messages of libraries", NULL},
	{'h', "help", NULL, &help, NULL, "print this help", NULL},
	{0},
};

void options_print_wrapped(FILE *stream, const char *text, int indent)
{
	wrap_print(stream, text, (size_t)indent, HELP_WIDTH, WRAP_WORDS);
	fputc('\n', stream);
}

char *options_help_text(const struct option_row *row)
{
	char *text = NULL, *value = NULL;
	size_t size, value_size;
	FILE *stream = open_memstream(&text, &size), *shown = open_memstream(&value, &value_size);

	if (!stream || !shown)
		memory_out();
	fputs(row->help, stream);
	for (int i = 0; row->choices && row->choices[i]; i++)
		fprintf(stream, "%s %s", i == 0 ? ":" : row->choices[i + 1] ? "," : " or", row->choices[i]);
	if (row->kind->show)
		row->kind->show(row, shown);
	fclose(shown);
	if (value_size && !strstr(row->help, "default"))
		fprintf(stream, " (default: %s)", value);
	free(value);
	fclose(stream);
	return text;
}

static void print_row(const struct option_row *row)
{
	char head[80], *text;
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
	text = options_help_text(row);
	options_print_wrapped(stdout, text, HELP_COLUMN);
	free(text);
}

static void print_help(const struct option_usage *usage)
{
	printf("usage: escapement %s\n\n", usage->synopsis);
	options_print_wrapped(stdout, usage->description, 0);
	if (usage->rows[0].name)
		printf("\noptions:\n");
	for (const struct option_row *row = usage->rows; row->name || row->help; row++)
		print_row(row);
	printf("\nalways:\n");
	for (const struct option_row *row = options_common; row->name; row++)
		print_row(row);
	printf("\nexamples:\n%s", usage->examples);
}

/* A command's rows and the common ones, in the form of getopt_long(). */
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

/* Returns the length of the command's name at the start of a synopsis: "gate compare [OPTIONS] OLD NEW". */
static int command_length(const char *synopsis)
{
	int length = 0;

	for (const char *c = synopsis; *c >= 'a' && *c <= 'z'; c += *c == ' ') {
		c += strcspn(c, " \n");
		length = (int)(c - synopsis);
	}
	return length;
}

/* Prints what is wrong with the option `word`; `letter` is the result of getopt_long(). */
static int refuse(const struct parser *parser, int letter, const char *word)
{
	struct suggestion suggestion = {0};
	char *name = memory_text_of(word, strcspn(word, "="));

	for (int i = 0; i < parser->count && strncmp(name, "--", 2) == 0; i++)
		suggest(&suggestion, name + 2, parser->rows[i]->name);
	if (letter == ':')
		cli_say("option '%s' needs a value", word);
	else if (suggestion.name && strcmp(suggestion.name, name + 2) == 0)
		cli_say("option '%s' takes no value", name);
	else if (suggestion.name)
		cli_say("unknown option '%s'; did you mean '--%s'?", word, suggestion.name);
	else
		cli_say("unknown option '%s'", word);
	fprintf(stderr, "try 'escapement %.*s --help'\n", command_length(current->synopsis), current->synopsis);
	free(name);
	return -1;
}

int options_parse(int argc, char **argv, const struct option_usage *usage, bool *separator)
{
	struct parser parser = {.letters = ":"};

	current = usage;
	add_rows(&parser, usage->rows);
	add_rows(&parser, options_common);
	opterr = 0;
	optind = 0;
	for (;;) {
		int previous = optind ? optind : 1, result;
		int letter = getopt_long(argc, argv, parser.letters, parser.long_options, NULL);
		const struct option_row *row;

		if (letter == -1)
			break;
		if (letter == ':' || letter == '?')
			return refuse(&parser, letter, argv[previous < argc ? previous : argc - 1]);
		row = row_of(&parser, letter);
		result = row->kind->take(row, optarg);
		if (result)
			return result;
	}
	if (separator)
		*separator = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
	return optind;
}

void options_set_help(options_help_function *function)
{
	show_help = function;
}

int options_status(int result)
{
	return result == PRINTED_HELP ? STATUS_OK : STATUS_USAGE;
}

const char *options_first_changed(const struct option_row *rows, const struct option_row *defaults)
{
	for (; rows->kind; rows++, defaults++) {
		if (memcmp(rows->target, defaults->target, rows->kind->size) != 0)
			return rows->name;
	}
	return NULL;
}

int options_unexpected(const char *operand, bool pid, struct error *error)
{
	if (pid && !operand[strspn(operand, "0123456789")])
		return error_set(
			error, STATUS_USAGE,
			"-p takes one process, but '%s' is a second one (do several have that name?): give one PID",
			operand);
	return error_set(error, STATUS_USAGE, "unexpected argument '%s'", operand);
}
