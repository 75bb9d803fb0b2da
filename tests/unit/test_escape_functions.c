/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "escape/escape_parser.h"
#include "escape/escape_functions.h"
#include "escape/go_source.h"

static void expect_functions(const char *source, const char *expected)
{
	struct source_functions functions;
	char found[2048] = "";
	size_t length = 0;

	go_source_scan(source, strlen(source), &functions);
	for (size_t i = 0; i < functions.count; i++) {
		const struct source_function *f = &functions.functions[i];

		length += (size_t)snprintf(found + length, sizeof(found) - length, "%s%s %u:%u-%u:%u", i ? ", " : "",
					   f->name, f->line, f->column, f->end_line, f->end_column);
	}
	if (strcmp(found, expected))
		fail_msg("in\n%s\nfound    %s\nexpected %s", source, found, expected);
	go_functions_free(&functions);
}

static void functions_and_methods_are_named_as_the_compiler_does(void **state)
{
	(void)state;
	expect_functions("package p\n\nfunc f() {\n}\n", "f 3:1-4:1");
	expect_functions("package p\nfunc (t *T) M() int { return 1 }\nfunc (T) N()\n",
			 "(*T).M 2:1-2:32, T.N 3:1-3:11");
	expect_functions("package p\nfunc F[K comparable, V any](m map[K]V) {}\nfunc (s *S[K, V]) Get() {}\n",
			 "F[...] 2:1-2:41, (*S[...]).Get 3:1-3:26");
	expect_functions(
		"package p\nfunc f() (a, b int) { }\nfunc g() struct{ x int } { }\nfunc h() interface{ M() } { }\n",
		"f 2:1-2:23, g 3:1-3:28, h 4:1-4:29");
	expect_functions("package p\nfunc f() func(int) func() { return nil }\nfunc g() map[string]chan<- int { }\n",
			 "f 2:1-2:40, g 3:1-3:34");
}

static void literals_have_names_and_places_of_their_own(void **state)
{
	(void)state;
	expect_functions(
		"package p\nfunc f() {\n\tgo func() {\n\t\tdefer func() {}()\n\t}()\n\tx := func() int { return 1 }\n}\n",
		"f 2:1-7:1, f.func1 3:5-5:2, f.func1.1 4:9-4:17, f.func2 6:7-6:29");
	expect_functions("package p\nvar x = func() {}\nfunc f() {}\n", "init.func1 2:9-2:17, f 3:1-3:11");
	expect_functions("package p\nvar t = map[string]func(){\"a\": func() {}}\n", "init.func1 2:32-2:40");
}

static void types_are_no_literals(void **state)
{
	(void)state;
	expect_functions("package p\ntype F func(int) error\ntype I interface {\n\tM(func()) func()\n}\nvar f func()\n"
			 "func g(h func() int, k ...func()) { var x func(); _ = []func(){f, nil}; _ = x }\n",
			 "g 7:1-7:79");
	expect_functions(
		"package p\nfunc g(x any) {\n\tswitch x.(type) {\n\tcase func():\n\t}\n\t_ = x.(func() int)\n}\n",
		"g 2:1-7:1");
}

static void comments_and_strings_hide_what_they_hold(void **state)
{
	(void)state;
	expect_functions(
		"package p\n// func a() {\n/* func b() {\n*/ func c() { _ = \"}\\\"{\"; _ = `}\n{` ; _ = '}'; _ = '\\'' } // }\n",
		"c 4:4-5:24");
}

static void broken_source_ends_in_peace(void **state)
{
	static const char *const sources[] = {"",
					      "func",
					      "func (",
					      "func f(",
					      "func f() {",
					      "func f() func(",
					      "\"",
					      "`",
					      "/*",
					      "func f() { func( { [ ",
					      "'",
					      "}}}}",
					      "func\nfunc\nfunc ( func [ func {"};
	struct source_functions functions;
	char *deep = malloc(1000000);

	(void)state;
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		go_source_scan(sources[i], strlen(sources[i]), &functions);
		go_functions_free(&functions);
	}
	memset(deep, '{', 1000000);
	go_source_scan(deep, 1000000, &functions);
	go_functions_free(&functions);
	free(deep);
}

static const char source[] = "package p\n"				/* 1 */
			     "var v = &T{}\n"				/* 2 */
			     "func init() { g = new(int) }\n"		/* 3 */
			     "func f() {\n"				/* 4 */
			     "\tx := func() *int { return new(int) }\n" /* 5: the literal at column 7 */
			     "\t_ = x\n"				/* 6 */
			     "}\n"					/* 7 */
			     "var w = new(int)\n"			/* 8 */
			     "func (t *T) M() { g = new(int) }\n";	/* 9 */

static const char compiled[] = "# p\n"
			       "p.go:3:6: can inline init.0 with cost 3 as: func() { }\n"
			       "p.go:4:6: cannot inline f: recursive\n"
			       "p.go:5:7: can inline f.func1 with cost 3 as: func() *int { return new(int) }\n"
			       "p.go:9:6: can inline (*T).M with cost 3 as: method(*T) func() { }\n"
			       "p.go:2:9: &T{} escapes to heap\n"
			       "p.go:3:24: new(int) escapes to heap\n"
			       "p.go:5:7: func literal does not escape\n"
			       "p.go:5:31: new(int) escapes to heap\n"
			       "p.go:8:12: new(int) escapes to heap\n"
			       "p.go:9:27: new(int) escapes to heap\n"
			       "q.go:9:27: new(int) escapes to heap\n";

static const struct {
	uint32_t line, column;
	const char *with_source, *without;
} places[] = {
	{2, 9, "init", NULL},	 {3, 24, "init.0", "init.0"}, {5, 7, "f", "f"},
	{5, 31, "f.func1", "f"}, {8, 12, "init", "f"},	      {9, 27, "(*T).M", "(*T).M"},
};

static void check_places(const char *directory, bool with_source)
{
	struct error error;
	struct escape_output *output = escape_parse(compiled, strlen(compiled), "test", &error);
	size_t found = 0;

	assert_non_null(output);
	assert_int_equal(escape_name_functions(output, directory), with_source ? 1 : 2);
	for (size_t i = 4; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++) {
			const char *expected = with_source ? places[p].with_source : places[p].without;

			if (a->line != places[p].line || a->column != places[p].column || *a->file != 'p')
				continue;
			found++;
			if (!a->function != !expected || (expected && strcmp(a->function, expected)))
				fail_msg("%u:%u is in %s, not %s", a->line, a->column, a->function, expected);
		}
	}
	assert_int_equal(found, sizeof(places) / sizeof(*places));
	escape_free(output);
}

static void annotations_are_named_by_source_else_by_inlining_messages(void **state)
{
	char directory[] = "/tmp/escapement-unit-XXXXXX", path[64];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/p.go", directory);
	check_places(NULL, false);
	check_places(directory, false);
	file = fopen(path, "w");
	fputs(source, file);
	fclose(file);
	check_places(directory, true);
	/* With an additional line the source is not the compiled one any more. */
	file = fopen(path, "w");
	fprintf(file, "\n%s", source);
	fclose(file);
	check_places(directory, false);
	unlink(path);
	rmdir(directory);
}

static void level_one_names_no_function_it_cannot_know(void **state)
{
	static const char text[] = "p.go:3:6: can inline f\np.go:9:27: new(int) escapes to heap\n";
	struct error error;
	struct escape_output *output = escape_parse(text, strlen(text), "test", &error);

	(void)state;
	assert_int_equal(escape_name_functions(output, NULL), 1);
	assert_null(output->annotations[1].function);
	escape_free(output);
}

static void type_arguments_and_copies_are_left_out_of_names(void **state)
{
	static const char text[] = "p.go:3:6: x escapes to heap in (*S[go.shape.map[string]int]).Get:\n"
				   "p.go:3:6: moved to heap: x\n"
				   "p.go:4:6: y escapes to heap in f.func1#8Wum+mHaM5g=#.2:\n"
				   "p.go:4:6: moved to heap: y\n";
	struct error error;
	struct escape_output *output = escape_parse(text, strlen(text), "test", &error);

	(void)state;
	assert_int_equal(escape_name_functions(output, NULL), 0);
	assert_string_equal(output->annotations[0].function, "(*S[...]).Get");
	assert_string_equal(output->annotations[1].function, "f.func1.2");
	escape_free(output);
}

static void a_literal_belongs_to_a_declared_function(void **state)
{
	static const struct {
		const char *function;
		size_t length;
	} names[] = {{"foo", 3},	  {"foo.func1", 3},  {"foo.func12.3", 3},     {"(*T).M.func1", 6},
		     {"F[...].func2", 6}, {"foo-range1", 3}, {"foo.func1-range1", 3}, {"T.function", 10},
		     {"init.0.func1", 6}};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(escape_declared_function(names[i].function), names[i].length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_and_methods_are_named_as_the_compiler_does),
		cmocka_unit_test(literals_have_names_and_places_of_their_own),
		cmocka_unit_test(types_are_no_literals),
		cmocka_unit_test(comments_and_strings_hide_what_they_hold),
		cmocka_unit_test(broken_source_ends_in_peace),
		cmocka_unit_test(annotations_are_named_by_source_else_by_inlining_messages),
		cmocka_unit_test(level_one_names_no_function_it_cannot_know),
		cmocka_unit_test(type_arguments_and_copies_are_left_out_of_names),
		cmocka_unit_test(a_literal_belongs_to_a_declared_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
