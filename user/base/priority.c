/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/priority.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/ending_signals.h"

enum { RAISED = -20 };

static int nice_before;
/* A signal's handler and other threads read these. `ended`: the hurry's time is set, so there is nothing left to hurry for. */
static atomic_bool raised, hurried, ended;
static pid_t recorder; /* the thread that priority_raise() was called in */

/* Returns whether the kernel allows it. */
static bool set_policy(pid_t thread, int policy)
{
	const struct sched_param first = {.sched_priority = sched_get_priority_min(SCHED_RR)}, none = {0};

	return sched_setscheduler(thread, policy, policy == SCHED_RR ? &first : &none) == 0;
}

/* A thread in real time, which is not late, that changes the policy of the recorder's. It is told to end without a signal
 * (pthread_cancel() sends one): the kernel may have no room for another one of this user. */
struct timer {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool dismissed;
	struct timespec time; /* of CLOCK_MONOTONIC */
	void (*expired)(void);
};

static struct timer calm, watch;

static void *wait_for_time(void *argument)
{
	struct timer *timer = argument;
	int error = 0;

	set_policy(0, SCHED_RR);
	pthread_mutex_lock(&timer->lock);
	while (!timer->dismissed && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&timer->changed, &timer->lock, &timer->time);
	pthread_mutex_unlock(&timer->lock);
	if (error == ETIMEDOUT)
		timer->expired();
	return NULL;
}

static void timer_start(struct timer *timer, int64_t time_ns, void (*expired)(void))
{
	pthread_condattr_t monotonic;

	*timer = (struct timer){.lock = PTHREAD_MUTEX_INITIALIZER,
				.time = {time_ns / 1000000000, time_ns % 1000000000},
				.expired = expired};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&timer->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	timer->started = pthread_create(&timer->thread, NULL, wait_for_time, timer) == 0;
}

static void timer_end(struct timer *timer)
{
	if (!timer->started)
		return;
	pthread_mutex_lock(&timer->lock);
	timer->dismissed = true;
	pthread_cond_signal(&timer->changed);
	pthread_mutex_unlock(&timer->lock);
	pthread_join(timer->thread, NULL);
	timer->started = false;
}

static void calm_down(void)
{
	hurried = false;
	set_policy(recorder, SCHED_OTHER);
}

bool priority_raise(void)
{
	if (raised) { /* by a recording before: its hurry must not end in the middle of this one */
		timer_end(&calm);
		calm_down();
		ended = false;
		return true;
	}
	errno = 0;
	nice_before = getpriority(PRIO_PROCESS, 0);
	if (errno)
		return false;
	/* a real-time or idle policy was somebody's choice: it stays */
	recorder = gettid();
	hurried = ended = false;
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
	set_policy(0, SCHED_OTHER);
	setpriority(PRIO_PROCESS, 0, nice_before);
	raised = false;
}

static sigset_t unwatched; /* the recorder's signal mask without the watch */

void priority_calm_at(int64_t time_ns)
{
	if (!raised)
		return;
	ended = true;
	timer_end(&calm);
	timer_start(&calm, time_ns, calm_down);
	if (!calm.started)
		calm_down();
}

void priority_hurry(void)
{
	int error = errno;

	if (raised && !ended) {
		hurried = true; /* first, so that priority_urgent() does not undo the next line unseen */
		if (!set_policy(recorder, SCHED_RR))
			hurried = false; /* a thread without the capability: priority_urgent() goes on */
	}
	errno = error;
}

void priority_unwatch(void)
{
	if (!watch.started)
		return;
	timer_end(&watch);
	pthread_sigmask(SIG_SETMASK, &unwatched, NULL);
}

void priority_watch(int64_t time_ns)
{
	sigset_t ending;

	if (!raised)
		return;
	priority_unwatch();
	priority_urgent(true); /* so that the thread comes to set its own policy */
	timer_start(&watch, time_ns, priority_hurry);
	priority_urgent(false);
	if (!watch.started)
		return;
	ending_signals(&ending);
	pthread_sigmask(SIG_BLOCK, &ending, &unwatched);
}

void priority_urgent(bool urgent)
{
	if (!raised || hurried)
		return;
	set_policy(0, urgent ? SCHED_RR : SCHED_OTHER);
	if (hurried) /* since a moment ago */
		set_policy(0, SCHED_RR);
}
