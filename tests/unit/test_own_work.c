/* SPDX-License-Identifier: BSD-2-Clause */
/* What bursts cost us, and how far apart that keeps them. The thread's clock is the oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "base/clock.h"
#include "record/own_work.h"

static int64_t thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Takes that much CPU time at least, and returns how much. */
static int64_t work_for(int64_t ns)
{
	int64_t began = thread_ns(), taken;

	do
		taken = thread_ns() - began;
	while (taken < ns);
	return taken;
}

static void what_the_thread_does_between_steps_is_not_counted(void **state)
{
	enum { STEP_NS = 200 * 1000, VIEW_NS = 3 * 1000 * 1000, STEPS = 4 };
	int64_t began = thread_ns(), within = 0, outside = 0;
	struct own_work work = {0};

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		own_work_begin(&work);
		within += work_for(STEP_NS);
		own_work_end(&work);
		outside += work_for(VIEW_NS);
	}
	assert_true(work.ns >= within);
	assert_true(work.ns <= thread_ns() - began - outside);
}

static void processes_share_the_limit(void **state)
{
	const struct own_work millisecond = {.ns = 1000 * 1000};
	const double second_ns = 1e9;

	(void)state;
	for (int sharing = 1; sharing <= 20; sharing++) {
		double cell_ns = own_work_cell_ns(&millisecond, 0.2, sharing);
		double bursts = sharing * second_ns / cell_ns; /* a second, of all of them */

		assert_true(fabs(bursts * (double)millisecond.ns / second_ns - 0.002) < 1e-9);
	}
	assert_true(own_work_cell_ns(&millisecond, 0, 5) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_thread_does_between_steps_is_not_counted),
		cmocka_unit_test(processes_share_the_limit),
	};

	return cmocka_run_group_tests_name("own work", tests, NULL, NULL);
}
