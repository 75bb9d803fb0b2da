/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MACHINE_H
#define ESCAPEMENT_MACHINE_H

/* What arm64 means to the program; ../amd64/machine.h has the same names. */

#include <elf.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define MACHINE_NAME "aarch64"

#define MACHINE_ARGUMENTS "x0", "x1", "x2", "x3", "x4", "x5"

static inline long machine_system_call(int tid)
{
	int number = -1;
	struct iovec buffer = {&number, sizeof(number)};

	return ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)NT_ARM_SYSTEM_CALL, &buffer) == 0 ? number : -1;
}

typedef struct user_regs_struct machine_general_registers;
enum { MACHINE_VECTORS = NT_PRFPREG, MACHINE_THREAD_SET = NT_ARM_TLS };

static inline uint64_t machine_pc(const machine_general_registers *registers)
{
	return registers->pc;
}

static inline uint64_t machine_sp(const machine_general_registers *registers)
{
	return registers->sp;
}

static inline uint64_t machine_thread(const machine_general_registers *registers)
{
	(void)registers;
	return 0;
}

static inline uint64_t machine_descriptor(uint64_t thread, uint64_t bytes)
{
	return thread - bytes;
}

static inline uint64_t machine_thread_of(uint64_t descriptor, uint64_t bytes)
{
	return descriptor + bytes;
}

enum { MACHINE_DTV = 0, MACHINE_RED_ZONE = 0 };

#endif
