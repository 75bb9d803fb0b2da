/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of a process that is stopped, and of those that wait for it. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/procfs.h"
#include "target/stopped_threads.h"
#include "skip.h"

enum { SLEEPERS = 8, EXECUTING = 500, IN_LOOK = 5 };

#define SECOND INT64_C(1000000000)

/* Of the process that is stopped, which is not our child. */
static struct shared {
	atomic_int pid, parent, ticks, returned, sleepers[SLEEPERS];
} * shared;
static int told; /* its parent closes the other end when the process has ended */
static struct error refusal;
static int64_t duration;

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Sleeps in the kernel, where no tracer stops it. */
static void *wait_for_vfork(void *child)
{
	if (vfork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*(atomic_int *)child = getpid();
		pause();
		_exit(0);
	}
	shared->returned++;
	return NULL;
}

static _Noreturn void be_target(int sleepers)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < sleepers; i++)
		pthread_create(&thread, NULL, wait_for_vfork, &shared->sleepers[i]);
	for (shared->pid = getpid();; shared->ticks++)
		pause_ms(1);
}

static void wait_until(atomic_int *value, int than)
{
	for (int i = 0; i < 30000 && *value <= than; i++)
		pause_ms(1);
	assert_true(*value > than);
}

static void begin(void (*be)(int threads), int threads)
{
	int ends[2], child;

	if (shared->pid) /* of a test that failed */
		kill(shared->pid, SIGKILL);
	memset(shared, 0, sizeof(*shared));
	assert_int_equal(pipe(ends), 0);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		shared->parent = getpid();
		if ((child = fork()) == 0) {
			close(ends[1]);
			be(threads);
		}
		_exit(waitpid(child, NULL, 0) != child);
	}
	close(ends[1]);
	told = ends[0];
	wait_until(&shared->ticks, 0);
	for (int i = 0; be == be_target && i < threads; i++)
		wait_until(&shared->sleepers[i], 0);
}

static void end(void)
{
	kill(shared->pid, SIGKILL);
	close(told);
	waitpid(shared->parent, NULL, 0);
	shared->pid = 0;
}

static int stop(int64_t limit_ns, stopped_threads_look *look)
{
	struct target target = {.pid = shared->pid, .comm = "target"};
	int result;

	memset(&refusal, 0, sizeof(refusal));
	result = stopped_threads_with(&target, limit_ns, look, NULL, &duration, &refusal);
	if (result < 0 && refusal.cause) {
		end();
		skip_because(refusal.text);
	}
	return result;
}

static int count(void *context, struct stopped_threads *stopped)
{
	(void)context;
	return (int)stopped_threads_count(stopped);
}

static void all_run_again_although_some_could_not_be_stopped(void **state)
{
	size_t threads;
	int *tids, ticks;

	(void)state;
	begin(be_target, SLEEPERS);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(stop(SECOND / 5, count), -1);
		assert_non_null(strstr(refusal.text, "could not be stopped in time (--max-stop): it is in state 'D'"));
		assert_true(duration < 3 * SECOND); /* not a second more for each */
		ticks = shared->ticks;
		wait_until(&shared->ticks, ticks);
	}
	tids = procfs_threads(shared->pid, &threads);
	assert_int_equal(threads, SLEEPERS + 1);
	for (size_t i = 0; i < threads; i++)
		assert_int_equal(procfs_status_number(tids[i], "TracerPid"), 0);
	free(tids);
	for (int i = 0; i < SLEEPERS; i++)
		kill(shared->sleepers[i], SIGKILL);
	wait_until(&shared->returned, SLEEPERS - 1);
	for (int i = 0; i < 30000 && procfs_status_number(shared->pid, "Threads") > 1; i++) /* they have yet to end */
		pause_ms(1);
	assert_int_equal(stop(10 * SECOND, count), 1);
	end();
}

static bool is_told_within(int ms)
{
	struct pollfd end_of_file = {.fd = told, .events = POLLIN};

	return poll(&end_of_file, 1, ms) == 1;
}

static int kill_it(void *context, struct stopped_threads *stopped)
{
	(void)context, (void)stopped;
	kill(shared->pid, SIGKILL);
	return IN_LOOK;
}

static void the_parent_of_what_is_killed_meanwhile_is_told_after_it(void **state)
{
	(void)state;
	begin(be_target, 0);
	assert_int_equal(stop(10 * SECOND, kill_it), IN_LOOK);
	assert_true(is_told_within(10000));
	end();
}

/* Executes another program as soon as the first of many threads is traced, and others are not yet. */
static void *execute(void *first)
{
	while (!procfs_status_number(*(pid_t *)first, "TracerPid"))
		;
	execl("/proc/self/exe", "test_stopped_threads", "executed", (char *)NULL);
	_exit(1);
}

static void *sleep_on(void *tid)
{
	*(pid_t *)tid = gettid();
	pause();
	return NULL;
}

static _Noreturn void be_executing(int threads)
{
	static pid_t tids[EXECUTING];
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < threads; i++)
		pthread_create(&thread, NULL, sleep_on, &tids[i]);
	while (!*(volatile pid_t *)&tids[0])
		pause_ms(1);
	pthread_create(&thread, NULL, execute, &tids[0]);
	for (shared->pid = getpid();; shared->ticks++)
		pause_ms(1);
}

static void who_executes_another_program_meanwhile_does_so_in_the_end(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		begin(be_executing, EXECUTING);
		alarm(60);
		do /* all may be stopped before one of them sees it */
			stop(10 * SECOND, count);
		while (!is_told_within(10));
		alarm(0);
		end();
	}
}

static bool take_blocked(void *context, const char *line)
{
	if (strncmp(line, "SigBlk:", 7) == 0)
		*(uint64_t *)context = strtoull(line + 7, NULL, 16);
	return true;
}

/* Whether no thread of ours takes the signals by which a terminal suspends us. */
static bool terminal_waits(void)
{
	static const int signals[] = {SIGTSTP, SIGTTIN, SIGTTOU};
	uint64_t wanted = 0, blocked = UINT64_MAX;
	size_t threads;
	int *tids = procfs_threads(getpid(), &threads);

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		wanted |= UINT64_C(1) << (signals[i] - 1);
	for (size_t i = 0; i < threads; i++) {
		uint64_t own = 0;

		procfs_lines(tids[i], "status", take_blocked, &own);
		blocked &= own;
	}
	free(tids);
	return (blocked & wanted) == wanted;
}

static int look_at_ourselves(void *context, struct stopped_threads *stopped)
{
	(void)context, (void)stopped;
	return terminal_waits() ? getpriority(PRIO_PROCESS, 0) + 100 : -1;
}

static void we_are_not_suspended_meanwhile_and_run_before_others(void **state)
{
	int before = getpriority(PRIO_PROCESS, 0), result;
	bool may = setpriority(PRIO_PROCESS, 0, before - 1) == 0;

	(void)state;
	setpriority(PRIO_PROCESS, 0, before);
	begin(be_target, 0);
	result = stop(10 * SECOND, look_at_ourselves);
	assert_int_equal(result, may ? 100 - 20 : 100 + before);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
	assert_false(terminal_waits());
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_run_again_although_some_could_not_be_stopped),
		cmocka_unit_test(the_parent_of_what_is_killed_meanwhile_is_told_after_it),
		cmocka_unit_test(who_executes_another_program_meanwhile_does_so_in_the_end),
		cmocka_unit_test(we_are_not_suspended_meanwhile_and_run_before_others),
	};

	(void)argv;
	if (argc > 1)
		return 0; /* executed */
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED || cmocka_run_group_tests(tests, NULL, NULL);
}
