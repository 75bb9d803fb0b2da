/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/descendants.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

void descendants_die_with_us(void)
{
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent) /* the parent has ended meanwhile */
		_exit(127);
}

/* Collects all descendants, parents before their children. */
static size_t find(int pids[DESCENDANTS])
{
	size_t count = 0, done = 0;

	for (int pid = getpid();; pid = pids[done++]) {
		size_t child_count;
		int *children = procfs_children(pid, &child_count);

		for (size_t i = 0; i < child_count && count < DESCENDANTS; i++)
			pids[count++] = children[i];
		free(children);
		if (done == count)
			return count;
	}
}

static size_t signal_all(int number)
{
	static int pids[DESCENDANTS];
	size_t count = find(pids);

	for (size_t i = 0; i < count && number; i++)
		kill(pids[i], number);
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
