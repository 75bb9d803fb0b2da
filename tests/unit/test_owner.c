/* SPDX-License-Identifier: BSD-2-Clause */
/* Which frame of a stack owns an allocation: by build information, by GOROOT, by globs, and in C programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "profile/owner.h"
#include "symbols/go_modules.h"

enum { DEPTH_MAX = 8 };

/* The owner of a stack of functions, leaf first, each a location; "A<B" is one location, of A inlined into B. */
static struct owner whose(struct profile *profile, const char *const *functions, const char *directory)
{
	const struct profile_location *locations[DEPTH_MAX];
	struct profile_sample sample = {.values = {1}};
	struct owner_table *table;
	struct owner owner;
	uint32_t depth = 0;

	for (; functions[depth]; depth++) {
		struct profile_frame frames[2] = {{0}};
		char name[256], file[2][256];
		uint32_t count = 0;

		strcpy(name, functions[depth]);
		for (char *rest, *part = strtok_r(name, "<", &rest); part; part = strtok_r(NULL, "<", &rest)) {
			snprintf(file[count], sizeof(file[count]), "%s/%.8s.go",
				 strncmp(part, "runtime.", 8) == 0 ? "/go/src/runtime" : directory, part);
			frames[count] = (struct profile_frame){part, file[count], depth + 1, 0, 0};
			count++;
		}
		locations[depth] = profile_location(profile, 16 + depth, NULL, frames, count);
	}
	sample.key.stack = profile_stack(profile, locations, depth, false);
	profile_add(profile, &sample.key, sample.values);
	table = owner_table_new(profile);
	owner = owner_of(table, &sample);
	owner_table_free(table);
	return owner;
}

#define WHOSE(profile, ...) whose(profile, (const char *const[]){__VA_ARGS__, NULL}, "/somewhere")

static struct profile *go_profile(const char *build_info)
{
	struct profile *profile = profile_new();
	struct profile_process *process = profile_process_add(profile, 0);

	process->runtime = profile_string(profile, "go1.24.4");
	go_modules_describe(build_info, profile, process);
	return profile;
}

static const char build_info[] = "path\texample.com/m/cmd/x\nmod\texample.com/m\t(devel)\t\n"
				 "dep\texample.com/m/plugin\tv1.0.0\th1:x\ndep\tgithub.com/other/lib\tv1.2.3\th1:y\n"
				 "build\t-compiler=gc\n";

static void the_main_module_owns_and_the_innermost_frame_of_it_is_the_owner(void **state)
{
	struct profile *profile = go_profile(build_info);
	struct owner owner;

	(void)state;
	owner = WHOSE(profile, "runtime.newobject", "fmt.Sscanf", "example.com/m/conf.Parse", "main.main");
	assert_int_equal(owner.kind, OWNER_FOUND);
	assert_string_equal(owner.frame->function, "example.com/m/conf.Parse");
	assert_string_equal(owner.allocating->function, "fmt.Sscanf");
	assert_string_equal(owner.via, "fmt.Sscanf");
	assert_string_equal(owner.runtime_call, "runtime.newobject");

	owner = WHOSE(profile, "runtime.newobject", "main.main");
	assert_string_equal(owner.frame->function, "main.main");
	assert_null(owner.via);

	/* one location: the library's function inlined into the module's */
	owner = WHOSE(profile, "runtime.growslice", "github.com/other/lib.Grow<main.fill", "main.main");
	assert_string_equal(owner.frame->function, "main.fill");
	assert_string_equal(owner.via, "github.com/other/lib.Grow");

	/* an external test package; a path that only begins like the module's; a nested module */
	assert_int_equal(WHOSE(profile, "runtime.newobject", "example.com/m_test.TestX").kind, OWNER_FOUND);
	assert_int_equal(WHOSE(profile, "runtime.newobject", "example.com/more.F").kind, OWNER_OUTSIDE);
	assert_int_equal(WHOSE(profile, "runtime.newobject", "example.com/m/plugin/a.F").kind, OWNER_OUTSIDE);
	profile_free(profile);
}

static void what_no_frame_of_the_module_called_is_outside(void **state)
{
	struct profile *profile = go_profile(build_info);

	(void)state;
	assert_int_equal(WHOSE(profile, "runtime.newobject", "fmt.init", "runtime.main").kind, OWNER_OUTSIDE);
	assert_int_equal(WHOSE(profile, "runtime.allocm", "runtime.main").kind, OWNER_OUTSIDE);
	assert_int_equal(WHOSE(profile, "runtime.newobject", "runtime.gcStart", "runtime.mallocgc", "main.f").kind,
			 OWNER_OUTSIDE);
	/* C functions in a Go process belong to a library */
	assert_int_equal(WHOSE(profile, "runtime.newobject", "sqlite3_step", "runtime.cgocallback").kind,
			 OWNER_OUTSIDE);
	assert_int_equal(whose(profile, (const char *const[]){NULL}, "").kind, OWNER_UNKNOWN);
	profile_free(profile);
}

static void without_build_information_all_outside_of_goroot_owns(void **state)
{
	struct profile *profile = profile_new();

	(void)state;
	assert_string_equal(WHOSE(profile, "fmt.Sscanf", "github.com/a/b.F").frame->function, "github.com/a/b.F");
	assert_string_equal(WHOSE(profile, "vendor/golang.org/x/text.F", "main.F").frame->function, "main.F");
	/* Once the runtime's files have shown where GOROOT is, a package named `text` outside of it belongs to the
	 * user. */
	assert_string_equal(WHOSE(profile, "text.F", "main.F", "runtime.main").frame->function, "text.F");
	assert_int_equal(whose(profile, (const char *const[]){"text.G", NULL}, "/go/src/text").kind, OWNER_OUTSIDE);
	profile_free(profile);
}

static void globs_say_otherwise(void **state)
{
	static const char *const globs[] = {"github.com/other/*", "example.com/m/cmd/x"};
	struct profile *profile = go_profile(build_info);

	(void)state;
	profile_set_modules(profile, globs, 2);
	assert_string_equal(
		WHOSE(profile, "runtime.newobject", "github.com/other/lib/deep.F", "main.main").frame->function,
		"github.com/other/lib/deep.F");
	assert_string_equal(WHOSE(profile, "runtime.newobject", "example.com/m/conf.Parse", "main.main").via,
			    "example.com/m/conf.Parse");
	profile_free(profile);
}

static void a_copy_of_a_closure_of_the_standard_library_is_not_of_the_function_that_it_was_inlined_into(void **state)
{
	static const char *const files[][2] = {{"/go/src/slices/iter.go", "main.keys"},
					       {"slices/iter.go", "main.keys"}, /* -trimpath */
					       {"/home/me/m/keys.go", "main.keys.func1"},
					       {"keys.go", "main.keys.func1"}};
	struct profile_frame runtime = {"runtime.growslice", "/go/src/runtime/slice.go", 1, 0, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct profile *profile = go_profile(build_info);
		struct profile_frame chain[] = {{"main.keys.func1", files[i][0], 51, 0, 0},
						{"slices.Collect[...]", "/go/src/slices/iter.go", 58, 0, 0},
						{"main.keys", "/home/me/m/keys.go", 46, 0, 0}};
		const struct profile_location *locations[] = {profile_location(profile, 16, NULL, &runtime, 1),
							      profile_location(profile, 32, NULL, chain, 3)};
		struct profile_sample sample = {.values = {[VALUE_OBJECTS] = 1}};
		struct owner_table *table;

		sample.key.stack = profile_stack(profile, locations, 2, false);
		profile_add(profile, &sample.key, sample.values);
		table = owner_table_new(profile);
		assert_string_equal(owner_of(table, &sample).frame->function, files[i][1]);
		owner_table_free(table);
		profile_free(profile);
	}
}

static void a_test_of_the_standard_library_owns_its_package(void **state)
{
	struct profile *profile = go_profile("path\tstrings.test\nbuild\t-compiler=gc\n");

	(void)state;
	assert_string_equal(
		WHOSE(profile, "runtime.newobject", "strings.genSplit", "strings_test.BenchmarkX").frame->function,
		"strings.genSplit");
	assert_string_equal(
		WHOSE(profile, "runtime.newobject", "fmt.Sprint", "strings_test.BenchmarkX").frame->function,
		"strings_test.BenchmarkX");
	profile_free(profile);
}

static void c_programs_own_what_libc_allocates_for_them(void **state)
{
	const struct profile_mapping libc = {.start = 1, .limit = 2, .file = "/usr/lib/x86_64-linux-gnu/libc.so.6"};
	const struct profile_frame strdup_frame = {.function = "strdup"}, parse = {.function = "parse"};
	struct profile *profile = profile_new();
	struct profile_process *process = profile_process_add(profile, 0);
	const struct profile_location *stack[2];
	struct profile_sample sample = {.values = {1}};
	struct owner_table *table;
	struct owner owner;

	(void)state;
	process->runtime = profile_string(profile, "goalloc 1");
	stack[0] = profile_location(profile, 1, profile_mapping(profile, &libc), &strdup_frame, 1);
	stack[1] = profile_location(profile, 9, NULL, &parse, 1);
	table = owner_table_new(profile);
	sample.key.stack = profile_stack(profile, stack, 2, false);
	owner = owner_of(table, &sample);
	assert_string_equal(owner.frame->function, "parse");
	assert_string_equal(owner.via, "strdup");
	sample.key.stack = profile_stack(profile, stack, 1, false);
	owner = owner_of(table, &sample);
	assert_string_equal(owner.frame->function, "strdup");
	assert_null(owner.via);
	owner_table_free(table);
	profile_free(profile);
}

/* A stripped program: what libc has done is to call it. */
static void code_without_symbols_is_not_taken_for_its_caller(void **state)
{
	const struct profile_mapping libc = {.start = 1, .limit = 2, .file = "/usr/lib/x86_64-linux-gnu/libc.so.6"};
	const struct profile_mapping program = {.start = 3, .limit = 9, .file = "/usr/bin/sort"};
	const struct profile_frame main_frame = {.function = "__libc_start_call_main"},
				   strdup_frame = {.function = "strdup"};
	struct profile *profile = profile_new();
	struct profile_process *process = profile_process_add(profile, 0);
	const struct profile_location *nameless, *start, *strdup_location;
	struct profile_sample sample = {.values = {1}};
	struct owner_table *table;

	(void)state;
	process->runtime = profile_string(profile, "goalloc 1");
	nameless = profile_location(profile, 4, profile_mapping(profile, &program), NULL, 0);
	start = profile_location(profile, 1, profile_mapping(profile, &libc), &main_frame, 1);
	strdup_location = profile_location(profile, 2, profile_mapping(profile, &libc), &strdup_frame, 1);
	table = owner_table_new(profile);
	sample.key.stack = profile_stack(profile, (const struct profile_location *[]){nameless, start}, 2, false);
	assert_int_equal(owner_of(table, &sample).kind, OWNER_UNKNOWN);
	/* What libc allocates for such a program is shown as libc's. */
	sample.key.stack =
		profile_stack(profile, (const struct profile_location *[]){strdup_location, nameless, start}, 3, false);
	assert_string_equal(owner_of(table, &sample).frame->function, "strdup");
	owner_table_free(table);
	profile_free(profile);
}

static void build_information_is_read_line_by_line(void **state)
{
	struct profile *profile = go_profile(build_info), *hostile;
	const struct profile_process *process = &profile->processes[0];
	char text[4096];

	(void)state;
	assert_string_equal(process->module, "example.com/m");
	assert_string_equal(process->package, "example.com/m/cmd/x");
	assert_string_equal(process->nested_modules, "example.com/m/plugin");
	profile_free(profile);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "mod\t", 4);
	text[sizeof(text) - 1] = 0;
	hostile = go_profile(text);
	assert_null(hostile->processes[0].module);
	profile_free(hostile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_main_module_owns_and_the_innermost_frame_of_it_is_the_owner),
		cmocka_unit_test(what_no_frame_of_the_module_called_is_outside),
		cmocka_unit_test(without_build_information_all_outside_of_goroot_owns),
		cmocka_unit_test(globs_say_otherwise),
		cmocka_unit_test(
			a_copy_of_a_closure_of_the_standard_library_is_not_of_the_function_that_it_was_inlined_into),
		cmocka_unit_test(a_test_of_the_standard_library_owns_its_package),
		cmocka_unit_test(c_programs_own_what_libc_allocates_for_them),
		cmocka_unit_test(code_without_symbols_is_not_taken_for_its_caller),
		cmocka_unit_test(build_information_is_read_line_by_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
