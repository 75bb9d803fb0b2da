/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

static struct go_site sites[] = {
	GO_SITE("fmtptr/main.go", "main.foo", 10, 2, "runtime.newobject"), /* moved to heap: a */
};

static void main_foo(void) GO_FUNCTION("main.foo");
static void main_foo(void)
{
	int64_t *a = runtime_newobject(&go_type_int, &sites[0]), b = 12;
	struct go_interface arguments[] = {{&go_type_int, a}};

	*a = 11;
	go_use(&b);
	fmt_call(arguments, 1);
	go_unreachable(a);
}

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	main_foo();
	go_keep_frame();
}

SEED_PROGRAM(fmtptr, main_main);
