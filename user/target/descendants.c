/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/descendants.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/ending_signals.h"
#include "base/memory.h"
#include "base/subprocess.h"
#include "target/filtered_call.h"
#include "target/obstacle.h"
#include "target/privilege.h"
#include "target/procfs.h"

enum {
	STEP_MS = 10,
	KILLED_MS = 5000,   /* a killed process has ended by then, or hangs in the kernel */
	DESCENDANTS = 4096, /* at most this many are signalled at a time */
};

void descendants_adopt(bool on)
{
	prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0);
}

/*
 * A process of ours, named by a descriptor: others than we may reap it, and then its number is anybody's. Without a descriptor,
 * which a seccomp filter or a limit may deny, it is a child of ours, which only we reap.
 */
struct descendant {
	int pid, file;
};

static bool is_unreaped(const struct descendant *one)
{
	return one->file < 0 || syscall(SYS_pidfd_send_signal, one->file, 0, NULL, 0) == 0 || errno != ESRCH;
}

/* Opens a process that had this number as a child of `parent`. Returns false if it is none. The two are looked at
 * after their numbers were read: who has not been reaped by then had them when they were read. */
static bool open_child(const struct descendant *parent, int pid, struct descendant *child)
{
	int now;

	*child = (struct descendant){pid, filtered_pidfd_open(pid)};
	if (child->file < 0)
		return errno != ESRCH && parent->pid == getpid();
	now = procfs_status_number(pid, "PPid"); /* ours, if its parent has ended meanwhile */
	if ((now == parent->pid || now == getpid()) && is_unreaped(child) && is_unreaped(parent))
		return true;
	close(child->file);
	return false;
}

/* Collects all descendants, parents before their children. The caller closes them. */
static size_t find(struct descendant found[DESCENDANTS])
{
	const struct descendant ourselves = {getpid(), -1};
	size_t count = 0, done = 0;

	for (const struct descendant *parent = &ourselves;; parent = &found[done++]) {
		size_t child_count;
		int *children = procfs_children(parent->pid, &child_count);

		for (size_t i = 0; i < child_count && count < DESCENDANTS; i++)
			count += open_child(parent, children[i], &found[count]);
		free(children);
		if (done == count)
			return count;
	}
}

static size_t signal_all(int number)
{
	static struct descendant found[DESCENDANTS];
	size_t count = find(found);

	for (size_t i = 0; i < count; i++) {
		if (number && found[i].file >= 0)
			syscall(SYS_pidfd_send_signal, found[i].file, number, NULL, 0);
		else if (number)
			kill(found[i].pid, number);
		if (found[i].file >= 0)
			close(found[i].file);
	}
	return count;
}

/* Reaps children until none is left or the time is over. */
static bool reap(int milliseconds, int number)
{
	const struct timespec moment = {0, STEP_MS * 1000 * 1000};

	for (int waited = 0; waited < milliseconds; waited += STEP_MS) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (signal_all(number) == 0)
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

void descendants_end(int grace_ms)
{
	signal_all(SIGTERM);
	if (!reap(grace_ms, 0))
		reap(KILLED_MS, SIGKILL);
}

/* ---- guard ---- */

/* What the guard tells us first. */
struct beginning {
	pid_t program;	/* -1: there is none, and `failure` says why */
	int failure;	/* errno */
	int privileged; /* guard_privileged() */
};

struct guard {
	pid_t pid;
	struct beginning beginning;
	int status; /* the guard writes the program's wait status to it */
	int orders; /* the numbers of signals for the program; the guard waits for its end, which comes when we end */
};

/* Waits for the program's end and for ours. Only here it is known whether the program still has its number. */
__attribute__((noreturn)) static void guard_run(pid_t program, int status, int orders)
{
	struct pollfd ours = {.fd = orders, .events = POLLIN};
	unsigned char number;
	int ended;
	pid_t pid;

	for (;;) {
		while ((pid = waitpid(-1, &ended, WNOHANG)) > 0) {
			if (pid != program)
				continue;
			program = 0;
			if (write(status, &ended, sizeof(ended)) < 0)
				_exit(127);
		}
		if (poll(&ours, 1, STEP_MS) <= 0)
			continue;
		if (read(orders, &number, 1) != 1) {
			descendants_end(0);
			_exit(0);
		}
		if (program)
			kill(program, number);
	}
}

/* Closes all descriptors except the standard ones and these two, because readers of our pipes wait until all copies
 * are closed. */
static void close_others(int one, int other)
{
	unsigned low = (unsigned)(one < other ? one : other), high = (unsigned)(one < other ? other : one);

	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

/* Runs in the guard's process: starts the program. The guard ignores the signals that ask to end, which the program
 * and our process handle. */
__attribute__((noreturn)) static void guard_begin(void (*become)(void *context), void *context, int status, int orders)
{
	pid_t guard = getpid();
	struct beginning beginning = {.program = -1};

	descendants_adopt(true);
	beginning.program = fork();
	if (beginning.program == 0) {
		subprocess_end_with(guard, SIGKILL);
		become(context);
		_exit(127);
	}
	beginning.failure = errno;
	beginning.privileged = privilege_keep(PRIVILEGE_SIGNAL) ? errno : 0;
	close_others(status, orders);
	ending_signals_ignore();
	signal(SIGPIPE, SIG_IGN);
	if (write(status, &beginning, sizeof(beginning)) < 0 || beginning.program < 0)
		_exit(127);
	guard_run(beginning.program, status, orders);
}

/* Takes what the guard says first. -1 if it ended without a word. */
static int take_beginning(struct guard *guard)
{
	ssize_t got;

	do
		got = read(guard->status, &guard->beginning, sizeof(guard->beginning));
	while (got < 0 && errno == EINTR);
	return got == sizeof(guard->beginning) ? 0 : -1;
}

struct guard *guard_start(void (*become)(void *context), void *context, const char *name, struct error *error)
{
	enum { READ, WRITE };
	int status[2] = {-1, -1}, orders[2] = {-1, -1};
	struct guard *guard = memory_zeroed(1, sizeof(*guard));

	guard->pid = -1;
	if (pipe2(status, O_CLOEXEC) || pipe2(orders, O_CLOEXEC)) {
		error_set(error, STATUS_CANNOT_MEASURE, "cannot start '%s': %m", name);
	} else if ((guard->pid = fork()) < 0) {
		obstacle_no_process(error, errno, "'%s'", name);
	} else if (guard->pid == 0) {
		close(orders[WRITE]);
		close(status[READ]);
		guard_begin(become, context, status[WRITE], orders[READ]);
	}
	close(status[WRITE]);
	close(orders[READ]);
	guard->status = status[READ];
	guard->orders = orders[WRITE];
	if (guard->pid > 0) {
		if (take_beginning(guard))
			error_set(error, STATUS_CANNOT_MEASURE, "cannot start '%s': its guard was killed", name);
		else if (guard->beginning.program < 0)
			obstacle_no_process(error, guard->beginning.failure, "'%s'", name);
		else
			return guard;
	}
	guard_free(guard);
	return NULL;
}

void guard_signal(const struct guard *guard, int number)
{
	unsigned char order = (unsigned char)number;

	if (write(guard->orders, &order, 1) < 0)
		return; /* somebody has killed the guard, and with it the program */
}

int guard_privileged(const struct guard *guard)
{
	return guard->beginning.privileged;
}

bool guard_ended(const struct guard *guard, int *wait_status)
{
	struct pollfd readable = {.fd = guard->status, .events = POLLIN};

	if (poll(&readable, 1, 0) <= 0)
		return false;
	if (read(guard->status, wait_status, sizeof(*wait_status)) != sizeof(*wait_status))
		*wait_status = SIGKILL;
	return true;
}

void guard_free(struct guard *guard)
{
	if (!guard)
		return;
	if (guard->pid > 0) {
		kill(guard->pid, SIGKILL);
		waitpid(guard->pid, NULL, 0);
	}
	if (guard->status >= 0)
		close(guard->status);
	if (guard->orders >= 0)
		close(guard->orders);
	free(guard);
}
