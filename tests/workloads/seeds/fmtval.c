/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

static struct go_site sites[] = {
	GO_SITE("fmtval/main.go", "main.foo", 13, 22, "runtime.convT64"), /* a escapes to heap */
};

static void main_foo(void) GO_FUNCTION("main.foo");
static void main_foo(void)
{
	int64_t a = 11, b = 12;
	struct go_interface arguments[1];

	go_use(&a);
	go_use(&b);
	arguments[0] = (struct go_interface){&go_type_int, runtime_convT64((uint64_t)a, &sites[0])};
	fmt_call(arguments, 1);
	go_keep_frame();
}

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	main_foo();
	go_keep_frame();
}

SEED_PROGRAM(fmtval, main_main);
