/* SPDX-License-Identifier: BSD-2-Clause */
/* How often a watched process is looked at, on a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "heap/watch_pace.h"

#define SECOND INT64_C(1000000000)

enum { LOOK_MS = 500, HOURS = 24 };

/* The CPU time of the snapshots that are repeated in a day, each of which costs so much. */
static int64_t repeated_ns(int64_t cost_ns, int64_t *count)
{
	struct watch_pace pace = {0};

	*count = 0;
	watch_pace_spent(&pace, cost_ns); /* the one before */
	for (int64_t now = SECOND; now <= HOURS * 3600 * SECOND; now += LOOK_MS * SECOND / 1000)
		if (watch_pace_may_repeat(&pace, now)) {
			watch_pace_spent(&pace, cost_ns);
			++*count;
		}
	return *count * cost_ns;
}

static void snapshots_of_any_cost_are_repeated_and_take_a_thousandth_of_a_cpu(void **state)
{
	static const int64_t costs[] = {SECOND / 100,	SECOND,		2 * SECOND - 1, 2 * SECOND,
					2 * SECOND + 1, 5 * SECOND / 2, 10 * SECOND};

	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		int64_t count, spent = repeated_ns(costs[i], &count), share = HOURS * 3600 * SECOND / 1000;

		print_message("# %.3f s each: %ld in a day\n", (double)costs[i] / 1e9, (long)count);
		assert_true(count > 0);
		assert_true(spent <= share + 2 * SECOND);
		assert_true(spent >= share - 2 * costs[i] - 2 * SECOND);
	}
	(void)state;
}

static void a_step_of_the_burst_comes_at_once(void **state)
{
	struct watch_pace pace = {0};
	int64_t now = SECOND;
	int count = 0;

	for (; watch_pace_may_repeat(&pace, now += SECOND / 2); count++)
		watch_pace_spent(&pace, SECOND / 10);
	assert_in_range(count, 19, 20);
	(void)state;
}

/* Looks at a process that climbs so many bytes a second from `from` to `limit`. Returns the longest part of its way between
 * two looks, after the first. */
static double longest_part(double from, double speed, double limit)
{
	struct watch_pace pace = {0};
	double way = from / limit, part = 0;
	int64_t now = SECOND;
	int wait = watch_pace_wait_ms(&pace, way, now);

	for (int looks = 0; way < 1; looks++) {
		double gone = speed * wait / 1000 / limit;

		now += wait * SECOND / 1000;
		part = looks && gone > part ? gone : part;
		way += gone;
		wait = watch_pace_wait_ms(&pace, way, now);
	}
	return part;
}

static void a_process_that_climbs_is_looked_at_more_often_before_it_is_near(void **state)
{
	/* below 512 MB: from afar 0.2 s are 400 MB of its way, or 200 MB */
	assert_true(longest_part(10e6, 2e9, 512e6) <= 0.2);
	assert_true(longest_part(0, 1e9, 512e6) <= 0.1);
	assert_true(longest_part(199e6, 1e9, 512e6) <= 0.1);
	(void)state;
}

static void a_process_that_stays_far_is_looked_at_five_times_a_second(void **state)
{
	struct watch_pace pace = {0};
	int64_t now = SECOND;

	for (int i = 0; i < 100; i++, now += SECOND / 5)
		assert_int_equal(watch_pace_wait_ms(&pace, i % 2 ? 0.31 : 0.3, now), 200);
	assert_int_equal(watch_pace_wait_ms(&pace, 0.4, now), 50);
	assert_int_equal(watch_pace_wait_ms(&pace, 0.2, now + SECOND), 200); /* it has freed */
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots_of_any_cost_are_repeated_and_take_a_thousandth_of_a_cpu),
		cmocka_unit_test(a_step_of_the_burst_comes_at_once),
		cmocka_unit_test(a_process_that_climbs_is_looked_at_more_often_before_it_is_near),
		cmocka_unit_test(a_process_that_stays_far_is_looked_at_five_times_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
