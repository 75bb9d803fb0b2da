/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

static struct go_site sites[] = {
	GO_SITE("escape/escape.go", "main.foo", 6, 6, "runtime.newobject"), /* moved to heap: x */
};

static int64_t *main_foo(void) GO_FUNCTION("main.foo");
static int64_t *main_foo(void)
{
	int64_t *x = runtime_newobject(&go_type_int, &sites[0]);

	go_keep_frame();
	return x;
}

static int64_t main_bar(void) GO_FUNCTION("main.bar");
static int64_t main_bar(void)
{
	int64_t x = 0; /* new(int) does not escape */

	go_use(&x);
	x = 1;
	return x;
}

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	int64_t sum = 0;

	for (int i = 0; i < 1000; i++) {
		int64_t *x = main_foo();

		sum += *x + main_bar();
		go_unreachable(x);
	}
	go_use(&sum);
}

SEED_PROGRAM(escape, main_main);
