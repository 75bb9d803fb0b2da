/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ending_signals.h"
#include "target/descendants.h"
#include "skip.h"

/* The wait status of a process that sends itself the signal: exited if it has gone on. */
static int send_in_child(int number, void (*prepare)(void))
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		signal(number, SIG_DFL); /* cmocka catches some */
		prepare();
		kill(getpid(), number);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	if (WIFSTOPPED(status)) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return status;
}

static void have_no_core(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static bool is_about_a_fault(int number)
{
	static const int faults[] = {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE, SIGXFSZ};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (faults[i] == number)
			return true;
	}
	return false;
}

static void they_are_those_by_which_the_kernel_ends_a_process(void **state)
{
	sigset_t set;

	(void)state;
	ending_signals(&set);
	for (int number = 1; number <= SIGRTMAX; number++) {
		bool ends = WIFSIGNALED(send_in_child(number, have_no_core));

		if (number > SIGSYS && number < SIGRTMIN) /* the C library's own */
			continue;
		if (number == SIGKILL || is_about_a_fault(number))
			ends = false;
		if ((sigismember(&set, number) == 1) != ends)
			fail_msg("signal %d: the kernel says %d", number, ends);
	}
}

static void ignored_they_end_nothing(void **state)
{
	sigset_t set;

	(void)state;
	ending_signals(&set);
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (sigismember(&set, number) == 1)
			assert_true(WIFEXITED(send_in_child(number, ending_signals_ignore)));
	}
}

static void ignore_some(void)
{
	signal(SIGUSR1, SIG_IGN);
	signal(SIGRTMIN + 1, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
}

static void what_the_caller_ignores_is_not_heeded_unless_it_is_for_all(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		sigset_t set;

		ignore_some();
		ending_signals_heeded(&set);
		_exit(sigismember(&set, SIGUSR1) | sigismember(&set, SIGRTMIN + 1) << 1 |
		      sigismember(&set, SIGTERM) << 2 | sigismember(&set, SIGALRM) << 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4 | 8);
}

static void want_cores(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_CORE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_CORE, &limit);
	ending_signals_leave_nothing();
}

static void those_that_make_a_core_file_end_a_process_without_one(void **state)
{
	static const int numbers[] = {SIGQUIT, SIGXCPU};
	struct rlimit limit;

	(void)state;
	if (getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max == 0) {
		skip_because("no process here may leave a core file");
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int status = send_in_child(numbers[i], want_cores);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), numbers[i]);
		assert_false(WCOREDUMP(status));
	}
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
	(void)number;
	alarms = alarms + 1;
}

static void wait_for_end(void *context)
{
	(void)context;
	pause();
}

static void they_do_not_keep_a_guarded_program_from_starting(void **state)
{
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
	const struct sigaction counting = {.sa_handler = count_alarm}; /* without SA_RESTART */

	(void)state;
	sigaction(SIGALRM, &counting, NULL);
	for (int i = 0; i < 20 || !alarms; i++) {
		struct error error = {0};
		struct guard *guard;

		setitimer(ITIMER_REAL, &often, NULL);
		guard = guard_start(wait_for_end, NULL, "a program", &error);
		setitimer(ITIMER_REAL, &never, NULL);
		assert_string_equal(error.text, "");
		assert_non_null(guard);
		guard_free(guard);
	}
	signal(SIGALRM, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_those_by_which_the_kernel_ends_a_process),
		cmocka_unit_test(ignored_they_end_nothing),
		cmocka_unit_test(what_the_caller_ignores_is_not_heeded_unless_it_is_for_all),
		cmocka_unit_test(those_that_make_a_core_file_end_a_process_without_one),
		cmocka_unit_test(they_do_not_keep_a_guarded_program_from_starting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
