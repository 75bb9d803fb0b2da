/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of option values: one pair of functions per kind. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/package_glob.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "cli.h"
#include "options.h"

static int bad_value(const struct option_row *row, const char *value, const char *expected)
{
	cli_say("invalid value '%s' for --%s: expected %s", value, row->name, expected);
	return -1;
}

static int take_flag(const struct option_row *row, const char *value)
{
	(void)value;
	*(bool *)row->target = true;
	return 0;
}

static int take_no_flag(const struct option_row *row, const char *value)
{
	(void)value;
	*(bool *)row->target = false;
	return 0;
}

static int take_string(const struct option_row *row, const char *value)
{
	*(const char **)row->target = value;
	return 0;
}

static void show_string(const struct option_row *row, FILE *stream)
{
	const char *value = *(const char **)row->target;

	if (value)
		fputs(strcmp(value, "-") == 0 ? "standard output" : value, stream);
}

static int take_strings(const struct option_row *row, const char *value)
{
	struct option_list *list = row->target;

	list->values = memory_resize(list->values, (size_t)list->count + 1, sizeof(*list->values));
	list->values[list->count++] = value;
	return 0;
}

static int take_package(const struct option_row *row, const char *value)
{
	if (package_glob_is_of_directories(value))
		return bad_value(row, value,
				 "an import path, such as example.com/shop or example.com/shop/..., not directories");
	return take_string(row, value);
}

static int take_packages(const struct option_row *row, const char *value)
{
	const char *checked = NULL;
	const struct option_row one = {.name = row->name, .target = &checked};

	return take_package(&one, value) ? -1 : take_strings(row, checked);
}

static int take_integer(const struct option_row *row, const char *value)
{
	return quantity_count(value, row->target) ? bad_value(row, value, "a non-negative integer") : 0;
}

static int take_pid(const struct option_row *row, const char *value)
{
	size_t length = strlen(value);

	if (strspn(value, "0123456789") < length && strspn(value, "0123456789, ") == length) {
		cli_say("--%s takes one process, but '%s' is several PIDs; give one of them", row->name, value);
		return -1;
	}
	return take_integer(row, value);
}

static void show_integer(const struct option_row *row, FILE *stream)
{
	if (*(int64_t *)row->target > 0)
		fprintf(stream, "%" PRId64, *(int64_t *)row->target);
}

static int take_bytes(const struct option_row *row, const char *value)
{
	return quantity_bytes(value, row->target) ? bad_value(row, value, "a number of bytes, such as 4096, 512k or 1M")
						  : 0;
}

static void show_bytes(const struct option_row *row, FILE *stream)
{
	char text[QUANTITY_SIZE];

	if (*(int64_t *)row->target > 0)
		fputs(quantity_bytes_text(text, *(int64_t *)row->target), stream);
}

static int take_number(const struct option_row *row, const char *value)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end || !(number >= 0) || number > 1e15)
		return bad_value(row, value, "a non-negative number");
	*(double *)row->target = number;
	return 0;
}

static void show_number(const struct option_row *row, FILE *stream)
{
	if (*(double *)row->target > 0)
		fprintf(stream, "%g", *(double *)row->target);
}

static int take_duration(const struct option_row *row, const char *value)
{
	return quantity_seconds(value, row->target) ? bad_value(row, value, "a time, such as 10, 10s, 500ms or 1m") : 0;
}

static void show_duration(const struct option_row *row, FILE *stream)
{
	if (*(double *)row->target > 0)
		fprintf(stream, "%gs", *(double *)row->target);
}

static int take_choice(const struct option_row *row, const char *value)
{
	struct suggestion suggestion = {0};
	char expected[256] = "one of";
	size_t length = strlen(expected);

	for (int i = 0; row->choices[i]; i++) {
		if (strcmp(row->choices[i], value) == 0) {
			*(int *)row->target = i;
			return 0;
		}
		suggest(&suggestion, value, row->choices[i]);
		length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%s %s", i ? "," : "",
					   row->choices[i]);
		if (length >= sizeof(expected))
			length = sizeof(expected) - 1;
	}
	if (suggestion.name)
		snprintf(expected + length, sizeof(expected) - length, "; did you mean '%s'?", suggestion.name);
	return bad_value(row, value, expected);
}

static void show_choice(const struct option_row *row, FILE *stream)
{
	if (*(int *)row->target >= 0)
		fputs(row->choices[*(int *)row->target], stream);
}

const struct option_kind option_kind_flag = {take_flag, NULL, sizeof(bool)};
const struct option_kind option_kind_no_flag = {take_no_flag, NULL, sizeof(bool)};
const struct option_kind option_kind_string = {take_string, show_string, sizeof(const char *)};
const struct option_kind option_kind_strings = {take_strings, NULL, sizeof(struct option_list)};
const struct option_kind option_kind_package = {take_package, show_string, sizeof(const char *)};
const struct option_kind option_kind_packages = {take_packages, NULL, sizeof(struct option_list)};
const struct option_kind option_kind_integer = {take_integer, show_integer, sizeof(int64_t)};
const struct option_kind option_kind_pid = {take_pid, NULL, sizeof(int64_t)};
const struct option_kind option_kind_bytes = {take_bytes, show_bytes, sizeof(int64_t)};
const struct option_kind option_kind_number = {take_number, show_number, sizeof(double)};
const struct option_kind option_kind_duration = {take_duration, show_duration, sizeof(double)};
const struct option_kind option_kind_choice = {take_choice, show_choice, sizeof(int)};
