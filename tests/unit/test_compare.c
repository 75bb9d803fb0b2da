/* SPDX-License-Identifier: BSD-2-Clause */
/* Parsing of go command lines, and of the runtime's gctrace output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "compare/gc_trace.h"
#include "compare/go_line.h"

static void test_flags_and_packages_of_go_test_stand_in_any_order(void **state)
{
	char *words[] = {"env",	     "A=1",	"go",	    "test",  "-bench", ".",	"-tags", "x,y", "./a", "--race",
			 "-count=2", "./b/...", "-gcflags", "-N -l", "-v",     "-args", "-tags", "z",	NULL};
	struct go_line *line = go_line_read(words);

	(void)state;
	assert_non_null(line);
	assert_false(line->runs);
	assert_int_equal(line->subcommand, 3);
	assert_int_equal(line->go_word, 2);
	assert_string_equal(line->go[2], "go");
	assert_null(line->go[3]);
	assert_int_equal(line->package_count, 2);
	assert_string_equal(line->packages[0], "./a");
	assert_string_equal(line->packages[1], "./b/...");
	assert_int_equal(line->flag_count, 2);
	assert_string_equal(line->flags[0], "-tags=x,y");
	assert_string_equal(line->flags[1], "-race");
	assert_string_equal(line->compiler_flags, "-N -l");
	go_line_free(line);
}

static void test_arguments_of_go_run_are_the_programs(void **state)
{
	char *words[] = {"go1.26", "-C", "dir", "run", "-trimpath", "./cmd/x", "-tags", "z", NULL};
	char *files[] = {"go", "run", "a.go", "b.go", "c", NULL};
	struct go_line *line = go_line_read(words);

	(void)state;
	assert_non_null(line);
	assert_true(line->runs);
	assert_int_equal(line->go_word, 0);
	assert_string_equal(line->directory, "dir");
	assert_int_equal(line->package_count, 1);
	assert_string_equal(line->packages[0], "./cmd/x");
	assert_int_equal(line->flag_count, 1);
	assert_string_equal(line->arguments[0], "-tags");
	go_line_free(line);
	line = go_line_read(files);
	assert_non_null(line);
	assert_int_equal(line->package_count, 2);
	assert_string_equal(line->arguments[0], "c");
	go_line_free(line);
}

static void test_other_commands_are_no_line_of_go(void **state)
{
	char *build[] = {"go", "build", NULL}, *program[] = {"./test", "go", NULL};

	(void)state;
	assert_null(go_line_read(build));
	assert_null(go_line_read(program));
}

/* gctrace lines as Go 1.27 prints them, among other output. */
static const char trace_text[] =
	"gc 1 @0.010s 2%: 0.018+0.41+0.003 ms clock, 0.036+0/0.3/0+0.006 ms cpu, 4->4->0 MB, 4 MB goal, 0 MB stacks, 0 MB "
	"globals, 2 P\n"
	"a line of the program: gc 7 @9s 99%:\n"
	"gc 2 @2.000s 10%: 0.1+0.1+0.1 ms clock\n"
	"gc 1 @0.500s 4%: another process\n"
	"gc x @1s 1%:\ngc 3 @-1s 1%:\ngc 3 @1s 101%:\n"
	"gc 2 @2.000s 5%: its second\n";

static void test_collections_of_two_processes_are_added_up_whatever_the_pieces(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 40; piece++) {
		struct gc_trace trace = {0};

		for (size_t at = 0; at < sizeof(trace_text) - 1; at += piece)
			gc_trace_read(&trace, trace_text + at,
				      at + piece < sizeof(trace_text) - 1 ? piece : sizeof(trace_text) - 1 - at);
		assert_false(trace.measured);
		gc_trace_end(&trace);
		assert_true(trace.measured);
		assert_int_equal(trace.collections, 4);
		assert_true(gc_trace_rate(&trace) == 1); /* 4 collections in 2 + 2 seconds */
		assert_true(gc_trace_share(&trace) == 7.5);
	}
}

static void test_a_run_without_collections_has_none(void **state)
{
	struct gc_trace trace = {0};

	(void)state;
	gc_trace_end(&trace);
	assert_true(trace.measured);
	assert_true(gc_trace_rate(&trace) == 0);
	assert_true(gc_trace_share(&trace) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_and_packages_of_go_test_stand_in_any_order),
		cmocka_unit_test(test_arguments_of_go_run_are_the_programs),
		cmocka_unit_test(test_other_commands_are_no_line_of_go),
		cmocka_unit_test(test_collections_of_two_processes_are_added_up_whatever_the_pieces),
		cmocka_unit_test(test_a_run_without_collections_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
