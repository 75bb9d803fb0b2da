/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FILTERED_CALL_H
#define ESCAPEMENT_FILTERED_CALL_H

/*
 * System calls that a seccomp filter forbids although this process has begun: by an error, or by ending the process that makes
 * one (SECCOMP_RET_KILL_PROCESS), which no message would explain. Calls are tried with arguments that no kernel accepts, those
 * that may end a process in a child. Without a filter nothing is tried. Thread-safe.
 */

#include <stdbool.h>

enum filtered_call {
	FILTERED_BPF,
	FILTERED_MEMFD_CREATE, /* libbpf makes this one and the next while it loads programs */
	FILTERED_DUP3,
	FILTERED_LOADING_END,
	FILTERED_PIDFD_OPEN = FILTERED_LOADING_END,
	FILTERED_PROCESS_VM_READV,
	FILTERED_PTRACE,
	FILTERED_CALLS,
};

/* Whether the call would end this process; then errno is EPERM, as of a filter that only forbids it. */
bool filtered_call_kills(enum filtered_call call);

/* The name of the first call that loading BPF programs takes and that a filter refuses with that errno; NULL if none is. */
const char *filtered_call_of_loading(int code);

/* pidfd_open(), for which no filter ends this process. */
int filtered_pidfd_open(int pid);

#endif
