/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/ending_signals.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

/* All others that can be caught end a process by default, those of real time too. */
static const int others[] = {SIGSEGV, SIGILL,  SIGFPE,	SIGBUS,	 SIGTRAP, SIGABRT, SIGSYS,   SIGPIPE, SIGXFSZ,
			     SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH, SIGKILL, SIGSTOP};
static const int for_all[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

void ending_signals(sigset_t *set)
{
	sigfillset(set);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		sigdelset(set, others[i]);
}

void ending_signals_ignore(void)
{
	sigset_t set;

	ending_signals(&set);
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (sigismember(&set, number) == 1)
			signal(number, SIG_IGN);
	}
}

bool ending_signal_is_for_all(int number)
{
	for (size_t i = 0; i < sizeof(for_all) / sizeof(for_all[0]); i++) {
		if (for_all[i] == number)
			return true;
	}
	return false;
}

void ending_signals_heeded(sigset_t *set)
{
	ending_signals(set);
	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction now;

		if (!ending_signal_is_for_all(number) && sigaction(number, NULL, &now) == 0 &&
		    now.sa_handler == SIG_IGN)
			sigdelset(set, number);
	}
}

static void (*remove_rest)(void);

/* The first process of a PID namespace is not ended by a signal of its own. */
static void end_without_rest(int number)
{
	sigset_t this_one;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (remove_rest)
		remove_rest();
	signal(number, SIG_DFL);
	raise(number);
	sigemptyset(&this_one);
	sigaddset(&this_one, number);
	pthread_sigmask(SIG_UNBLOCK, &this_one, NULL);
	_exit(128 + number);
}

void ending_signals_leave_nothing(void)
{
	sigset_t set;

	ending_signals(&set);
	sigaddset(&set, SIGPIPE);
	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction before;

		if (sigismember(&set, number) == 1 && sigaction(number, NULL, &before) == 0 &&
		    before.sa_handler == SIG_DFL)
			signal(number, end_without_rest);
	}
}

static void go_on(int number)
{
	(void)number;
}

void ending_signals_write_on(int number, struct sigaction *before)
{
	struct sigaction now;

	if (!before)
		before = &now;
	if (sigaction(number, NULL, before) == 0 && before->sa_handler != SIG_IGN)
		sigaction(number, &(struct sigaction){.sa_handler = go_on, .sa_flags = SA_RESTART}, NULL);
}

void ending_signals_remove(void (*rest)(void))
{
	remove_rest = rest;
}
