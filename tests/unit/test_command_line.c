/* SPDX-License-Identifier: BSD-2-Clause */
/* A command line that is shown gives the same words again when a shell reads it: bash is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/command_line.h"
#include "base/printable.h"

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file, "printf '%%s\\0' %s\n", text);
	assert_int_equal(fclose(file), 0);
}

/* What bash makes of the line: its words, each with a NUL. */
static size_t read_by_bash(const char *text, char *words, size_t size)
{
	char path[] = "/tmp/escapement-words-XXXXXX", command[80];
	int descriptor = mkstemp(path);
	size_t length;
	FILE *pipe;

	assert_true(descriptor >= 0);
	write_file(path, text);
	snprintf(command, sizeof(command), "LC_ALL=C bash %s", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	length = fread(words, 1, size, pipe);
	assert_int_equal(pclose(pipe), 0);
	remove(path);
	close(descriptor);
	return length;
}

static void check(const char *const *words, const char *expected)
{
	char *text = command_line_text(words), read[4096];
	size_t length = read_by_bash(text, read, sizeof(read)), at = 0;

	if (expected)
		assert_string_equal(text, expected);
	assert_true(printable_is(text, strlen(text)));
	for (; *words; words++) {
		assert_true(at < length);
		assert_string_equal(read + at, *words);
		at += strlen(*words) + 1;
	}
	assert_int_equal(at, length);
	free(text);
}

static void words_that_a_shell_reads_as_they_are_stay_so(void **state)
{
	(void)state;
	check((const char *const[]){"go", "test", "-bench=.", "./...", "-ldflags=-X=a.b", NULL},
	      "go test -bench=. ./... -ldflags=-X=a.b");
	check((const char *const[]){"go", "test", "-run", "^$", NULL}, "go test -run '^$'");
	check((const char *const[]){"sh", "-c", "echo \"it's $HOME\" > x", NULL},
	      "sh -c 'echo \"it'\\''s $HOME\" > x'");
	check((const char *const[]){"", "~", "*", "#", "!x", "{a,b}", "a b", "größe", NULL}, NULL);
}

static void bytes_that_are_not_printable_become_escapes_that_a_shell_reads_back(void **state)
{
	char each[256][4];
	const char *words[257] = {NULL};

	(void)state;
	check((const char *const[]){"\x1b[31m", "a\nb", "it's\t\n\\",
				    "\xff\xfe"
				    "0a",
				    "\x01"
				    "1",
				    NULL},
	      "$'\\x1b[31m' $'a\\x0a\\x62' $'it\\'s\\x09\\x0a\\\\' $'\\xff\\xfe\\x30\\x61' $'\\x01\\x31'");
	for (int byte = 1; byte < 256; byte++) {
		snprintf(each[byte], sizeof(each[byte]), "%c%c", byte, 'f');
		words[byte - 1] = each[byte];
	}
	check(words, NULL);
}

static void no_words_are_no_text(void **state)
{
	char *text = command_line_text(NULL);

	(void)state;
	assert_string_equal(text, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_that_a_shell_reads_as_they_are_stay_so),
		cmocka_unit_test(bytes_that_are_not_printable_become_escapes_that_a_shell_reads_back),
		cmocka_unit_test(no_words_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
