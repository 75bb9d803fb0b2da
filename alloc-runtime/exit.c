/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _exit and _Exit, which run no destructors: at the debug level, what is in the queue is checked first. exit() calls
 * _exit by an internal name of libc, not through these, and its destructors have checked by then.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "debug.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT _Noreturn void _exit(int status)
{
	if (debug_level)
		debug_finish();
	for (;;)
		syscall(SYS_exit_group, status);
}

EXPORT _Noreturn void _Exit(int status)
{
	_exit(status);
}
