/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

static struct go_site sites[] = {
	GO_SITE("simple/main.go", "main.boo", 17, 2, "runtime.newobject"), /* moved to heap: c */
	GO_SITE("simple/main.go", "main.boo", 17, 5, "runtime.newobject"), /* moved to heap: d */
};

static void main_foo(void) GO_FUNCTION("main.foo");
static void main_foo(void)
{
	int64_t a = 11, object = 0, *b = &object; /* new(int) does not escape */

	go_use(&a);
	go_use(&b);
}

static void main_boo(int64_t *results[2]) GO_FUNCTION("main.boo");
static void main_boo(int64_t *results[2])
{
	int64_t *c = runtime_newobject(&go_type_int, &sites[0]);
	int64_t *d = runtime_newobject(&go_type_int, &sites[1]);

	*c = 11;
	*d = 12;
	go_use(c);
	go_use(d);
	results[0] = c;
	results[1] = d;
}

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	int64_t *results[2];

	main_foo();
	main_boo(results);
	go_use(&results[0]);
	go_use(&results[1]);
	go_unreachable(results[0]);
	go_unreachable(results[1]);
}

SEED_PROGRAM(simple, main_main);
