/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ENDING_SIGNALS_H
#define ESCAPEMENT_ENDING_SIGNALS_H

/*
 * The signals that ask a process to end: all that end one by default, but those of its own faults (SIGSEGV, SIGABRT, …), those
 * of writing that fails (SIGPIPE, SIGXFSZ), and SIGKILL. Whoever has something to finish first finishes it after each of
 * them: what a time limit ends (SIGXCPU, or SIGALRM of a wrapper that executes us) is as dear as what Ctrl-C ends.
 */

#include <signal.h>
#include <stdbool.h>

/* Sets *set to them. */
void ending_signals(sigset_t *set);

/* The same without those that this process ignores and that are not for all: whoever started it does not want these heeded. */
void ending_signals_heeded(sigset_t *set);

/* Ignores them. */
void ending_signals_ignore(void);

/* Whether people, terminals and service managers send it to end a process: SIGINT, SIGTERM, SIGHUP, SIGQUIT. The others are about
 * one process, and may mean something else to a program that we run. */
bool ending_signal_is_for_all(int number);

/* From now on, those that are not ignored end this process without a core file, in which there would be what was read from a target
 * (Ctrl-\ and a limit of CPU time make one), and without the rest of what it was about to write. So does SIGPIPE: the reader
 * of messages may go while a file is written. To be called again whenever these signals have got their default action. */
void ending_signals_leave_nothing(void);

/*
 * From now on, writing that would end this process by that signal (SIGPIPE: to a pipe without a reader; SIGXFSZ: beyond a limit)
 * fails instead, unless the signal is ignored, which comes to the same. By a handler, which programs that we start do not
 * inherit. `before`, if it is not NULL, gets what sigaction() takes to undo this.
 */
void ending_signals_write_on(int number, struct sigaction *before);

/* Sets the function that removes the rest. It is called by a signal handler, maybe in a child of the process that called this. */
void ending_signals_remove(void (*rest)(void));

#endif
