/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

/* No site: a pointer in an interface is its own data word, so boxing one allocates nothing. */
static struct go_site sites[0];

static void *main_noescape(void *p) GO_FUNCTION("main.noescape");
static void *main_noescape(void *p)
{
	uintptr_t x = (uintptr_t)p;

	return (void *)(x ^ 0);
}

static void main_foo(void) GO_FUNCTION("main.foo");
static void main_foo(void)
{
	int64_t a = 11, b = 12;
	struct go_interface arguments[] = {{&go_type_int, main_noescape(&a)}};

	fmt_call(arguments, 1);
	go_use(&a);
	go_use(&b);
}

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	main_foo();
	go_keep_frame();
}

SEED_PROGRAM(noescape, main_main);
