/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "profile/frames.h"

static void only_the_runtime_packages_are_the_runtime(void **state)
{
	static const char *const runtime[] = {"runtime.mallocgc",
					      "runtime.(*mcache).refill",
					      "reflect.New",
					      "internal/runtime/maps.(*Map).growToTable",
					      "runtime/internal/atomic.Load",
					      "internal/bytealg.MakeNoZero"};
	static const char *const others[] = {"runtime/debug.Stack",
					     "runtime/pprof.writeHeap",
					     "main.runtime.x",
					     "reflectx.New",
					     "strings.(*Builder).grow",
					     "runtimex.F",
					     "main.main"};

	(void)state;
	for (size_t i = 0; i < sizeof(runtime) / sizeof(runtime[0]); i++)
		assert_true(frames_is_runtime(runtime[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(frames_is_runtime(others[i]));
	assert_false(frames_is_runtime(NULL));
}

static void the_package_is_the_import_path_of_the_symbol(void **state)
{
	static const struct {
		const char *function, *package;
	} cases[] = {
		{"main.main", "main"},
		{"example.com/a/b.(*T).Method", "example.com/a/b"},
		{"gopkg.in/yaml%2ev3.(*Node).Decode", "gopkg.in/yaml.v3"},
		{"slices.Grow[go.shape.[]example.com/x/y.T]", "slices"},
		{"example.com/a.F[example.com/b/c.T]", "example.com/a"},
		{"example.com/a.glob..func1", "example.com/a"},
		{"memcpy", ""},
		{".plt", ""},
		{"", ""},
	};
	char package[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(frames_package(cases[i].function, package, sizeof(package)), strlen(cases[i].package));
		assert_string_equal(package, cases[i].package);
	}
	assert_int_equal(frames_package("example.com/long.F", package, 8), 0);
	assert_int_equal(frames_package(NULL, package, sizeof(package)), 0);
}

static const struct profile_location *location(struct profile *profile, uint64_t address, const char *inner,
					       const char *outer)
{
	struct profile_frame frames[2] = {{inner, "f.go", 1, 0, 0}, {outer, "g.go", 2, 0, 0}};

	return profile_location(profile, address, NULL, frames, outer ? 2 : inner ? 1 : 0);
}

static void the_site_is_the_innermost_frame_outside_the_runtime(void **state)
{
	struct profile *profile = profile_new();
	const struct profile_location *stack[4];
	struct frames_site site;

	(void)state;
	/* mallocgc <- newobject inlined into main.leaf inlined into main.outer */
	stack[0] = location(profile, 1, "runtime.mallocgc", NULL);
	stack[1] = location(profile, 2, "runtime.newobject", "main.leaf");
	stack[2] = location(profile, 3, "main.main", NULL);
	assert_true(frames_site(profile_stack(profile, stack, 3, false), &site));
	assert_int_equal(site.location, 1);
	assert_int_equal(site.frame, 1);
	assert_string_equal(site.runtime_call, "runtime.newobject");

	/* the leaf is the position that the allocation gave, followed by the frames that called the allocator */
	stack[0] = location(profile, 0, "main.foo", NULL);
	stack[1] = location(profile, 5, "runtime.growslice", NULL);
	stack[2] = location(profile, 6, "main.foo", NULL);
	assert_true(frames_site(profile_stack(profile, stack, 3, false), &site));
	assert_int_equal(site.location, 0);
	assert_string_equal(site.runtime_call, "runtime.growslice");

	/* no runtime frames, because runtime/pprof removed them */
	stack[0] = location(profile, 7, "main.foo", NULL);
	assert_true(frames_site(profile_stack(profile, stack, 1, false), &site));
	assert_null(site.runtime_call);

	/* new(T) as Go 1.27 compiles it */
	stack[0] = location(profile, 11, "runtime.mallocgcSmallNoScanSC2", NULL);
	stack[1] = location(profile, 12, "main.foo", NULL);
	assert_true(frames_site(profile_stack(profile, stack, 2, false), &site));
	assert_string_equal(site.runtime_call, "runtime.newobject");

	/* a collection that starts on the stack of some allocation is the runtime's own work */
	stack[0] = location(profile, 13, "runtime.newobject", NULL);
	stack[1] = location(profile, 14, "runtime.gcStart", NULL);
	stack[2] = location(profile, 15, "runtime.mallocgc", NULL);
	stack[3] = location(profile, 16, "main.foo", NULL);
	assert_false(frames_site(profile_stack(profile, stack, 4, false), &site));

	/* only runtime frames and an unknown location */
	stack[0] = location(profile, 8, "runtime.mallocgc", NULL);
	stack[1] = location(profile, 9, NULL, NULL);
	stack[2] = location(profile, 10, "runtime.main", NULL);
	assert_false(frames_site(profile_stack(profile, stack, 3, false), &site));
	profile_free(profile);
}

static void loop_bodies_are_their_functions(void **state)
{
	char name[64];

	(void)state;
	assert_string_equal(frames_fold_name("main.F-range1", name, sizeof(name)), "main.F");
	assert_string_equal(frames_fold_name("main.F-range1-range12.func2", name, sizeof(name)), "main.F.func2");
	assert_string_equal(frames_fold_name("example.com/a-ranger.F", name, sizeof(name)), "example.com/a-ranger.F");
	assert_string_equal(frames_fold_name("main.F-range1", name, 6), "main.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_runtime_packages_are_the_runtime),
		cmocka_unit_test(the_package_is_the_import_path_of_the_symbol),
		cmocka_unit_test(loop_bodies_are_their_functions),
		cmocka_unit_test(the_site_is_the_innermost_frame_outside_the_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
