/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MACHINE_H
#define ESCAPEMENT_MACHINE_H

/* What amd64 means to the program; ../arm64/machine.h has the same names. */

#include <elf.h>
#include <stdint.h>
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

/* A thread's registers as PTRACE_GETREGSET has them; the sets of its vector registers and, where it is not among the others, of its
 * thread pointer. */
typedef struct user_regs_struct machine_general_registers;
enum { MACHINE_VECTORS = NT_X86_XSTATE, MACHINE_THREAD_SET = 0 };

static inline uint64_t machine_pc(const machine_general_registers *registers)
{
	return registers->rip;
}

static inline uint64_t machine_sp(const machine_general_registers *registers)
{
	return registers->rsp;
}

/* 0: in a set of its own */
static inline uint64_t machine_thread(const machine_general_registers *registers)
{
	return registers->fs_base;
}

/* Where glibc keeps its struct pthread of that size, by the thread pointer, and the reverse. */
static inline uint64_t machine_descriptor(uint64_t thread, uint64_t bytes)
{
	(void)bytes;
	return thread;
}

static inline uint64_t machine_thread_of(uint64_t descriptor, uint64_t bytes)
{
	(void)bytes;
	return descriptor;
}

/* From the thread pointer to the address of glibc's table of thread-local blocks (the dtv); bytes that a function may use below
 * its stack pointer. */
enum { MACHINE_DTV = 8, MACHINE_RED_ZONE = 128 };

#endif
