/* SPDX-License-Identifier: BSD-2-Clause */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/priority.h"
#include "skip.h"

/* Waits until this thread has the policy, 10 s at most. */
static void wait_for_policy(int policy)
{
	for (int i = 0; i < 10000 && sched_getscheduler(0) != policy; i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(sched_getscheduler(0), policy);
}

static void begin(void)
{
	if (!priority_raise())
		skip_because("the priority cannot be raised without CAP_SYS_NICE");
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

static void a_hurry_goes_on_whatever_is_urgent_until_it_is_calm(void **state)
{
	(void)state;
	begin();
	priority_hurry();
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	priority_urgent(false);
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	priority_calm_at(monotonic_ns());
	wait_for_policy(SCHED_OTHER);
}

static void a_further_signal_does_not_begin_it_again(void **state)
{
	(void)state;
	begin();
	priority_hurry();
	priority_calm_at(monotonic_ns());
	wait_for_policy(SCHED_OTHER);
	priority_hurry();
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

static void the_next_recording_has_none_of_the_one_before(void **state)
{
	(void)state;
	begin();
	priority_hurry();
	priority_calm_at(monotonic_ns() + INT64_C(3600000000000));
	begin(); /* in the middle of the hurry */
	priority_urgent(true);
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	priority_urgent(false);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	priority_hurry();
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	priority_calm_at(monotonic_ns());
	wait_for_policy(SCHED_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hurry_goes_on_whatever_is_urgent_until_it_is_calm),
		cmocka_unit_test(a_further_signal_does_not_begin_it_again),
		cmocka_unit_test(the_next_recording_has_none_of_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
