/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LAUNCH_H
#define ESCAPEMENT_LAUNCH_H

/*
 * A program that we start, and the processes it starts, followed with ptrace: stopped before the first instruction of
 * every image, and once more at their very end, while their memory is still there. In between they run untouched,
 * but for signals, which pass through. The thread that starts a launch must make all calls on it. While there is one,
 * it blocks SIGCHLD and waits for every child of this process; one at a time.
 */

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"
#include "target/privilege.h"

struct launch_handler {
	void *context;
	/*
	 * `pid` is stopped with a new image. Called first at the exec, when only the executable and its dynamic linker
	 * are mapped, then again after each library that the linker maps, until it returns true ("settled") or the
	 * linker is done.
	 */
	bool (*image)(void *context, int pid);
	/* `pid` is stopped as a new copy of its parent (fork), with memory of its own. */
	void (*forked)(void *context, int pid);
	/* `pid` has made a thread, and the one that made it is stopped. */
	void (*thread)(void *context, int pid);
	/* `pid` is stopped at its end, in its last thread, `tid`, through which its memory can still be read. `killed`: by
	 * a signal, so that its threads may be in the middle of anything. */
	void (*exiting)(void *context, int pid, int tid, bool killed);
	/* `pid` has ended, or has replaced its image (then `wait_status` is -1). */
	void (*ended)(void *context, int pid, int wait_status);
};

struct launch;

/*
 * Starts argv, stopped before its first instruction until launch_step() has called handler->image. It gets the caller's
 * signal mask, and ignores `ignored` besides what the caller ignores. Without `follow` the handler hears of the program
 * itself only, not of the processes that it starts. The program runs as that user. If this process is killed, the kernel
 * kills them all.
 */
struct launch *launch_start(char *const *argv, const sigset_t *ignored, const struct identity *user, bool follow,
			    const struct launch_handler *handler, struct error *error);
/* In a child of this process: ignores `ignored` besides, becomes the user and then the program. A failure is written to
 * `report`, as an int, its errno. */
__attribute__((noreturn)) void launch_become(char *const *argv, const sigset_t *ignored, const struct identity *user,
					     int report);

/* A descriptor that can be read when there is something to handle, for poll(). */
int launch_file(const struct launch *launch);
/* Handles what has happened since the last call without waiting. Returns whether the program itself still runs. */
bool launch_step(struct launch *launch);
int launch_pid(const struct launch *launch);
/* Wait status of the program; -1 while it runs. */
int launch_status(const struct launch *launch);
/* The processes that are still there, the program and those that it started: at most `count` of them into `pids`. Returns
 * how many there are. */
size_t launch_processes(const struct launch *launch, int *pids, size_t count);
/* Ends all of them, with what they start meanwhile: SIGTERM, after `grace_ms` SIGKILL. Calls the handler as launch_step()
 * does; returns when all have ended. */
void launch_end(struct launch *launch, int grace_ms);
/* Lets go of everything that still runs, and frees. The kernel kills what cannot be stopped within a second (a parent in
 * vfork) when this process ends. NULL is allowed. */
void launch_free(struct launch *launch);

#endif
