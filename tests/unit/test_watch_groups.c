/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes share a window of an agent, after windows that failed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fleet/watch_groups.h"

/* Three groups: users 0 and 7 as one service, user 7 as another one. */
static const struct watched found[] = {
	{.pid = 1, .user = 7, .watch = 0}, {.pid = 2, .user = 0, .watch = 0}, {.pid = 3, .user = 7, .watch = 1},
	{.pid = 4, .user = 7, .watch = 0}, {.pid = 5, .user = 0, .watch = 0},
};
enum { COUNT = sizeof(found) / sizeof(found[0]) };

/* Checks the windows of a round: PIDs in their order, and 0 between windows. */
static void assert_round(struct watch_groups *groups, const struct setbacks *setbacks, const int *pids)
{
	struct watched processes[COUNT];
	size_t next = 0, count;

	for (size_t i = 0; i < COUNT; i++)
		processes[i] = found[i];
	watch_groups_begin(groups);
	while ((count = watch_groups_next(groups, setbacks, processes + next, COUNT - next))) {
		for (size_t i = 0; i < count; i++)
			assert_int_equal(processes[next + i].pid, *pids++);
		assert_int_equal(*pids++, 0);
		next += count;
	}
	assert_int_equal(next, COUNT);
}

static const int shared[] = {1, 2, 3, 4, 5, 0}, apart[] = {1, 4, 0, 2, 5, 0, 3, 0};

static void test_after_a_failure_each_group_has_a_window_of_its_own(void **state)
{
	struct setbacks *setbacks = setbacks_new();
	struct watch_groups groups = {0};

	(void)state;
	assert_false(watch_groups_is_one(found, COUNT));
	assert_true(watch_groups_is_one(found, 1));
	assert_round(&groups, setbacks, shared);
	watch_groups_failed(&groups);
	assert_round(&groups, setbacks, apart);
	assert_round(&groups, setbacks, shared);
	/* for more rounds if that did not show who is to blame */
	watch_groups_failed(&groups);
	for (int round = 0; round < 3; round++)
		assert_round(&groups, setbacks, apart);
	assert_round(&groups, setbacks, shared);
	setbacks_free(setbacks);
}

static void test_who_fails_alone_shares_no_window(void **state)
{
	static const int last[] = {2, 3, 5, 0, 1, 4, 0};
	struct setbacks *setbacks = setbacks_new();
	struct watch_groups groups = {0};
	struct setback_key key = watch_groups_key(&found[0]);

	(void)state;
	assert_int_equal(setbacks_find(setbacks, key), SETBACK_NONE);
	assert_true(setbacks_add(setbacks, key, 0) == 0);
	assert_int_equal(setbacks_find(setbacks, key), SETBACK_DUE);
	assert_round(&groups, setbacks, last);
	setbacks_tidy(setbacks); /* an hour has not passed */
	assert_round(&groups, setbacks, last);
	setbacks_forget(setbacks);
	assert_round(&groups, setbacks, shared);
	setbacks_free(setbacks);
}

static void test_pauses_double_up_to_an_hour(void **state)
{
	struct setbacks *setbacks = setbacks_new();
	struct setback_key key = setback_of_process(1, 1), other = setback_of_process(1, 2);
	double pause = 0;

	(void)state;
	assert_true(setbacks_add(setbacks, key, 60) == 60);
	assert_int_equal(setbacks_find(setbacks, key), SETBACK_NOW);
	assert_int_equal(setbacks_find(setbacks, other), SETBACK_NONE);
	assert_true(setbacks_add(setbacks, key, 60) == 120);
	for (int i = 0; i < 100; i++)
		pause = setbacks_add(setbacks, key, 60);
	assert_true(pause == 3600);
	assert_true(setbacks_add(setbacks, other, 7200) == 7200);
	setbacks_remove(setbacks, key);
	assert_int_equal(setbacks_find(setbacks, key), SETBACK_NONE);
	setbacks_tidy(setbacks); /* neither process was ever there */
	assert_int_equal(setbacks_find(setbacks, other), SETBACK_NONE);
	setbacks_free(setbacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_a_failure_each_group_has_a_window_of_its_own),
		cmocka_unit_test(test_who_fails_alone_shares_no_window),
		cmocka_unit_test(test_pauses_double_up_to_an_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
