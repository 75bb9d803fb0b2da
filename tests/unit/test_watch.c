/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds up a search for the processes that an agent watches, and what keeps one from being observed for long. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "directory_fixture.h"
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

/* A process that executes the other one of two programs, of which one looks like Go's, whenever it is told to. */
static struct {
	pid_t pid;
	int tell, hear;
} swapping;

static void wait_for_program(void)
{
	char byte;

	assert_int_equal(read(swapping.hear, &byte, 1), 1);
}

static void start_swapping(const char *first, const char *second)
{
	int to[2], from[2];

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	swapping.pid = fork();
	assert_true(swapping.pid >= 0);
	if (swapping.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl(first, first, second, NULL);
		_exit(1);
	}
	close(to[0]);
	close(from[1]);
	swapping.tell = to[1];
	swapping.hear = from[0];
	wait_for_program();
}

static void swap(void)
{
	assert_int_equal(write(swapping.tell, "x", 1), 1);
	wait_for_program();
}

static void end_swapping(void)
{
	kill(swapping.pid, SIGKILL);
	assert_int_equal(waitpid(swapping.pid, NULL, 0), swapping.pid);
	close(swapping.tell);
	close(swapping.hear);
}

/* Searches in another process, and has the program exchanged behind that system call of its look at the process. Returns whether
 * there was one. */
static bool search_and_swap(const struct agent_config *config, struct watch_cache *cache, struct setbacks *setbacks,
			    struct watch_found *found, int call)
{
	pid_t searcher = fork();
	int status, stops = 0;
	struct error error;

	assert_true(searcher >= 0);
	if (searcher == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(watch_find(config, cache, setbacks, 0, found, &error) != 0);
	}
	while (waitpid(searcher, &status, 0) == searcher && WIFSTOPPED(status)) {
		if (found->looks_at.pid == swapping.pid && ++stops == 2 * call)
			swap();
		ptrace(PTRACE_SYSCALL, searcher, NULL, NULL);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return stops >= 2 * call;
}

static void test_what_is_known_of_a_program_is_what_was_read_of_it(void **state)
{
	static char name[] = "unit-swap-*", service[] = "s";
	struct agent_watch watch = {.service = service, .name = name, .go = true};
	struct agent_config config = {.watches = &watch, .watch_count = 1};
	struct watch_found *found =
		mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct setbacks *setbacks = setbacks_new();
	struct error error;
	int calls = 0;

	(void)state;
	assert_true(found != MAP_FAILED);
	run("printf '#include <unistd.h>\nint main(int n, char **a)\n{\n\tchar b;\n\n\treturn write(1, a[0], 1) == 1 && "
	    "read(0, &b, 1) == 1 ? execl(a[1], a[1], a[0], NULL) : n;\n}\n' > swap.c && gcc -o unit-swap-c swap.c && "
	    "objcopy --add-section .go.buildinfo=swap.c unit-swap-c unit-swap-go");
	for (int call = 1; call <= 6; call++) {
		for (int go = 0; go < 2; go++) {
			struct watch_cache *cache = watch_cache_new();
			bool is_go = go;

			start_swapping(in_directory(go ? "unit-swap-go" : "unit-swap-c"),
				       in_directory(go ? "unit-swap-c" : "unit-swap-go"));
			if (search_and_swap(&config, cache, setbacks, found, call)) {
				is_go = !is_go;
				calls++;
			}
			for (int i = 0; i < 2; i++, is_go = !is_go, swap()) {
				assert_int_equal(watch_find(&config, cache, setbacks, 0, found, &error), 0);
				assert_int_equal(found->count, is_go);
			}
			end_swapping();
			watch_cache_free(cache);
		}
	}
	assert_true(calls >= 4);
	setbacks_free(setbacks);
	munmap(found, sizeof(*found));
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

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_an_executable_that_takes_long_holds_up_a_search),
		cmocka_unit_test(test_a_process_that_has_ended_is_not_looked_at_any_more),
		cmocka_unit_test(test_what_is_known_of_a_program_is_what_was_read_of_it),
		cmocka_unit_test(test_a_program_stays_what_it_is_but_other_causes_pass),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
