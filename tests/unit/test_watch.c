/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds up a search for the processes that an agent watches, and what keeps one from being observed for long. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet/watch.h"
#include "target/obstacle.h"

enum { SECOND = 1000000000 };

static void test_only_an_executable_that_takes_long_holds_up_a_search(void **state)
{
	static struct watch_found found;

	(void)state;
	assert_false(watch_is_held(&found, INT64_MAX));
	found.looks_since_ns = 1;
	assert_false(watch_is_held(&found, 1));
	assert_false(watch_is_held(&found, 9LL * SECOND));
	assert_true(watch_is_held(&found, 11LL * SECOND));
}

static void test_a_process_that_has_ended_is_not_looked_at_any_more(void **state)
{
	static char name[] = "unit-ended", service[] = "s";
	static struct watch_found found;
	struct agent_watch watch = {.service = service, .name = name, .go = true};
	struct agent_config config = {.watches = &watch, .watch_count = 1};
	struct watch_cache *cache = watch_cache_new();
	struct setbacks *setbacks = setbacks_new();
	struct error error;
	siginfo_t ended;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		prctl(PR_SET_NAME, name);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
	/* it still has a name and a user, but no executable */
	assert_int_equal(watch_find(&config, cache, setbacks, 0, &found, &error), 0);
	assert_int_equal(found.looks_at.pid, 0);
	assert_false(watch_is_held(&found, INT64_MAX));
	assert_int_equal(found.count, 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	setbacks_free(setbacks);
	watch_cache_free(cache);
}

static void test_a_program_stays_what_it_is_but_other_causes_pass(void **state)
{
	struct error error;

	(void)state;
	obstacle_set(&error, OBSTACLE_NO_RUNTIME, NULL, "process %d", 1);
	assert_true(obstacle_is_of_program(&error));
	obstacle_set(&error, OBSTACLE_TRACER, "gdb", "process %d", 1);
	assert_false(obstacle_is_of_program(&error));
	error_set(&error, STATUS_CANNOT_MEASURE, "too many open files");
	assert_false(obstacle_is_of_program(&error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_an_executable_that_takes_long_holds_up_a_search),
		cmocka_unit_test(test_a_process_that_has_ended_is_not_looked_at_any_more),
		cmocka_unit_test(test_a_program_stays_what_it_is_but_other_causes_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
