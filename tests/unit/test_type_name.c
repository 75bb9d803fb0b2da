/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "profile/profile.h"
#include "profile/type_name.h"

static void names_of_the_runtime_become_those_of_the_source(void **state)
{
	static const struct {
		const char *type, *shown;
	} cases[] = {
		{"runtime.stringInterfacePtr", "string"},
		{"runtime.uint64InterfacePtr", "uint64"},
		{"main.Node[go.shape.int]", "main.Node[int]"},
		{"main.Node[go.shape.int_0]", "main.Node[int]"},
		{"main.Pair[go.shape.string_0,go.shape.[]uint8_1]", "main.Pair[string,[]uint8]"},
		{"*main.Node[go.shape.struct { X_1 int }]", "*main.Node[struct { X_1 int }]"},
		{"go.shape.7ef79b81c1f0a77a2e3b8d5d9c0b7ef79b81c1f0a77a2e3b8d5d9c0b7ef79b81", "a long type"},
		{"[]go.shape.7ef79b81c1f0a77a2e3b8d5d9c0b7ef79b81_0", "[]a long type"},
		{"runtime.sliceInterfacePtr", "slice header"},
		{"main.Node[go.shape.*uint8]", "main.Node[pointer]"},
		{"main.Pair[go.shape.*uint8_0,go.shape.string_1]", "main.Pair[pointer,string]"},
		{"struct { F uintptr }", "closure"},
		{"struct { F uintptr; X0 **main.T; X1 int }", "closure of **main.T, int"},
		{"struct { F uintptr; X0 *go.shape.struct { ID int; Tags []string }; X1 *[3]uintptr }",
		 "closure of *struct { ID int; Tags []string }"},
		{"struct { F uintptr; X0 go.shape.func(int, string) (int, error); X1 *[2]uintptr }",
		 "closure of func(int, string) (int, error)"},
		{"struct { F uintptr; .dict uintptr; x *go.shape.string_0 }", "closure of x *string"},
		{"struct { F uintptr; .dict uintptr; v go.shape.struct { A int; F func(int) error }_0 }",
		 "closure of v struct { A int; F func(int) error }"},
		{"struct { F uintptr; .autotmp_1 chan int }", "closure of chan int"},
		{"struct { F uintptr; X0 *[3]uintptr; X1 string }", "closure of *[3]uintptr, string"},
		{"struct { F uintptr; X0", "closure of X0"},
		{"struct { F uintptr; ", "closure"},
	};
	static const char *const same[] = {"string", "main.T", "map[string]int", "runtime.mspan", "main.shape_0", ""};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(type_name_for_people(cases[i].type, text, sizeof(text)));
		assert_string_equal(text, cases[i].shown);
	}
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_false(type_name_for_people(same[i], text, sizeof(text)));
}

/* Two packages may have a type main.T each. Pointers to them are pointers. */
static void some_names_say_what_the_type_is_made_of(void **state)
{
	static const char *const say[] = {"int",      "string",		"*main.T",
					  "[]main.T", "map[main.T]int", "func(main.T)",
					  "[4]*int",  "chan main.T",	"struct { F uintptr; X0 *int }",
					  "error"};
	static const char *const do_not[] = {"main.T", "[4]main.T", "struct { a main.T }", "go.shape.int",
					     "main.Node[int]"};

	(void)state;
	for (size_t i = 0; i < sizeof(say) / sizeof(say[0]); i++)
		assert_true(type_name_says_layout(say[i]));
	for (size_t i = 0; i < sizeof(do_not) / sizeof(do_not[0]); i++)
		assert_false(type_name_says_layout(do_not[i]));
	assert_false(type_name_says_layout(NULL));
}

static void long_types_are_cut(void **state)
{
	char text[8];

	(void)state;
	assert_true(type_name_for_people("main.Node[go.shape.int]", text, sizeof(text)));
	assert_string_equal(text, "main.No");
}

static void a_profile_gives_equal_types_one_pointer(void **state)
{
	struct profile *profile = profile_new();
	const char *string = profile_string(profile, "string");

	(void)state;
	assert_ptr_equal(profile_shown_type(profile, profile_string(profile, "runtime.stringInterfacePtr")), string);
	assert_ptr_equal(profile_shown_type(profile, string), string);
	assert_null(profile_shown_type(profile, NULL));
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_the_runtime_become_those_of_the_source),
		cmocka_unit_test(some_names_say_what_the_type_is_made_of),
		cmocka_unit_test(long_types_are_cut),
		cmocka_unit_test(a_profile_gives_equal_types_one_pointer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
