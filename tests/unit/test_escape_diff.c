/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape/escape_parser.h"
#include "escape/escape_diff.h"
#include "escape/escape_functions.h"
#include "escape_fixture.h"

struct side {
	struct escape_output *output;
	struct escape_graph *graph;
};

static struct side side(const char *text)
{
	struct error error;
	struct side side = {escape_parse(text, strlen(text), "test", &error), NULL};

	if (!side.output)
		fail_msg("%s", error.text);
	escape_name_functions(side.output, NULL);
	side.graph = escape_graph_new(side.output);
	return side;
}

/* Compares two outputs. `expected` lists the differences in order: "+x" is new, "-y" gone, "~z" changed. */
static void expect(const char *before_text, const char *after_text, const char *expected, bool by_function)
{
	static const char signs[] = "+-~";
	const struct escape_filter filter = {.kinds = ESCAPE_KINDS_HEAP};
	struct side before = side(before_text), after = side(after_text);
	struct escape_diff *diff = escape_diff_new(&(struct escape_side){before.output, before.graph},
						   &(struct escape_side){after.output, after.graph}, &filter);
	char found[512] = "";

	for (size_t i = 0; i < diff->change_count; i++) {
		const struct escape_change *c = &diff->changes[i];
		size_t length = strlen(found);

		snprintf(found + length, sizeof(found) - length, "%s%c%s", i ? " " : "", signs[c->kind],
			 (c->kind == ESCAPE_GONE ? c->before : c->after)->subject);
	}
	assert_string_equal(found, expected);
	assert_int_equal(diff->by_function, by_function);
	escape_diff_free(diff);
	escape_graph_free(before.graph);
	escape_graph_free(after.graph);
	escape_free(before.output);
	escape_free(after.output);
}

#define DECLARED "# p\na.go:3:6: cannot inline f: x\na.go:30:6: cannot inline g: x\n"

static void moved_lines_are_no_change(void **state)
{
	(void)state;
	expect(DECLARED "a.go:4:2: moved to heap: x\na.go:31:2: y escapes to heap\n",
	       "# p\nb.go:13:6: cannot inline f: other\na.go:300:6: cannot inline g: x\n"
	       "b.go:19:7: moved to heap: x\na.go:301:2: y escapes to heap\n",
	       "", true);
}

static void new_and_gone_are_told_by_function_and_subject(void **state)
{
	(void)state;
	expect(DECLARED "a.go:4:2: moved to heap: x\na.go:31:2: moved to heap: y\n",
	       DECLARED "a.go:4:2: moved to heap: x\na.go:5:2: moved to heap: y\n", "+y -y", true);
	expect(DECLARED "a.go:4:2: moved to heap: x\n",
	       DECLARED "a.go:4:2: moved to heap: x\na.go:9:2: moved to heap: x\n", "+x", true);
	expect(DECLARED "a.go:4:2: moved to heap: x\n", DECLARED "a.go:4:2: x does not escape\n", "-x", true);
}

static void a_new_function_literal_does_not_rename_the_others(void **state)
{
	(void)state;
	expect("# p\na.go:4:2: x escapes to heap in f.func1:\na.go:4:2: moved to heap: x\n",
	       "# p\na.go:8:2: x escapes to heap in f.func2:\na.go:8:2: moved to heap: x\n", "", true);
}

static void temporaries_are_compared_without_their_numbers(void **state)
{
	(void)state;
	expect(DECLARED "a.go:4:2: moved to heap: .autotmp_12\n", DECLARED "a.go:4:2: moved to heap: .autotmp_7\n", "",
	       true);
}

static void packages_are_kept_apart(void **state)
{
	(void)state;
	expect("# p\na.go:3:6: cannot inline f: x\na.go:4:2: moved to heap: x\n",
	       "# q\na.go:3:6: cannot inline f: x\na.go:4:2: moved to heap: x\n", "+x -x", true);
}

#define EXPLAINED(step)                                                                                \
	DECLARED "a.go:4:2: x escapes to heap:\na.go:4:2:   flow: ~r0 = &x:\na.go:4:2:     from " step \
		 " at a.go:5:1\n"                                                                      \
		 "a.go:4:2: moved to heap: x\n"

static void a_reason_changes_with_what_happens_not_with_names(void **state)
{
	(void)state;
	expect(EXPLAINED("return &x (return)"), EXPLAINED("return &x, 1 (return)"), "", true);
	expect(EXPLAINED("return &x (return)"), EXPLAINED("g = &x (assign)"), "~x", true);
	expect(EXPLAINED("fmt.Println(&x) (call parameter)"), EXPLAINED("fmt.Println(&x, 2) (call parameter)"), "",
	       true);
	expect(EXPLAINED("fmt.Println(&x) (call parameter)"), EXPLAINED("log.Println(&x) (call parameter)"), "~x",
	       true);
}

static void without_functions_files_stand_for_them(void **state)
{
	(void)state;
	expect("# p\na.go:4:2: moved to heap: x\n", "# p\na.go:40:2: moved to heap: x\n", "", false);
	expect("# p\na.go:4:2: moved to heap: x\n", "# p\nb.go:4:2: moved to heap: x\n", "+x -x", false);
	/* Functions have to be known on both sides. */
	expect("# p\na.go:4:2: moved to heap: x\n", DECLARED "a.go:4:2: moved to heap: x\n", "", false);
}

static void every_release_of_the_seeds_moves_the_same(void **state)
{
	const struct escape_filter filter = {.kinds = UINT32_C(1) << ESCAPE_MOVED_TO_HEAP};

	glob_t fixtures;

	(void)state;
	escape_fixtures("m-l", &fixtures);
	for (size_t r = 1; r < fixtures.gl_pathc; r++) {
		struct escape_output *outputs[2];
		struct escape_graph *graphs[2];
		struct escape_diff *diff;

		for (size_t i = 0; i < 2; i++) {
			struct error error;

			outputs[i] = escape_read(fixtures.gl_pathv[r - i], &error);
			assert_non_null(outputs[i]);
			escape_name_functions(outputs[i], "tests/fixtures/seed-programs");
			graphs[i] = escape_graph_new(outputs[i]);
		}
		diff = escape_diff_new(&(struct escape_side){outputs[1], graphs[1]},
				       &(struct escape_side){outputs[0], graphs[0]}, &filter);
		assert_int_equal(diff->change_count, 0);
		assert_true(diff->by_function);
		escape_diff_free(diff);
		for (size_t i = 0; i < 2; i++) {
			escape_graph_free(graphs[i]);
			escape_free(outputs[i]);
		}
	}
	globfree(&fixtures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moved_lines_are_no_change),
		cmocka_unit_test(new_and_gone_are_told_by_function_and_subject),
		cmocka_unit_test(a_new_function_literal_does_not_rename_the_others),
		cmocka_unit_test(temporaries_are_compared_without_their_numbers),
		cmocka_unit_test(packages_are_kept_apart),
		cmocka_unit_test(a_reason_changes_with_what_happens_not_with_names),
		cmocka_unit_test(without_functions_files_stand_for_them),
		cmocka_unit_test(every_release_of_the_seeds_moves_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
