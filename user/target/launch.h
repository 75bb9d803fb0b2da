/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LAUNCH_H
#define ESCAPEMENT_LAUNCH_H

/*
 * A program that we start, and the processes that it starts, followed with ptrace. Each is stopped before the first
 * instruction of every image, and once more at its very end, while its memory still exists. In between they run
 * undisturbed, except that signals pass through us. Only the thread that starts a launch may call its functions. Only
 * one launch may exist at a time; it blocks SIGCHLD and waits for every child of this process.
 */

#include <signal.h>
#include <stdbool.h>

#include "base/subprocess.h"
#include "base/error.h"
#include "target/privilege.h"

struct launch_handler {
	void *context;
	/*
	 * `pid` is stopped with a new image. Called first at the exec, when only the executable and its dynamic linker
	 * are mapped, then again after each library that the linker maps, until the function returns true ("settled")
	 * or the linker is done.
	 */
	bool (*image)(void *context, int pid);
	/*
	 * The linker is done, and `image` has never returned true. Whenever libraries are mapped later (dlopen), the handler
	 * may have the thread that does it stopped by SIGSTOP, sent by the kernel. Then `image` is called as above, before
	 * any code of these libraries has run, and then this again. Threads of the process run meanwhile.
	 */
	void (*unsettled)(void *context, int pid);
	/* `pid` is stopped as a new copy of its parent (fork), with memory of its own. */
	void (*forked)(void *context, int pid);
	/* `pid` has created a process that lives on in the same memory; the creating thread is stopped. */
	void (*shared)(void *context, int pid);
	/* `pid` has created a thread; the creating thread is stopped. */
	void (*thread)(void *context, int pid);
	/* `pid` is stopped at its end, in its last thread, `tid`, through which its memory can still be read. `killed`:
	 * a signal ended it, so its threads may have been in the middle of any operation. */
	void (*exiting)(void *context, int pid, int tid, bool killed);
	/* `pid` has ended, or has replaced its image (then `wait_status` is -1). */
	void (*ended)(void *context, int pid, int wait_status);
};

struct launch;

/*
 * Starts argv; it stays stopped before its first instruction until launch_step() has called handler->image. It gets the
 * caller's signal mask, and ignores `ignored` in addition to what the caller ignores. Without `follow` the handler is
 * called only for the program itself, not for the processes that it starts. The program runs as `user`, in `place`. If
 * this process is killed, the kernel kills all of them.
 */
struct launch *launch_start(char *const *argv, const sigset_t *ignored, const struct identity *user,
			    const struct start_place *place, bool follow, const struct launch_handler *handler,
			    struct error *error);
/* Checks whether programs can be followed at all: traces a child of our own for a moment. Returns -1 with the error that
 * launch_start() would return. */
int launch_try(struct error *error);
/* Called in a child of this process: ignores `ignored` as well, becomes the user, enters the place, then executes the
 * program. On failure the errno is written to `report`, as an int. */
__attribute__((noreturn)) void launch_become(char *const *argv, const sigset_t *ignored, const struct identity *user,
					     const struct start_place *place, int report);
/* Fills the error with why it was not the program, by the errno that it has reported. Returns -1. */
int launch_refused(struct error *error, const char *name, int failure);

/* A descriptor for poll() that is readable when there is something to handle. */
int launch_file(const struct launch *launch);
/* Handles all events since the last call, without waiting. Returns whether the program itself still runs. */
bool launch_step(struct launch *launch);
int launch_pid(const struct launch *launch);
/* Wait status of the program; -1 while it runs. */
int launch_status(const struct launch *launch);
/* Stores the PIDs of the processes that have not ended (the program and those that it started), at most `count`, in
 * `pids`. Returns how many there are. */
size_t launch_processes(const struct launch *launch, int *pids, size_t count);
/* Ends all of them, and processes that they start meanwhile: SIGTERM, after `grace_ms` SIGKILL. Calls the handler as
 * launch_step() does. Returns when all have ended. */
void launch_end(struct launch *launch, int grace_ms);
/* Detaches everything that still runs, and frees the launch. What cannot be stopped within a second (a parent in vfork)
 * is killed by the kernel when this process ends. NULL is allowed. */
void launch_free(struct launch *launch);

#endif
