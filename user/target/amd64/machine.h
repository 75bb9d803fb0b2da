/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MACHINE_H
#define ESCAPEMENT_MACHINE_H

/* What amd64 means to the program; ../arm64/machine.h has the same names. */

#include <sys/ptrace.h>
#include <sys/user.h>

/* As uname names it. */
#define MACHINE_NAME "x86_64"

/* The registers of the first arguments in the C ABI, as the notes of probes name them. */
#define MACHINE_ARGUMENTS "%rdi", "%rsi", "%rdx", "%rcx", "%r8", "%r9"

/* Returns the number of the system call in which a traced thread is; -1: none, or unknown. */
static inline long machine_system_call(int tid)
{
	struct user_regs_struct registers;

	return ptrace(PTRACE_GETREGS, tid, NULL, &registers) == 0 ? (long)registers.orig_rax : -1;
}

#endif
