/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/priority.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { RAISED = -20 };

static int nice_before;
static bool raised;

bool priority_raise(void)
{
	if (raised)
		return true;
	errno = 0;
	nice_before = getpriority(PRIO_PROCESS, 0);
	if (errno)
		return false;
	/* a real-time or idle policy was somebody's choice: it stays */
	raised = sched_getscheduler(0) == SCHED_OTHER && setpriority(PRIO_PROCESS, 0, RAISED) == 0;
	return raised;
}

bool priority_is_raised(void)
{
	return raised;
}

void priority_restore(void)
{
	if (!raised)
		return;
	priority_urgent(false);
	setpriority(PRIO_PROCESS, 0, nice_before);
	raised = false;
}

static void set_policy(pid_t thread, int policy)
{
	const struct sched_param first = {.sched_priority = sched_get_priority_min(SCHED_RR)}, none = {0};

	sched_setscheduler(thread, policy, policy == SCHED_RR ? &first : &none);
}

/* The arguments of calm_down(). */
static struct {
	pid_t thread;
	struct timespec delay;
} calm;

static void *calm_down(void *unused)
{
	nanosleep(&calm.delay, NULL);
	set_policy(calm.thread, SCHED_OTHER);
	return unused;
}

void priority_calm_after(int milliseconds)
{
	pthread_t thread;

	if (!raised || sched_getscheduler(0) != SCHED_RR)
		return;
	calm.thread = gettid();
	calm.delay = (struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L};
	if (pthread_create(&thread, NULL, calm_down,
			   NULL)) /* the new thread inherits the real-time policy, so it is not late */
		priority_urgent(false);
	else
		pthread_detach(thread);
}

void priority_urgent(bool urgent)
{
	if (raised)
		set_policy(0, urgent ? SCHED_RR : SCHED_OTHER);
}
