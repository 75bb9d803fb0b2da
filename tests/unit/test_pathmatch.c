/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/pathmatch.h"

enum { FILES = 8 };

/* The package of an annotated file may have a prefix: '=' if a declaration shows that the file belongs to the package,
 * '!' if one shows that it belongs to another package. */
struct named {
	const char *file, *package;
};

/* Annotated files, measured files, and for each measured file the annotated one that it must match. */
struct situation {
	const char *what;
	struct named annotated[FILES], measured[FILES];
	const char *expected[FILES];
	const char *directory, *map;
};

static void check(const struct situation *situation)
{
	struct pathmatch_map map;
	bool mapped = situation->map && pathmatch_map_parse(situation->map, &map) == 0;
	struct pathmatch *match = pathmatch_new(&map, mapped, situation->directory);

	for (int i = 0; i < FILES && situation->annotated[i].file; i++) {
		const char *file = situation->annotated[i].file, *package = situation->annotated[i].package;
		bool declared = package && strchr("=!", *package);

		pathmatch_add_annotated(match, file, declared ? package + 1 : package);
		if (declared)
			pathmatch_declare(match, file, package + 1, *package == '=');
	}
	for (int i = 0; i < FILES && situation->measured[i].file; i++)
		pathmatch_add_measured(match, situation->measured[i].file, situation->measured[i].package);
	pathmatch_resolve(match);
	for (int i = 0; i < FILES && situation->measured[i].file; i++) {
		const char *found = pathmatch_find(match, situation->measured[i].file);
		const char *expected = situation->expected[i];

		if ((found == NULL) != (expected == NULL) || (found && strcmp(found, expected) != 0))
			fail_msg("%s: '%s' found '%s', not '%s'", situation->what, situation->measured[i].file,
				 found ? found : "nothing", expected ? expected : "nothing");
	}
	pathmatch_free(match);
	if (mapped) {
		free((char *)map.from);
		free((char *)map.to);
	}
}

static void paths_as_people_have_them_find_each_other(void **state)
{
	static const struct situation situations[] = {
		{"equal", {{"escape/escape.go", NULL}}, {{"escape/escape.go", "main"}}, {"escape/escape.go"}, 0, 0},
		{"package and base name",
		 {{"sub/x.go", "example.com/p/sub"}},
		 {{"/ci/build/other/name/x.go", "example.com/p/sub"}},
		 {"sub/x.go"},
		 0,
		 0},
		{"a package's file below another package's header, as generics print it",
		 {{"sub/x.go", "example.com/p"}, {"sub/x.go", "example.com/p/sub"}, {"x.go", "example.com/p"}},
		 {{"/b/p/sub/x.go", "example.com/p/sub"}, {"/b/p/x.go", "example.com/p"}},
		 {"sub/x.go", "x.go"},
		 0,
		 0},
		{"relative to absolute",
		 {{"escape/escape.go", "example.com/seeds/escape"}},
		 {{"/home/me/seeds/escape/escape.go", "main"}},
		 {"escape/escape.go"},
		 0,
		 0},
		{"the compiler's directory is known",
		 {{"main.go", "example.com/a"}, {"cmd/main.go", NULL}},
		 {{"/home/me/a/main.go", "main"}, {"/home/me/a/cmd/main.go", "main"}},
		 {"main.go", "cmd/main.go"},
		 "/home/me/a",
		 0},
		{"-trimpath",
		 {{"escape/escape.go", "example.com/seeds/escape"}, {"main.go", "example.com/seeds"}},
		 {{"example.com/seeds/escape/escape.go", "main"}, {"example.com/seeds/main.go", "main"}},
		 {"escape/escape.go", "main.go"},
		 0,
		 0},
		{"-trimpath, absolute annotations",
		 {{"/w/seeds/escape/escape.go", "example.com/seeds/escape"}},
		 {{"example.com/seeds/escape/escape.go", "main"}},
		 {"/w/seeds/escape/escape.go"},
		 0,
		 0},
		{"module cache with capitals and versions",
		 {{"/root/go/pkg/mod/github.com/!burnt!sushi/toml@v1.3.2/decode.go", NULL}},
		 {{"github.com/BurntSushi/toml@v1.3.2/decode.go", "github.com/BurntSushi/toml"}},
		 {"/root/go/pkg/mod/github.com/!burnt!sushi/toml@v1.3.2/decode.go"},
		 0,
		 0},
		{"a major version in the import path",
		 {{"/root/go/pkg/mod/github.com/foo/bar/v2@v2.1.0/x.go", "github.com/foo/bar/v2"}},
		 {{"/elsewhere/bar@v2.1.0/x.go", "github.com/foo/bar/v2"}},
		 {"/root/go/pkg/mod/github.com/foo/bar/v2@v2.1.0/x.go"},
		 0,
		 0},
		{"vendored",
		 {{"vendor/github.com/foo/bar/x.go", "github.com/foo/bar"}},
		 {{"/src/app/vendor/github.com/foo/bar/x.go", "github.com/foo/bar"}},
		 {"vendor/github.com/foo/bar/x.go"},
		 0,
		 0},
		{"GOROOT of another release",
		 {{"/usr/lib/go-1.24/src/fmt/print.go", "fmt"}},
		 {{"/usr/local/go/src/fmt/print.go", "fmt"}, {"$GOROOT/src/fmt/print.go", NULL}},
		 {"/usr/lib/go-1.24/src/fmt/print.go", NULL},
		 0,
		 0},
		{"a function that go:linkname put into another package's file",
		 {{"/usr/lib/go/src/runtime/runtime.go", "runtime"},
		  {"/usr/lib/go/src/internal/godebug/godebug.go", "internal/godebug"}},
		 {{"/usr/lib/go/src/runtime/runtime.go", "internal/godebug"}},
		 {"/usr/lib/go/src/runtime/runtime.go"},
		 0,
		 0},
		{"another machine, by unique end",
		 {{"/home/me/proj/escape/escape.go", NULL}},
		 {{"/ci/1234/proj/escape/escape.go", "main"}},
		 {"/home/me/proj/escape/escape.go"},
		 0,
		 0},
		{"two relative names, one behind dots, and measured ones that end alike",
		 {{"../lib/e/x.go", NULL}},
		 {{"a/lib/e/x.go", NULL}, {"../lib/e/x.go", NULL}},
		 {NULL, "../lib/e/x.go"},
		 0,
		 0},
		{"another machine, mapped",
		 {{"/home/me/a/x.go", NULL}, {"/home/me/b/x.go", NULL}},
		 {{"/ci/1234/b/x.go", "main"}},
		 {"/home/me/b/x.go"},
		 0,
		 "/ci/1234=/home/me"},
		{"Windows",
		 {{"C:\\work\\proj\\main.go", NULL}, {"sub\\x.go", "example.com/p/sub"}},
		 {{"c:/work/proj/main.go", "main"}, {"c:/work/proj/sub/x.go", NULL}},
		 {"C:\\work\\proj\\main.go", "sub\\x.go"},
		 0,
		 0},
		{"a bare name through the root that other files show",
		 {{"main.go", "example.com/p"}, {"sub/x.go", "example.com/p/sub"}},
		 {{"/b/p/main.go", "main"}, {"/b/p/sub/x.go", "example.com/p/sub"}, {"/b/q/main.go", "main"}},
		 {"main.go", "sub/x.go", NULL},
		 0,
		 0},
		{"a bare name that is the only one",
		 {{"main.go", NULL}},
		 {{"/b/p/main.go", "main"}},
		 {"main.go"},
		 0,
		 0},
		{"dot components", {{"a/../b/./x.go", NULL}}, {{"/r//b/x.go", "main"}}, {"a/../b/./x.go"}, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		check(&situations[i]);
}

static void what_is_ambiguous_is_not_guessed(void **state)
{
	static const struct situation situations[] = {
		{"a bare name that two measured files have",
		 {{"main.go", NULL}},
		 {{"/b/p/main.go", "main"}, {"/b/q/main.go", "main"}},
		 {NULL, NULL},
		 0,
		 0},
		{"a bare name that two annotated files have",
		 {{"a/main.go", NULL}, {"b/main.go", NULL}},
		 {{"main.go", "main"}},
		 {NULL},
		 0,
		 0},
		{"two ends that fit alike",
		 {{"/x/p/a/f.go", NULL}, {"/y/p/a/f.go", NULL}},
		 {{"/z/p/a/f.go", "main"}},
		 {NULL},
		 0,
		 0},
		{"another package's file of the same end",
		 {{"/m/github.com/x/util/log.go", "github.com/x/util"}},
		 {{"/m/github.com/y/util/log.go", "github.com/y/util"}},
		 {NULL},
		 0,
		 0},
		{"relative paths that only end alike",
		 {{"svc-b/cmd/main.go", NULL}},
		 {{"/ci/svc-a/cmd/main.go", "main"}},
		 {NULL},
		 0,
		 0},
		{"half a component",
		 {{"escape.go", NULL}, {"b/x.go", NULL}},
		 {{"/a/noescape.go", "main"}, {"/a/bb/x.go", NULL}},
		 {NULL, NULL},
		 0,
		 0},
		{"nothing", {{NULL, NULL}}, {{"/a/x.go", NULL}, {"", NULL}, {"/", NULL}}, {NULL, NULL, NULL}, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		check(&situations[i]);
}

static void the_longer_end_wins(void **state)
{
	static const struct situation situations[] = {
		{"one contains the other",
		 {{"escape/escape.go", NULL}, {"seeds/escape/escape.go", NULL}},
		 {{"/b/seeds/escape/escape.go", "main"}},
		 {"seeds/escape/escape.go"},
		 0,
		 0},
		{"a contained path before a longer common end",
		 {{"a/f.go", NULL}, {"/q/a/f.go", NULL}},
		 {{"/r/a/f.go", "main"}},
		 {"a/f.go"},
		 0,
		 0},
		{"absolute paths",
		 {{"/x/b/a/f.go", NULL}, {"/y/c/a/f.go", NULL}},
		 {{"/z/c/a/f.go", "main"}},
		 {"/y/c/a/f.go"},
		 0,
		 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		check(&situations[i]);
}

static void a_map_needs_both_halves(void **state)
{
	struct pathmatch_map map;

	(void)state;
	assert_int_equal(pathmatch_map_parse("/a", &map), -1);
	assert_int_equal(pathmatch_map_parse("=/a", &map), -1);
	assert_int_equal(pathmatch_map_parse("/a=", &map), -1);
}

static void modules_beside_the_main_one_are_told_by_their_declarations(void **state)
{
	static const struct situation situations[] = {
		{"a folder unlike the import path",
		 {{"../lib/y/y.go", "=example.com/rep/v2"}},
		 {{"/w/lib/y/y.go", "example.com/rep/v2"}},
		 {"../lib/y/y.go"},
		 0,
		 0},
		{"-trimpath",
		 {{"../lib/y/y.go", "=example.com/rep/v2"}},
		 {{"example.com/rep/v2/y.go", "example.com/rep/v2"}},
		 {"../lib/y/y.go"},
		 0,
		 0},
		{"nothing is declared: by where the compiler ran",
		 {{"../lib/y/y.go", "example.com/rep/v2"}},
		 {{"/w/lib/y/y.go", "example.com/rep/v2"}},
		 {"../lib/y/y.go"},
		 "/w/app",
		 0},
		{"nothing is declared: by the end of the path",
		 {{"../lib/y/y.go", "example.com/rep/v2"}},
		 {{"/w/lib/y/y.go", "example.com/rep/v2"}},
		 {"../lib/y/y.go"},
		 0,
		 0},
		{"two files of that end are not guessed",
		 {{"../y/y.go", NULL}, {"y/y.go", NULL}},
		 {{"/w/y/y.go", NULL}},
		 {NULL},
		 0,
		 0},
		{"instances of another package's generic functions",
		 {{"/go/src/slices/slices.go", "!example.com/x/slices"}},
		 {{"/go/src/slices/slices.go", "slices"}},
		 {"/go/src/slices/slices.go"},
		 0,
		 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		check(&situations[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_beside_the_main_one_are_told_by_their_declarations),
		cmocka_unit_test(paths_as_people_have_them_find_each_other),
		cmocka_unit_test(what_is_ambiguous_is_not_guessed),
		cmocka_unit_test(the_longer_end_wins),
		cmocka_unit_test(a_map_needs_both_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
