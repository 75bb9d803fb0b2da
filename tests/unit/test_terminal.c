/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pty.h>
#include <unistd.h>

#include "text/json.h"
#include "profile/profile.h"
#include "text/terminal.h"

/* A terminal of 132 columns. */
static FILE *open_terminal(void)
{
	struct winsize size = {.ws_row = 40, .ws_col = 132};
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	return fdopen(slave, "w");
}

static void clear_environment(void)
{
	unsetenv("NO_COLOR");
	unsetenv("CLICOLOR");
	unsetenv("CLICOLOR_FORCE");
	unsetenv("COLUMNS");
	setenv("TERM", "xterm", 1);
}

static void colours_follow_the_order_of_the_conventions(void **state)
{
	static const struct {
		enum terminal_color option;
		const char *no_color, *force, *clicolor;
		bool terminal, expected;
	} rows[] = {
		{COLOR_AUTO, NULL, NULL, NULL, true, true},  {COLOR_AUTO, NULL, NULL, NULL, false, false},
		{COLOR_AUTO, "1", "1", "1", true, false},    {COLOR_AUTO, "", NULL, NULL, true, true},
		{COLOR_AUTO, NULL, "1", "0", false, true},   {COLOR_AUTO, NULL, "0", NULL, false, false},
		{COLOR_AUTO, NULL, NULL, "0", true, false},  {COLOR_AUTO, NULL, NULL, "1", false, false},
		{COLOR_ALWAYS, "1", NULL, "0", false, true}, {COLOR_NEVER, NULL, "1", "1", true, false},
	};
	FILE *terminal = open_terminal(), *file = tmpfile();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clear_environment();
		if (rows[i].no_color)
			setenv("NO_COLOR", rows[i].no_color, 1);
		if (rows[i].force)
			setenv("CLICOLOR_FORCE", rows[i].force, 1);
		if (rows[i].clicolor)
			setenv("CLICOLOR", rows[i].clicolor, 1);
		if (terminal_has_color(rows[i].option, rows[i].terminal ? terminal : file) != rows[i].expected)
			fail_msg("row %zu", i);
	}
	clear_environment();
	setenv("TERM", "dumb", 1);
	assert_false(terminal_has_color(COLOR_AUTO, terminal));
	fclose(terminal);
	fclose(file);
}

static void width_is_the_terminals_and_unlimited_elsewhere(void **state)
{
	FILE *terminal = open_terminal(), *file = tmpfile();

	(void)state;
	clear_environment();
	assert_int_equal(terminal_width(terminal), 132);
	assert_int_equal(terminal_width(file), TERMINAL_UNLIMITED);
	setenv("COLUMNS", "100", 1);
	assert_int_equal(terminal_width(terminal), 100);
	assert_int_equal(terminal_width(file), 100);
	setenv("COLUMNS", "3", 1);
	assert_int_equal(terminal_width(file), 40);
	assert_int_equal(terminal_prose_width(40), 40);
	assert_int_equal(terminal_prose_width(TERMINAL_UNLIMITED), 80);
	setenv("COLUMNS", "wide", 1);
	assert_int_equal(terminal_width(file), TERMINAL_UNLIMITED);
	fclose(terminal);
	fclose(file);
}

static void numbers_are_short_but_exact_while_they_fit(void **state)
{
	char text[TERMINAL_NUMBER_SIZE];

	(void)state;
	assert_string_equal(terminal_number(text, 0), "0");
	assert_string_equal(terminal_number(text, VALUE_UNMEASURED), "-");
	assert_string_equal(terminal_number(text, 9999999999), "9999999999");
	assert_string_equal(terminal_number(text, 10000000000), "10.0G");
	assert_string_equal(terminal_number(text, INT64_MAX), "9.22E");
	assert_string_equal(terminal_bytes(text, 0), "0B");
	assert_string_equal(terminal_bytes(text, 1023), "1023B");
	assert_string_equal(terminal_bytes(text, 1024), "1.00KiB");
	assert_string_equal(terminal_bytes(text, 1023 * 1024), "1.00MiB");
	assert_string_equal(terminal_bytes(text, 524288), "512KiB");
	assert_string_equal(terminal_bytes(text, VALUE_UNMEASURED), "-");
	assert_string_equal(terminal_bytes(text, INT64_MAX), "8.00EiB");
}

static void json_keeps_integers_nulls_and_any_bytes(void **state)
{
	struct json_document document;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	cJSON *row = json_object();

	(void)state;
	json_add_integer(row, "large", INT64_MAX);
	json_add_value(row, "unmeasured", VALUE_UNMEASURED);
	json_add_value(row, "zero", 0);
	json_add_position(row, "line", 0);
	json_add_text(row, "bytes", "a\xff\"\n");
	json_add_text(row, "none", NULL);
	json_add_bool(row, "yes", true);
	json_document_begin(&document, stream, "test/1");
	json_document_rows_begin(&document, "empty");
	json_document_rows_end(&document);
	json_document_rows_begin(&document, "rows");
	json_document_row(&document, row);
	json_document_row(&document, json_array());
	json_document_rows_end(&document);
	json_document_end(&document);
	fclose(stream);
	assert_string_equal(text, "{\"schema\":\"test/1\",\n\"empty\":[],\n\"rows\":[\n"
				  "{\"large\":9223372036854775807,\"unmeasured\":null,\"zero\":0,\"line\":null,"
				  "\"bytes\":\"a\xef\xbf\xbd\\\"\\n\",\"none\":null,\"yes\":true},\n[]\n]}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(colours_follow_the_order_of_the_conventions),
		cmocka_unit_test(width_is_the_terminals_and_unlimited_elsewhere),
		cmocka_unit_test(numbers_are_short_but_exact_while_they_fit),
		cmocka_unit_test(json_keeps_integers_nulls_and_any_bytes),
	};

	return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
