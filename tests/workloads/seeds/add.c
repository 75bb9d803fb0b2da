/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

static struct go_site sites[] = {
	GO_SITE("add/main.go", "main.main", 8, 14, "runtime.convT64"), /* ans escapes to heap */
};

static int64_t main_add(int64_t a, int64_t b) GO_FUNCTION("main.add");
static int64_t main_add(int64_t a, int64_t b)
{
	return a + b;
}

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	int64_t ans = main_add(1, 2);
	struct go_interface arguments[] = {{&go_type_int, runtime_convT64((uint64_t)ans, &sites[0])}};

	fmt_call(arguments, 1);
	go_keep_frame();
}

SEED_PROGRAM(add, main_main);
