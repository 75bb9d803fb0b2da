/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STOPWORLD_H
#define STOPWORLD_H

/*
 * Stops all other threads of the process while a function runs, and gives it their registers.
 *
 * The function runs in a process of its own that shares this one's memory and files (clone), as LeakSanitizer's does,
 * because only another process can stop threads by ptrace(2): a thread stops wherever it is, with all signals blocked or
 * not, and does not notice. A process with a single thread needs nobody to stop it, and calls the function directly.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

#pragma GCC visibility push(hidden)

struct stopped_thread {
	int tid;
	struct machine_registers registers;
	uintptr_t thread;	/* as machine_thread() returns it there */
	const uintptr_t *words; /* all of its registers, vector registers too */
	size_t nwords;
};

struct stopped_world {
	int pid, caller; /* the process, the calling thread */
	size_t nthreads; /* the calling one is not counted */
	struct stopped_thread *threads;
};

/*
 * Calls `run` with all other threads stopped. The caller has blocked all signals: the helper must not run a handler either. `run` must take no lock that a thread could hold, nor call functions that do;
 * it changes the caller's errno. Returns 0 or an errno: EPERM if threads cannot be stopped, because the process is being traced already, or
 * may not be (not dumpable, kernel.yama.ptrace_scope of 3, a filter of system calls); ETIMEDOUT if one did not stop in ten
 * seconds; EFAULT if `run` died; ENOMEM; ENOENT without the /proc of its own pid namespace;
 * what else opening or reading /proc/PID/task gave, such as EMFILE.
 */
int stopTheWorld(void (*run)(const struct stopped_world *world, void *argument), void *argument);

#pragma GCC visibility pop
#endif
